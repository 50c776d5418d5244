"""Links the objects of a sequence: through frames, over gaps, from mothers to daughters."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from ctc_eval.format import MAX_LABEL, InputError, Track
from efficientcellseg.frozen import changed
from efficientcellseg.parameters.tracking import Tracking
from efficientcellseg.tracking.objects import Objects

# A cell is looked for this many times as far away as nearly all were seen to move.
_MARGIN = 3.0
# Cells whose median motion is that of a neighborhood.
_NEIGHBORHOOD = 8


@dataclass(frozen=True)
class Tracks:
    """Which object belongs to which track.

    Attributes
    ----------
    label : ndarray of shape (N,), integer
        Track of each object; tracks are numbered from 1 as they begin.
    rows : tuple of Track
        Label, first frame, last frame and parent of each.
    """

    label: np.ndarray
    rows: tuple[Track, ...]


def fit_tracking(parameters: Tracking, objects: Objects) -> Tracking:
    """Fill in what the parameters leave open.

    Parameters
    ----------
    parameters : Tracking
    objects : Objects

    Returns
    -------
    Tracking
        With ``max_distance``: three times as far as 95 of 100 objects are from their counterpart
        in the next frame (each the other's nearest), but at least half as far as neighbors are
        apart in a frame, and at most one and a half times as far.
    """
    if parameters.max_distance is not None or not len(objects):
        return parameters
    spacing, moves = _spacing(objects), _moves(objects)
    reach = _MARGIN * float(np.percentile(moves, 95)) if len(moves) else spacing
    return changed(parameters, max_distance=float(np.clip(reach, 0.5 * spacing, 1.5 * spacing)))


def _spacing(objects: Objects) -> float:
    """Median distance of neighbors in a frame; two diameters where cells are alone."""
    from scipy.spatial import KDTree

    nearest = [
        KDTree(centers).query(centers, k=2)[0][:, 1]
        for centers in _centers(objects)
        if len(centers) > 1
    ]
    return float(np.median(np.concatenate(nearest) if nearest else 2 * objects.diameter))


def _moves(objects: Objects) -> np.ndarray:
    """Distances between objects of consecutive frames that are each the other's nearest."""
    from scipy.spatial import KDTree

    centers, found = _centers(objects), [np.empty(0)]
    for before, after in pairwise(centers):
        if len(before) and len(after):
            distance, there = KDTree(after).query(before)
            back = KDTree(before).query(after)[1]
            found.append(distance[back[there] == np.arange(len(before))])
    return np.concatenate(found)


def _centers(objects: Objects) -> list[np.ndarray]:
    return [objects.center[objects.rows(frame)] for frame in objects.frames]


def link_objects(objects: Objects, parameters: Tracking) -> Tracks:
    """Link the objects of a sequence to tracks.

    Objects that overlap well are one cell. The others are assigned by the least sum of squared
    distances, in which a difference in diameter counts like one in place: frame by frame, then
    over gaps, then daughters to mothers.

    Parameters
    ----------
    objects : Objects
    parameters : Tracking
        As :func:`fit_tracking` has filled them in.

    Returns
    -------
    Tracks
        A track has an object in each of its frames. If a cell was missed, a new track begins whose
        parent is the earlier one; if a cell divides, two tracks begin.

    Raises
    ------
    InputError
        More tracks than a label image can name.
    """
    linking = _Linking(objects, parameters.max_distance or 0.0)
    linking.take(objects.pairs[objects.overlap > parameters.overlap])
    for frame in objects.frames[:-1]:
        linking.follow_drift(frame)
        linking.link(frame)
    for missed in range(1, parameters.gap + 1):
        for frame in objects.frames[: -missed - 1]:
            linking.link(frame, missed)
    if parameters.divisions:
        for frame in objects.frames[:-1]:
            linking.divide(frame, parameters.daughter_size)
    return _number(objects, linking.before)


class _Linking:
    """What is known of the links of a sequence so far.

    Attributes
    ----------
    before, after : ndarray of shape (N,), integer
        The row of the object that each comes from, and of one that comes from it; -1 for none.
    drift : ndarray of shape (N, 3)
        How far the neighborhood of each moves to the next frame. Micrometers.
    """

    def __init__(self, objects: Objects, reach: float) -> None:
        self.objects, self.reach = objects, reach
        self.before, self.after = np.full((2, len(objects)), -1)
        self.drift = np.zeros((len(objects), 3))

    def take(self, links: np.ndarray) -> None:
        """Link pairs of rows (M, 2)."""
        self.before[links[:, 1]] = links[:, 0]
        self.after[links[:, 0]] = links[:, 1]

    def link(self, frame: int, missed: int = 0) -> None:
        """Link what ends in a frame to what begins after the next ones in which it is missed."""
        self.take(self._candidates(frame, missed))

    def _candidates(self, frame: int, missed: int = 0) -> np.ndarray:
        ends, starts = self.objects.rows(frame), self.objects.rows(frame + missed + 1)
        ends, starts = ends[self.after[ends] < 0], starts[self.before[starts] < 0]
        center, diameter = self.objects.center, self.objects.diameter
        one, other = _assign(
            np.column_stack([center[ends] + (missed + 1) * self.drift[ends], diameter[ends]]),
            np.column_stack([center[starts], diameter[starts]]),
            self.reach,
        )
        return np.stack([ends[one], starts[other]], axis=1)

    def follow_drift(self, frame: int) -> None:
        """Estimate from a first try how neighborhoods move, by the median of their cells."""
        from scipy.spatial import KDTree

        rows = self.objects.rows(frame)
        known = rows[self.after[rows] >= 0]
        links = np.concatenate(
            [np.stack([known, self.after[known]], axis=1), self._candidates(frame)]
        )
        if not len(links):
            return
        center = self.objects.center
        count = min(_NEIGHBORHOOD, len(links))
        near = KDTree(center[links[:, 0]]).query(center[rows], k=[*range(1, count + 1)])[1]
        moves = center[links[:, 1]] - center[links[:, 0]]
        self.drift[rows] = np.median(moves[near], axis=1)

    def divide(self, frame: int, daughter_size: float) -> None:
        """Link daughters to the mothers of a frame.

        Daughters are alike and lie on either side of where their mother would be. So the second
        is looked for where the first is mirrored at that place. The first is the one that the
        mother was linked to; where she has none, daughters lie further away than cells move.
        """
        center, diameter, size = (
            self.objects.center,
            self.objects.diameter,
            self.objects.size,
        )
        mothers, starts = self.objects.rows(frame), self.objects.rows(frame + 1)
        starts, first = starts[self.before[starts] < 0], self.after[mothers]
        places = center[mothers] + self.drift[mothers]
        alone = np.flatnonzero(first < 0)
        radius = float(np.median(diameter)) / 2
        one, other = _assign(places[alone], center[starts], self.reach + radius)
        first[alone[one]] = starts[other]
        limit = daughter_size * size[mothers]
        small = (first >= 0) & (self.objects.frame[first] == frame + 1) & (size[first] <= limit)
        mothers, places, first, limit = (x[small] for x in (mothers, places, first, limit))
        starts = starts[~np.isin(starts, first)]
        one, other = _assign(
            np.column_stack([2 * places - center[first], diameter[first]]),
            np.column_stack([center[starts], diameter[starts]]),
            self.reach,
        )
        small = size[starts[other]] <= limit[one]
        mothers, first, second = mothers[one[small]], first[one[small]], starts[other[small]]
        self.before[first] = self.before[second] = mothers


def _assign(one: np.ndarray, other: np.ndarray, reach: float) -> tuple[np.ndarray, np.ndarray]:
    """Pair rows of two arrays of coordinates by the least sum of squared distances.

    Gives the rows of both, of pairs that are nearer than `reach`.
    """
    from laptrack import LapTrack

    if not (len(one) and len(other)):
        return np.empty(0, np.int64), np.empty(0, np.int64)
    costs = dict.fromkeys(("cutoff", "track_start_cost", "track_end_cost"), reach**2)
    tracker = LapTrack.model_validate({**costs, "gap_closing_cutoff": False})
    edges = sorted((a, b) for (_, a), (_, b) in tracker.predict([one, other]).edges)
    rows = np.array(edges, np.int64).reshape(-1, 2)
    return rows[:, 0], rows[:, 1]


def _number(objects: Objects, before: np.ndarray) -> Tracks:
    """Give tracks their numbers as they begin; `before` has for each object where it comes from."""
    followers = np.bincount(before[before >= 0], minlength=len(objects))
    goes_on = before >= 0
    goes_on &= (followers[before] == 1) & (objects.frame[before] == objects.frame - 1)
    if (count := int((~goes_on).sum())) > MAX_LABEL:
        raise InputError(
            f"{count} tracks; expected at most {MAX_LABEL}, as many as masks can name: give a "
            "larger tracking.max_distance, or fewer frames",
            code="tracks-too-many",
        )
    label = np.cumsum(~goes_on)
    for row in np.flatnonzero(goes_on):  # ascending: what it comes from has its number
        label[row] = label[before[row]]
    begins, ends = np.flatnonzero(~goes_on), np.zeros(count, np.int64)
    ends[label - 1] = objects.frame  # the last one stays
    parents = np.where(before[begins] >= 0, label[before[begins]], 0)
    columns = (label[begins], objects.frame[begins], ends, parents)
    rows = zip(*(column.tolist() for column in columns), strict=True)
    return Tracks(label, tuple(Track(*row) for row in rows))
