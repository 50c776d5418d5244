"""Labeling of a volume: what holds for all labelings."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pictures import ball, cells, heatmap, picture
from refusal import refused

from efficientcellseg.chain.labeling import (
    is_empty,
    label_volume,
    log_anisotropy,
    warn_of_empty,
)
from efficientcellseg.frozen import changed
from efficientcellseg.labelings import LABELINGS, parameters_of, relabeled
from efficientcellseg.maps.offsets import OFFSETS
from efficientcellseg.parameters.recipe import Recipe

COMPONENTS = parameters_of("components")
MARKER = parameters_of("marker_watershed", smoothing=0.0, min_distance=2.0)


@pytest.mark.parametrize("method", list(LABELINGS))
@pytest.mark.parametrize("shape", [(3, 8, 9), (1, 8, 9)])
def test_empty_maps_give_empty_labels(method, shape):
    nothing = np.zeros(shape, np.float32)
    parameters = parameters_of(method, min_size=3)
    maps = dict.fromkeys(LABELINGS[method].needs, nothing)
    found = label_volume(maps, parameters, 2.0, 1)
    assert found.shape == shape
    assert found.dtype == np.uint16
    assert not found.any()


def test_a_method_says_which_map_it_lacks():
    maps = cells(picture("11"))
    with refused("map-missing", "marker_watershed: no centers map among cells"):
        label_volume(maps, MARKER)
    with refused("map-missing", "components: no cells map among centers"):
        label_volume({"centers": maps["cells"]}, COMPONENTS)


@pytest.mark.parametrize("method", ["components", "distance_watershed", "marker_watershed"])
def test_a_cell_keeps_its_label_through_z_or_has_one_per_slice(method):
    shape = (5, 24, 24)
    cell = ball(shape, (2, 12, 12), 8, 3.0)
    centers = heatmap(shape, {(z, 12, 12): 1.0 for z in range(5)})
    maps = {"cells": cell.astype(np.float32), "centers": centers}
    parameters = relabeled(changed(MARKER, min_distance=20.0), method)
    whole = label_volume(maps, parameters, 3.0)
    np.testing.assert_array_equal(whole, cell.astype(int))
    flat = label_volume(maps, changed(parameters, per_slice=True), 3.0)
    np.testing.assert_array_equal(flat > 0, cell)
    assert [int(plane.max()) for plane in flat] == [1, 2, 3, 4, 5]
    assert all(len(np.unique(plane[plane > 0])) == 1 for plane in flat)


def test_per_slice_sizes_and_holes_are_those_of_the_slices():
    ring = picture("11111", "1...1", "1...1", "1...1", "11111")
    volume = np.concatenate([ring, ring])
    found = label_volume(cells(volume), changed(COMPONENTS, per_slice=True, min_size=16))
    assert (found[0] == 1).all()
    assert (found[1] == 2).all()
    whole = label_volume(cells(volume), COMPONENTS)
    assert (whole[:, 1:4, 1:4] == 0).all()  # a tube, open above and below
    assert not label_volume(cells(volume), changed(COMPONENTS, per_slice=True, min_size=17)).any()


def test_holes_in_3d_are_enclosed_from_all_sides():
    shell = np.ones((5, 5, 5), np.float32)
    shell[1:4, 1:4, 1:4] = 0
    assert (label_volume({"cells": shell}, COMPONENTS) == 1).all()
    np.testing.assert_array_equal(
        label_volume({"cells": shell}, changed(COMPONENTS, fill_holes=False)) > 0, shell > 0
    )
    shell[0, 2, 2] = 0
    np.testing.assert_array_equal(label_volume({"cells": shell}, COMPONENTS) > 0, shell > 0)


@given(
    arrays(np.uint8, st.tuples(st.integers(1, 3), st.integers(4, 9), st.integers(4, 9))),
    st.sampled_from([name for name in LABELINGS if name != "dunet_watershed"]),
    st.integers(0, 5),
    st.booleans(),
    st.booleans(),
)
def test_labels_are_always_consecutive_and_cover_the_foreground(
    values, method, min_size, fill, per_slice
):
    maps = {"cells": values / np.float32(255), "centers": values[:, ::-1] / np.float32(255)}
    maps |= {name: values[..., ::-1] / np.float32(255) for name in OFFSETS}
    before = {name: values.copy() for name, values in maps.items()}
    parameters = parameters_of(method, min_size=min_size, fill_holes=fill, per_slice=per_slice)
    found = label_volume(maps, parameters, 2.0)
    assert found.dtype == np.uint16
    numbers, sizes = np.unique(found[found > 0], return_counts=True)
    assert numbers.tolist() == list(range(1, len(numbers) + 1))
    assert (sizes >= min_size).all()
    foreground = maps["cells"] >= 0.5
    if not min_size:
        assert (found[foreground] > 0).all()
    if not fill:
        assert not found[~foreground].any()
    for name, map_before in before.items():
        np.testing.assert_array_equal(maps[name], map_before)


def test_the_recipes_anisotropy_goes_before_the_voxels():
    volume = cells(ball((9, 25, 41), (4, 12, 12), 9, 2.0) | ball((9, 25, 41), (4, 12, 27), 9, 2.0))
    parameters = parameters_of("distance_watershed", smoothing=1.0, min_distance=4.0)
    own = label_volume(volume, changed(parameters, anisotropy=2.0), anisotropy=7.0)
    np.testing.assert_array_equal(own, label_volume(volume, parameters, anisotropy=2.0))


@pytest.mark.parametrize(
    ("own", "told"),
    [
        (1.5, ["1.5 in-plane pixels apart (labeling.anisotropy), not the 2.19 of voxel_size"]),
        (2.1875, []),
        (None, []),
    ],
)
def test_it_is_said_that_cells_are_labeled_with_another_anisotropy(caplog, own, told):
    recipe = Recipe(
        name="Mine",
        description="",
        sequences=("01",),
        voxel_size=(1.75, 0.8, 0.8),
        source={"kind": "local"},
        labeling={"method": "components", "anisotropy": own},
    )
    with caplog.at_level("INFO"):
        log_anisotropy(recipe)
    assert caplog.messages == [f"Mine: planes are taken to be {text}" for text in told]


@pytest.mark.parametrize("per_slice", [True, False])
def test_the_field_of_interest_is_that_of_each_slice(per_slice):
    # E of 2 leaves the middle pixel of 5 x 5; in 3D, one plane's pixel there is enough.
    plane = picture("11...", ".....", "..1..", ".....", "...11")
    beside = picture("11...", ".....", "..11.", "...1.", "...1.")
    maps = cells(np.concatenate([plane, beside]))
    found = label_volume(maps, changed(COMPONENTS, per_slice=per_slice), field_of_interest=2)
    kept = np.concatenate(
        [
            picture(".....", ".....", "..1..", ".....", "...11" if not per_slice else "....."),
            picture(".....", ".....", "..11.", "...1.", "...1."),
        ]
    )
    np.testing.assert_array_equal(found > 0, kept > 0)
    assert found.max() == (2 if per_slice else 1)


def test_anisotropy_and_field_of_interest_are_none_unless_told():
    maps = {"cells": np.zeros((3, 9, 9), np.float32)}
    maps["cells"][:, 0, 0] = 1
    assert label_volume(maps, COMPONENTS).any()
    # Peaks two planes apart are nearer than 3 pixels, unless a plane is more than one pixel thick.
    centers = heatmap((5, 3, 3), {(1, 1, 1): 0.9, (3, 1, 1): 0.8})
    maps = {"cells": np.ones((5, 3, 3), np.float32), "centers": centers}
    near = changed(MARKER, min_distance=3.0)
    assert label_volume(maps, near).max() == 1
    assert label_volume(maps, near, anisotropy=2.0).max() == 2


def test_masks_with_next_to_no_cell_are_told_at_the_end(caplog):
    """Under one voxel in 10,000; objects of any number."""
    labels = np.zeros((2, 100, 100), np.uint16)
    assert is_empty(labels)
    labels[1, 2, 3] = 7
    assert is_empty(labels)
    labels[0, 2, 3] = 7
    assert not is_empty(labels)
    warn_of_empty(0, 5)
    assert not caplog.messages
    warn_of_empty(1, 5)
    (told,) = caplog.messages
    assert told.startswith("1 of 5 masks hold no cell or next to none")
    assert told.endswith(": check the recipe, especially the cell size")
