"""Reads networks of the original authors: ONNX files of Keras's EfficientNet with decoder.

The graph's layers fill our modules in their order; ONNX Runtime tells in the end whether the
result is the same network.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ctc_eval.format import InputError
from efficientcellseg.frozen import changed
from efficientcellseg.networks.onnx_graph import Graph, read_graph

if TYPE_CHECKING:
    from torch import nn

    from efficientcellseg.networks.efficientcellseg import EfficientCellSegNetwork
    from efficientcellseg.parameters.architecture import EfficientCellSegArchitecture

# Largest differences to ONNX Runtime: of probabilities; of logits, as a share of the largest
# one, so that a map which is 0 all over hides nothing.
PROBABILITY, LOGIT = 1e-4, 1e-3
# An image in 0..1 that is divided by 255 and then normalized is all but constant, so that rounding
# may make more than that. It is measured; a difference within so many times it is put down to it.
ROUNDINGS = 3


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
        The largest ones to ONNX Runtime, named ``probability``, ``logit`` and ``rounding``.

    Raises
    ------
    InputError
        Not an ONNX file; another structure, with what did not fit; a network that computes
        something else than ONNX Runtime does; onnx or onnxruntime not installed.
    """
    from efficientcellseg.networks.efficientcellseg import EfficientCellSegNetwork

    original, graph = read_graph(path, input_scale)
    image, skip = graph.normalized, graph.skip
    raw = not all(map(np.allclose, (image.scale, image.shift), (skip.scale, skip.shift)))
    if raw and skip.shift.any():
        raise InputError(
            f"{path}: the image reaches the decoder shifted by {skip.shift.tolist()}; expected it "
            "unshifted, or as it reaches the encoder",
            code="normalization-unknown",
        )
    found = changed(
        architecture,
        mean=tuple((-image.shift / image.scale).tolist()),
        std=tuple((1 / image.scale).tolist()),
        raw_skip=raw,
    )
    model = EfficientCellSegNetwork(found).eval()
    _fill(model, graph, skip.scale if raw else np.ones(3), path)
    differences = _differences(model, original, input_scale, path)
    _check_differences(differences, tolerance, path)
    return model, differences


def _slots(model: nn.Module) -> Iterator[tuple[str, nn.Conv2d, nn.BatchNorm2d | None]]:
    """Return the convolutions in the order of execution, each with its batch norm."""
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
            "decoder filters of the file",
            code="layers-mismatch",
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


@dataclass(frozen=True)
class _Runtime:
    """ONNX Runtime with a file's network: gives probabilities and logits of images in 0..1."""

    session: Any
    scale: float
    channels_last: bool
    rows: int
    columns: int

    def __call__(self, image: np.ndarray) -> list[np.ndarray]:
        """Compute one image (1, 3, rows, columns)."""
        fed = np.float32(self.scale) * image
        fed = fed.transpose(0, 2, 3, 1) if self.channels_last else fed
        return self.session.run(None, {self.session.get_inputs()[0].name: fed})


def _open_runtime(original: Any, input_scale: float, size: int, path: Path) -> _Runtime:
    """Run a file's network with its logits as a second output; a free size becomes `size`.

    Raises
    ------
    InputError
        A network without a sigmoid at its end, or for other images.
    """
    import onnx
    import onnxruntime

    sigmoid = [n for n in original.graph.node if n.op_type in ("Sigmoid", "Conv", "MatMul")][-1]
    if sigmoid.op_type != "Sigmoid":
        raise InputError(
            f"{path}: ends without a sigmoid; expected the network with its sigmoid",
            code="sigmoid-missing",
        )
    with_logit = onnx.ModelProto()
    with_logit.CopyFrom(original)
    with_logit.graph.output.append(onnx.ValueInfoProto(name=sigmoid.input[0]))
    session = onnxruntime.InferenceSession(
        with_logit.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    shape = session.get_inputs()[0].shape
    if len(shape) != 4 or 3 not in (shape[1], shape[-1]):
        raise InputError(
            f"{path}: input of shape {shape}; expected images of three channels",
            code="input-shape",
        )
    last = shape[-1] == 3
    lengths = shape[1:3] if last else shape[2:4]
    rows, columns = (length if isinstance(length, int) else size for length in lengths)
    return _Runtime(session, input_scale, last, rows, columns)


def _differences(
    model: EfficientCellSegNetwork, original: Any, input_scale: float, path: Path
) -> dict[str, float]:
    """Compare with ONNX Runtime on random input.

    Returns
    -------
    dict of str to float
        The largest difference of probabilities, ``probability``; of logits, as a share of the
        largest one, ``logit``; and how far ONNX Runtime's probabilities move when the normalized
        image moves within its last bit, ``rounding``.

    Raises
    ------
    InputError
        Maps of another size; what :func:`_open_runtime` refuses.
    """
    import torch
    from torch.nn.functional import interpolate

    reference = _open_runtime(original, input_scale, model.input_size, path)
    rows, columns = reference.rows, reference.columns
    random = np.random.default_rng(0)
    image = random.random((1, 3, rows, columns), dtype=np.float32)
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
            f"one map of {size}, resized to {rows} x {columns}: give the input size of the file",
            code="output-shape",
        )
    # The normalized image, moved within its last bit.
    step = random.choice([-1, 1], image.shape) * abs(image - model.mean.numpy()) / 2**24
    return {
        "probability": _largest(maps.numpy(), probability),
        "logit": _largest(ours.numpy(), logit) / float(abs(logit).max()),
        "rounding": _largest(reference((image + step).astype(np.float32))[0], probability),
    }


def _check_differences(found: dict[str, float], tolerance: float, path: Path) -> None:
    """Refuse differences beyond what rounding makes."""
    if found["probability"] <= tolerance and found["logit"] <= LOGIT:
        return
    rounding = found["probability"] <= ROUNDINGS * found["rounding"] and found["logit"] <= LOGIT
    raise InputError(
        f"{path}: all shapes fit, but the imported network differs from ONNX Runtime by "
        f"{found['probability']:.2g} in probability and {found['logit']:.2g} of the largest "
        f"logit; expected at most {tolerance:g} and {LOGIT:g}: "
        + (
            f"rounding alone makes {found['rounding']:.2g}, so a larger --tolerance is justified"
            if rounding
            else "the file is connected otherwise"
        ),
        code="output-differs",
    )


def _largest(a: np.ndarray, b: np.ndarray) -> float:
    """Return the largest difference of two maps, whichever axis the channels are on."""
    return float(abs(a.ravel() - b.ravel()).max())
