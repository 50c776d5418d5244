"""What to score: taken from the options, or else from the record beside the masks."""

from __future__ import annotations

import argparse
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ctc_eval.format import (
    InputError,
    ScoreRecord,
    annotations_in,
    frames_shared,
    frames_text,
    has_markers,
    read_record,
)
from ctc_eval.measures import MEASURES, Score, needs_of

# In place of measures' names: those of the benchmark's table that the data allow.
BENCHMARK = "benchmark"

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Request:
    """A sequence to score, and what to report in addition to the values.

    Attributes
    ----------
    dataset : Path
    sequence : str
    result, reference : Path
        Folders of the masks and of the reference.
    measures : tuple of str
    unannotated : tuple of str
        Measures for which none of the segmented frames is annotated, if these are not all frames.
    frames : slice
        Frame numbers, half open: those requested and segmented.
    seen : frozenset of int
        Frames that the networks were trained on.
    penalize_extra : bool
        Whether DET penalizes objects that match nothing.
    method, name, crossed, networks, training : str
        For `method`, `name` and `crossed` see :class:`ctc_eval.format.ScoreRecord`.
    parameters : int
        Number of weights of all networks; 0 without networks, or if it is not known.
    reference_note : str
        What the reference is.
    """

    dataset: Path
    sequence: str
    result: Path
    reference: Path
    measures: tuple[str, ...]
    unannotated: tuple[str, ...]
    frames: slice
    seen: frozenset[int]
    penalize_extra: bool
    method: str
    name: str
    crossed: str
    networks: str
    parameters: int
    training: str
    reference_note: str


def make_request(options: argparse.Namespace, sequence: str) -> Request:
    """Complete the options of a sequence from the record beside its masks.

    Raises
    ------
    ctc_eval.format.InputError
        A record that is damaged; frames that were not segmented.
    """
    result = options.result or options.dataset / f"{sequence}_RES"
    record = read_record(result)
    told = record.score or ScoreRecord()
    reference = options.reference or options.dataset / f"{sequence}_{told.reference}"
    parameters = options.parameters or told.parameters or 0
    frames = _frames_run(options.frames, told, result)
    few = frames if told.frames else None
    measures, unannotated = _measures(options.measures, reference, parameters, few)
    return Request(
        dataset=options.dataset,
        sequence=sequence,
        result=result,
        reference=reference,
        measures=measures,
        unannotated=unannotated,
        frames=frames,
        seen=record.seen,
        penalize_extra=bool(
            _first(options.penalize_extra_detections, told.penalize_extra_detections)
        ),
        method=_first(options.method, told.method or record.method),
        name=told.name,
        crossed=told.crossed,
        networks=_first(options.networks, told.networks),
        parameters=parameters,
        training=_first(options.training, told.training),
        reference_note=_reference_note(options, record.score, reference),
    )


def _first(option: Any, recorded: Any) -> Any:
    return recorded if option is None else option


def _frames_run(asked: slice, told: ScoreRecord, result: Path) -> slice:
    """Remove frames that were not segmented from the frames asked for."""
    if not told.frames:
        return asked
    frames = frames_shared(asked, told.run)
    if frames is None:
        raise InputError(
            f"{result}: frames {frames_text(asked)} were requested, but only {told.frames} were "
            "segmented; expected some of these: choose other --frames, or segment the others, too",
            code="frames-not-run",
        )
    if frames_text(frames) != frames_text(asked):
        log.warning(
            "%s: only frames %s were segmented, so only these are scored", result, told.frames
        )
    return frames


def _measures(
    names: tuple[str, ...] | None, reference: Path, parameters: int, few: slice | None
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Choose the measures, and list those for which a run of only `few` frames has no annotations.

    `BENCHMARK` stands for all that the table shows. Without names, the measures are SEG and, if
    there are markers, DET.
    """
    if names is None:
        if reference.is_dir() and not has_markers(reference):
            log.warning("%s: no markers in TRA, so only SEG is measured", reference)
            return ("SEG",), ()
        return ("SEG", "DET"), ()
    if BENCHMARK not in names:
        return names, ()
    if few is not None:
        there = annotations_in(reference, few)
        lacking = {"objects", "markers"} - there
    else:
        there = {"objects", *(["markers"] if has_markers(reference) else [])}
        lacking = set()
    if parameters:
        there.add("parameters")
    columns = [name for name, one in MEASURES.items() if one.column and not one.asked]
    chosen = [name for name in columns if needs_of([name]) <= there]
    unannotated = [name for name in columns if lacking.intersection(MEASURES[name].needs)]
    if unannotated:
        log.warning("%s: the segmented frames have no annotations for %s", reference,
                    ", ".join(unannotated))  # fmt: skip
    return (*(name for name in names if name != BENCHMARK), *chosen), tuple(unannotated)


def _reference_note(
    options: argparse.Namespace, record: ScoreRecord | None, reference: Path
) -> str:
    """Describe the reference and the frames, with what the options add."""
    by_name = _kind_of_reference(folder_name(reference))
    note = _first(options.reference_note, record.reference_note if record else by_name)
    return "; ".join(filter(None, (note or by_name, options.note)))


def _kind_of_reference(folder: str) -> str:
    """Describe a reference folder by its name, without the sequence's number."""
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
    """Build what `score --output` writes and the table reads."""
    crossed = {"name": request.name, "cross_validated": request.crossed} if request.crossed else {}
    return {
        "dataset": folder_name(request.dataset),
        "sequence": request.sequence,
        "method": request.method,
        **crossed,
        "networks": request.networks,
        "parameters": request.parameters or None,
        "training": request.training,
        **score.values,
        "frames": frames_text(request.frames),
        **({"unannotated": list(request.unannotated)} if request.unannotated else {}),
        "penalize_extra_detections": int(request.penalize_extra),
        "reference_folder": folder_name(request.reference),
        "reference": "; ".join(filter(None, (request.reference_note, _seen_note(request, score)))),
        **({"masks": score.masks, "empty_masks": score.empty} if score.empty else {}),
        "origin": "measured",
    }


def _seen_note(request: Request, score: Score) -> str:
    """Say how many of the scored frames the networks were trained on."""
    scored = {image.frame for image, _ in score.evidence.objects} | set(score.evidence.markers)
    seen = len(scored & request.seen)
    if not seen:
        return ""
    return (
        "seen in training" if seen == len(scored) else f"{seen} of {len(scored)} seen in training"
    )
