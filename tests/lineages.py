"""Families of tracks, and their measures, also by py-ctcmetrics where it is installed."""

import numpy as np

from ctc_eval.format import Track
from ctc_eval.measures import Evidence, compute
from ctc_eval.overlap import Matching

ALL = ("LNK", "CT", "TF", "BC(0)", "BC(1)", "BC(2)", "BC(3)", "CCA")


def make_tracks(*rows):
    return {row[0]: Track(*row) for row in sorted(rows)}


def make_evidence(reference, result, matches):
    """Make evidence of tracks, and of {(frame, reference label): result label} that match."""
    markers = {}
    for frame in range(1 + max(track.end for track in (*reference.values(), *result.values()))):
        there = [
            [label for label, track in side.items() if track.begin <= frame <= track.end]
            for side in (reference, result)
        ]
        matched = [matches.get((frame, label), 0) for label in there[0]]
        none = np.zeros(len(matched))
        markers[frame] = Matching(
            *map(np.array, (there[0], none)), np.array(matched, np.int64), none, none,
            np.array(there[1], np.int64), (0, 0, 0),
        )  # fmt: skip
    return Evidence(markers=markers, tracks=(reference, result))


def measure(evidence):
    values = compute(evidence, ALL).values
    return {name: values[name] for name in ALL if name in values}


def toolkit_or_none():
    """Give py-ctcmetrics' measures of tracks, where it is installed."""
    try:
        from ctc_metrics.metrics import bc, cca, ct, lnk, tf
        from ctc_metrics.metrics.biological.bc import raw_division_metrics
        from ctc_metrics.utils.representations import count_acyclic_graph_correction_operations
    except ImportError:
        return None

    def run(reference, result, evidence):
        tables = [
            np.array([(t.label, t.begin, t.end, t.parent) for t in side.values()])
            for side in (reference, result)
        ]
        frames = evidence.markers.values()
        labels = [[getattr(m, name).tolist() for m in frames] for name in ("reference", "result")]
        pairs = [
            [pair for pair in zip(m.reference.tolist(), m.matched.tolist(), strict=True) if pair[1]]
            for m in frames
        ]
        mapped = [[[pair[k] for pair in frame] for frame in pairs] for k in (0, 1)]
        operations = count_acyclic_graph_correction_operations(*tables, *labels, *mapped)
        values = {
            "LNK": lnk(**operations),
            "CT": ct(tables[1], tables[0], labels[0], *mapped),
            "TF": tf(tables[0], labels[0], *mapped),
            "CCA": cca(tables[1], tables[0]),
        }
        for i in range(4):
            values[f"BC({i})"] = bc(*raw_division_metrics(tables[1], tables[0], *mapped, i))
        return {name: value for name, value in values.items() if value is not None}

    return run
