"""The short way of reading label images gives what the general reader gives, or nothing."""

import numpy as np
import pytest
import tifffile

from ctc_eval.format import InputError
from ctc_eval.format import labels as masks
from ctc_eval.format.labels import open_labels
from ctc_eval.format.plain import plain_pages, read_plain

LABELS = np.random.default_rng(1).integers(0, 4, (3, 37, 21)).astype(np.uint16) * 21845

PLAIN = {
    "none": {},
    "lzw": {"compression": "lzw"},
    "deflate": {"compression": "zlib"},
    "old deflate": {"compression": "deflate"},
    "packbits": {"compression": "packbits"},
    "a strip for many rows": {"compression": "zlib", "rowsperstrip": 10},
    "a strip a row": {"rowsperstrip": 1},
    "described": {"description": "cells", "software": "mine", "metadata": None},
}
OTHER = {
    "predictor": {"compression": "zlib", "predictor": True},
    "big-endian": {"byteorder": ">"},
    "BigTIFF": {"bigtiff": True},
    "tiles": {"tile": (16, 16)},
    "zstd": {"compression": "zstd"},
    "miniswhite": {"photometric": "miniswhite"},
    "a tag of its own": {"extratags": [(65000, 3, 1, 7, True)]},
}


def _write(path, labels=LABELS, **options):
    tifffile.imwrite(path, labels, **{"photometric": "minisblack", **options})
    return path


def _pages(path):
    with path.open("rb") as file:
        pages = plain_pages(file)
        return pages, [read_plain(file, page) for page in pages]


@pytest.mark.parametrize("options", PLAIN.values(), ids=PLAIN)
def test_plain_files_are_read_pixel_by_pixel(tmp_path, options):
    _, planes = _pages(_write(tmp_path / "mask000.tif", **options))
    np.testing.assert_array_equal(planes, LABELS)
    assert {plane.dtype for plane in planes} == {np.dtype(np.uint16)}


@pytest.mark.parametrize("options", OTHER.values(), ids=OTHER)
def test_whatever_is_not_plain_is_left_to_the_general_reader(tmp_path, options):
    assert _pages(_write(tmp_path / "mask000.tif", **options))[0] == []


@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint32", "float32"])
def test_other_pixel_types_are_not_plain(tmp_path, dtype):
    assert _pages(_write(tmp_path / "mask000.tif", LABELS.astype(dtype)))[0] == []


def test_rgb_and_pages_of_two_sizes_are_not_plain(tmp_path):
    rgb = np.zeros((9, 8, 3), np.uint16)
    assert _pages(_write(tmp_path / "rgb.tif", rgb, photometric="rgb"))[0] == []
    with tifffile.TiffWriter(tmp_path / "two.tif") as tif:
        tif.write(LABELS[0], metadata=None)
        tif.write(LABELS[0, 1:], metadata=None)
    assert _pages(tmp_path / "two.tif")[0] == []


def test_what_is_plain_needs_no_general_reader(tmp_path, monkeypatch):
    path = _write(tmp_path / "mask000.tif", compression="zlib")
    monkeypatch.setattr(masks, "_open_any", None)
    with open_labels(path) as image:
        assert image.shape == LABELS.shape
        np.testing.assert_array_equal([image.plane(z) for z in range(3)], LABELS)


@pytest.mark.parametrize("options", [{}, {"compression": "zlib"}, {"compression": "lzw"}])
def test_a_damaged_file_is_refused_or_read_as_the_general_reader_does(tmp_path, options):
    whole = _write(tmp_path / "whole.tif", metadata=None, **options).read_bytes()
    path = tmp_path / "mask000.tif"
    rng = np.random.default_rng(2)
    outcomes = set()
    for _ in range(150):
        damaged = bytearray(whole)
        damaged[rng.integers(len(whole))] = rng.integers(256)
        path.write_bytes(damaged if rng.random() < 0.8 else damaged[: rng.integers(len(whole))])
        found = []
        for opened in (open_labels, masks._open_any):
            try:
                with opened(path) as image:
                    found.append([image.plane(z) for z in range(image.shape[0])])
            except InputError as error:
                found.append(str(error))
        short, general = found
        assert isinstance(short, str) == isinstance(general, str), found
        outcomes.add(isinstance(short, str))
        if isinstance(short, str):
            assert short == general
        else:
            np.testing.assert_array_equal(short, general)
    assert outcomes == {True, False}
