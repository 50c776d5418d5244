"""Pages read strictly: what tifffile reads of sound files, and nothing of those that lie."""

import struct
import tracemalloc

import numpy as np
import pytest
import tifffile
from refusal import refused

from ctc_eval.format import InputError, open_labels, read_volume, volume_shape

LABELS = np.random.default_rng(1).integers(0, 4, (3, 37, 21)).astype(np.uint16) * 21845
GRAY = {"photometric": "minisblack", "metadata": None}

SOUND = {
    "none": {},
    "lzw": {"compression": "lzw"},
    "deflate": {"compression": "zlib"},
    "old deflate": {"compression": "deflate"},
    "packbits": {"compression": "packbits"},
    "a strip for many rows": {"compression": "zlib", "rowsperstrip": 10},
    "lzw in strips": {"compression": "lzw", "rowsperstrip": 10},
    "a strip a row": {"rowsperstrip": 1},
    "described": {"description": "cells", "software": "mine"},
    "predictor": {"compression": "zlib", "predictor": True},
    "big-endian": {"byteorder": ">"},
    "big-endian, predictor": {"byteorder": ">", "compression": "lzw", "predictor": True},
    "BigTIFF": {"bigtiff": True},
    "a tag of its own": {"extratags": [(65000, 3, 1, 7, True)]},
}
FOR_VOLUMES_ALONE = {
    "tiles": {"tile": (16, 16)},
    "big-endian tiles": {"tile": (16, 16), "compression": "zlib", "byteorder": ">"},
    "tiles, predictor": {"tile": (16, 32), "compression": "lzw", "predictor": True},
    "zstd": {"compression": "zstd"},
    "lzma": {"compression": "lzma"},
}


def write(path, labels=LABELS, **options):
    tifffile.imwrite(path, labels, **(GRAY | options))
    return path


def set_tag(path, name, value, page=0):
    """Overwrite a tag of one page, whatever that makes of the file."""
    with tifffile.TiffFile(path, mode="r+") as tif:
        tif.pages[page].aspage().tags[name].overwrite(value)
    return path


def planes_of(path):
    with open_labels(path) as image:
        return np.array([image.plane(plane) for plane in range(image.shape[0])])


def refused_by_both(path, code, *told):
    with refused(code, str(path), "expected", *told):
        read_volume(path)
    with refused(code, str(path), "expected", *told):
        planes_of(path)


@pytest.mark.parametrize("options", SOUND.values(), ids=SOUND)
def test_sound_files_are_read_pixel_by_pixel(tmp_path, options):
    path = write(tmp_path / "mask000.tif", **options)
    np.testing.assert_array_equal(planes_of(path), LABELS)
    np.testing.assert_array_equal(read_volume(path), LABELS)
    assert planes_of(path).dtype == np.uint16
    assert planes_of(path).dtype.isnative


@pytest.mark.parametrize("options", FOR_VOLUMES_ALONE.values(), ids=FOR_VOLUMES_ALONE)
def test_what_the_official_tool_cannot_read_is_a_volume_but_no_mask(tmp_path, options):
    path = write(tmp_path / "t000.tif", **options)
    np.testing.assert_array_equal(read_volume(path), LABELS)
    with pytest.raises(InputError) as caught:
        planes_of(path)
    assert caught.value.code in ("tiff-tiled", "tiff-compression")


def test_pages_may_be_packed_in_different_ways(tmp_path):
    path = tmp_path / "mask000.tif"
    with tifffile.TiffWriter(path) as writer:
        for plane, compression in zip(LABELS, ("zlib", "lzw", None), strict=True):
            writer.write(plane, compression=compression, **GRAY)
    np.testing.assert_array_equal(read_volume(path), LABELS)
    np.testing.assert_array_equal(planes_of(path), LABELS)


@pytest.mark.parametrize("compression", [None, "zlib", "lzw", "packbits"])
@pytest.mark.parametrize(
    ("tag", "value"), [("ImageLength", 36), ("ImageLength", 38), ("ImageWidth", 22)]
)
def test_strips_hold_just_their_pixels(tmp_path, compression, tag, value):
    """One row less or more than there is, or a wider row: nothing is dropped or made up."""
    path = set_tag(write(tmp_path / "t.tif", LABELS[0], compression=compression), tag, value)
    for read in (read_volume, planes_of):
        with pytest.raises(InputError) as caught:
            read(path)
        assert caught.value.code in ("tiff-damaged", "tiff-impossible", "tiff-unreadable")


@pytest.mark.parametrize("compression", [None, "zlib", "lzw"])
@pytest.mark.parametrize("rows", [9, 11, 36, 2**32 - 1])
def test_rows_per_strip_that_lie(tmp_path, compression, rows):
    path = write(tmp_path / "t.tif", LABELS[0], compression=compression, rowsperstrip=10)
    set_tag(path, "RowsPerStrip", rows)
    for read in (read_volume, planes_of):
        with pytest.raises(InputError):
            read(path)


def test_the_last_strip_may_be_padded(tmp_path):
    """Some writers fill it up to the length of the others; 37 rows are 10, 10, 10 and 7."""
    for compression in (None, "zlib", "lzw"):
        padded = np.concatenate([LABELS[0], np.zeros((3, 21), np.uint16)])
        path = write(tmp_path / "t.tif", padded, compression=compression, rowsperstrip=10)
        set_tag(path, "ImageLength", 37)
        np.testing.assert_array_equal(read_volume(path)[0], LABELS[0])


