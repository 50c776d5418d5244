"""One picture of a result: a frame with the outlines of reference and result."""

from __future__ import annotations

import argparse
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ctc_eval.format import InputError, atomic, check_writable, frame_files, read_volume

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

REFERENCE_COLOR = "#35d0ff"
RESULT_COLOR = "#ffb000"


@dataclass(frozen=True)
class Annotation:
    """A reference image: of a whole frame, or of one plane of it."""

    frame: int
    plane: int | None
    path: Path


def find_annotations(folder: Path) -> list[Annotation]:
    """Find the reference images of a sequence.

    Parameters
    ----------
    folder : Path
        ``01_GT`` or ``01_ST``, where ``SEG`` holds ``man_segTTT.tif`` and
        ``man_seg_TTT_ZZZ.tif``, or ``01_ERR_SEG``, which holds ``maskTTT.tif``.

    Returns
    -------
    list of Annotation
        In the order of frame and plane; empty where there is none.
    """
    pattern = re.compile(r"(?:man_seg|mask)_?(\d+)(?:_(\d+))?\.tif")
    found = []
    for path in [*folder.glob("SEG/man_seg*.tif"), *folder.glob("mask*.tif")]:
        if match := pattern.fullmatch(path.name):
            plane = int(match[2]) if match[2] else None
            found.append(Annotation(int(match[1]), plane, path))
    return sorted(found, key=lambda one: (one.frame, -1 if one.plane is None else one.plane))


