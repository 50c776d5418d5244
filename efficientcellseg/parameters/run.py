"""The workflow's configuration: what to run (config/config.yaml, config/demo.yaml)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator, model_validator

from ctc_eval.format import frames_shared, parse_frames
from efficientcellseg.frozen import Count, Frozen, WholeNumber
from efficientcellseg.parameters.recipe import Recipe
from efficientcellseg.parameters.values import (
    DatasetName,
    FrameRange,
    OneOrMore,
    SequenceName,
    SubmittedMethod,
    TrainingKind,
    Unique,
)

Device = Annotated[str, Field(pattern="^(auto|cpu|cuda(:[0-9]+)?)$")]
Folder = Annotated[str, Field(min_length=1)]
Change = Annotated[str, Field(pattern="^[^=]+=")]
# What folders of results end in whose networks have not learnt from the sequence.
CROSS_VALIDATED = "-crossval"
FrameCounts = Annotated[
    dict[SequenceName, Annotated[int, Field(ge=1, le=9999)]],
    Field(min_length=1, json_schema_extra={"additionalProperties": False}),
]


class RunFolders(Frozen):
    """Folders, from the folder in which Snakemake is started."""

    data: Folder = "data"
    """Data sets: <data>/<DATASET>/<SEQ>/tTTT.tif."""

    results: Folder = "results/benchmark"
    """All that the run makes."""


class AblationPlan(Frozen):
    """What `snakemake ablation` compares."""

    trainings: tuple[str, ...] = ()
    """Training configurations, one a data set; the file's name is the data set's."""

    seeds: tuple[WholeNumber, ...] = ()
    """Each model is trained with each of these."""

    models: dict[str, tuple[Change, ...]] = Field(default={})
    """For each model the changes of the training configuration, KEY=VALUE."""


class ScoredPart(Frozen):
    """A range of frames that is scored apart."""

    frames: FrameRange
    """First frame and the one after the last, as 0:12; : is all."""

    seen: bool = False
    """Score frames, too, that the networks have learnt from, and say so in the table; refused \
otherwise."""

    note: str = ""
    """What the table's reference column says of them."""

    @property
    def suffix(self) -> str:
        """What files of the part end in: _0-12 for frames 0:12, nothing for all."""
        return "" if self.frames == ":" else f"_{self.frames.replace(':', '-')}"

    @property
    def options(self) -> list[str]:
        """How ``ctc-eval score`` is told of the part."""
        note = ["--note", self.note] if self.note else []
        return ["--frames", self.frames, *note, *["--seen"] * self.seen]


