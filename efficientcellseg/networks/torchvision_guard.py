"""Makes timm importable if torch is built for the CPU and torchvision for CUDA.

The package index has such a pair; importing torchvision then fails with "operator
torchvision::nms does not exist". timm needs none of its operators, so declaring their schemas is
enough. Import this module before timm.
"""

import importlib.util
import re
from pathlib import Path

import torch


def _torchvision_is_for_cuda() -> bool:
    found = importlib.util.find_spec("torchvision")
    if found is None or not found.submodule_search_locations:
        return False
    version = Path(found.submodule_search_locations[0]) / "version.py"
    # Builds for the CPU speak of "cuda" there, too; were the schemas declared beside these
    # builds' own, torch would abort.
    return version.is_file() and bool(
        re.search(r"__version__ = '[^']*\+cu\d", version.read_text(encoding="utf-8"))
    )


if torch.version.cuda is None and _torchvision_is_for_cuda():
    # The library must outlive this module's execution, or its definitions vanish with it.
    _SCHEMAS = torch.library.Library("torchvision", "DEF")
    _SCHEMAS.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    _SCHEMAS.define(
        "qnms(Tensor dets, Tensor scores, float iou_threshold, float scale, int zero_point) "
        "-> Tensor"
    )
