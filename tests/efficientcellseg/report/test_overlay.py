"""Pictures of results."""

import numpy as np
import pytest
from commands import refusal
from matplotlib.image import imread
from refusal import refused

from ctc_eval.format import write_labels, write_volume
from efficientcellseg.cli.main import main
from efficientcellseg.report.overlay import (
    View,
    annotated_images,
    draw_views,
    overlay,
    views_of,
)
from efficientcellseg.report.pictures import count_objects, instance_color


def test_objects_are_counted_without_background():
    assert count_objects(np.array([[0, 5], [5, 9]])) == 2
    assert count_objects(np.zeros((2, 2), int)) == 0


def test_annotations_of_all_kinds(tmp_path):
    seg = tmp_path / "01_GT" / "SEG"
    seg.mkdir(parents=True)
    for name in ("man_seg003.tif", "man_seg_001_007.tif", "man_seg001.tif", "notes.txt"):
        (seg / name).touch()
    found = [(one.frame, one.plane) for one in annotated_images(tmp_path / "01_GT")]
    assert found == [(1, None), (1, 7), (3, None)]
    (tmp_path / "02_ERR_SEG").mkdir()
    (tmp_path / "02_ERR_SEG" / "mask0012.tif").touch()
    assert [one.frame for one in annotated_images(tmp_path / "02_ERR_SEG")] == [12]
    assert annotated_images(tmp_path / "03_GT") == []
    (tmp_path / "04_GT" / "TRA").mkdir(parents=True)
    assert annotated_images(tmp_path / "04_GT") == []
    (seg / "man_seg0004.tif").touch()
    with refused("frame-digits", "3 and 4"):
        annotated_images(tmp_path / "01_GT")


def sequence(tmp_path, frames=3, shape=(4, 20, 30)):
    """Write frames, and results that have one object, in plane 2."""
    labels = np.zeros(shape, np.uint16)
    labels[2, 5:9, 5:9] = 3
    for frame in range(frames):
        volume = np.full(shape, frame, np.uint16)
        write_volume(tmp_path / "Mine" / "01" / f"t00{frame}.tif", volume)
        write_labels(tmp_path / "Mine" / "01_RES" / f"mask00{frame}.tif", labels)
    return tmp_path / "Mine", labels


def captions(figure):
    return [axes.get_title() for axes in figure.axes]


def test_the_plane_with_most_objects_and_the_projection():
    labels = np.zeros((4, 20, 30), np.uint16)
    labels[2, 5:9, 5:9] = 3
    labels[1, 5:7, 5:7] = 3
    labels[3, 15, 15] = 4
    labels[1, 9, 9] = 5
    rows = views_of(np.zeros((4, 20, 30)), {"reference": labels, "result": labels}, um=0.5)
    assert [[view.caption for view in row] for row in rows] == [
        ["plane 1 of 0 to 3, raw", "reference, 2 cells", "result, 2 cells"],
        ["maximum along z, raw", "reference, 3 cells", "result, 3 cells"],
    ]
    assert rows[0][0].labels is None
    assert rows[0][1].um == 0.5


def test_no_panel_is_empty():
    labels = np.zeros((4, 20, 30), np.uint16)
    labels[2, 5:9, 5:9] = 3
    volume = np.zeros((4, 20, 30))
    # One plane has no projection; a reference of one slice has none either.
    assert len(views_of(volume[:1], {"result": labels[2:3]})) == 1
    (row,) = views_of(volume, {"reference": labels[2], "result": labels}, plane=2)
    assert [view.caption for view in row][1:] == ["reference, 1 cell", "result, 1 cell"]
    for rows in (views_of(volume, {"result": labels}), [row]):
        figure = draw_views(rows, "Mine")
        assert len(figure.axes) == sum(map(len, rows))
        assert all(axes.images and axes.get_title() for axes in figure.axes)


def test_each_object_has_an_outline_of_its_own_color():
    labels = np.zeros((30, 40), np.uint16)
    labels[3:9, 3:9] = 1
    labels[3:9, 20:26] = 2
    axes = draw_views([[View("", np.zeros((30, 40)), labels)]]).axes[0]
    (lines,) = axes.collections
    assert len(lines.get_segments()) == 2
    assert len({tuple(color) for color in lines.get_edgecolor()}) == 2
    assert not axes.lines  # no scale bar where the size is not known


