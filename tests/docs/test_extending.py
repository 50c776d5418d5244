"""docs/extending.md, followed to the letter, a section each in a copy of the project.

A block of code is written to the file that the sentence before it names; a block of changed lines
changes that file; the keys of a block of YAML take the place of those that are there. Then come
the section's commands.
"""

import json
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import yaml
from conftest import ROOT
from extension import copy_project, fenced_blocks, run_there
from toy_sequence import write_toy

from ctc_eval.format import read_volume

PAGE = ROOT / "docs" / "extending.md"
BLOCKS = list(fenced_blocks(PAGE))
SECTIONS = [name for name in dict.fromkeys(one.heading for one in BLOCKS) if name.startswith("A ")]

# All commands of a section in one process, since torch takes seconds to import.
DRIVER = """
import contextlib, io, json, sys

from ctc_eval.cli.main import main as judge
from efficientcellseg.cli.main import main as method

printed = []
for program, *words in json.load(sys.stdin):
    with contextlib.redirect_stdout(io.StringIO()) as out:
        assert {"efficientcellseg": method, "ctc-eval": judge}[program](words) == 0, words
    printed.append(out.getvalue())
json.dump(printed, sys.stdout)
"""

# What a method does with the networks that it runs.
LOADS = """
from pathlib import Path

import torch

from efficientcellseg.networks.loading import load_networks

(network,) = load_networks(Path("results/models/plain"), ("cells",), "cpu", kind="plain")
found = network(torch.rand(2, 3, 64, 64)).shape == (2, 1, 64, 64)
print(network.architecture.title, network.maps, found)
"""


@dataclass(frozen=True)
class Followed:
    """A copy of the project in which a section was followed, and what its commands printed."""

    project: Path
    printed: list[str]

    def masks(self, folder: str) -> list[np.ndarray]:
        return [read_volume(path) for path in sorted((self.project / folder).glob("mask*.tif"))]


def change_lines(text: str, diff: str) -> str:
    """Follow a diff without line numbers; what it does not add must stand there once."""
    for hunk in diff.split("@@\n"):
        lines = [line if line.strip("\n") else " \n" for line in hunk.splitlines(keepends=True)]
        old = "".join(line[1:] for line in lines if line[0] in " -")
        new = "".join(line[1:] for line in lines if line[0] in " +")
        assert text.count(old) == 1, hunk
        text = text.replace(old, new)
    return text


def write(project: Path, section: str) -> list[str]:
    """Write what a section says; give the files of the program and its recipes that it touches."""
    touched = []
    for block in BLOCKS:
        if block.heading != section or not block.language:
            continue
        path = project / block.file
        if block.language == "diff":
            path.write_text(change_lines(path.read_text(), block.text))
        elif path.exists():
            old, new = yaml.safe_load(path.read_text()), yaml.safe_load(block.text)
            path.write_text(yaml.safe_dump({**old, **new}))
            continue
        else:
            path.write_text(block.text)
        touched.append(block.file)
    return touched


def commands(section: str) -> list[list[str]]:
    """List a section's commands."""
    text = "".join(one.text for one in BLOCKS if one.heading == section and not one.language)
    for name, value in re.findall(r"^(\w+)=(\S+)$", text, re.MULTILINE):
        text = text.replace(f"{name}={value}\n", "").replace(f"${name}", value)
    return [shlex.split(line) for line in text.replace("\\\n", "").splitlines()]


