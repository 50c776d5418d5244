"""What all networks have in common, and the register of their kinds."""

from __future__ import annotations

from importlib import import_module
from inspect import signature
from typing import Any

from torch import nn

from ctc_eval.format import InputError

# Where the network of each kind is defined; imported when one is built.
NETWORKS = {
    "efficientcellseg": "efficientcellseg.networks.efficientcellseg:EfficientCellSegNetwork",
    "unet": "efficientcellseg.networks.unet:UNetNetwork",
    "dunet": "efficientcellseg.networks.dunet:DUNetNetwork",
    "unet3d": "efficientcellseg.networks.unet3d:UNet3DNetwork",
}


class Network(nn.Module):
    """What all networks here have in common: (N, 3, S, S) in 0..1 to logits (N, C, S, S).

    With `planes`, they see slabs, the green channel of so many successive slices of a tile:
    (N, 1, P, S, S) to (N, C, P, S, S).

    Attributes
    ----------
    architecture : dict
        What :func:`build` makes it of again.
    input_size : int
        S.
    maps : tuple of str
        What the C channels are.
    planes : int
        P; 0 for a network that sees slice by slice.
    """

    architecture: dict[str, Any]
    input_size: int
    maps: tuple[str, ...]
    planes: int = 0


def build(architecture: dict[str, Any]) -> Network:
    """Build an untrained network as a model card names it.

    Parameters
    ----------
    architecture : dict
        ``kind``, one of `NETWORKS` (efficientcellseg by default), and its parameters.

    Returns
    -------
    Network

    Raises
    ------
    InputError
        A parameter that is of another kind's; what the network itself refuses.
    """
    parameters = dict(architecture)
    kind = parameters.pop("kind", "efficientcellseg")
    module, _, name = NETWORKS[kind].partition(":")
    network = getattr(import_module(module), name)
    known = signature(network).parameters.keys()
    if unknown := ", ".join(sorted(parameters.keys() - known)):
        raise InputError(
            f"model: {kind} with {unknown}; expected only {', '.join(sorted(known))}",
            code="key-unknown",
        )
    return network(**parameters)


def count_parameters(module: nn.Module) -> int:
    """Count the trainable weights of a module."""
    return sum(parameter.numel() for parameter in module.parameters())


def check_side(name: str, side: int, multiple: int) -> None:
    """Check the side of a network's input.

    Raises
    ------
    InputError
        It is not a multiple.
    """
    if side < multiple or side % multiple:
        lower = max(side // multiple * multiple, multiple)
        raise InputError(
            f"{name} {side}; expected a multiple of {multiple}: take {lower} or {lower + multiple}",
            code="input-size",
        )
