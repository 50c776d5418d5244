"""Rehearses the benchmark at real size, on stand-ins of the challenge's zips: `make rehearsal`.

Makes the zips, serves them over HTTPS on this machine, and does as a stranger would in a fresh
copy of the project: config/config.yaml and config/paper.yaml, the latter with next to no
training, from the download to the submission, whose scripts then run elsewhere with the network
off. Ends with exit code 0 where all of that went well, and tells seconds, memory and disk by rule.
"""

from __future__ import annotations

import argparse
import logging
import os
import shutil
import sys
import time
from pathlib import Path

from bench.rehearsal.budget import write_budget
from bench.rehearsal.report import RuleCost, costs, describe, write_csv
from bench.rehearsal.server import serve
from bench.rehearsal.stand_ins import REAL, StandIn, stand_ins, write_zips
from bench.rehearsal.stranger import check_table, copy_project, run_scripts, run_workflow
from bench.rehearsal.watch import Watch

log = logging.getLogger("bench.rehearsal")


def parse(words: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.rehearsal", description=__doc__)
    parser.add_argument(
        "--frames",
        type=lambda word: None if word == "all" else int(word),
        default=2,
        help="frames of a sequence, 2 or more, since training holds one out, or all (default: 2)",
    )
    parser.add_argument("--size", choices=["real", "small"], default="real")
    parser.add_argument("--cores", default="all", help="of Snakemake (default: all)")
    parser.add_argument(
        "--configurations", nargs="+", default=["config", "paper"], help="of config/, run in turn"
    )
    parser.add_argument(
        "--datasets",
        nargs="+",
        choices=[one.name for one in REAL],
        default=[one.name for one in REAL],
        metavar="NAME",
        help="some of the three (default: all)",
    )
    parser.add_argument("--output", type=Path, default=Path("results/rehearsal"))
    parser.add_argument("--keep", action="store_true", help="keep zips, data and results")
    return parser.parse_args(words)


class Rehearsal:
    """A rehearsal in a folder; what it measured."""

    def __init__(self, folder: Path, ones: list[StandIn], *, small: bool, cores: str) -> None:
        self.folder, self.ones, self.small, self.cores = folder, ones, small, cores
        self.phases: list[tuple[str, float]] = []
        self.costs: list[RuleCost] = []
        self.watched: dict[str, Watch] = {}
        self.tables: dict[str, Path] = {}

    def clock(self, name: str, begun: float) -> None:
        """Note how long a phase took."""
        self.phases.append((name, time.perf_counter() - begun))
        log.info("%s: %.0f s", *self.phases[-1])

    def run(self, checkout: Path, name: str, address: str, certificates: Path) -> None:
        """Run a configuration, from the download to the submission's scripts."""
        begun = time.perf_counter()
        file, values = write_budget(checkout, name, self.ones, small=self.small)
        data, results = (checkout / values["pathvars"][key] for key in ("data", "results"))
        files = [f"config/{name}.yaml", file.name]
        targets = ["all", "tables", "submission"]
        options = [*targets, "--cores", self.cores, "--configfile", *files]
        with Watch(data, results) as watched:
            run_workflow(checkout, options, self.folder / f"{name}.log", address, certificates)
        self.clock(f"{name}: download to submission", begun)
        text = check_table(results, values)
        shutil.copy(text, self.folder / f"{name}.txt")
        self.tables[name], self.watched[name] = self.folder / f"{name}.txt", watched
        self.costs += costs(name, results, watched)
        begun = time.perf_counter()
        # Snakemake gives a job no more threads than there are cores.
        cores = os.cpu_count() if self.cores == "all" else int(self.cores)
        threads = min(values["threads"], cores or 1)
        elsewhere = self.folder / "elsewhere" / name
        run_scripts(results / "submission", data / "test", elsewhere, threads)
        self.clock(f"{name}: the submission's scripts", begun)


def main(words: list[str] | None = None) -> int:
    """Rehearse."""
    args = parse(words)
    small = args.size == "small"
    ones = [one for one in stand_ins(small=small, frames=args.frames) if one.name in args.datasets]
    folder = args.output.resolve()
    made = [folder / name for name in ("zips", "certificates", "project", "elsewhere")]
    for path in made:
        shutil.rmtree(path, ignore_errors=True)
    rehearsal = Rehearsal(folder, ones, small=small, cores=args.cores)
    zips, certificates, project, _ = made
    begun = time.perf_counter()
    for one in ones:
        write_zips(one, zips)
    rehearsal.clock("stand-ins", begun)
    checkout = copy_project(project)
    with serve(zips, certificates) as (address, trusted):
        for name in args.configurations:
            rehearsal.run(checkout, name, address, trusted)
    title = f"Rehearsal: {args.frames or 'all'} frames a sequence, {args.size} size"
    measured = rehearsal.costs, rehearsal.watched, rehearsal.phases, rehearsal.tables
    report = describe(title, *measured)
    (folder / "report.md").write_text(report, encoding="utf-8")
    write_csv(folder / "report.csv", rehearsal.costs)
    sys.stdout.write(report)
    if not args.keep:
        for path in made:
            shutil.rmtree(path, ignore_errors=True)
    return 0


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    sys.exit(main())
