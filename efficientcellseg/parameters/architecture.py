"""Architectures: which network it is, and how large; a training configuration or card says so.

A new one is a class in here, which names its network's, and its name in `Architecture`;
docs/extending.md shows how. The networks themselves lie apart: reading a file needs no torch.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo

from efficientcellseg.frozen import Frozen
from efficientcellseg.parameters.values import MapName, OneOrMore


def _check_halves(size: int, others: ValidationInfo) -> int:
    """Refuse an input that the stages, a number of filters each, cannot halve."""
    step = 2 ** (len(others.data.get("filters", (1,))) - 1)
    if size % step:
        raise ValueError(f"a multiple of {step}, as the filters' stages halve it")
    return size


Filters = Annotated[int, Field(ge=1, le=4096)]
HalvedSize = Annotated[
    int, Field(ge=1, le=4096, validate_default=True), AfterValidator(_check_halves)
]


class EfficientCellSegArchitecture(Frozen):
    """The paper's network: a U-Net whose encoder is an EfficientNet."""

    network: ClassVar[str] = "efficientcellseg.networks.efficientcellseg:EfficientCellSegNetwork"

    kind: Literal["efficientcellseg"] = "efficientcellseg"
    """The paper's network; another kind must be named."""

    maps: OneOrMore[MapName] = ("cells",)
    """What it predicts."""

    encoder: str = "tf_efficientnet_b5"
    """An EfficientNet of timm."""

    decoder_filters: tuple[Filters, Filters, Filters, Filters] = (64, 48, 32, 16)
    """Filters of the decoder blocks, the deepest first."""

    input_size: Annotated[int, Field(ge=32, le=4096, multiple_of=32)] = 384
    """Side of the square input, a multiple of 32. Pixels."""

    mean: tuple[float, float, float] | None = None
    """Mean that the network subtracts from each input channel. Null: that of the encoder's \
pretraining."""

    std: tuple[float, float, float] | None = None
    """Standard deviation that it then divides by. Null: that of the encoder's pretraining."""

    raw_skip: bool = False
    """Whether the last skip is the image before normalization, as in the authors' networks."""

    @property
    def title(self) -> str:
        """Name of the network in tables: EfficientCellSeg-B5 with tf_efficientnet_b5.

        Returns
        -------
        str
        """
        kind = re.sub("^(tf_)?efficientnet_?", "", self.encoder.partition(".")[0])
        return f"EfficientCellSeg-{kind.replace('_', '-').title()}"


class UNetArchitecture(Frozen):
    """U-Net (Ronneberger et al. 2015)."""

    title: ClassVar[str] = "U-Net"
    network: ClassVar[str] = "efficientcellseg.networks.unet:UNetNetwork"

    kind: Literal["unet"]
    """U-Net (Ronneberger et al. 2015)."""

    maps: OneOrMore[MapName] = ("cells",)
    """What it predicts."""

    filters: Annotated[tuple[Filters, ...], Field(min_length=2, max_length=9)] = (
        *(64, 128, 256, 512),
        1024,
    )
    """Filters of the encoder's blocks, the first at full resolution, the last the bottleneck."""

    input_size: HalvedSize = 384
    """Side of the square input; all blocks except one halve it. Pixels."""


class DUNetArchitecture(Frozen):
    """DU-Net (Scherr et al. 2020): a U-Net with a decoder for each distance."""

    title: ClassVar[str] = "DU-Net"
    network: ClassVar[str] = "efficientcellseg.networks.dunet:DUNetNetwork"

    kind: Literal["dunet"]
    """DU-Net (Scherr et al. 2020): a U-Net with a decoder for each distance."""

    maps: OneOrMore[MapName] = ("cell_distance", "neighbor_distance")
    """What it predicts."""

    filters: Annotated[tuple[Filters, ...], Field(min_length=2, max_length=9)] = (
        *(64, 128, 256, 512),
        1024,
    )
    """Filters of the encoder's blocks, the first at full resolution, the last the bottleneck."""

    input_size: HalvedSize = 384
    """Side of the square input; all blocks except one halve it. Pixels."""


class UNet3DArchitecture(Frozen):
    """3D U-Net (Isensee et al. 2021) over slabs of slices."""

    title: ClassVar[str] = "3D U-Net"
    network: ClassVar[str] = "efficientcellseg.networks.unet3d:UNet3DNetwork"

    kind: Literal["unet3d"]
    """3D U-Net (Isensee et al. 2021) over slabs of slices."""

    maps: OneOrMore[MapName] = ("cells",)
    """What it predicts."""

    filters: Annotated[tuple[Filters, ...], Field(min_length=3, max_length=7)] = (
        *(32, 64, 128, 256),
        *(320, 320, 320),
    )
    """Filters of the stages, the last the bottleneck."""

    planes: Annotated[int, Field(ge=2, le=256)] = 16
    """Slices of a slab; an even number if there are seven stages."""

    input_size: HalvedSize = 128
    """Rows and columns of a slab; all stages except one halve them. Pixels."""


def _with_kind(values: Any) -> Any:
    """Take an architecture that names no kind for the paper's."""
    if isinstance(values, dict) and "kind" not in values:
        return {"kind": "efficientcellseg", **values}
    return values


Architecture = Annotated[
    EfficientCellSegArchitecture | UNetArchitecture | DUNetArchitecture | UNet3DArchitecture,
    Field(discriminator="kind"),
    BeforeValidator(_with_kind),
]
