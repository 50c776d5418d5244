"""Models on disk: a folder with weights.safetensors and model.yaml; nothing is unpickled."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from ctc_eval.format import InputError, atomic

if TYPE_CHECKING:
    from efficientcellseg.networks.efficientcellseg import Encoder, Network

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
            "or give another with --model DIR"
        )
    try:
        card = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{path}: not YAML ({reason}); copy or download it again") from None
    if not (
        isinstance(card, dict)
        and isinstance(card.get("architecture"), dict)
        and isinstance(card.get("sha256"), str)
    ):
        raise InputError(f"{path}: no model card; expected the keys architecture and sha256")
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

    from efficientcellseg.networks.efficientcellseg import build

    card, path = read_card(folder), folder / WEIGHTS
    if not path.is_file():
        raise InputError(f"{path}: no weights; expected them beside {CARD}: copy the whole folder")
    found = file_hash(path)
    if found != card["sha256"]:
        raise InputError(
            f"{path}: SHA-256 {found}; expected {card['sha256']}: copy or download it again"
        )
    try:
        model = build(card["architecture"])
        model.load_state_dict(load_file(path))
    except (KeyError, RuntimeError, TypeError, ValueError) as error:
        reason = " ".join(str(error).split())[:300]
        raise InputError(
            f"{path}: does not fit the architecture {card['architecture']} of {CARD} ({reason}); "
            "copy the whole folder again"
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
            "weights that float16 cannot hold: the training has diverged; lower its rate"
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
            "for each map of the recipe: train it, or give another folder with --model DIR"
        )
    return [path for path, names in folders.items() if set(names) & set(maps)]


def load_encoder(encoder: Encoder, path: Path) -> None:
    """Start an encoder from ImageNet weights, in place.

    Parameters
    ----------
    encoder : Encoder
        Of an :class:`efficientcellseg.networks.efficientcellseg.EfficientCellSeg`.
    path : Path
        A .safetensors or .pth file of an EfficientNet; of the latter, tensors alone are read.
        Tensors are matched by timm's names; where these are not in a file, by position, each
        checked for its shape, so that checkpoints of other implementations fit, too.

    Raises
    ------
    InputError
        No such file, or tensors that do not fit.
    """
    import torch
    from safetensors.torch import load_file

    if not path.is_file():
        raise InputError(f"{path}: no such file; expected the encoder's ImageNet weights")
    try:
        if path.suffix == ".safetensors":
            found = load_file(path)
        else:
            found = torch.load(path, weights_only=True, map_location="cpu")
        source = [(k, v) for k, v in found.items() if not k.endswith("num_batches_tracked")]
        if not all(isinstance(value, torch.Tensor) for _, value in source):
            raise ValueError("not a mapping of names to tensors")
    except Exception as error:
        # Both readers raise types of their own; to the user they all mean one thing.
        reason = " ".join(str(error).split())[:200]
        raise InputError(
            f"{path}: no weights ({reason}); expected a .safetensors or .pth file of named tensors"
        ) from None
    _fit(encoder, source, str(path))


def load_from_hub(encoder: Encoder, name: str) -> None:
    """Start an encoder from timm's own weights, in place; they are downloaded, or in its cache.

    Parameters
    ----------
    encoder : Encoder
    name : str
        Of the model in timm, for example ``tf_efficientnet_b5``.

    Raises
    ------
    InputError
        The hub cannot be reached, or has no weights of that name.
    """
    import timm

    try:
        net = timm.create_model(name, pretrained=True)
    except Exception as error:
        # Whatever the hub's client raises, the remedy is the same.
        reason = " ".join(str(error).split())[:200]
        raise InputError(
            f"{name}: no weights from timm's hub ({reason}); expected to reach it: give a file "
            "with --encoder-weights, or a package under encoder_weights"
        ) from None
    state = [(k, v) for k, v in net.state_dict().items() if not k.endswith("num_batches_tracked")]
    _fit(encoder, state, f"timm's hub, {name}")


def _fit(encoder: Encoder, source: list[tuple[str, Any]], origin: str) -> None:
    """Put named tensors into an encoder, by timm's names or else by position."""
    wanted = encoder.state_dict()
    names = [name for name in wanted if not name.endswith("num_batches_tracked")]
    # Files that are sorted by name, as .safetensors are, have lost the positions.
    known, named = dict(source), [_name_in_timm(encoder, name) for name in names]
    if known.keys() >= set(named):
        source = [(name, known[name]) for name in named]
    for name, (theirs, value) in zip(names, source, strict=False):
        if wanted[name].shape != value.shape:
            raise InputError(
                f"{origin}: {theirs} has shape {tuple(value.shape)}; expected "
                f"{tuple(wanted[name].shape)} for {name}: take the file of the same encoder"
            )
        wanted[name] = value
    if len(source) < len(names):
        raise InputError(f"{origin}: {len(source)} tensors; expected at least {len(names)}")
    encoder.load_state_dict(wanted)


def start_from(model: Network, other: Network) -> None:
    """Start a network from another's weights, in place.

    Parameters
    ----------
    model, other : Network
        Alike but for their maps: a map that the other does not predict starts at random in its
        last layer.

    Raises
    ------
    InputError
        Networks that differ in more than that.
    """
    weights, start = model.state_dict(), other.state_dict()
    try:
        for name in (name for name in start if name.startswith("head.")):
            head = weights[name].clone()
            for channel, kept in enumerate(model.maps):
                if kept in other.maps:
                    head[channel] = start[name][other.maps.index(kept)]
            start[name] = head
        model.load_state_dict(start)
    except (KeyError, RuntimeError):
        raise InputError(
            f"a network {other.architecture} to start from; expected {model.architecture} but for "
            "the maps: take another or change the configuration"
        ) from None


def _name_in_timm(encoder: Encoder, name: str) -> str:
    """Give timm's name of an encoder's tensor: the expansion is part of the next block there."""
    block = f"blocks.{len(encoder.blocks)}.0"
    for ours, theirs in (("expansion.0", "conv_pw"), ("expansion.1", "bn1")):
        if name.startswith(ours):
            return name.replace(ours, f"{block}.{theirs}", 1)
    return name
