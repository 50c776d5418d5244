"""Configurations of a rehearsal: the project's own, with fewer frames and next to no training."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from bench.rehearsal.stand_ins import StandIn

# An epoch of two steps, with so many held out samples.
STEPS, HELD_OUT = 2, 4
ENCODER = "encoder.safetensors"
# In place of the paper's EfficientNet-B5 at 384 pixels, where frames are small.
SMALL_NETWORK = ("tf_efficientnet_lite0", 64)


def write_encoder(checkout: Path, *, small: bool) -> str:
    """Write random weights where the hub's of ImageNet would be; give the file's name."""
    from safetensors.torch import save_file

    import efficientcellseg.networks.torchvision_guard  # noqa: F401  (must come before timm)
    import timm  # isort: skip

    encoder = SMALL_NETWORK[0] if small else "tf_efficientnet_b5"
    save_file(timm.create_model(encoder, pretrained=False).state_dict(), checkout / ENCODER)
    return ENCODER


def read_configuration(checkout: Path, name: str) -> dict[str, Any]:
    """Read config.yaml and what a configuration has in place of its keys."""
    values: dict[str, Any] = {}
    for file in dict.fromkeys(("config", name)):
        text = (checkout / "config" / f"{file}.yaml").read_text(encoding="utf-8")
        values |= yaml.safe_load(text)
    return values


def write_budget(
    checkout: Path, name: str, ones: Sequence[StandIn], *, small: bool
) -> tuple[Path, dict[str, Any]]:
    """Write what is given to Snakemake beside a configuration.

    Parameters
    ----------
    checkout : Path
    name : str
        Of the configuration, config or paper.
    ones : sequence of StandIn
        Data sets that have none are left out.
    small : bool

    Returns
    -------
    file : Path
    values : dict
        The whole configuration, changed.
    """
    values = read_configuration(checkout, name)
    known = {one.name: one for one in ones}
    datasets = [
        {
            **entry,
            "sequences": {seq: known[entry["name"]].frames[seq] for seq in entry["sequences"]},
            "frame": [
                max(sizes) for sizes in zip(*known[entry["name"]].shapes.values(), strict=True)
            ],
        }
        for entry in values["datasets"]
        if entry["name"] in known
    ]
    changed: dict[str, Any] = {"datasets": datasets}
    if small:
        changed["threads"] = 1  # small jobs take as long with two
    if any(entry.get("training") for entry in datasets):
        changes = [
            "training.epochs=1",
            f"training.steps={STEPS}",
            f"training.validation_samples={HELD_OUT}",
            f"encoder_weights={{kind: file, path: {write_encoder(checkout, small=small)}}}",
        ]
        if small:
            encoder, size = SMALL_NETWORK
            changes += [f"model.encoder={encoder}", f"model.input_size={size}"]
        changed["training_changes"] = {"efficientcellseg": changes}
    file = checkout / f"rehearsal-{name}.yaml"
    file.write_text(yaml.safe_dump(changed, sort_keys=False), encoding="utf-8")
    return file, values | changed
