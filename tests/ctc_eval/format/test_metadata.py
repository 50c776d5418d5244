"""Descriptions that say of the pages something else than that they are the planes, in order."""

import numpy as np
import pytest
import tifffile
from refusal import refused

from ctc_eval.format import open_labels, read_volume, volume_shape

VOLUME = np.arange(4 * 5 * 6, dtype=np.uint16).reshape(4, 5, 6)
GRAY = {"photometric": "minisblack"}
OME = (
    '<?xml version="1.0" encoding="UTF-8"?>'
    '<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" UUID="urn:uuid:own">'
    '<Image ID="Image:0"><Pixels ID="Pixels:0" DimensionOrder="XYZCT" Type="uint16" '
    'SizeX="6" SizeY="5" SizeZ="{z}" SizeC="{c}" SizeT="{t}">{places}</Pixels></Image></OME>'
)


def described(path, text, volume=VOLUME):
    """Write pages that the first one's description speaks of."""
    with tifffile.TiffWriter(path) as writer:
        for index, plane in enumerate(volume):
            description = text.encode() if index == 0 else None
            writer.write(plane, description=description, metadata=None, **GRAY)
    return path


def refused_by_both(path, code, *told):
    with refused(code, str(path), "expected", *told):
        volume_shape(path)
    with refused(code, str(path), "expected", *told), open_labels(path):
        pass


def read_by_both(path):
    np.testing.assert_array_equal(read_volume(path), VOLUME)
    with open_labels(path) as image:
        assert image.shape == VOLUME.shape
        np.testing.assert_array_equal([image.plane(z) for z in range(4)], VOLUME)


@pytest.mark.parametrize(
    "options",
    [
        {"metadata": {"axes": "ZYX"}},
        {"metadata": {}},
        {"ome": True, "metadata": {"axes": "ZYX"}},
        {"imagej": True, "metadata": {"axes": "ZYX"}},
    ],
    ids=str,
)
def test_depth_is_the_first_axis(tmp_path, options):
    tifffile.imwrite(tmp_path / "t000.tif", VOLUME, **GRAY, **options)
    read_by_both(tmp_path / "t000.tif")


@pytest.mark.parametrize("axes", ["TYX", "CYX", "QYX", "XYZ", "ZXY", "SYX", "IYX"])
def test_other_axes_of_three(tmp_path, axes):
    tifffile.imwrite(tmp_path / "t000.tif", VOLUME, metadata={"axes": axes}, **GRAY)
    refused_by_both(tmp_path / "t000.tif", "tiff-axes", axes)


@pytest.mark.parametrize("kind", ["imagej", "ome"])
@pytest.mark.parametrize("axes", ["TYX", "CYX"])
def test_other_axes_in_imagej_and_ome(tmp_path, kind, axes):
    tifffile.imwrite(tmp_path / "t000.tif", VOLUME, metadata={"axes": axes}, **GRAY, **{kind: True})
    refused_by_both(tmp_path / "t000.tif", "tiff-axes", axes)


def test_axes_of_length_one_do_no_harm(tmp_path):
    tifffile.imwrite(
        tmp_path / "t000.tif", VOLUME[None, :, None], metadata={"axes": "TZCYX"}, **GRAY
    )
    read_by_both(tmp_path / "t000.tif")


def test_planes_written_one_by_one_are_counted_together(tmp_path):
    with tifffile.TiffWriter(tmp_path / "t000.tif") as writer:
        for plane in VOLUME:
            writer.write(plane, **GRAY)
    read_by_both(tmp_path / "t000.tif")


@pytest.mark.parametrize(
    "text",
    [
        "ImageJ=1.53t\nimages=4\nslices=4\n",
        "ImageJ=1.53t\nimages=4\n",
        "ImageJ=\nimages=4\nunit=\\u00B5m\n",
        "some microscope, 4 slices",
        OME.format(z=4, c=1, t=1, places=""),
        OME.format(z=4, c=1, t=1, places="<TiffData/>"),
        OME.format(
            z=4,
            c=1,
            t=1,
            places="".join(
                f'<TiffData FirstZ="{i}" IFD="{i}"><UUID FileName="before.ome.tif">urn:uuid:own'
                "</UUID></TiffData>"
                for i in range(4)
            ),
        ),
    ],
)
def test_descriptions_that_agree(tmp_path, text):
    read_by_both(described(tmp_path / "t000.tif", text))


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("ImageJ=1.53t\nimages=5\nslices=5\n", "tiff-planes"),
        ("ImageJ=1.53t\nimages=3\n", "tiff-planes"),
        ("ImageJ=1.53t\nimages=4\nslices=2\n", "tiff-planes"),
        ("ImageJ=1.53t\nimages=4\nframes=4\n", "tiff-axes"),
        ('{"shape": [3, 5, 6]}', "tiff-planes"),
        ('{"shape": [5, 5, 6]}', "tiff-planes"),
        ('{"shape": [4, 6, 5]}', "tiff-planes"),
        ('{"shape": [2, 2, 5, 6]}', "tiff-axes"),
        (OME.format(z=3, c=1, t=1, places=""), "tiff-planes"),
        (OME.format(z=268435456, c=1, t=1, places=""), "tiff-planes"),
        (OME.format(z=1, c=1, t=4, places=""), "tiff-axes"),
        (OME.format(z=4, c=1, t=1, places='<TiffData IFD="0"/>'), "tiff-elsewhere"),
        (OME.format(z=4, c=1, t=1, places='<TiffData IFD="1" PlaneCount="4"/>'), "tiff-elsewhere"),
        (OME.format(z=4, c=1, t=1, places='<TiffData PlaneCount="99999999"/>'), "tiff-elsewhere"),
        (
            OME.format(
                z=4,
                c=1,
                t=1,
                places='<TiffData IFD="0" PlaneCount="4"><UUID FileName="../secret/o.ome.tif">'
                "urn:uuid:other</UUID></TiffData>",
            ),
            "tiff-elsewhere",
        ),
        (OME.format(z=4, c=1, t=1, places='<TiffData IFD="-1"/>'), "tiff-metadata"),
        (OME.format(z="four", c=1, t=1, places=""), "tiff-metadata"),
        ("<OME><Image></OME>", "tiff-metadata"),
        ("<OME><BinaryOnly MetadataFile='m.ome.xml'/></OME>", "tiff-axes"),
        ('<!DOCTYPE x [<!ENTITY a "b">]><OME>&a;</OME>', "tiff-metadata"),
    ],
)
def test_descriptions_that_do_not(tmp_path, text, code):
    refused_by_both(described(tmp_path / "t000.tif", text), code)
