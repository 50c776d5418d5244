"""Writes tracks into files of other programs: a table, and TrackMate's XML."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from xml.etree.ElementTree import Element, ElementTree, SubElement, indent

import numpy as np

from ctc_eval.format import InputError, atomic, check_writable
from efficientcellseg.tracking.linking import Tracks
from efficientcellseg.tracking.objects import Objects

TRACK_COLUMNS = ("frame", "track", "parent", "z_um", "y_um", "x_um", "size_um", "diameter_um")

# What TrackMate is to know of spots: their features, with the dimension and whether it is whole.
_FEATURES = {
    "QUALITY": ("Quality", "QUALITY", False),
    "POSITION_X": ("X", "POSITION", False),
    "POSITION_Y": ("Y", "POSITION", False),
    "POSITION_Z": ("Z", "POSITION", False),
    "POSITION_T": ("T", "TIME", False),
    "FRAME": ("Frame", "NONE", True),
    "RADIUS": ("Radius", "LENGTH", False),
    "VISIBILITY": ("Visibility", "NONE", True),
}


def track_table(objects: Objects, tracks: Tracks) -> Iterator[dict[str, object]]:
    """List the objects with their tracks.

    Parameters
    ----------
    objects : Objects
    tracks : Tracks

    Yields
    ------
    dict
        Of `TRACK_COLUMNS`: frame, track, parent of the track (0 for none), centroid, size (volume,
        area in frames of one plane) and diameter in micrometers.
    """
    parents = {row.label: row.parent for row in tracks.rows}
    for i, track in enumerate(tracks.label.tolist()):
        center = [f"{value:.6g}" for value in objects.center[i]]
        extent = f"{objects.size[i]:.6g}", f"{objects.diameter[i]:.6g}"
        values = (int(objects.frame[i]), track, parents[track], *center, *extent)
        yield dict(zip(TRACK_COLUMNS, values, strict=True))


def track_edges(objects: Objects, tracks: Tracks) -> np.ndarray:
    """Give the links of tracks, those to daughters and over gaps included.

    Parameters
    ----------
    objects : Objects
    tracks : Tracks

    Returns
    -------
    ndarray of shape (M, 2), integer
        Rows of objects, the earlier one first.
    """
    order = np.lexsort((objects.frame, tracks.label))
    label = tracks.label[order]
    goes_on = np.flatnonzero(label[1:] == label[:-1])
    inside = np.stack([order[goes_on], order[goes_on + 1]], axis=1)
    first = dict(zip(label[::-1].tolist(), order[::-1].tolist(), strict=True))
    last = dict(zip(label.tolist(), order.tolist(), strict=True))
    across = [(last[row.parent], first[row.label]) for row in tracks.rows if row.parent]
    return np.concatenate([inside, np.array(across, np.int64).reshape(-1, 2)])


def _write_csv(path: Path, objects: Objects, tracks: Tracks) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, TRACK_COLUMNS)
        table.writeheader()
        table.writerows(track_table(objects, tracks))


def _write_trackmate(path: Path, objects: Objects, tracks: Tracks) -> None:
    """Write a TrackMate model: each object a spot, each lineage a track."""
    root = Element("TrackMate", version="7.14.0")
    model = SubElement(root, "Model", spatialunits="micron", timeunits="frame")
    declared = SubElement(SubElement(model, "FeatureDeclarations"), "SpotFeatures")
    for name, (told, dimension, whole) in _FEATURES.items():
        about = {"feature": name, "name": told, "shortname": told, "dimension": dimension}
        SubElement(declared, "Feature", about, isint=str(whole).lower())
    spots = SubElement(model, "AllSpots", nspots=str(len(objects)))
    for frame in objects.frames:
        there = SubElement(spots, "SpotsInFrame", frame=str(frame))
        for row in objects.rows(frame).tolist():
            SubElement(there, "Spot", _spot(objects, row), name=f"track {tracks.label[row]}")
    found = SubElement(model, "AllTracks")
    chosen = SubElement(model, "FilteredTracks")
    for number, edges in enumerate(_lineages(objects, tracks)):
        one = SubElement(found, "Track", name=f"Track_{number}", TRACK_ID=str(number))
        for source, target in edges:
            SubElement(one, "Edge", SPOT_SOURCE_ID=str(source), SPOT_TARGET_ID=str(target))
        SubElement(chosen, "TrackID", TRACK_ID=str(number))
    indent(root)
    ElementTree(root).write(path, encoding="UTF-8", xml_declaration=True)


def _spot(objects: Objects, row: int) -> dict[str, str]:
    z, y, x = objects.center[row]
    frame, radius = objects.frame[row], objects.diameter[row] / 2
    place = {"POSITION_X": x, "POSITION_Y": y, "POSITION_Z": z, "POSITION_T": frame}
    features = {"QUALITY": 1, **place, "FRAME": frame, "RADIUS": radius, "VISIBILITY": 1}
    return {"ID": str(row), **{name: f"{value:.6g}" for name, value in features.items()}}


def _lineages(objects: Objects, tracks: Tracks) -> list[list[tuple[int, int]]]:
    """Give the links of each cell with all its descendants; those that have no link are none."""
    root = {0: 0}
    for row in sorted(tracks.rows, key=lambda row: row.begin):
        root[row.label] = root[row.parent] or row.label
    lineages: dict[int, list[tuple[int, int]]] = {}
    for source, target in track_edges(objects, tracks).tolist():
        lineages.setdefault(root[int(tracks.label[source])], []).append((source, target))
    return [lineages[label] for label in sorted(lineages)]


_WRITERS: Mapping[str, Callable[[Path, Objects, Tracks], None]] = {
    ".csv": _write_csv,
    ".xml": _write_trackmate,
}


def check_exports(paths: Sequence[Path], endings: Iterable[str] = tuple(_WRITERS)) -> None:
    """Refuse files that cannot be written, before the work that produces their contents.

    Parameters
    ----------
    paths : sequence of Path
    endings : iterable of str
        Suffixes that are known.

    Raises
    ------
    InputError
        An unknown ending; no writable place.
    """
    for path in paths:
        if path.suffix not in endings:
            raise InputError(
                f"{path}: unknown ending {path.suffix!r}; expected {' or '.join(endings)}: choose "
                "another name",
                code="export-unknown",
            )
        check_writable(path)


def export_tracks(paths: Iterable[Path], objects: Objects, tracks: Tracks) -> None:
    """Write tracks into files, in the form that each file's ending names.

    Parameters
    ----------
    paths : iterable of Path
        Ending in .csv or .xml; see :func:`check_exports`.
    objects : Objects
    tracks : Tracks
    """
    for path in paths:
        with atomic(path) as temporary:
            _WRITERS[path.suffix](temporary, objects, tracks)
