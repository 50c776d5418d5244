"""Reads the networks that a recipe needs from model folders, and moves them to their device."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from ctc_eval.format import InputError
from efficientcellseg.networks.folders import load_model, network_folders, read_card

if TYPE_CHECKING:
    import torch

    from efficientcellseg.networks.base import Network
    from efficientcellseg.parameters.architecture import Architecture
    from efficientcellseg.parameters.recipe import Recipe


def load_networks(
    model: Path,
    maps: tuple[str, ...],
    device: str = "auto",
    backend: str = "torch",
    kind: str = "efficientcellseg",
    precision: str = "float32",
) -> list[Network]:
    """Load the networks that predict a recipe's maps.

    Parameters
    ----------
    model : Path
        A model folder, or a folder of such.
    maps : tuple of str
        For example ``("cells", "centers")``.
    device : str
        ``auto`` (a GPU if there is one), ``cpu``, ``cuda`` or ``cuda:N``.
    backend : {"torch", "onnxruntime", "openvino"}
        What runs them; on a GPU, only torch.
    kind : str
        What they must be, as their architecture names it.
    precision : {"float32", "bf16"}
        Their precision; bf16 only in torch and OpenVINO.

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
    from efficientcellseg.networks.backends import Autocast, load_compiled

    place = device_of(device)
    folders = network_folders(model, maps)
    _check_alike(model, {folder.name: read_card(folder).architecture for folder in folders}, kind)
    if backend != "torch":
        return [load_compiled(folder, backend, device, precision) for folder in folders]
    placed = [_placed(load_model(folder), place) for folder in folders]
    return placed if precision == "float32" else list(map(Autocast, placed))


def with_backend(
    recipe: Recipe,
    model: Path,
    device: str = "auto",
    backend: str | None = None,
    precision: str | None = None,
) -> Recipe:
    """Set what runs the networks in a recipe that leaves it open.

    Parameters
    ----------
    recipe : Recipe
    model : Path
        A model folder, or a folder of such.
    device : str
        As for :func:`load_networks`.
    backend, precision : str, optional
        In place of the recipe's.

    Returns
    -------
    Recipe
        In place of the backend ``auto``: torch on a GPU and where there is no network, else what
        :func:`efficientcellseg.networks.backends.fastest_backend` says.
    """
    backend, precision = backend or recipe.backend, precision or recipe.precision
    if backend == "auto":
        backend = "torch"
        if recipe.maps and device_of(device).type == "cpu":
            from efficientcellseg.networks.backends import fastest_backend

            backend = fastest_backend(network_folders(model, recipe.maps), precision)
    return recipe.model_copy(update={"backend": backend, "precision": precision})


def _check_alike(model: Path, networks: Mapping[str, Architecture], kind: str) -> None:
    """Refuse networks of another kind, or that cannot share their tiles."""
    found = {network.kind for network in networks.values()}
    if found != {kind}:
        raise InputError(
            f"{model}: networks of kind {', '.join(sorted(found))}; expected {kind}: give the "
            "folder of such with --model DIR, or another --method",
            code="network-kind",
        )
    sizes = {name: network.input_size for name, network in networks.items()}
    if len(set(sizes.values())) > 1:
        raise InputError(
            f"{model}: networks of different input sizes {sizes}; expected one size, since they "
            "share their tiles: train them for the same one",
            code="input-size-mixed",
        )


def _placed(network: Network, device: torch.device) -> Network:
    """Bring a network to its device, in the layout that convolutions are fastest in."""
    import torch

    layout = torch.channels_last_3d if network.planes else torch.channels_last
    return network.to(device).to(memory_format=layout)  # type: ignore[call-overload]


def input_size(model: Path, maps: tuple[str, ...]) -> int:
    """Read the side of the networks' input from the first one's card, without loading it.

    Parameters
    ----------
    model : Path
        Folder of the networks.
    maps : tuple of str
        Those that the recipe needs.

    Returns
    -------
    int
        In pixels.

    Raises
    ------
    InputError
        No network for these maps, or a faulty card.
    """
    return read_card(network_folders(model, maps)[0]).architecture.input_size


def device_of(name: str) -> torch.device:
    """Find torch's device for a name.

    Parameters
    ----------
    name : str
        ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.

    Returns
    -------
    torch.device

    Raises
    ------
    InputError
        Another name, or a GPU that does not exist.
    """
    import torch

    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
        if device.type not in ("cpu", "cuda"):
            raise ValueError
    except (RuntimeError, ValueError):
        raise InputError(
            f"device {name!r}; expected auto, cpu, cuda or cuda:N", code="device-unknown"
        ) from None
    count = torch.cuda.device_count()
    if device.type == "cuda" and (device.index or 0) >= count:
        raise InputError(
            f"device {name}: {count} GPUs are visible to torch; choose another, or --device cpu",
            code="device-missing",
        )
    return device
