"""Measure how far references are shifted against their images."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from ctc_eval.format import InputError, frame_files, is_inside, parse_frames, read_volume
from efficientcellseg.cli.options import add_frames

if TYPE_CHECKING:
    import numpy as np

LINE = '  "{}": [{:.2f}, {:.2f}, {:.2f}]  # {} objects in {} frames, which differ by {:.2f}\n'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.description = (
        "Measure by how many planes, rows and columns the references of sequences must move to "
        "lie on their images (medians over objects that stand out). Copy the output into an "
        "entry of a training configuration, so that a network learns from the moved references. "
        "Scores always use the references as they are."
    )
    parser.add_argument(
        "dataset_dir", type=Path, help="data set folder that contains SEQ and SEQ_GT"
    )
    parser.add_argument("sequences", nargs="+", metavar="SEQ", help="sequences, such as 01")
    add_frames(parser)


def run(args: argparse.Namespace) -> int:
    """Print the shifts as YAML."""
    import numpy as np

    lines = []
    for sequence in args.sequences:
        frames = _measured(args.dataset_dir, sequence, args.frames)
        objects = np.concatenate(frames)
        spread = np.std([np.median(frame, axis=0) for frame in frames], axis=0).max()
        shift = np.median(objects, axis=0)
        lines.append(LINE.format(sequence, *shift, len(objects), len(frames), spread))
    sys.stdout.write("reference_shift:\n" + "".join(lines))
    return 0


def _measured(dataset_dir: Path, sequence: str, frames: str) -> list[np.ndarray]:
    """Measure the frames of a sequence that are annotated whole: (K, 3) each, none empty."""
    import numpy as np

    from efficientcellseg.training.annotations import find_annotations, read_annotations
    from efficientcellseg.training.registration import reference_shifts

    raw, wanted = frame_files(dataset_dir / sequence), parse_frames(frames)
    found = []
    for number, layers in find_annotations(dataset_dir, sequence, "GT").items():
        if number not in raw or not is_inside(number, wanted):
            continue
        volume = read_volume(raw[number])
        labels, _ = read_annotations(layers, volume.shape, raw[number])
        if isinstance(labels, np.ndarray):
            found.append(reference_shifts(volume, labels))
    found = [shifts for shifts in found if len(shifts)]
    if not found:
        raise InputError(
            f"{dataset_dir}: nothing that is annotated in whole volumes of sequence {sequence} "
            "stands out; expected objects that are brighter than their surroundings: leave the "
            "sequence out",
            code="objects-missing",
        )
    return found
