"""Convert files to challenge layout."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path

from efficientcellseg.cli.options import add_reading, progress_of, reading_of


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.description = (
        "Convert microscopy files to a sequence in challenge layout, DATASET_DIR/SEQ/tTTT.tif, "
        "uint8 or uint16 (Z, Y, X). Values that fit are kept; DATASET_DIR/SEQ.json says how "
        "others were converted. With --labels, annotations become "
        "DATASET_DIR/SEQ_GT/SEG/man_segTTT.tif. Exit code 1 means that the input is at fault; "
        "one line says how, and nothing is written."
    )
    parser.add_argument(
        "inputs", nargs="+", metavar="INPUT", help="files, folders or patterns, as for segment"
    )
    parser.add_argument("dataset_dir", type=Path, metavar="DATASET_DIR", help="data set folder")
    parser.add_argument("sequence", metavar="SEQ", help="sequence to write, for example 01")
    parser.add_argument(
        "--labels",
        nargs="+",
        default=[],
        metavar="INPUT",
        help=(
            "label images of the same frames, in the same order: 0 is background, one number "
            "per cell"
        ),
    )
    add_reading(parser)


def run(args: argparse.Namespace) -> int:
    """Write the sequence."""
    from efficientcellseg.datasets.reading.opening import open_images
    from efficientcellseg.own_data.converting import convert_images

    reading = reading_of(args)
    images = open_images(args.inputs, reading)
    # Labels are of the images' frames, so that what these have is known of them.
    reading = replace(reading, planes=images[0].shape[0] > 1)
    labels = open_images(args.labels, reading)
    progress = progress_of(args, "convert", "frame")
    where = (args.dataset_dir, args.sequence)
    count = convert_images(images, args.channel, labels, *where, progress)
    annotated = ", with labels" if labels else ""
    sys.stdout.write(f"{count} frames{annotated} -> {args.dataset_dir / args.sequence}\n")
    return 0
