"""What all networks have in common."""

from __future__ import annotations

from importlib import import_module

from torch import nn

from efficientcellseg.parameters.architecture import Architecture


class Network(nn.Module):
    """What all networks here have in common: (N, 3, S, S) in 0..1 to logits (N, C, S, S).

    With `planes`, they see slabs, the green channel of so many successive slices of a tile:
    (N, 1, P, S, S) to (N, C, P, S, S).

    Attributes
    ----------
    architecture : Architecture
        What :func:`build` makes it of again.
    input_size : int
        S.
    maps : tuple of str
        What the C channels are.
    planes : int
        P; 0 for a network that sees slice by slice.
    """

    planes: int = 0

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        self.architecture = architecture
        self.maps, self.input_size = architecture.maps, architecture.input_size


def build(architecture: Architecture) -> Network:
    """Build an untrained network.

    Parameters
    ----------
    architecture : Architecture

    Returns
    -------
    Network

    Raises
    ------
    InputError
        What the network itself refuses.
    """
    module, _, name = architecture.network.partition(":")
    return getattr(import_module(module), name)(architecture)


def count_parameters(module: nn.Module) -> int:
    """Count the trainable weights of a module."""
    return sum(parameter.numel() for parameter in module.parameters())
