"""Zips that stand in for the challenge's: layout, digits, sizes, and what little is annotated."""

import re
import ssl
import urllib.request
import zipfile
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from bench.rehearsal.server import serve
from bench.rehearsal.stand_ins import REAL, mark, stand_ins, write_zips
from ctc_eval.cli.main import main
from ctc_eval.format import read_tracks, read_volume

A549, MDA231, TRIC = (one.name for one in REAL)


@pytest.fixture(scope="module")
def zips(tmp_path_factory):
    folder = tmp_path_factory.mktemp("zips")
    for one in stand_ins(small=True, frames=3):
        write_zips(one, folder)
    return folder


def unpacked(zips: Path, folder: Path, name: str, kind: str = "training") -> Path:
    with zipfile.ZipFile(zips / f"{kind}-datasets" / f"{name}.zip") as archive:
        archive.extractall(folder)
    return folder / name


def kinds(dataset: Path) -> Counter[str]:
    """Count files by name, digits left out."""
    names = [str(path.relative_to(dataset)) for path in dataset.rglob("*") if path.is_file()]
    return Counter(re.sub(r"(?<=t|g|k|_)\d{3}", "NNN", name) for name in names)


def test_real_sizes():
    frames = {one.name: (one.shapes["01"], one.frames["02"]) for one in REAL}
    assert frames == {
        A549: ((29, 300, 350), 30),
        MDA231: ((30, 512, 512), 12),
        TRIC: ((13, 2454, 1693), 210),
    }
    assert stand_ins(small=False, frames=None) == list(REAL)
    assert REAL[2].test_frames is None
    few = stand_ins(small=False, frames=2)
    assert [one.frames for one in few] == [{"01": 2, "02": 2}] * 3
    assert [one.test_frames for one in few] == [1] * 3


def test_layout(zips, tmp_path):
    assert kinds(unpacked(zips, tmp_path, A549)) == {
        f"{name}": count
        for seq in ("01", "02")
        for name, count in {
            f"{seq}/tNNN.tif": 3,
            f"{seq}_GT/SEG/man_segNNN.tif": 3,
            f"{seq}_GT/TRA/man_trackNNN.tif": 3,
            f"{seq}_GT/TRA/man_track.txt": 1,
        }.items()
    }
    sparse = kinds(unpacked(zips, tmp_path, MDA231))
    assert (sparse["01_GT/SEG/man_seg_NNN_NNN.tif"], sparse["01_ST/SEG/man_segNNN.tif"]) == (5, 3)
    tric = kinds(unpacked(zips, tmp_path, TRIC))
    slices = [tric[f"{seq}_GT/SEG/man_seg_NNN_NNN.tif"] for seq in ("01", "02")]
    assert slices == [5, 5]
    assert not any("_ST" in name for name in tric)
    test = kinds(unpacked(zips, tmp_path / "test", TRIC, "test"))
    assert test == {"01/tNNN.tif": 1, "02/tNNN.tif": 1}


def test_gold_truth_has_few_cells_of_the_silver_truths(zips, tmp_path):
    dataset = unpacked(zips, tmp_path, MDA231)
    for path in (dataset / "01_GT" / "SEG").iterdir():
        frame, plane = map(int, re.findall(r"\d{3}", path.name))
        gold = read_volume(path)
        silver = read_volume(dataset / "01_ST" / "SEG" / f"man_seg{frame:03}.tif")
        assert gold.shape == (1, 128, 128)
        assert gold.any()
        assert np.array_equal(gold[0], silver[plane] * np.isin(silver[plane], np.unique(gold)))


def test_frames_drift_and_markers_go_with_them(zips, tmp_path):
    dataset = unpacked(zips, tmp_path, TRIC)
    frames = [read_volume(dataset / "01" / f"t00{t}.tif").astype(int) for t in range(3)]
    assert np.abs(frames[1][..., :-1] - frames[0][..., 1:]).max() <= 8
    assert not np.array_equal(frames[1][..., :-1], frames[0][..., 1:])
    assert frames[0].max() < 2**14
    tracks, _ = read_tracks(dataset / "01_GT" / "TRA" / "man_track.txt")
    for t in range(3):
        markers = read_volume(dataset / "01_GT" / "TRA" / f"man_track00{t}.tif")
        sizes = np.bincount(markers.ravel())
        assert np.median(sizes[1:][sizes[1:] > 0]) == 9
        present = {label for label, one in tracks.items() if one.begin <= t <= one.end}
        assert set(np.unique(markers)) - {0} == present


def test_markers_stay_in_their_cells():
    labels = np.zeros((1, 4, 4), np.uint16)
    labels[0, :2], labels[0, 2:] = 1, 2
    drawn = mark(labels, {1: (0, 1, 1), 2: (0, 3, 3)})
    assert (np.count_nonzero(drawn == 1), np.count_nonzero(drawn == 2)) == (6, 4)
    assert not drawn[(drawn != labels) & (drawn > 0)].any()


@pytest.mark.parametrize("name", [A549, MDA231, TRIC])
def test_the_judge_takes_the_reference(zips, tmp_path, name, capsys):
    dataset = unpacked(zips, tmp_path, name)
    source = "ST" if name == MDA231 else "GT"
    for frame in range(3):
        mask = dataset / "01_RES" / f"mask00{frame}.tif"
        mask.parent.mkdir(exist_ok=True)
        found = dataset / f"01_{source}" / "SEG" / f"man_seg00{frame}.tif"
        marked = dataset / "01_GT" / "TRA" / f"man_track00{frame}.tif"
        mask.write_bytes((found if found.is_file() else marked).read_bytes())
    assert main(["score", str(dataset), "01", "--measures", "SEG,DET"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "DET measure: 1.000000" in lines
    assert ("SEG measure: 1.000000" in lines) == (name != TRIC)


def test_served_with_a_certificate_that_must_be_trusted(tmp_path):
    (tmp_path / "zips").mkdir()
    (tmp_path / "zips" / "a.zip").write_bytes(b"0123")
    with serve(tmp_path / "zips", tmp_path / "certificates") as (address, trusted):
        context = ssl.create_default_context(cafile=str(trusted))
        opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
        )
        with opener.open(f"{address}/a.zip") as response:
            assert response.read() == b"0123"
        unknown = urllib.request.build_opener(
            urllib.request.ProxyHandler({}),
            urllib.request.HTTPSHandler(context=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)),
        )
        with pytest.raises(urllib.error.URLError, match="certificate"):
            unknown.open(f"{address}/a.zip")
