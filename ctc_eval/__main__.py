"""Command line of the judge: ``python -m ctc_eval {score,validate,table}``."""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ctc_eval.format import InputError, atomic, check_writable, frames_text, parse_frames

if TYPE_CHECKING:
    from ctc_eval.scoring import Score
    from ctc_eval.toolkit import Verdict

MEASURES = ("SEG", "DET", "TRA", "MeanIoU")
MADE_OF = {"OP_CSB": ("SEG", "DET"), "OP_CTB": ("SEG", "TRA"), "PESEG": ("SEG",)}


def main(arguments: list[str] | None = None) -> int:
    """Run one command.

    Parameters
    ----------
    arguments : list of str, optional
        Of the command line, without the program's name.

    Returns
    -------
    int
        0 done, 1 the input is at fault. Wrong usage exits with 2.
    """
    logging.basicConfig(format="%(levelname)s: %(message)s", level=logging.WARNING)
    # What tifffile has to say of a damaged file comes as one line with the file's name.
    logging.getLogger("tifffile").setLevel(logging.CRITICAL + 1)
    options = _parser().parse_args(arguments)
    try:
        status: int = options.run(options)
        sys.stdout.flush()
        return status
    except InputError as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    except BrokenPipeError:
        # The reader, such as head, has seen enough; what is left goes nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        sys.stderr.write(f"error: {error}; expected a path to read or write: check it\n")
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m ctc_eval",
        description="Score, check and tabulate results of the Cell Tracking Challenge.",
        epilog="Exit status: 0 done, 1 the input is at fault, 2 wrong usage.",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_score(commands)
    _add_validate(commands)
    _add_table(commands)
    return parser


def _add_sequence(parser: argparse.ArgumentParser, **several: Any) -> None:
    parser.add_argument("dataset", type=Path, metavar="DATASET_DIR", help="folder with SEQ, SEQ_GT")
    parser.add_argument("sequence", metavar="SEQ", help="sequence, such as 01", **several)
    parser.add_argument(
        "--result", type=Path, metavar="DIR", help="masks (default: DATASET_DIR/SEQ_RES)"
    )
    parser.add_argument(
        "--frames",
        type=_frames,
        default=slice(None),
        metavar="A:B",
        help="only the frames from A to B - 1; either may be left out (default: all)",
    )


