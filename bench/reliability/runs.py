"""Whole runs of `segment`: killed, long, in other threads and shards. Masks must be the same."""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import yaml

from bench.reliability.corpus import RECIPE
from ctc_eval.format import frame_files, leftovers, read_volume, write_volume

ROOT = Path(__file__).resolve().parents[2]
CLASSICAL = ("--method", "classical")
NETWORK = ROOT / "resources" / "weights" / "generalist"
# The command line, with another number of tiles that go through a network at once.
BATCHES = """
import sys
from efficientcellseg.chain import inference
from efficientcellseg.cli.main import main
assert inference.TILES_AT_ONCE
inference.TILES_AT_ONCE = {tiles}
sys.exit(main(sys.argv[1:]))
"""
# Several commands in one process, since torch takes seconds to import.
STEPS = """
import json, sys
from efficientcellseg.cli.main import main
sys.exit(any(main(words) for words in json.loads(sys.argv[1])))
"""


def make_frames(folder: Path, frames: int, seed: int, side: int = 64) -> Path:
    """Write bright disks on noise, one plane a frame, and the recipe that they are cut by."""
    chance = np.random.default_rng(seed)
    rows, columns = np.indices((side, side))
    for frame in range(frames):
        image = chance.uniform(0, 60, (side, side))
        for row, column in chance.uniform(0, side, (6, 2)):
            image[(rows - row) ** 2 + (columns - column) ** 2 < 30] += 150
        write_volume(folder / "01" / f"t{frame:03}.tif", image[None].astype(np.uint8))
    recipe = folder / "Tiny.yaml"
    recipe.write_text(yaml.safe_dump(RECIPE))
    return recipe


def command(dataset: Path, output: Path, *options: str) -> list[str]:
    """Give the command that segments the frames."""
    program = [sys.executable, "-m", "efficientcellseg", "segment", str(dataset), "01"]
    chosen = ["--recipe", str(dataset / "Tiny.yaml"), "--output", str(output), "--device", "cpu"]
    return [*program, *chosen, *options]


def segment(words: Sequence[str], threads: int = 1) -> None:
    """Run a command to its end."""
    variables = {**os.environ, "OMP_NUM_THREADS": str(threads), "PYTHONPATH": str(ROOT)}
    done = subprocess.run(words, capture_output=True, text=True, env=variables, check=False)
    if done.returncode:
        raise AssertionError(f"{' '.join(words)}: {done.stderr[-500:]}")


def hashes(folder: Path) -> dict[str, str]:
    """Hash all masks of a folder."""
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.glob("mask*.tif"))
    }


def staged(dataset: Path, output: Path) -> list[str]:
    """Give the command that segments the frames step by step, into the folder `masks`."""
    recipe, network = ["--recipe", str(dataset / "Tiny.yaml")], ["--model", str(NETWORK)]
    colored, tiles, maps, masks = (
        str(output / name) for name in ("colored", "tiles", "maps", "masks")
    )
    steps = [
        ["pseudocolor", str(dataset), "01", "--output", colored, *recipe],
        ["tile", colored, "--output", tiles, *network, *recipe],
        ["infer", tiles, "--output", maps, *network, "--device", "cpu", *recipe],
        ["label", maps, "--output", masks, *recipe],
    ]
    return [sys.executable, "-c", STEPS, json.dumps(steps)]


def kill(folder: Path, times: int, seed: int, frames: int = 40) -> list[str]:
    """Kill a run at random moments, start it again, and hold the masks to an undisturbed run's."""
    make_frames(folder / "data", frames, seed)
    segment(command(folder / "data", folder / "whole", *CLASSICAL))
    output = folder / "killed"
    words = command(folder / "data", output, *CLASSICAL)
    return _kill(words, output, folder / "whole", output, hashes(folder / "whole"), times, seed)


def kill_staged(folder: Path, times: int, seed: int, frames: int = 6) -> list[str]:
    """Do so with a run step by step, killed in any of them; its masks must be the fused run's."""
    make_frames(folder / "data", frames, seed)
    segment(command(folder / "data", folder / "fused", "--model", str(NETWORK)))
    segment(staged(folder / "data", folder / "whole"))
    if hashes(folder / "whole" / "masks") != hashes(folder / "fused"):
        return ["other masks step by step than fused", "so no run was killed"]
    output = folder / "killed"
    words, expected = staged(folder / "data", output), hashes(folder / "fused")
    return _kill(words, output, folder / "whole", output / "masks", expected, times, seed)


def _kill(
    words: Sequence[str],
    output: Path,
    whole: Path,
    masks: Path,
    expected: Mapping[str, str],
    times: int,
    seed: int,
) -> list[str]:
    """Kill a command time after time, and look at what the next makes.

    A kill comes when some of the files that the `whole` output has are there, and a moment later.
    """
    chance, told, within = random.Random(seed), [], 0
    files = len(_below(whole))
    for number in range(times):
        process = subprocess.Popen(
            words,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)},
            start_new_session=True,
        )
        wanted = chance.randrange(files)
        while process.poll() is None and len(_below(output)) < wanted:
            time.sleep(0.001)
        time.sleep(chance.uniform(0, 0.05))
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        within += hashes(masks).keys() < expected.keys()
        segment(words)
        if hashes(masks) != expected:
            told.append(f"kill {number}: other masks than those of an undisturbed run")
        folders = [output, *(path for path in _below(output) if path.is_dir())]
        if left := [path for place in folders for path in leftovers(place)]:
            told.append(f"kill {number}: {left[0].name} stays")
        shutil.rmtree(output)
    return [f"{times} kills, {within} of them before the last mask, {len(told)} wrong", *told]


