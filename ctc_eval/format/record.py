"""Reads the record beside masks: what they were made with, and what their score has to mention.

The method writes it; this is all of it that the judge needs.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, get_type_hints

from ctc_eval.format.errors import InputError
from ctc_eval.format.names import parse_frames

RECORD = ".segmentation.json"

# What a record of before does not say.
_LATER = {"name", "trained", "crossed", "frames"}


@dataclass(frozen=True)
class ScoreRecord:
    """What a score says of masks and reference: the record's key ``score``.

    Attributes
    ----------
    networks : str
        Number and kind, such as "1 x U-Net", or "none".
    parameters : int or None
        Weights of all networks together; None without networks.
    training : str
        What they were trained on, such as "123 slices".
    penalize_extra_detections : bool
        Whether DET counts objects that match nothing.
    reference : str
        Kind of the reference's folder: GT, ST or ERR_SEG.
    reference_note : str
        What the reference is.
    name : str
        Networks and the side of their input, such as "U-Net 384", or what there is instead.
    trained : str
        On what, such as "trained here on 01"; nothing without networks.
    crossed : str
        Such as "trained on 01, scored on 02", where they know other sequences of the data set;
        else nothing.
    frames : str
        Frames A:B that were segmented, B exclusive; nothing where that is all.
    """

    networks: str = ""
    parameters: int | None = None
    training: str = ""
    penalize_extra_detections: bool = True
    reference: str = "GT"
    reference_note: str = ""
    name: str = ""
    trained: str = ""
    crossed: str = ""
    frames: str = ""

    @property
    def method(self) -> str:
        """Name of the method in tables: its networks, and what they were trained on.

        Returns
        -------
        str
        """
        return ", ".join(filter(None, (self.name, self.trained)))

    @property
    def run(self) -> slice:
        """Frames that were segmented.

        Returns
        -------
        slice
            Half open.
        """
        return parse_frames(self.frames or ":")


@dataclass(frozen=True)
class MaskRecord:
    """What the record beside masks tells the judge.

    Attributes
    ----------
    method : str
        Name of the method.
    seen : frozenset of int
        Frames that the networks have learned from.
    score : ScoreRecord or None
        None if the record does not say.
    """

    method: str = ""
    seen: frozenset[int] = frozenset()
    score: ScoreRecord | None = None


def read_record(result: Path) -> MaskRecord:
    """Read the record beside masks.

    Parameters
    ----------
    result : Path
        Folder of masks.

    Returns
    -------
    MaskRecord
        An empty one where there is no record.

    Raises
    ------
    InputError
        A record that is damaged, or says something else than expected.
    """
    path = result / RECORD
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return MaskRecord()
    except (ValueError, RecursionError) as error:
        raise _damaged(path, str(error)) from None
    if not isinstance(found, dict):
        raise _damaged(path, "not an object")
    method, seen = found.get("method", ""), found.get("seen", [])
    if not isinstance(method, str):
        raise _damaged(path, f"method {method!r}")
    if not isinstance(seen, list) or not all(isinstance(frame, int) for frame in seen):
        raise _damaged(path, f"seen {seen!r}")
    if stale := found.get("stale"):
        raise InputError(
            f"{path}: names {len(stale)} masks that an earlier run made in another way; expected "
            "masks of one run: segment to the end, or remove the record",
            code="record-unfinished",
        )
    score = _read_score(path, found["score"]) if "score" in found else None
    return MaskRecord(method, frozenset(seen), score)


def _read_score(path: Path, found: Any) -> ScoreRecord:
    if not isinstance(found, dict):
        raise _damaged(path, f"score {found!r}")
    kinds = get_type_hints(ScoreRecord)
    found = {**dict.fromkeys(_LATER, ""), **found}
    for name, kind in kinds.items():
        if name not in found or not isinstance(found[name], kind):
            raise _damaged(path, f"score.{name} {found.get(name)!r}")
    score = ScoreRecord(**{field.name: found[field.name] for field in fields(ScoreRecord)})
    try:
        score.run  # noqa: B018
    except InputError as error:
        raise _damaged(path, f"score.{error}") from None
    return score


def _damaged(path: Path, reason: str) -> InputError:
    return InputError(
        f"{path}: damaged ({' '.join(reason.split())[:200]}); expected the record that the method "
        "wrote beside its masks: segment again, or remove the record",
        code="record-damaged",
    )


def fingerprint(path: Path) -> str:
    """Identify a frame by its size and 64 KiB each from its beginning, middle and end.

    This is quick on large frames, whose borders may be black, and enough to recognize the frames
    that a network was trained on.

    Parameters
    ----------
    path : Path

    Returns
    -------
    str
        16 hexadecimal digits of SHA-256.
    """
    size, part = path.stat().st_size, 1 << 16
    digest = hashlib.sha256(b"%d" % size)
    with path.open("rb") as file:
        for place in (0, size // 2, max(size - part, 0)):
            file.seek(place)
            digest.update(file.read(part))
    return digest.hexdigest()[:16]
