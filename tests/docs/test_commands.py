"""The manuals' commands, run: each page from top to bottom, in a copy of the project.

One rule, :func:`left_out`, says what is left out. Trainings stop after two steps. make only lists
what it would do, and pytest what it would test.
"""

import re
import shlex
import shutil
import subprocess
import sys
from itertools import chain
from pathlib import Path

import numpy as np
import pytest
import tifffile
from conftest import ROOT
from extension import copy_project, run_there
from manuals import MANUALS, Recorder, command_blocks
from simulated import small

from ctc_eval.format import write_labels, write_volume

pytestmark = pytest.mark.slow

REAL_DATA = re.compile(r"\b(BBBC050|Fluo-\w+-\w+|DSB2018|DSB-val)|^ecs_")
REAL_FOLDER = re.compile(r"^(data/(test/)?)?(BBBC050|Fluo-[\w-]+)$|^ecs_")
TRAINING = {"training.epochs=1", "training.steps=2", "training.batch=2"}


def left_out(program: str, *words: str) -> str:
    """Say why a call is not run here; empty where it is.

    Left out are calls that need real images, the authors' networks or a window, or that have a
    placeholder for something that only the reader has. tests/workflow makes runs of Snakemake,
    tests/packaging installs with pip.
    """
    if program in ("snakemake", "pip"):
        return "a test of its own"
    if words[0] != "recipe" and any(REAL_FOLDER.search(word) for word in words):
        return "real data"
    trainings = [ROOT / word for word in words if re.match("config/(training|ablation)/", word)]
    if any(REAL_DATA.search(path.read_text()) for path in trainings):
        return "real data"
    if words[0] == "view":
        return "a window"
    if {"FILE", "DIR", "CHANGES"} & {*words}:
        return "a placeholder"
    return ""


@pytest.fixture
def project(tmp_path):
    """Copy the project, and lay out what readers of the manuals have."""
    folder = copy_project(tmp_path / "project")
    for name in ("Makefile", "profiles", "envs", "run_seq.sh", "requirements.lock", "README.md"):
        (folder / name).symlink_to(ROOT / name)
    frames = list(small("tric", frames=2))
    for number, (raw, labels) in enumerate(frames):
        write_volume(folder / "MyData" / "01" / f"t00{number}.tif", raw)
        write_labels(folder / "MyData" / "01_GT" / "SEG" / f"man_seg00{number}.tif", labels)
        write_labels(folder / "MyData" / "01_RES" / f"mask00{number}.tif", labels)
        for place, values in (("images", raw), ("painted", labels)):
            save(folder / place / f"cells_t{number}.tif", values)
    save(folder / "embryo.tif", frames[0][0])
    for place in ("more", "new"):
        save(folder / place / "other.tif", frames[1][0])
    score = folder / "results/demo/scores/one/MyData/01.json"
    run_there(folder, "ctc_eval", "score", "MyData", "01", "--output", score)
    return folder


def save(path: Path, volume: np.ndarray) -> None:
    """Write an ImageJ stack, with axes and voxel size."""
    path.parent.mkdir(exist_ok=True)
    about = {"axes": "ZYX", "spacing": 1.0, "unit": "um"}
    tifffile.imwrite(path, volume, imagej=True, metadata=about, resolution=(1, 1))


def as_run_here(program: str, *words: str) -> list[str]:
    """Give the command that stands for a call."""
    python = [sys.executable, "-m"]
    if program == "efficientcellseg" and words[0] == "train":
        return [*python, program, *words, "--set", *TRAINING]
    if program == "ctc-eval":
        files = [sorted(map(str, Path().glob(word))) if "*" in word else [word] for word in words]
        return [*python, "ctc_eval", *chain.from_iterable(files)]
    if program == "pytest" or words[:2] == ("-m", "pytest"):
        return [*python, "pytest", "--collect-only", *words[2 * (program != "pytest") :]]
    if program == "run_seq.sh":
        return ["./run_seq.sh", *words]
    if program == "make":
        return ["make", "--dry-run", *words]
    return [*python, program, *words]


@pytest.mark.parametrize("page", [page for page in MANUALS if command_blocks(page)])
def test_commands_run(page, project, tmp_path, monkeypatch):
    monkeypatch.chdir(project)
    monkeypatch.setenv("PYTHONPATH", str(project))
    recorder = Recorder(tmp_path / "recorder")
    calls = [call for text in command_blocks(page) for call in recorder.calls(text)]
    for call in calls:
        if left_out(*call) or (call[0] == "make" and not shutil.which("make")):
            continue
        done = subprocess.run(as_run_here(*call), capture_output=True, text=True, check=False)
        assert done.returncode == 0, (
            f"{shlex.join(call)}\n{done.stdout[-2000:]}{done.stderr[-2000:]}"
        )


def test_little_is_left_out(tmp_path):
    recorder = Recorder(tmp_path)
    blocks = [text for page in MANUALS for text in command_blocks(page)]
    calls = [call for text in blocks for call in recorder.calls(text)]
    reasons = [left_out(*call) for call in calls]
    assert {*reasons} == {"", "real data", "a window", "a placeholder", "a test of its own"}
    rest = [reason for reason in reasons if reason != "a test of its own"]
    assert rest.count("") > len(rest) / 2