def outline(labels: np.ndarray) -> np.ndarray:
    """Mark the rim of each object, as wide as it takes to be seen in a picture of the image.

    Parameters
    ----------
    labels : ndarray of shape (Y, X), integer
        0 is background.

    Returns
    -------
    ndarray of shape (Y, X), bool
    """
    from scipy.ndimage import maximum_filter, minimum_filter

    size = 3 + 2 * (max(labels.shape) // 800)
    changes = minimum_filter(labels, size) != maximum_filter(labels, size)
    return changes & (labels > 0)


def count_objects(labels: np.ndarray) -> int:
    """Count the labels of an image, background 0 not."""
    import numpy as np

    return int(np.count_nonzero(np.unique(labels)))


def draw(
    title: str,
    volume: np.ndarray,
    result: np.ndarray,
    reference: np.ndarray | None,
    plane: int | None = None,
) -> Figure:
    """Draw a frame: a plane and the maximum along the planes; raw, reference, result.

    Parameters
    ----------
    title : str
    volume : ndarray of shape (Z, Y, X)
        Raw intensities.
    result : ndarray of shape (Z, Y, X), integer
        Labels, 0 is background.
    reference : ndarray of shape (Z, Y, X) or (Y, X), integer, or None
        Labels of the frame; of the one `plane`, where it has two axes.
    plane : int, optional
        Which plane to show; by default the one with most of the result's foreground.

    Returns
    -------
    matplotlib.figure.Figure
    """
    from matplotlib.figure import Figure

    if plane is None:
        plane = int((result > 0).sum(axis=(1, 2)).argmax())
    whole = reference is not None and reference.ndim == 3
    section = reference[plane] if reference is not None and whole else reference
    projection = reference.max(axis=0) if reference is not None and whole else None

    height = 8 * volume.shape[1] / volume.shape[2] + 1.2  # two panels, each a third of 12 wide
    figure = Figure(figsize=(12, min(max(height, 4), 24)), dpi=150, layout="constrained")
    figure.suptitle(title, fontsize=14)
    axes = figure.subplots(2, 3)
    rows = (
        (f"plane {plane} of 0 to {len(volume) - 1}", volume[plane], section, result[plane]),
        ("maximum along z", volume.max(axis=0), projection, result.max(axis=0)),
    )
    for (raw_panel, reference_panel, result_panel), (name, image, theirs, ours) in zip(
        axes, rows, strict=True
    ):
        _panel(raw_panel, f"{name}: raw", image)
        if theirs is None:
            _panel(reference_panel, f"{name}: no reference", image)
        else:
            caption = f"{name}: reference, {count_objects(theirs)} objects"
            _panel(reference_panel, caption, image, theirs, REFERENCE_COLOR)
        caption = f"{name}: result, {count_objects(ours)} objects"
        _panel(result_panel, caption, image, ours, RESULT_COLOR)
    return figure


def _panel(
    axes: Axes, caption: str, image: np.ndarray, labels: np.ndarray | None = None, color: str = ""
) -> None:
    """Show an image between its 1st and 99.8th percentile, with the labels' outlines."""
    import numpy as np
    from matplotlib.colors import to_rgba

    low, high = np.percentile(image, (1, 99.8))
    axes.imshow(image, cmap="gray", vmin=low, vmax=max(high, low + 1), interpolation="nearest")
    if labels is not None:
        layer = np.zeros((*labels.shape, 4))
        layer[outline(labels)] = to_rgba(color)
        axes.imshow(layer, interpolation="nearest")
    axes.set_title(caption, fontsize=10)
    axes.set_axis_off()


def overlay(dataset_dir: Path, sequence: str, result_dir: Path, reference_dir: Path) -> Figure:
    """Draw the middle one of a sequence's annotated frames; without any, the middle frame.

    Parameters
    ----------
    dataset_dir : Path
    sequence : str
    result_dir : Path
        With ``maskTTT.tif``.
    reference_dir : Path
        As for :func:`find_annotations`; need not exist.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    InputError
        Frames or masks missing or damaged; shapes that differ.
    """
    frames = frame_files(dataset_dir / sequence)
    masks = frame_files(result_dir, "mask", complete=False)
    known = [one for one in find_annotations(reference_dir) if one.frame in masks]
    annotation = known[len(known) // 2] if known else None
    frame = annotation.frame if annotation else list(masks)[len(masks) // 2]
    if frame not in frames:
        raise InputError(
            f"{masks[frame]}: no frame of that number in {dataset_dir / sequence}; expected a "
            "result of this sequence: check --result"
        )
    volume, result = read_volume(frames[frame]), read_volume(masks[frame])
    reference, plane = None, None
    if annotation:
        plane = annotation.plane
        reference = read_volume(annotation.path)
        reference = reference if plane is None else reference[0]
    expected = volume.shape
    for path, labels in ((masks[frame], result), (annotation and annotation.path, reference)):
        if labels is not None and labels.shape != expected[3 - labels.ndim :]:
            raise InputError(
                f"{path}: shape {labels.shape}; expected {expected[3 - labels.ndim :]} as of "
                f"{frames[frame].name}: check that both belong together"
            )
    if plane is not None and plane >= len(volume):
        raise InputError(
            f"{annotation and annotation.path}: plane {plane}; expected 0 to {len(volume) - 1}: "
            "check that the reference belongs to the sequence"
        )
    kind = reference_dir.name.partition("_")[2]
    title = f"{dataset_dir.resolve().name} {sequence}, frame {frames[frame].stem}"
    return draw(
        f"{title}, reference {kind}" if annotation else title, volume, result, reference, plane
    )


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command line of ``python -m efficientcellseg overlay``."""
    parser.description = (
        "Draw one frame of a sequence with the outlines of reference and result, one plane and "
        "the maximum along z, as PNG. The frame is the middle one of those with a reference. "
        "Exit code 1 with one line on stderr where a file is at fault."
    )
    parser.add_argument("dataset_dir", type=Path, help="data set folder, holding SEQ/tTTT.tif")
    parser.add_argument("sequence", help="sequence, for example 01")
    parser.add_argument(
        "--result", type=Path, metavar="DIR", help="masks (default: DATASET_DIR/SEQ_RES)"
    )
    parser.add_argument(
        "--reference", type=Path, metavar="DIR", help="reference (default: DATASET_DIR/SEQ_GT)"
    )
    parser.add_argument("--output", type=Path, required=True, metavar="FILE", help="FILE.png")


def run(args: argparse.Namespace) -> int:
    """Carry out ``python -m efficientcellseg overlay``."""
    result = args.result or args.dataset_dir / f"{args.sequence}_RES"
    reference = args.reference or args.dataset_dir / f"{args.sequence}_GT"
    check_writable(args.output)
    figure = overlay(args.dataset_dir, args.sequence, result, reference)
    with atomic(args.output) as temporary:
        # No date and no version in it: the same result gives the same bytes.
        figure.savefig(temporary, format="png", metadata={"Software": None})
    return 0
