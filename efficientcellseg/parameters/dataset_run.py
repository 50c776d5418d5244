"""A data set of a run: which frames, by which networks, scored how."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Annotated

from pydantic import Field, ValidationInfo, field_validator, model_validator

from ctc_eval.format import frames_shared, parse_frames
from efficientcellseg.frozen import Count, Frozen, WholeNumber
from efficientcellseg.parameters.values import DatasetName, FrameRange, SequenceName, Unique

# What folders of results end in whose networks have not learned from the sequence.
CROSS_VALIDATED = "-crossval"
FrameCounts = Annotated[
    dict[SequenceName, Annotated[int, Field(ge=1, le=9999)]],
    Field(min_length=1, json_schema_extra={"additionalProperties": False}),
]


class ScoredPart(Frozen):
    """A range of frames that is scored apart."""

    frames: FrameRange
    """First frame and the one after the last, such as 0:12; : means all."""

    seen: bool = False
    """Also score frames that the networks were trained on, and say so in the table. Otherwise \
they are refused."""

    note: str = ""
    """Note on them for the table's reference column."""

    @property
    def suffix(self) -> str:
        """End of the names of the part's files: _0-12 for frames 0:12, empty for all frames.

        Returns
        -------
        str
        """
        return "" if self.frames == ":" else f"_{self.frames.replace(':', '-')}"

    @property
    def options(self) -> list[str]:
        """Options of ``ctc-eval score`` for the part.

        Returns
        -------
        list of str
        """
        note = ["--note", self.note] if self.note else []
        return ["--frames", self.frames, *note, *["--seen"] * self.seen]


