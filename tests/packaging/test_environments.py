"""The environments that jobs run in: envs/*.yaml list what is imported, in the lock's versions."""

import pytest
from pins import LOCK, ROOT, imports, pins

# What no job of the workflow's other environments needs.
NETWORKS = {"kornia", "monai", "onnx", "onnxruntime", "safetensors", "timm", "torch"}
# What no job needs: it is for looking.
WINDOWS = {"magicgui", "napari"}
# Needed without being imported: by tifffile for compressed TIFFs, by timm, to run networks.
UNSEEN = {"imagecodecs", "torchvision", "openvino"}

ENVIRONMENTS = {path.stem: pins(path.read_text()) for path in (ROOT / "envs").glob("*.yaml")}


@pytest.mark.parametrize("name", ["imaging", "torch", "evaluation"])
def test_the_versions_are_those_of_the_lock(name):
    environment = ENVIRONMENTS[name]
    assert environment
    assert environment == {package: LOCK[package] for package in environment}


def test_what_is_imported_is_there_and_nothing_more():
    method, judge = imports("efficientcellseg") - WINDOWS, imports("ctc_eval")
    expected = {"evaluation": judge, "imaging": method - NETWORKS, "torch": method}
    for name, needed in expected.items():
        assert set(ENVIRONMENTS[name]) - UNSEEN == (needed | judge) - UNSEEN, name
    # The imports do not show this.
    assert all("imagecodecs" in listed for listed in ENVIRONMENTS.values())
    assert {"torchvision", "openvino"} <= ENVIRONMENTS["torch"].keys()
