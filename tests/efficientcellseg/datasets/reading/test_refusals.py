"""What files are refused, each in a line; time and channels are never read as planes."""

import json
import sys

import numpy as np
import pytest
import tifffile
from own_files import ome_xml, pillow_stack, plain, png_slices, sizes_of, zarr_2
from refusal import refused

from ctc_eval.format import write_volume
from efficientcellseg.datasets.reading.image import choose_channel
from efficientcellseg.datasets.reading.opening import Reading, open_images
from efficientcellseg.datasets.reading.values import measure_values

VOLUME = np.arange(4 * 20 * 30, dtype=np.uint16).reshape(4, 20, 30)


def test_a_stack_without_metadata_is_asked_about(tmp_path):
    path = plain(tmp_path / "a", VOLUME)
    with refused("axes-unknown", "(4, 20, 30)", "the 4 are", "--axes ZYX", "TYX", "CYX"):
        open_images([path], Reading())
    (frames,) = open_images([path], Reading(axes="TYX"))
    assert (frames.frames, frames.shape) == (4, (1, 20, 30))
    np.testing.assert_array_equal(frames.read(2, 0), VOLUME[2:3])
    (channels,) = open_images([path], Reading(axes="CYX"))
    assert len(channels.channels) == 4
    np.testing.assert_array_equal(channels.read(0, 3), VOLUME[3:4])
    for given in ({"axes": "ZYX"}, {"voxel_size": (2, 1, 1)}, {"planes": True}):
        (image,) = open_images([path], Reading(**given))
        np.testing.assert_array_equal(image.read(0, 0), VOLUME)


@pytest.mark.parametrize(("axes", "frames", "channels"), [("TYX", 4, 1), ("CYX", 1, 4)])
def test_time_and_channels_are_never_planes(tmp_path, axes, frames, channels):
    tifffile.imwrite(tmp_path / "a.tif", VOLUME, imagej=True, metadata={"axes": axes})
    for reading in (Reading(), Reading(voxel_size=(2, 1, 1)), Reading(planes=True)):
        (image,) = open_images([tmp_path / "a.tif"], reading)
        assert (image.frames, len(image.channels), image.shape) == (frames, channels, (1, 20, 30))


def test_frames_and_planes_are_each_where_they_belong(tmp_path):
    """Of ImageJ's order: time, then planes, then channels."""
    values = np.arange(3 * 4 * 2 * 5 * 6, dtype=np.uint16).reshape(3, 4, 2, 5, 6)
    about = "ImageJ=1.54f\nimages=24\nchannels=2\nslices=4\nframes=3\nhyperstack=true\n"
    path = pillow_stack(tmp_path / "a.tif", values.reshape(-1, 5, 6), about)
    (image,) = open_images([path], Reading())
    assert (image.frames, image.shape, len(image.channels)) == (3, (4, 5, 6), 2)
    np.testing.assert_array_equal(image.read(2, 1), values[2, :, 1])


@pytest.mark.parametrize(
    ("axes", "code"),
    [("ZY", "axes-malformed"), ("ZZYX", "axes-malformed"), ("QYX", "axes-malformed"),
     ("YX", "axes-count"), ("TCZYX", "axes-count")],
)  # fmt: skip
def test_wrong_axes(tmp_path, axes, code):
    path = plain(tmp_path / "a", VOLUME)
    with refused(code, axes):
        open_images([path], Reading(axes=axes))


def test_channels_by_name_by_number_and_wrong_ones(tmp_path):
    data = ome_xml(sizes_of(VOLUME[:2], C=2), "uint16", ["GFP", "mCherry"], "<TiffData/>")
    path = pillow_stack(tmp_path / "a.ome.tif", VOLUME, data)
    (image,) = open_images([path], Reading())
    assert choose_channel(image, "gfp") == 0
    assert choose_channel(image, "1") == 1
    with refused("channel-missing", "2", "0 (GFP), 1 (mCherry)"):
        choose_channel(image, "2")
    with refused("channel-unnamed", "GFP", "--channel"):
        choose_channel(image, None)


@pytest.mark.parametrize("name", ["../secret.ome.tif", "/etc/secret.ome.tif", "a\\b.ome.tif"])
def test_metadata_do_not_lead_elsewhere(tmp_path, name):
    pillow_stack(tmp_path / "secret.ome.tif", VOLUME)
    uuid = f'<TiffData PlaneCount="4"><UUID FileName="{name}">urn:uuid:x</UUID></TiffData>'
    (tmp_path / "own").mkdir()
    about = ome_xml(sizes_of(VOLUME), "uint16", [], uuid)
    path = pillow_stack(tmp_path / "own" / "a.ome.tif", VOLUME, about)
    with refused("ome-elsewhere", "another folder"):
        open_images([path], Reading())


