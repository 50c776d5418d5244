"""Link the cells of a sequence through time."""

from __future__ import annotations

import argparse
from pathlib import Path

from efficientcellseg.cli.options import add_dataset, add_recipe, progress_of, recipe_of

LINEAGE_PICTURES = (".png", ".svg")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.description = (
        "Link the masks of a sequence, uint16 (Z, Y, X), through time. Each label becomes a "
        "track, and res_track.txt beside the masks lists its label, first frame, last frame and "
        "parent. Existing tracks are kept. Distances are in micrometers, from the recipe's "
        "voxel_size. The recipe's section `tracking` has the parameters; missing ones are "
        "estimated from the masks. Exit code 1 means that the input is at fault; one line says "
        "how."
    )
    add_dataset(parser)
    parser.add_argument(
        "--result", type=Path, metavar="DIR", help="folder of masks (default: DATASET_DIR/SEQ_RES)"
    )
    parser.add_argument(
        "--output",
        type=Path,
        metavar="DIR",
        help="folder for the tracked masks and res_track.txt (default: the folder of the masks, "
        "which are renumbered)",
    )
    add_recipe(parser)
    parser.add_argument(
        "--export",
        type=Path,
        nargs="+",
        default=[],
        metavar="FILE",
        help="also write the tracks for other programs: .csv has a row for each cell and frame, "
        ".xml is for TrackMate",
    )
    parser.add_argument(
        "--picture",
        type=Path,
        metavar="FILE",
        help="draw the lineage trees, as .png or .svg",
    )
    parser.add_argument(
        "--overwrite", action="store_true", help="replace tracks that were made in another way"
    )


def run(args: argparse.Namespace) -> int:
    """Track the sequence."""
    from ctc_eval.format import atomic
    from efficientcellseg.report.lineage import draw_lineages
    from efficientcellseg.tracking.exporting import check_exports, export_tracks
    from efficientcellseg.tracking.sequence import track_sequence

    check_exports(args.export)
    if args.picture:
        check_exports([args.picture], LINEAGE_PICTURES)
    recipe = recipe_of(args)
    result = args.result or args.dataset_dir / f"{args.sequence}_RES"
    objects, tracks = track_sequence(
        result,
        args.output or result,
        recipe.voxel_size,
        recipe.tracking,
        overwrite=args.overwrite,
        progress=progress_of(args, "track", "frame"),
    )
    export_tracks(args.export, objects, tracks)
    if args.picture:
        form = args.picture.suffix.removeprefix(".")
        with atomic(args.picture) as temporary:
            draw_lineages(tracks.rows).savefig(temporary, format=form, dpi=150)
    return 0
