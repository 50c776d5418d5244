"""Writes what went wrong, object by object: the official logs, and a table of reference objects.

TRA_log.txt is that of the official tool to the byte (tests/ctc_eval/test_cases.py has one).
SEG_log.txt has the wording, order and digits that its readers and other programs' writers agree
on. Of DET_log.txt only the lines are known, not the length of the rule before the measure.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from ctc_eval.format import atomic
from ctc_eval.measures import MEASURES, Score

OBJECT_COLUMNS = ("frame", "slice", "label", "size", "matched_label", "overlap", "jaccard")


def write_logs(score: Score, folder: Path) -> None:
    """Write ``SEG_log.txt``, ``DET_log.txt``, ``TRA_log.txt``, each where it was measured.

    Parameters
    ----------
    score : Score
    folder : Path
        The result folder, where the official tool leaves them.
    """
    for name, value in score.values.items():
        if log := MEASURES[name].log:
            lines = [*log(score.evidence), f"{name} measure: {value:.6f}"]
            _write(folder / f"{name}_log.txt", lines)


def write_objects(score: Score, path: Path) -> None:
    """Write the table of :func:`object_rows` as tab-separated values.

    Parameters
    ----------
    score : Score
    path : Path
    """
    rows = [OBJECT_COLUMNS, *object_rows(score)]
    _write(path, ("\t".join(row) for row in rows))


def _write(path: Path, lines: Iterable[str]) -> None:
    with atomic(path) as temporary:
        temporary.write_text("".join(f"{line}\n" for line in lines))


def object_rows(score: Score) -> Iterator[tuple[str, ...]]:
    """List the reference objects of SEG, one row each.

    Parameters
    ----------
    score : Score

    Yields
    ------
    tuple of str
        Cells as in `OBJECT_COLUMNS`. The slice is "all" for a whole frame; size and overlap are in
        voxels. matched_label is 0 if no result object covers more than half; overlap is then that
        with the result object that shares most.
    """
    for image, matching in score.evidence.objects:
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
