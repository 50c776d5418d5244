"""Networks over the tiles of a volume: cut, predict, put back."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from ctc_eval.format import InputError
from efficientcellseg.chain.tiling import cut, paste, plan_tiles
from efficientcellseg.maps import MAPS, Maps
from efficientcellseg.parallel import in_threads

if TYPE_CHECKING:
    from efficientcellseg.networks.base import Network
    from efficientcellseg.parameters.recipe import Tiling

# Tiles that go through a network at once; part of the result's last bits, so not a setting.
TILES_AT_ONCE = 8
# Likewise patches of volumes.
PATCHES_AT_ONCE = 2

# Axes of tiles (N, 3, S, S) along which they are flipped; with the tiles as they are, each axis
# is flipped in half of the views.
FLIPS = ((1, 2), (1, 3), (2, 3))


def tile_volume(
    colored: Iterable[np.ndarray], shape: tuple[int, ...], tiling: Tiling, size: int
) -> np.ndarray:
    """Cut all slices of a volume into tiles.

    Parameters
    ----------
    colored : iterable of ndarray of shape (Y, X, 3), float32
        The slices, of :func:`efficientcellseg.chain.pseudocolor.pseudocolor`.
    shape : tuple of int
        (Z, Y, X) of the volume.
    tiling : Tiling
    size : int
        Side of the network's input.

    Returns
    -------
    ndarray of shape (Z * N, 3, size, size), float32
        The N tiles of the first slice, then those of the next.
    """
    planes, rows, columns = shape
    tiles = plan_tiles((rows, columns), tiling)
    found = np.empty((planes, len(tiles), 3, size, size), np.float32)
    for place, image in zip(found, colored, strict=True):
        place[:] = cut(image, tiles, size)
    return found.reshape(-1, 3, size, size)


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
    check_tiles(len(maps), tiling, shape)
    tiles = plan_tiles(shape[1:], tiling)
    found = np.empty(shape, np.float32)
    for place, part in zip(found, np.split(maps, shape[0]), strict=True):
        place[:] = paste(part, tiles, shape[1:])
    return found


def check_tiles(count: int, tiling: Tiling, shape: tuple[int, int, int]) -> None:
    """Refuse a number of tiles that does not match a tiling.

    Parameters
    ----------
    count : int
        Number of tiles.
    tiling : Tiling
        The one that cut them.
    shape : tuple of int
        (Z, Y, X) of the volume.

    Raises
    ------
    InputError
        There are more, or fewer.
    """
    each = len(plan_tiles(shape[1:], tiling))
    if count != shape[0] * each:
        raise InputError(
            f"{count} tiles; expected {shape[0] * each}, {each} for each of {shape[0]} slices: "
            "cut the tiles again with this recipe",
            code="tiles-count",
        )


def predict_slices(
    networks: Sequence[Network],
    slices: Iterable[np.ndarray],
    tiling: Tiling,
    shape: tuple[int, int, int],
    test_time_flips: bool = False,
    maps: Sequence[str] | None = None,
) -> Maps:
    """Run networks over the tiles of a volume as they arrive, and assemble the predicted maps.

    Parameters
    ----------
    networks : sequence of Network
        See :func:`predict`.
    slices : iterable of ndarray of shape (N, 3, S, S), float32
        All tiles of the volume in order, in groups of any size.
    tiling : Tiling
        The one that cut them.
    shape : tuple of int
        (Z, Y, X) of the volume.
    test_time_flips : bool
        See :func:`predict`.
    maps : sequence of str, optional
        See :func:`predict`.

    Returns
    -------
    dict of str to ndarray of shape (Z, Y, X), float32
        Each map, in 0..1.
    """
    plan = plan_tiles(shape[1:], tiling)
    found: dict[str, np.ndarray] = {}

    def run(tiles: np.ndarray) -> np.ndarray:
        predicted = predict(networks, tiles, test_time_flips, maps)
        for name in predicted.keys() - found.keys():
            found[name] = np.empty(shape, np.float32)
        return np.stack([predicted[name] for name in found], 1)

    def put(place: tuple[int, np.ndarray]) -> None:
        z, predicted = place
        for volume, one in zip(found.values(), predicted.swapaxes(0, 1), strict=True):
            volume[z] = paste(one, plan, shape[1:])

    # Slices are put together beside the networks, which this thread runs.
    by_slice = regrouped(map(run, regrouped(slices, TILES_AT_ONCE)), len(plan))
    deque(in_threads(put, enumerate(by_slice)), maxlen=0)
    return found


def regrouped(parts: Iterable[np.ndarray], size: int) -> Iterator[np.ndarray]:
    """Cut a stream of arrays along their first axis into pieces of one size; the last is shorter.

    Parameters
    ----------
    parts : iterable of ndarray of shape (M, ...)
    size : int

    Yields
    ------
    ndarray of shape (size, ...)
    """
    held: list[np.ndarray] = []
    for part in parts:
        held.append(part)
        count = sum(map(len, held))
        if count >= size:
            joined = np.concatenate(held)
            held = [joined[count - count % size :]]
            yield from np.split(joined[: count - count % size], count // size)
    if sum(map(len, held)):
        yield np.concatenate(held)


def predict(
    networks: Sequence[Network],
    tiles: np.ndarray,
    test_time_flips: bool = False,
    maps: Sequence[str] | None = None,
) -> dict[str, np.ndarray]:
    """Run networks over tiles; what several of them predict is averaged.

    Parameters
    ----------
    networks : sequence of Network
        From :func:`efficientcellseg.networks.loading.load_networks`.
    tiles : ndarray of shape (N, 3, S, S), float32
    test_time_flips : bool
        Average over the tiles as they are and flipped along two axes of planes (red and blue
        change places), rows and columns: four times the work.
    maps : sequence of str, optional
        Which maps are wanted, where networks predict others, too; all by default.

    Returns
    -------
    dict of str to ndarray of shape (N, S, S), float32
        Each map, 0..1.
    """
    if test_time_flips:
        total = predict(networks, tiles, maps=maps)
        for axes in FLIPS:
            for name, flipped in _predict_flipped(networks, tiles, maps, axes).items():
                total[name] += flipped
        return {name: one / np.float32(1 + len(FLIPS)) for name, one in total.items()}
    import torch

    found: dict[str, np.ndarray] = {}
    counts = Counter(name for network in networks for name in network.maps)
    with torch.inference_mode():
        for network in networks:
            # A compiled network has no parameters, and takes tensors of the CPU.
            device = next((p.device for p in network.parameters()), torch.device("cpu"))
            wanted = [
                channel for channel, name in enumerate(network.maps) if maps is None or name in maps
            ]
            predicted = np.empty((len(wanted), len(tiles), *tiles.shape[2:]), np.float32)
            for start in range(0, len(tiles), TILES_AT_ONCE):
                batch = torch.from_numpy(tiles[start : start + TILES_AT_ONCE]).to(device)
                probabilities = network(batch).float().sigmoid().cpu().numpy()
                for place, channel in zip(predicted, wanted, strict=True):
                    place[start : start + TILES_AT_ONCE] = probabilities[:, channel]
            for one, channel in zip(predicted, wanted, strict=True):
                name = network.maps[channel]
                found[name] = found[name] + one if name in found else one
    return {
        name: one / np.float32(counts[name]) if counts[name] > 1 else one
        for name, one in found.items()
    }


def _predict_flipped(
    networks: Sequence[Network],
    tiles: np.ndarray,
    maps: Sequence[str] | None,
    axes: tuple[int, ...],
) -> dict[str, np.ndarray]:
    """Predict tiles (N, 3, S, S) flipped along planes (1), rows (2) or columns (3); flip back.

    Where a map, (N, S, S) in 0..1, is a direction along a flipped axis, 0 and 1 change places.
    """
    found = {}
    flipped = predict(networks, np.ascontiguousarray(np.flip(tiles, axes)), maps=maps)
    for name, one in flipped.items():
        back = np.flip(one, tuple(axis - 1 for axis in axes if axis > 1))
        along = MAPS[name].axis
        found[name] = back if along is None or along + 1 not in axes else 1 - back
    return found


def predict_volume(networks: Sequence[Network], volume: np.ndarray, overlap: float = 0.5) -> Maps:
    """Run an ensemble over a volume, patch by patch.

    Patches overlap, and count most where they are central: Gaussian weights.

    Parameters
    ----------
    networks : sequence of Network
        3D, of the same maps and patch, in evaluation mode, on one device.
    volume : ndarray of shape (Z, Y, X), float32
        In 0..1.
    overlap : float
        Share of a patch that it has in common with the next one along each axis.

    Returns
    -------
    dict of str to ndarray of shape (Z, Y, X), float32
        Probabilities, averaged over the networks.
    """
    import torch
    from monai.inferers import sliding_window_inference

    first = networks[0]
    device = next(first.parameters()).device

    def average(patches: torch.Tensor) -> torch.Tensor:
        return torch.stack([network(patches).sigmoid() for network in networks]).mean(0)

    with torch.inference_mode():
        predicted = sliding_window_inference(
            torch.from_numpy(volume)[None, None].to(device),
            (first.planes, first.input_size, first.input_size),
            PATCHES_AT_ONCE,
            average,
            overlap=overlap,
            mode="gaussian",
        )
    return dict(zip(first.maps, predicted[0].float().cpu().numpy(), strict=True))
