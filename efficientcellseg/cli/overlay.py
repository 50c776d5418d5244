"""Draw result and reference over a frame."""

from __future__ import annotations

import argparse
from pathlib import Path

from efficientcellseg.cli.options import add_recipe, is_known, recipe_of


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.description = (
        "Draw one frame of a sequence with the outlines of the reference and the result as PNG: "
        "one plane and, if there are several, the maximum along z. Unless told otherwise, frame "
        "and plane are those with the most objects. Exit code 1 means that a file is at fault; "
        "one line on stderr says how."
    )
    parser.add_argument("dataset_dir", type=Path, help="data set folder that contains SEQ/tTTT.tif")
    parser.add_argument("sequence", help="sequence, for example 01")
    parser.add_argument(
        "--result", type=Path, metavar="DIR", help="masks (default: DATASET_DIR/SEQ_RES)"
    )
    parser.add_argument(
        "--reference", type=Path, metavar="DIR", help="reference (default: DATASET_DIR/SEQ_GT)"
    )
    parser.add_argument("--frame", type=int, metavar="T", help="frame (default: see above)")
    parser.add_argument("--plane", type=int, metavar="Z", help="plane (default: see above)")
    add_recipe(parser)
    parser.add_argument("--output", type=Path, required=True, metavar="FILE", help="FILE.png")


def run(args: argparse.Namespace) -> int:
    """Write the picture."""
    from ctc_eval.format import atomic, check_writable
    from efficientcellseg.report.overlay import overlay

    result = args.result or args.dataset_dir / f"{args.sequence}_RES"
    reference = args.reference or args.dataset_dir / f"{args.sequence}_GT"
    check_writable(args.output)
    known = args.recipe or is_known(args.dataset_dir.resolve().name)
    um = recipe_of(args).voxel_size[2] if known else None  # for the scale bar
    where = {"frame": args.frame, "plane": args.plane, "um": um}
    figure = overlay(args.dataset_dir, args.sequence, result, reference, **where)
    with atomic(args.output) as temporary:
        # No date and no version in it: the same result gives the same bytes.
        figure.savefig(temporary, format="png", metadata={"Software": None})
    return 0
