"""Submission plans: what ``python -m efficientcellseg package`` puts into a submission."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from pydantic import Field

from ctc_eval.format import InputError
from efficientcellseg.frozen import Frozen
from efficientcellseg.parameters.reading import check_values
from efficientcellseg.parameters.values import SequenceName, SubmittedMethod, TrainingKind


class SubmittedSequence(Frozen):
    """A sequence, once per training configuration. Paths are relative to the current folder."""

    dataset: str
    """Folder of the data set; its name is the data set's."""

    sequence: SequenceName
    """The sequence."""

    training: TrainingKind = "regular"
    """Training configuration: `regular`, or one of the generalizable track's, which becomes the \
suffix of scripts and result folders."""

    masks: str | None = None
    """Folder of the masks. Null: <dataset>/<sequence>_RES, with the training configuration's \
suffix."""

    recipe: str | None = None
    """Recipe. Null: the one with the data set's name."""

    model: str | None = None
    """Folder of the networks; null: the recipe's."""

    method: SubmittedMethod = "efficientcellseg"
    """Method that made the masks."""

    csb: bool = False
    """Put the masks into <DATASET>/CSB: complete segmentations of Fluo-N3DL-DRO, -TRIC and -TRIF \
beside a tracking result."""

    tracks: bool = False
    """Submit tracks, too: masks numbered by track, with res_track.txt, in <DATASET>/<SEQ>_RES; \
with csb their masks go to <DATASET>/CSB as well."""


class SubmissionPlan(Frozen):
    """What ``python -m efficientcellseg package`` puts into a submission."""

    sequences: Annotated[tuple[SubmittedSequence, ...], Field(min_length=1)]
    """The sequences, each once per training configuration."""

    scores: tuple[str, ...] = ()
    """Files that ``python -m ctc_eval score --output`` wrote, for the manifest."""


def plan_text(sequences: Sequence[Mapping[str, Any]], scores: Sequence[str]) -> str:
    """Write a submission plan as JSON, which ``efficientcellseg package`` reads.

    Parameters
    ----------
    sequences : sequence of mapping
        The values of a :class:`SubmittedSequence` each.
    scores : sequence of str
        Files of scores.

    Returns
    -------
    str

    Raises
    ------
    InputError
        There is no sequence, or a value is at fault.
    """
    if not sequences:
        raise InputError(
            "submission: no data set has test sequences; expected one of the challenge's, or "
            "part: training",
            code="sequence-missing",
        )
    values = {"sequences": [dict(one) for one in sequences], "scores": [str(one) for one in scores]}
    check_values(values, SubmissionPlan, "submission")
    return json.dumps(values, indent=1)
