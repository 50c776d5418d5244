"""What a run was made with: versions, device, and the hashes of recipes and weights."""

from __future__ import annotations

import argparse
import json
import platform
import subprocess
from importlib import metadata
from pathlib import Path
from typing import Any

from ctc_eval.format import atomic
from efficientcellseg.networks.folders import CARD, WEIGHTS, file_hash, read_card
from efficientcellseg.parameters.locations import ROOT
from efficientcellseg.parameters.recipe import load_recipe

PACKAGES = (
    *("torch", "timm", "kornia", "numpy", "scipy", "scikit-image", "opencv-python-headless"),
    *("monai", "tifffile", "imagecodecs", "edt", "connected-components-3d", "snakemake"),
)


def describe_run(recipes: list[Path], models: list[Path], device: str) -> dict[str, Any]:
    """Collect what is needed to repeat a run.

    Parameters
    ----------
    recipes : list of Path
    models : list of Path
        Folders of networks; none stands for the recipes' own.
    device : str
        As given on the command line.

    Returns
    -------
    dict
        Fit for JSON: ``commit`` and whether files were ``changed`` since, ``python``,
        ``platform``, ``processor``, ``device``, ``packages``, ``recipes`` and ``models`` with
        their hashes, ``seeds`` of simulated data sets.

    Raises
    ------
    ctc_eval.format.InputError
        A recipe that does not load.
    """
    loaded = {path: load_recipe(path) for path in recipes}
    places = models or sorted({ROOT / recipe.model for recipe in loaded.values()})
    folders = sorted({network for place in places for network in _networks(place)})
    return {
        **describe_software(),
        "device": device_name(device),
        "recipes": {one.name: file_hash(path) for path, one in loaded.items()},
        "seeds": {
            one.name: one.source.get("seed", 0)
            for one in loaded.values()
            if one.source["kind"] == "simulation"
        },
        "models": {
            _relative(folder): {
                "sha256": file_hash(folder / WEIGHTS),
                "architecture": read_card(folder)["architecture"],
            }
            for folder in folders
        },
    }


def describe_software() -> dict[str, Any]:
    """Name the versions at work: ``commit`` and ``changed``, ``python``, ``packages``."""
    commit = _git("rev-parse", "HEAD")
    return {
        "commit": commit,
        "changed": commit and bool(_git("status", "--porcelain", "--untracked-files=no")),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "processor": platform.machine(),
        "packages": {name: version for name in PACKAGES if (version := _version(name))},
    }


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


def _git(*words: str) -> str | None:
    try:
        command = ["git", "-C", str(ROOT), *words]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None  # no git, or no clone
    return done.stdout.strip()


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def device_name(device: str) -> str:
    """Name the device that is meant, the GPU by its model."""
    try:
        import torch
    except ImportError:
        return device
    if device == "cpu" or not torch.cuda.is_available():
        return "cpu"
    return torch.cuda.get_device_name(None if device == "auto" else device)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command line of ``python -m efficientcellseg provenance``."""
    parser.description = (
        "Write what a run was made with as JSON: versions, device, seeds, SHA-256 of recipes "
        "and weights."
    )
    parser.add_argument("recipes", type=Path, nargs="+", metavar="RECIPE", help="recipe (.yaml)")
    parser.add_argument(
        "--model",
        type=Path,
        nargs="+",
        default=[],
        metavar="DIR",
        help="folders of networks (default: the recipes' own)",
    )
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    parser.add_argument("--output", type=Path, required=True, metavar="FILE", help="FILE.json")


def run(args: argparse.Namespace) -> int:
    """Carry out ``python -m efficientcellseg provenance``."""
    contents = describe_run(args.recipes, args.model, args.device)
    with atomic(args.output) as temporary:
        temporary.write_text(json.dumps(contents, indent=2) + "\n", encoding="utf-8")
    return 0