def test_the_scale_bar_is_as_long_as_it_says():
    axes = draw_views([[View("", np.zeros((100, 200)), None, 0.4)]]).axes[0]
    (bar,) = axes.lines
    start, end = bar.get_xdata()
    assert [text.get_text() for text in axes.texts] == ["20 µm"]  # a quarter of 80 um, at most
    assert end - start == pytest.approx(20 / 0.4)


def test_the_annotated_frame_with_most_objects_is_drawn(tmp_path):
    dataset, labels = sequence(tmp_path)
    more = labels.copy()
    more[1, 12, 12] = 9
    for frame, found in ((0, labels), (1, more), (2, labels)):
        write_labels(dataset / "01_GT" / "SEG" / f"man_seg00{frame}.tif", found)
    figure = overlay(dataset, "01", dataset / "01_RES", dataset / "01_GT")
    assert figure.get_suptitle() == "Mine 01, frame t001, reference GT"


def test_frame_and_plane_may_be_told(tmp_path):
    dataset, labels = sequence(tmp_path)
    write_labels(dataset / "01_GT" / "SEG" / "man_seg000.tif", labels)
    place = (dataset, "01", dataset / "01_RES", dataset / "01_GT")
    figure = overlay(*place, frame=2, plane=3)
    assert figure.get_suptitle() == "Mine 01, frame t002"
    assert captions(figure)[:2] == ["plane 3 of 0 to 3, raw", "result, 0 cells"]
    with refused("frame-missing", "no frame 7"):
        overlay(*place, frame=7)
    with refused("slice-outside", "plane 4", "0 to 3"):
        overlay(*place, frame=2, plane=4)


def test_an_annotated_slice_chooses_the_plane(tmp_path):
    dataset, labels = sequence(tmp_path)
    write_labels(dataset / "01_GT" / "SEG" / "man_seg_001_003.tif", labels[2])
    figure = overlay(dataset, "01", dataset / "01_RES", dataset / "01_GT")
    assert captions(figure) == ["plane 3 of 0 to 3, raw", "reference, 1 cell", "result, 0 cells"]


def test_without_a_reference_the_frame_with_most_found(tmp_path):
    dataset, labels = sequence(tmp_path)
    labels[0, 1, 1] = 9
    write_labels(dataset / "01_RES" / "mask002.tif", labels)
    figure = overlay(dataset, "01", dataset / "01_RES", dataset / "01_GT")
    assert figure.get_suptitle() == "Mine 01, frame t002"
    assert captions(figure)[:2] == ["plane 2 of 0 to 3, raw", "result, 1 cell"]


def test_shapes_that_do_not_belong_together(tmp_path):
    dataset, labels = sequence(tmp_path)
    write_labels(dataset / "01_GT" / "SEG" / "man_seg001.tif", labels[:, :10])
    with refused("shape-mismatch", "man_seg001.tif", "(4, 10, 30)", "(4, 20, 30)"):
        overlay(dataset, "01", dataset / "01_RES", dataset / "01_GT")
    write_labels(dataset / "01_GT" / "SEG" / "man_seg001.tif", labels)
    write_labels(dataset / "01_RES" / "mask001.tif", labels[:3])
    with refused("shape-mismatch", "mask001.tif", "(3, 20, 30)"):
        overlay(dataset, "01", dataset / "01_RES", dataset / "01_GT")


def test_a_slice_beyond_the_volume(tmp_path):
    dataset, labels = sequence(tmp_path)
    write_labels(dataset / "01_GT" / "SEG" / "man_seg_001_004.tif", labels[2])
    with refused("slice-outside", "plane 4", "0 to 3"):
        overlay(dataset, "01", dataset / "01_RES", dataset / "01_GT")


def test_the_command_writes_the_same_picture_twice(tmp_path):
    dataset, _ = sequence(tmp_path)
    for name in ("a.png", "b.png"):
        assert main(["overlay", str(dataset), "01", "--output", str(tmp_path / name)]) == 0
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    image = imread(tmp_path / "a.png")
    own = np.array(instance_color(3)) / 255
    assert np.all(np.abs(image[..., :3] - own) < 0.1, axis=2).sum() > 50
    assert main(["overlay", str(dataset), "02", "--output", str(tmp_path / "c.png")]) == 1
    assert not (tmp_path / "c.png").exists()


def test_an_output_that_cannot_be_written_shows_before_the_frames_are_read(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    output = tmp_path / "file" / "a.png"
    assert main(["overlay", str(tmp_path / "nowhere"), "01", "--output", str(output)]) == 1
    refusal(capsys, "path-unwritable", str(output), "Not a directory")
