"""Measures that are made of others."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import partial

from ctc_eval.measures.divisions import TOLERANCES
from ctc_eval.measures.measure import Evidence, Measure

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


def _parts(tolerance: int) -> tuple[str, ...]:
    return "CT", "TF", f"BC({tolerance})", "CCA"


def _bio(_: Evidence, values: Mapping[str, float], tolerance: int) -> float:
    there = [values[name] for name in _parts(tolerance) if not math.isnan(values[name])]
    return sum(there) / len(there)


def _op_clb(_: Evidence, values: Mapping[str, float], tolerance: int) -> float:
    return 0.5 * (values["LNK"] + values[f"BIO({tolerance})"])


BIO = tuple(
    Measure(
        f"BIO({tolerance})",
        "mean of CT, TF, BC(i) and CCA, as far as the reference allows them",
        needs=_parts(tolerance),
        value=partial(_bio, tolerance=tolerance),
        column=".3f",
        asked=True,
    )
    for tolerance in TOLERANCES
)

OP_CLB = tuple(
    Measure(
        f"OP_CLB({tolerance})",
        "(LNK + BIO(i)) / 2, the linking benchmark's",
        needs=("LNK", f"BIO({tolerance})"),
        value=partial(_op_clb, tolerance=tolerance),
        column=".3f",
        asked=True,
    )
    for tolerance in TOLERANCES
)
