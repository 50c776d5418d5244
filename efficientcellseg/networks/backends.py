"""What runs a network other than torch: ONNX Runtime and OpenVINO, on the CPU.

A network goes there as an ONNX file. Squeeze-and-excitation pools over the whole tile, so that
its size is fixed; the number of tiles is not. That file, what OpenVINO makes of it and whether a
backend agrees with torch are kept in a cache folder, by the hash of the weights.
"""

from __future__ import annotations

import importlib
import io
import json
import logging
import os
import warnings
from collections.abc import Callable, Sequence
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ctc_eval.format import InputError, atomic
from efficientcellseg.networks.base import Network
from efficientcellseg.networks.folders import check_weights, load_model, read_card
from efficientcellseg.parameters.architecture import Architecture

log = logging.getLogger(__name__)

OPSET = 17
# Beside torch, the fastest first; what they compute in.
PRECISIONS = {"openvino": ("float32", "bf16"), "onnxruntime": ("float32",)}
# How far the maps of another backend may be from those of torch, where none is asked for.
SAME_WITHIN = 1e-3
# Names the folder of the cache.
CACHE = "EFFICIENTCELLSEG_CACHE"


class Compiled(Network):
    """A network that another program runs; it has no parameters in torch.

    Parameters
    ----------
    architecture : Architecture
        Of the network that it computes.
    run : callable
        Turns (N, 3, S, S) into logits (N, C, S, S), both float32 arrays.
    """

    def __init__(self, architecture: Architecture, run: Callable[[np.ndarray], np.ndarray]) -> None:
        super().__init__(architecture)
        self.run = run

    def forward(self, image: Tensor) -> Tensor:
        """Predict logits.

        Parameters
        ----------
        image : Tensor of shape (N, 3, S, S), float32
            Tiles, in 0..1.

        Returns
        -------
        Tensor of shape (N, C, S, S), float32
        """
        return torch.from_numpy(self.run(image.numpy()))


class Autocast(Network):
    """A network that torch computes in bfloat16 where that does.

    Parameters
    ----------
    network : Network
        On its device.
    """

    def __init__(self, network: Network) -> None:
        super().__init__(network.architecture)
        self.network, self.planes = network, network.planes

    def forward(self, image: Tensor) -> Tensor:
        """Predict logits.

        Parameters
        ----------
        image : Tensor of shape (N, 3, S, S), float32
            Tiles, in 0..1.

        Returns
        -------
        Tensor of shape (N, C, S, S)
        """
        with torch.autocast(image.device.type, torch.bfloat16):
            return self.network(image)


def fastest_backend(folders: Sequence[Path], precision: str = "float32") -> str:
    """Choose the fastest installed program that agrees with torch.

    Parameters
    ----------
    folders : sequence of Path
        Model folders.
    precision : {"float32", "bf16"}

    Returns
    -------
    {"openvino", "onnxruntime", "torch"}
        One in which the maps of all these networks are those of torch, in float32 and within
        `SAME_WITHIN`, on a few made-up tiles. The cache remembers how far they were apart.
    """
    for backend, precisions in PRECISIONS.items():
        there = precision in precisions and find_spec(backend) and find_spec("onnx")
        if there and all(_difference(folder, backend) <= SAME_WITHIN for folder in folders):
            return backend
    return "torch"


def _difference(folder: Path, backend: str) -> float:
    """Measure how far a network's maps are from those of torch, or remember it."""
    sha256, version = read_card(folder).sha256, metadata.version(backend)
    known = cached(f"{sha256}-{backend}-{version}.json")
    try:
        return float(json.loads(known.read_text())["difference"])
    except (OSError, ValueError, KeyError, TypeError):
        pass
    model = load_model(folder)
    if model.planes:
        return float("inf")  # 3D networks run in torch alone
    compiled = load_compiled(folder, backend)
    tiles = torch.from_numpy(_made_up_tiles(model.input_size))
    with torch.inference_mode():
        apart = (compiled(tiles).sigmoid() - model(tiles).sigmoid()).abs().max()
    # What is not finite agrees with nothing.
    difference = float(apart.nan_to_num(nan=float("inf")))
    _keep(known, json.dumps({"difference": difference}).encode())
    log.debug("%s: maps in %s differ from torch's by %.1g", folder, backend, difference)
    return difference


def _made_up_tiles(size: int) -> np.ndarray:
    """Make tiles (3, 3, size, size) in 0..1: disks on a dark ground, bright ones, and noise."""
    chance = np.random.default_rng(0)
    rows, columns = np.mgrid[:size, :size].astype(np.float32)
    tiles = chance.random((3, 3, size, size), np.float32)
    for tile, share in zip(tiles, (0.1, 0.3), strict=False):
        disks = np.zeros((size, size), np.float32)
        for row, column, radius in chance.random((20, 3)):
            apart = np.hypot(rows - row * size, columns - column * size)
            disks = np.maximum(disks, np.clip((radius + 0.2) * size / 12 - apart, 0, 1))
        tile[:] = tile * share + disks * (1 - share)
    return tiles


def cached(name: str) -> Path:
    """Find the place of a file in the cache folder, EFFICIENTCELLSEG_CACHE or the user's own.

    Parameters
    ----------
    name : str
        Of the file.

    Returns
    -------
    Path
        Which need not exist.
    """
    users = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return Path(os.environ.get(CACHE) or users / "efficientcellseg") / name


