"""Archives made in memory, and what a folder shows."""

import io
import zipfile
from pathlib import Path

import numpy as np
import tifffile


def tiff(value: int) -> bytes:
    file = io.BytesIO()
    tifffile.imwrite(file, np.full((2, 4, 5), value, np.uint16), photometric="minisblack")
    return file.getvalue()


def packed(members: dict[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return file.getvalue()


def visible(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} if folder.exists() else set()
