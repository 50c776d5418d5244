"""The microscope: light lost, light spread, noise, saturation."""

import numpy as np
import pytest
from simulated import SCENES

from efficientcellseg.datasets.simulation.microscope import UnevenField, expose
from efficientcellseg.frozen import changed

CLEAR = changed(
    SCENES["tric"].microscope,
    blur=(0.0, 0.0),
    signal=10000.0,
    background=0.0,
    haze=0.0,
    depth_loss=0.0,
    counts_per_photon=1e-4,
    read_noise=0.0,
    offset=0.0,
)


def picture(light, microscope, voxel=(1.0, 1.0, 1.0)):
    field = UnevenField.draw(light.shape, np.random.default_rng(2))
    return expose(light, microscope, voxel, field, np.random.default_rng(5))


def test_light_is_lost_along_the_way_down():
    light = np.ones((3, 30, 30), dtype=np.float32)
    planes = picture(light, changed(CLEAR, depth_loss=0.36)).mean(axis=(1, 2))
    # Beer and Lambert: half-way the square root of what is left at the end, 0.64.
    np.testing.assert_allclose(planes, [10000, 8000, 6400], rtol=1e-3)


def test_a_point_spreads_more_along_the_depth():
    light = np.zeros((41, 41, 41), dtype=np.float32)
    light[20, 20, 20] = 100
    spread = picture(light, changed(CLEAR, blur=(6.0, 1.0)), voxel=(2.0, 0.5, 0.5)).astype(float)
    for axis, (sigma, size) in enumerate(((6.0, 2.0), (1.0, 0.5), (1.0, 0.5))):
        profile = spread.sum(axis=tuple({0, 1, 2} - {axis}))
        places = (np.arange(41) - 20) * size
        deviation = np.sqrt((profile * places**2).sum() / profile.sum())
        assert deviation == pytest.approx(sigma, rel=0.05)


def test_photon_and_camera_noise_add_up():
    light = np.full((4, 100, 100), 0.2, dtype=np.float32)
    noisy = picture(light, changed(CLEAR, counts_per_photon=20.0, read_noise=100.0, offset=500.0))
    assert noisy.mean() == pytest.approx(2000 + 500, rel=0.01)
    # Variances: 20 counts a photon times 2000 counts, and 100 squared.
    assert noisy.var() == pytest.approx(20 * 2000 + 100**2, rel=0.05)


@pytest.mark.parametrize("bits", [12, 14])
def test_a_camera_saturates_at_its_bits(bits):
    light = np.full((2, 30, 30), 10, dtype=np.float32)
    assert (picture(light, changed(CLEAR, bits=bits)) == 2**bits - 1).all()
    assert (picture(light * 0, changed(CLEAR, offset=-50.0)) == 0).all()


def test_the_background_is_uneven_and_smooth():
    uneven = UnevenField.draw((5, 60, 70), np.random.default_rng(2))
    field = np.array([uneven.strip(plane, slice(None)) for plane in range(5)])
    np.testing.assert_array_equal(uneven.strip(3, slice(20, 31)), field[3, 20:31])
    assert field.dtype == np.float32
    assert np.abs(field).max() <= 1
    assert np.ptp(field) > 0.3
    assert max(np.abs(np.diff(field, axis=axis)).max() for axis in (1, 2)) < 0.1
    dark = np.zeros(field.shape, dtype=np.float32)
    counts = picture(dark, changed(CLEAR, background=1000.0, unevenness=0.5))
    np.testing.assert_allclose(counts, 1000 * (1 + 0.5 * field), atol=3)


def test_bits_of_the_data_sets():
    bits = {name: scene.microscope.bits for name, scene in SCENES.items()}
    assert bits == {"a549": 12, "mda231": 12, "tric": 14}