class DatasetRun(Frozen):
    """A data set, and which part of it is run."""

    name: DatasetName
    """Name of its folder and of its recipe."""

    recipe: str | None = None
    """Recipe file. Null: config/datasets/<name>.yaml."""

    sequences: FrameCounts
    """Number of frames of each sequence to run, named by two digits in quotes."""

    first: WholeNumber = 0
    """First frame of each sequence to run. The numbers of frames in `sequences` still count from \
0."""

    frames_per_shard: Count = 10
    """Frames per job, fewer if `disk_gb` requires it. More frames mean fewer starts of Python (2 \
to 6 s each), fewer frames mean more jobs side by side."""

    frame: tuple[Count, Count, Count] = (32, 512, 512)
    """Planes, rows and columns of the largest frame. Jobs on a cluster request memory and time \
accordingly."""

    model: str | None = None
    """Folder with one model folder per network. Null: the configuration's, or else the recipe's."""

    weights: Annotated[str, Field(pattern="^[A-Za-z0-9_.:/-]+$")] | None = None
    """ONNX network to import into <results>/models/<its name>: ecs_a549 or ecs_tric, the authors' \
cell networks, which are downloaded, or your own file or address. Null: use existing \
networks."""

    training: str | None = None
    """Training configuration with which the run first trains networks, into <results>/models/<its \
name>. Null: use existing networks."""

    cross_validation: bool = False
    """Also train networks for each sequence on the other sequences only, and segment it with \
them. These results go to <results>/<method>-crossval, in addition to those of `training`."""

    tracking: bool = False
    """Link the masks through time, too, into <results>/tracks. These are scored then, the same \
cells under the numbers of their tracks, by TRA, LNK and OP_CTB, too, where the reference is GT."""

    without: Unique[str] = ()
    """Methods of the run to skip for this data set. For example, the 3D U-Net cannot learn from \
single slices."""

    parts: Annotated[tuple[ScoredPart, ...], Field(min_length=1)] = (ScoredPart(frames=":"),)
    """Ranges of frames that are scored separately, each in its own row of the table, as far as \
their frames are run."""

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
        """Voxels of the largest frame.

        Returns
        -------
        int
        """
        return prod(self.frame)

    @property
    def pictured(self) -> str:
        """The sequence that the data set's picture shows, its first one.

        Returns
        -------
        str
        """
        return next(iter(self.sequences))

    def frames(self, sequence: str) -> str:
        """List the frames of a sequence that are run.

        Parameters
        ----------
        sequence : str

        Returns
        -------
        str
            As A:B, B exclusive.
        """
        return f"{self.first}:{self.sequences[sequence]}"

    def shards(self, sequence: str, at_once: int | None = None) -> list[str]:
        """List the shards of a sequence.

        Parameters
        ----------
        sequence : str
        at_once : int, optional
            Most frames of a shard, if fewer than the configuration says.

        Returns
        -------
        list of str
            Named by their frames: 0010-0020, the latter exclusive.
        """
        end = self.sequences[sequence]
        frames = min(self.frames_per_shard, at_once or self.frames_per_shard)
        return [
            f"{start:04d}-{min(start + frames, end):04d}"
            for start in range(self.first, end, frames)
        ]

    def scored_parts(self, sequence: str) -> list[ScoredPart]:
        """List the scored parts that have frames in the run: a trial may end before others begin.

        Parameters
        ----------
        sequence : str

        Returns
        -------
        list of ScoredPart
        """
        run = slice(self.first, self.sequences[sequence])
        return [part for part in self.parts if frames_shared(parse_frames(part.frames), run)]

    def shard_before(
        self, sequence: str, shard: str, at_once: int | None
    ) -> tuple[str, str] | None:
        """Find the shard that must be done before another starts.

        This keeps at most `at_once` frames of the data set in progress; its sequences run one after
        the other.

        Parameters
        ----------
        sequence, shard : str
            The one that waits.
        at_once : int or None
            None for no limit.

        Returns
        -------
        tuple of str or None
            Its sequence and shard, if there is one.
        """
        if at_once is None:
            return None
        every = [(name, one) for name in self.sequences for one in self.shards(name, at_once)]
        together = at_once // min(self.frames_per_shard, at_once)
        place = every.index((sequence, shard)) - together
        return every[place] if place >= 0 else None

    def part(self, suffix: str) -> ScoredPart:
        """Find the part whose files end in `suffix`.

        Parameters
        ----------
        suffix : str

        Returns
        -------
        ScoredPart
        """
        return next(part for part in self.parts if part.suffix == suffix)

    def score_options(self, method: str, suffix: str) -> list[str]:
        """List the options of ``ctc-eval score`` for a part of a method's results.

        Parameters
        ----------
        method : str
            Folder of the results. No frame of cross-validated results may have been seen.
        suffix : str
            Of the part.

        Returns
        -------
        list of str
        """
        options = self.part(suffix).options
        crossed = method.endswith(CROSS_VALIDATED)
        return [one for one in options if not (crossed and one == "--seen")]

    def networks(self, method: str, left_out: str = "") -> str:
        """Name the networks that are trained for a method.

        Parameters
        ----------
        method : str
        left_out : str
            Sequence that they are not trained on; empty for all sequences.

        Returns
        -------
        str
        """
        words = [Path(self.training or "").stem]
        words += [method] * (method != "efficientcellseg") + [f"without-{left_out}"] * bool(
            left_out
        )
        return "-".join(words)


def method_of(folder: str) -> str:
    """Name the method whose results a folder holds, cross-validated or not.

    Parameters
    ----------
    folder : str

    Returns
    -------
    str
    """
    return folder.removesuffix(CROSS_VALIDATED)


def shard_frames(shard: str) -> str:
    """Write the frames of a shard as command lines take them: 10:20 for 0010-0020.

    Parameters
    ----------
    shard : str

    Returns
    -------
    str
    """
    return ":".join(str(int(number)) for number in shard.split("-"))


@dataclass(frozen=True)
class NetworksToTrain:
    """Networks that the run trains: a training configuration's file, and its changes."""

    file: str
    changes: tuple[str, ...]
