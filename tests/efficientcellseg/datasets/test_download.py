"""Data sets from zips, from the simulator, and by hand."""

import hashlib

import pytest
from local_server import Server
from packing import packed, tiff, visible
from refusal import refused

from ctc_eval.format import frame_files, read_volume
from efficientcellseg.datasets import fetching
from efficientcellseg.datasets.download import download_recipe, is_there
from efficientcellseg.frozen import changed
from efficientcellseg.parameters.recipe import Recipe


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


def test_a_full_disk_is_told_before_it_is_full(server, tmp_path, monkeypatch):
    usage = type("Usage", (), {"free": 3})
    monkeypatch.setattr(fetching.shutil, "disk_usage", lambda _: usage)
    server.files["training/Mine.zip"] = dataset()
    with refused("disk-full", str(tmp_path)):
        download_recipe(recipe(server), tmp_path)
    assert visible(tmp_path) <= {"Mine.zip.part"}


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
    found = hashlib.sha256(dataset(value=1)).hexdigest()
    told = (found, f"expected {'0' * 64}", "Mine.zip.sha256")
    with refused("download-hash", *told, "Mine.zip was deleted, download it again"):
        download_recipe(recipe(server), tmp_path)
    assert visible(tmp_path) == {"Mine.zip.sha256"}
    (tmp_path / "Mine.zip").write_bytes(dataset(value=1))  # placed by hand, it stays
    with refused("download-hash", *told, "delete Mine.zip"):
        download_recipe(recipe(server), tmp_path)
    assert visible(tmp_path) == {"Mine.zip", "Mine.zip.sha256"}


def test_a_hash_of_the_recipe_goes_before_the_record(server, tmp_path):
    server.files["training/Mine.zip"] = dataset()
    with refused("download-hash", f"expected {'1' * 64}", "the recipe"):
        download_recipe(recipe(server, sha256={"training": "1" * 64}), tmp_path)
    good = hashlib.sha256(server.files["training/Mine.zip"]).hexdigest()
    download_recipe(recipe(server, sha256={"training": good}), tmp_path)
    assert is_there(recipe(server), tmp_path / "Mine")


def test_a_damaged_zip_leaves_nothing_behind(server, tmp_path):
    body = bytearray(dataset())
    body[body.index(b"t001.tif") + 20] ^= 0xFF
    server.files["training/Mine.zip"] = bytes(body)
    with refused("zip-damaged", "Mine.zip"):
        download_recipe(recipe(server), tmp_path)
    assert visible(tmp_path) == {"Mine.zip"}  # unrecorded: the next download is a first one


@pytest.mark.parametrize(
    ("members", "told"),
    [
        ({}, "holds nothing"),
        ({"Mine/": b""}, "holds nothing"),
        ({f"Other/{seq}/t000.tif": tiff(1) for seq in ("01", "02")}, "holds Other"),
        ({"Mine/01/t000.tif": tiff(1)}, "holds 01"),
        ({"Mine/readme.txt": b"moved", "Mine/01/frame1.tif": tiff(1)}, "holds 01, readme.txt"),
    ],
)
def test_a_zip_of_something_else_is_no_success(server, tmp_path, members, told):
    server.files["training/Mine.zip"] = packed(members)
    with refused("zip-other", "Mine.zip", told, "expected Mine/01/t000.tif"):
        download_recipe(recipe(server), tmp_path)
    assert visible(tmp_path) == {"Mine.zip"}  # no folder, and no hash that vouches for it


def test_a_record_that_is_no_text(server, tmp_path):
    server.files["training/Mine.zip"] = dataset()
    (tmp_path / "Mine.zip.sha256").write_bytes(b"\xff\xfe\x00")
    with refused("download-hash", "Mine.zip.sha256"):
        download_recipe(recipe(server), tmp_path)


def test_an_incomplete_data_set_is_not_overwritten(server, tmp_path):
    (tmp_path / "Mine" / "01").mkdir(parents=True)
    (tmp_path / "Mine" / "01" / "t000.tif").write_bytes(b"mine")
    server.files["training/Mine.zip"] = dataset()
    with refused("folder-in-the-way", str(tmp_path / "Mine" / "01")):
        download_recipe(recipe(server), tmp_path)
    assert visible(tmp_path / "Mine") == {"01"}
    assert (tmp_path / "Mine" / "01" / "t000.tif").read_bytes() == b"mine"


def test_results_beside_the_data_stay(server, tmp_path):
    (tmp_path / "Mine" / "01_RES").mkdir(parents=True)
    server.files["training/Mine.zip"] = dataset()
    download_recipe(recipe(server), tmp_path)
    assert visible(tmp_path / "Mine") == {"01", "02", "01_GT", "01_RES"}


def test_offline_tells_url_folder_and_what_to_do_by_hand(server, tmp_path):
    mine = recipe(server, training="http://127.0.0.1:9/Mine.zip")
    told = ("http://127.0.0.1:9/Mine.zip", str(tmp_path / "Mine"), f"{tmp_path}/Mine.zip")
    with refused("download-broken", *told, "by hand"):
        download_recipe(mine, tmp_path)
    assert visible(tmp_path) == set()


def test_local_data_are_placed_by_hand(server, tmp_path):
    mine = recipe(server)
    local = changed(mine, source={"kind": "local"})
    with refused("data-missing", f"{tmp_path / 'Mine' / '01'}/t000.tif", "by hand"):
        download_recipe(local, tmp_path)
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
    with refused("source-kind", "local"):
        download_recipe(local, tmp_path, kind)
