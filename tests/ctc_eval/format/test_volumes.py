"""Volumes on disk: every file a user may bring, and what is said of those at fault."""

from pathlib import Path

import numpy as np
import pytest
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from refusal import refused

from ctc_eval.format import (
    InputError,
    check_frames,
    frame_files,
    frame_name,
    read_volume,
    volume_shape,
    write_labels,
    write_volume,
)

GRAY = {"photometric": "minisblack", "metadata": None}


def stack(*shape: int, dtype: str = "uint16") -> np.ndarray:
    return np.random.default_rng(3).integers(0, 200, shape).astype(dtype)


def attempt(path: Path) -> np.ndarray | str:
    """Give the volume, or the line that refuses it."""
    try:
        return read_volume(path)
    except InputError as error:
        return str(error)


def check_refused(path: Path, code: str, *told: str) -> None:
    with refused(code, str(path), "expected", *told):
        read_volume(path)


# Reading


@pytest.mark.parametrize("planes", [1, 2, 3, 4, 5])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"byteorder": ">"},
        {"bigtiff": True},
        {"bigtiff": True, "byteorder": ">"},
        {"compression": "zlib"},
        {"compression": "lzw", "predictor": 2},
        {"compression": "packbits"},
        {"metadata": {}},
        {"metadata": {"axes": "ZYX"}},
        {"tile": (16, 16)},
        {"tile": (16, 16), "compression": "zlib", "predictor": 2},
        {"compression": "zstd"},
        {"imagej": True, "photometric": None, "metadata": {"axes": "ZYX"}},
        {"ome": True, "metadata": {"axes": "ZYX"}},
    ],
    ids=str,
)
def test_readable_kinds_of_tiff(tmp_path, planes, options):
    volume = stack(planes, 20, 30)
    path = tmp_path / "t000.tif"
    tifffile.imwrite(path, volume, **(GRAY | options))
    read = read_volume(path)
    assert volume_shape(path) == ((planes, 20, 30), np.dtype("uint16"))
    assert read.dtype == np.uint16  # native byte order: OpenCV and torch take no other
    np.testing.assert_array_equal(read, volume)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "uint32"])
def test_unsigned_types_stay_as_they_are(tmp_path, dtype):
    path = tmp_path / "t000.tif"
    tifffile.imwrite(path, stack(3, 8, 9, dtype=dtype), **GRAY)
    assert read_volume(path).dtype == np.dtype(dtype)


def test_2d_is_one_plane(tmp_path):
    path = tmp_path / "t000.tif"
    image = stack(20, 30)
    tifffile.imwrite(path, image, **GRAY)
    np.testing.assert_array_equal(read_volume(path), image[np.newaxis])


def test_imagej_stack_described_by_its_first_page_alone(tmp_path):
    path = tmp_path / "t000.tif"
    volume = stack(6, 20, 30)
    with tifffile.TiffWriter(path, imagej=True) as writer:
        writer.write(volume, contiguous=True, metadata={"axes": "ZYX"})
    # Cut the chain after the first page, as ImageJ does where a stack exceeds 4 GB.
    with tifffile.TiffFile(path) as tif:
        first = tif.pages.first
        end = first.offset + 2 + 12 * len(first.tags)
        order = tif.byteorder
        data = bytearray(path.read_bytes())
        data[end : end + 4] = (0).to_bytes(4, "little" if order == "<" else "big")
    path.write_bytes(data)
    np.testing.assert_array_equal(read_volume(path), volume)
    path.write_bytes(data[: first.dataoffsets[0] + volume.nbytes - 1])
    check_refused(path, "tiff-planes", "(6, 20, 30)", "(1, 20, 30)")


@pytest.mark.parametrize("dtype", ["int8", "int16", "int32", "float32", "float64", "bool"])
def test_types_that_are_not_unsigned(tmp_path, dtype):
    path = tmp_path / "t000.tif"
    tifffile.imwrite(path, stack(3, 8, 9).astype(dtype), **GRAY)
    check_refused(path, "pixel-type", dtype)
    with refused("pixel-type", dtype):
        check_frames({0: path})


@pytest.mark.parametrize(
    ("shape", "options", "code", "told"),
    [
        ((20, 30, 3), {"photometric": "rgb"}, "tiff-rgb", ""),
        ((20, 30, 4), {"photometric": "rgb"}, "tiff-rgb", ""),
        # What tifffile makes of three planes unless it is told minisblack.
        ((3, 20, 30), {"photometric": "rgb", "planarconfig": "separate"}, "tiff-rgb", "minisblack"),
        ((2, 5, 20, 30), {"imagej": True, "metadata": {"axes": "ZCYX"}}, "tiff-axes", "ZCYX"),
        ((4, 20, 30), {"photometric": "miniswhite"}, "tiff-photometric", "miniswhite"),
    ],
    ids=str,
)
def test_images_that_are_no_gray_volume(tmp_path, shape, options, code, told):
    path = tmp_path / "t000.tif"
    tifffile.imwrite(path, stack(*shape), **options)
    check_refused(path, code, told)


def test_pages_of_differing_shape(tmp_path):
    path = tmp_path / "t000.tif"
    with tifffile.TiffWriter(path) as writer:
        writer.write(stack(20, 30), **GRAY)
        writer.write(stack(21, 30), **GRAY)
    check_refused(path, "tiff-mixed", "20x30", "21x30")


