"""Finds on disk what comes with the program: recipes, scenes, schemas, networks.

In a checkout they lie at its root; in an installed package they lie inside of it, in `_shared`.
"""

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parents[1]
_INSTALLED = _PACKAGE / "_shared"

# Relative paths in recipes, such as a model's, count from here.
ROOT = _INSTALLED if _INSTALLED.is_dir() else _PACKAGE.parent
RECIPES = ROOT / "config" / "datasets"
SCENES = ROOT / "config" / "scenes"
