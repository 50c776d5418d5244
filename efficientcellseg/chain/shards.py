"""Reads and writes masks: collects those of a sequence's shards in one folder."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ctc_eval.format import InputError, frame_files
from efficientcellseg.provenance import write_mask_record


def gather_masks(shards: Sequence[Path], output: Path, record: Mapping[str, Any]) -> None:
    """Copy the masks of some shards of frames into one folder, with a record of what made them.

    Parameters
    ----------
    shards : sequence of Path
        Folders of masks, of different frames.
    output : Path
        Appears when it is whole.
    record : mapping
        What the masks were made with, see :func:`efficientcellseg.provenance.mask_record`.

    Raises
    ------
    InputError
        A shard without masks, a frame in two shards, or something where the folder is to be.
    """
    masks: dict[int, Path] = {}
    for shard in shards:
        for number, mask in frame_files(shard, "mask", complete=False).items():
            if number in masks:
                raise InputError(
                    f"{mask}: {masks[number]} is of the same frame; expected each frame in one "
                    "shard: leave one of them out",
                    code="frame-twice",
                )
            masks[number] = mask
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise InputError(
            f"{output}: exists already; expected no such folder, or an empty one: remove it, or "
            "choose another",
            code="output-exists",
        )
    staged = output.with_name(f".{output.name}-{uuid.uuid4().hex}")
    staged.mkdir(parents=True)
    try:
        for mask in masks.values():
            shutil.copy(mask, staged / mask.name)
        write_mask_record(staged, record)
        staged.replace(output)
    finally:
        shutil.rmtree(staged, ignore_errors=True)
