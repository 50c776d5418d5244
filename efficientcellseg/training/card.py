"""Reads what a training came to and says it for the card of its network."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from efficientcellseg.training.cell_sizes import learnt_sizes
from efficientcellseg.training.gathering import recipe_of_entry
from efficientcellseg.training.start import name_encoder_weights

if TYPE_CHECKING:
    from efficientcellseg.networks.base import Network
    from efficientcellseg.parameters.training import Optimization, TrainingConfiguration
    from efficientcellseg.training.samples import Samples


def describe_training(
    network: Network,
    configuration: TrainingConfiguration,
    parameters: Optimization,
    samples: Samples,
    *,
    folder: Path,
    samples_file: Path,
    device: str,
    start: Path | None = None,
    encoder_file: Path | None = None,
) -> dict[str, Any]:
    """Describe how a trained network came about.

    Parameters
    ----------
    network, configuration : Network, TrainingConfiguration
    parameters : Optimization
        The configuration's, with the fold that was held out.
    samples : Samples
        What it has learned from.
    folder, samples_file : Path
        Where its curve is, and what samples were read from.
    device : str
    start, encoder_file : Path, optional
        Model folder it went on from; weights of its encoder, if not the configuration's.

    Returns
    -------
    dict
        Fit for YAML: what :func:`efficientcellseg.networks.folders.save_model` writes beside
        architecture and hash. ``seen`` are fingerprints of the frames it has learned from, which
        are not scored unawares; ``slices_seen`` counts slices with repetitions.
    """
    import torch

    from efficientcellseg.networks.base import count_parameters
    from efficientcellseg.networks.folders import file_hash, read_card
    from efficientcellseg.software import describe_software, device_name

    before = read_card(start) if start else None
    curve = (folder / "curve.csv").read_text().splitlines()
    slices = (len(curve) - 1) * parameters.slices_an_epoch * (network.planes or 1)
    learnt = learnt_sizes(samples, configuration)
    learnt |= {"context_2d": "none"} if parameters.variation.gray else {}
    learnt |= {"fold": parameters.fold} if parameters.folds else {}
    return {
        "parameters": count_parameters(network),
        "configuration": as_learnt(configuration),
        "encoder_weights": None if start else name_encoder_weights(configuration, encoder_file),
        "samples": len(samples.images),
        **learnt,
        "slices_seen": (before.slices_seen if before else 0) + slices,
        "samples_sha256": file_hash(samples_file),
        "software": {**describe_software(), "device": device_name(device)},
        "threads": torch.get_num_threads(),
        "curve": curve,
        "seen": sorted({*samples.fingerprints, *(before.seen if before else ())}),
        **({"started_from": before} if before else {}),
    }


def as_learnt(configuration: TrainingConfiguration) -> dict[str, Any]:
    """Write down a configuration; of its data, only the sequences that are not left out.

    Parameters
    ----------
    configuration : TrainingConfiguration

    Returns
    -------
    dict of str to object
        Fit for YAML.
    """
    values = configuration.model_dump(mode="json", exclude_unset=True)
    if configuration.leave_out:
        learnt = [
            configuration.sequences_learnt(entry, recipe_of_entry(entry))
            for entry in configuration.data
        ]
        told = zip(values["data"], learnt, strict=True)
        values["data"] = [{**entry, "sequences": names} for entry, names in told if names]
    return values