@pytest.mark.parametrize(
    ("planes", "data", "code"),
    [
        (9, "<TiffData/>", "ome-planes-missing"),
        (2**28, "<TiffData/>", "ome-planes-missing"),
        (4, '<TiffData FirstZ="0" IFD="0" PlaneCount="2"/>', "ome-planes-missing"),
        (
            4,
            '<TiffData PlaneCount="4"><UUID FileName="gone.ome.tif">urn:uuid:x</UUID></TiffData>',
            "ome-planes-missing",
        ),
    ],
)
def test_missing_planes_are_no_zeros(tmp_path, planes, data, code):
    sizes = {**sizes_of(VOLUME), "Z": planes}
    path = pillow_stack(tmp_path / "a.ome.tif", VOLUME, ome_xml(sizes, "uint16", [], data))
    with refused(code, "a.ome.tif"):
        open_images([path], Reading())


def test_entities_are_not_expanded(tmp_path):
    about = ome_xml(sizes_of(VOLUME), "uint16", [], "<TiffData/>")
    about = about.replace("<OME ", '<!DOCTYPE x [<!ENTITY a "b">]><OME ')
    path = pillow_stack(tmp_path / "a.ome.tif", VOLUME, about)
    with refused("ome-malformed"):
        open_images([path], Reading())


def test_planes_that_imagej_does_not_count(tmp_path):
    about = "ImageJ=1.54f\nimages=3\nslices=3\n"
    path = pillow_stack(tmp_path / "a.tif", VOLUME, about)
    with refused("tiff-truncated", "4 planes", "for 3"):
        open_images([path], Reading())


def test_a_large_imagej_stack_that_is_cut(tmp_path):
    """Its one header speaks of pixels behind the end of the file."""
    about = "ImageJ=1.54f\nimages=9\nslices=9\n"
    path = pillow_stack(tmp_path / "a.tif", VOLUME[:1], about)
    with refused("tiff-truncated", "metadata for"):
        open_images([path], Reading())


def test_a_truncated_stack(tmp_path):
    path = plain(tmp_path / "a", VOLUME)
    with tifffile.TiffFile(path) as tif:
        last = tif.pages[3].dataoffsets[0]
        size = path.stat().st_size
    assert last < size
    data = bytearray(path.read_bytes())
    path.write_bytes(data[: last + 10])
    (image,) = open_images([path], Reading(axes="ZYX"))
    with refused("tiff-truncated", "plane 3"):
        image.read(0, 0)


def test_unlike_files_of_one_series_and_missing_ones(tmp_path):
    for frame, planes in ((0, 4), (1, 3)):
        write_volume(tmp_path / f"t00{frame}.tif", VOLUME[:planes])
    with refused("frame-unlike", "t001.tif", "(3, 20, 30)", "(4, 20, 30)"):
        open_images([tmp_path], Reading())
    (tmp_path / "b").mkdir()
    for number in (0, 1, 2):
        name = f"img_t{number // 2}_z{number % 2}.tif"
        tifffile.imwrite(tmp_path / "b" / name, VOLUME[0])
    with refused("frame-missing", "3 files", "(2, 2)"):
        open_images([tmp_path / "b"], Reading())


def test_names_number_planes_and_time(tmp_path):
    for t in range(2):
        for z in (0, 2, 10):
            tifffile.imwrite(tmp_path / f"img_t{t}_z{z}.tif", VOLUME[0] + 100 * t + z)
    (image,) = open_images([tmp_path], Reading())
    assert (image.name, image.frames, image.shape) == ("img", 2, (3, 20, 30))
    assert (image.read(1, 0)[:, 0, 0] - VOLUME[0, 0, 0]).tolist() == [100, 102, 110]
    alone = open_images([tmp_path], Reading(stack="none"))
    assert len(alone) == 6


def test_files_with_all_axes_are_joined_along_the_one_they_number(tmp_path):
    """As microscopes write time series: a file with T, Z and C for each time point."""
    for t in (0, 1, 2):
        values = (VOLUME + t)[None, :, None]
        tifffile.imwrite(tmp_path / f"cell_T{t:02}.ome.tif", values, metadata={"axes": "TZCYX"})
    (image,) = open_images([tmp_path], Reading())
    assert (image.name, image.frames, image.shape) == ("cell", 3, VOLUME.shape)
    np.testing.assert_array_equal(image.read(2, 0), VOLUME + 2)


def test_one_number_twice(tmp_path):
    for name in ("a_z1.tif", "a_z01.tif"):
        tifffile.imwrite(tmp_path / name, VOLUME[0])
    with refused("frame-twice", "a_z1.tif"):
        open_images([tmp_path], Reading())


def test_several_images_of_a_file_are_not_taken_for_parts(tmp_path):
    """Two sizes in each file: four images, whatever their names number."""
    for t in (0, 1):
        with tifffile.TiffWriter(tmp_path / f"a_t{t}.tif") as tif:
            tif.write(VOLUME[0] + t, metadata=None)
            tif.write(VOLUME[0, :7] + t, metadata=None)
    images = open_images([tmp_path], Reading())
    assert [image.shape for image in images] == [(1, 20, 30), (1, 7, 30)] * 2
    assert [int(image.read(0, 0)[0, 0, 0]) for image in images] == [0, 0, 1, 1]
    assert len({image.name for image in images}) == 4


