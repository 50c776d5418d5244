"""Reads a frame with reference and result, and draws it with the outlines of both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ctc_eval.format import (
    InputError,
    ReferenceImage,
    find_reference,
    frame_files,
    read_volume,
)

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

REFERENCE_COLOR = "#35d0ff"
RESULT_COLOR = "#ffb000"
# What a folder is refused for that has no reference objects.
NO_REFERENCE = {"folder-missing", "objects-missing", "frames-absent"}


def annotated_images(folder: Path) -> list[ReferenceImage]:
    """List the reference images of a sequence.

    Parameters
    ----------
    folder : Path
        As for :func:`ctc_eval.format.find_reference`; need not exist.

    Returns
    -------
    list of ReferenceImage
        In the order of frame and plane, whole frames first; empty where there is none.
    """
    try:
        images = find_reference(folder).objects
    except InputError as error:
        if error.code not in NO_REFERENCE:
            raise
        return []
    return sorted(images, key=lambda one: (one.frame, -1 if one.plane is None else one.plane))


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


def fullest_plane(labels: np.ndarray) -> int:
    """Give the plane with most objects, of several the one with most foreground.

    Parameters
    ----------
    labels : ndarray of shape (Z, Y, X), integer
    """
    import numpy as np

    counts = [(count_objects(plane), np.count_nonzero(plane)) for plane in labels]
    return max(range(len(counts)), key=counts.__getitem__)


def draw(
    title: str,
    volume: np.ndarray,
    result: np.ndarray,
    reference: np.ndarray | None,
    plane: int | None = None,
) -> Figure:
    """Draw a frame: a plane and the maximum along the planes; raw, reference, result.

    Of a frame with one plane, that plane alone.

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
        Which plane to show; by default the one with most objects of the result.

    Returns
    -------
    matplotlib.figure.Figure
    """
    from matplotlib.figure import Figure

    if plane is None:
        plane = fullest_plane(result)
    whole = reference is not None and reference.ndim == 3
    section = reference[plane] if reference is not None and whole else reference
    projection = reference.max(axis=0) if reference is not None and whole else None

    name = f"plane {plane} of 0 to {len(volume) - 1}: " if len(volume) > 1 else ""
    rows = [(name, volume[plane], section, result[plane])]
    if len(volume) > 1:
        rows.append(("maximum along z: ", volume.max(axis=0), projection, result.max(axis=0)))
    # Panels are a third of 12 wide.
    height = 4 * len(rows) * volume.shape[1] / volume.shape[2] + 1.2
    figure = Figure(figsize=(12, min(max(height, 4), 24)), dpi=150, layout="constrained")
    figure.suptitle(title, fontsize=14)
    axes = figure.subplots(len(rows), 3, squeeze=False)
    for panels, (name, image, theirs, ours) in zip(axes, rows, strict=True):
        _panel(panels[0], f"{name}raw", image)
        if theirs is None:
            _panel(panels[1], f"{name}no reference", image)
        else:
            caption = f"{name}reference, {count_objects(theirs)} objects"
            _panel(panels[1], caption, image, theirs, REFERENCE_COLOR)
        caption = f"{name}result, {count_objects(ours)} objects"
        _panel(panels[2], caption, image, ours, RESULT_COLOR)
    return figure


@dataclass(frozen=True)
class View:
    """One view of a frame: a plane, or the maximum along planes; image and labels (Y, X)."""

    caption: str
    image: np.ndarray
    labels: np.ndarray


def views_of(name: str, volume: np.ndarray, labels: np.ndarray) -> list[View]:
    """Give the plane with most cells and the maximum along z; of one plane, that alone.

    Parameters
    ----------
    name : str
        Of the frame, before each caption.
    volume, labels : ndarray of shape (Z, Y, X)
    """
    if len(volume) == 1:
        return [View(name, volume[0], labels[0])]
    plane = fullest_plane(labels)
    return [
        View(f"{name}plane {plane} of 0 to {len(volume) - 1}, ", volume[plane], labels[plane]),
        View(f"{name}maximum along z, ", volume.max(axis=0), labels.max(axis=0)),
    ]


def draw_result(views: Sequence[View]) -> Figure:
    """Draw views of frames, each without and with the outlines of what was found.

    Parameters
    ----------
    views : sequence of View

    Returns
    -------
    matplotlib.figure.Figure
    """
    from matplotlib.figure import Figure

    # Panels are half of 12 wide.
    height = sum(6 * one.image.shape[0] / one.image.shape[1] + 0.4 for one in views)
    figure = Figure(figsize=(12, min(max(height, 3), 36)), dpi=100, layout="constrained")
    rows = figure.subplots(len(views), 2, squeeze=False)
    for panels, view in zip(rows, views, strict=True):
        _panel(panels[0], f"{view.caption}raw", view.image)
        caption = f"{view.caption}{count_objects(view.labels)} cells"
        _panel(panels[1], caption, view.image, view.labels, RESULT_COLOR)
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
        As for :func:`annotated_images`.

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
    known = [one for one in annotated_images(reference_dir) if one.frame in masks]
    image = known[len(known) // 2] if known else None
    frame = image.frame if image else list(masks)[len(masks) // 2]
    if frame not in frames:
        raise InputError(
            f"{masks[frame]}: no frame of that number in {dataset_dir / sequence}; expected a "
            "result of this sequence: check --result",
            code="frame-missing",
        )
    volume, result = read_volume(frames[frame]), read_volume(masks[frame])
    _check_shape(masks[frame], result, frames[frame], volume)
    title = f"{dataset_dir.resolve().name} {sequence}, frame {frames[frame].stem}"
    if image is None:
        return draw(title, volume, result, None)
    reference = read_volume(image.path)
    if image.plane is not None:
        reference = reference[0]
    _check_shape(image.path, reference, frames[frame], volume)
    if image.plane is not None and image.plane >= len(volume):
        raise InputError(
            f"{image.path}: plane {image.plane}; expected 0 to {len(volume) - 1}: check that the "
            "reference belongs to the sequence",
            code="slice-outside",
        )
    kind = reference_dir.name.partition("_")[2]
    return draw(f"{title}, reference {kind}", volume, result, reference, image.plane)


def _check_shape(path: Path, labels: np.ndarray, frame: Path, volume: np.ndarray) -> None:
    """Refuse labels (Z, Y, X) or (Y, X) of another shape than the frame's."""
    expected = volume.shape[3 - labels.ndim :]
    if labels.shape != expected:
        raise InputError(
            f"{path}: shape {labels.shape}; expected {expected} as of {frame.name}: check that "
            "both belong together",
            code="shape-mismatch",
        )
