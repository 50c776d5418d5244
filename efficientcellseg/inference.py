"""Networks over the tiles of a volume."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ctc_eval.sequence import InputError
from efficientcellseg.tiling import cut, paste, plan_tiles

if TYPE_CHECKING:
    import torch
    from torch import nn

    from efficientcellseg.backends import Compiled
    from efficientcellseg.model import EfficientCellSeg
    from efficientcellseg.recipe import Tiling

# Tiles that go through a network at once; part of the result's last bits, so not a setting.
BATCH = 8


def tile_volume(colored: np.ndarray, tiling: Tiling, size: int) -> np.ndarray:
    """Cut all slices of a volume into tiles.

    Parameters
    ----------
    colored : ndarray of shape (Z, Y, X, 3), float32
        From :func:`efficientcellseg.pseudocolor.pseudocolor`.
    tiling : Tiling
    size : int
        Side of the network's input.

    Returns
    -------
    ndarray of shape (Z * N, 3, size, size), float32
        The N tiles of the first slice, then those of the next.
    """
    tiles = plan_tiles(colored.shape[1:3], tiling)
    return np.concatenate([cut(image, tiles, size) for image in colored])


def untile_volume(maps: np.ndarray, tiling: Tiling, shape: tuple[int, int, int]) -> np.ndarray:
    """Put the predicted tiles of a volume back in place.

    Parameters
    ----------
    maps : ndarray of shape (Z * N, size, size), float32
    tiling : Tiling
        The one that cut them.
    shape : tuple of int
        (Z, Y, X) of the volume.

    Returns
    -------
    ndarray of shape (Z, Y, X), float32

    Raises
    ------
    InputError
        Another number of tiles than the plan has.
    """
    tiles = plan_tiles(shape[1:], tiling)
    if len(maps) != shape[0] * len(tiles):
        raise InputError(
            f"{len(maps)} tiles; expected {shape[0] * len(tiles)}, {len(tiles)} for each of "
            f"{shape[0]} slices: cut the tiles again with this recipe"
        )
    return np.stack([paste(part, tiles, shape[1:]) for part in np.split(maps, shape[0])])


def predict(model: nn.Module, tiles: np.ndarray) -> np.ndarray:
    """Run one network.

    Parameters
    ----------
    model : nn.Module
        In evaluation mode, on its device; maps (N, 3, S, S) to logits (N, 1, S, S).
    tiles : ndarray of shape (N, 3, S, S), float32

    Returns
    -------
    ndarray of shape (N, S, S), float32
        Probabilities.
    """
    import torch

    # A compiled network has no parameters, and takes tensors of the CPU.
    device = next((parameter.device for parameter in model.parameters()), torch.device("cpu"))
    predicted = []
    with torch.inference_mode():
        for start in range(0, len(tiles), BATCH):
            batch = torch.from_numpy(tiles[start : start + BATCH]).to(device)
            predicted.append(model(batch)[:, 0].float().sigmoid().cpu().numpy())
    return np.concatenate(predicted)


def load_networks(
    model: Path, networks: tuple[str, ...], device: str = "auto", backend: str = "torch"
) -> Mapping[str, EfficientCellSeg | Compiled]:
    """Load the networks of a recipe.

    Parameters
    ----------
    model : Path
        Folder with one model folder for each network.
    networks : tuple of str
        For example ``("cells", "centers")``.
    device : str
        ``auto`` (a GPU where there is one), ``cpu``, ``cuda`` or ``cuda:N``.
    backend : {"torch", "onnxruntime", "openvino"}
        What runs them; on a GPU torch alone.

    Returns
    -------
    dict of str to nn.Module
        In evaluation mode, on the device.

    Raises
    ------
    InputError
        A model that is not there or damaged; networks of different input sizes; a device
        or backend that is not there.
    """
    import torch

    from efficientcellseg.weights import load_model, read_card

    place = device_of(device)
    for name in networks:
        target = read_card(model / name).get("target", name)
        if target != name:
            raise InputError(
                f"{model / name}: a network for {target}; expected one for {name}: each model "
                "folder is named after its map"
            )
    models = {name: load_model(model / name) for name in networks}
    sizes = {name: net.input_size for name, net in models.items()}
    if len(set(sizes.values())) > 1:
        raise InputError(
            f"{model}: networks of different input sizes {sizes}; expected one size, since they "
            "share their tiles: train them for the same one"
        )
    if backend != "torch":
        from efficientcellseg.backends import compile_network

        return {name: compile_network(net, backend, device) for name, net in models.items()}
    for net in models.values():
        net.to(place).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return models


def input_size(model: Path, networks: tuple[str, ...]) -> int:
    """Read the side of the networks' input from the first one's card, without loading it."""
    from efficientcellseg.weights import read_card

    return int(read_card(model / networks[0])["architecture"]["input_size"])


def device_of(name: str) -> torch.device:
    """Give torch's device for a name: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.

    Raises
    ------
    InputError
        Another name, or a GPU that is not there.
    """
    import torch

    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
        if device.type not in ("cpu", "cuda"):
            raise ValueError
    except (RuntimeError, ValueError):
        raise InputError(f"device {name!r}; expected auto, cpu, cuda or cuda:N") from None
    count = torch.cuda.device_count()
    if device.type == "cuda" and (device.index or 0) >= count:
        raise InputError(
            f"device {name}: {count} GPUs are visible to torch; take another or --device cpu"
        )
    return device
