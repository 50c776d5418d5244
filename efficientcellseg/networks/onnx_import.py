"""The authors' networks: an ONNX file of Keras's EfficientNet with decoder, read by structure.

Nothing depends on names. The convolutions of the graph follow each other in one chain of
dependencies, so that any topological order is the order of our modules. What stands behind a
convolution and is affine channel by channel (a bias, a batch norm as such or as Mul and Add) is
gathered into a scale and a shift; what stands before the first one is the normalization of
the image. ONNX Runtime folds constants beforehand, and tells in the end whether the result is
the same network.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np

from ctc_eval.format import InputError, atomic
from efficientcellseg.datasets.download import DownloadError, fetch
from efficientcellseg.frozen import changed
from efficientcellseg.networks.backends import require
from efficientcellseg.networks.folders import file_hash

if TYPE_CHECKING:
    from torch import nn

    from efficientcellseg.networks.efficientcellseg import EfficientCellSegNetwork
    from efficientcellseg.parameters.architecture import EfficientCellSegArchitecture

# The files that Wagner & Rohr published. HEAD is the default branch, whatever its name.
AUTHORS = "https://github.com/roydenwa/efficient-cell-seg/raw/HEAD/pretrained-models"
KNOWN = {name: f"{AUTHORS}/{name}.onnx" for name in ("ecs_a549", "ecs_tric")}

# Largest differences to ONNX Runtime: of probabilities; of logits, as a share of the largest
# one, so that a map which is 0 all over hides nothing.
PROBABILITY, LOGIT = 1e-4, 1e-3
# An image in 0..1 that is divided by 255 and then normalized is all but constant, so that rounding
# may make more than that. It is measured; a difference within so many times it is put down to it.
ROUNDINGS = 3

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
        """Multiply, then add."""
        return Affine(self.source, self.scale * factor, self.shift * factor + offset)


@dataclass(frozen=True)
class Graph:
    """What a graph holds: layers in their order, scale and shift behind each, two images.

    The images are the input as it reaches the first layer, and as it reaches the decoder.
    """

    layers: list[Layer]
    affines: dict[int, Affine]
    normalized: Affine | None
    skip: Affine | None


def import_onnx(
    path: Path,
    architecture: EfficientCellSegArchitecture,
    input_scale: float = 1.0,
    tolerance: float = PROBABILITY,
) -> tuple[EfficientCellSegNetwork, dict[str, float]]:
    """Read a Keras-exported network into our modules.

    Parameters
    ----------
    path : Path
        ONNX file with one input of three channels, NHWC or NCHW, and a sigmoid at the end;
        resizing before the first and after the last convolution is left to the caller.
    architecture : EfficientCellSegArchitecture
        Statistics and the kind of the last skip are read from the file.
    input_scale : float
        What the file's network wants an image in 0..1 to be multiplied by. The authors' own
        inference feeds images in 0..1, that is 1, although Keras divides by 255 within.
    tolerance : float
        Largest difference of probabilities to ONNX Runtime.

    Returns
    -------
    model : EfficientCellSegNetwork
        In evaluation mode, float32; takes images in 0..1 whatever `input_scale` is. Batch norms
        hold a scale and a shift with mean 0 and variance 1, since a file in which they are fused
        tells no more.
    differences : dict of str to float
        The largest to ONNX Runtime on random input: ``probability``, absolute; ``logit``, as a
        share of the largest logit; ``rounding``, how far ONNX Runtime's probabilities move when
        the normalized image moves within its last bit.

    Raises
    ------
    InputError
        Not an ONNX file; another structure, with what did not fit; a network that computes
        something else than ONNX Runtime does; onnx or onnxruntime not installed.
    """
    from efficientcellseg.networks.efficientcellseg import EfficientCellSegNetwork

    onnx = require("onnx")
    require("onnxruntime")
    if not path.is_file():
        raise InputError(f"{path}: no such file; expected an ONNX file")
    try:
        original = onnx.load(path)
        simplified = _simplified(original)
    except Exception as error:
        # Both packages raise types of their own; to the user they all mean one thing.
        reason = " ".join(str(error).split())[:200]
        raise InputError(
            f"{path}: not a whole ONNX file ({reason}); expected a network exported from Keras: "
            "download it again"
        ) from None
    graph = _read(simplified, input_scale)
    image, skip = graph.normalized, graph.skip
    if image is None or skip is None or not image.scale.all():
        raise InputError(
            f"{path}: no image, scaled and shifted by constants, reaches the "
            f"{'decoder' if image else 'first convolution'}; expected it there: export the "
            "network with its normalization"
        )
    raw = not all(map(np.allclose, (image.scale, image.shift), (skip.scale, skip.shift)))
    if raw and skip.shift.any():
        raise InputError(
            f"{path}: the image reaches the decoder shifted by {skip.shift.tolist()}; expected it "
            "unshifted, or as it reaches the encoder"
        )
    found = changed(
        architecture,
        mean=tuple((-image.shift / image.scale).tolist()),
        std=tuple((1 / image.scale).tolist()),
        raw_skip=raw,
    )
    model = EfficientCellSegNetwork(found).eval()
    _fill(model, graph, skip.scale if raw else np.ones(3), path)
    return model, _differences(model, original, input_scale, tolerance, path)


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


def _read(model: Any, input_scale: float) -> Graph:
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
    return Graph(layers, affines, normalized, skip)


def _weight(node: Any, weight: np.ndarray) -> np.ndarray:
    """Give the weight of a convolution or a matrix product as that of a convolution."""
    if node.op_type == "Conv":
        return weight
    transposed = any(a.name == "transB" and a.i for a in node.attribute)
    return (weight if transposed else weight.T)[..., None, None]


def _affine(node: Any, before: Affine, constants: dict[str, np.ndarray]) -> Affine | None:
    """Go through a node that is affine channel by channel; None where it is not."""
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


def _slots(model: nn.Module) -> Iterator[tuple[str, nn.Conv2d, nn.BatchNorm2d | None]]:
    """Give the convolutions in the order of execution, each with its batch norm."""
    from torch import nn

    modules = [
        (name, module)
        for name, module in model.named_modules()
        if isinstance(module, (nn.Conv2d, nn.BatchNorm2d))
    ]
    for i, (name, module) in enumerate(modules):
        if isinstance(module, nn.Conv2d):
            # Those with a bias have no batch norm.
            norm = modules[i + 1][1] if module.bias is None else None
            assert norm is None or isinstance(norm, nn.BatchNorm2d)
            yield name, module, norm


def _fill(model: EfficientCellSegNetwork, graph: Graph, skip: np.ndarray, path: Path) -> None:
    """Set the weights in place; `skip` scales the image that the decoder sees.

    Raises
    ------
    InputError
        Other layers than ours.
    """
    import torch

    slots = list(_slots(model))
    pairs = list(zip_longest(graph.layers, slots))
    wrong = [
        (f"{layer.name} {layer.weight.shape}" if layer else "nothing")
        + " for "
        + (f"{slot[0]} {tuple(slot[1].weight.shape)}" if slot else "nothing")
        for layer, slot in pairs
        if not (layer and slot and layer.weight.shape == tuple(slot[1].weight.shape))
    ]
    if wrong:
        raise InputError(
            f"{path}: {len(graph.layers)} convolutions, expected {len(slots)}; {len(wrong)} do "
            f"not fit: {'; '.join(wrong[:3])}{'; ...' if wrong[3:] else ''}: give the encoder and "
            "decoder filters of the file"
        )
    with torch.no_grad():
        for i, (layer, (_, conv, norm)) in enumerate(zip(graph.layers, slots, strict=True)):
            scale, shift = (
                torch.from_numpy(np.array(values))
                for values in (graph.affines[i].scale, graph.affines[i].shift)
            )
            weight = torch.from_numpy(layer.weight.astype(float))
            if norm is None:
                assert conv.bias is not None
                conv.weight.copy_(weight * scale.view(-1, 1, 1, 1))
                conv.bias.copy_(shift)
            else:
                conv.weight.copy_(weight)
                norm.weight.copy_(scale)
                norm.bias.copy_(shift)
                assert norm.running_mean is not None
                assert norm.running_var is not None
                norm.running_mean.zero_()
                norm.running_var.fill_(1 - norm.eps)
        last = next(m for m in model.decoder[-1].modules() if isinstance(m, torch.nn.Conv2d))
        last.weight[:, -3:] *= torch.from_numpy(skip).float().view(1, 3, 1, 1)


def _differences(
    model: EfficientCellSegNetwork, original: Any, input_scale: float, tolerance: float, path: Path
) -> dict[str, float]:
    """Compare with ONNX Runtime on random input.

    Raises
    ------
    InputError
        A difference beyond what rounding makes; a network without a sigmoid at its end.
    """
    import onnx
    import onnxruntime
    import torch
    from torch.nn.functional import interpolate

    sigmoid = [n for n in original.graph.node if n.op_type in ("Sigmoid", "Conv", "MatMul")][-1]
    if sigmoid.op_type != "Sigmoid":
        raise InputError(f"{path}: ends without a sigmoid; expected the network with its sigmoid")
    with_logit = onnx.ModelProto()
    with_logit.CopyFrom(original)
    with_logit.graph.output.append(onnx.ValueInfoProto(name=sigmoid.input[0]))
    session = onnxruntime.InferenceSession(
        with_logit.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    entry = session.get_inputs()[0]
    if len(entry.shape) != 4 or 3 not in (entry.shape[1], entry.shape[-1]):
        raise InputError(f"{path}: input of shape {entry.shape}; expected images of three channels")
    last = entry.shape[-1] == 3
    rows, columns = (
        length if isinstance(length, int) else model.input_size
        for length in (entry.shape[1:3] if last else entry.shape[2:4])
    )
    random = np.random.default_rng(0)
    image = random.random((1, 3, rows, columns), dtype=np.float32)

    def reference(image: np.ndarray) -> list[np.ndarray]:
        fed = np.float32(input_scale) * image
        return session.run(None, {entry.name: fed.transpose(0, 2, 3, 1) if last else fed})

    probability, logit = reference(image)
    size = (model.input_size, model.input_size)
    model.double()  # so that ONNX Runtime alone rounds
    with torch.inference_mode():
        ours = model(interpolate(torch.from_numpy(image).double(), size, mode="bilinear"))
        maps = interpolate(ours.sigmoid(), (rows, columns), mode="bilinear")
    model.float()
    if (logit.size, probability.size) != (ours.numel(), maps.numel()):
        raise InputError(
            f"{path}: gives logits {logit.shape} and probabilities {probability.shape}; expected "
            f"one map of {size}, resized to {rows} x {columns}: give the input size of the file"
        )
    # The normalized image, moved within its last bit.
    step = random.choice([-1, 1], image.shape) * abs(image - model.mean.numpy()) / 2**24
    found = {
        "probability": _largest(maps.numpy(), probability),
        "logit": _largest(ours.numpy(), logit) / float(abs(logit).max()),
        "rounding": _largest(reference((image + step).astype(np.float32))[0], probability),
    }
    if not (found["probability"] <= tolerance and found["logit"] <= LOGIT):
        rounding = found["probability"] <= ROUNDINGS * found["rounding"] and found["logit"] <= LOGIT
        raise InputError(
            f"{path}: all shapes fit, but the imported network differs from ONNX Runtime by "
            f"{found['probability']:.2g} in probability and {found['logit']:.2g} of the largest "
            f"logit; expected at most {tolerance:g} and {LOGIT:g}: "
            + (
                f"rounding alone makes {found['rounding']:.2g}, so a larger --tolerance is sound"
                if rounding
                else "the file is connected otherwise"
            )
        )
    return found


def _largest(a: np.ndarray, b: np.ndarray) -> float:
    """Give the largest difference of two maps, wherever the axis of channels is."""
    return float(abs(a.ravel() - b.ravel()).max())


def obtain(source: str, folder: Path) -> tuple[Path, str | None]:
    """Find a network's ONNX file, downloading it where it is an address or a known name.

    Parameters
    ----------
    source : str
        File, ``https://...``, or one of :data:`KNOWN`.
    folder : Path
        Where a download goes, and stays. A file placed there by hand is used.

    Returns
    -------
    path : Path
    url : str or None
        Where it comes from, if not a file from the start.

    Raises
    ------
    InputError
        It cannot be had, or its hash is not the one recorded beside it, see :func:`record`.
    """
    url = KNOWN.get(source, source)
    if not url.startswith(("https://", "http://")):
        return Path(source), None
    path = folder / url.rsplit("/", 1)[-1].split("?")[0]
    if not path.is_file():
        try:
            fetch(url, path)
        except DownloadError as error:
            raise InputError(
                f"{error}; expected the network there: try again (it goes on where it stopped), "
                f"or fetch the file elsewhere and place it as {path}"
            ) from None
    recorded = _record(path).read_text(encoding="utf-8") if _record(path).is_file() else None
    found = f"{file_hash(path)}  {path.name}\n"
    if recorded not in (None, found):
        raise InputError(
            f"{path}: SHA-256 {found.split()[0]}; expected the one in {_record(path)}: delete "
            f"{path.name} and download it again"
        )
    return path, url


def record(path: Path) -> None:
    """Write a download's hash beside it, as sha256sum does, once it has proved good."""
    with atomic(_record(path)) as temporary:
        temporary.write_text(f"{file_hash(path)}  {path.name}\n", encoding="utf-8")


def _record(path: Path) -> Path:
    return path.with_name(f"{path.name}.sha256")
