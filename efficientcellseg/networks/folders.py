"""Reads and writes model folders: weights.safetensors and model.yaml; nothing is unpickled."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import yaml
from pydantic import ConfigDict, Field

from ctc_eval.format import InputError, atomic
from efficientcellseg.frozen import Count, Frozen, Positive, WholeNumber
from efficientcellseg.parameters.architecture import Architecture
from efficientcellseg.parameters.reading import check_values, read_yaml
from efficientcellseg.parameters.values import Sha256

if TYPE_CHECKING:
    from efficientcellseg.networks.base import Network

WEIGHTS, CARD = "weights.safetensors", "model.yaml"


class Card(Frozen):
    """What a model folder says of its network, in model.yaml; further keys are kept as they are.

    Architecture and hash are what the network is loaded by; the others say how it came about.
    """

    model_config = ConfigDict(extra="allow")

    architecture: Architecture
    """What the network is built of."""

    sha256: Sha256
    """Hash of the weights' file."""

    parameters: Count | None = None
    """Number of its weights."""

    configuration: dict[str, Any] = Field(default_factory=dict)
    """Training configuration, as it was then."""

    encoder_weights: str | None = None
    """ImageNet weights that the encoder started from: which of the hub's, or the file."""

    samples: WholeNumber | None = None
    """Samples to learn from."""

    fold: WholeNumber | None = None
    """Which of the folds was held out."""

    cell_diameter: tuple[Positive, Positive, Positive] | None = None
    """How large cells were in training, in pixels of its input: 5th, 50th and 95th percentile of \
the diameters of disks as large as each cell's largest section."""

    context_2d: Literal["highlight", "intensity", "none"] | None = None
    """What it wants to see in place of neighbors in frames of one plane; null: it does not tell."""

    slices_seen: WholeNumber = 0
    """Slices it has learned from, with repetitions; 0 where that is not known."""

    samples_sha256: Sha256 | None = None
    """Hash of the samples' file."""

    software: dict[str, Any] = Field(default_factory=dict)
    """Versions at work, and the device."""

    threads: Count | None = None
    """CPU threads at work."""

    curve: tuple[str, ...] = ()
    """Lines of the learning curve, a CSV table."""

    seen: tuple[Annotated[str, Field(pattern="^[0-9a-f]{16}$")], ...] = ()
    """Fingerprints of the frames it has learned from."""

    started_from: Card | None = None
    """Card of the network that it went on from."""

    imported_from: dict[str, Any] = Field(default_factory=dict)
    """File that it was imported from."""

    difference_to_onnxruntime: dict[str, float] = Field(default_factory=dict)
    """Largest differences to what ONNX Runtime makes of that file."""


def file_hash(path: Path) -> str:
    """Compute the SHA-256 of a file.

    Parameters
    ----------
    path : Path

    Returns
    -------
    str
        In hexadecimal.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_card(folder: Path) -> Card:
    """Read a model folder's model.yaml.

    Parameters
    ----------
    folder : Path

    Returns
    -------
    Card

    Raises
    ------
    InputError
        No such folder; a card without architecture or hash, or with odd values.
    """
    path = folder / CARD
    if not path.is_file():
        raise InputError(
            f"{folder}: no model in it; expected a folder with {CARD} and {WEIGHTS}: train one, "
            "or give another with --model DIR",
            code="model-missing",
        )
    return read_yaml(path, Card)


def check_weights(folder: Path) -> Card:
    """Read a model folder's card, and check the weights against its hash.

    Parameters
    ----------
    folder : Path
        Model folder.

    Returns
    -------
    Card

    Raises
    ------
    InputError
        What :func:`read_card` refuses; weights that are missing or have another hash.
    """
    card, path = read_card(folder), folder / WEIGHTS
    if not path.is_file():
        raise InputError(
            f"{path}: no weights; expected them beside {CARD}: copy the whole folder",
            code="weights-missing",
        )
    found = file_hash(path)
    if found != card.sha256:
        raise InputError(
            f"{path}: SHA-256 {found}; expected {card.sha256}: copy or download it again",
            code="weights-hash",
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
        What :func:`check_weights` refuses; weights that do not fit the architecture.
    """
    import torch
    from safetensors.torch import load_file

    from efficientcellseg.networks.base import build

    card, path = check_weights(folder), folder / WEIGHTS
    try:
        weights = load_file(path)
    except Exception as error:
        # The reader raises types of its own; to the user they all mean one thing.
        reason = " ".join(str(error).split())[:200]
        raise InputError(
            f"{path}: no weights ({reason}); expected a .safetensors file: copy or download it "
            "again",
            code="weights-unreadable",
        ) from None
    if odd := [name for name, values in weights.items() if not torch.isfinite(values).all()]:
        raise InputError(
            f"{path}: numbers that are not finite in {len(odd)} tensors, such as {odd[0]}; "
            "expected weights of a training that has not diverged: train it again",
            code="weights-infinite",
        )
    try:
        model = build(card.architecture)
    except InputError as error:
        raise InputError(f"{folder / CARD}: {error}", code=error.code) from None
    try:
        model.load_state_dict(weights)
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:300]
        raise InputError(
            f"{path}: does not fit the architecture ({card.architecture}) of {CARD} ({reason}); "
            "copy the whole folder again",
            code="weights-unfit",
        ) from None
    return model.float().eval()


def save_model(folder: Path, model: Network, facts: dict[str, Any], *, half: bool = True) -> None:
    """Write a model folder.

    Parameters
    ----------
    folder : Path
    model : Network
    facts : dict
        What its card is to say beside architecture and hash, see :class:`Card`.
    half : bool
        Write the weights as float16, not float32.

    Raises
    ------
    InputError
        Weights that are not finite, or not in float16.
    """
    import torch
    from safetensors.torch import save

    weights = {
        name: (value.half() if half and value.is_floating_point() else value).contiguous().cpu()
        for name, value in model.state_dict().items()
    }
    if any(not torch.isfinite(value).all() for value in weights.values()):
        raise InputError(
            "weights that float16 cannot hold: the training has diverged; lower its rate",
            code="weights-infinite",
        )
    architecture = model.architecture.model_dump(mode="json")
    with atomic(folder / WEIGHTS) as temporary:
        temporary.write_bytes(save(weights))  # its own writer raises no OSError
        values = {"architecture": architecture, "sha256": file_hash(temporary), **facts}
        # Before the weights take their place: a card that YAML cannot hold leaves all as it was.
        card = check_values(values, Card, str(folder / CARD))
        text = yaml.safe_dump(
            card.model_dump(mode="json", exclude_unset=True), sort_keys=False, width=100
        )
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
    found = [path.parent for path in sorted(model.glob(f"*/{CARD}"))] or [model]
    folders = {path: set(read_card(path).architecture.maps) for path in found}
    known = set().union(*folders.values())
    if missing := set(maps) - known:
        raise InputError(
            f"{model}: no network for {', '.join(sorted(missing))}, only for "
            f"{', '.join(sorted(known))}; expected one for each map of the recipe: train it, or "
            "give another folder with --model DIR",
            code="network-missing",
        )
    return [path for path, names in folders.items() if names & set(maps)]
