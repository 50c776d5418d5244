"""``score``: the measures of a result, as the official tool prints them, and files of them."""

from __future__ import annotations

import argparse
import json
import logging
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ctc_eval.cli.options import add_sequence, count
from ctc_eval.cli.request import BENCHMARK, Request, make_request, score_file
from ctc_eval.format import InputError, atomic, check_writable, is_inside
from ctc_eval.measures import MEASURES, Evidence, Score, family_of, needs_of, with_parts

if TYPE_CHECKING:
    from ctc_eval.toolkit import Verdict

Values = dict[str, float]

log = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.description = (
        "Score the masks (maskTTT.tif, uint16, planes x rows x columns, 0 is background) of a "
        "sequence. Prints one line per measure, as the official tool does. For several "
        "sequences, also prints the mean, which is the data set's value."
    )
    parser.epilog = (
        f"{'; '.join(f'{name}: {meaning}' for name, meaning in _families().items())}. "
        "Exit status 1 means that the official tool would refuse the input, or silently read it "
        "as empty."
    )
    add_sequence(parser, nargs="+")
    parser.add_argument(
        "--reference",
        type=Path,
        metavar="DIR",
        help="folder with SEG/ and TRA/, or with maskTTT.tif (default: what the masks' record "
        "says, otherwise DATASET_DIR/SEQ_GT)",
    )
    parser.add_argument(
        "--measures",
        type=_measures,
        metavar="LIST",
        help=f"of {', '.join(_families())}, with commas, or {BENCHMARK}: those of the table that "
        "the reference and the parameters allow (default: SEG, and DET where there are markers)",
    )
    parser.add_argument(
        "--seen", action="store_true", help=("also score frames that the networks were trained on")
    )
    parser.add_argument(
        "--workers",
        type=count,
        metavar="N",
        help="threads (default: one per core, fewer for small data)",
    )
    _add_told(parser)
    _add_outputs(parser)


def _add_told(parser: argparse.ArgumentParser) -> None:
    """Add the options that the record beside the masks can replace."""
    group = parser.add_argument_group(
        "taken from the record beside the masks, if there is one, unless an option is given"
    )
    group.add_argument(
        "--penalize-extra-detections",
        type=int,
        choices=(0, 1),
        metavar="0|1",
        help="whether DET penalizes objects that match nothing; the segmentation benchmark does "
        "not for Fluo-N3DL-DRO, -TRIC and -TRIF (default: 1)",
    )
    group.add_argument(
        "--parameters", type=count, metavar="N", help="number of weights of all networks"
    )
    group.add_argument("--method", metavar="NAME", help="name of the method, for the table")
    group.add_argument("--networks", metavar="TEXT", help="networks of the method, for the table")
    group.add_argument(
        "--training", metavar="TEXT", help="what they were trained on, for the tables"
    )
    group.add_argument(
        "--reference-note", metavar="TEXT", help="what the reference is, for the table"
    )
    group.add_argument("--note", metavar="TEXT", help="note to add to the reference")


