"""Reads a frame with reference and result, and draws it with the outlines of both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ctc_eval.format import (
    InputError,
    ReferenceImage,
    find_reference,
    frame_files,
    read_volume,
)
from efficientcellseg.report.pictures import (
    bar_length,
    contrast,
    count_objects,
    fullest_plane,
    instance_color,
    spread,
    trace_outlines,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# What a folder is refused for that has no reference objects.
NO_REFERENCE = {"folder-missing", "objects-missing", "frames-absent"}
# Of how many frames objects are counted to choose the one that is drawn.
COUNTED = 8


def annotated_images(folder: Path) -> list[ReferenceImage]:
    """List the reference images of a sequence.

    Parameters
    ----------
    folder : Path
        As for :func:`ctc_eval.format.find_reference`; need not exist.

    Returns
    -------
    list of ReferenceImage
        In the order of frame and plane, whole frames first; empty if there is none.
    """
    try:
        images = find_reference(folder).objects
    except InputError as error:
        if error.code not in NO_REFERENCE:
            raise
        return []
    return sorted(images, key=lambda one: (one.frame, -1 if one.plane is None else one.plane))


@dataclass(frozen=True)
class View:
    """A panel: a slice, or the maximum along planes.

    Attributes
    ----------
    caption : str
    image : ndarray of shape (Y, X)
        Intensities.
    labels : ndarray of shape (Y, X), integer, optional
        Objects to outline; 0 is background.
    um : float, optional
        Side of a pixel, for the scale bar.
    """

    caption: str
    image: np.ndarray
    labels: np.ndarray | None = None
    um: float | None = None


def views_of(
    volume: np.ndarray,
    labels: Mapping[str, np.ndarray],
    plane: int | None = None,
    um: float | None = None,
    name: str = "",
) -> list[list[View]]:
    """Give rows of panels: a plane, and the maximum along z where there are more planes than one.

    Parameters
    ----------
    volume : ndarray of shape (Z, Y, X)
        Raw intensities.
    labels : mapping of str to ndarray of shape (Z, Y, X) or (Y, X), integer
        By what they are, such as "result", which gets a panel in each row. Labels of two axes are
        of the one `plane` alone: there is no maximum then.
    plane : int, optional
        The one with most of the last labels' objects unless given.
    um : float, optional
        Side of a pixel.
    name : str
        Before each caption.

    Returns
    -------
    list of list of View
        One row or two, each of the raw image and a panel for each of the labels.
    """
    if plane is None:
        plane = fullest_plane(list(labels.values())[-1])

    def row(caption: str, image: np.ndarray, found: Mapping[str, np.ndarray]) -> list[View]:
        counted = [
            View(f"{kind}, {(n := count_objects(one))} cell{'s' * (n != 1)}", image, one, um)
            for kind, one in found.items()
        ]
        return [View(f"{name}{caption}raw", image, None, um), *counted]

    caption = f"plane {plane} of 0 to {len(volume) - 1}, " if len(volume) > 1 else ""
    sections = {kind: one[plane] if one.ndim == 3 else one for kind, one in labels.items()}
    rows = [row(caption, volume[plane], sections)]
    if len(volume) > 1 and all(one.ndim == 3 for one in labels.values()):
        highest = {kind: one.max(axis=0) for kind, one in labels.items()}
        rows.append(row("maximum along z, ", volume.max(axis=0), highest))
    return rows


def draw_views(rows: Sequence[Sequence[View]], title: str = "") -> Figure:
    """Draw panels, each object outlined in its own color.

    Parameters
    ----------
    rows : sequence of sequence of View
        At least one row, each of the same number of panels.
    title : str

    Returns
    -------
    matplotlib.figure.Figure
        12 inches wide and 3 to 36 high.
    """
    from matplotlib.figure import Figure

    across = len(rows[0])
    width = 12 / across
    height = sum(width * row[0].image.shape[0] / row[0].image.shape[1] + 0.4 for row in rows)
    size = (12, min(max(height + 0.5 * bool(title), 3), 36))
    figure = Figure(figsize=size, dpi=150 if across > 2 else 120, layout="constrained")
    if title:
        figure.suptitle(title, fontsize=14)
    for panels, row in zip(figure.subplots(len(rows), across, squeeze=False), rows, strict=True):
        for axes, view in zip(panels, row, strict=True):
            draw_view(axes, view)
    return figure


def draw_view(axes: Axes, view: View, limits: tuple[float, float] | None = None) -> None:
    """Show an image with thin outlines of its objects and a scale bar.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
    view : View
    limits : tuple of float, optional
        Intensities that are shown black and white; the image's own unless given.
    """
    from matplotlib.collections import LineCollection

    low, high = limits or contrast(view.image)
    axes.imshow(view.image, cmap="gray", vmin=low, vmax=high, interpolation="nearest")
    if view.labels is not None:
        lines = list(trace_outlines(view.labels))
        colors = [tuple(part / 255 for part in instance_color(label)) for label, _ in lines]
        drawn = LineCollection([line[:, ::-1] for _, line in lines], colors=colors, linewidths=1.1)
        axes.add_collection(drawn, autolim=False)
    if view.um:
        _draw_bar(axes, view.image.shape, view.um)
    axes.set_title(view.caption, fontsize=10)
    axes.set_axis_off()


def _draw_bar(axes: Axes, shape: tuple[int, ...], um: float) -> None:
    """Draw a scale bar into the lower right corner."""
    from matplotlib.patheffects import withStroke

    rows, columns = shape
    length = bar_length(columns * um)
    right, low = columns * 0.96, rows - columns * 0.05
    dark = [withStroke(linewidth=3.5, foreground="black")]
    ends = (right - length / um, right)
    axes.plot(ends, (low, low), color="white", linewidth=2.5, path_effects=dark)
    middle, text = sum(ends) / 2, f"{length:g} µm"
    place = (middle, low - rows * 0.015)
    axes.text(*place, text, color="white", ha="center", va="bottom", path_effects=dark)
    axes.set(xlim=(-0.5, columns - 0.5), ylim=(rows - 0.5, -0.5))


def overlay(
    dataset_dir: Path,
    sequence: str,
    result_dir: Path,
    reference_dir: Path,
    *,
    frame: int | None = None,
    plane: int | None = None,
    um: float | None = None,
) -> Figure:
    """Draw a frame of a sequence.

    Parameters
    ----------
    dataset_dir : Path
    sequence : str
    result_dir : Path
        With ``maskTTT.tif``.
    reference_dir : Path
        As for :func:`annotated_images`.
    frame, plane : int, optional
        Unless given, those with most objects: of the reference, or of the result without one.
    um : float, optional
        Side of a pixel, for the scale bar.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    InputError
        Frames or masks missing or damaged; shapes that differ; no such plane.
    """
    frames = frame_files(dataset_dir / sequence)
    masks = frame_files(result_dir, "mask", complete=False)
    image = _choose(annotated_images(reference_dir), masks, frame, plane)
    if frame is None:
        frame = image.frame if image else _fullest_frame(masks)
    if frame not in frames or frame not in masks:
        missing = dataset_dir / sequence if frame in masks else result_dir
        raise InputError(
            f"{missing}: no frame {frame}; expected a frame with its mask: check --result and "
            "--frame",
            code="frame-missing",
        )
    volume, result = read_volume(frames[frame]), read_volume(masks[frame])
    _check_shape(masks[frame], result, frames[frame], volume)
    title = f"{dataset_dir.resolve().name} {sequence}, frame {frames[frame].stem}"
    labels = {"result": result}
    if image:
        reference = read_volume(image.path)
        if image.plane is not None:
            reference, plane = reference[0], image.plane
        _check_shape(image.path, reference, frames[frame], volume)
        title += f", reference {reference_dir.name.partition('_')[2]}"
        labels = {"reference": reference, **labels}
        plane = fullest_plane(reference) if plane is None else plane
    _check_plane(image.path if image else frames[frame], plane, len(volume))
    return draw_views(views_of(volume, labels, plane, um), title)


def _choose(
    images: Sequence[ReferenceImage],
    masks: Mapping[int, Path],
    frame: int | None,
    plane: int | None,
) -> ReferenceImage | None:
    """Choose the reference image that has most objects, of a few; None if there is none."""
    fitting = [
        one
        for one in images
        if one.frame in masks
        and frame in (None, one.frame)
        and (plane is None or one.plane in (None, plane))
    ]
    some = [fitting[i] for i in spread(len(fitting), COUNTED)] if fitting else []
    return max(some, key=lambda one: count_objects(read_volume(one.path)), default=None)


def _fullest_frame(masks: Mapping[int, Path]) -> int:
    numbers = list(masks)
    some = [numbers[i] for i in spread(len(numbers), COUNTED)]
    return max(some, key=lambda number: count_objects(read_volume(masks[number])))


def _check_plane(path: Path, plane: int | None, depth: int) -> None:
    if plane is not None and not 0 <= plane < depth:
        raise InputError(
            f"{path}: plane {plane}; expected 0 to {depth - 1}: check --plane, and that reference "
            "and sequence belong together",
            code="slice-outside",
        )


def _check_shape(path: Path, labels: np.ndarray, frame: Path, volume: np.ndarray) -> None:
    """Refuse labels (Z, Y, X) or (Y, X) of another shape than the frame's."""
    expected = volume.shape[3 - labels.ndim :]
    if labels.shape != expected:
        raise InputError(
            f"{path}: shape {labels.shape}; expected {expected} as of {frame.name}: check that "
            "both belong together",
            code="shape-mismatch",
        )
