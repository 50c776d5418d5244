"""Finds what a run left on the disk: masks, what they were made with, costs of its jobs."""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ctc_eval.format import (
    RECORD,
    InputError,
    ScoreRecord,
    Track,
    frame_files,
    read_record,
    read_tracks,
)
from efficientcellseg.methods import METHODS
from efficientcellseg.networks.folders import CARD, read_card
from efficientcellseg.parameters.dataset_run import method_of
from efficientcellseg.parameters.reading import check_values
from efficientcellseg.parameters.recipe import Recipe
from efficientcellseg.provenance import read_mask_record


@dataclass(frozen=True)
class SegmentedSequence:
    """A sequence with its masks.

    Attributes
    ----------
    folder : str
        Of the method's results: its name, or that with ``-crossval``; empty for masks that lie
        beside their data set.
    dataset, sequence : str
    frames, masks : dict of int to Path
        Raw frames and masks by frame number; each mask has its frame.
    reference : Path
        Folder of the reference, which need not exist.
    score : ScoreRecord
        What a score of the masks is to say.
    method : str
        What made the masks; empty if that is not known.
    backend : str
    recipe : Recipe or None
        None if that is not known.
    weights : frozenset of str
        Hashes of the networks.
    tracks : tuple of Track
        Of the result; empty where there are none.
    """

    folder: str
    dataset: str
    sequence: str
    frames: dict[int, Path]
    masks: dict[int, Path]
    reference: Path
    score: ScoreRecord
    method: str
    backend: str
    recipe: Recipe | None
    weights: frozenset[str]
    tracks: tuple[Track, ...]

    @property
    def path(self) -> str:
        """Name it as folders of results do: METHOD/DATASET/SEQUENCE.

        Returns
        -------
        str
            DATASET/SEQUENCE for masks that lie beside their data set.
        """
        return "/".join(filter(None, (self.folder, self.dataset, self.sequence)))


@dataclass(frozen=True)
class StepCost:
    """What the jobs of a rule took.

    Attributes
    ----------
    rule : str
    jobs : int
        How many were measured.
    seconds, longest : float
        Of all jobs together, and of the longest.
    memory : float or None
        MB of the largest job; None if all were too short to be measured.
    """

    rule: str
    jobs: int
    seconds: float
    longest: float
    memory: float | None


def find_sequences(
    results: Path, data: Path | None = None, only: Collection[str] = ()
) -> list[SegmentedSequence]:
    """Find the sequences that were segmented.

    Parameters
    ----------
    results : Path
        A run's folder with ``METHOD/DATASET/SEQ_RES``, or a data set's with ``SEQ_RES``.
    data : Path, optional
        Folder of the data sets; unless given, ``data`` in or beside the results, or the folder that
        the data set lies in.
    only : collection of str
        METHOD/DATASET/SEQ of those that are wanted, in their order; all unless given.

    Returns
    -------
    list of SegmentedSequence

    Raises
    ------
    InputError
        No masks, none of those wanted, no raw frames of them, or a damaged record.
    """
    found = sorted(
        folder
        for pattern in ("*_RES", "*/*/*_RES")
        for folder in results.glob(pattern)
        if any(folder.glob("mask*.tif"))
        and (folder.parent == results or method_of(folder.parts[-3]) in METHODS)
    )
    names = {_name(folder, results): folder for folder in found}
    if not names or (missing := [name for name in only if name not in names]):
        raise InputError(
            f"{results}: no masks in {missing[0] if names else 'METHOD/DATASET/SEQ_RES'}; expected "
            "the folder of a run, or of a data set with SEQ_RES in it: segment first",
            code="folder-missing",
        )
    wanted = list(only) or list(names)
    return [_read_sequence(names[name], name, results, data) for name in wanted]


def _name(folder: Path, results: Path) -> str:
    return str(folder.relative_to(results)).removesuffix("_RES")


