"""The judge against a brute-force restatement of the rules, on random sequences."""

import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ctc_eval.format import InputError, frame_name, write_labels
from ctc_eval.scoring import score_sequence

SETTINGS = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@st.composite
def sequences(draw):
    """Frames of touching boxes: (reference volumes or slices, result volumes) by frame."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    shape = draw(st.sampled_from([(1, 6, 7), (1, 9, 5), (3, 5, 6), (4, 4, 4)]))
    labels = draw(st.sampled_from([[1, 2, 3], [1, 300, 65535], [40000, 65534, 65535]]))

    def volume():
        image = np.zeros(shape, np.uint16)
        for _ in range(rng.integers(0, 5)):
            low = rng.integers(0, shape)
            high = low + rng.integers(1, 5, size=3)
            image[tuple(map(slice, low, high))] = rng.choice(labels)
        return image

    frames = {}
    for frame in range(draw(st.integers(1, 4))):
        reference = volume()
        # The result is a moved copy, or something else altogether.
        result = np.roll(reference, rng.integers(0, 2), axis=2) if rng.random() < 0.6 else volume()
        kind = draw(st.sampled_from(["whole", "slices", "both", "none"]))
        planes = sorted(rng.choice(shape[0], rng.integers(1, shape[0] + 1), replace=False))
        frames[frame] = (reference, result, kind, [int(plane) for plane in planes])
    return frames, draw(st.sampled_from([3, 4])), draw(st.booleans())


def _write(root, frames, digits):
    for frame, (reference, result, kind, planes) in frames.items():
        number = f"{frame:0{digits}d}"
        write_labels(root / "01_RES" / frame_name("mask", frame, digits), result)
        write_labels(root / "01_GT/TRA" / frame_name("man_track", frame, digits), reference)
        if kind in ("whole", "both"):
            write_labels(root / "01_GT/SEG" / frame_name("man_seg", frame, digits), reference)
        if kind in ("slices", "both"):
            for z in planes:
                write_labels(root / f"01_GT/SEG/man_seg_{number}_{z:03d}.tif", reference[z : z + 1])


def _annotated(frames):
    for reference, result, kind, planes in frames.values():
        if kind in ("whole", "both"):
            yield reference, result
        if kind in ("slices", "both"):
            for z in planes:
                yield reference[z], result[z]


def _brute_seg(images):
    scores = []
    for reference, result in images:
        for r in set(reference.ravel().tolist()) - {0}:
            score = 0.0
            for s in set(result.ravel().tolist()) - {0}:
                both = int(np.sum((reference == r) & (result == s)))
                if both > 0.5 * int(np.sum(reference == r)):
                    score = both / int(np.sum((reference == r) | (result == s)))
            scores.append(score)
    return sum(scores) / len(scores) if scores else None


def _brute_det(images, penalize):
    cost = vertices = 0
    for reference, result in images:
        matches = dict.fromkeys(set(result.ravel().tolist()) - {0}, 0)
        for r in set(reference.ravel().tolist()) - {0}:
            vertices += 1
            found = [
                s
                for s in matches
                if np.sum((reference == r) & (result == s)) * 2 > np.sum(reference == r)
            ]
            if found:
                matches[found[0]] += 1
            else:
                cost += 10
        for count in matches.values():
            cost += 5 * max(count - 1, 0) + (1 if count == 0 and penalize else 0)
    return 1 - min(cost, 10 * vertices) / (10 * vertices) if vertices else None


def _brute_mean_iou(images):
    confusion = np.zeros((2, 2))
    for reference, result in images:
        np.add.at(confusion, ((reference > 0).astype(int), (result > 0).astype(int)), 1)
    ious = []
    for k in (0, 1):
        union = confusion[k].sum() + confusion[:, k].sum() - confusion[k, k]
        if union:
            ious.append(confusion[k, k] / union)
    return sum(ious) / len(ious)


def _measure(root, measure, **options):
    """Give the judge's value, None where it finds nothing to measure."""
    try:
        score = score_sequence(root / "01_GT", root / "01_RES", wanted=[measure], **options)
    except InputError as error:
        if error.code not in ("reference-empty", "objects-missing"):
            raise
        return None
    return score.values[measure]