def _below(folder: Path) -> list[Path]:
    """List all files and folders that are in a folder now."""
    return [
        Path(place, name)
        for place, folders, files in os.walk(folder)
        for name in (*folders, *files)
    ]


def long_run(folder: Path, frames: int, seed: int) -> list[str]:
    """Segment many frames in this process; tell memory and open files early and at the end."""
    from efficientcellseg.chain.segment import segment_sequence
    from efficientcellseg.methods.classical import Classical
    from efficientcellseg.parameters.recipe import load_recipe

    recipe = Classical.adapt(load_recipe(make_frames(folder / "data", frames, seed)))
    early = frames // 5
    states: dict[int, tuple[float, int]] = {}

    def watch(numbers: Sequence[int]) -> Iterator[int]:
        for number in numbers:
            states[number] = _state()
            yield number

    def load() -> Classical:
        return Classical(recipe, Path(), "cpu")

    files: Mapping[int, Path] = frame_files(folder / "data" / "01")
    segment_sequence(files, folder / "masks", load, recipe, {"method": "x"}, progress=watch)
    (memory, handles), (memory_after, handles_after) = states[early], _state()
    told = [
        f"{frames} frames: {memory:.1f} MiB and {handles} open files at frame {early}, "
        f"{memory_after:.1f} MiB and {handles_after} at the end"
    ]
    if memory_after > memory + 20 or handles_after > handles:
        told.append("memory or open files grow")
    return told


def _state() -> tuple[float, int]:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20, len(list(Path("/proc/self/fd").iterdir()))


def same(folder: Path, seed: int, methods: Iterable[Sequence[str]], frames: int = 4) -> list[str]:
    """Segment twice, in one thread and two, whole and in shards: always the same bytes."""
    make_frames(folder / "data", frames, seed)
    told = []
    for method in methods:
        ways = {
            "once": (1, [()]),
            "again": (1, [()]),
            "two threads": (2, [()]),
            "shards": (1, [("--frames", "0:1"), ("--frames", "1:")]),
        }
        found = {}
        for way, (threads, parts) in ways.items():
            output = folder / f"{'-'.join(method)}-{way}".replace("/", "-")
            for part in parts:
                segment(command(folder / "data", output, *method, *part), threads)
            found[way] = hashes(output)
        other = [way for way in ways if found[way] != found["once"]]
        told.append(f"{' '.join(method)}: {len(ways)} ways, {len(other)} wrong")
        told += [f"{way}: other masks" for way in other]
    return told


def near(folder: Path, seed: int, frames: int = 4) -> list[str]:
    """Segment by other programs than torch, and in other batches: the masks may differ, but little.

    At most one voxel in a thousand may lie in a cell in one mask alone, and the cells of torch's
    masks must overlap with the others' by 0.98 (intersection over union) in the mean.
    """
    make_frames(folder / "data", frames, seed)
    words = command(folder / "data", folder / "torch", "--model", str(NETWORK))
    segment([*words, "--backend", "torch"])
    ways = {
        name: [*command(folder / "data", folder / name, *words[-2:]), "--backend", name]
        for name in ("onnxruntime", "openvino")
        if find_spec(name)
    }
    for tiles in (1, 3):
        plain = command(folder / "data", folder / f"{tiles} at once", *words[-2:])
        start = [plain[0], "-c", BATCHES.format(tiles=tiles)]
        ways[f"{tiles} at once"] = [*start, *plain[3:], "--backend", "torch"]
    told, wrong = [], []
    for way, line in ways.items():
        segment(line)
        apart, overlap = _apart(folder / "torch", folder / way)
        told.append(f"{way}: {apart:.6f} of the voxels differ, overlap of cells {overlap:.4f}")
        if apart > 0.001 or overlap < 0.98:
            wrong.append(f"{way}: too far from torch")
    return ["; ".join(told), *wrong]


def _apart(one: Path, other: Path) -> tuple[float, float]:
    """Give the share of voxels in cells of one mask alone, and the mean overlap of its cells."""
    apart, overlaps = [], []
    for path in sorted(one.glob("mask*.tif")):
        ours, theirs = read_volume(path), read_volume(other / path.name)
        apart.append(np.mean((ours > 0) != (theirs > 0)))
        for label in range(1, int(ours.max()) + 1):
            cell = ours == label
            best = np.bincount(theirs[cell], minlength=2)[1:].argmax() + 1
            overlaps.append((cell & (theirs == best)).sum() / (cell | (theirs == best)).sum())
    return float(np.mean(apart)), float(np.mean(overlaps))
