"""Writes submissions in the challenge's layout: results, and software that makes them again."""

from __future__ import annotations

import json
import logging
import shutil
import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ctc_eval.format import RECORD, InputError, frame_files
from efficientcellseg.methods import METHODS
from efficientcellseg.networks.folders import CARD, WEIGHTS, file_hash, read_card
from efficientcellseg.parameters.locations import ROOT
from efficientcellseg.parameters.recipe import open_recipe, recipe_text
from efficientcellseg.provenance import (
    TRACK_FILE,
    made_alike,
    mask_record,
    read_mask_record,
    tell_backend,
    tracked_alike,
)
from efficientcellseg.submission.entries import PackedSequence, script_text

log = logging.getLogger(__name__)

# All that a script needs, beside networks and recipes.
PROGRAM = (
    *("ctc_eval", "efficientcellseg", "config/challenge.yaml", "config/schemas", "config/scenes"),
    *("run_seq.sh", "requirements.lock"),
)
MANIFEST = Path("SW") / "manifest.json"


def check_results(entries: Iterable[PackedSequence]) -> None:
    """Check that all masks are fit for submission, and made as the scripts will make them.

    Parameters
    ----------
    entries : iterable of PackedSequence

    Raises
    ------
    InputError
        Raw frames missing, faults of masks (each is logged), masks or tracks known to be made with
        other parameters or weights than those to be submitted, tracks that are not there.
    """
    from ctc_eval.validation import examine
    from efficientcellseg.methods.scale import plan_scale

    faults = []
    for entry in entries:
        frame_files(entry.dataset / entry.sequence)
        frames = entry.dataset / entry.sequence
        findings = examine(frames, entry.masks)
        faults += findings.faults
        for note in findings.notes:
            log.warning("%s: %s", entry.masks, note)
        backend, precision = entry.made_in
        recipe = plan_scale(
            entry.recipe,
            METHODS[entry.method],
            entry.model,
            frames,
            backend=backend,
            precision=precision,
            check=False,
        )
        record = mask_record(entry.method, recipe, entry.model, frames, backend)
        found = read_mask_record(entry.masks)
        known = (entry.masks / RECORD).is_file() and set(found or {}) != {"tracking"}
        if known and not made_alike(found, record):
            raise InputError(
                f"{entry.masks}: made with another recipe, method, model or backend than "
                f"{entry.recipe_file}, {entry.method}, {entry.model}; expected what the script "
                "will make: segment again",
                code="record-mismatch",
            )
        if entry.tracks:
            _check_tracks(entry)
    for fault in faults:
        log.error("%s", fault)
    if faults:
        raise InputError(
            f"{len(faults)} faults of masks, see above, the first: {faults[0]}; expected none: "
            "correct them",
            code="result-faulty",
        )


def _check_tracks(entry: PackedSequence) -> None:
    """Refuse tracks that are not there, or not made as the script will make them."""
    if not (entry.masks / TRACK_FILE).is_file():
        raise InputError(
            f"{entry.masks / TRACK_FILE}: no such file; expected the tracks that are to be "
            "submitted: run efficientcellseg track first",
            code="file-missing",
        )
    if not tracked_alike(read_mask_record(entry.masks), entry.recipe.tracking):
        raise InputError(
            f"{entry.masks / TRACK_FILE}: otherwise than {entry.recipe_file} says in tracking; "
            "expected what the script will make: track again, with --overwrite",
            code="record-mismatch",
        )


def package(
    entries: Sequence[PackedSequence],
    scores: list[dict[str, Any]],
    output: Path,
    *,
    overwrite: bool = False,
) -> None:
    """Write a submission.

    Parameters
    ----------
    entries : sequence of PackedSequence
    scores : list of dict
        For the manifest.
    output : Path
        Appears when it is whole: ``SW/`` with software, scripts and manifest, beside it the
        results, ``<DATASET>/<SEQ>_RES``.
    overwrite : bool
        Replace a submission that lies there.

    Raises
    ------
    InputError
        What :func:`check_results` refuses; networks that are not there or damaged; something
        in the way.
    """
    if output.exists() and not (overwrite and (output / MANIFEST).is_file()):
        raise InputError(
            f"{output}: exists already; expected no such folder, or with --overwrite an earlier "
            "submission: remove it, or choose another",
            code="folder-in-the-way",
        )
    check_results(entries)
    with _staged(output) as folder:
        software = folder / "SW"
        models = _copy_models(entries, software)
        recipes = _names(entry.recipe_file for entry in entries)
        for path, name in recipes.items():
            place = software / "config" / "datasets" / name
            if path.is_file():
                _copy(path, place)
            else:
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_text(recipe_text(open_recipe(path.stem)), encoding="utf-8")
        _copy_program(software)
        records = []
        for entry in entries:
            _copy_results(entry, folder)
            recipe = f"config/datasets/{recipes[entry.recipe_file.resolve()]}"
            model = f"models/{models[entry.model.resolve()]}" if entry.networks else None
            script = software / entry.script
            script.write_text(script_text(entry, recipe, model), encoding="utf-8")
            script.chmod(0o755)
            records.append(_record(entry, recipe, model, software))
        contents = _manifest(records, scores, folder)
        (folder / MANIFEST).write_text(json.dumps(contents, indent=2) + "\n", encoding="utf-8")
    log.info("%s: %d sequences", output, len(entries))


