"""The judge's command line: runs one command, and reports a fault of the input in one line."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from typing import Any

from ctc_eval.cli import score, table, validate
from ctc_eval.format import InputError, tell_system

COMMANDS = {
    "score": (score, "score a result against a reference"),
    "validate": (validate, "check whether a result can be submitted"),
    "table": (table, "combine scores and published values in one table"),
}


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
    if arguments is None:
        # Nothing here is linear algebra, and numpy's threads for it take time to start.
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    logging.basicConfig(format="%(levelname)s: %(message)s", level=logging.WARNING)
    # What tifffile has to say of a damaged file comes as one line with the file's name.
    logging.getLogger("tifffile").setLevel(logging.CRITICAL + 1)
    options = _parser().parse_args(arguments)
    try:
        status: int = options.run(options)
        sys.stdout.flush()
        return status
    except InputError as error:
        sys.stderr.write(f"error[{error.code}]: {error}\n")
        return 1
    except BrokenPipeError:
        # The reader, such as head, has seen enough; what is left goes nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        told = tell_system(error)
        sys.stderr.write(f"error[{told.code}]: {told}\n")
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="ctc-eval",
        description="Score, check and tabulate results of the Cell Tracking Challenge.",
        epilog="Exit status: 0 done, 1 the input is at fault, 2 wrong usage.",
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="print the version and exit")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, (command, purpose) in COMMANDS.items():
        own = commands.add_parser(name, help=purpose)
        command.add_arguments(own)
        own.set_defaults(run=command.run, usage_error=own.error)
    return parser


class _Version(argparse.Action):
    """Prints the version, which is looked up only then."""

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        from importlib import metadata

        version = "unknown"
        for distribution in ("efficientcellseg", "ctc-eval"):
            try:
                version = metadata.version(distribution)
                break
            except metadata.PackageNotFoundError:
                pass
        sys.stdout.write(f"{parser.prog} {version}\n")
        parser.exit()
