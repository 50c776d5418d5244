"""Reads weights to start a network from: an encoder's from ImageNet, or another network's."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ctc_eval.format import InputError

if TYPE_CHECKING:
    from efficientcellseg.networks.base import Network
    from efficientcellseg.networks.efficientcellseg import EfficientNetEncoder


def load_encoder(encoder: EfficientNetEncoder, path: Path, sha256: str | None = None) -> None:
    """Start an encoder from ImageNet weights, in place.

    Parameters
    ----------
    encoder : EfficientNetEncoder
        Of an :class:`efficientcellseg.networks.efficientcellseg.EfficientCellSegNetwork`.
    path : Path
        A .safetensors or .pth file of an EfficientNet; only tensors are read from the latter.
        Tensors are matched by timm's names; where these are not in a file, by position, each
        checked for its shape, so that checkpoints of other implementations fit, too.
    sha256 : str, optional
        Hash that the file must have.

    Raises
    ------
    InputError
        No such file, another one, or tensors that do not fit.
    """
    import torch
    from safetensors.torch import load_file

    from efficientcellseg.networks.folders import file_hash

    if not path.is_file():
        raise InputError(
            f"{path}: no such file; expected the encoder's ImageNet weights", code="file-missing"
        )
    if sha256 and (found_hash := file_hash(path)) != sha256:
        raise InputError(
            f"{path}: SHA-256 {found_hash}; expected {sha256} as the configuration says: take the "
            "file that is meant",
            code="weights-hash",
        )
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
            f"{path}: no weights ({reason}); expected a .safetensors or .pth file of named tensors",
            code="weights-unreadable",
        ) from None
    _fit(encoder, source, str(path))


def name_in_hub(name: str, tag: str | None) -> str:
    """Find the full name of an encoder's weights in timm's hub, without a network connection.

    Parameters
    ----------
    name : str
        Of the model in timm, for example ``tf_efficientnet_b5``.
    tag : str or None
        Which of its weights, for example ``aa_in1k``; None for timm's own choice.

    Returns
    -------
    str

    Raises
    ------
    InputError
        timm knows no such weights.
    """
    import timm

    tags = [one.rpartition(".")[2] for one in timm.list_pretrained(f"{name}.*")]
    default = timm.models.get_pretrained_cfg(name)
    chosen = tag or (default.tag if default else "")
    if chosen not in tags:
        raise InputError(
            f"{name}: no weights {chosen or 'at all'} in timm; expected one of {', '.join(tags)}: "
            "correct encoder_weights.tag",
            code="encoder-tag-unknown",
        )
    return f"{name}.{chosen}"


def load_from_hub(encoder: EfficientNetEncoder, name: str) -> None:
    """Start an encoder from timm's own weights, in place; they are downloaded, or in its cache.

    Parameters
    ----------
    encoder : EfficientNetEncoder
    name : str
        From :func:`name_in_hub`.

    Raises
    ------
    InputError
        The hub cannot be reached.
    """
    import timm

    try:
        net = timm.create_model(name, pretrained=True)
    except Exception as error:
        # Whatever the hub's client raises, the remedy is the same.
        reason = " ".join(str(error).split())[:200]
        raise InputError(
            f"{name}: no weights from timm's hub ({reason}); expected to reach it: give a file "
            "(encoder_weights: {kind: file, path: FILE}, or --encoder-weights), or a package",
            code="hub-unreachable",
        ) from None
    state = [(k, v) for k, v in net.state_dict().items() if not k.endswith("num_batches_tracked")]
    _fit(encoder, state, f"timm's hub, {name}")


def _fit(encoder: EfficientNetEncoder, source: list[tuple[str, Any]], origin: str) -> None:
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
                f"{tuple(wanted[name].shape)} for {name}: use the file of the same encoder",
                code="weights-unfit",
            )
        wanted[name] = value
    if len(source) < len(names):
        raise InputError(
            f"{origin}: {len(source)} tensors; expected at least {len(names)}", code="weights-unfit"
        )
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
            "the maps: use another, or change the configuration",
            code="weights-unfit",
        ) from None


def _name_in_timm(encoder: EfficientNetEncoder, name: str) -> str:
    """Give timm's name of an encoder's tensor: the expansion is part of the next block there."""
    block = f"blocks.{len(encoder.blocks)}.0"
    for ours, theirs in (("expansion.0", "conv_pw"), ("expansion.1", "bn1")):
        if name.startswith(ours):
            return name.replace(ours, f"{block}.{theirs}", 1)
    return name
