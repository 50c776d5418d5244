"""The package: what is in the wheel, and that it works installed, away from this folder."""

import email
import subprocess
import sys
import tomllib
import zipfile
from configparser import ConfigParser
from importlib.metadata import distribution
from pathlib import Path

import pytest
from conftest import ROOT, offline, write_tiny
from packaging.requirements import Requirement
from pins import canonical

from ctc_eval.format import read_volume
from efficientcellseg import __version__

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
SHARED = "efficientcellseg/_shared"

pytestmark = pytest.mark.slow


def run(*command: object, cwd: Path, **variables: str) -> str:
    done = subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        env={"PATH": "/usr/bin:/bin", "HOME": str(cwd), **variables},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Build the wheel with the pinned tools, without a network."""
    folder = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-cache-dir", "wheel"]
    run(*pip, "--no-deps", "--no-index", "--no-build-isolation", "-w", folder, ROOT, cwd=folder)
    (path,) = folder.iterdir()
    return path


def test_all_that_the_program_reads_is_inside(wheel):
    packages = [
        path for name in ("ctc_eval", "efficientcellseg") for path in (ROOT / name).rglob("*.py")
    ]
    expected = {str(path.relative_to(ROOT)): path for path in packages}
    folders = ("config/datasets", "config/scenes", "config/schemas", "config/training", "resources")
    for folder in folders:
        files = [path for path in (ROOT / folder).rglob("*") if path.is_file()]
        assert files
        expected |= {f"{SHARED}/{path.relative_to(ROOT)}": path for path in files}
    for path in (ROOT / "efficientcellseg" / "report" / "templates").iterdir():
        expected[str(path.relative_to(ROOT))] = path
    expected["efficientcellseg/napari.yaml"] = ROOT / "efficientcellseg" / "napari.yaml"
    expected[f"{SHARED}/config/challenge.yaml"] = ROOT / "config" / "challenge.yaml"
    notes = f"efficientcellseg-{__version__}.dist-info"
    with zipfile.ZipFile(wheel) as archive:
        assert archive.testzip() is None
        inside = {name for name in archive.namelist() if not name.startswith(f"{notes}/")}
        # Nothing more: no tests, no workflow, nothing that Python compiled.
        assert inside == expected.keys()
        for name, path in expected.items():
            assert archive.read(name) == path.read_bytes(), name
        assert archive.read(f"{notes}/licenses/LICENSE") == (ROOT / "LICENSE").read_bytes()
    assert {
        f"{SHARED}/config/datasets/paper/Fluo-N3DL-TRIC.yaml",
        f"{SHARED}/resources/weights/generalist/weights.safetensors",
        f"{SHARED}/resources/published.csv",
        f"{SHARED}/resources/submission/Makefile",
    } <= inside
    assert wheel.stat().st_size < 30e6


def test_the_metadata_are_the_projects(wheel):
    notes = f"efficientcellseg-{__version__}.dist-info"
    with zipfile.ZipFile(wheel) as archive:
        told = email.message_from_bytes(archive.read(f"{notes}/METADATA"))
        commands = ConfigParser()
        commands.read_string(archive.read(f"{notes}/entry_points.txt").decode())
    assert wheel.name == f"efficientcellseg-{__version__}-py3-none-any.whl"
    assert (told["Name"], told["Version"]) == ("efficientcellseg", __version__)
    assert (told["Requires-Python"], told["License-Expression"]) == (">=3.11", "BSD-3-Clause")
    assert {canonical(name) for name in told.get_all("Provides-Extra")} == set(
        PROJECT["optional-dependencies"]
    )
    asked = {Requirement(line) for line in told.get_all("Requires-Dist")}
    base = {Requirement(line) for line in PROJECT["dependencies"]}
    assert {one for one in asked if one.marker is None} == base
    assert dict(commands["console_scripts"]) == PROJECT["scripts"]


def needed(names: list[str]) -> set[str]:
    """List some distributions, and those that they need, and so on."""
    found: set[str] = set()
    ahead = list(names)
    while ahead:
        name = canonical(ahead.pop())
        if name in found:
            continue
        found.add(name)
        asked = map(Requirement, distribution(name).requires or [])
        ahead += [
            one.name for one in asked if one.marker is None or one.marker.evaluate({"extra": ""})
        ]
    return found


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """Install the wheel into an environment that has its dependencies but not its extras."""
    folder = tmp_path_factory.mktemp("environment")
    run(sys.executable, "-m", "venv", "--without-pip", folder, cwd=folder)
    python = folder / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", python]
    run(*pip, "install", "--no-deps", "--no-index", wheel, cwd=folder)
    (packages,) = folder.glob("lib/python*/site-packages")
    base = needed([Requirement(line).name for line in PROJECT["dependencies"]])
    assert base.isdisjoint({"kornia", "monai", "onnx", "onnxruntime", "snakemake"})
    for found in map(distribution, base):
        for name in {file.parts[0] for file in found.files} - {"..", "__pycache__"}:
            if not (packages / name).exists():
                (packages / name).symlink_to(found.locate_file(name))
    return folder / "bin"


def test_it_runs_from_an_empty_folder(installed, tmp_path):
    code = "import ctc_eval, efficientcellseg; print(ctc_eval.__file__, efficientcellseg.__file__)"
    for file in run(installed / "python", "-c", code, cwd=tmp_path).split():
        assert Path(file).is_relative_to(installed.parent)
    for command in ("efficientcellseg", "ctc-eval"):
        told = run(installed / command, "--version", cwd=tmp_path)
        assert told.split() == [command, __version__]
        assert "usage: " + command in run(installed / command, "--help", cwd=tmp_path)


def test_masks_are_those_of_the_checkout_and_are_scored(installed, tmp_path):
    # Named like a shipped recipe, which is then found inside the package, and its network, too.
    elsewhere, here = tmp_path / "elsewhere", tmp_path / "here"
    for folder in (elsewhere, here):
        write_tiny(folder / "BBBC050")
    before, variables = offline(tmp_path)
    arguments = ["segment", "BBBC050", "01", "--device", "cpu"]
    run(*before, installed / "efficientcellseg", *arguments, cwd=elsewhere, **variables)
    checkout = {"PYTHONPATH": str(ROOT)}
    run(sys.executable, "-m", "efficientcellseg", *arguments, cwd=here, **checkout)
    names = [f"mask00{frame}.tif" for frame in range(3)]
    for name in names:
        made, expected = (folder / "BBBC050" / "01_RES" / name for folder in (elsewhere, here))
        assert made.read_bytes() == expected.read_bytes()
        assert read_volume(made).any()

    score = ["ctc-eval", "score", "BBBC050", "01", "--measures", "SEG"]
    told = run(*before, installed / score[0], *score[1:], cwd=elsewhere, **variables)
    assert told.startswith("SEG measure: ")
    assert told == run(sys.executable, "-m", "ctc_eval", *score[1:], cwd=here, **checkout)
