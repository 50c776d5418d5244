"""Reads and writes what masks and networks were made with; what a run was made with.

Beside masks lies a record: method, recipe, networks, and which of the frames these have learned
from. Whoever goes on with the masks asks it, and so does the judge.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from ctc_eval.format import RECORD, ScoreRecord, atomic, fingerprint, frame_files
from efficientcellseg.networks.folders import (
    CARD,
    WEIGHTS,
    Card,
    file_hash,
    network_folders,
    read_card,
)
from efficientcellseg.networks.naming import and_join, name_networks, tell_training
from efficientcellseg.parameters.locations import ROOT
from efficientcellseg.parameters.recipe import Recipe, load_recipe
from efficientcellseg.parameters.run import RunConfiguration
from efficientcellseg.parameters.source import SimulationSource, ZipSource
from efficientcellseg.parameters.tracking import Tracking
from efficientcellseg.software import describe_software, device_name

# What a recipe says beside how masks are made.
BESIDE = {
    *("description", "sequences", "source", "model", "reference", "reference_note"),
    *("backend", "precision", "tracking"),
}
# The challenge's track file, beside masks whose labels are tracks.
TRACK_FILE = "res_track.txt"


# Masks


def mask_record(
    method: str,
    recipe: Recipe,
    model: Path,
    frames: Path,
    backend: str = "torch",
    *,
    title: str = "",
    run: Collection[int] | None = None,
) -> dict[str, Any]:
    """Say what masks are made with.

    Parameters
    ----------
    method : str
    recipe : Recipe
        As the method has adapted it.
    model : Path
        Folder of networks.
    frames : Path
        Folder of the raw frames.
    backend : str
        What runs the networks: no longer ``auto``.
    title : str
        What tables call the method where it has no networks; its name unless given.
    run : collection of int, optional
        Frames that are segmented; all unless given.

    Returns
    -------
    dict
        Fit for JSON: ``method``, ``backend``, ``recipe``, ``weights`` with their hashes, ``seen``,
        the frames that the networks have learned from, and ``score``, what a score of these masks
        is to say and how it is taken; ``raw``, by which a frame that is replaced is noticed.

    Raises
    ------
    InputError
        A map of the recipe that no network predicts; a model that is not there; no frames.
    """
    folders = network_folders(model, recipe.maps) if recipe.maps else []
    cards = {folder.name: read_card(folder) for folder in folders}
    known = {one for card in cards.values() for one in card.seen}
    files = frame_files(frames)
    raw = {path.name: fingerprint(path) for path in files.values()}
    seen = [n for n, path in files.items() if raw[path.name] in known]
    here = not model.resolve().is_relative_to(ROOT / "resources")
    score = _score_record(recipe, list(cards.values()), frames, seen, title or method, here)
    return {
        "method": method,
        "backend": tell_backend(backend, recipe.precision),
        "recipe": recipe.model_dump(mode="json", exclude=BESIDE),
        "weights": {name: card.sha256 for name, card in cards.items()},
        "seen": seen,
        "score": {**asdict(score), "frames": _range_run(files, run)},
        "raw": raw,
    }


def tell_backend(backend: str, precision: str) -> str:
    """Name what runs the networks: ``openvino``, or ``openvino bf16``.

    Parameters
    ----------
    backend, precision : str

    Returns
    -------
    str
    """
    return backend if precision == "float32" else f"{backend} {precision}"


def _range_run(files: Collection[int], run: Collection[int] | None) -> str:
    """Return the range A:B of the frames that are segmented; empty for all frames."""
    return "" if run is None or set(files) <= set(run) else f"{min(run)}:{max(run) + 1}"


def _score_record(
    recipe: Recipe,
    cards: Sequence[Card],
    frames: Path,
    seen: Sequence[int],
    title: str,
    here: bool,
) -> ScoreRecord:
    """Say what a score tells of masks: networks and their training, weights, reference."""
    folder, sequence = frames.absolute().parent.name, frames.name
    learnt = tell_training(cards, folder, recipe.name, recipe.sequences)
    if recipe.source.kind == "simulation" and sequence in learnt.sequences and not seen:
        # Of that name, but with other frames: a simulation of another seed.
        learnt = replace(learnt, sequences={}, akin=True)
    crossed = learnt.sequences and sequence not in learnt.sequences and not seen
    labeling = recipe.labeling.method.replace("_", " ")
    weights = [card.parameters for card in cards if card.parameters]
    slices = sum(card.slices_seen for card in cards)
    return ScoreRecord(
        networks=f"{len(cards)} x {cards[0].architecture.title}" if cards else "none",
        parameters=sum(weights) if cards and len(weights) == len(cards) else None,
        training=f"{slices} slices" if slices else "",
        penalize_extra_detections=recipe.penalize_extra_detections,
        reference=recipe.reference,
        reference_note=recipe.reference_note,
        name=name_networks(cards) or f"{title} + {labeling}",
        trained=learnt.text(here) if cards else "",
        crossed=f"trained on {and_join(sorted(learnt.sequences))}, scored on {sequence}"
        if crossed
        else "",
    )


def write_mask_record(folder: Path, record: Mapping[str, Any]) -> None:
    """Write the record of masks beside them.

    Parameters
    ----------
    folder : Path
    record : mapping of str to object
    """
    with atomic(folder / RECORD) as temporary:
        temporary.write_text(json.dumps(record, indent=1))


def read_mask_record(folder: Path) -> dict[str, Any] | None:
    """Read what the masks in a folder were made with.

    Parameters
    ----------
    folder : Path

    Returns
    -------
    dict of str to object, or None
        None if it is not known.
    """
    try:
        found = json.loads((folder / RECORD).read_text())
    except (FileNotFoundError, NotADirectoryError, ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def made_alike(one: Mapping[str, Any] | None, other: Mapping[str, Any]) -> bool:
    """Tell whether two records are of masks made in the same way.

    Parameters
    ----------
    one : mapping of str to object, or None
        From :func:`read_mask_record`.
    other : mapping of str to object

    Returns
    -------
    bool
    """
    return one is not None and _made_with(one) == _made_with(other)


def _made_with(record: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out what a record says besides: scores, stale masks, raw frames, tracking."""
    beside = ("score", "stale", "raw", "tracking")
    return {key: value for key, value in record.items() if key not in beside}