def follow(project: Path, section: str) -> Followed:
    """Follow a section in a copy of the project."""
    write(project, section)
    done = subprocess.run(
        [sys.executable, "-c", DRIVER],
        cwd=project,
        input=json.dumps(commands(section)),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return Followed(project, json.loads(done.stdout))


@pytest.fixture(scope="module")
def beads(tmp_path_factory):
    """Follow the first section, which makes the data set of the others."""
    return follow(copy_project(tmp_path_factory.mktemp("beads") / "project"), "A data set")


@pytest.fixture
def followed(beads, tmp_path, request):
    """Follow a section, in a copy that has the data set beside."""
    project = shutil.copytree(beads.project, tmp_path / "project", symlinks=True)
    return follow(project, request.param)


def section(name: str):
    return pytest.mark.parametrize("followed", [name], indirect=True, ids=[""])


def test_every_section_is_followed():
    text = Path(__file__).read_text()
    assert len(SECTIONS) == 6
    assert all(f'"{name}"' in text for name in SECTIONS)


def test_the_page_counts_what_it_shows(tmp_path):
    table = re.findall(
        r"^\| ([a-z ]+) \| [^|]+ \| (\d) \| (.+) \|$", PAGE.read_text(), re.MULTILINE
    )
    told = {name: (int(count), re.findall(r"`([^`]+)`", where)) for name, count, where in table}
    assert {f"A {name}" for name in told} == {*SECTIONS, "A configuration key"}
    project = copy_project(tmp_path / "project")
    for name in SECTIONS:
        # A training that shows a new map or network is no part of it.
        touched = [one for one in write(project, name) if not one.startswith("config/training")]
        count, where = told[name.removeprefix("A ")]
        assert len(touched) == count, name
        assert set(where) <= set(touched)


def test_a_data_set(beads):
    assert [mask.shape for mask in beads.masks("data/Beads/01_RES")] == [(8, 64, 64)] * 2
    assert all(mask.any() for mask in beads.masks("data/Beads/01_RES"))
    assert re.match(r"SEG measure: 0\.[5-9]\d+\nDET measure: ", beads.printed[-1])


@pytest.mark.slow
@section("A map")
def test_a_map(followed):
    for frame in range(2):
        with np.load(followed.project / "out" / "maps" / f"t00{frame}.npz") as maps:
            assert set(maps.files) == {"cells", "borders"}
            assert maps["borders"].shape == (8, 64, 64)
            assert 0 < maps["borders"].min() < maps["borders"].max() < 1
    with np.load(followed.project / "borders.npz") as samples:
        borders, cells = samples["target_borders"], samples["target_cells"]
    # A border has one side in a cell.
    inside = cells[borders > 127] > 127
    assert 0.3 < inside.mean() < 0.9


@section("A labeling")
def test_a_labeling(followed, tmp_path):
    for mask in followed.masks("out/share"):
        # A tenth, but for pieces under the recipe's size, and with holes filled.
        assert 0.05 < (mask > 0).mean() < 0.11
    maps = tmp_path / "maps"
    maps.mkdir()
    cells = np.linspace(0, 1, 40, dtype=np.float32).reshape(1, 4, 10)
    np.savez(maps / "t000.npz", cells=cells)
    options = ("--output", tmp_path / "out", "--recipe", "config/datasets/Beads.yaml")
    run_there(followed.project, "efficientcellseg", "label", maps, *options)
    np.testing.assert_array_equal(read_volume(tmp_path / "out" / "mask000.tif"), cells > 0.9)


@pytest.mark.slow
@section("A network")
def test_a_network(followed):
    card = yaml.safe_load((followed.project / "results/models/plain/model.yaml").read_text())
    assert card["architecture"] == {
        **{"kind": "plain", "maps": ["cells"], "width": 4, "input_size": 64}
    }
    assert card["parameters"] == (3 * 9 + 1) * 4 + 4 * 9 + 1
    (followed.project / "loads.py").write_text(LOADS)
    assert run_there(followed.project, "loads") == "plain ('cells',) True\n"


@section("A method")
def test_a_method(followed):
    masks = followed.masks("out/brightest")
    assert len(masks) == 2
    for frame, mask in enumerate(masks):
        volume = read_volume(followed.project / "data" / "Beads" / "01" / f"t00{frame}.tif")
        # A tenth is found, but for pieces under the recipe's size, and with holes filled.
        assert 0.05 < (mask > 0).mean() < 0.15
        assert volume[mask > 0].mean() > 1.5 * volume[mask == 0].mean()


@section("A measure")
def test_a_measure(followed, tmp_path):
    score, benchmark, table = followed.printed
    assert list(json.loads(score)) == ["SEG", "PESEG", "Found"]
    found = json.loads(score)["Found"]
    assert f"Found measure: {found:.6f}\n" in benchmark
    head, _, row = table.splitlines()[2:]  # below the sentence that says where it was measured
    assert head.split()[-3:] == ["Found", "origin", "reference"]
    assert f"  {found:.2f}  measured" in row
    # By hand: of two reference objects, one is matched.
    command = ("ctc_eval", "score", write_toy(tmp_path), "01", "--measures", "Found")
    assert run_there(followed.project, *command) == "Found measure: 0.500000\n"
    told = run_there(followed.project, "ctc_eval", "score", "--help")
    assert "PESEG, Found" in " ".join(told.split())


@pytest.mark.slow
def test_the_projects_own_tests_pass_with_all_of_it(tmp_path):
    project = copy_project(tmp_path / "project")
    touched = [file for name in SECTIONS for file in write(project, name)]
    run_there(project, "efficientcellseg", "schemas")
    rooms = ("maps", "labelings", "methods", "parameters")
    places = ("tests/ctc_eval/measures", *(f"tests/efficientcellseg/{room}" for room in rooms))
    chosen = ("-k", "registry or schemas or house or recipe", "tests/test_house.py", *places)
    printed = run_there(project, "pytest", "-vv", "-p", "no:cacheprovider", *chosen)
    for name in ("borders", "brightest"):
        assert f"[{name}] PASSED" in printed
    code = [file for file in touched if file.endswith(".py")]
    run_there(project, "ruff", "check", *code)
    run_there(project, "ruff", "format", "--check", *code)