def _keep(path: Path, data: bytes) -> None:
    """Write a file to the cache; if that fails, it is made again each time."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic(path) as temporary:
            temporary.write_bytes(data)
    except OSError as error:
        log.debug("%s: not kept (%s)", path, error)


def load_compiled(
    folder: Path, backend: str, device: str = "auto", precision: str = "float32"
) -> Compiled:
    """Load a model folder into another program; files in the cache are used again.

    Parameters
    ----------
    folder : Path
        Model folder.
    backend : str
        ``onnxruntime`` or ``openvino``.
    device : str
        Where it runs.
    precision : str
        ``float32`` or ``bf16``.

    Returns
    -------
    Compiled

    Raises
    ------
    InputError
        What :func:`compile_network` and
        :func:`efficientcellseg.networks.folders.load_model` refuse.
    """
    card = check_weights(folder)
    known = cached(f"{card.sha256}-torch-{torch.__version__}.onnx")
    try:
        data = known.read_bytes()
    except OSError:
        data = to_onnx(load_model(folder))
        _keep(known, data)
    kept = cached("openvino") if os.access(known.parent, os.W_OK) else None
    return _compile(card.architecture, data, backend, device, precision, kept)


def compile_network(
    model: Network, backend: str, device: str = "auto", precision: str = "float32"
) -> Compiled:
    """Compile a network for another program.

    Parameters
    ----------
    model : Network
        In evaluation mode, on the CPU.
    backend : {"onnxruntime", "openvino"}
    device : {"auto", "cpu"}
    precision : {"float32", "bf16"}
        Its precision; bf16 only in OpenVINO.

    Returns
    -------
    Compiled
        Uses as many threads as torch does.

    Raises
    ------
    InputError
        The program is not installed; a GPU or a precision is asked for that it does not know.
    """
    return _compile(model.architecture, to_onnx(model), backend, device, precision)


def _check_fit(backend: str, device: str, precision: str) -> None:
    """Refuse what a program does not know, or that is not there."""
    if device not in ("auto", "cpu"):
        raise InputError(
            f"device {device}: {backend} runs on the CPU here; expected --device cpu, or "
            "--backend torch",
            code="backend-unfit",
        )
    if precision not in PRECISIONS[backend]:
        raise InputError(
            f"precision {precision}: {backend} computes in {', '.join(PRECISIONS[backend])}; "
            "expected one of these, or --backend torch or openvino",
            code="backend-unfit",
        )
    require(backend)


def _compile(
    architecture: Architecture,
    data: bytes,
    backend: str,
    device: str,
    precision: str,
    kept: Path | None = None,
) -> Compiled:
    """Compile an ONNX file; OpenVINO keeps what it makes in the folder `kept`."""
    _check_fit(backend, device, precision)
    package, threads = require(backend), torch.get_num_threads()
    if backend == "onnxruntime":
        options = package.SessionOptions()
        options.intra_op_num_threads = threads
        session = package.InferenceSession(data, options, providers=["CPUExecutionProvider"])
        return Compiled(architecture, lambda tiles: session.run(None, {"x": tiles})[0])
    # OpenVINO would round to bfloat16 unasked where the processor has it.
    hint = {"float32": "f32"}.get(precision, precision)
    hints = {"INFERENCE_PRECISION_HINT": hint, "INFERENCE_NUM_THREADS": threads}
    core = package.Core()
    if kept:
        core.set_property({"CACHE_DIR": str(kept)})
    request = core.compile_model(core.read_model(data), "CPU", hints)
    # Tile by tile: a batch leaves the processor's caches and takes a tenth longer.
    return Compiled(
        architecture, lambda tiles: np.concatenate([request(tile[None])[0] for tile in tiles])
    )


def to_onnx(model: Network, output: str = "logits") -> bytes:
    """Write a network as an ONNX file in memory.

    Parameters
    ----------
    model : Network
        In evaluation mode, on the CPU.
    output : {"logits", "probability"}

    Returns
    -------
    bytes
        Input ``x``, (N, 3, S, S) float32 in 0..1; output (N, C, S, S), named `output`.

    Raises
    ------
    InputError
        onnx is not installed; a 3D network.
    """
    if model.planes:
        raise InputError(
            f"a network for slabs of {model.planes} slices; expected one for slices: 3D networks "
            "run only with --backend torch",
            code="backend-unfit",
        )
    require("onnx")
    network = model if output == "logits" else nn.Sequential(model, nn.Sigmoid()).eval()
    file = io.BytesIO()
    with warnings.catch_warnings():
        # The exporter by tracing is the one that needs no further packages. It announces its end.
        for message in ("You are using the legacy TorchScript", "The feature will be removed"):
            warnings.filterwarnings("ignore", message, DeprecationWarning)
        torch.onnx.export(
            network,
            (torch.zeros(2, 3, model.input_size, model.input_size),),
            file,  # type: ignore[arg-type]
            input_names=["x"],
            output_names=[output],
            dynamic_axes={"x": {0: "tiles"}, output: {0: "tiles"}},
            opset_version=OPSET,
            dynamo=False,
        )
    return file.getvalue()


def require(package: str) -> Any:
    """Import an optional package.

    Parameters
    ----------
    package : str

    Returns
    -------
    module

    Raises
    ------
    InputError
        It is not installed.
    """
    try:
        return importlib.import_module(package)
    except ModuleNotFoundError:
        raise InputError(
            f"{package}: not installed: pip install {package}",
            code="package-missing",
        ) from None