@contextmanager
def _staged(output: Path) -> Iterator[Path]:
    """Provide a hidden folder that replaces `output` if the block succeeds."""
    output.parent.mkdir(parents=True, exist_ok=True)
    mark = uuid.uuid4().hex
    staged = output.with_name(f".{output.name}-{mark}")
    old = output.with_name(f".{output.name}-{mark}-old")
    staged.mkdir()
    try:
        yield staged
        if output.exists():
            output.rename(old)
        staged.rename(output)
        shutil.rmtree(old, ignore_errors=True)
    finally:
        shutil.rmtree(staged, ignore_errors=True)


def _copy_results(entry: PackedSequence, folder: Path) -> None:
    """Copy the masks of a sequence to each of their places, tracks to the first."""
    for result in entry.results:
        for mask in frame_files(entry.masks, "mask").values():
            _copy(mask, folder / result / mask.name)
    if entry.tracks:
        _copy(entry.masks / TRACK_FILE, folder / entry.results[0] / TRACK_FILE)


def _copy_program(software: Path) -> None:
    """Copy all that a script needs, beside networks and recipes."""
    for name in PROGRAM:
        _copy(ROOT / name, software / name)
    for path in (ROOT / "resources" / "submission").iterdir():
        _copy(path, software / path.name)


def _copy(source: Path, target: Path) -> None:
    """Copy a file, or a folder without what Python compiled."""
    if not source.exists():
        raise InputError(
            f"{source}: no such file; expected a whole checkout of the project: package from one",
            code="file-missing",
        )
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
    else:
        shutil.copy(source, target)


def _names(paths: Iterable[Path]) -> dict[Path, str]:
    """Name each of some files or folders; those of equal name, in other places, by a number."""
    names: dict[Path, str] = {}
    for path in dict.fromkeys(path.resolve() for path in paths):
        name, count = path.name, 2
        while name in names.values():
            name, count = f"{path.stem}-{count}{path.suffix}", count + 1
        names[path] = name
    return names


def _copy_models(entries: Iterable[PackedSequence], software: Path) -> dict[Path, str]:
    """Copy each network once; give the name under models/ of each folder of networks."""
    used = {(entry.model, network) for entry in entries for network in entry.networks}
    names = _names(sorted(model for model, _ in used))
    for model, network in used:
        for name in (CARD, WEIGHTS):
            if not (network / name).is_file():
                raise InputError(
                    f"{network / name}: no such file; expected a model folder: train the network, "
                    "or name another folder",
                    code="file-missing",
                )
            place = software / "models" / names[model.resolve()] / network.relative_to(model)
            _copy(network / name, place / name)
    return names


def _record(
    entry: PackedSequence, recipe: str, model: str | None, software: Path
) -> dict[str, Any]:
    """Say of a sequence what makes its masks; the weights are counted in the built networks."""
    from efficientcellseg.networks.base import count_parameters
    from efficientcellseg.networks.folders import load_model

    networks = {}
    for network in entry.networks:
        folder = software / str(model) / network.relative_to(entry.model)
        built = load_model(folder)
        networks[network.name] = {
            "parameters": count_parameters(built),
            "sha256": read_card(folder).sha256,
            "architecture": built.architecture.model_dump(mode="json"),
        }
    return {
        "dataset": entry.name,
        "sequence": entry.sequence,
        "training": entry.training,
        "script": f"SW/{entry.script}",
        "result": entry.results[0].as_posix(),
        **({"segmentation": entry.results[1].as_posix()} if len(entry.results) > 1 else {}),
        "tracks": entry.tracks,
        "method": entry.method,
        "backend": tell_backend(*entry.made_in),
        "recipe": f"SW/{recipe}",
        "model": f"SW/{model}" if model else None,
        "networks": networks,
        "parameters": sum(one["parameters"] for one in networks.values()),
    }


def _manifest(
    records: list[dict[str, Any]], scores: list[dict[str, Any]], folder: Path
) -> dict[str, Any]:
    from efficientcellseg.software import describe_software

    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {
        **describe_software(),
        "sequences": records,
        "scores": scores,
        "files": {path.relative_to(folder).as_posix(): file_hash(path) for path in files},
    }
