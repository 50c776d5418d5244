"""The container's recipe, as far as it can be checked without building it.

test_container_build.py builds it.
"""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from conftest import ROOT


def instructions() -> list[tuple[str, str]]:
    """Read the recipe's instructions, comments left out, continued lines joined."""
    text = (ROOT / "Containerfile").read_text().replace("\\\n", " ")
    lines = [line.strip() for line in text.splitlines()]
    return [
        (line.partition(" ")[0], line.partition(" ")[2].strip())
        for line in lines
        if line and not line.startswith("#")
    ]


def copies() -> list[tuple[str, str]]:
    """List source and target of what is copied."""
    words = [value.split() for name, value in instructions() if name == "COPY"]
    return [(source, target) for *sources, target in words for source in sources]


def test_python_is_that_of_the_environments():
    (base,) = [value for name, value in instructions() if name == "ARG"]
    (image,) = [value for name, value in instructions() if name == "FROM"]
    assert image == "${BASE}"
    version = re.fullmatch(r"BASE=docker\.io/library/python:(\d+\.\d+)-slim", base)[1]
    for path in (ROOT / "envs").glob("*.yaml"):
        assert f"python={version}" in yaml.safe_load(path.read_text())["dependencies"]


def test_what_is_installed_is_the_lock_and_nothing_else():
    names = [name for name, _ in instructions()]
    (run,) = [value for name, value in instructions() if name == "RUN"]
    assert re.fullmatch(r"python -m pip install --no-cache-dir --requirement (\S+)", run)[1] == (
        "requirements.lock"
    )
    first = next(value for name, value in instructions() if name == "COPY")
    assert first.split() == ["requirements.lock", "./"]
    assert names.index("COPY") < names.index("RUN")


def test_nothing_copied_is_kept_from_the_builder():
    ignored = (ROOT / ".dockerignore").read_text().split()
    for source, _ in copies():
        assert (ROOT / source).exists(), source
        assert source not in ignored
        tracked = ["git", "-C", str(ROOT), "ls-files", "--error-unmatch", source]
        done = subprocess.run(tracked, capture_output=True, text=True, check=False)
        if "not a git repository" in done.stderr:
            pytest.skip("no clone: what is tracked cannot be told")
        assert done.returncode == 0, done.stderr


def test_the_workflow_is_copied_with_all_that_it_reads():
    read = {"Snakefile", "config", "envs", "profiles", "resources", "workflow"}
    assert read <= {source for source, _ in copies()}


def test_what_is_copied_is_enough_to_start(tmp_path):
    for source, target in copies():
        if (ROOT / source).is_dir():
            shutil.copytree(ROOT / source, tmp_path / target)
        else:
            shutil.copy(ROOT / source, tmp_path / target)
    command = next(json.loads(value) for name, value in instructions() if name == "ENTRYPOINT")
    options = next(json.loads(value) for name, value in instructions() if name == "CMD")
    path = f"{Path(sys.executable).parent}:/usr/bin:/bin"
    for arguments in (options, ["nowhere", "01"]):
        done = subprocess.run(
            [*command, *arguments],
            cwd=tmp_path,
            env={"PATH": path, "HOME": str(tmp_path)},
            capture_output=True,
            text=True,
            check=False,
        )
        if arguments == options:
            assert done.returncode == 0, done.stderr
            assert "maskTTT.tif" in done.stdout
        else:
            assert (done.returncode, done.stderr.count("\n")) == (1, 1), done.stderr
            assert "nowhere: no recipe of that name" in done.stderr
