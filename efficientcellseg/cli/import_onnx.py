"""Import a network that was exported from Keras as ONNX."""

from __future__ import annotations

import argparse
import logging
from pathlib import Path

from efficientcellseg.parameters.architecture import EfficientCellSegArchitecture

log = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.description = (
        "Convert an EfficientNet with decoder that was exported from Keras as ONNX to a model "
        "folder: DIR/weights.safetensors (float32) and model.yaml. Layers are matched by order "
        "and shape, and the result is compared with ONNX Runtime before it is written. Exit "
        "code 1 means that the file does not fit; one line says where."
    )
    parser.add_argument(
        "source",
        metavar="FILE",
        help="FILE.onnx, its https address, or ecs_a549 or ecs_tric for the authors' networks; "
        "a download is kept beside DIR with its SHA-256, and later downloads must match it",
    )
    parser.add_argument("--output", type=Path, required=True, metavar="DIR", help="model folder")
    parser.add_argument(
        "--target",
        choices=["cells", "centers"],
        default="cells",
        help="which map it predicts (default: cells)",
    )
    parser.add_argument(
        "--input-scale",
        type=float,
        choices=[1.0, 255.0],
        default=1.0,
        help="range of the images the network was trained with: 0..1, as in the authors' code "
        "(1), or 0..255 (255); default: 1",
    )
    parser.add_argument(
        "--tolerance",
        type=float,
        default=1e-4,
        help="largest accepted difference of probabilities from ONNX Runtime (default: 1e-4)",
    )
    paper = EfficientCellSegArchitecture()
    parser.add_argument(
        "--encoder",
        default=paper.encoder,
        help=f"encoder of the file, by timm's name (default: {paper.encoder})",
    )
    parser.add_argument(
        "--decoder-filters",
        type=int,
        nargs=4,
        default=paper.decoder_filters,
        metavar="N",
        help="filters of its decoder, the deepest first (default: "
        f"{' '.join(map(str, paper.decoder_filters))})",
    )
    parser.add_argument(
        "--input-size",
        type=int,
        default=paper.input_size,
        help=f"side that it resizes images to (default: {paper.input_size})",
    )


def run(args: argparse.Namespace) -> int:
    """Import the network."""
    from efficientcellseg.datasets.fetching import record_hash
    from efficientcellseg.datasets.published import obtain_network
    from efficientcellseg.networks.base import count_parameters
    from efficientcellseg.networks.folders import file_hash, save_model
    from efficientcellseg.networks.onnx_import import import_onnx
    from efficientcellseg.parameters.reading import check_values

    path, url = obtain_network(args.source, args.output.resolve().parent)
    values = {
        "encoder": args.encoder,
        "decoder_filters": args.decoder_filters,
        "input_size": args.input_size,
        "maps": [args.target],
    }
    architecture = check_values(values, EfficientCellSegArchitecture, "options")
    model, differences = import_onnx(path, architecture, args.input_scale, args.tolerance)
    found = file_hash(path)
    card = {
        "parameters": count_parameters(model),
        "imported_from": {
            "file": path.name,
            "url": url,
            "sha256": found,
            "input_scale": args.input_scale,
        },
        "difference_to_onnxruntime": differences,
    }
    save_model(args.output, model, card, half=False)
    if url:
        record_hash(path, found)
    log.info("%s: differs from ONNX Runtime by %.1g", args.output, differences["probability"])
    return 0
