"""Networks over the tiles of a volume."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ctc_eval.format import InputError
from efficientcellseg.chain.tiling import cut, paste, plan_tiles
from efficientcellseg.maps.offsets import OFFSETS
from efficientcellseg.networks.folders import load_model, network_folders, read_card

if TYPE_CHECKING:
    import torch

    from efficientcellseg.networks.efficientcellseg import Network
    from efficientcellseg.parameters.recipe import Tiling

# Tiles that go through a network at once; part of the result's last bits, so not a setting.
BATCH = 8

# Axes of tiles (N, 3, S, S) along which they are mirrored; with the tiles as they are, each axis
# is mirrored in half of the views.
MIRRORS = ((1, 2), (1, 3), (2, 3))


def tile_volume(colored: np.ndarray, tiling: Tiling, size: int) -> np.ndarray:
    """Cut all slices of a volume into tiles.

    Parameters
    ----------
    colored : ndarray of shape (Z, Y, X, 3), float32
        From :func:`efficientcellseg.chain.pseudocolor.pseudocolor`.
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


def predict(
    networks: Sequence[Network], tiles: np.ndarray, test_time_flips: bool = False
) -> dict[str, np.ndarray]:
    """Run networks over tiles; what several of them predict is averaged.

    Parameters
    ----------
    networks : sequence of Network
        From :func:`load_networks`.
    tiles : ndarray of shape (N, 3, S, S), float32
    test_time_flips : bool
        Average over the tiles as they are and mirrored along two axes of planes (red and blue
        change places), rows and columns: four times the work.

    Returns
    -------
    dict of str to ndarray of shape (N, S, S), float32
        Each map, 0..1.
    """
    if test_time_flips:
        total = predict(networks, tiles)
        for axes in MIRRORS:
            for name, maps in _predict_mirrored(networks, tiles, axes).items():
                total[name] += maps
        return {name: maps / np.float32(1 + len(MIRRORS)) for name, maps in total.items()}
    import torch

    found: dict[str, list[np.ndarray]] = {}
    with torch.inference_mode():
        for network in networks:
            # A compiled network has no parameters, and takes tensors of the CPU.
            device = next((p.device for p in network.parameters()), torch.device("cpu"))
            parts = [
                network(torch.from_numpy(tiles[start : start + BATCH]).to(device)).float().sigmoid()
                for start in range(0, len(tiles), BATCH)
            ]
            predicted = torch.cat(parts, dim=0).cpu().numpy()
            for channel, name in enumerate(network.maps):
                found.setdefault(name, []).append(predicted[:, channel])
    return {name: sum(maps[1:], maps[0]) / np.float32(len(maps)) for name, maps in found.items()}


def _predict_mirrored(
    networks: Sequence[Network], tiles: np.ndarray, axes: tuple[int, ...]
) -> dict[str, np.ndarray]:
    """Predict tiles (N, 3, S, S) mirrored along planes (1), rows (2) or columns (3); mirror back.

    Offsets along a mirrored axis point the other way: their maps, (N, S, S) in 0..1, change ends.
    """
    found = {}
    for name, maps in predict(networks, np.ascontiguousarray(np.flip(tiles, axes))).items():
        back = np.flip(maps, tuple(axis - 1 for axis in axes if axis > 1))
        along = OFFSETS.index(name) + 1 if name in OFFSETS else None
        found[name] = 1 - back if along in axes else back
    return found


def load_networks(
    model: Path,
    maps: tuple[str, ...],
    device: str = "auto",
    backend: str = "torch",
    kind: str = "efficientcellseg",
) -> list[Network]:
    """Load the networks that predict a recipe's maps.

    Parameters
    ----------
    model : Path
        A model folder, or a folder of such.
    maps : tuple of str
        For example ``("cells", "centers")``.
    device : str
        ``auto`` (a GPU where there is one), ``cpu``, ``cuda`` or ``cuda:N``.
    backend : {"torch", "onnxruntime", "openvino"}
        What runs them; on a GPU torch alone.
    kind : str
        Of `efficientcellseg.networks.efficientcellseg.NETWORKS`, what they must be.

    Returns
    -------
    list of Network
        In evaluation mode, on the device.

    Raises
    ------
    InputError
        A model that is not there or damaged; networks of another kind, or of different input
        sizes; a device or backend that is not there; another backend than torch for a 3D network.
    """
    import torch

    place = device_of(device)
    folders = network_folders(model, maps)
    networks = [load_model(folder) for folder in folders]
    found = {network.architecture["kind"] for network in networks}
    if found != {kind}:
        raise InputError(
            f"{model}: networks of kind {', '.join(sorted(found))}; expected {kind}: give the "
            "folder of such with --model DIR, or another --method"
        )
    sizes = {folder.name: net.input_size for folder, net in zip(folders, networks, strict=True)}
    if len(set(sizes.values())) > 1:
        raise InputError(
            f"{model}: networks of different input sizes {sizes}; expected one size, since they "
            "share their tiles: train them for the same one"
        )
    if backend != "torch":
        if any(net.planes for net in networks):
            raise InputError(f"backend {backend}; expected torch, which alone runs 3D networks")
        from efficientcellseg.networks.backends import compile_network

        return [compile_network(net, backend, device) for net in networks]
    for net in networks:
        layout = torch.channels_last_3d if net.planes else torch.channels_last
        net.to(place).to(memory_format=layout)  # type: ignore[call-overload]
    return networks


def input_size(model: Path, maps: tuple[str, ...]) -> int:
    """Read the side of the networks' input from the first one's card, without loading it."""
    return int(read_card(network_folders(model, maps)[0])["architecture"]["input_size"])


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
