"""Reads what is to be submitted: each sequence, where its results go, and the script for it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from shlex import quote
from typing import Any, get_args

from ctc_eval.format import InputError
from efficientcellseg.methods import METHODS
from efficientcellseg.networks.folders import network_folders
from efficientcellseg.parameters.locations import RECIPES
from efficientcellseg.parameters.reading import read_yaml
from efficientcellseg.parameters.recipe import Recipe, open_recipe
from efficientcellseg.parameters.submission import SubmissionPlan, SubmittedSequence
from efficientcellseg.parameters.values import Backend, Precision
from efficientcellseg.provenance import read_mask_record, tell_backend

SCRIPT = """\
#!/usr/bin/env bash
# {source} -> {targets}
set -euo pipefail
cd -- "$(dirname -- "${{BASH_SOURCE[0]}}")"
{call}./run_seq.sh {dataset} {sequence} --output {target} --overwrite{track} \\
    --recipe {recipe} --method {method} --backend {backend} --precision {precision}{model}
{copy}"""
# Where a complete segmentation is asked for beside tracks: the same masks, without tracks.
COPY = """\
rm -rf {target}
mkdir -p {target}
cp {source}/mask*.tif {target}
"""


@dataclass(frozen=True)
class PackedSequence:
    """One sequence to submit, with all that its plan left open.

    `recipe` is the one adapted by the method, and `recipe_file` its file; for the other fields, see
    the plan's model.
    """

    dataset: Path
    sequence: str
    masks: Path
    recipe_file: Path
    recipe: Recipe
    model: Path
    training: str
    method: str
    csb: bool
    tracks: bool

    @property
    def name(self) -> str:
        """Name of the data set.

        Returns
        -------
        str
        """
        return self.dataset.absolute().name  # as it is called, where it is a link

    @property
    def networks(self) -> list[Path]:
        """Folders of the networks that the method runs.

        Returns
        -------
        list of Path
        """
        return network_folders(self.model, self.recipe.maps) if self.recipe.maps else []

    @property
    def made_in(self) -> tuple[str, str]:
        """Backend and precision that made the masks, as their record says, or else the plainest.

        Returns
        -------
        tuple of str
        """
        found = str((read_mask_record(self.masks) or {}).get("backend", "torch"))
        return next(
            (
                (backend, precision)
                for backend in get_args(Backend)
                for precision in get_args(Precision)
                if tell_backend(backend, precision) == found
            ),
            ("torch", "float32"),
        )

    @property
    def script(self) -> str:
        """Name of the script in SW/.

        Returns
        -------
        str
        """
        return f"{self.name}-{self.sequence}{_suffix(self.training)}.sh"

    @property
    def results(self) -> tuple[Path, ...]:
        """Folders of the masks in the submission; tracks, if they are submitted, are in the first.

        Returns
        -------
        tuple of Path
        """
        folder = f"{self.sequence}_RES{_suffix(self.training)}"
        plain, complete = Path(self.name, folder), Path(self.name, "CSB", folder)
        if self.csb:
            return (plain, complete) if self.tracks else (complete,)
        return (plain,)


def _suffix(training: str) -> str:
    return "" if training == "regular" else f"-{training}"


def read_plan(path: Path) -> tuple[list[PackedSequence], list[dict[str, Any]]]:
    """Read what to submit.

    Parameters
    ----------
    path : Path
        YAML or JSON; config/schemas/submission.schema.json says what each key means.

    Returns
    -------
    entries : list of PackedSequence
    scores : list of dict
        Rows of the benchmark table.

    Raises
    ------
    InputError
        What the plan must not hold, a sequence that stands twice, a recipe or a score that
        cannot be read.
    """
    from ctc_eval.table import read_scores

    plan = read_yaml(path, SubmissionPlan)
    entries = [_fill_in(one) for one in plan.sequences]
    names = Counter(entry.script for entry in entries)
    if twice := ", ".join(name for name, count in names.items() if count > 1):
        raise InputError(
            f"{path}: {twice} stands for two sequences; expected one: remove the other",
            code="sequence-twice",
        )
    return entries, [read_scores(Path(score)) for score in plan.scores]


def _fill_in(one: SubmittedSequence) -> PackedSequence:
    """Find what a plan leaves to the data set's name, the recipe and the sequence."""
    dataset = Path(one.dataset)
    name = dataset.absolute().name
    # Of a data set that only the challenge's table knows, the file is yet to be written.
    recipe_file = Path(one.recipe) if one.recipe else RECIPES / f"{name}.yaml"
    recipe = METHODS[one.method].adapt(open_recipe(one.recipe or name))
    beside = dataset / f"{one.sequence}_RES{_suffix(one.training)}"
    return PackedSequence(
        dataset=dataset,
        sequence=one.sequence,
        masks=Path(one.masks) if one.masks else beside,
        recipe_file=recipe_file,
        recipe=recipe,
        model=Path(one.model) if one.model else recipe.model_dir,
        training=one.training,
        method=one.method,
        csb=one.csb,
        tracks=one.tracks,
    )


def script_text(entry: PackedSequence, recipe: str, model: str | None) -> str:
    """Write the script that makes the results of a sequence.

    Parameters
    ----------
    entry : PackedSequence
    recipe, model : str
        From SW/; no model for a method without networks.

    Returns
    -------
    str
    """
    first, *others = [quote(f"../{path.as_posix()}") for path in entry.results]
    backend, precision = entry.made_in
    return SCRIPT.format(
        source=f"../{entry.name}/{entry.sequence}",
        targets=", ".join(f"../{path.as_posix()}" for path in entry.results),
        call="" if others else "exec ",
        target=first,
        dataset=quote(f"../{entry.name}"),
        sequence=entry.sequence,
        track=" --track" if entry.tracks else "",
        recipe=quote(recipe),
        method=entry.method,
        backend=backend,
        precision=precision,
        model=f" --model {quote(model)}" if model else "",
        copy="".join(COPY.format(source=first, target=other) for other in others),
    )
