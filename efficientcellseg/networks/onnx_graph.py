"""Reads an ONNX file of Keras's EfficientNet with decoder by its structure.

Nothing depends on names. The convolutions of the graph follow each other in one chain of
dependencies, so that any topological order is the order of our modules. What stands behind a
convolution and is affine channel by channel (a bias, a batch norm as such or as Mul and Add) is
gathered into a scale and a shift; what stands before the first one is the normalization of
the image. ONNX Runtime folds constants beforehand.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from ctc_eval.format import InputError
from efficientcellseg.networks.backends import require

# Operations that leave channels what they are.
PASSING = {"Cast", "Identity", "Pad", "Reshape", "Resize", "Squeeze", "Transpose", "Unsqueeze"}
IMAGE = -1


@dataclass(frozen=True)
class Layer:
    """A convolution; a matrix product is one of 1x1. Weight of shape (O, I / groups, K, K)."""

    name: str
    weight: np.ndarray


@dataclass(frozen=True)
class Affine:
    """A tensor that is, channel by channel, `scale` times what `source` gives, plus `shift`."""

    source: int
    scale: np.ndarray
    shift: np.ndarray

    def then(self, factor: Any, offset: Any) -> Affine:
        """Multiply, then add.

        Parameters
        ----------
        factor, offset : float or ndarray of shape (C,)

        Returns
        -------
        Affine
        """
        return Affine(self.source, self.scale * factor, self.shift * factor + offset)


@dataclass(frozen=True)
class Graph:
    """What a file's graph holds.

    Attributes
    ----------
    layers : list of Layer
        In their order.
    affines : list of Affine
        Scale and shift behind each layer.
    normalized, skip : Affine
        The image as it reaches the first layer, and as it reaches the decoder.
    """

    layers: list[Layer]
    affines: list[Affine]
    normalized: Affine
    skip: Affine


def read_graph(path: Path, input_scale: float = 1.0) -> tuple[Any, Graph]:
    """Read a Keras-exported network.

    Parameters
    ----------
    path : Path
        ONNX file with one input of three channels, NHWC or NCHW.
    input_scale : float
        What the network wants an image in 0..1 to be multiplied by.

    Returns
    -------
    original : onnx.ModelProto
        What the file holds.
    graph : Graph

    Raises
    ------
    InputError
        Not an ONNX file; an image that is not normalized by constants; onnx or onnxruntime not
        installed.
    """
    onnx = require("onnx")
    require("onnxruntime")
    if not path.is_file():
        raise InputError(
            f"{path}: no such file; expected an ONNX file: check the path", code="file-missing"
        )
    try:
        original = onnx.load(path)
        simplified = _simplified(original)
    except Exception as error:
        # Both packages raise types of their own; to the user they all mean one thing.
        reason = " ".join(str(error).split())[:200]
        raise InputError(
            f"{path}: not a whole ONNX file ({reason}); expected a network exported from Keras: "
            "download it again",
            code="onnx-damaged",
        ) from None
    layers, affines, normalized, skip = _walk(simplified, input_scale)
    if normalized is None or skip is None or not normalized.scale.all():
        raise InputError(
            f"{path}: no image, scaled and shifted by constants, reaches the "
            f"{'decoder' if normalized else 'first convolution'}; expected it there: export the "
            "network with its normalization",
            code="normalization-missing",
        )
    return original, Graph(layers, affines, normalized, skip)


def _simplified(original: Any) -> Any:
    """Let ONNX Runtime fold constants, and batch norms where it can."""
    import onnx
    import onnxruntime

    with TemporaryDirectory() as folder:
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
        options.optimized_model_filepath = str(Path(folder) / "simplified.onnx")
        onnxruntime.InferenceSession(
            original.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
        return onnx.load(options.optimized_model_filepath)


def _walk(
    model: Any, input_scale: float
) -> tuple[list[Layer], list[Affine], Affine | None, Affine | None]:
    """Walk a graph in topological order, in which ONNX lists its nodes."""
    from onnx import numpy_helper

    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    uses = Counter(name for node in model.graph.node for name in node.input)
    layers: list[Layer] = []
    affines: dict[int, Affine] = {}
    image = next((entry.name for entry in model.graph.input if entry.name not in constants), "")
    known = {image: Affine(IMAGE, np.full(3, input_scale), np.zeros(3))}
    normalized = skip = None
    for node in model.graph.node:
        if node.op_type in ("Conv", "Gemm", "MatMul") and node.input[1] in constants:
            if not layers:
                normalized = known.get(node.input[0])
            weight = _weight(node, constants[node.input[1]])
            bias = constants.get(node.input[2]) if len(node.input) > 2 else None
            shift = np.zeros(len(weight)) if bias is None else bias.astype(float)
            found: Affine | None = Affine(len(layers), np.ones(len(weight)), shift)
            layers.append(Layer(node.name or node.output[0], weight))
        else:
            before = next((known[name] for name in node.input if name in known), None)
            if node.op_type == "Concat" and before and before.source == IMAGE:
                skip = before
            # What a layer gives is its own as long as nothing else uses it.
            single = all(uses[name] == 1 for name in node.input if name in known)
            follows = before and (single or before.source == IMAGE)
            found = _affine(node, before, constants) if before and follows else None
        if found:
            known[node.output[0]] = affines[found.source] = found
    return layers, [affines[i] for i in range(len(layers))], normalized, skip


def _weight(node: Any, weight: np.ndarray) -> np.ndarray:
    """Return the weight of a convolution, or of a matrix product as a 1x1 convolution."""
    if node.op_type == "Conv":
        return weight
    transposed = any(a.name == "transB" and a.i for a in node.attribute)
    return (weight if transposed else weight.T)[..., None, None]


def _affine(node: Any, before: Affine, constants: dict[str, np.ndarray]) -> Affine | None:
    """Go through a node that is affine channel by channel; None if it is not."""
    if node.op_type in PASSING:
        return before
    first = node.input[0] not in constants
    values = [constants[n].astype(float).ravel() for n in node.input if n in constants]
    if any(value.size not in (1, before.scale.size) for value in values):
        return None
    match node.op_type, values:
        case "Mul", [factor]:
            return before.then(factor, 0)
        case "Add", [offset]:
            return before.then(1, offset)
        case "Sub", [offset]:
            return before.then(1, -offset) if first else before.then(-1, offset)
        case "Div", [divisor] if first:
            return before.then(1 / divisor, 0)
        case "BatchNormalization", [gamma, beta, mean, variance]:
            epsilon = next((a.f for a in node.attribute if a.name == "epsilon"), 1e-5)
            factor = gamma / np.sqrt(variance + epsilon)
            return before.then(factor, beta - mean * factor)
    return None
