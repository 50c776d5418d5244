"""What tests of the workflow share: tiny runs, checkouts of their own, and reading what is told."""

import argparse
import importlib
import re
import shlex
import shutil
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import yaml
from conftest import ROOT

import ctc_eval.cli.main
import efficientcellseg.cli.main

BIN = Path(sys.executable).parent
COPIED = ("Snakefile", "config", "envs", "profiles", "workflow")
LINKED = ("ctc_eval", "efficientcellseg", "resources")


def configure(folder: Path, recipe: Path, networks: Path, **changes) -> Path:
    """Write the configuration of a run on the tiny data set: three frames in two shards."""
    entry = {
        "name": "Tiny",
        "recipe": str(recipe),
        "sequences": {"01": 3},
        "frames_per_shard": 2,
        "parts": [{"frames": "0:2", "note": "seen"}, {"frames": "2:3", "note": "new"}],
    }
    config = {
        "pathvars": {"data": "data", "results": "results"},
        "model": str(networks),
        "device": "cpu",
        "threads": 1,
        "published": str(ROOT / "resources" / "published.csv"),
        "datasets": [{**entry, **changes.pop("dataset", {})}],
    }
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump(config | changes))
    return path


def add_markers(dataset: Path) -> None:
    """Give the tiny data set reference markers, its masks."""
    for path in (dataset / "01_GT" / "SEG").iterdir():
        track = dataset / "01_GT" / "TRA" / path.name.replace("man_seg", "man_track")
        track.parent.mkdir(exist_ok=True)
        shutil.copy(path, track)


def start(
    command: list, folder: Path, timeout: int = 300, **variables: str
) -> subprocess.CompletedProcess:
    """Run a command in a folder, with no variables but those given."""
    return subprocess.run(
        [str(word) for word in command],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=timeout,
        env={"HOME": str(folder), **variables},
        check=False,
    )


def snakemake(
    folder: Path, config: Path, *options: str, timeout: int = 300, **variables: str
) -> subprocess.CompletedProcess:
    """Run this checkout's workflow in a folder. Options start with the targets."""
    where = ["--snakefile", ROOT / "Snakefile", "--configfile", config, "--cores", "2"]
    variables = {"PATH": "/usr/bin:/bin", **variables}
    return start([BIN / "snakemake", *options, *where], folder, timeout, **variables)


def checkout(folder: Path) -> Path:
    """Copy what the workflow is, link what it calls: a checkout that a test may change."""
    for name in COPIED:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, folder / name)
    for name in LINKED:
        (folder / name).symlink_to(ROOT / name)
    return folder


def as_a_user(
    folder: Path, *options: str, before: tuple[str, ...] = (), **variables: str
) -> subprocess.CompletedProcess:
    """Do as a user does in a checkout's folder, with no environment active."""
    variables = {"PATH": "/usr/bin:/bin", **variables}
    return start([*before, BIN / "snakemake", "--cores", "2", *options], folder, **variables)


def told(done: subprocess.CompletedProcess) -> str:
    """Give all that a run told, once it went well."""
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def jobs(done: subprocess.CompletedProcess) -> dict[str, int]:
    """Read how many jobs of each rule are planned."""
    found = re.findall(r"^(\w+) +(\d+)$", told(done), re.MULTILINE)
    return {name: int(count) for name, count in found}


def planned_commands(done: subprocess.CompletedProcess) -> dict[str, list[argparse.Namespace]]:
    """Read the command lines of a dry run with --printshellcmds, as the commands themselves do."""
    programs = {
        "efficientcellseg": {
            name: importlib.import_module(module).add_arguments
            for name, (module, _) in efficientcellseg.cli.main.COMMANDS.items()
        },
        "ctc_eval": {
            name: module.add_arguments for name, (module, _) in ctc_eval.cli.main.COMMANDS.items()
        },
    }
    commands = defaultdict(list)
    for program, line in re.findall(r"python -m (\w+) (.+?) *(?:>|\);|;|2>&1)", told(done)):
        name, *arguments = shlex.split(line)
        parser = argparse.ArgumentParser(exit_on_error=False)
        programs[program][name](parser)
        commands[name].append(parser.parse_args(arguments))
    return commands
