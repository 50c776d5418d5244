"""The workflow's configuration: what to run (config/config.yaml, config/demo.yaml)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator

from efficientcellseg.frozen import Count, Frozen, Positive, WholeNumber
from efficientcellseg.parameters.dataset_run import CROSS_VALIDATED, DatasetRun, NetworksToTrain
from efficientcellseg.parameters.recipe import Recipe
from efficientcellseg.parameters.values import (
    Backend,
    OneOrMore,
    SubmittedMethod,
    TrainingKind,
    Unique,
)

# There where a driver has found a GPU that networks can run on; looking takes no time.
FIRST_GPU = Path("/dev/nvidia0")

Device = Annotated[str, Field(pattern="^(auto|cpu|cuda(:[0-9]+)?)$")]
Folder = Annotated[str, Field(min_length=1)]
Change = Annotated[str, Field(pattern="^[^=]+=")]


class RunFolders(Frozen):
    """Folders, relative to the one in which Snakemake is started."""

    data: Folder = "data"
    """Data sets: <data>/<DATASET>/<SEQ>/tTTT.tif."""

    results: Folder = "results/benchmark"
    """Everything that the run makes."""


class AblationPlan(Frozen):
    """What `snakemake ablation` compares."""

    trainings: tuple[str, ...] = ()
    """Training configurations, one per data set, whose name the file has."""

    seeds: tuple[WholeNumber, ...] = ()
    """Random seeds; each model is trained with each of them."""

    models: dict[str, tuple[Change, ...]] = Field(default={})
    """For each model, its changes to the training configuration, KEY=VALUE."""


class SubmittedNetworks(Frozen):
    """The networks of a training configuration, and what is submitted with them."""

    training: TrainingKind
    """`regular`, or one of the generalizable track's, which becomes the suffix of scripts and \
result folders."""

    model: str | None = None
    """Folder of its networks. Null: those that the data sets are run with."""

    datasets: tuple[str, ...] | None = None
    """Names of its data sets; null: all."""


class SubmissionRun(Frozen):
    """What `snakemake submission` packs, into <results>/submission."""

    part: Literal["test", "training"] = "test"
    """Sequences to submit: the challenge's test sequences, all of the recipes', or those of the \
run."""

    method: SubmittedMethod = "efficientcellseg"
    """Method that makes the masks."""

    csb: Unique[str] = ()
    """Data sets whose masks go to <DATASET>/CSB/<SEQ>_RES: Fluo-N3DL-DRO, -TRIC and -TRIF, if a \
tracking result is submitted, too."""

    tracks: Unique[str] = ()
    """Data sets whose tracks are submitted, too."""

    scores: bool = True
    """Score the method on the run's own sequences first, for the manifest."""

    configurations: Annotated[tuple[SubmittedNetworks, ...], Field(min_length=1)] = (
        SubmittedNetworks(training="regular"),
    )
    """Training configurations, each with networks of its own."""


@dataclass(frozen=True)
class SequenceToSubmit:
    """A sequence that is submitted once per training configuration."""

    dataset: str
    sequence: str
    training: str
    suffix: str  # of the folder of its masks: -GT+ST, nothing for regular
    model: str | None  # None: the networks that the data set is run with


class RunConfiguration(Frozen):
    """What to run: the workflow's configuration (config/config.yaml, config/demo.yaml)."""

    pathvars: RunFolders
    """Folders, relative to the one in which Snakemake is started."""

    methods: OneOrMore[str] = ("efficientcellseg",)
    """Methods to run. efficientcellseg: the paper's networks, one job per step; unet, dunet, \
unet3d_ensemble: methods to compare with; classical: Otsu's threshold and distance \
watershed. Pictures show the first one."""

    model: str | None = None
    """Folder with one model folder per network, instead of the recipes' own. Null: the recipes' \
own."""

    models: dict[str, str] = Field(default={})
    """Folders of networks by method, instead of `model`; the compared methods need one each."""

    training_changes: dict[str, tuple[Change, ...]] = Field(default={})
    """By method, changes to the training configurations of all data sets, KEY=VALUE; null removes \
a key."""

    device: Device = "auto"
    """Device for the networks; auto uses a GPU if there is one."""

    backend: Backend | None = None
    """Program that runs the networks. Null: the recipes', usually the fastest one."""

    gpus: WholeNumber | None = None
    """GPUs that a job with networks requests. Counted only if the profile limits them; the \
default profile allows 1 at a time. Null: one; none for the device cpu, or if jobs run on this \
machine and it has no /dev/nvidia0."""

    disk_gb: Positive = 6.0
    """Disk space in GB for files between the steps, 35 bytes per voxel. A shard of frames waits \
until enough earlier ones are done that it has room. Raise it on a cluster, where many run \
side by side."""

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
        """List the methods that segment a data set.

        Parameters
        ----------
        entry : DatasetRun

        Returns
        -------
        list of str
        """
        return [method for method in self.methods if method not in entry.without]

    def folders(self, entry: DatasetRun, own: Mapping[str, Sequence[str]]) -> list[str]:
        """Name the folders of a data set's results: its methods', and cross-validated ones.

        Parameters
        ----------
        entry : DatasetRun
        own : mapping of str to sequence of str
            As for :meth:`trainings`.

        Returns
        -------
        list of str
        """
        methods = self.methods_of(entry)
        trained = [name for name in methods if name in own and name not in self.models]
        return [*methods, *(name + CROSS_VALIDATED for name in trained if entry.cross_validation)]

    def trainings(self, own: Mapping[str, Sequence[str]]) -> dict[str, NetworksToTrain]:
        """List the networks that the run trains.

        Parameters
        ----------
        own : mapping of str to sequence of str
            For each method with networks, its own changes to a training configuration.

        Returns
        -------
        dict of str to NetworksToTrain
            By :meth:`DatasetRun.networks`.
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

    def gpus_of_a_job(self, *, local: bool) -> int:
        """Count the GPUs that a job with networks requests.

        Parameters
        ----------
        local : bool
            Whether it runs on this machine.

        Returns
        -------
        int
        """
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
