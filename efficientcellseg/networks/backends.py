"""What runs a network other than torch: ONNX Runtime and OpenVINO, on the CPU.

A network goes there as an ONNX file in memory. Squeeze-and-excitation pools over the whole
tile, so that its size is fixed; the number of tiles is not.
"""

from __future__ import annotations

import importlib
import io
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ctc_eval.format import InputError
from efficientcellseg.networks.base import Network

OPSET = 17


class Compiled(Network):
    """A network that another program runs; it has no parameters in torch.

    Parameters
    ----------
    network : Network
        The one that it computes.
    run : callable
        Turns (N, 3, S, S) into logits (N, C, S, S), both float32 arrays.
    """

    def __init__(self, network: Network, run: Callable[[np.ndarray], np.ndarray]) -> None:
        super().__init__(network.architecture)
        self.run = run

    def forward(self, image: Tensor) -> Tensor:
        """Predict logits."""
        return torch.from_numpy(self.run(image.numpy()))


def compile_network(model: Network, backend: str, device: str = "auto") -> Compiled:
    """Hand a network over to another program.

    Parameters
    ----------
    model : Network
        In evaluation mode, on the CPU.
    backend : {"onnxruntime", "openvino"}
    device : {"auto", "cpu"}

    Returns
    -------
    Compiled
        Uses as many threads as torch does.

    Raises
    ------
    InputError
        The program is not installed; a GPU is asked for.
    """
    if device not in ("auto", "cpu"):
        raise InputError(
            f"device {device}: {backend} runs on the CPU here; expected --device cpu, or "
            "--backend torch",
            code="backend-unfit",
        )
    package = require(backend)
    data, threads = to_onnx(model), torch.get_num_threads()
    if backend == "onnxruntime":
        options = package.SessionOptions()
        options.intra_op_num_threads = threads
        session = package.InferenceSession(data, options, providers=["CPUExecutionProvider"])
        return Compiled(model, lambda tiles: session.run(None, {"x": tiles})[0])
    # OpenVINO would round to bfloat16 where the processor has it.
    hints = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": threads}
    core = package.Core()
    request = core.compile_model(core.read_model(data), "CPU", hints)
    return Compiled(model, lambda tiles: request(tiles)[0])


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
            "run with --backend torch alone",
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
    """Import a package that not everyone needs.

    Raises
    ------
    InputError
        It is not installed.
    """
    try:
        return importlib.import_module(package)
    except ModuleNotFoundError:
        raise InputError(
            f"{package}: not installed; expected it here: pip install {package}",
            code="package-missing",
        ) from None
