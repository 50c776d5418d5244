"""Networks as ONNX files as Keras's exporter writes them, made here layer by layer.

What ONNX Runtime computes from such a file is the reference.
"""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import TensorProto, helper, numpy_helper

from efficientcellseg.frozen import changed
from efficientcellseg.networks.efficientcellseg import EfficientCellSegNetwork
from efficientcellseg.parameters.architecture import EfficientCellSegArchitecture

# EfficientNet-B0 (Tan & Le 2019, table 1): kernel, repeats, filters, expansion, stride.
STAGES = (
    (3, 1, 16, 1, 1),
    (3, 2, 24, 6, 2),
    (5, 2, 40, 6, 2),
    (3, 3, 80, 6, 2),
    (5, 3, 112, 6, 1),
    (5, 4, 192, 6, 2),
)
MEAN, VARIANCE = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # Keras's, roots and all
ARCHITECTURE = EfficientCellSegArchitecture(
    encoder="tf_efficientnet_b0", decoder_filters=(8, 8, 8, 8), input_size=64
)


def sensible(
    architecture: EfficientCellSegArchitecture,
    std: Sequence[float] = np.sqrt(VARIANCE),
    brightest: int = 255,
):
    """Make a network of random weights whose batch norms fit its images, as after training."""
    torch.manual_seed(0)
    statistics = {"mean": 255 / brightest * np.array(MEAN), "std": 255 / brightest * np.array(std)}
    statistics = {name: values.tolist() for name, values in statistics.items()}
    network = EfficientCellSegNetwork(changed(architecture, **statistics, raw_skip=True))
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = 1.0  # the last batch's statistics
            torch.nn.init.uniform_(module.weight, 0.7, 1.3)
            torch.nn.init.normal_(module.bias, 0, 0.2)
    with torch.no_grad():
        network(torch.from_numpy(images(architecture.input_size, 8)))
        network.head.weight *= 4
    return network.eval()


