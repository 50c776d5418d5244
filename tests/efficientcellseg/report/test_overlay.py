"""Pictures of results."""

import numpy as np
from commands import refusal
from matplotlib.image import imread
from refusal import refused

from ctc_eval.format import write_labels, write_volume
from efficientcellseg.cli.main import main
from efficientcellseg.report.overlay import annotated_images, count_objects, draw, outline, overlay


def test_outline_is_the_rim_of_each_object():
    labels = np.array(
        [
            [0, 0, 0, 0, 0, 0, 0],
            [0, 1, 1, 1, 2, 2, 2],
            [0, 1, 1, 1, 2, 2, 2],
            [0, 1, 1, 1, 2, 2, 2],
            [0, 0, 0, 0, 0, 0, 0],
        ]
    )
    rim = np.array(
        [
            [0, 0, 0, 0, 0, 0, 0],
            [0, 1, 1, 1, 1, 1, 1],
            [0, 1, 0, 1, 1, 0, 0],
            [0, 1, 1, 1, 1, 1, 1],
            [0, 0, 0, 0, 0, 0, 0],
        ]
    )
    np.testing.assert_array_equal(outline(labels), rim.astype(bool))


def test_outline_is_wider_in_a_large_image():
    labels = np.zeros((10, 1700), np.uint16)
    labels[:, 100:200] = 1
    assert outline(labels)[5].sum() == 2 * 3
    assert outline(labels[:, :300])[5].sum() == 2 * 1


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


def test_the_plane_with_most_foreground_and_the_projection():
    labels = np.zeros((4, 20, 30), np.uint16)
    labels[2, 5:9, 5:9] = 3
    labels[1, 5:7, 5:7] = 3
    labels[3, 15, 15] = 4
    figure = draw("Mine", np.zeros((4, 20, 30)), labels, labels)
    assert captions(figure) == [
        "plane 2 of 0 to 3: raw",
        "plane 2 of 0 to 3: reference, 1 objects",
        "plane 2 of 0 to 3: result, 1 objects",
        "maximum along z: raw",
        "maximum along z: reference, 2 objects",
        "maximum along z: result, 2 objects",
    ]


def test_of_one_plane_there_is_no_projection():
    labels = np.zeros((1, 20, 30), np.uint16)
    labels[0, 5:9, 5:9] = 3
    figure = draw("Mine", np.zeros((1, 20, 30)), labels, labels)
    assert captions(figure) == ["raw", "reference, 1 objects", "result, 1 objects"]
    assert captions(draw("Mine", np.zeros((1, 20, 30)), labels, None))[1] == "no reference"


def test_the_middle_annotated_frame_is_drawn(tmp_path):
    dataset, labels = sequence(tmp_path)
    for frame in (0, 2):
        write_labels(dataset / "01_GT" / "SEG" / f"man_seg00{frame}.tif", labels)
    figure = overlay(dataset, "01", dataset / "01_RES", dataset / "01_GT")
    assert figure.get_suptitle() == "Mine 01, frame t002, reference GT"


def test_an_annotated_slice_chooses_the_plane(tmp_path):
    dataset, labels = sequence(tmp_path)
    write_labels(dataset / "01_GT" / "SEG" / "man_seg_001_003.tif", labels[2])
    figure = overlay(dataset, "01", dataset / "01_RES", dataset / "01_GT")
    assert captions(figure)[1] == "plane 3 of 0 to 3: reference, 1 objects"
    assert captions(figure)[2] == "plane 3 of 0 to 3: result, 0 objects"
    assert captions(figure)[4] == "maximum along z: no reference"


def test_without_a_reference_the_middle_frame(tmp_path):
    dataset, _ = sequence(tmp_path)
    figure = overlay(dataset, "01", dataset / "01_RES", dataset / "01_GT")
    assert figure.get_suptitle() == "Mine 01, frame t001"
    assert captions(figure)[1] == "plane 2 of 0 to 3: no reference"


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
    orange = np.all(np.abs(image[..., :3] - np.array([1, 0.69, 0])) < 0.02, axis=2)
    assert orange.sum() > 50
    assert main(["overlay", str(dataset), "02", "--output", str(tmp_path / "c.png")]) == 1
    assert not (tmp_path / "c.png").exists()


def test_an_output_that_cannot_be_written_shows_before_the_frames_are_read(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    output = tmp_path / "file" / "a.png"
    assert main(["overlay", str(tmp_path / "nowhere"), "01", "--output", str(output)]) == 1
    refusal(capsys, "path-unwritable", str(output), "Not a directory")
