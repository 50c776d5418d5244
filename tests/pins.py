"""Which versions are pinned, and which distributions the packages import."""

import ast
import re
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def canonical(name: str) -> str:
    """Spell a distribution's name the one way."""
    return re.sub(r"[-_.]+", "-", name).lower()


def pins(text: str) -> dict[str, str]:
    """Read the lines NAME==VERSION of a lock, a list of pip, or an environment of conda."""
    found = re.findall(r"^[\s-]*([A-Za-z0-9._-]+)==(\S+)$", text, re.MULTILINE)
    return {canonical(name): version for name, version in found}


LOCK = pins((ROOT / "requirements.lock").read_text())


def imports(package: str) -> set[str]:
    """List the distributions that a package's modules import, anywhere in them."""
    modules = set()
    for path in (ROOT / package).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                modules |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                modules.add(node.module.partition(".")[0])
    modules -= {*sys.stdlib_module_names, "ctc_eval", "efficientcellseg"}
    known = packages_distributions() | {"pydantic_core": ["pydantic"]}  # its one half
    known = {"napari": ["napari"], "magicgui": ["magicgui"], **known}  # need not be installed
    return {canonical(known[module][0]) for module in modules}
