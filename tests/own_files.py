"""Makes the same volume in many kinds of files, by another library than reads them where one can.

`docs/own-data.md` lists them; `tests/efficientcellseg/datasets/reading/test_kinds.py` reads each,
and `tests/docs/test_own_data.py` segments each.
"""

import json
import struct
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import tifffile
from PIL import Image

from ctc_eval.format import write_volume

# Along (plane, row, column), in micrometers, as the files say.
VOXEL = (1.75, 0.8, 0.8)
SIZE = ["--voxel-size", "1.75", "0.8", "0.8"]


class Kind(NamedTuple):
    """A kind of file.

    Attributes
    ----------
    make : callable
        Writes a volume (Z, Y, X) below a path without an ending, and gives what to name as input.
    options : list of str
        What the command needs beside the input.
    values : str
        ``uint16`` for a volume as it is, ``uint8`` for one of 8 bits, ``plane`` for its maximum
        along z in 8 bits, ``jpeg`` for what JPEG makes of that.
    needs : str
        The package that is needed, beyond those that the program needs itself.
    """

    make: Callable[[Path, np.ndarray], Path]
    options: Sequence[str] = ()
    values: str = "uint16"
    needs: str = ""


def pillow_stack(path: Path, planes: np.ndarray, description: str = "", **more: object) -> Path:
    """Write pages by Pillow."""
    pages = [Image.fromarray(np.ascontiguousarray(plane)) for plane in planes]
    about = {270: description, 282: 1 / VOXEL[2], 283: 1 / VOXEL[1]} if description else {}
    pages[0].save(path, save_all=True, append_images=pages[1:], tiffinfo=about, **more)
    return path


def plain(path: Path, volume: np.ndarray) -> Path:
    return pillow_stack(path.with_suffix(".tif"), volume)


def big(path: Path, volume: np.ndarray) -> Path:
    return pillow_stack(path.with_suffix(".tif"), volume, big_tiff=True)


def lzw(path: Path, volume: np.ndarray) -> Path:
    return pillow_stack(path.with_suffix(".tif"), volume, compression="tiff_lzw")


def floats(path: Path, volume: np.ndarray) -> Path:
    return pillow_stack(path.with_suffix(".tif"), volume.astype(np.float32))


def integers(path: Path, volume: np.ndarray) -> Path:
    return pillow_stack(path.with_suffix(".tif"), volume.astype(np.int32))


def signed(path: Path, volume: np.ndarray) -> Path:
    tifffile.imwrite(path.with_suffix(".tif"), volume.astype(np.int16), metadata=None)
    return path.with_suffix(".tif")


def tiled(path: Path, volume: np.ndarray) -> Path:
    more = {"tile": (32, 32), "compression": "zlib", "byteorder": ">", "photometric": "minisblack"}
    tifffile.imwrite(path.with_suffix(".tif"), volume, metadata=None, **more)
    return path.with_suffix(".tif")


def imagej(path: Path, volume: np.ndarray) -> Path:
    about = f"ImageJ=1.54f\nimages={len(volume)}\nslices={len(volume)}\nunit=micron\nspacing=1.75\n"
    return pillow_stack(path.with_suffix(".tif"), volume, about)


def hyperstack(path: Path, volume: np.ndarray) -> Path:
    """Two channels, the second the volume, and one of the volume's kind before it."""
    pages = np.stack([volume[::-1], volume], 1).reshape(-1, *volume.shape[1:])
    about = (
        f"ImageJ=1.54f\nimages={len(pages)}\nchannels=2\nslices={len(volume)}\n"
        "hyperstack=true\nmode=grayscale\nunit=\\u00B5m\nspacing=1.75\n"
    )
    return pillow_stack(path.with_suffix(".tif"), pages, about)


def ome_xml(sizes: dict[str, int], dtype: object, channels: list[str], data: str) -> str:
    counts = " ".join(f'Size{axis}="{sizes.get(axis, 1)}"' for axis in "XYCZT")
    named = "".join(f'<Channel ID="Channel:0:{i}" Name="{n}"/>' for i, n in enumerate(channels))
    return (
        '<?xml version="1.0"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06">'
        f'<Image ID="Image:0"><Pixels ID="Pixels:0" DimensionOrder="XYCZT" Type="{dtype}" {counts} '
        'PhysicalSizeX="800" PhysicalSizeXUnit="nm" PhysicalSizeY="0.8" PhysicalSizeZ="1.75">'
        f"{named}{data}</Pixels></Image></OME>"
    )


def sizes_of(volume: np.ndarray, **more: int) -> dict[str, int]:
    planes, rows, columns = volume.shape
    return {"Z": planes, "Y": rows, "X": columns, **more}


def ome(path: Path, volume: np.ndarray) -> Path:
    about = ome_xml(sizes_of(volume), volume.dtype, [], "<TiffData/>")
    return pillow_stack(path.with_suffix(".ome.tif"), volume, about)


def ome_channels(path: Path, volume: np.ndarray) -> Path:
    pages = np.stack([volume, volume[::-1]], 1).reshape(-1, *volume.shape[1:])
    about = ome_xml(sizes_of(volume, C=2), volume.dtype, ["DAPI", "GFP"], "<TiffData/>")
    return pillow_stack(path.with_suffix(".ome.tif"), pages, about)


