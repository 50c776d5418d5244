"""``validate``: every fault of a result, one per line."""

from __future__ import annotations

import argparse
import sys

from ctc_eval.cli.options import add_sequence
from ctc_eval.format import InputError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.description = (
        "List every fault of a result: names, digits, missing frames, shapes, pixel type, "
        "compression and other things that make the official tool silently read an empty mask, "
        "damaged data, and res_track.txt if there is one. Each fault is one line with file and "
        "reason. Masks without a cell are reported as a note, not as a fault."
    )
    parser.epilog = "Exit status 1 if there is any fault."
    add_sequence(parser)


def run(options: argparse.Namespace) -> int:
    """List the faults."""
    from ctc_eval.validation import examine

    result = options.result or options.dataset / f"{options.sequence}_RES"
    findings = examine(options.dataset / options.sequence, result, options.frames)
    faults = findings.faults
    sys.stdout.writelines(f"{fault}\n" for fault in faults)
    sys.stdout.writelines(f"{result}: note: {note}\n" for note in findings.notes)
    if faults:
        count = "1 fault; fix it" if len(faults) == 1 else f"{len(faults)} faults; fix them"
        raise InputError(f"{result}: {count} and validate again", code="result-faulty")
    sys.stdout.write(f"{result}: no fault\n")
    return 0
