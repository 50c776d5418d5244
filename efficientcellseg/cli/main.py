"""The command line: ``efficientcellseg COMMAND ...``, or ``python -m efficientcellseg``.

Each command is a module with ``add_arguments(parser)`` and ``run(args) -> int``. Only the
chosen command's module is imported, so that ``--help`` does not wait for torch.

Exit codes: 0 done, 1 the input is at fault (one line on stderr, with the fault's code), 2 usage.
"""

from __future__ import annotations

import argparse
import importlib
import logging
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

from ctc_eval.format import InputError, tell_system
from efficientcellseg import __version__

COMMANDS = {
    "plan": ("efficientcellseg.cli.plan", "fit a recipe's tiles to cells and networks"),
    "pseudocolor": ("efficientcellseg.cli.pseudocolor", "color slices by their neighbors"),
    "tile": ("efficientcellseg.cli.tile", "cut pseudocolored volumes into network input"),
    "infer": ("efficientcellseg.cli.infer", "predict cell and center maps"),
    "label": ("efficientcellseg.cli.label", "turn maps into label images"),
    "gather": ("efficientcellseg.cli.gather", "collect the masks of shards"),
    "segment": ("efficientcellseg.cli.segment", "segment images, all steps at once"),
    "track": ("efficientcellseg.cli.track", "link the cells of a sequence through time"),
    "convert": ("efficientcellseg.cli.convert", "convert files to challenge layout"),
    "view": ("efficientcellseg.cli.view", "look at images, maps and labels in napari"),
    "register": (
        "efficientcellseg.cli.register",
        "measure how far references are shifted against images",
    ),
    "samples": ("efficientcellseg.cli.samples", "make training samples"),
    "train": ("efficientcellseg.cli.train", "train a network"),
    "import-onnx": ("efficientcellseg.cli.import_onnx", "read a network exported from Keras"),
    "export": ("efficientcellseg.cli.export", "write a network as ONNX"),
    "ablation": ("efficientcellseg.cli.ablation", "compare trained models: curves and a table"),
    "simulate": ("efficientcellseg.cli.simulate", "simulate a data set in challenge layout"),
    "download": ("efficientcellseg.cli.download", "download a data set"),
    "recipe": ("efficientcellseg.cli.recipe", "show the recipe of a data set"),
    "overlay": ("efficientcellseg.cli.overlay", "draw the result and the reference over a frame"),
    "report": ("efficientcellseg.cli.report", "write the report of a run, one HTML page"),
    "figures": ("efficientcellseg.cli.figures", "draw the paper's figures from a run"),
    "tables": ("efficientcellseg.cli.tables", "make the paper's tables and figure from scores"),
    "package": ("efficientcellseg.cli.package", "pack results and software into a submission"),
    "schemas": ("efficientcellseg.cli.schemas", "write the JSON schemas of configuration files"),
    "provenance": ("efficientcellseg.cli.provenance", "write what a run was made with"),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    parser = argparse.ArgumentParser(
        prog="efficientcellseg",
        description="Cell segmentation in 3D microscopy. Run COMMAND --help for its options.",
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    subparsers = {name: commands.add_parser(name, help=COMMANDS[name][1]) for name in COMMANDS}
    chosen = next((word for word in arguments if not word.startswith("-")), None)
    if chosen in COMMANDS:
        module = importlib.import_module(COMMANDS[chosen][0])
        module.add_arguments(subparsers[chosen])
        add_telling(subparsers[chosen])
    args = parser.parse_args(arguments)
    level = logging.WARNING if args.quiet else logging.DEBUG if args.verbose else logging.INFO
    logging.basicConfig(level=level, format="%(message)s")
    with ExitStack() as stack:
        try:
            if args.log_file:
                stack.enter_context(_log_into(args.log_file))
            return int(module.run(args))
        except InputError as error:
            return _end(f"error[{error.code}]: {error}", 1)
        except OSError as error:  # disk full, no permission
            told = tell_system(error)
            return _end(f"error[{told.code}]: {told}", 1)
        except KeyboardInterrupt:
            return _end("stopped; complete results are kept", 130)


def add_telling(parser: argparse.ArgumentParser) -> None:
    """Add the options for messages; only results go to standard output."""
    group = parser.add_argument_group("messages on standard error")
    how = group.add_mutually_exclusive_group()
    how.add_argument("-q", "--quiet", action="store_true", help="only warnings and errors")
    how.add_argument("-v", "--verbose", action="store_true", help="every step")
    group.add_argument("--log-file", metavar="FILE", help="also append all messages to a file")


@contextmanager
def _log_into(path: str) -> Iterator[None]:
    """Also write messages to a file, with times."""
    handler = logging.FileHandler(path, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    logging.getLogger().addHandler(handler)
    try:
        yield
    finally:
        logging.getLogger().removeHandler(handler)
        handler.close()


def _end(line: str, code: int) -> int:
    """Explain why a command ends, and give its exit code."""
    sys.stderr.write(f"{line}\n")
    for handler in logging.getLogger().handlers:
        if isinstance(handler, logging.FileHandler):
            handler.handle(logging.makeLogRecord({"msg": line, "levelname": "ERROR"}))
    return code
