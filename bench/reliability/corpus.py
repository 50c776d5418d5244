"""Inputs that are spoiled at random, from a seed, and what reads each kind of them."""

from __future__ import annotations

import io
import json
import logging
import random
import struct
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import tifffile
import yaml

from ctc_eval.format import (
    InputError,
    frame_files,
    open_labels,
    read_record,
    read_tracks,
    read_volume,
)

Read = Callable[[Path], None]

VOLUME = (np.arange(4 * 37 * 21, dtype=np.uint16).reshape(4, 37, 21) // 7) % 5
NUMBERS = (0, 1, 2, 7, 12, 255, 4095, 65535, 10**6, 2**28, 2**31 - 1, 2**32 - 1)
HOSTILE = ("*a", "&a [1]", "&a [*a]",
           "[" * 400, "{a: " * 40, "9" * 5000, "1e300", "-1", "0", ".nan", ".inf",
           "null", "[]", "{}", "'\u0663'", "!!python/object/apply:os.system [id]", "2026-99-99",
           "!!binary x", "? [a]\n: b", "1.0e-12", "10000000000000")  # fmt: skip
VALUES = (None, True, -1, 0, 1, 3, 0.5, 2.0, 1e300, 1e-12, 10**12, 10**30, float("nan"), "", "x",
          "01", "cells", [], {}, [1, 2], [[1]], {"a": 1}, {"kind": "zip"}, "../x")  # fmt: skip
RECIPE = {
    "name": "Tiny",
    "description": "made for tests",
    "sequences": ["01"],
    "voxel_size": [2.0, 1.0, 1.0],
    "source": {"kind": "local"},
    "pseudocolor": {"grid": 4, "bits": 8, "steps": 3},
    "tiling": {"rows": 2, "columns": 3, "overlap": 0.25},
    "labeling": {"method": "components", "min_size": 5},
}
OME = (
    '<OME UUID="u"><Image><Pixels SizeX="21" SizeY="37" SizeZ="4" SizeC="1" SizeT="1">'
    '<TiffData IFD="0" PlaneCount="4"/></Pixels></Image></OME>'
)


def _tiffs() -> list[bytes]:
    """Write one volume in all the ways that a mutation may start from."""
    gray = {"photometric": "minisblack", "metadata": None}
    ways: tuple[dict, ...] = (
        {},
        {"compression": "zlib"},
        {"compression": "lzw", "rowsperstrip": 10},
        {"compression": "packbits"},
        {"compression": "zlib", "predictor": True, "byteorder": ">"},
        {"bigtiff": True, "compression": "zlib", "rowsperstrip": 10},
        {"tile": (16, 16), "compression": "zlib"},
        {"compression": "zstd"},
        {"metadata": {"axes": "ZYX"}},
        {"imagej": True, "metadata": {"axes": "ZYX"}},
        {"description": OME},
    )
    files = []
    for way in ways:
        file = io.BytesIO()
        tifffile.imwrite(file, VOLUME, **{**gray, **way})
        files.append(file.getvalue())
    return files


def spoil(data: bytes, chance: random.Random) -> bytes:
    """Cut, change, repeat or insert bytes, the way that damage and ill will do."""
    spoiled = bytearray(data)
    for _ in range(chance.choice((1, 1, 1, 2, 4))):
        place = chance.randrange(max(len(spoiled), 1))
        match chance.randrange(6):
            case 0:
                del spoiled[place:]
            case 1 | 2:
                spoiled[place : place + 1] = bytes([chance.randrange(256)])
            case 3:
                number = struct.pack(chance.choice("<>") + "I", chance.choice(NUMBERS))
                spoiled[place : place + 4] = number
            case 4:
                spoiled[place:place] = spoiled[place : place + chance.randrange(1, 40)]
            case 5:
                del spoiled[place : place + chance.randrange(1, 40)]
    return bytes(spoiled)


def _lie(data: bytes, chance: random.Random) -> bytes:
    """Change the value, type or count of one tag of one page."""
    with tifffile.TiffFile(io.BytesIO(data)) as tif:
        page = chance.choice(tif.pages).aspage()
        tag = chance.choice(list(page.tags))
        order, wide = tif.byteorder, tif.is_bigtiff
    spoiled = bytearray(data)
    place, form = tag.offset, chance.randrange(4)
    if form == 0:
        spoiled[place + 2 : place + 4] = struct.pack(f"{order}H", chance.randrange(20))
    elif form == 1:
        number = chance.choice(NUMBERS)
        length = 8 if wide else 4
        spoiled[place + 4 : place + 4 + length] = number.to_bytes(
            length, "big" if order == ">" else "little"
        )
    else:
        number, start = chance.choice(NUMBERS), place + (12 if wide else 8)
        spoiled[start : start + 4] = struct.pack(f"{order}I", number)
    return bytes(spoiled)


def tiff(files: list[bytes], chance: random.Random) -> bytes:
    """Spoil a TIFF: its bytes, or what one tag says."""
    data = chance.choice(files)
    if chance.random() < 0.05:
        return data
    return _lie(data, chance) if chance.random() < 0.5 else spoil(data, chance)


def text(files: list[bytes], chance: random.Random) -> bytes:
    """Spoil a text: its bytes, or one of its words."""
    data = chance.choice(files)
    if chance.random() < 0.4:
        return spoil(data, chance)
    words = data.decode().split(" ")
    words[chance.randrange(len(words))] = chance.choice(HOSTILE)
    return " ".join(words).encode()


def values(files: list[bytes], chance: random.Random) -> bytes:
    """Spoil YAML: as a text, or one of its values."""
    data = chance.choice(files)
    if chance.random() < 0.5:
        return text(files, chance)
    whole = place = yaml.safe_load(data)
    while True:
        key = chance.choice(list(place) if isinstance(place, dict) else range(len(place)))
        inner = place[key]
        if not isinstance(inner, dict | list) or not inner or chance.random() < 0.3:
            place[key] = chance.choice(VALUES)
            return yaml.safe_dump(whole).encode()
        place = inner


def read_tiff(path: Path) -> None:
    """Read as a mask and as a frame: one volume, the one that tifffile reads page by page."""
    found = []
    for read in (_labels, read_volume):
        try:
            found.append(read(path))
        except InputError as error:
            fault = error
    if not found:
        raise fault
    if len(found) == 2 and not np.array_equal(*found):
        raise AssertionError("judge and method read different volumes")
    try:
        with tifffile.TiffFile(path) as tif:
            theirs = [page.asarray() for page in tif.pages]
    except Exception:
        return  # what tifffile cannot read, for a tag that plays no part in pixels
    if len(theirs) == len(found[0]) and not np.array_equal(found[0], theirs):
        raise AssertionError("not the pixels that tifffile reads")


def _labels(path: Path) -> np.ndarray:
    with open_labels(path) as image:
        return np.array([image.plane(plane) for plane in range(image.shape[0])])


def read_track_file(path: Path) -> None:
    """Read tracks; what is at fault in them is listed, and raised here."""
    tracks, faults = read_tracks(path)
    if any(track.end > 9999 or track.label > 65535 for track in tracks.values()):
        raise AssertionError("numbers beyond all bounds")
    for fault in faults:
        raise InputError(str(fault), code=fault.code)


def read_recipe(path: Path) -> None:
    """Read a recipe."""
    from efficientcellseg.parameters.recipe import load_recipe

    load_recipe(path)


def read_model_card(path: Path) -> None:
    """Read what a model folder says of its network."""
    from efficientcellseg.networks.folders import Card
    from efficientcellseg.parameters.reading import read_yaml

    read_yaml(path, Card)


def read_weights(path: Path) -> None:
    """Load a network whose weights' hash fits, so that it is the weights' reader that must see."""
    from efficientcellseg.networks.folders import file_hash, load_model

    weights = path.with_name("weights.safetensors")
    path.replace(weights)
    card = yaml.safe_dump({"architecture": SMALL, "sha256": file_hash(weights)})
    path.with_name("model.yaml").write_text(card)
    load_model(path.parent)


def read_archive(path: Path) -> None:
    """Unpack a zip beside it; nothing may land elsewhere."""
    from efficientcellseg.datasets.archives import unzip

    folder = path.parent / "unpacked" / "here"
    folder.mkdir(parents=True)
    unzip(path, folder)
    if list((path.parent / "unpacked").iterdir()) != [folder]:
        raise AssertionError("a member left its folder")


def read_mask_record_of(path: Path) -> None:
    """Read the record beside masks, as the judge does."""
    path.replace(path.with_name(".segmentation.json"))
    read_record(path.parent)


def read_names(path: Path) -> None:
    """List the frames of a folder with names of all kinds."""
    for name in path.read_text(errors="replace").split():
        if "/" not in name and "\0" not in name and name not in (".", ".."):
            (path.parent / name[:60]).touch()
    frames = frame_files(path.parent)
    if list(frames) != list(range(len(frames))):
        raise AssertionError("frames with a gap")


SMALL = {"kind": "unet", "maps": ["cells"], "filters": [2, 4], "input_size": 32}


def _small_weights() -> bytes:
    from pydantic import TypeAdapter
    from safetensors.torch import save

    from efficientcellseg.networks.base import build
    from efficientcellseg.parameters.architecture import Architecture

    return save(build(TypeAdapter(Architecture).validate_python(SMALL)).state_dict())


def _zips() -> list[bytes]:
    files = []
    for packing in (zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w", packing) as archive:
            archive.writestr("Mine/01/t000.tif", bytes(range(200)))
            archive.writestr("Mine/01/t001.tif", bytes(300))
        files.append(file.getvalue())
    return files


def kinds() -> dict[str, tuple[float, Callable[[random.Random], bytes], Read]]:
    """Give each kind of input: its share of the corpus, what makes it, what reads it."""
    logging.getLogger("tifffile").setLevel(logging.CRITICAL + 1)
    sources: dict[str, list[bytes]] = {
        "TIFF": _tiffs(),
        "track file": [b"1 0 3 0\n2 0 1 0\n3 2 3 2\n4 2 3 2\n"],
        "recipe": [yaml.safe_dump(RECIPE).encode()],
        "model card": [yaml.safe_dump({"architecture": SMALL, "sha256": "0" * 64}).encode()],
        "weights": [_small_weights()],
        "zip": _zips(),
        "mask record": [json.dumps({"method": "classical", "seen": [1, 2]}, indent=1).encode()],
        "frame names": [b"t000.tif t001.tif t002.tif"],
    }
    readers: dict[str, tuple[float, Callable, Read]] = {
        "TIFF": (0.6, tiff, read_tiff),
        "track file": (0.1, text, read_track_file),
        "recipe": (0.1, values, read_recipe),
        "model card": (0.05, values, read_model_card),
        "weights": (0.03, lambda files, chance: spoil(files[0], chance), read_weights),
        "zip": (0.06, lambda files, chance: spoil(chance.choice(files), chance), read_archive),
        "mask record": (0.03, text, read_mask_record_of),
        "frame names": (0.03, text, read_names),
    }

    def maker(kind: str) -> Callable[[random.Random], bytes]:
        return lambda chance: readers[kind][1](sources[kind], chance)

    return {kind: (share, maker(kind), read) for kind, (share, _, read) in readers.items()}


def corpus(count: int, seed: int) -> Iterator[tuple[str, bytes, Read]]:
    """Make so many inputs: kind, content, reader; the same ones for a seed."""
    for kind, (share, make, read) in kinds().items():
        chance = random.Random(f"{seed} {kind}")
        for _ in range(round(share * count)):
            yield kind, make(chance), read
