"""What napari shows and the widget that segments there; without a window."""

import argparse
import sys
from importlib import metadata

import numpy as np
import pytest
import tifffile
import yaml
from commands import refusal, run
from conftest import ROOT, blobs

from ctc_eval.format import read_tracks, read_volume
from efficientcellseg.cli import view


def layers(*words):
    parser = argparse.ArgumentParser()
    view.add_arguments(parser)
    return view.layers_of(parser.parse_args([str(word) for word in (*words, "--device", "cpu")]))


def test_layers_of_a_sequence(tiny_dataset, recipe_file, tiny_models):
    options = ("--recipe", recipe_file, "--model", tiny_models)
    found = layers(tiny_dataset, "01", "--frame", "1", *options)
    names = [shown["name"] for _, shown, _ in found]
    expected = ["raw, channel 0", "pseudocolor", "map, cells", "map, centers", "reference", "cells"]
    assert names == expected
    by_name = {shown["name"]: data for data, shown, _ in found}
    raw = read_volume(tiny_dataset / "01" / "t001.tif")
    np.testing.assert_array_equal(by_name["raw, channel 0"], raw)
    reference = read_volume(tiny_dataset / "01_GT" / "SEG" / "man_seg001.tif")
    np.testing.assert_array_equal(by_name["reference"], reference)
    assert by_name["pseudocolor"].shape == (*raw.shape, 3)
    words = ("segment", tiny_dataset, "01", *options, "--device", "cpu")
    assert run(*words) == 0
    mask = read_volume(tiny_dataset / "01_RES" / "mask001.tif")
    np.testing.assert_array_equal(by_name["cells"], mask)  # now, and before
    (cells,) = [d for d, s, _ in layers(tiny_dataset, "01", "--frame", "1", *options)
                if s["name"] == "cells"]  # fmt: skip
    np.testing.assert_array_equal(cells, mask)


def test_tracks_beside_masks_are_shown(tiny_dataset, recipe_file, tiny_models):
    options = ("--recipe", recipe_file, "--model", tiny_models)
    words = ("segment", tiny_dataset, "01", *options, "--device", "cpu", "--track")
    assert run(*words) == 0
    data, shown, kind = layers(tiny_dataset, "01", "--frame", "1", *options)[-1]
    assert (kind, shown["name"], data.shape[1]) == ("tracks", "tracks", 5)
    rows, _ = read_tracks(tiny_dataset / "01_RES" / "res_track.txt")
    spans = {label: (row.begin, row.end) for label, row in rows.items()}
    found = {label: data[data[:, 0] == label, 1] for label in spans}
    assert {label: (frames[0], frames[-1]) for label, frames in found.items()} == spans
    assert all((np.diff(frames) == 1).all() for frames in found.values())
    assert shown["graph"] == {row.label: [row.parent] for row in rows.values() if row.parent}
    # Centers are where the masks are, in the voxels' size.
    label, frame, *center = data[0]
    mask = read_volume(tiny_dataset / "01_RES" / f"mask{int(frame):03d}.tif")
    size = layers(tiny_dataset, "01", *options)[0][1]["scale"]
    np.testing.assert_allclose(center, np.mean(np.nonzero(mask == label), axis=1) * size, rtol=1e-6)


def test_earlier_results_of_files(tmp_path, recipe_file, tiny_models):
    """The frame's own, also where some frames alone were segmented."""
    values = np.stack([blobs((3, 70, 90), seed)[0] for seed in range(3)]).astype(np.uint16)
    size = {"PhysicalSizeZ": 2.0, "PhysicalSizeY": 0.5, "PhysicalSizeX": 0.5}
    path = tmp_path / "a.ome.tif"
    tifffile.imwrite(path, values, metadata={"axes": "TZYX", **size})
    options = ("--recipe", recipe_file, "--model", tiny_models)
    assert run("segment", path, *options, "--device", "cpu", "--frames", "1:3") == 0
    masks = tifffile.imread(tmp_path / "a_cells" / "a_labels.tif")
    for frame, mask in ((1, masks[0]), (2, masks[1])):
        masks_shown = layers(path, "--frame", frame, *options)[-1]
        np.testing.assert_array_equal(masks_shown[0], mask)
        assert masks_shown[1]["scale"] == (2.0, 0.5, 0.5)


def test_without_napari_a_line_says_how_to_install_it(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "napari", None)
    assert run("view", "a.tif") == 1
    refusal(capsys, "napari-missing", "pip install 'efficientcellseg[napari]'")


def test_the_manifest_is_found_and_names_what_there_is():
    (entry,) = [
        one for one in metadata.entry_points(group="napari.manifest")
        if one.name == "efficientcellseg"
    ] or [None]  # fmt: skip
    if entry is None:
        pytest.skip("the installed package is older than the manifest: make install")
    assert entry.value == "efficientcellseg:napari.yaml"


def test_the_manifest_is_well_formed():
    manifest = yaml.safe_load((ROOT / "efficientcellseg" / "napari.yaml").read_text())
    (command,) = manifest["contributions"]["commands"]
    (widget,) = manifest["contributions"]["widgets"]
    assert widget["command"] == command["id"]
    module, name = command["python_name"].split(":")
    assert f"def {name}(" in (ROOT / f"{module.replace('.', '/')}.py").read_text()


@pytest.fixture
def napari(monkeypatch):
    monkeypatch.setenv("QT_QPA_PLATFORM", "offscreen")
    return pytest.importorskip("napari", reason="napari is not installed; it is optional")


@pytest.mark.filterwarnings("ignore")  # napari's own
def test_the_widget_segments_a_layer(napari):
    import npe2
    from qtpy.QtWidgets import QApplication

    from efficientcellseg.own_data import napari_widget

    npe2.PluginManifest.from_file(ROOT / "efficientcellseg" / "napari.yaml").validate_imports()
    application = QApplication.instance() or QApplication([])
    volume = np.full((8, 96, 96), 20, np.uint8)
    grid = np.indices(volume.shape)
    for y, x in ((30, 30), (64, 60)):
        inside = (2 * (grid[0] - 4)) ** 2 + (grid[1] - y) ** 2 + (grid[2] - x) ** 2 < 8**2
        volume[inside] = 200
    viewer = napari.components.ViewerModel()
    layer = viewer.add_image(volume, name="balls", scale=(2, 1, 1))
    widget = napari_widget.segment_widget()
    widget.image.choices = [layer]
    widget.diameter.value = 16
    data, shown, kind = widget().work()
    assert (data.shape, int(data.max()), kind) == (volume.shape, 2, "labels")
    assert shown["name"] == "balls, cells"
    assert tuple(shown["scale"]) == (2, 1, 1)
    added = viewer.add_layer(napari.layers.Layer.create(data, shown, kind))
    assert added.data[4, 30, 30] > 0
    assert application is not None


@pytest.mark.filterwarnings("ignore")  # napari's own
def test_a_series_goes_frame_by_frame(napari):
    from efficientcellseg.own_data.napari_widget import segment_layer

    plane = np.full((64, 64), 20, np.uint8)
    grid = np.indices(plane.shape)
    plane[(grid[0] - 30) ** 2 + (grid[1] - 30) ** 2 < 10**2] = 200
    movie = np.stack([plane, plane.T, plane[::-1]])
    data, _, _ = segment_layer(movie, (1, 1, 1), "a", 20, True)
    assert data.shape == movie.shape
    assert [int(one.max()) for one in data] == [1, 1, 1]
