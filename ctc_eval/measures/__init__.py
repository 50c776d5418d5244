"""Measures: one file each, with its needs, computation, column and log.

A new measure is a file here and a line in `MEASURES`, after the measures that it is made of;
docs/extending.md shows how.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from ctc_eval.measures.ct import CT
from ctc_eval.measures.derived import BIO, OP_CLB, OP_CSB, OP_CTB, PESEG
from ctc_eval.measures.det import DET
from ctc_eval.measures.divisions import BC, CCA
from ctc_eval.measures.lnk import LNK
from ctc_eval.measures.mean_iou import MEAN_IOU
from ctc_eval.measures.measure import Evidence, Measure, Score
from ctc_eval.measures.seg import SEG
from ctc_eval.measures.tf import TF
from ctc_eval.measures.tra import TRA

__all__ = [
    "MEASURES",
    "Evidence",
    "Measure",
    "Score",
    "compute",
    "family_of",
    "needs_of",
    "with_parts",
]

MEASURES: dict[str, Measure] = {
    entry.name: entry
    for entry in (
        SEG,
        DET,
        TRA,
        LNK,
        CT,
        TF,
        *BC,
        CCA,
        *BIO,
        MEAN_IOU,
        OP_CSB,
        OP_CTB,
        *OP_CLB,
        PESEG,
    )
}


def family_of(name: str) -> tuple[str, ...]:
    """List the measures that a name stands for: its own, or BC(0), BC(1), ... for BC.

    Parameters
    ----------
    name : str

    Returns
    -------
    tuple of str
        Empty for an unknown name.
    """
    return tuple(one for one in MEASURES if name in (one, one.partition("(")[0]))


def with_parts(names: Iterable[str]) -> tuple[str, ...]:
    """Add the measures that some measures are made of.

    Parameters
    ----------
    names : iterable of str

    Returns
    -------
    tuple of str
        In the order of `MEASURES`.
    """
    wanted = set(names)
    for name, measure in reversed(MEASURES.items()):
        if name in wanted:
            wanted |= MEASURES.keys() & measure.needs
    return tuple(name for name in MEASURES if name in wanted)


def needs_of(names: Iterable[str]) -> set[str]:
    """Collect what measures need besides other measures.

    Parameters
    ----------
    names : iterable of str

    Returns
    -------
    set of str
        "objects", "markers", "tracks" or "parameters".
    """
    return {need for name in with_parts(names) for need in MEASURES[name].needs} - MEASURES.keys()


def compute(evidence: Evidence, wanted: Iterable[str]) -> Score:
    """Compute measures, and all that follow from them and the parameters alone.

    Parameters
    ----------
    evidence : Evidence
        With what `wanted` needs.
    wanted : iterable of str
        Names of measures.

    Returns
    -------
    Score
        Of those asked for, of those that they are made of, and of those that follow; without
        those that need parameters where none are given, and those that the reference has
        nothing to measure by.
    """
    names = with_parts(wanted)
    values: dict[str, float] = {}
    for name, measure in MEASURES.items():
        there = {*values, *(["parameters"] if evidence.parameters else [])}
        if name in names:
            there |= {"objects", "markers", "tracks"}
        if there.issuperset(measure.needs):
            values[name] = measure.value(evidence, values)
    there_are = {name: value for name, value in values.items() if not math.isnan(value)}
    return Score(there_are, evidence)
