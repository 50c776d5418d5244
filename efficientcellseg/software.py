"""Which versions are at work, and on what device."""

from __future__ import annotations

import platform
import subprocess
from importlib import metadata
from typing import Any

from efficientcellseg.parameters.locations import ROOT

PACKAGES = (
    *("torch", "timm", "kornia", "numpy", "scipy", "scikit-image", "opencv-python-headless"),
    *("monai", "tifffile", "imagecodecs", "edt", "connected-components-3d", "snakemake"),
    "laptrack",
)


def describe_software() -> dict[str, Any]:
    """Name the versions at work.

    Returns
    -------
    dict
        Fit for JSON: ``commit`` and whether files were ``changed`` since, both None outside of a
        clone, ``python``, ``platform``, ``processor``, ``packages``.
    """
    commit = _git("rev-parse", "HEAD")
    return {
        "commit": commit,
        "changed": commit and bool(_git("status", "--porcelain", "--untracked-files=no")),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "processor": platform.machine(),
        "packages": {name: version for name in PACKAGES if (version := _version(name))},
    }


def device_name(device: str) -> str:
    """Name a device, a GPU by its model.

    Parameters
    ----------
    device : str
        As torch names it.

    Returns
    -------
    str
    """
    try:
        import torch
    except ImportError:
        return device
    if device == "cpu" or not torch.cuda.is_available():
        return "cpu"
    return torch.cuda.get_device_name(None if device == "auto" else device)


def _git(*words: str) -> str | None:
    if not (ROOT / ".git").exists():
        return None  # no clone; one that the program is installed in would not be its own
    try:
        command = ["git", "-C", str(ROOT), *words]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