def _add_outputs(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("output")
    group.add_argument("--json", action="store_true", help="print one JSON object instead of lines")
    group.add_argument(
        "--output", type=Path, metavar="FILE", help="write JSON for the table command"
    )
    group.add_argument(
        "--logs", action="store_true", help="write SEG_log.txt, ... into the result folder"
    )
    group.add_argument(
        "--objects",
        type=Path,
        metavar="FILE",
        help=("write a TSV with a row for each reference object"),
    )
    group.add_argument(
        "--toolkit",
        type=Path,
        metavar="DIR",
        help=("also run SEGMeasure, ... from that folder, and compare"),
    )


def _measures(text: str) -> tuple[str, ...]:
    names: list[str] = []
    for name in map(str.strip, text.split(",")):
        if not (found := (name,) if name == BENCHMARK else family_of(name)):
            known = ", ".join((*_families(), BENCHMARK))
            raise argparse.ArgumentTypeError(f"{name!r}, expected a list of {known}")
        names += found
    return tuple(names)


def _families() -> dict[str, str]:
    """Return the meaning of each measure; BC(0), BC(1), ... are one, BC."""
    return {name.partition("(")[0]: one.meaning for name, one in MEASURES.items()}


def run(options: argparse.Namespace) -> int:
    """Score the sequences, print and write the measures."""
    single = ("result", "reference", "output", "objects", "toolkit")
    given = [name for name in single if getattr(options, name)]
    if len(options.sequence) > 1 and given:
        options.usage_error(f"--{given[0]} is of one sequence: score them one by one")
    requests = [make_request(options, sequence) for sequence in options.sequence]
    for request in requests:
        for name in request.measures:
            if "parameters" in needs_of([name]) and not request.parameters:
                options.usage_error(f"{name} is {MEASURES[name].meaning}: give --parameters N")
    if len(requests) == 1:
        values, official = _score_one(options, requests[0])
        _report(values, official, as_json=options.json)
        return 0
    scores = {request.sequence: _score_one(options, request)[0] for request in requests}
    scores["mean"] = _mean(list(scores.values()))
    if options.json:
        sys.stdout.write(json.dumps({name: _rounded(row) for name, row in scores.items()}) + "\n")
    else:
        for name, row in scores.items():
            sys.stdout.writelines(f"{name} {line}" for line in _lines(row))
    return 0


def _mean(rows: Sequence[Values]) -> Values:
    """Average the measures that all sequences have."""
    names = [name for name in rows[0] if all(name in row for row in rows)]
    return {name: sum(row[name] for row in rows) / len(rows) for name in names}


def _score_one(options: argparse.Namespace, request: Request) -> tuple[Values, Values]:
    """Score a sequence and write the requested files; return its values and the toolkit's."""
    _refuse_seen(request, allowed=options.seen)
    log = request.result / "log" if options.logs else None
    for path in filter(None, (options.output, options.objects, log)):
        check_writable(path)
    try:
        score = _measure(options, request)
    except InputError as error:
        said = "".join(
            f"; {name}Measure: {found.said}" for name, found in _verdicts(options, request).items()
        )
        raise InputError(f"{error}{said}", code=error.code) from None
    official = {}
    for name, found in _verdicts(options, request).items():
        if found.value is None:
            raise InputError(
                f"{name}Measure refuses: {found.said}; here {name} {score.values[name]:.6f}",
                code="program-refused",
            )
        official[name] = found.value
    _write_files(options, request, score)
    return score.values, official


def _refuse_seen(request: Request, *, allowed: bool) -> None:
    """Refuse frames that the result's networks were trained on, unless they are allowed."""
    seen = sorted(frame for frame in request.seen if is_inside(frame, request.frames))
    if seen and not allowed:
        raise InputError(
            f"{request.result}: its networks were trained on {len(seen)} of the frames, from "
            f"{seen[0]} to {seen[-1]}; expected frames that are new to them: choose other "
            "--frames, or give --seen to score these anyway",
            code="frames-seen",
        )


def _measure(options: argparse.Namespace, request: Request) -> Score:
    from ctc_eval.scoring import score_sequence

    if not request.measures:  # none of the few frames that were segmented is annotated
        return Score({}, Evidence())
    score = score_sequence(
        request.reference,
        request.result,
        wanted=request.measures,
        frames=request.frames,
        penalize_extra=request.penalize_extra,
        parameters=request.parameters,
        workers=options.workers,
    )
    if left_out := [name for name in with_parts(request.measures) if name not in score.values]:
        names = ", ".join(left_out)
        log.warning("%s: no reference for %s, left out", request.reference, names)
    return score


def _verdicts(options: argparse.Namespace, request: Request) -> dict[str, Verdict]:
    """Run the official executables if requested."""
    if not options.toolkit:
        return {}
    from ctc_eval.toolkit import run_toolkit

    return run_toolkit(
        options.toolkit,
        request.reference,
        request.result,
        wanted=with_parts(request.measures),
        frames=request.frames,
        penalize_extra=request.penalize_extra,
    )


def _write_files(options: argparse.Namespace, request: Request, score: Score) -> None:
    from ctc_eval import logs

    if options.output:
        with atomic(options.output) as temporary:
            record = score_file(request, score)
            temporary.write_text(json.dumps(record, indent=2) + "\n")
    if options.logs:
        logs.write_logs(score, request.result)
    if options.objects:
        logs.write_objects(score, options.objects)


def _report(values: Values, official: Values, *, as_json: bool) -> None:
    """Print the measures, with the official toolkit's beside them if it was run."""
    compared = {
        name: {"value": value, "difference": round(values[name] - value, 6)}
        for name, value in official.items()
    }
    if as_json:
        record: dict[str, Any] = _rounded(values)
        sys.stdout.write(json.dumps({**record, "toolkit": compared} if compared else record) + "\n")
        return
    sys.stdout.writelines(_lines(values))
    sys.stdout.writelines(
        f"{name}Measure: {found['value']:.6f}, difference {found['difference']:+.6f}\n"
        for name, found in compared.items()
    )


def _lines(values: Mapping[str, float]) -> list[str]:
    """Write measures as the official tool does."""
    return [f"{name} measure: {value:.6f}\n" for name, value in values.items()]


def _rounded(values: Mapping[str, float]) -> Values:
    return {name: round(value, 6) for name, value in values.items()}