def _read_sequence(folder: Path, name: str, results: Path, data: Path | None) -> SegmentedSequence:
    """Read what lies beside masks, and find their frames."""
    *parents, sequence = name.split("/")
    beside = not parents
    dataset = results.resolve().name if beside else parents[1]
    places = [data] if data else [results / "data", results.parent / "data", Path("data")]
    if beside:
        places = [results.resolve().parent]
    raw = next((at / dataset for at in places if (at / dataset / sequence).is_dir()), None)
    if raw is None:
        raise InputError(
            f"{folder}: no raw frames {dataset}/{sequence} in {', '.join(map(str, places))}; "
            "expected the data set's folder there: name the one that holds it with --data",
            code="frames-missing",
        )
    masks, frames = frame_files(folder, "mask", complete=False), frame_files(raw / sequence)
    told, record = read_record(folder), read_mask_record(folder) or {}
    score = told.score or ScoreRecord()
    return SegmentedSequence(
        folder="" if beside else parents[0],
        dataset=dataset,
        sequence=sequence,
        frames=frames,
        masks={number: path for number, path in masks.items() if number in frames},
        reference=raw / f"{sequence}_{score.reference}",
        score=score,
        method=told.method,
        backend=record.get("backend", "").partition(" ")[0],
        recipe=_recipe(record, sequence, folder),
        weights=frozenset(record.get("weights", {}).values()),
        tracks=_tracks([folder, results / "tracks" / folder.relative_to(results)]),
    )


def _tracks(folders: Sequence[Path]) -> tuple[Track, ...]:
    """Read the tracks in the first of some folders that has any."""
    files = [path for folder in folders if (path := folder / "res_track.txt").is_file()]
    return tuple(read_tracks(files[0])[0].values()) if files else ()


def _recipe(record: dict[str, Any], sequence: str, folder: Path) -> Recipe | None:
    """Rebuild the recipe that masks were made by from their record."""
    if record.get("method") not in METHODS or not isinstance(record.get("recipe"), dict):
        return None
    beside = {"description": "", "sequences": [sequence], "source": {"kind": "local"}}
    values = {key: value for key, value in record["recipe"].items() if value not in (None, [])}
    recipe = check_values({**beside, **values}, Recipe, str(folder / RECORD))
    return METHODS[record["method"]].adapt(recipe)


def find_networks(places: Sequence[Path], hashes: Collection[str]) -> Path | None:
    """Find the networks that masks were made with, by the hashes of their weights.

    Parameters
    ----------
    places : sequence of Path
        Folders to look in, at any depth.
    hashes : collection of str

    Returns
    -------
    Path or None
        A model folder, or the folder that holds those of all maps; None if some are not found.
    """
    known: dict[str, Path] = {}
    for card in sorted(card for place in places for card in place.rglob(CARD)):
        known.setdefault(read_card(card.parent).sha256, card.parent)
    folders = [known[one] for one in hashes if one in known]
    if not folders or len(folders) < len(hashes):
        return None
    parents = {folder.parent for folder in folders}
    return folders[0] if len(folders) == 1 else parents.pop() if len(parents) == 1 else None


def read_costs(results: Path) -> list[StepCost]:
    """Read Snakemake's benchmark files of a run.

    Parameters
    ----------
    results : Path
        A run's folder, with ``benchmarks/RULE/**/*.tsv`` or ``benchmarks/RULE.tsv``.

    Returns
    -------
    list of StepCost
        Most seconds first; empty where there are no such files.
    """
    seconds: dict[str, list[float]] = defaultdict(list)
    memory: dict[str, list[float]] = defaultdict(list)
    folder = results / "benchmarks"
    for path in sorted(folder.rglob("*.tsv")):
        rule = path.relative_to(folder).parts[0].removesuffix(".tsv")
        with path.open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file, delimiter="\t"):
                seconds[rule].append(float(row["s"]))
                if row["max_rss"] not in ("NA", "-"):  # too short to be measured
                    memory[rule].append(float(row["max_rss"]))
    return [
        StepCost(rule, len(taken), sum(taken), max(taken), max(memory[rule], default=None))
        for rule, taken in sorted(seconds.items(), key=lambda item: -sum(item[1]))
    ]
