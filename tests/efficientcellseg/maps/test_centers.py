"""Centers: the heatmap restated and worked by hand, and the focal loss."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from efficientcellseg.maps.centers import center_heatmap, focal_loss


def slow_heatmap(labels: np.ndarray, anisotropy: float) -> np.ndarray:
    """Paint every voxel for every cell."""
    heatmap = np.zeros(labels.shape)
    scale = np.array([anisotropy, 1, 1])
    for label in np.unique(labels[labels > 0]):
        voxels = np.argwhere(labels == label)
        if len(labels) > 1:
            radius = np.cbrt(len(voxels) * anisotropy / (4 / 3 * np.pi))
        else:
            radius = np.sqrt(len(voxels) / np.pi)
        sigma = max(0.3 * radius, 1)
        centroid = voxels.mean(axis=0)
        center = min(voxels.tolist(), key=lambda v: round((((v - centroid) * scale) ** 2).sum(), 9))
        for place in np.ndindex(labels.shape):
            square = (((np.array(place) - center) * scale) ** 2).sum()
            if (np.abs(np.array(place) - center) <= np.ceil(4 * sigma / scale)).all():
                heatmap[place] = max(heatmap[place], np.exp(-square / (2 * sigma**2)))
    return heatmap


@settings(max_examples=25)
@given(
    arrays(
        np.uint16,
        st.tuples(st.integers(1, 4), st.integers(3, 12), st.integers(3, 12)),
        elements=st.sampled_from([0, 0, 0, 1, 1, 2, 9]),
    ),
    st.sampled_from([1.0, 3.0]),
)
def test_heatmap_restated(labels, anisotropy):
    # Where voxels are equally near to the centroid, either is right: the restatement takes the
    # first of them, as numpy's argmin does; rounding decides between the two, so skip ties.
    for label in np.unique(labels[labels > 0]):
        voxels = np.argwhere(labels == label)
        offsets = (voxels - voxels.mean(axis=0)) * [anisotropy, 1, 1]
        square = np.sort((offsets**2).sum(axis=1))
        if len(square) > 1 and square[1] - square[0] < 1e-9:
            return
    found = center_heatmap(labels, anisotropy)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, slow_heatmap(labels, anisotropy), atol=1e-6)


def test_a_disk_worked_by_hand():
    labels = np.zeros((1, 21, 21), np.uint16)
    y, x = np.indices((21, 21)) - 10
    labels[0, y**2 + x**2 <= 49] = 4
    area = (labels > 0).sum()
    sigma = 0.3 * np.sqrt(area / np.pi)
    found = center_heatmap(labels, 5.0)  # a plane has no thickness
    assert found[0, 10, 10] == 1
    np.testing.assert_allclose(found[0, 10, 13], np.exp(-9 / (2 * sigma**2)), rtol=1e-5)


def test_a_center_lies_inside_a_concave_cell():
    labels = np.zeros((1, 30, 30), np.uint16)
    y, x = np.indices((30, 30)) - 14.5
    radius = np.hypot(y, x)
    labels[0, (radius > 9) & (radius < 13) & (x < 6)] = 1  # a C
    found = center_heatmap(labels, 1.0)
    assert found[labels == 0].max() < 1
    assert found[labels == 1].max() == 1
    assert (found == 1).sum() == 1


def test_close_cells_keep_two_peaks():
    labels = np.zeros((1, 9, 18), np.uint16)
    labels[0, :, :9], labels[0, :, 9:] = 1, 2
    found = center_heatmap(labels, 1.0)
    assert found[0, 4, 4] == 1
    assert found[0, 4, 13] == 1
    assert found[0, 4, 8:10].max() < 0.5


def test_no_cell_gives_no_center():
    assert not center_heatmap(np.zeros((2, 5, 5), np.uint16), 2.0).any()


def test_focal_loss_worked_by_hand():
    pairs = [(0.9, 1.0), (0.3, 0.0), (0.6, 0.5)]
    wanted = 0.0
    for p, t in pairs:
        entropy = -(t * math.log(p) + (1 - t) * math.log(1 - p))
        wanted += (p - t) ** 2 * entropy
    wanted /= 1.5 + 1
    logits = torch.logit(torch.tensor([[[p for p, _ in pairs]]]))
    target = torch.tensor([[[t for _, t in pairs]]])
    assert focal_loss(logits, target, torch.ones_like(target)).item() == pytest.approx(
        wanted, rel=1e-5
    )
    # Without the last pixel, which counts in neither sum.
    known = torch.tensor([[[1.0, 1.0, 0.0]]])
    entropy = [-math.log(0.9) * 0.01, -math.log(0.7) * 0.09]
    wanted = sum(entropy) / (1 + 1)
    assert focal_loss(logits, target, known).item() == pytest.approx(wanted, rel=1e-5)


def test_focal_loss_is_that_of_lin_for_targets_of_0_and_1():
    logits, target = torch.tensor([[[0.7, -1.2]]]), torch.tensor([[[1.0, 0.0]]])
    p = torch.sigmoid(logits)[0, 0].tolist()
    right = [p[0], 1 - p[1]]  # probability given to what is so
    wanted = sum(-((1 - q) ** 2) * math.log(q) for q in right) / 2
    assert focal_loss(logits, target, torch.ones_like(target)).item() == pytest.approx(
        wanted, rel=1e-5
    )
    # Least where the prediction is the target, soft ones included.
    soft = torch.tensor([[[0.3, 0.6]]])
    assert focal_loss(torch.logit(soft), soft, torch.ones_like(soft)).item() == pytest.approx(
        0, abs=1e-7
    )