class DatasetRun(Frozen):
    """A data set, and what of it is run."""

    name: DatasetName
    """Name of its folder and of its recipe."""

    recipe: str | None = None
    """Recipe file; null: config/datasets/<name>.yaml."""

    sequences: FrameCounts
    """Number of frames of each sequence to run, named by two digits in quotes."""

    first: WholeNumber = 0
    """First frame of each sequence to run; the numbers of frames count from 0 nevertheless."""

    frames_per_shard: Count = 10
    """Frames of a job. More: fewer starts of Python, 2 to 6 s each; fewer: less disk for what \
lies between the steps (about 30 bytes a voxel) and more jobs side by side."""

    frame: tuple[Count, Count, Count] = (32, 512, 512)
    """Planes, rows, columns of the largest frame: what memory and time a job asks for on a \
cluster follows from it."""

    model: str | None = None
    """Folder with a model folder for each network; null: that of the configuration, else the \
recipe's."""

    weights: Annotated[str, Field(pattern="^[A-Za-z0-9_.:/-]+$")] | None = None
    """The authors' cell network, imported from ONNX into <results>/models/<its name>: ecs_a549 or \
ecs_tric, which are downloaded, or a file or address of your own; null: networks that there are."""

    training: str | None = None
    """Training configuration by which the run trains the networks first, into \
<results>/models/<its name>; null: networks that there are."""

    cross_validation: bool = False
    """Train once more for each sequence, on the others alone, and segment it with those networks, \
too: results of their own in <results>/<method>-crossval, beside those of `training` as it is."""

    without: Unique[str] = ()
    """Methods of the run that it is not segmented by: the 3D U-Net learns from no single slices."""

    parts: Annotated[tuple[ScoredPart, ...], Field(min_length=1)] = (ScoredPart(frames=":"),)
    """Ranges of frames that are scored apart, a row of the table each; of these, the frames that \
are run."""

    @field_validator("parts")
    @classmethod
    def _each_sequence_in_some(
        cls, parts: tuple[ScoredPart, ...], others: ValidationInfo
    ) -> tuple[ScoredPart, ...]:
        """Refuse parts that no frame of a sequence is in, where these are none of the faults."""
        first, ends = others.data.get("first", 0), others.data.get("sequences", {})
        ranges = [parse_frames(part.frames) for part in parts]
        for name, end in ends.items():
            if not any(frames_shared(one, slice(first, end)) for one in ranges):
                raise ValueError(f"a part with some of the frames {first}:{end} of sequence {name}")
        return parts

    @model_validator(mode="after")
    def _has_others(self) -> DatasetRun:
        if self.cross_validation and not (self.training and len(self.sequences) > 1):
            raise ValueError("cross_validation with training and two sequences or more")
        return self

    @property
    def voxels(self) -> int:
        """Voxels of the largest frame."""
        return prod(self.frame)

    @property
    def pictured(self) -> str:
        """The sequence that the data set's picture shows, its first one."""
        return next(iter(self.sequences))

    def frames(self, sequence: str) -> str:
        """Give the frames of a sequence that are run, as A:B, B exclusive."""
        return f"{self.first}:{self.sequences[sequence]}"

    def shards(self, sequence: str) -> list[str]:
        """List the shards of a sequence, named by their frames: 0010-0020, the latter exclusive."""
        end = self.sequences[sequence]
        return [
            f"{start:04d}-{min(start + self.frames_per_shard, end):04d}"
            for start in range(self.first, end, self.frames_per_shard)
        ]

    def scored_parts(self, sequence: str) -> list[ScoredPart]:
        """List the parts of which frames of a sequence are run: a trial may end before others."""
        run = slice(self.first, self.sequences[sequence])
        return [part for part in self.parts if frames_shared(parse_frames(part.frames), run)]

    def part(self, suffix: str) -> ScoredPart:
        """Find the part whose files end in ``suffix``."""
        return next(part for part in self.parts if part.suffix == suffix)

    def score_options(self, method: str, suffix: str) -> list[str]:
        """Tell ``ctc-eval score`` of a part; of cross-validated results, no frame may be seen."""
        options = self.part(suffix).options
        crossed = method.endswith(CROSS_VALIDATED)
        return [one for one in options if not (crossed and one == "--seen")]

    def networks(self, method: str, left_out: str = "") -> str:
        """Name the networks that are trained for a method, on all sequences but one or on all."""
        words = [Path(self.training or "").stem]
        words += [method] * (method != "efficientcellseg") + [f"without-{left_out}"] * bool(
            left_out
        )
        return "-".join(words)


def method_of(folder: str) -> str:
    """Give the method whose results a folder holds, cross-validated or not."""
    return folder.removesuffix(CROSS_VALIDATED)


def shard_frames(shard: str) -> str:
    """Give the frames of a shard as command lines take them: 10:20 for 0010-0020."""
    return ":".join(str(int(number)) for number in shard.split("-"))


@dataclass(frozen=True)
class NetworksToTrain:
    """Networks that the run trains: a training configuration's file, and its changes."""

    file: str
    changes: tuple[str, ...]


class SubmittedNetworks(Frozen):
    """The networks of a training configuration, and what is submitted with them."""

    training: TrainingKind
    """regular, or one of the generalizable track, which scripts and result folders have as \
suffix."""

    model: str | None = None
    """Folder of its networks; null: those that the data sets are run with."""

    datasets: tuple[str, ...] | None = None
    """Names of its data sets; null: all."""


class SubmissionRun(Frozen):
    """What `snakemake submission` packs, into <results>/submission."""

    part: Literal["test", "training"] = "test"
    """Which sequences: the challenge's test sequences, all that a recipe names, or those of the \
run."""

    method: SubmittedMethod = "efficientcellseg"
    """Method that makes the masks."""

    csb: Unique[str] = ()
    """Data sets whose masks go to <DATASET>/CSB/<SEQ>_RES: Fluo-N3DL-DRO, -TRIC and -TRIF, where \
a tracking result is submitted beside them."""

    scores: bool = True
    """Score the method on the run's own sequences first, for the manifest."""

    configurations: Annotated[tuple[SubmittedNetworks, ...], Field(min_length=1)] = (
        SubmittedNetworks(training="regular"),
    )
    """Training configurations, each with networks of its own."""


@dataclass(frozen=True)
class SequenceToSubmit:
    """A sequence that is submitted once a training configuration."""

    dataset: str
    sequence: str
    training: str
    suffix: str  # of the folder of its masks: -GT+ST, nothing for regular
    model: str | None  # None: the networks that the data set is run with