def ome_files(path: Path, volume: np.ndarray) -> Path:
    """A file for each half of the planes."""
    half = (len(volume) + 1) // 2
    parts = {"a": volume[:half], "b": volume[half:]}
    data = "".join(
        f'<TiffData FirstZ="{first}" IFD="0" PlaneCount="{len(part)}">'
        f'<UUID FileName="{path.name}_{name}.ome.tif">urn:uuid:{name}</UUID></TiffData>'
        for (name, part), first in zip(parts.items(), (0, half), strict=True)
    )
    for name, part in parts.items():
        about = ome_xml(sizes_of(volume), volume.dtype, [], data)
        about = about.replace("<OME ", f'<OME UUID="urn:uuid:{name}" ')
        pillow_stack(path.with_name(f"{path.name}_{name}.ome.tif"), part, about)
    return path.with_name(f"{path.name}_a.ome.tif")


def pyramid(path: Path, volume: np.ndarray) -> Path:
    file = path.with_suffix(".ome.tif")
    size = dict(zip(("PhysicalSizeZ", "PhysicalSizeY", "PhysicalSizeX"), VOXEL, strict=True))
    with tifffile.TiffWriter(file, ome=True) as tif:
        common = {"photometric": "minisblack", "tile": (32, 32)}
        tif.write(volume, subifds=1, metadata={"axes": "ZYX", **size}, **common)
        tif.write(volume[:, ::2, ::2], subfiletype=1, **common)
    return file


def png_slices(path: Path, volume: np.ndarray) -> Path:
    path.mkdir()
    for number, plane in enumerate(volume):
        Image.fromarray(plane).save(path / f"embryo_z{number}.png")
    return path


def tiff_slices(path: Path, volume: np.ndarray) -> Path:
    path.mkdir()
    for number, plane in enumerate(volume):
        Image.fromarray(plane).save(path / f"scan {number}.tif")
    return path


def challenge(path: Path, volume: np.ndarray) -> Path:
    write_volume(path / "01" / "t000.tif", volume)
    return path / "01"


def png(path: Path, volume: np.ndarray) -> Path:
    Image.fromarray(volume[0]).save(path.with_suffix(".png"))
    return path.with_suffix(".png")


def rgba_png(path: Path, volume: np.ndarray) -> Path:
    Image.fromarray(volume[0]).convert("RGBA").save(path.with_suffix(".png"))
    return path.with_suffix(".png")


def jpeg(path: Path, volume: np.ndarray) -> Path:
    Image.fromarray(volume[0]).save(path.with_suffix(".jpg"), quality=90)
    return path.with_suffix(".jpg")


