"""Writes what a rehearsal measured: seconds, memory and disk by rule, as Markdown and CSV."""

from __future__ import annotations

import csv
import os
from collections import defaultdict
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from bench.rehearsal.watch import PASSING, Watch


@dataclass(frozen=True)
class RuleCost:
    """What the jobs of a rule took in a run."""

    run: str
    rule: str
    jobs: int
    seconds: float  # of all of them together
    longest: float
    memory_mb: int  # of the largest
    disk_mb: int  # of what they made, the most at a time


def costs(run: str, results: Path, watched: Watch) -> list[RuleCost]:
    """Read Snakemake's benchmarks of a run, and join what was watched."""
    seconds: dict[str, list[float]] = defaultdict(list)
    memory: dict[str, float] = defaultdict(float)
    for path in sorted((results / "benchmarks").rglob("*.tsv")):
        rule = path.relative_to(results / "benchmarks").parts[0].removesuffix(".tsv")
        test = "test" in path.parent.name
        rule += "_test" * (rule == "download" and test)
        with path.open(encoding="utf-8") as file:
            for row in csv.DictReader(file, delimiter="\t"):
                seconds[rule].append(float(row["s"]))
                if row["max_rss"] not in ("NA", "-"):
                    memory[rule] = max(memory[rule], float(row["max_rss"]))
    return [
        RuleCost(
            run,
            rule,
            len(taken),
            round(sum(taken), 1),
            round(max(taken), 1),
            max(round(memory[rule]), watched.memory_mb[rule]),
            watched.disk_mb[rule],
        )
        for rule, taken in sorted(seconds.items(), key=lambda item: -sum(item[1]))
    ]


def write_csv(path: Path, found: list[RuleCost]) -> None:
    """Write a line for each rule of each run."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(RuleCost.__annotations__), lineterminator="\n")
        writer.writeheader()
        writer.writerows(asdict(one) for one in found)


def _table(header: list[str], rows: list[list[object]]) -> list[str]:
    """Make the lines of a Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return [f"| {' | '.join(map(str, line))} |" for line in lines] + [""]


def describe(
    title: str,
    found: list[RuleCost],
    watched: dict[str, Watch],
    phases: list[tuple[str, float]],
    tables: dict[str, Path],
) -> str:
    """Write the report as Markdown: phases, rules of each run, and its table of scores."""
    memory = psutil.virtual_memory().total / 1e9
    lines = [f"# {title}", "", f"{os.cpu_count()} cores, {memory:.0f} GB of memory.", ""]
    lines += _table(["phase", "seconds"], [[name, f"{taken:.0f}"] for name, taken in phases])
    header = ["rule", "jobs", "seconds", "longest", "memory, MB", "disk, MB"]
    for run, watch in watched.items():
        rows: list[list[object]] = [
            [one.rule, one.jobs, one.seconds, one.longest, one.memory_mb, one.disk_mb]
            for one in found
            if one.run == run
        ]
        rows.append([PASSING, "", "", "", "", watch.disk_mb[PASSING]])
        lines += [f"## {run}", "", *_table(header, rows)]
        lines += ["```text", tables[run].read_text(encoding="utf-8").rstrip(), "```", ""]
    return "\n".join(lines)