@pytest.mark.parametrize("content", [b"", b"II", b"II*\0", b"GIF89a" + bytes(50), b"MM\0+" * 9])
def test_files_that_are_no_tiff(tmp_path, content):
    path = tmp_path / "t000.tif"
    path.write_bytes(content)
    check_refused(path, "tiff-unreadable")


def test_missing_file_and_folder_in_its_place(tmp_path):
    (tmp_path / "t000.tif").mkdir()
    check_refused(tmp_path / "t000.tif", "file-missing")
    check_refused(tmp_path / "t001.tif", "file-missing")


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"compression": "zlib"},
        {"metadata": {}},
        {"metadata": {}, "compression": "zlib"},
        {"imagej": True, "photometric": None, "metadata": {}},
        {"bigtiff": True, "compression": "lzw"},
    ],
    ids=str,
)
def test_a_truncated_file_is_never_a_shorter_volume(tmp_path, options):
    volume = stack(4, 11, 13)
    path = tmp_path / "t000.tif"
    tifffile.imwrite(path, volume, **(GRAY | options))
    whole = path.read_bytes()
    lengths = {*range(0, len(whole), 23), *range(len(whole) - 40, len(whole))}
    for length in sorted(lengths):
        path.write_bytes(whole[:length])
        read = attempt(path)
        if isinstance(read, str):
            assert "\n" not in read
        else:
            # Nothing but padding was lost.
            assert length > len(whole) - 20
            np.testing.assert_array_equal(read, volume)


def test_damage_is_refused_in_one_line_or_does_no_harm(tmp_path, capfd):
    path = tmp_path / "t000.tif"
    tifffile.imwrite(path, stack(3, 8, 9), compression="zlib", **GRAY)
    whole = path.read_bytes()
    rng = np.random.default_rng(5)
    refusals = 0
    for _ in range(150):
        damaged = bytearray(whole)
        damaged[rng.integers(len(whole))] = rng.integers(256)
        path.write_bytes(damaged)
        read = attempt(path)
        refusals += isinstance(read, str)
        assert "\n" not in read if isinstance(read, str) else read.ndim == 3
    assert refusals > 50
    assert capfd.readouterr().err == ""


# Sequences


def test_check_frames_gives_the_common_shape(tmp_path):
    for frame in range(3):
        write_volume(tmp_path / frame_name("t", frame, 3), stack(4, 6, 5))
    assert check_frames(frame_files(tmp_path)) == (4, 6, 5)


def test_byte_order_is_no_difference_between_frames(tmp_path):
    for frame, order in enumerate("<>"):
        tifffile.imwrite(tmp_path / f"t00{frame}.tif", stack(4, 6, 5), byteorder=order, **GRAY)
    assert check_frames(frame_files(tmp_path)) == (4, 6, 5)


@pytest.mark.parametrize("odd", [stack(4, 6, 6), stack(3, 6, 5), stack(4, 6, 5, dtype="uint8")])
def test_a_frame_unlike_the_first(tmp_path, odd):
    write_volume(tmp_path / "t000.tif", stack(4, 6, 5))
    write_volume(tmp_path / "t001.tif", odd)
    with refused("frame-unlike", "t001.tif: ", "t000.tif"):
        check_frames(frame_files(tmp_path))


# Writing


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    arrays(
        st.sampled_from([np.uint8, np.uint16]),
        st.tuples(st.integers(1, 5), st.integers(1, 6), st.integers(1, 6)),
    )
)
def test_what_is_written_is_read_again(tmp_path, volume):
    path = tmp_path / "t000.tif"
    write_volume(path, volume)
    read = read_volume(path)
    assert read.dtype == volume.dtype
    np.testing.assert_array_equal(read, volume)


@pytest.mark.parametrize("planes", [1, 3, 4, 7])
def test_masks_are_written_as_the_official_tool_reads_them(tmp_path, planes):
    path = tmp_path / "01_RES" / "mask000.tif"
    write_labels(path, np.ones((planes, 9, 8), np.int64))
    with tifffile.TiffFile(path) as tif:
        assert len(tif.pages) == planes
        for page in tif.pages:
            page = page.aspage()
            assert page.dtype == np.uint16
            assert page.photometric == tifffile.PHOTOMETRIC.MINISBLACK
            assert page.compression == tifffile.COMPRESSION.ADOBE_DEFLATE
            assert page.samplesperpixel == 1
            assert not page.is_tiled
    assert [file.name for file in path.parent.iterdir()] == ["mask000.tif"]


def test_labels_that_fit_are_kept_to_the_last(tmp_path):
    labels = np.array([[[0, 65535]]])
    write_labels(tmp_path / "mask000.tif", labels)
    np.testing.assert_array_equal(read_volume(tmp_path / "mask000.tif"), labels)


@pytest.mark.parametrize("label", [-1, 65536])
def test_labels_that_uint16_cannot_hold(tmp_path, label):
    with refused("label-range", str(label)):
        write_labels(tmp_path / "mask000.tif", np.array([[[0, label]]]))
    assert list(tmp_path.iterdir()) == []
