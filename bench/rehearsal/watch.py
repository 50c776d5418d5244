"""Watches a run of the workflow: memory of its jobs and disk of what they make, by rule.

Snakemake measures memory, too, but after the first half minute of a job only twice a minute.
"""

from __future__ import annotations

import os
import re
import threading
from collections import Counter
from pathlib import Path
from types import TracebackType

import psutil

INTERVAL_S = 0.5
# A job's shell redirects into <results>/logs/<RULE>/... or <results>/logs/<RULE>.log.
JOB = re.compile(r"/logs/(\w+)[/.]")
# What lies between the steps, by the folder of a shard.
STEPS = {"pseudocolor": "pseudocolor", "tiles": "tile", "maps": "infer", "masks": "label"}
# Rules whose folder has another name; the folders of methods hold what was gathered.
FOLDERS = {
    "figures": "overlay",
    "models": "train",
    "plans": "plan",
    "recipes": "recipe",
    "report.html": "page",
    "samples": "samples",
    "scores": "score",
    "submission": "submission",
    "submitted": "segment",
    "tables": "table",
    "validation": "validate",
}
PASSING = "all that is temporary"


class Watch:
    """Watches processes that this one starts, and folders, until it is left.

    Attributes
    ----------
    memory_mb : Counter
        By rule, the most that the processes of one of its jobs had at a time.
    disk_mb : Counter
        By rule, the most that lay there at a time of what its jobs made; `PASSING` for samples
        and all between the steps together.
    """

    def __init__(self, data: Path, results: Path) -> None:
        self.data, self.results = data, results
        self.memory_mb: Counter[str] = Counter()
        self.disk_mb: Counter[str] = Counter()
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Watch:
        """Begin."""
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End."""
        self._done.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._done.wait(INTERVAL_S):
            self._look()

    def _look(self) -> None:
        """Take one look; counters keep the most that was seen."""
        for seen, kept in (
            (memory_by_rule(), self.memory_mb),
            (disk_by_rule(self.data, self.results), self.disk_mb),
        ):
            for rule, megabytes in seen.items():
                kept[rule] = max(kept[rule], megabytes)


def memory_by_rule() -> Counter[str]:
    """Find the jobs among the processes below this one; MB of the largest of each rule."""
    found: Counter[str] = Counter()
    for process in psutil.Process().children(recursive=True):
        try:
            rule = JOB.search(" ".join(process.cmdline()))
            parent = process.parent()
            if not rule or (parent and JOB.search(" ".join(parent.cmdline()))):
                continue
            used = peak = 0
            for one in process.children(recursive=True):
                used += one.memory_info().rss
                peak = max(peak, _peak(one.pid))
            found[rule[1]] = max(found[rule[1]], round(max(used, peak) / 1e6))
        except (psutil.Error, OSError):
            continue  # it has just ended
    return found


def _peak(pid: int) -> int:
    """Read the most memory that a process has had so far, in bytes."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    line = re.search(r"^VmHWM:\s+(\d+) kB", status, re.MULTILINE)
    return int(line[1]) * 1024 if line else 0


def rule_of(parts: tuple[str, ...]) -> str:
    """Say which rule made a file, by its path below the results' folder."""
    folder, *rest = parts
    if folder == "work":
        step = next((STEPS[part] for part in rest if part in STEPS), "")
        return "classical" if step == "label" and rest[0].startswith("classical") else step
    return FOLDERS.get(folder, "gather" if any(part.endswith("_RES") for part in rest) else "")


def disk_by_rule(data: Path, results: Path) -> Counter[str]:
    """Measure what lies in both folders, in MB, by the rule that made it."""
    found: Counter[str] = Counter()
    for root, test in ((data, data / "test"), (results, results)):
        for path, size in _files(root):
            if root == data:
                rule = "download_test" if path.is_relative_to(test) else "download"
            else:
                parts = path.relative_to(results).parts
                rule = rule_of(parts)
                found[PASSING] += size * (parts[0] in ("work", "samples"))
            found[rule] += size
    return Counter({rule: round(size / 1e6) for rule, size in found.items() if rule})


def _files(root: Path) -> list[tuple[Path, int]]:
    """List files and the bytes that they take on the disk; those that have just gone are not."""
    found = []
    for folder, _, names in os.walk(root):
        for name in names:
            path = Path(folder, name)
            try:
                found.append((path, path.lstat().st_blocks * 512))
            except FileNotFoundError:
                continue
    return found
