"""Make training samples once, for all networks that learn from them."""

from __future__ import annotations

import argparse
from pathlib import Path

from efficientcellseg.cli.options import add_training, training_of


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.description = (
        "Pseudocolor and tile the data of a training configuration: writes FILE.npz with images "
        "(N, 3, S, S) and a target (N, S, S) for each map, uint8."
    )
    add_training(parser)
    parser.add_argument(
        "--data", type=Path, default=Path("data"), metavar="DIR", help="folder of the data sets"
    )
    parser.add_argument("--output", type=Path, required=True, metavar="FILE", help="FILE.npz")


def run(args: argparse.Namespace) -> int:
    """Make the samples."""
    from ctc_eval.format import check_writable
    from efficientcellseg.training.gathering import gather
    from efficientcellseg.training.sample_files import write_samples

    check_writable(args.output)
    write_samples(args.output, gather(training_of(args), args.data))
    return 0
