"""Measures that are made of others."""

from __future__ import annotations

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
)

PESEG = Measure(
    "PESEG",
    "SEG per million parameters",
    needs=("SEG", "parameters"),
    value=lambda evidence, values: values["SEG"] / evidence.parameters * 1e6,
    column=".4f",  # large networks have a small one
)
