"""What pyproject.toml asks for is what is imported, and the lock has versions in its ranges."""

import re
import tomllib

import pytest
from packaging.requirements import Requirement
from pins import LOCK, ROOT, canonical, imports

from efficientcellseg import __version__

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]


# What stays a user's choice: large, and nothing else needs it.
OPTIONAL = {"napari"}


def requirements(lines: list[str]) -> dict[str, Requirement]:
    return {canonical(found.name): found for found in map(Requirement, lines)}


BASE = requirements(PROJECT["dependencies"])
# `all` names the other extras, `dev` is for who changes the project.
USED = {name: requirements(EXTRAS[name]) for name in set(EXTRAS) - {"all", "dev"}}
ASKED = {**BASE, **requirements(EXTRAS["dev"])}
ASKED.update({name: one for extra in USED.values() for name, one in extra.items()})


def test_whatever_is_imported_is_asked_for():
    imported = imports("efficientcellseg") | imports("ctc_eval")
    asked = {*BASE, *USED["train"], *USED["onnx"], *USED["track"]}
    assert imported <= asked | USED["napari"].keys()
    # imagecodecs is imported by tifffile, for compressed images.
    assert asked - imported <= {"imagecodecs"}


def test_all_means_every_extra_for_use():
    (everything,) = map(Requirement, EXTRAS["all"])
    assert everything.name == PROJECT["name"]
    assert everything.extras == set(USED)


def test_the_lock_is_made_of_all_extras_but_napari():
    lines = (ROOT / "requirements.in").read_text().splitlines()
    wanted = [line for line in lines if line and not line.startswith("#")]
    extras = re.fullmatch(r"\.\[(.+)\]", wanted[0])[1].split(",")
    assert set(extras) == set(EXTRAS) - {"all", *OPTIONAL}
    assert not {"napari", "magicgui"} & LOCK.keys()
    for line in wanted[1:]:
        assert line in (ROOT / "requirements.lock").read_text().splitlines()
    assert not [version for version in LOCK.values() if "+" in version]


@pytest.mark.parametrize("name", sorted(ASKED.keys() - {"napari", "magicgui"}))
def test_the_locks_version_is_in_the_range(name):
    assert ASKED[name].specifier.contains(LOCK[name])


def test_the_judge_alone_asks_for_the_same_versions():
    path = ROOT / "ctc_eval" / "pyproject.toml"
    judge = tomllib.loads(path.read_text())["project"]
    assert judge["version"] == __version__
    assert judge["requires-python"] == PROJECT["requires-python"]
    assert judge["license"] == PROJECT["license"]
    asked = requirements(judge["dependencies"])
    assert asked == {name: BASE[name] for name in asked}
    assert asked.keys() == imports("ctc_eval") | {"imagecodecs"}