def test_imagej_stacks_that_count_images_alone(tmp_path):
    """In challenge layout these are planes; elsewhere nobody knows."""
    about = "ImageJ=1.54f\nimages=4\n"
    path = pillow_stack(tmp_path / "t000.tif", VOLUME, about)
    (image,) = open_images([path], Reading())
    np.testing.assert_array_equal(image.read(0, 0), VOLUME)
    path = path.rename(tmp_path / "b.tif")
    with refused("axes-unknown"):
        open_images([path], Reading())
    (image,) = open_images([path], Reading(voxel_size=(2, 1, 1)))
    np.testing.assert_array_equal(image.read(0, 0), VOLUME)


def test_files_that_are_none(tmp_path):
    cases = {
        "a.tif": (b"", "tiff-unreadable"),
        "b.png": (b"", "picture-unreadable"),
        "c.jpg": (b"no picture", "picture-unreadable"),
        "d.txt": (b"words", "file-kind"),
        "e.lif": (b"nothing", "vendor-unreadable"),
        "f.czi": (b"nothing", "vendor-unreadable"),
        "g.nd2": (b"nothing", "vendor-unreadable"),
    }
    for name, (content, code) in cases.items():
        (tmp_path / name).write_bytes(content)
        if name[-3:] in ("lif", "czi", "nd2"):
            package = {"lif": "liffile", "czi": "pylibCZIrw", "nd2": "nd2"}[name[-3:]]
            pytest.importorskip(package)
        with refused(code, name):
            open_images([tmp_path / name], Reading())
    with refused("file-missing", "nowhere*"):
        open_images([tmp_path / "nowhere*"], Reading())
    (tmp_path / "empty").mkdir()
    with refused("images-absent", "empty"):
        open_images([tmp_path / "empty"], Reading())


def test_a_reader_that_is_not_installed(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "liffile", None)
    (tmp_path / "a.lif").write_bytes(b"x")
    with refused("reader-missing", "liffile", "efficientcellseg[vendors]"):
        open_images([tmp_path / "a.lif"], Reading())


def test_zarr_that_is_no_image_or_leads_elsewhere(tmp_path):
    folder = zarr_2(tmp_path / "a", VOLUME)
    about = json.loads((folder / ".zattrs").read_text())
    about["multiscales"][0]["datasets"][0]["path"] = "../b"
    (folder / ".zattrs").write_text(json.dumps(about))
    with refused("zarr-unreadable", "outside"):
        open_images([folder], Reading())
    (folder / ".zattrs").unlink()
    with refused("zarr-unreadable", "multiscales"):
        open_images([folder], Reading())


def test_patterns_and_order(tmp_path):
    folder = png_slices(tmp_path / "a", np.repeat(VOLUME, 3, axis=0))
    (image,) = open_images([str(folder / "embryo_z1*.png")], Reading())
    assert image.shape[0] == 3  # 1, 10, 11
    (image,) = open_images([folder], Reading())
    np.testing.assert_array_equal(image.read(0, 0)[:, 0, 0], np.repeat(VOLUME[:, 0, 0], 3))


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ([1.0, np.nan], "values-nan"),
        ([1.0, np.inf], "values-nan"),
        ([7, 7], "image-constant"),
        ([1j, 2], "pixel-type"),
    ],
)
def test_values_that_are_refused(values, code):
    with refused(code, "a.tif"):
        measure_values([np.array(values).reshape(1, 1, 2)], "a.tif")


@pytest.mark.parametrize(
    ("kind", "values", "expected"),
    [
        (np.float32, [0, 65535], [0, 65535]),  # whole and within: as they are
        (np.int32, [3, 700], [3, 700]),
        (np.bool_, [0, 1], [0, 1]),
        (np.int16, [-100, 900], [0, 1000]),  # shifted
        (np.int8, [-128, 127], [0, 255]),
        (np.uint32, [100000, 165535], [0, 65535]),
        (np.float64, [0.25, 0.5], [0, 65535]),  # scaled
        (np.uint32, [0, 131070], [0, 65535]),
    ],
)
def test_values_fit_into_uint16(kind, values, expected):
    volume = np.array(values, kind).reshape(1, 1, 2)
    found = measure_values([volume], "a").apply(volume)
    assert found.dtype == np.uint16
    assert found.ravel().tolist() == expected


def test_the_range_is_that_of_all_frames():
    frames = [np.array([[[0.0, 0.5]]]), np.array([[[0.5, 1.0]]])]
    conversion = measure_values(frames, "a")
    assert [conversion.apply(one).ravel().tolist() for one in frames] == [
        [0, 32768],
        [32768, 65535],
    ]


def test_bytes_stay_bytes():
    volume = np.array([[[3, 250]]], np.uint8)
    assert measure_values([volume], "a").apply(volume) is volume
