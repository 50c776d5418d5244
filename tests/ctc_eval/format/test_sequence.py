"""Sequences on disk: every file a user may bring, and what is said of those at fault."""

import stat
import threading
from pathlib import Path

import numpy as np
import pytest
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from ctc_eval.format import (
    InputError,
    atomic,
    check_frames,
    check_writable,
    fingerprint,
    frame_digits,
    frame_files,
    frame_name,
    frames_beyond,
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


def refusal(path: Path) -> str:
    message = attempt(path)
    assert isinstance(message, str)
    assert "\n" not in message
    assert str(path) in message
    assert "expected" in message
    return message


# Names


def touch(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).touch()
    return folder


def test_frames_come_in_order_and_strangers_are_left_out(tmp_path):
    touch(tmp_path, "t001.tif", "t000.tif", "t002.tif", "t003.tiff", "T004.tif", "mask000.tif")
    touch(tmp_path, "xt005.tif", "t006.tif.part", ".t007-ab.tif")
    files = frame_files(tmp_path)
    assert list(files) == [0, 1, 2]
    assert files[1] == tmp_path / "t001.tif"
    assert list(frame_files(tmp_path, "mask")) == [0]


def test_a_thousand_frames_have_four_digits(tmp_path):
    touch(tmp_path, *(f"t{frame:04d}.tif" for frame in range(1001)))
    assert len(frame_files(tmp_path)) == 1001


def test_sparse_reference(tmp_path):
    touch(tmp_path, "man_seg003.tif", "man_seg011.tif", "man_seg_004_002.tif")
    assert list(frame_files(tmp_path, "man_seg", complete=False)) == [3, 11]


@pytest.mark.parametrize(
    ("names", "found"),
    [
        ([], "no file named t000.tif"),
        (["t000.tiff"], "no file named t000.tif"),
        (["t000.tif", "t0001.tif"], "3 and 4 digits"),
        (["t00.tif"], "2 digits"),
        (["t00000.tif"], "5 digits"),
        (["t000.tif", "t002.tif"], "t001.tif is missing"),
        (["t001.tif"], "t000.tif is missing"),
    ],
)
def test_faulty_names(tmp_path, names, found):
    touch(tmp_path, *names)
    with pytest.raises(InputError, match=found):
        frame_files(tmp_path)


def test_missing_folder(tmp_path):
    with pytest.raises(InputError, match="no such folder"):
        frame_files(tmp_path / "01")


def test_frame_names():
    assert frame_name("mask", 7, 3) == "mask007.tif"
    assert frame_name("t", 1234, 4) == "t1234.tif"
    assert frame_digits(Path("02/t0007.tif")) == 4
    assert frame_digits(Path("man_seg_012_003.tif")) == 3
    assert frame_digits(Path("notes.txt")) == 0


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
        {"metadata": {"axes": "QYX"}},
        {"imagej": True, "photometric": None},
        {"imagej": True, "photometric": None, "metadata": {"axes": "TYX"}},
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
        writer.write(volume, contiguous=True)
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
    assert "truncated" in refusal(path)


@pytest.mark.parametrize("dtype", ["int8", "int16", "int32", "float32", "float64", "bool"])
def test_types_that_are_not_unsigned(tmp_path, dtype):
    path = tmp_path / "t000.tif"
    tifffile.imwrite(path, stack(3, 8, 9).astype(dtype), **GRAY)
    assert f"pixel type {dtype}" in refusal(path)
    with pytest.raises(InputError, match=f"pixel type {dtype}"):
        check_frames({0: path})


@pytest.mark.parametrize(
    ("shape", "options", "found"),
    [
        ((20, 30, 3), {"photometric": "rgb"}, "RGB image"),
        ((20, 30, 4), {"photometric": "rgb"}, "RGB image"),
        # What tifffile makes of three planes unless it is told minisblack.
        ((3, 20, 30), {"photometric": "rgb", "planarconfig": "separate"}, "minisblack"),
        ((2, 5, 20, 30), {"imagej": True, "metadata": {"axes": "ZCYX"}}, "4 axes"),
        ((4, 20, 30), {"photometric": "miniswhite"}, "miniswhite"),
    ],
    ids=str,
)
def test_images_that_are_no_gray_volume(tmp_path, shape, options, found):
    path = tmp_path / "t000.tif"
    tifffile.imwrite(path, stack(*shape), **options)
    assert found in refusal(path)


def test_pages_of_differing_shape(tmp_path):
    path = tmp_path / "t000.tif"
    with tifffile.TiffWriter(path) as writer:
        writer.write(stack(20, 30), **GRAY)
        writer.write(stack(21, 30), **GRAY)
    assert "2 images of different shape" in refusal(path)


@pytest.mark.parametrize("content", [b"", b"II", b"II*\0", b"GIF89a" + bytes(50), b"MM\0*" * 9])
def test_files_that_are_no_tiff(tmp_path, content):
    path = tmp_path / "t000.tif"
    path.write_bytes(content)
    assert "cannot be read as a TIFF" in refusal(path)


def test_missing_file_and_folder_in_its_place(tmp_path):
    (tmp_path / "t000.tif").mkdir()
    assert "no such file" in refusal(tmp_path / "t000.tif")
    assert "no such file" in refusal(tmp_path / "t001.tif")


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
    refused = 0
    for _ in range(150):
        damaged = bytearray(whole)
        damaged[rng.integers(len(whole))] = rng.integers(256)
        path.write_bytes(damaged)
        read = attempt(path)
        refused += isinstance(read, str)
        assert "\n" not in read if isinstance(read, str) else read.ndim == 3
    assert refused > 50
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
    with pytest.raises(InputError, match=r"t001\.tif: shape .* as in t000\.tif"):
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
    with pytest.raises(InputError, match=f"{label}"):
        write_labels(tmp_path / "mask000.tif", np.array([[[0, label]]]))
    assert list(tmp_path.iterdir()) == []


def test_a_failed_write_leaves_the_old_file(tmp_path):
    path = tmp_path / "run.json"
    path.write_text("old")

    def write(text: object) -> None:
        with atomic(path) as temporary:
            temporary.write_text(text)

    with pytest.raises(TypeError):
        write(b"not text")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_new_file_has_the_mode_of_any_other(tmp_path):
    (tmp_path / "plain").touch()
    with atomic(tmp_path / "a" / "atomic.txt") as temporary:
        assert temporary.suffix == ".txt"
        # Some writers put a file of their own in place, and a private one.
        (tmp_path / "private").touch(mode=0o600)
        (tmp_path / "private").replace(temporary)
    modes = {
        stat.S_IMODE(p.stat().st_mode) for p in (tmp_path / "plain", tmp_path / "a/atomic.txt")
    }
    assert len(modes) == 1


def test_threads_write_side_by_side(tmp_path):
    path = tmp_path / "mask000.tif"
    volumes = [np.full((2, 30, 30), value, np.uint16) for value in range(8)]
    threads = [threading.Thread(target=write_volume, args=(path, volume)) for volume in volumes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(np.unique(read_volume(path))) == 1
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("frames", "last", "beyond"),
    [
        (slice(0, 5), 2, "3 to 4"),
        (slice(0, 4), 2, "3"),
        (slice(7, 9), 2, "7 to 8"),
        (slice(0, 3), 2, ""),
        (slice(None, 2), 2, ""),
        (slice(1, None), 2, ""),
        (slice(None), 2, ""),
    ],
)
def test_frames_beyond_the_last(frames, last, beyond):
    assert frames_beyond(frames, last) == beyond


def test_a_place_is_probed_without_a_trace(tmp_path):
    check_writable(tmp_path / "new" / "deep" / "x.json")
    (tmp_path / "x.json").write_text("kept")
    check_writable(tmp_path / "x.json")
    assert [path.name for path in tmp_path.iterdir()] == ["x.json"]
    assert (tmp_path / "x.json").read_text() == "kept"


@pytest.mark.parametrize("place", ["folder", "file/x.json", "/proc/x.json"])
def test_a_place_that_cannot_be_written(tmp_path, place):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=f"{place}: cannot be written"):
        check_writable(tmp_path / place)


def test_a_failed_write_names_the_file_that_was_wanted(tmp_path):
    (tmp_path / "x.json").mkdir()
    with pytest.raises(OSError, match="x") as caught, atomic(tmp_path / "x.json") as temporary:
        temporary.write_text("new")
    assert str(caught.value).endswith(f"'{tmp_path / 'x.json'}'")
    with pytest.raises(OSError, match="y") as caught, atomic(Path("/proc/y.json")):
        pass
    assert caught.value.filename == "/proc/y.json"


@pytest.mark.parametrize("place", [0, 150_000, 299_999])
def test_a_fingerprint_tells_frames_apart_by_begin_middle_and_end(tmp_path, place):
    data = bytearray(300_000)
    (tmp_path / "a").write_bytes(data)
    (tmp_path / "moved").write_bytes(data)
    data[place] = 1
    (tmp_path / "b").write_bytes(data)
    (tmp_path / "longer").write_bytes(bytes(300_001))
    known = fingerprint(tmp_path / "a")
    assert fingerprint(tmp_path / "moved") == known
    assert len({known, fingerprint(tmp_path / "b"), fingerprint(tmp_path / "longer")}) == 3
    assert len(known) == 16
