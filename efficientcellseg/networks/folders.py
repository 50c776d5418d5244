"""Models on disk: a folder with weights.safetensors and model.yaml; nothing is unpickled."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from ctc_eval.format import InputError, atomic

if TYPE_CHECKING:
    from efficientcellseg.networks.base import Network

WEIGHTS, CARD = "weights.safetensors", "model.yaml"


def file_hash(path: Path) -> str:
    """Give the SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_card(folder: Path) -> dict[str, Any]:
    """Read a model folder's model.yaml.

    Parameters
    ----------
    folder : Path

    Returns
    -------
    dict
        Architecture, hash, training data and whatever else the card says.

    Raises
    ------
    InputError
        No such folder, or a card without architecture or hash.
    """
    path = folder / CARD
    if not path.is_file():
        raise InputError(
            f"{folder}: no model there; expected a folder with {CARD} and {WEIGHTS}: train one, "
            "or give another with --model DIR",
            code="model-missing",
        )
    try:
        card = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        reason = " ".join(str(error).split())
        raise InputError(
            f"{path}: not YAML ({reason}); copy or download it again", code="yaml-invalid"
        ) from None
    if not (
        isinstance(card, dict)
        and isinstance(card.get("architecture"), dict)
        and isinstance(card.get("sha256"), str)
    ):
        raise InputError(
            f"{path}: no model card; expected the keys architecture and sha256", code="card-invalid"
        )
    return card


def load_model(folder: Path) -> Network:
    """Load a model folder, weights checked against the card's hash.

    Parameters
    ----------
    folder : Path

    Returns
    -------
    Network
        In evaluation mode, float32, on the CPU.

    Raises
    ------
    InputError
        What :func:`read_card` refuses; weights missing, of another hash, or that do not fit
        the architecture.
    """
    from safetensors.torch import load_file

    from efficientcellseg.networks.base import build

    card, path = read_card(folder), folder / WEIGHTS
    if not path.is_file():
        raise InputError(
            f"{path}: no weights; expected them beside {CARD}: copy the whole folder",
            code="weights-missing",
        )
    found = file_hash(path)
    if found != card["sha256"]:
        raise InputError(
            f"{path}: SHA-256 {found}; expected {card['sha256']}: copy or download it again",
            code="weights-hash",
        )
    try:
        model = build(card["architecture"])
        model.load_state_dict(load_file(path))
    except (KeyError, RuntimeError, TypeError, ValueError) as error:
        reason = " ".join(str(error).split())[:300]
        raise InputError(
            f"{path}: does not fit the architecture {card['architecture']} of {CARD} ({reason}); "
            "copy the whole folder again",
            code="weights-unfit",
        ) from None
    return model.float().eval()


def save_model(folder: Path, model: Network, card: dict[str, Any], *, half: bool = True) -> None:
    """Write a model folder.

    Parameters
    ----------
    folder : Path
    model : Network
    card : dict
        What to say of it beside its architecture and hash: data, training, scores.
    half : bool
        Write the weights as float16, not float32.
    """
    import torch
    from safetensors.torch import save_file

    weights = {
        name: (value.half() if half and value.is_floating_point() else value).contiguous().cpu()
        for name, value in model.state_dict().items()
    }
    if any(not torch.isfinite(value).all() for value in weights.values()):
        raise InputError(
            "weights that float16 cannot hold: the training has diverged; lower its rate",
            code="weights-infinite",
        )
    with atomic(folder / WEIGHTS) as temporary:
        save_file(weights, temporary)
        contents = {"architecture": model.architecture, "sha256": file_hash(temporary), **card}
        # Before the weights take their place: a card that YAML cannot hold leaves all as it was.
        text = yaml.safe_dump(contents, sort_keys=False, width=100)
    with atomic(folder / CARD) as temporary:
        temporary.write_text(text, encoding="utf-8")


def network_folders(model: Path, maps: Iterable[str]) -> list[Path]:
    """Find the networks that predict some maps.

    Parameters
    ----------
    model : Path
        A model folder, or a folder of such.
    maps : iterable of str
        For example ``("cells", "centers")``.

    Returns
    -------
    list of Path
        Model folders whose cards name one of the maps at least, sorted by name.

    Raises
    ------
    InputError
        A map that none of them predicts; what :func:`read_card` refuses.
    """
    found = [path.parent for path in sorted(model.glob(f"*/{CARD}"))]
    folders = {path: read_card(path)["architecture"].get("maps", ["cells"]) for path in found}
    if not found:
        folders = {model: read_card(model)["architecture"].get("maps", ["cells"])}
    if missing := set(maps) - {name for names in folders.values() for name in names}:
        raise InputError(
            f"{model}: no network for {', '.join(sorted(missing))}, only for "
            f"{', '.join(sorted({n for names in folders.values() for n in names}))}; expected one "
            "for each map of the recipe: train it, or give another folder with --model DIR",
            code="network-missing",
        )
    return [path for path, names in folders.items() if set(names) & set(maps)]
