"""What tables say about networks: their names and what they were trained on, from their cards."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from efficientcellseg.networks.folders import Card


@dataclass(frozen=True)
class TrainedOn:
    """What networks were trained on, in relation to a data set.

    Attributes
    ----------
    sequences : dict of str to str
        Of that data set itself, with the frames, ``:`` for all.
    akin, others : bool
        Whether there were other data that the same recipe describes; other data.
    files : tuple of str
        Files that networks were imported from: their training is not known here.
    """

    sequences: dict[str, str]
    akin: bool
    others: bool
    files: tuple[str, ...]

    def text(self, here: bool) -> str:
        """Describe it, as in "trained here on 01 and other data".

        Parameters
        ----------
        here : bool
            Whether the networks were trained by the user, not shipped.

        Returns
        -------
        str
        """
        what = [
            name if frames == ":" else f"{name} (frames {frames})"
            for name, frames in sorted(self.sequences.items())
        ]
        if self.others:
            what.append("other data")
        elif self.akin:
            what.append("other data of its kind")
        told = [f"weights of {', '.join(self.files)}"] if self.files else []
        if what:
            told.append(f"trained {'here ' if here else ''}on {and_join(what)}")
        return ", ".join(told) or "training unknown"


def name_networks(cards: Sequence[Card]) -> str:
    """Name networks by kind and side of the input, each once: ``EfficientCellSeg-B5 384``.

    Parameters
    ----------
    cards : sequence of Card

    Returns
    -------
    str
    """
    sizes = [(card.architecture.title, card.architecture.input_size) for card in cards]
    return " + ".join(dict.fromkeys(f"{title} {size}" for title, size in sizes))


def tell_training(
    cards: Sequence[Card], folder: str, dataset: str, sequences: Sequence[str]
) -> TrainedOn:
    """Collect what networks were trained on, including the networks they continued from.

    Parameters
    ----------
    cards : sequence of Card
    folder, dataset : str
        Folder and name of the data set that is segmented.
    sequences : sequence of str
        All its annotated sequences, for trainings that name none.

    Returns
    -------
    TrainedOn
    """
    entries = [entry for card in cards for entry in _learnt(card)]
    places = [(entry, entry.get("folder") or entry.get("dataset")) for entry in entries]
    elsewhere = {entry.get("dataset") for entry, place in places if place != folder}
    return TrainedOn(
        sequences={
            name: entry.get("frames") or ":"
            for entry, place in places
            if place == folder
            for name in entry.get("sequences") or sequences
            if f"{folder}/{name}" not in entry["leave_out"]
        },
        akin=dataset in elsewhere,
        others=bool(elsewhere - {dataset}),
        files=tuple(
            dict.fromkeys(str(card.imported_from["file"]) for card in cards if card.imported_from)
        ),
    )


def _learnt(card: Card) -> Iterator[dict[str, Any]]:
    """List the data of a network's trainings, but for those that were held out."""
    if card.started_from:
        yield from _learnt(card.started_from)
    # A cross-validation leaves out sequences of these, as FOLDER/SEQUENCE.
    left_out = card.configuration.get("leave_out", ())
    for entry in card.configuration.get("data", ()):
        if not entry.get("held_out"):
            yield {**entry, "leave_out": left_out}


def and_join(words: Sequence[str]) -> str:
    """Join words as in a sentence: "01, 02 and 03".

    Parameters
    ----------
    words : sequence of str
        At least one.

    Returns
    -------
    str
    """
    *first, last = words
    return f"{', '.join(first)} and {last}" if first else last
