"""Reads the networks that a recipe needs from model folders, and puts them where they run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ctc_eval.format import InputError
from efficientcellseg.networks.folders import load_model, network_folders, read_card

if TYPE_CHECKING:
    import torch

    from efficientcellseg.networks.base import Network


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
        Of `efficientcellseg.networks.base.NETWORKS`, what they must be.

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
