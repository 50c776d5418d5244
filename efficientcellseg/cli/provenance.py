"""Write what a run was made with."""

from __future__ import annotations

import argparse
import json
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.description = (
        "Write a JSON record of how a run was made: versions, device, seeds, SHA-256 of "
        "recipes, weights and zips, its configuration, the frames that were run."
    )
    parser.add_argument("recipes", type=Path, nargs="+", metavar="RECIPE", help="recipe (.yaml)")
    parser.add_argument(
        "--model",
        type=Path,
        nargs="*",
        metavar="DIR",
        help="folders of networks; none for a run without networks (default: the recipes' own)",
    )
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    parser.add_argument(
        "--configuration",
        metavar="JSON",
        help="the workflow's configuration (default: leave out configuration, frames and zips)",
    )
    parser.add_argument("--output", type=Path, required=True, metavar="FILE", help="FILE.json")


def run(args: argparse.Namespace) -> int:
    """Write the file."""
    from ctc_eval.format import atomic
    from efficientcellseg.parameters.reading import check_values
    from efficientcellseg.parameters.run import RunConfiguration
    from efficientcellseg.provenance import describe_run

    configuration = None
    if args.configuration:
        values = json.loads(args.configuration)
        configuration = check_values(values, RunConfiguration, "--configuration")
    contents = describe_run(args.recipes, args.model, args.device, configuration)
    with atomic(args.output) as temporary:
        temporary.write_text(json.dumps(contents, indent=2) + "\n", encoding="utf-8")
    return 0