def test_a_strip_of_one_byte_is_not_spread_over_the_page(tmp_path):
    path = set_tag(write(tmp_path / "t.tif", LABELS[0]), "StripByteCounts", 1)
    refused_by_both(path, "tiff-impossible")


@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("place", [0, 7])
def test_the_header_is_no_pixels(tmp_path, compression, place):
    """Writers that leave strips out say 0 for where they are."""
    path = set_tag(
        write(tmp_path / "t.tif", LABELS[0], compression=compression), "StripOffsets", place
    )
    refused_by_both(path, "tiff-unreadable", f"byte {place}")


@pytest.mark.parametrize(
    ("tag", "value", "code", "told"),
    [
        ("PhotometricInterpretation", 3, "tiff-photometric", "palette"),
        ("PhotometricInterpretation", 0, "tiff-photometric", "miniswhite"),
        ("BitsPerSample", 12, "pixel-type", "uint12"),
        ("Compression", 7, "tiff-compression", "jpeg"),
        ("Compression", 9999, "tiff-compression", "unknown"),
        ("ImageLength", 0, "tiff-unreadable", "0x21 pixels"),
        ("ImageWidth", 0, "tiff-unreadable", "37x0 pixels"),
        ("ImageWidth", 100_000_000, "tiff-impossible", ""),
    ],
)
def test_tags_that_make_it_something_else(tmp_path, tag, value, code, told):
    path = set_tag(write(tmp_path / "t.tif", LABELS, compression="zlib"), tag, value, page=1)
    if code in ("pixel-type", "tiff-impossible") or tag == "ImageWidth":
        for page in (0, 2):
            set_tag(path, tag, value, page)
    refused_by_both(path, code, told)


def test_a_smaller_copy_is_no_plane(tmp_path):
    with tifffile.TiffWriter(tmp_path / "t.tif") as writer:
        writer.write(LABELS, **GRAY)
        writer.write(LABELS[0], subfiletype=1, **GRAY)
    refused_by_both(tmp_path / "t.tif", "tiff-reduced", "smaller copy")


def test_a_tag_without_values(tmp_path):
    path = write(tmp_path / "t.tif", LABELS[0])
    with tifffile.TiffFile(path) as tif:
        entry = tif.pages.first.tags["ImageLength"].offset
    data = bytearray(path.read_bytes())
    data[entry + 4 : entry + 8] = struct.pack("<I", 0)
    path.write_bytes(data)
    refused_by_both(path, "tiff-unreadable", "tag 257 has 0 values")


def test_pages_that_form_a_loop(tmp_path):
    path = write(tmp_path / "t.tif", LABELS)
    with tifffile.TiffFile(path) as tif:
        first, last = tif.pages.first, tif.pages[2]
        end = last.offset + 2 + 12 * len(last.aspage().tags)
        data = bytearray(path.read_bytes())
        data[end : end + 4] = struct.pack("<I", first.offset)
    path.write_bytes(data)
    refused_by_both(path, "tiff-unreadable", "loop")


def test_pages_that_share_one_long_list(tmp_path):
    """500 pages that each have the same 50,000 strips would take 2 GB before the first pixel."""
    path = tmp_path / "t.tif"
    with tifffile.TiffWriter(path) as writer:
        writer.write(np.zeros((50_000, 1), np.uint16), rowsperstrip=1, **GRAY)
    data = bytearray(path.read_bytes())
    with tifffile.TiffFile(path) as tif:
        start, tags = tif.pages.first.offset, len(tif.pages.first.tags)
    head = data[start : start + 2 + 12 * tags]
    data[start + 2 + 12 * tags : start + 6 + 12 * tags] = struct.pack("<I", len(data))
    for following in range(500):
        end = len(data) + len(head) + 4
        data += head + struct.pack("<I", end if following < 499 else 0)
    path.write_bytes(data)
    tracemalloc.start()
    refused_by_both(path, "tiff-unreadable", "no room")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100e6


def test_a_small_file_of_tiles_that_declares_a_million_columns(tmp_path):
    path = write(tmp_path / "t.tif", LABELS[0], tile=(16, 16), compression="zlib")
    set_tag(path, "ImageWidth", 1_000_000)
    with refused("tiff-unreadable", "expected 187500"):
        volume_shape(path)
    set_tag(path, "TileWidth", 500_000)
    with refused("tiff-impossible", str(path)):
        volume_shape(path)


@pytest.mark.parametrize("options", [{}, {"compression": "zlib"}, {"compression": "lzw"}])
def test_a_damaged_file_is_refused_by_both_or_read_as_tifffile_does(tmp_path, options):
    whole = write(tmp_path / "whole.tif", **options).read_bytes()
    path = tmp_path / "mask000.tif"
    rng = np.random.default_rng(2)
    outcomes, lines = set(), []
    for _ in range(300):
        damaged = bytearray(whole)
        damaged[rng.integers(len(whole))] = rng.integers(256)
        path.write_bytes(damaged if rng.random() < 0.8 else damaged[: rng.integers(len(whole))])
        found = []
        for read in (planes_of, read_volume):
            try:
                found.append(read(path))
            except InputError as error:
                lines.append(str(error))
                found.append(error.code)
        labels, volume = found
        outcomes.add(isinstance(labels, str))
        if not isinstance(labels, str):
            np.testing.assert_array_equal(labels, volume)
            with tifffile.TiffFile(path) as tif:
                np.testing.assert_array_equal(labels, [page.asarray() for page in tif.pages])
        elif not isinstance(volume, str):
            assert labels == "pixel-type"  # such as big-endian made of little-endian
    assert outcomes == {True, False}
    assert not any("\n" in line for line in lines)
