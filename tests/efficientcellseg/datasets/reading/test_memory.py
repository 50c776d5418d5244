"""A file that is larger than the memory is read frame by frame."""

import subprocess
import sys

import numpy as np
import pytest
import tifffile
import zarr
from conftest import ROOT

SCRIPT = """
import resource, sys
from efficientcellseg.datasets.reading.opening import Reading, open_images
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
(image,) = open_images([sys.argv[1]], Reading())
assert (image.frames, image.shape) == (100, (10, 1000, 1000)), image
assert image.read(99, 0).max() == 7
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""
SHAPE = (100, 10, 1000, 1000)


def ome(path):
    tifffile.imwrite(path, shape=SHAPE, dtype=np.uint16, ome=True, metadata={"axes": "TZYX"})
    values = tifffile.memmap(path)
    values[99, 5, 6, 7] = 7


def imagej(path):
    """As ImageJ writes what is larger than 4 GB would be: one page, all pixels behind it."""
    about = "ImageJ=1.54f\nimages=1000\nslices=10\nframes=100\nhyperstack=true\n"
    more = {"description": about, "metadata": None, "photometric": "minisblack"}
    tifffile.imwrite(path, shape=SHAPE[2:], dtype=np.uint16, bigtiff=True, **more)
    with tifffile.TiffFile(path) as tif:
        offset = tif.pages[0].dataoffsets[0]
    with path.open("r+b") as file:
        file.truncate(offset + 2 * int(np.prod(SHAPE)))
    values = np.memmap(path, np.uint16, "r+", offset, SHAPE)
    values[99, 5, 6, 7] = 7


def ome_zarr(path):
    about = {"version": "0.5", "multiscales": [{"axes": [{"name": axis} for axis in "tzyx"],
             "datasets": [{"path": "0"}]}]}  # fmt: skip
    group = zarr.create_group(path, attributes={"ome": about})
    array = group.create_array("0", shape=SHAPE, chunks=(1, *SHAPE[1:]), dtype="uint16")
    array[99, 5, 6, 7] = 7


KINDS = [("a.ome.tif", ome), ("a.tif", imagej), ("a.zarr", ome_zarr)]


@pytest.mark.parametrize(("name", "make"), KINDS)
def test_two_gigabytes_take_a_frame_of_memory(tmp_path, name, make):
    make(tmp_path / name)
    script = [sys.executable, "-c", SCRIPT, str(tmp_path / name)]
    done = subprocess.run(script, capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 150_000  # KiB; a frame has 20 MB, the file 2 GB