class Keras:
    """A graph as tf2onnx writes it: NHWC, a transposition at every operation that wants NCHW.

    network: where the weights come from, in order; random where it is None
    norm: how batch norms look, "node", "constants" (Mul and Add) or "fused"
    gate: what squeeze-and-excitation is made of, "conv" or "matmul"
    pad: how strides pad, "node" (Keras's ZeroPadding2D) or "auto"
    prefix: what all names begin with
    """

    def __init__(self, network=None, norm="node", gate="conv", pad="node", prefix="while/"):
        modules = network.modules() if network else ()
        kinds = (torch.nn.Conv2d, torch.nn.BatchNorm2d)
        self.weights = [module for module in modules if isinstance(module, kinds)]
        self.norm, self.gate, self.pad, self.prefix = norm, gate, pad, prefix
        self.random = np.random.default_rng(0)
        self.nodes: list = []
        self.constants: list = []

    def constant(self, value, dtype=np.float32) -> str:
        name = f"{self.prefix}const_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(value, dtype), name))
        return name

    def add(self, kind: str, *inputs: str, **attributes) -> str:
        name = f"{self.prefix}{kind}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [f"{name}:0"], name, **attributes))
        return f"{name}:0"

    def nchw(self, x: str) -> str:
        return self.add("Transpose", x, perm=[0, 3, 1, 2])

    def nhwc(self, x: str) -> str:
        return self.add("Transpose", x, perm=[0, 2, 3, 1])

    def layer(self, *shape: int) -> tuple[np.ndarray, np.ndarray]:
        """Give the next convolution's kernel and bias."""
        if not self.weights:
            return self.random.normal(0, 0.1, shape), np.zeros(shape[0])
        conv = self.weights.pop(0)
        assert conv.weight.shape == shape  # Keras's network is timm's
        bias = torch.zeros(shape[0]) if conv.bias is None else conv.bias
        return conv.weight.detach().numpy(), bias.detach().numpy()

    def batch_norm(self, filters: int) -> np.ndarray:
        """Give the next batch norm's scale, shift, mean and variance."""
        if not self.weights:
            return self.random.uniform(0.5, 1.5, (4, filters))
        norm = self.weights.pop(0)
        # Keras's epsilon is 0.001 everywhere, ours is in the encoder only.
        values = (norm.weight, norm.bias, norm.running_mean, norm.running_var + norm.eps - 1e-3)
        return np.stack([value.detach().numpy() for value in values])

    def conv(self, x, shape, stride=1, groups=1, bias=False, norm=True, gains=1.0) -> str:
        kernel, offset = self.layer(*shape)
        kernel = kernel * np.reshape(gains, (1, -1, 1, 1))
        size, filters = shape[-1], shape[0]
        if norm:
            gamma, beta, mean, variance = self.batch_norm(filters)
            if bias:
                offset = self.random.normal(0, 1, filters)
                mean = mean + offset
            factor = gamma / np.sqrt(variance + 1e-3)
        if norm and self.norm == "fused":
            kernel = kernel * factor[:, None, None, None]
            offset = (offset - mean) * factor + beta
            bias = True
        attributes = {"strides": [stride, stride], "kernel_shape": [size, size], "group": groups}
        if stride == 2 and self.pad == "node":
            # Keras pads even images by one less at the top and left.
            before, after = size // 2 - 1, size // 2
            pads = [0, before, before, 0, 0, after, after, 0]
            x = self.add("Pad", x, self.constant(pads, np.int64), self.constant(0.0))
            attributes["auto_pad"] = "VALID"
        elif self.pad == "auto":
            attributes["auto_pad"] = "SAME_UPPER"
        else:
            attributes["pads"] = [size // 2] * 4
        inputs = [self.constant(kernel), *([self.constant(offset)] if bias else [])]
        x = self.add("Conv", self.nchw(x), *inputs, **attributes)
        if norm and self.norm == "node":
            statistics = map(self.constant, (gamma, beta, mean, variance))
            x = self.add("BatchNormalization", x, *statistics, epsilon=1e-3)
        x = self.nhwc(x)
        if norm and self.norm == "constants":
            x = self.add("Mul", x, self.constant(factor))
            x = self.add("Add", x, self.constant(beta - mean * factor))
        return x

    def swish(self, x: str) -> str:
        return self.add("Mul", x, self.add("Sigmoid", x))

    def squeeze(self, x: str, channels: int, reduced: int) -> str:
        y = self.add("ReduceMean", x, axes=[1, 2], keepdims=0)
        if self.gate == "conv":
            y = self.add("Reshape", y, self.constant([-1, 1, 1, channels], np.int64))
            y = self.swish(self.conv(y, (reduced, channels, 1, 1), bias=True, norm=False))
            y = self.conv(y, (channels, reduced, 1, 1), bias=True, norm=False)
        else:
            y = self.swish(self.dense(y, channels, reduced))
            y = self.dense(y, reduced, channels)
            y = self.add("Reshape", y, self.constant([-1, 1, 1, channels], np.int64))
        return self.add("Mul", x, self.add("Sigmoid", y))

    def dense(self, x: str, channels: int, filters: int) -> str:
        kernel, offset = self.layer(filters, channels, 1, 1)
        x = self.add("MatMul", x, self.constant(kernel[:, :, 0, 0].T))
        return self.add("Add", x, self.constant(offset))

    def resize(self, x: str, rows_columns: str) -> str:
        """Resize bilinearly to two lengths."""
        x = self.nchw(x)
        start, end = self.constant([0], np.int64), self.constant([2], np.int64)
        sizes = self.add("Slice", self.add("Shape", x), start, end)
        sizes = self.add("Concat", sizes, rows_columns, axis=0)
        mode = {"mode": "linear", "coordinate_transformation_mode": "half_pixel"}
        return self.nhwc(self.add("Resize", x, "", "", sizes, **mode))

    def upsample(self, x: str) -> str:
        mode = {"mode": "linear", "coordinate_transformation_mode": "half_pixel"}
        scales = self.constant([1, 1, 2, 2])
        return self.nhwc(self.add("Resize", self.nchw(x), "", scales, **mode))

    def block(self, x, kernel, channels, filters, expansion, stride) -> tuple[str, str, int]:
        """Inverted bottleneck; gives the first activation and its width, too."""
        wide, y = channels * expansion, x
        if expansion > 1:
            y = first = self.swish(self.conv(y, (wide, channels, 1, 1)))
        y = self.swish(self.conv(y, (wide, 1, kernel, kernel), stride, groups=wide))
        if expansion == 1:
            first = y
        y = self.squeeze(y, wide, max(1, channels // 4))
        y = self.conv(y, (filters, wide, 1, 1))
        return (
            (self.add("Add", x, y) if x and stride == 1 and channels == filters else y),
            first,
            wide,
        )

    def network(
        self,
        width=1.0,
        depth=1.0,
        filters: Sequence[int] = (8, 8, 8, 8),
        size=64,
        rescaled=False,
        joined="skip last",
        convolutions=2,
        sigmoid=True,
        image_shape=("rows", "columns"),
        brightest=255,
    ):
        """Build the whole network; `rescaled` adds the rescaling that later Keras versions have."""
        x = self.resize("x", self.constant([size, size], np.int64))
        skips = [(x, 3)]
        x = self.add("Mul", x, self.constant(1 / 255))
        x = self.add("Add", x, self.constant(0.0))
        x = self.add("Sub", x, self.constant(np.reshape(MEAN, (1, 1, 1, 3))))
        x = self.add("Div", x, self.constant(np.sqrt(np.reshape(VARIANCE, (1, 1, 1, 3)))))
        if rescaled:
            x = self.add("Mul", x, self.constant(1 / np.sqrt(VARIANCE)))
        channels = round_filters(32, width)
        x = self.swish(self.conv(x, (channels, 3, 3, 3), stride=2))
        for stage, (kernel, repeats, planes, expansion, stride) in enumerate(STAGES):
            planes = round_filters(planes, width)
            if stage == 5:
                wide = channels * expansion
                x, channels = self.swish(self.conv(x, (wide, channels, 1, 1))), wide
                break
            for repeat in range(math.ceil(depth * repeats)):
                arguments = (kernel, channels, planes, expansion, 1 if repeat else stride)
                x, first, wide = self.block(x, *arguments)
                if repeat == 0 and stage in (0, 2, 3):
                    skips.append((first, wide))
                channels = planes
        for count, (skip, wide) in zip(filters, reversed(skips), strict=True):
            parts = [self.upsample(x), skip]
            parts = parts if joined == "skip last" else parts[::-1]
            x, channels = self.add("Concat", *parts, axis=3), channels + wide
            # As after training: an image up to 255 does not outshine the rest.
            gains = np.array([1.0] * (channels - 3) + [1 / brightest] * 3) if wide == 3 else 1.0
            for _ in range(convolutions):
                x = self.add("Relu", self.conv(x, (count, channels, 3, 3), bias=True, gains=gains))
                channels, gains = count, 1.0
        x = self.conv(x, (1, channels, 1, 1), bias=True, norm=False)
        x = self.add("Sigmoid", x) if sigmoid else x
        start, end = self.constant([1], np.int64), self.constant([3], np.int64)
        x = self.resize(x, self.add("Slice", self.add("Shape", "x"), start, end))
        graph = helper.make_graph(
            self.nodes,
            f"{self.prefix}graph",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", *image_shape, 3])],
            [helper.make_tensor_value_info(x, TensorProto.FLOAT, [None, None, None, 1])],
            self.constants,
        )
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)


def round_filters(filters: int, width: float) -> int:
    """Scale a width and round it to a multiple of 8, not more than a tenth down."""
    rounded = max(8, int(filters * width + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * filters * width else rounded


def saved(model, path: Path) -> Path:
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, path)
    return path


def runtime(path: Path, images: np.ndarray) -> np.ndarray:
    """Let ONNX Runtime compute probabilities of images (N, 3, Y, X)."""
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return session.run(None, {"x": images.transpose(0, 2, 3, 1)})[0][..., 0]


def ours(model, images: np.ndarray) -> np.ndarray:
    with torch.inference_mode():
        return model(torch.from_numpy(images)).sigmoid().numpy()[:, 0]


def images(size: int, count: int = 2) -> np.ndarray:
    return np.random.default_rng(1).random((count, 3, size, size), dtype=np.float32)
