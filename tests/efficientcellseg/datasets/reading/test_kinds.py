"""Every kind of file that docs/own-data.md lists gives the same volume, axes and voxel size."""

import argparse
import importlib.util

import numpy as np
import pytest
from own_files import KINDS, VOXEL, values_for

from efficientcellseg.cli.options import add_reading, reading_of
from efficientcellseg.datasets.reading.image import choose_channel
from efficientcellseg.datasets.reading.opening import open_images


@pytest.mark.parametrize("name", KINDS)
def test_the_volume_is_the_one_that_was_written(name, tmp_path):
    kind = KINDS[name]
    if kind.needs and importlib.util.find_spec(kind.needs) is None:
        pytest.skip(f"{kind.needs} is not installed; it is optional")
    random = np.random.default_rng(3)
    volume = random.integers(90, 6000, (5, 70, 61)).astype(np.uint16)
    volume = values_for(kind, volume)
    parser = argparse.ArgumentParser()
    add_reading(parser)
    options = parser.parse_args(kind.options)
    path = kind.make(tmp_path / "a", volume)
    (image,) = open_images([path], reading_of(options))
    assert image.shape == volume.shape
    assert image.frames == 1
    channel = choose_channel(image, options.channel)
    found = image.read(0, channel)
    if kind.values == "jpeg":
        assert np.abs(found.astype(float) - volume).mean() < 30  # noise is what JPEG keeps worst
    else:
        np.testing.assert_array_equal(found, volume)
    if len(volume) > 1:
        assert image.voxel_size == pytest.approx(VOXEL, rel=1e-3)
    else:
        assert image.voxel_size is None
