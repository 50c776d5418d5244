"""Measures that are made of others."""

from __future__ import annotations

import math

from ctc_eval.measures.divisions import TOLERANCES
from ctc_eval.measures.measure import Measure

OP_CSB = Measure(
    "OP_CSB",
    "(SEG + DET) / 2, the segmentation benchmark's",
    needs=("SEG", "DET"),
    value=lambda _, values: 0.5 * (values["SEG"] + values["DET"]),
    column=".3f",
)

OP_CTB = Measure(
    "OP_CTB",
    "(SEG + TRA) / 2, the tracking benchmark's",
    needs=("SEG", "TRA"),
    value=lambda _, values: 0.5 * (values["SEG"] + values["TRA"]),
    column=".3f",
    asked=True,
)

PESEG = Measure(
    "PESEG",
    "SEG per million parameters",
    needs=("SEG", "parameters"),
    value=lambda evidence, values: values["SEG"] / evidence.parameters * 1e6,
    column=".4f",  # large networks have a small one
)


def _bio(tolerance: int) -> Measure:
    parts = ("CT", "TF", f"BC({tolerance})", "CCA")

    def mean(values: list[float]) -> float:
        there = [value for value in values if not math.isnan(value)]
        return sum(there) / len(there)

    return Measure(
        f"BIO({tolerance})",
        "mean of CT, TF, BC(i) and CCA, as far as the reference allows them",
        needs=parts,
        value=lambda _, values: mean([values[name] for name in parts]),
        column=".3f",
        asked=True,
    )


def _op_clb(tolerance: int) -> Measure:
    bio = f"BIO({tolerance})"
    return Measure(
        f"OP_CLB({tolerance})",
        "(LNK + BIO(i)) / 2, the linking benchmark's",
        needs=("LNK", bio),
        value=lambda _, values: 0.5 * (values["LNK"] + values[bio]),
        column=".3f",
        asked=True,
    )


BIO = tuple(map(_bio, TOLERANCES))
OP_CLB = tuple(map(_op_clb, TOLERANCES))