def color_tiff(path: Path, volume: np.ndarray) -> Path:
    """Green alone holds the image, as where a camera's color picture was saved."""
    color = np.stack([np.zeros_like(volume[0]), volume[0], volume[0] // 3], -1)
    Image.fromarray(color).save(path.with_suffix(".tif"))
    return path.with_suffix(".tif")


def scales(version: str) -> dict[str, object]:
    axes = [
        {"name": name, "type": "space", "unit": "micrometer"} if name in "zyx" else {"name": name}
        for name in "czyx"
    ]
    scale = [{"type": "scale", "scale": [1.0, *VOXEL]}]
    levels = [{"path": "0", "coordinateTransformations": scale}]
    return {"multiscales": [{"version": version, "axes": axes, "datasets": levels}]}


def zarr_2(path: Path, volume: np.ndarray) -> Path:
    """OME-Zarr 0.4, written by hand: two chunks, uncompressed."""
    folder, half = path.with_suffix(".zarr"), (len(volume) + 1) // 2
    (folder / "0" / "0").mkdir(parents=True)
    (folder / ".zgroup").write_text('{"zarr_format": 2}')
    (folder / ".zattrs").write_text(json.dumps(scales("0.4")))
    about = {
        "zarr_format": 2,
        "shape": [1, *volume.shape],
        "chunks": [1, half, *volume.shape[1:]],
        "dtype": "<u2",
        "order": "C",
        "compressor": None,
        "filters": None,
        "fill_value": 0,
        "dimension_separator": "/",
    }
    (folder / "0" / ".zarray").write_text(json.dumps(about))
    for number in range(2):
        chunk = np.zeros((half, *volume.shape[1:]), "<u2")
        part = volume[number * half : (number + 1) * half]
        chunk[: len(part)] = part
        place = folder / "0" / "0" / str(number) / "0"
        place.mkdir(parents=True)
        (place / "0").write_bytes(chunk.tobytes())
    return folder


def zarr_3(path: Path, volume: np.ndarray) -> Path:
    """OME-Zarr 0.5, written by hand: one chunk."""
    folder = path.with_suffix(".zarr")
    place = folder / "0" / "c" / "0" / "0" / "0"
    place.mkdir(parents=True)
    attributes = {"ome": {"version": "0.5", **scales("0.5")}}
    group = {"zarr_format": 3, "node_type": "group", "attributes": attributes}
    (folder / "zarr.json").write_text(json.dumps(group))
    shape = [1, *volume.shape]
    about = {
        "zarr_format": 3,
        "node_type": "array",
        "shape": shape,
        "data_type": "uint16",
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": shape}},
        "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
        "fill_value": 0,
        "codecs": [{"name": "bytes", "configuration": {"endian": "little"}}],
    }
    (folder / "0" / "zarr.json").write_text(json.dumps(about))
    (place / "0").write_bytes(volume.astype("<u2").tobytes())
    return folder


def czi(path: Path, volume: np.ndarray) -> Path:
    from pylibCZIrw.czi import create_czi

    file = path.with_suffix(".czi")
    with create_czi(str(file)) as document:
        for number, plane in enumerate(volume):
            document.write(plane[..., None], plane={"Z": number, "C": 0, "T": 0})
        size = {f"scale_{axis}": 1e-6 * one for axis, one in zip("zyx", VOXEL, strict=True)}
        document.write_metadata("embryo", channel_names={0: "H2B"}, **size)
    return file


def lif(path: Path, volume: np.ndarray) -> Path:
    """A Leica file with one series, written by hand."""
    step, dimensions = 2, ""
    for number, axis in ((1, 2), (2, 1), (3, 0)):  # X, Y, Z
        count = volume.shape[axis]
        length = VOXEL[axis] * 1e-6 * (count - 1)
        dimensions += (
            f'<DimensionDescription DimID="{number}" NumberOfElements="{count}" Origin="0" '
            f'Length="{length}" Unit="m" BitInc="0" BytesInc="{step}"/>'
        )
        step *= count
    about = (
        '<LMSDataContainerHeader Version="2"><Element Name="f" Visibility="1"><Data/>'
        '<Memory Size="0" MemoryBlockID="MemBlock_0"/><Children><Element Name="embryo"><Data>'
        '<Image><ImageDescription><Channels><ChannelDescription DataType="0" ChannelTag="0" '
        'Resolution="16" NameOfMeasuredQuantity="" Min="0" Max="65535" Unit="" LUTName="Gray" '
        'IsLUTInverted="0" '
        f'BytesInc="0" BitInc="0"/></Channels><Dimensions>{dimensions}</Dimensions>'
        f'</ImageDescription></Image></Data><Memory Size="{step}" MemoryBlockID="MemBlock_1"/>'
        "<Children/></Element></Children></Element></LMSDataContainerHeader>"
    )
    text, name = about.encode("utf-16-le"), "MemBlock_1"
    header = struct.pack("<BI", 0x2A, len(about)) + text
    named = struct.pack("<BQBI", 0x2A, step, 0x2A, len(name)) + name.encode("utf-16-le")
    blocks = [struct.pack("<II", 0x70, len(block)) + block for block in (header, named)]
    path.with_suffix(".lif").write_bytes(b"".join(blocks) + volume.astype("<u2").tobytes())
    return path.with_suffix(".lif")


KINDS = {
    "TIFF stack without metadata": Kind(plain, ["--axes", "ZYX", *SIZE]),
    "BigTIFF": Kind(big, SIZE),
    "TIFF, LZW": Kind(lzw, SIZE, "uint8"),
    "TIFF, tiled, deflate, big-endian": Kind(tiled, SIZE),
    "TIFF, 32-bit float": Kind(floats, SIZE),
    "TIFF, 32-bit integer": Kind(integers, SIZE),
    "TIFF, signed 16-bit": Kind(signed, SIZE),
    "ImageJ stack": Kind(imagej),
    "ImageJ hyperstack, two channels": Kind(hyperstack, ["--channel", "1"]),
    "OME-TIFF": Kind(ome),
    "OME-TIFF, two channels": Kind(ome_channels),
    "OME-TIFF, several files": Kind(ome_files),
    "OME-TIFF, pyramid": Kind(pyramid),
    "folder of PNG planes, 16-bit": Kind(png_slices, SIZE),
    "folder of TIFF planes": Kind(tiff_slices, ["--stack", "z", *SIZE]),
    "challenge layout": Kind(challenge, SIZE),
    "OME-Zarr 0.4": Kind(zarr_2),
    "OME-Zarr 0.5": Kind(zarr_3),
    "Zeiss .czi": Kind(czi, needs="pylibCZIrw"),
    "Leica .lif": Kind(lif, needs="liffile"),
    "PNG": Kind(png, values="plane"),
    "PNG, RGB with transparency": Kind(rgba_png, values="plane"),
    "JPEG": Kind(jpeg, values="jpeg"),
    "color TIFF": Kind(color_tiff, ["--channel", "green"], "plane"),
}


def values_for(kind: Kind, volume: np.ndarray) -> np.ndarray:
    """Give what a kind of file is made of, and holds: a volume (Z, Y, X), or a plane with Z = 1."""
    if kind.values == "uint16":
        return volume
    eight = (255.0 * (volume - volume.min()) / (volume.max() - volume.min())).astype(np.uint8)
    return eight if kind.values == "uint8" else eight.max(axis=0)[None]