def tracked_alike(record: Mapping[str, Any] | None, parameters: Tracking) -> bool:
    """Tell whether masks were tracked with some parameters, as far as these are given.

    Parameters
    ----------
    record : mapping of str to object, or None
        From :func:`read_mask_record`.
    parameters : Tracking

    Returns
    -------
    bool
    """
    made = (record or {}).get("tracking") or {}
    asked = parameters.model_dump(exclude_none=True)
    return bool(made) and {name: made.get(name) for name in asked} == asked


def stale_masks(folder: Path) -> set[str]:
    """Name the masks that an earlier run made in another way and that must be made again.

    Parameters
    ----------
    folder : Path

    Returns
    -------
    set of str
    """
    named = (read_mask_record(folder) or {}).get("stale", [])
    return {name for name in named if isinstance(name, str)} if isinstance(named, list) else set()


def raw_frames(folder: Path) -> dict[str, str]:
    """Read the fingerprints of the raw frames that masks were made from.

    Parameters
    ----------
    folder : Path
        Of the masks.

    Returns
    -------
    dict of str to str
        By file name.
    """
    known = (read_mask_record(folder) or {}).get("raw", {})
    return known if isinstance(known, dict) else {}


# Runs


def describe_run(
    recipes: Sequence[Path],
    models: Sequence[Path] | None,
    device: str,
    configuration: RunConfiguration | None = None,
) -> dict[str, Any]:
    """Collect what is needed to repeat a run.

    Parameters
    ----------
    recipes : sequence of Path
    models : sequence of Path, optional
        Folders of networks, the recipes' own by default; none for a run without networks.
    device : str
        As given on the command line.
    configuration : RunConfiguration, optional
        The workflow's.

    Returns
    -------
    dict
        Fit for JSON: what :func:`efficientcellseg.software.describe_software` says, ``device``,
        ``recipes`` and ``models`` with their hashes, ``seeds`` of simulated data
        sets; with a configuration this itself, the ``frames`` that were run, and the hashes of
        ``zips``.

    Raises
    ------
    InputError
        A recipe that does not load; no frames.
    """
    loaded = {path: load_recipe(path) for path in recipes}
    if models is None:
        models = sorted({recipe.model_dir for recipe in loaded.values() if recipe.model})
    folders = sorted({network for place in models for network in _networks(place)})
    return {
        **describe_software(),
        "device": device_name(device),
        "recipes": {one.name: file_hash(path) for path, one in loaded.items()},
        "seeds": {
            one.name: one.source.seed
            for one in loaded.values()
            if isinstance(one.source, SimulationSource)
        },
        "models": {
            _relative(folder): {
                "sha256": file_hash(folder / WEIGHTS),
                "architecture": (card := read_card(folder)).architecture.model_dump(mode="json"),
                "seed": card.configuration.get("training", {}).get("seed"),
            }
            for folder in folders
        },
        **(_describe_data(configuration, list(loaded.values())) if configuration else {}),
    }


def _describe_data(configuration: RunConfiguration, recipes: Sequence[Recipe]) -> dict[str, Any]:
    """Say what was run, and on which data: the frames of all that are there, hashes of zips."""
    data = Path(configuration.pathvars.data)
    return {
        "configuration": _without_places(configuration.model_dump(mode="json")),
        "frames": {
            entry.name: {
                sequence: {
                    "run": entry.frames(sequence),
                    "there": len(frame_files(data / entry.name / sequence)),
                }
                for sequence in entry.sequences
            }
            for entry in configuration.datasets
        },
        "zips": {
            one.name: one.source.sha256.training or _recorded_hash(data / f"{one.name}.zip")
            for one in recipes
            if isinstance(one.source, ZipSource)
        },
    }


def _recorded_hash(archive: Path) -> str | None:
    """Read what the download has written beside an archive; None if that was not downloaded."""
    record = archive.with_name(f"{archive.name}.sha256")
    words = record.read_text(encoding="utf-8", errors="replace").split() if record.is_file() else []
    return words[0] if words else None


def _without_places(values: Any) -> Any:
    """Make paths in nested values relative to the project's root, to keep machine paths out."""
    if isinstance(values, dict):
        return {key: _without_places(value) for key, value in values.items()}
    if isinstance(values, list):
        return [_without_places(value) for value in values]
    is_place = isinstance(values, str) and Path(values).is_absolute()
    return _relative(Path(values)) if is_place else values


def _networks(folder: Path) -> list[Path]:
    """List the networks in a folder, which may be one itself; a run without networks has none."""
    found = sorted(path.parent for path in folder.glob(f"*/{CARD}"))
    return found or ([folder] if (folder / CARD).is_file() else [])


def _relative(path: Path) -> str:
    """Name a path from the project's root, so that no machine's own paths are told."""
    resolved = path.resolve()
    if resolved.is_relative_to(ROOT):
        return str(resolved.relative_to(ROOT))
    return f"{resolved.parent.name}/{path.name}"