class RunConfiguration(Frozen):
    """What to run: the workflow's configuration (config/config.yaml, config/demo.yaml)."""

    pathvars: RunFolders
    """Folders, from the folder in which Snakemake is started."""

    methods: OneOrMore[str] = ("efficientcellseg",)
    """efficientcellseg: the paper's networks, a job a step; unet, dunet, unet3d_ensemble: what it \
is compared with; classical: Otsu's threshold and distance watershed. The first one is in the \
pictures."""

    model: str | None = None
    """Folder with a model folder for each network, in place of the recipes' own; null keeps \
these."""

    models: dict[str, str] = Field(default={})
    """Folder of networks of single methods, in place of `model`; those that are compared need \
one."""

    training_changes: dict[str, tuple[Change, ...]] = Field(default={})
    """By method, changes of the training configurations of all data sets, KEY=VALUE; null leaves \
a key out."""

    device: Device = "auto"
    """Where networks run; auto takes a GPU where there is one."""

    gpus: WholeNumber = 1
    """GPUs that a job with networks asks for. Only counted where the profile limits them, as the \
default one does to 1 at a time."""

    threads: Count = 2
    """CPU threads of a job with networks, and of a score."""

    ablation: AblationPlan = AblationPlan()
    """What `snakemake ablation` compares."""

    published: str = "resources/published.csv"
    """Published values for the table, CSV."""

    datasets: Annotated[tuple[DatasetRun, ...], Field(min_length=1)]
    """The data sets, in the table's order."""

    submission: SubmissionRun = SubmissionRun()
    """What `snakemake submission` packs, into <results>/submission."""

    @field_validator("datasets")
    @classmethod
    def _each_name_once(cls, entries: tuple[DatasetRun, ...]) -> tuple[DatasetRun, ...]:
        names = [entry.name for entry in entries]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"each name once (not so: {', '.join(twice)})")
        return entries

    @field_validator("submission")
    @classmethod
    def _of_the_run(cls, submission: SubmissionRun, others: ValidationInfo) -> SubmissionRun:
        """Refuse to submit data sets that are not run, where these are none of the faults."""
        names = [entry.name for entry in others.data.get("datasets", ())]
        asked = {name for one in submission.configurations for name in one.datasets or ()}
        if names and (unknown := sorted(asked.difference(names))):
            raise ValueError(
                f"in configurations.datasets, names of the run's data sets: {', '.join(names)} "
                f"(not so: {', '.join(unknown)})"
            )
        return submission

    def methods_of(self, entry: DatasetRun) -> list[str]:
        """List the methods that a data set is segmented by."""
        return [method for method in self.methods if method not in entry.without]

    def folders(self, entry: DatasetRun, own: Mapping[str, Sequence[str]]) -> list[str]:
        """Name the folders of a data set's results: its methods', and those cross-validated.

        Parameters
        ----------
        entry : DatasetRun
        own : mapping of str to sequence of str
            As for :meth:`trainings`.
        """
        methods = self.methods_of(entry)
        trained = [name for name in methods if name in own and name not in self.models]
        return [*methods, *(name + CROSS_VALIDATED for name in trained if entry.cross_validation)]

    def trainings(self, own: Mapping[str, Sequence[str]]) -> dict[str, NetworksToTrain]:
        """List the networks that the run trains, by :meth:`DatasetRun.networks`.

        Parameters
        ----------
        own : mapping of str to sequence of str
            For each method with networks, what it changes of a training configuration by itself.
        """
        found = {}
        for entry in self.datasets:
            trained = self.methods_of(entry) if entry.training else []
            for method in [name for name in trained if name in own]:
                changes = (*own[method], *self.training_changes.get(method, ()))
                for left_out in ("", *(entry.sequences if entry.cross_validation else ())):
                    kept = [f"leave_out=[{entry.name}/{left_out}]"] * bool(left_out)
                    found[entry.networks(method, left_out)] = NetworksToTrain(
                        entry.training or "", (*changes, *kept)
                    )
        return found

    def submitted(self, recipes: Mapping[str, Recipe]) -> list[SequenceToSubmit]:
        """List what is submitted, the training configurations one after the other.

        Parameters
        ----------
        recipes : mapping of str to Recipe
            By the names of the data sets.

        Returns
        -------
        list of SequenceToSubmit
            None of data sets without test sequences, where these are asked for: the challenge's
            own data sets alone, which come in zips, have some.
        """
        on_test = self.submission.part == "test"
        entries = {entry.name: entry for entry in self.datasets}
        return [
            SequenceToSubmit(
                dataset=name,
                sequence=sequence,
                training=one.training,
                suffix="" if one.training == "regular" else f"-{one.training}",
                model=one.model,
            )
            for one in self.submission.configurations
            for name in one.datasets or entries
            if not on_test or recipes[name].source.kind == "zip"
            for sequence in (recipes[name].sequences if on_test else entries[name].sequences)
        ]