@SETTINGS
@given(sequences())
def test_seg_det_and_mean_iou_are_the_rules_spelled_out(drawn):
    frames, digits, penalize = drawn
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        _write(root, frames, digits)
        images = list(_annotated(frames))
        seg = _brute_seg(images)
        assert _measure(root, "SEG") == (seg if seg is None else pytest.approx(seg, abs=1e-12))
        markers = [(reference, result) for reference, result, _, _ in frames.values()]
        det = _brute_det(markers, penalize)
        found = _measure(root, "DET", penalize_extra=penalize)
        assert found == (det if det is None else pytest.approx(det, abs=1e-12))
        if seg is not None:
            assert _measure(root, "MeanIoU") == pytest.approx(_brute_mean_iou(images), abs=1e-12)


@st.composite
def lineages(draw):
    """Tracks of blocks side by side: [({label: (begin, end, parent)}, images)] of two sides."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    length = draw(st.integers(1, 4))
    sides = []
    # Result blocks are moved, narrower, or so wide that they swallow two reference blocks.
    for offset, width in ((0, 4), (rng.integers(0, 4), rng.choice([3, 4, 8]))):
        tracks = {}
        for label in range(1, rng.integers(1, 6) + 1):
            begin = int(rng.integers(0, length)) if rng.random() < 0.5 else 0
            end = int(rng.integers(begin, length)) if rng.random() < 0.5 else length - 1
            ended = [parent for parent, track in tracks.items() if track[1] < begin]
            tracks[label] = (begin, end, int(rng.choice([0, *ended])))
        images = np.zeros((length, 1, 3, 48), np.uint16)
        for label, (begin, end, _) in tracks.items():
            left = (label - 1) * width + offset
            images[begin : end + 1, ..., left : left + width] = label
        sides.append((tracks, images))
    # The official tool counts frames from the first reference track on.
    tracks, images = sides[0]
    if min(begin for begin, _, _ in tracks.values()):
        tracks[9] = (0, 0, 0)
        images[0, ..., 40:44] = 9
    return sides


def _brute_tra(sides):
    (wanted, truth), (given_tracks, made) = sides
    match = {}
    cost = 0
    for frame in range(len(truth)):
        owners = {}
        for r in set(truth[frame].ravel().tolist()) - {0}:
            cost += 10
            for s in set(made[frame].ravel().tolist()) - {0}:
                inside = np.sum((truth[frame] == r) & (made[frame] == s))
                if inside * 2 > np.sum(truth[frame] == r):
                    owners.setdefault(s, []).append(r)
                    cost -= 10
        for s in set(made[frame].ravel().tolist()) - {0}:
            found = owners.get(s, [])
            cost += 1 if not found else 5 * (len(found) - 1)
            if len(found) == 1:
                match[frame, s] = (frame, found[0])

    def edges(tracks):
        kinds = {}
        for label, (begin, end, parent) in tracks.items():
            for frame in range(begin, end):
                kinds[(frame, label), (frame + 1, label)] = "track"
            if parent:
                kinds[(tracks[parent][1], parent), (begin, label)] = "parent"
        return kinds

    truth_edges, made_edges = edges(wanted), edges(given_tracks)
    carried_over = {
        (match[a], match[b]): kind
        for (a, b), kind in made_edges.items()
        if a in match and b in match
    }
    cost += sum(1 for edge in carried_over if edge not in truth_edges)
    cost += sum(1.5 for edge in truth_edges if edge not in carried_over)
    cost += sum(
        1
        for edge, kind in carried_over.items()
        if edge in truth_edges and truth_edges[edge] != kind
    )
    nodes = sum(end - begin + 1 for begin, end, _ in wanted.values())
    worst = 10 * nodes + 1.5 * len(truth_edges)
    return 1 - min(cost, worst) / worst


@SETTINGS
@given(lineages())
def test_tra_is_the_rules_spelled_out(sides):
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        names = (("01_GT/TRA", "man_track"), ("01_RES", "mask"))
        for (place, prefix), (tracks, images) in zip(names, sides, strict=True):
            for frame, image in enumerate(images):
                write_labels(root / place / frame_name(prefix, frame, 3), image)
            rows = [f"{label} {b} {e} {p}\n" for label, (b, e, p) in tracks.items()]
            name = "man_track.txt" if prefix == "man_track" else "res_track.txt"
            (root / place / name).write_text("".join(rows))
        assert _measure(root, "TRA") == pytest.approx(_brute_tra(sides), abs=1e-12)
