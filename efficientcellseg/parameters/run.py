"""The workflow's configuration: what to run (config/config.yaml, config/demo.yaml)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator

from efficientcellseg.frozen import Count, Frozen, Positive, WholeNumber
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

# There where a driver has found a GPU that networks can run on; looking takes no time.
FIRST_GPU = Path("/dev/nvidia0")

Device = Annotated[str, Field(pattern="^(auto|cpu|cuda(:[0-9]+)?)$")]
Folder = Annotated[str, Field(min_length=1)]
Change = Annotated[str, Field(pattern="^[^=]+=")]
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
    """Frames of a job, fewer where `disk_gb` asks for it. More: fewer starts of Python, 2 to 6 s \
each; fewer: more jobs side by side."""

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

    parts: Annotated[tuple[ScoredPart, ...], Field(min_length=1)] = (ScoredPart(frames=":"),)
    """Ranges of frames that are scored apart, a row of the table each."""

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

    def shards(self, sequence: str, at_once: int | None = None) -> list[str]:
        """List the shards of a sequence, named by their frames: 0010-0020, the latter exclusive.

        Each has at most `at_once` frames.
        """
        end = self.sequences[sequence]
        frames = min(self.frames_per_shard, at_once or self.frames_per_shard)
        return [
            f"{start:04d}-{min(start + frames, end):04d}"
            for start in range(self.first, end, frames)
        ]

    def shard_before(self, sequence: str, shard: str, at_once: int | None) -> str | None:
        """Give the shard that must be done before another begins; None for the first ones.

        So never more than `at_once` frames are under way.
        """
        shards = self.shards(sequence, at_once)
        together = at_once // min(self.frames_per_shard, at_once) if at_once else len(shards)
        place = shards.index(shard) - together
        return shards[place] if place >= 0 else None

    def part(self, suffix: str) -> ScoredPart:
        """Find the part whose files end in ``suffix``."""
        return next(part for part in self.parts if part.suffix == suffix)


def shard_frames(shard: str) -> str:
    """Give the frames of a shard as command lines take them: 10:20 for 0010-0020."""
    return ":".join(str(int(number)) for number in shard.split("-"))


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

    device: Device = "auto"
    """Where networks run; auto takes a GPU where there is one."""

    gpus: WholeNumber | None = None
    """GPUs that a job with networks asks for. Only counted where the profile limits them, as the \
default one does to 1 at a time. null: one, but none for the device cpu, nor where jobs run on \
this machine and it has no /dev/nvidia0, the first one's device file."""

    disk_gb: Positive = 6.0
    """Disk for what lies between the steps, 35 bytes a voxel: a shard of frames begins when so \
many before it are done that all have room. Raise it on a cluster, where many run side by side."""

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

    def gpus_of_a_job(self, *, local: bool) -> int:
        """Give how many GPUs a job with networks asks for; `local`: it runs on this machine."""
        if self.gpus is not None:
            return self.gpus
        if self.device == "auto" and local:
            return int(FIRST_GPU.exists())
        return int(self.device != "cpu")

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
