"""Splines: the fields are those of scipy, which reads them voxel by voxel."""

import numpy as np
import pytest
from scipy.ndimage import affine_transform, map_coordinates

from efficientcellseg.datasets.simulation.microscope import UnevenField
from efficientcellseg.datasets.simulation.splines import spline_field, spline_weights

LATTICE = np.random.default_rng(4).uniform(-1, 1, (8, 8, 8))


def test_a_lattice_that_repeats_itself():
    axes = [np.linspace(-11.3, 9.1, 7), np.linspace(2.5, 7.5, 6), np.linspace(-0.2, 0.3, 5)]
    field = spline_field(LATTICE, *(spline_weights(axis, 8, wrap=True) for axis in axes))
    places = np.array(np.meshgrid(*axes, indexing="ij"))
    expected = map_coordinates(LATTICE, places, order=2, mode="grid-wrap", prefilter=False)
    assert field.dtype == np.float32
    np.testing.assert_allclose(field, expected, atol=1e-7)


def test_several_fields_of_one_lattice():
    axes = [np.random.default_rng(3).uniform(-9, 9, (2, size)) for size in (3, 4, 5)]
    both = spline_field(LATTICE, *(spline_weights(axis, 8, wrap=True) for axis in axes))
    assert both.shape == (2, 3, 4, 5)
    for index, field in enumerate(both):
        weights = (spline_weights(axis[index], 8, wrap=True) for axis in axes)
        np.testing.assert_array_equal(field, spline_field(LATTICE, *weights))


@pytest.mark.parametrize("shape", [(5, 30, 41), (1, 24, 25), (2, 24, 24)])
def test_a_lattice_whose_ends_go_on(shape):
    uneven = UnevenField.draw(shape, np.random.default_rng(1))
    step = (np.array(uneven.lattice.shape) - 1) / np.maximum(np.array(shape) - 1, 1)
    expected = affine_transform(
        uneven.lattice, step, output_shape=shape, order=2, mode="nearest", prefilter=False
    )
    field = [uneven.strip(plane, slice(None)) for plane in range(shape[0])]
    np.testing.assert_allclose(field, expected, atol=1e-7)
