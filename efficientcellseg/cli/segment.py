"""Frames to masks in one process, for a sequence or for any files."""

from __future__ import annotations

import argparse
import sys
from functools import partial
from pathlib import Path

from efficientcellseg.cli.options import (
    add_device,
    add_frames,
    add_method,
    add_model,
    add_reading,
    add_recipe,
    add_scale_check,
    frames_of,
    is_sequence,
    model_of,
    progress_of,
    reading_of,
    recipe_of,
    where_of,
)
from efficientcellseg.methods import METHODS


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.usage = "efficientcellseg segment INPUT... | DATASET_DIR SEQ [options]"
    parser.description = (
        "Segment microscopy files of any kind: writes labels as TIFF, a table of cells, a "
        "picture, and the plan that was used (estimated from the images unless --recipe is "
        "given). Or segment a sequence in challenge layout, DATASET_DIR/SEQ/tTTT.tif, uint8 or "
        "uint16 (Z, Y, X): writes maskTTT.tif, uint16, 0 is background. Complete masks are "
        "kept, so a run that was stopped continues. Exit code 1 means that the input is at "
        "fault; one line says how."
    )
    parser.add_argument(
        "inputs",
        nargs="+",
        metavar="INPUT",
        help="files (TIFF, OME-TIFF, ImageJ, PNG, JPEG, OME-Zarr, .czi, .nd2, .lif), folders or "
        "patterns; or a data set folder that contains SEQ/tTTT.tif, and a sequence, for "
        "example 01",
    )
    add_frames(parser)
    parser.add_argument(
        "--output",
        type=Path,
        metavar="DIR",
        help="folder for results (default: NAME_cells beside the input, or DATASET_DIR/SEQ_RES)",
    )
    add_recipe(parser)
    add_reading(parser)
    parser.add_argument(
        "--diameter",
        type=float,
        metavar="D",
        help="diameter of the cells, in um if the voxel size is known, otherwise in pixels; for "
        "files without a recipe (default: measured)",
    )
    parser.add_argument(
        "--ctc",
        action="store_true",
        help=("write masks of files in challenge layout, DIR/NAME_RES"),
    )
    parser.add_argument(
        "--track",
        action="store_true",
        help="also link the masks of a sequence through time, as `track` does",
    )
    add_method(parser)
    add_model(parser)
    add_device(parser)
    add_scale_check(parser)
    parser.add_argument("--overwrite", action="store_true", help="replace existing results")


def run(args: argparse.Namespace) -> int:
    """Segment the sequence, or the files."""
    if not is_sequence(args.inputs):
        return _segment_files(args)
    from efficientcellseg.chain.segment import segment_sequence
    from efficientcellseg.methods.scale import plan_scale
    from efficientcellseg.provenance import mask_record
    from efficientcellseg.tracking.sequence import check_laptrack, track_sequence

    if args.track:
        check_laptrack()
    args.dataset_dir, args.sequence = Path(args.inputs[0]), args.inputs[1]
    method = METHODS[args.method]
    recipe = method.adapt(recipe_of(args))
    frames, folder = frames_of(args), args.dataset_dir / args.sequence
    model = model_of(args, recipe)
    how = {**where_of(args), "check": args.scale_check == "on"}
    recipe = plan_scale(recipe, method, model, folder, **how)
    output = args.output or args.dataset_dir / f"{args.sequence}_RES"
    there = [path.stem.removeprefix("mask") for path in output.glob("mask*.tif")]
    segment_sequence(
        frames,
        output,
        partial(method, recipe, model, args.device, recipe.backend),
        recipe,
        mask_record(
            args.method,
            recipe,
            model,
            folder,
            recipe.backend,
            title=method.title,
            run={*frames, *(int(number) for number in there if number.isdecimal())},
        ),
        overwrite=args.overwrite,
        progress=progress_of(args, "segment", "frame"),
    )
    if args.track:
        track_sequence(
            output,
            output,
            recipe.voxel_size,
            recipe.tracking,
            overwrite=args.overwrite,
            progress=progress_of(args, "track", "frame"),
        )
    return 0


def _segment_files(args: argparse.Namespace) -> int:
    """Segment any files."""
    from ctc_eval.format import InputError, parse_frames
    from efficientcellseg.datasets.reading.opening import open_images
    from efficientcellseg.own_data.jobs import make_jobs
    from efficientcellseg.own_data.planning import How, plan_images, tell_plans
    from efficientcellseg.own_data.segmenting import check_output, default_output, segment_images
    from efficientcellseg.parameters.recipe import open_recipe

    if args.track:
        raise InputError(
            f"{args.inputs[0]}: --track with files; expected a sequence in challenge layout: give "
            "--ctc instead, then run efficientcellseg track OUTPUT NAME --recipe OUTPUT/plan.yaml",
            code="track-files",
        )
    how = How(
        method=METHODS[args.method],
        recipe=open_recipe(args.recipe) if args.recipe else None,
        diameter=args.diameter,
        model=args.model,
        **where_of(args),
        check=args.scale_check == "on",
        challenge=args.ctc,
    )
    images = open_images(args.inputs, reading_of(args))
    output = args.output or default_output(args.inputs)
    check_output(output, images, overwrite=args.overwrite)
    frames = parse_frames(args.frames)
    jobs = make_jobs(images, args.channel, frames, progress_of(args, "read", "image"))
    plans = plan_images(jobs, how)
    tell_plans(plans, output)
    found = segment_images(plans, output, how, progress_of(args, "segment", "frame"))
    sys.stdout.write(
        f"{found.frames} frames, {found.cells} cells -> {output}, picture -> {found.picture}\n"
    )
    return 0
