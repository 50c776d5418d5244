"""Does what a stranger does with the project: a copy of it, the workflow, the packed scripts."""

from __future__ import annotations

import csv
import json
import logging
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

log = logging.getLogger("bench.rehearsal")

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
# Python without a network, where the system gives no namespace of its own.
BLOCKED = """
import socket

def refuse(*args, **kwargs):
    raise OSError("network is unreachable: this is a rehearsal")

socket.socket.connect = socket.getaddrinfo = refuse
"""


def copy_project(folder: Path) -> Path:
    """Copy what git knows of the project, and what is new and not ignored: a fresh clone of it."""
    listing = ["git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others"]
    done = subprocess.run([*listing, "--exclude-standard"], check=True, capture_output=True)
    for name in filter(None, done.stdout.decode().split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    return folder


def run_workflow(
    checkout: Path, options: list[str], logged: Path, address: str, certificates: Path
) -> None:
    """Run Snakemake in a copy, whose own source and whose mirror it takes.

    Raises
    ------
    SystemExit
        It failed; its log is named.
    """
    command = [str(BIN / "snakemake"), *options]
    log.info("%s", " ".join(command))
    variables = {
        **os.environ,
        "PYTHONPATH": str(checkout),
        "EFFICIENTCELLSEG_MIRROR": address,
        "SSL_CERT_FILE": str(certificates),
        "no_proxy": "127.0.0.1",
    }
    with logged.open("w", encoding="utf-8") as file:
        done = subprocess.run(
            command, cwd=checkout, env=variables, stdout=file, stderr=file, check=False
        )
    if done.returncode:
        tail = "\n".join(logged.read_text(encoding="utf-8").splitlines()[-30:])
        raise SystemExit(f"{tail}\n{logged}: the workflow failed, see there")


def check_table(results: Path, configuration: dict[str, Any]) -> Path:
    """Hold the table to what was to be run: a measured row a sequence and method, at least."""
    table = results / "tables" / "benchmark.csv"
    with table.open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["origin"].startswith("measured")]
    found = {(row["dataset"], row["sequence"]) for row in rows}
    wanted = {
        (entry["name"], sequence)
        for entry in configuration["datasets"]
        for sequence in entry["sequences"]
    }
    if not found >= wanted or len(rows) < len(wanted) * len(configuration["methods"]):
        raise SystemExit(f"{table}: {len(rows)} rows of {sorted(found)}; expected {sorted(wanted)}")
    return table.with_suffix(".txt")


def without_network(folder: Path) -> tuple[list[str], dict[str, str]]:
    """Give what to put before a command, and its variables, so that it has no network."""
    for prefix in (["unshare", "--net"], ["unshare", "--net", "--map-root-user"]):
        try:
            subprocess.run([*prefix, "true"], check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError):
            continue
        return prefix, {}
    blocker = folder / "no-network"
    blocker.mkdir(parents=True, exist_ok=True)
    (blocker / "sitecustomize.py").write_text(BLOCKED, encoding="utf-8")
    return [], {"PYTHONPATH": str(blocker)}


def run_scripts(submission: Path, data: Path, elsewhere: Path, threads: int) -> dict[str, float]:
    """Run a submission's scripts in another place, with the network off.

    Parameters
    ----------
    submission : Path
        Is moved there.
    data : Path
        The folder of the test sequences.
    elsewhere : Path
    threads : int
        As many as the packed masks were made with: sums of float32 are rounded otherwise with
        others, which shows where a network is undecided.

    Returns
    -------
    dict of str to float
        Seconds by script.

    Raises
    ------
    SystemExit
        A script failed, or its masks are not the packed ones.
    """
    shutil.rmtree(elsewhere, ignore_errors=True)
    elsewhere.parent.mkdir(parents=True, exist_ok=True)
    shutil.move(submission, elsewhere)
    manifest = json.loads((elsewhere / "SW" / "manifest.json").read_text(encoding="utf-8"))
    before, variables = without_network(elsewhere.parent)
    seconds = {}
    for one in manifest["sequences"]:
        script, result = elsewhere / one["script"], elsewhere / one["result"]
        raw = Path(one["dataset"], one["sequence"])
        shutil.copytree(data / raw, elsewhere / raw, copy_function=os.link)
        packed = result.with_name("packed")
        result.rename(packed)
        begun = time.perf_counter()
        done = subprocess.run(
            [*before, f"./{script.name}"],
            cwd=script.parent,
            env={
                "PATH": f"{BIN}:/usr/bin:/bin",
                "HOME": str(elsewhere),
                "OMP_NUM_THREADS": str(threads),
                **variables,
            },
            capture_output=True,
            text=True,
            check=False,
        )
        seconds[script.name] = time.perf_counter() - begun
        if done.returncode:
            raise SystemExit(f"{script}: exit code {done.returncode}\n{done.stderr}")
        names = {path.name for folder in (packed, result) for path in folder.glob("mask*.tif")}
        for name in names:
            if (packed / name).read_bytes() != (result / name).read_bytes():
                raise SystemExit(f"{result / name}: differs from the packed one")
        log.info("%s: %d masks as packed, %.0f s", script.name, len(names), seconds[script.name])
        shutil.rmtree(packed)
    return seconds
