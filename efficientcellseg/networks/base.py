"""What all networks have in common."""

from __future__ import annotations

from importlib import import_module

from torch import nn

from efficientcellseg.parameters.architecture import Architecture


class Network(nn.Module):
    """Base of all networks here: from tiles (N, 3, S, S) in 0..1 to logits (N, C, S, S).

    Networks with `planes` see slabs, the green channels of P successive slices of a tile:
    from (N, 1, P, S, S) to (N, C, P, S, S).

    Parameters
    ----------
    architecture : Architecture

    Attributes
    ----------
    architecture : Architecture
        From which :func:`build` makes the same network again.
    input_size : int
        S.
    maps : tuple of str
        The map of each of the C channels.
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
    """Count the trainable weights of a module.

    Parameters
    ----------
    module : nn.Module

    Returns
    -------
    int
    """
    return sum(parameter.numel() for parameter in module.parameters())