def _add_score(commands: Any) -> None:
    parser = commands.add_parser(
        "score",
        help="measure a result against a reference",
        description=(
            "Measure the masks (maskTTT.tif, uint16, planes x rows x columns, 0 background) of "
            "one sequence. Prints a line a measure, as the official tool does; of several "
            "sequences also the mean, the data set's value."
        ),
        epilog=(
            "SEG, DET, TRA, MeanIoU, OP_CSB and OP_CTB lie between 0 and 1; PESEG is SEG per "
            "million parameters. Exit status 1 where the official tool refuses the input, or "
            "reads it as empty without a word."
        ),
    )
    _add_sequence(parser, nargs="+")
    parser.add_argument(
        "--reference",
        type=Path,
        metavar="DIR",
        help="folder with SEG/ and TRA/, or with maskTTT.tif (default: DATASET_DIR/SEQ_GT)",
    )
    parser.add_argument(
        "--measures",
        type=_measures,
        default=("SEG", "DET"),
        metavar="LIST",
        help="of SEG, DET, TRA, MeanIoU, OP_CSB, OP_CTB, PESEG, with commas (default: SEG,DET)",
    )
    parser.add_argument(
        "--penalize-extra-detections",
        type=int,
        choices=(0, 1),
        default=1,
        metavar="0|1",
        help="whether DET counts objects that match nothing; the segmentation benchmark does not "
        "for Fluo-N3DL-DRO, -TRIC and -TRIF (default: 1)",
    )
    parser.add_argument(
        "--parameters", type=_count, metavar="N", help="weights of all networks, for PESEG"
    )
    parser.add_argument(
        "--seen", action="store_true", help="score frames, too, that the networks have learnt from"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object instead")
    parser.add_argument("--output", type=Path, metavar="FILE", help="JSON for the table command")
    parser.add_argument("--method", default="", help="name of the method, for the table")
    parser.add_argument("--networks", default="", help="networks of the method, for the table")
    parser.add_argument(
        "--training", default="", metavar="TEXT", help="what they were trained on, for the tables"
    )
    parser.add_argument(
        "--reference-note", metavar="TEXT", help="what the reference is, for the table"
    )
    parser.add_argument(
        "--logs", action="store_true", help="write SEG_log.txt, ... into the result folder"
    )
    parser.add_argument(
        "--objects", type=Path, metavar="FILE", help="TSV with a row for each reference object"
    )
    parser.add_argument(
        "--toolkit", type=Path, metavar="DIR", help="also run SEGMeasure, ... found there"
    )
    parser.add_argument(
        "--workers",
        type=_count,
        metavar="N",
        help="threads (default: one a core, fewer for little data)",
    )
    parser.set_defaults(run=_score, usage_error=parser.error)


def _add_validate(commands: Any) -> None:
    parser = commands.add_parser(
        "validate",
        help="check that a result is fit for submission",
        description=(
            "List every fault of a result: names, digits, missing frames, shapes, pixel type, "
            "compression and what else the official tool reads as empty without a word, damaged "
            "data, res_track.txt where there is one. One line each, file and reason."
        ),
        epilog="Exit status 1 if there is any fault.",
    )
    _add_sequence(parser)
    parser.set_defaults(run=_validate)


def _add_table(commands: Any) -> None:
    parser = commands.add_parser(
        "table",
        help="put scores and published values into one table",
        description="Put the files that `score --output` wrote into one table.",
    )
    parser.add_argument("scores", type=Path, nargs="+", metavar="SCORES.json")
    parser.add_argument(
        "--published", type=Path, metavar="FILE", help="CSV of published values to put beside"
    )
    parser.add_argument(
        "--all-published",
        action="store_true",
        help="published values of all data sets, not only of those in the scores",
    )
    parser.add_argument(
        "--format", choices=("text", "csv", "markdown", "latex"), default="text", dest="style"
    )
    parser.add_argument("--output", type=Path, metavar="FILE", help="instead of the screen")
    parser.set_defaults(run=_table)


def _frames(text: str) -> slice:
    try:
        return parse_frames(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _measures(text: str) -> tuple[str, ...]:
    names = [name.strip() for name in text.split(",")]
    unknown = [name for name in names if name not in MEASURES and name not in MADE_OF]
    if unknown:
        raise argparse.ArgumentTypeError(
            f"{unknown[0]!r}, expected a list of {', '.join((*MEASURES, *MADE_OF))}"
        )
    return tuple(names)


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r}, expected a whole number from 1 on")
    return int(text)


def _score(options: argparse.Namespace) -> int:
    if "PESEG" in options.measures and not options.parameters:
        options.usage_error("PESEG is SEG per million parameters: give --parameters N")
    parts = {part for name in options.measures for part in MADE_OF.get(name, (name,))}
    options.measures = tuple(name for name in MEASURES if name in parts)
    if len(options.sequence) == 1:
        values, verdicts = _score_one(options, options.sequence[0])
        _report(values, verdicts, options)
        return 0
    single = ("result", "reference", "output", "objects", "toolkit")
    given = [name for name in single if getattr(options, name)]
    if given:
        options.usage_error(f"--{given[0]} is of one sequence: score them one by one")
    scores = {sequence: _score_one(options, sequence)[0] for sequence in options.sequence}
    rows = list(scores.values())
    scores["mean"] = {name: sum(row[name] for row in rows) / len(rows) for name in rows[0]}
    if options.json:
        sys.stdout.write(json.dumps({name: _rounded(row) for name, row in scores.items()}) + "\n")
    else:
        for name, row in scores.items():
            sys.stdout.writelines(f"{name} {line}" for line in _lines(row))
    return 0


def _score_one(
    options: argparse.Namespace, sequence: str
) -> tuple[dict[str, float], dict[str, float]]:
    """Score a sequence and write what is asked for; give its values and the toolkit's."""
    from ctc_eval.measures import derived

    result = options.result or options.dataset / f"{sequence}_RES"
    reference = options.reference or options.dataset / f"{sequence}_GT"
    _refuse_seen(options, result)
    for path in filter(None, (options.output, options.objects, options.logs and result / "log")):
        check_writable(path)
    try:
        score = _measure(options, reference, result)
    except InputError as error:
        verdicts = _official(options, reference, result) if options.toolkit else {}
        said = "".join(f"; {name}Measure: {found.said}" for name, found in verdicts.items())
        raise InputError(f"{error}{said}") from None
    values = derived(score.values, options.parameters)
    verdicts = _official(options, reference, result) if options.toolkit else {}
    official = {}
    for name, found in verdicts.items():
        if found.value is None:
            raise InputError(f"{name}Measure refuses: {found.said}; here {name} {values[name]:.6f}")
        official[name] = found.value

    if options.output:
        _write_json(options.output, _record(options, sequence, reference, values))
    if options.logs or options.objects:
        _write_details(score, options, result)
    return values, official


def _refuse_seen(options: argparse.Namespace, result: Path) -> None:
    """Refuse frames that the result's networks have learnt from, unless told otherwise."""
    from ctc_eval.format import is_inside, seen_frames

    seen = sorted(frame for frame in seen_frames(result) if is_inside(frame, options.frames))
    if seen and not options.seen:
        raise InputError(
            f"{result}: its networks have learnt from {len(seen)} of the frames, from {seen[0]} to "
            f"{seen[-1]}; expected frames that are new to them: choose other --frames, or give "
            "--seen to score all the same"
        )


def _write_details(score: Score, options: argparse.Namespace, result: Path) -> None:
    from ctc_eval import logs

    if options.logs:
        logs.write_logs(score, result)
    if options.objects:
        logs.write_objects(score, options.objects)


def _measure(options: argparse.Namespace, reference: Path, result: Path) -> Score:
    from ctc_eval.format import find_reference
    from ctc_eval.scoring import score_sequence

    return score_sequence(
        find_reference(reference, options.measures),
        result,
        wanted=options.measures,
        frames=options.frames,
        penalize_extra=bool(options.penalize_extra_detections),
        workers=options.workers,
    )


def _official(options: argparse.Namespace, reference: Path, result: Path) -> dict[str, Verdict]:
    from ctc_eval.toolkit import run_toolkit

    return run_toolkit(
        options.toolkit,
        reference,
        result,
        wanted=options.measures,
        frames=options.frames,
        penalize_extra=bool(options.penalize_extra_detections),
    )


def _report(
    values: dict[str, float], official: dict[str, float], options: argparse.Namespace
) -> None:
    """Print the measures, and beside them the official toolkit's where it was run."""
    compared = {
        name: {"value": value, "difference": round(values[name] - value, 6)}
        for name, value in official.items()
    }
    if options.json:
        record: dict[str, Any] = _rounded(values)
        sys.stdout.write(json.dumps({**record, "toolkit": compared} if compared else record) + "\n")
        return
    sys.stdout.writelines(_lines(values))
    sys.stdout.writelines(
        f"{name}Measure: {found['value']:.6f}, difference {found['difference']:+.6f}\n"
        for name, found in compared.items()
    )


def _lines(values: dict[str, float]) -> list[str]:
    """Write measures as the official tool does."""
    return [f"{name} measure: {value:.6f}\n" for name, value in values.items()]


def _rounded(values: dict[str, float]) -> dict[str, float]:
    return {name: round(value, 6) for name, value in values.items()}


def _record(
    options: argparse.Namespace, sequence: str, folder: Path, values: dict[str, float]
) -> dict[str, Any]:
    """Make the record that the table command reads."""
    return {
        "dataset": _name(options.dataset),
        "sequence": sequence,
        "method": options.method,
        "networks": options.networks,
        "parameters": options.parameters,
        "training": options.training,
        **values,
        "frames": frames_text(options.frames),
        "penalize_extra_detections": options.penalize_extra_detections,
        "reference_folder": _name(folder),
        "reference": options.reference_note or _reference_note(_name(folder)),
        "origin": "measured",
    }


def _name(folder: Path) -> str:
    """Name a folder as it was given, not what a link leads to."""
    return folder.name if folder.name not in ("", "..") else folder.resolve().name


def _reference_note(folder: str) -> str:
    """Say what a reference folder holds, going by its name, without the sequence's number."""
    kind = folder.partition("_")[2] if folder[:2].isdecimal() else folder
    return {
        "GT": "gold truth, training sequence",
        "ST": "silver truth, training sequence",
        "ERR_SEG": "computer-made, training sequence",
    }.get(kind, kind)


def _write_json(path: Path, record: dict[str, Any]) -> None:
    with atomic(path) as temporary:
        temporary.write_text(json.dumps(record, indent=2) + "\n")


def _validate(options: argparse.Namespace) -> int:
    from ctc_eval.validation import find_faults

    result = options.result or options.dataset / f"{options.sequence}_RES"
    faults = find_faults(options.dataset / options.sequence, result, options.frames)
    sys.stdout.writelines(f"{fault}\n" for fault in faults)
    if faults:
        count = "1 fault; mend it" if len(faults) == 1 else f"{len(faults)} faults; mend them"
        sys.stderr.write(f"error: {result}: {count} and validate again\n")
        return 1
    sys.stdout.write(f"{result}: no fault\n")
    return 0


def _table(options: argparse.Namespace) -> int:
    from ctc_eval import table

    scores = [table.read_scores(path) for path in options.scores]
    published = table.read_published(options.published) if options.published else []
    if not options.all_published:
        measured = {row["dataset"] for row in scores}
        published = [row for row in published if row["dataset"] in measured]
    text = table.render(table.build_table(scores, published), options.style)
    if options.output:
        with atomic(options.output) as temporary:
            temporary.write_text(text)
    else:
        sys.stdout.write(text)
    return 0


if __name__ == "__main__":
    # Nothing here is linear algebra, and numpy's threads for it take time to start.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    sys.exit(main())
