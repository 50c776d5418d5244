"""Options that commands share, and the values they accept."""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import Any

from ctc_eval.format import InputError, parse_frames


def add_sequence(parser: argparse.ArgumentParser, **several: Any) -> None:
    """Add data set and sequence, the folder of the masks, and the frames."""
    parser.add_argument(
        "dataset", type=Path, metavar="DATASET_DIR", help="folder that contains SEQ and SEQ_GT"
    )
    parser.add_argument("sequence", metavar="SEQ", help="sequence, such as 01", **several)
    parser.add_argument(
        "--result", type=Path, metavar="DIR", help="masks (default: DATASET_DIR/SEQ_RES)"
    )
    parser.add_argument(
        "--frames",
        type=_frames,
        default=slice(None),
        metavar="A:B",
        help="only frames A to B - 1; A or B may be left out (default: all)",
    )


def _frames(text: str) -> slice:
    try:
        return parse_frames(text)
    except InputError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def count(text: str) -> int:
    """Read a whole number, at least 1."""
    if not re.fullmatch("[0-9]{1,9}", text) or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r}, expected a whole number from 1 on")
    return int(text)
