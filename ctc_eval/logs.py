"""What went wrong, object by object: the official logs and a table of the reference objects.

TRA_log.txt is that of the official tool to the byte (tests/ctc_eval/test_cases.py has one).
SEG_log.txt has the wording, order and digits that its readers and other programs' writers agree
on. Of DET_log.txt only the lines are known, not the length of the rule before the measure.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from ctc_eval import measures
from ctc_eval.format import atomic
from ctc_eval.measures import Edge, Node
from ctc_eval.scoring import Score

_NODE_RULE = "=" * 81
_OBJECT_RULE = "=" * 56

OBJECT_COLUMNS = ("frame", "slice", "label", "size", "matched_label", "overlap", "jaccard")


def write_logs(score: Score, folder: Path) -> None:
    """Write ``SEG_log.txt``, ``DET_log.txt``, ``TRA_log.txt``, each where it was measured.

    Parameters
    ----------
    score : Score
    folder : Path
        The result folder, where the official tool leaves them.
    """
    writers = {"SEG": seg_log, "DET": det_log, "TRA": tra_log}
    for name, write in writers.items():
        if name in score.values:
            _write(folder / f"{name}_log.txt", write(score))


def write_objects(score: Score, path: Path) -> None:
    """Write the table of :func:`object_rows` as tab-separated values."""
    rows = [OBJECT_COLUMNS, *object_rows(score)]
    _write(path, ("\t".join(row) for row in rows))


def _write(path: Path, lines: Iterable[str]) -> None:
    with atomic(path) as temporary:
        temporary.write_text("".join(f"{line}\n" for line in lines))


def seg_log(score: Score) -> Iterator[str]:
    """Give the lines of the official ``SEG_log.txt``: each reference object's Jaccard index."""
    for image, matching in score.objects:
        yield f"----------T={image.frame} Z={image.plane or 0}----------"
        for label, value in zip(matching.reference, matching.jaccard, strict=True):
            yield f"GT_label={label} J={value:.6g}"
    yield _OBJECT_RULE
    yield f"SEG measure: {score.values['SEG']:.6f}"


def det_log(score: Score) -> Iterator[str]:
    """Give the lines of the official ``DET_log.txt``."""
    yield from _node_lines(score, measures.EXTRA if score.penalize_extra else 0.0)
    yield _NODE_RULE
    yield f"DET measure: {score.values['DET']:.6f}"


def tra_log(score: Score) -> Iterator[str]:
    """Give the lines of the official ``TRA_log.txt``."""
    yield from _node_lines(score, measures.EXTRA)
    edges = score.edges
    if edges is not None:
        yield _title("Redundant Edges To Be Deleted", measures.EDGE_EXTRA)
        yield from map(_link, edges.redundant)
        yield _title("Edges To Be Added", measures.EDGE_MISSED)
        yield from (_link(edge, "GT_label") for edge in edges.missed)
        yield _title("Edges with Wrong Semantics", measures.EDGE_WRONG)
        yield from map(_link, edges.wrong)
    yield _NODE_RULE
    yield f"TRA measure: {score.values['TRA']:.6f}"


def _node_lines(score: Score, extra: float) -> Iterator[str]:
    nodes = score.nodes
    if nodes is not None:
        yield _title("Splitting Operations", measures.SPLIT)
        yield from map(_node, nodes.splits)
        yield _title("False Negative Vertices", measures.MISSED)
        yield from (_node(node, "GT_label") for node in nodes.missed)
        yield _title("False Positive Vertices", extra)
        yield from map(_node, nodes.extra)


def _title(name: str, penalty: float) -> str:
    return f"----------{name} (Penalty={penalty:g})----------"


def _node(node: Node, kind: str = "Label") -> str:
    return f"T={node[0]} {kind}={node[1]}"


def _link(edge: Edge, kind: str = "Label") -> str:
    return f"[{_node(edge[0], kind)}] -> [{_node(edge[1], kind)}]"


def object_rows(score: Score) -> Iterator[tuple[str, ...]]:
    """Give one row for each reference object of SEG.

    Yields
    ------
    tuple of str
        Cells as in `OBJECT_COLUMNS`: slice is "all" for a whole frame; size and overlap are
        voxels; matched_label is 0 where no result object covers more than half, and overlap
        then that with the result object that shares most.
    """
    for image, matching in score.objects:
        where = (str(image.frame), "all" if image.plane is None else str(image.plane))
        for label, size, matched, overlap, value in zip(
            matching.reference,
            matching.sizes,
            matching.matched,
            matching.overlap,
            matching.jaccard,
            strict=True,
        ):
            yield (*where, str(label), str(size), str(matched), str(overlap), f"{value:.6f}")
