"""Look at a frame in napari: raw, pseudocolor, maps, labels, reference."""

from __future__ import annotations

import argparse
from pathlib import Path

from efficientcellseg.cli.options import (
    add_device,
    add_method,
    add_model,
    add_reading,
    add_recipe,
    is_known,
    is_sequence,
    progress_of,
    reading_of,
    where_of,
)
from efficientcellseg.methods import METHODS


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.description = (
        "Open a frame in napari (pip install 'efficientcellseg[napari]'): raw channels, "
        "pseudocolor, maps, cells, reference, and tracks if there are any. The cells come "
        "from an earlier run or are segmented now."
    )
    parser.add_argument(
        "inputs",
        nargs="+",
        metavar="INPUT",
        help=(
            "as for segment: files, or a data set folder and a sequence; the first image is shown"
        ),
    )
    parser.add_argument("--frame", type=int, default=0, metavar="T", help="time point (default: 0)")
    parser.add_argument(
        "--result", type=Path, metavar="DIR", help="folder of results (default: as for segment)"
    )
    parser.add_argument(
        "--screenshot",
        type=Path,
        metavar="FILE",
        help="write a picture of the window, then exit",
    )
    add_recipe(parser)
    add_reading(parser)
    add_method(parser)
    add_model(parser)
    add_device(parser)


def run(args: argparse.Namespace) -> int:
    """Show the frame."""
    from ctc_eval.format import InputError

    try:
        import napari
    except ImportError:
        raise InputError(
            "napari is not installed; view needs it: pip install 'efficientcellseg[napari]'",
            code="napari-missing",
        ) from None
    layers = layers_of(args)
    viewer = napari.Viewer(title="EfficientCellSeg", ndisplay=2)
    for data, options, kind in layers:
        viewer.add_layer(napari.layers.Layer.create(data, options, kind))
    viewer.dims.set_current_step(viewer.dims.ndim - 3, layers[0][0].shape[0] // 2)
    if viewer.dims.ndim > 3:  # tracks have time
        viewer.dims.set_current_step(0, args.frame)
    if args.screenshot:
        viewer.screenshot(str(args.screenshot), canvas_only=False)
        viewer.close()
    else:
        napari.run()
    return 0


def layers_of(args: argparse.Namespace) -> list:
    """Compute the layers that the options ask for."""
    from efficientcellseg.datasets.reading.opening import open_images
    from efficientcellseg.own_data.jobs import make_jobs
    from efficientcellseg.own_data.layers import (
        find_labels,
        find_reference_labels,
        find_tracks,
        make_layers,
    )
    from efficientcellseg.own_data.planning import How, plan_images
    from efficientcellseg.own_data.segmenting import default_output
    from efficientcellseg.parameters.recipe import open_recipe

    inputs, reference, recipe = args.inputs, None, args.recipe and open_recipe(args.recipe)
    if is_sequence(inputs):
        dataset, sequence = Path(inputs[0]), inputs[1]
        reference = find_reference_labels(dataset / f"{sequence}_GT", args.frame)
        result = args.result or dataset / f"{sequence}_RES"
        inputs, name = [dataset / sequence], dataset.resolve().name
        recipe = recipe or (open_recipe(name) if is_known(name) else None)
    else:
        result = args.result or default_output(inputs)
    method = METHODS[args.method]
    how = How(method, recipe, None, args.model, **where_of(args), check=False)
    wanted = slice(args.frame, args.frame + 1)
    images = open_images(inputs, reading_of(args))[:1]
    jobs = make_jobs(images, args.channel, wanted, progress_of(args, "read", "image"))
    (plan,) = plan_images(jobs, how)
    labels = find_labels(jobs[0], args.frame, result)
    layers = make_layers(plan, jobs[0], how, args.frame, labels, reference)
    return layers + find_tracks(result, jobs[0].image.voxel_size)
