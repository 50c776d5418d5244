"""Files are written whole or not at all."""

import errno
import os
import resource
import stat
import threading
from pathlib import Path

import numpy as np
import pytest
from refusal import refused

from ctc_eval.format import (
    atomic,
    check_writable,
    leftovers,
    read_volume,
    remove_leftovers,
    tell_system,
    write_volume,
)


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
    with refused("path-unwritable", place):
        check_writable(tmp_path / place)


def test_a_failed_write_names_the_file_that_was_wanted(tmp_path):
    (tmp_path / "x.json").mkdir()
    with pytest.raises(OSError, match="x") as caught, atomic(tmp_path / "x.json") as temporary:
        temporary.write_text("new")
    assert str(caught.value).endswith(f"'{tmp_path / 'x.json'}'")
    with pytest.raises(OSError, match="y") as caught, atomic(Path("/proc/y.json")):
        pass
    assert caught.value.filename == "/proc/y.json"


def test_a_full_disk_names_the_file_that_the_user_knows(tmp_path):
    """As does one that is full while a network is saved, which libraries tell in other ways."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        with pytest.raises(OSError, match="too large") as caught:
            write_volume(
                tmp_path / "t000.tif", np.arange(10_000, dtype=np.uint16).reshape(100, 100)
            )
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert caught.value.filename == str(tmp_path / "t000.tif")
    assert list(tmp_path.iterdir()) == []
    told = tell_system(caught.value)
    assert told.code == "disk-full"
    assert str(told).startswith(f"{tmp_path / 't000.tif'}: ")


@pytest.mark.parametrize(
    ("number", "code"),
    [
        (errno.ENOSPC, "disk-full"),
        (errno.EROFS, "path-unwritable"),
        (errno.EACCES, "path-unwritable"),
        (errno.EIO, "path-unusable"),
    ],
)
def test_what_the_system_says_comes_with_a_remedy(number, code):
    told = tell_system(OSError(number, os.strerror(number), "a/b.tif"))
    assert told.code == code
    assert str(told).startswith(f"a/b.tif: {os.strerror(number)}; expected ")


def test_only_leftovers_of_the_files_named_are_removed(tmp_path):
    """Other frames of the folder may be under way in another process."""
    names = [f".t004-{'a1' * 16}.npz", f".t005-{'a1' * 16}.npz", ".t004-notes.npz", "t004.npz"]
    for name in names:
        (tmp_path / name).touch()
    assert [path.name for path in leftovers(tmp_path)] == names[:2]
    remove_leftovers(tmp_path / "t004.npz")
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(names[1:])
