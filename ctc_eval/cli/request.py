"""What is to be scored: the options, and where they do not say the record beside the masks."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ctc_eval.format import ScoreRecord, frames_text, has_markers, read_record
from ctc_eval.measures import MEASURES, Score, needs_of

# In place of measures' names: those of the benchmark's table that the data allow.
BENCHMARK = "benchmark"


@dataclass(frozen=True)
class Request:
    """A sequence to score, and what the score is to say beside its values.

    Attributes
    ----------
    dataset : Path
    sequence : str
    result, reference : Path
        Folders of the masks and of what they are held against.
    measures : tuple of str
    frames : slice
        Frame numbers, half open.
    seen : frozenset of int
        Frames that the networks have learnt from.
    penalize_extra : bool
        Whether DET counts objects that match nothing.
    method, networks, training : str
    parameters : int
        Weights of all networks; 0 without networks, or where they are not known.
    reference_note : str
        What the reference is.
    """

    dataset: Path
    sequence: str
    result: Path
    reference: Path
    measures: tuple[str, ...]
    frames: slice
    seen: frozenset[int]
    penalize_extra: bool
    method: str
    networks: str
    parameters: int
    training: str
    reference_note: str


def make_request(options: argparse.Namespace, sequence: str) -> Request:
    """Complete the options of a sequence by the record beside its masks.

    Raises
    ------
    ctc_eval.format.InputError
        A record that is damaged.
    """
    result = options.result or options.dataset / f"{sequence}_RES"
    record = read_record(result)
    told = record.score or ScoreRecord()
    reference = options.reference or options.dataset / f"{sequence}_{told.reference}"
    parameters = options.parameters or told.parameters or 0
    return Request(
        dataset=options.dataset,
        sequence=sequence,
        result=result,
        reference=reference,
        measures=_measures(options.measures, reference, parameters),
        frames=options.frames,
        seen=record.seen,
        penalize_extra=bool(
            _first(options.penalize_extra_detections, told.penalize_extra_detections)
        ),
        method=_first(options.method, record.method),
        networks=_first(options.networks, told.networks),
        parameters=parameters,
        training=_first(options.training, told.training),
        reference_note=_reference_note(options, record.score, reference),
    )


def _first(option: Any, recorded: Any) -> Any:
    return recorded if option is None else option


def _measures(names: tuple[str, ...], reference: Path, parameters: int) -> tuple[str, ...]:
    """Put measures in the place of `BENCHMARK`."""
    if BENCHMARK not in names:
        return names
    there = {"objects"}
    if has_markers(reference):
        there.add("markers")
    if parameters:
        there.add("parameters")
    chosen = [name for name, one in MEASURES.items() if one.column and needs_of([name]) <= there]
    return (*(name for name in names if name != BENCHMARK), *chosen)


def _reference_note(
    options: argparse.Namespace, record: ScoreRecord | None, reference: Path
) -> str:
    """Say what the reference is, and of the frames what the options add."""
    by_name = _kind_of_reference(folder_name(reference))
    note = _first(options.reference_note, record.reference_note if record else by_name)
    seen = "seen in training" if options.seen and record else ""
    return "; ".join(filter(None, (note, options.note, seen))) or by_name


def _kind_of_reference(folder: str) -> str:
    """Say what a reference folder holds, going by its name, without the sequence's number."""
    kind = folder.partition("_")[2] if folder[:2].isdecimal() else folder
    return {
        "GT": "gold truth, training sequence",
        "ST": "silver truth, training sequence",
        "ERR_SEG": "computer-made, training sequence",
    }.get(kind, kind)


def folder_name(folder: Path) -> str:
    """Name a folder as it was given, not what a link leads to."""
    return folder.name if folder.name not in ("", "..") else folder.resolve().name


def score_file(request: Request, score: Score) -> dict[str, Any]:
    """Make what `score --output` writes and the table reads."""
    return {
        "dataset": folder_name(request.dataset),
        "sequence": request.sequence,
        "method": request.method,
        "networks": request.networks,
        "parameters": request.parameters or None,
        "training": request.training,
        **score.values,
        "frames": frames_text(request.frames),
        "penalize_extra_detections": int(request.penalize_extra),
        "reference_folder": folder_name(request.reference),
        "reference": request.reference_note,
        **({"masks": score.masks, "empty_masks": score.empty} if score.empty else {}),
        "origin": "measured",
    }
