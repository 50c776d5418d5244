"""Files of several images; Nikon's by a stand-in for its library, since no library writes them."""

import sys
from types import SimpleNamespace

import numpy as np
import pytest

from efficientcellseg.datasets.reading.opening import Reading, open_images

SIZES = {"T": 2, "P": 3, "Z": 4, "C": 2, "Y": 5, "X": 6}
FRAMES = np.arange(2 * 3 * 4 * 2 * 5 * 6, dtype=np.uint16).reshape(24, 2, 5, 6)


class StandIn:
    """What is used of ``nd2.ND2File``: frames are counted over time, position, plane."""

    sizes, dtype = SIZES, np.dtype(np.uint16)
    metadata = SimpleNamespace(
        channels=[SimpleNamespace(channel=SimpleNamespace(name=name)) for name in ("GFP", "DAPI")]
    )

    def __init__(self, path):
        self.path = path

    def __enter__(self):
        return self

    def __exit__(self, *error):
        return None

    def voxel_size(self):
        return SimpleNamespace(x=0.25, y=0.5, z=2.0)

    def read_frame(self, number):
        return FRAMES[number].squeeze()


def test_positions_of_nikons_files(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "nd2", SimpleNamespace(ND2File=StandIn))
    (tmp_path / "a.nd2").touch()
    images = open_images([tmp_path / "a.nd2"], Reading())
    assert [image.name for image in images] == ["a_0", "a_1", "a_2"]
    values = FRAMES.reshape(tuple(SIZES.values()))
    for position, image in enumerate(images):
        assert (image.frames, image.shape, image.channels) == (2, (4, 5, 6), ("GFP", "DAPI"))
        assert image.voxel_size == (2.0, 0.5, 0.25)
        np.testing.assert_array_equal(image.read(1, 1), values[1, position, :, 1])


def test_scenes_times_and_channels_of_zeiss_files(tmp_path):
    czi = pytest.importorskip("pylibCZIrw.czi")
    values = np.arange(2 * 2 * 3 * 2 * 8 * 9, dtype=np.uint16).reshape(2, 2, 3, 2, 8, 9)
    with czi.create_czi(str(tmp_path / "a.czi")) as document:
        for scene in range(2):
            for t, z, c in np.ndindex(2, 3, 2):
                plane = values[scene, t, z, c][..., None]
                where = {"plane": {"T": t, "Z": z, "C": c}, "scene": scene}
                document.write(plane, location=(100 * scene, 0), **where)
        document.write_metadata("a", channel_names={0: "GFP", 1: "Hoechst"})
    images = open_images([tmp_path / "a.czi"], Reading())
    assert [image.name for image in images] == ["a_0", "a_1"]
    for scene, image in enumerate(images):
        assert (image.frames, image.shape) == (2, (3, 8, 9))
        assert image.channels == ("GFP", "Hoechst")
        np.testing.assert_array_equal(image.read(1, 0), values[scene, 1, :, 0])
