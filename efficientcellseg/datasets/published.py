"""Downloads networks that others published, onto the disk."""

from __future__ import annotations

from pathlib import Path

from ctc_eval.format import InputError
from efficientcellseg.datasets.fetching import DownloadError, check_hash, fetch

# The files that Wagner & Rohr published. HEAD is the default branch, whatever its name.
_FOLDER = "https://github.com/roydenwa/efficient-cell-seg/raw/HEAD/pretrained-models"
AUTHORS_NETWORKS = {name: f"{_FOLDER}/{name}.onnx" for name in ("ecs_a549", "ecs_tric")}


def obtain_network(source: str, folder: Path) -> tuple[Path, str | None]:
    """Find a network's ONNX file; download it if it is an address or a known name.

    Parameters
    ----------
    source : str
        File, ``https://...``, or one of :data:`AUTHORS_NETWORKS`.
    folder : Path
        Where a download goes, and stays. A file placed there by hand is used.

    Returns
    -------
    path : Path
    url : str or None
        Where it comes from, if not a file from the start.

    Raises
    ------
    InputError
        It cannot be had, or its hash is not the one recorded beside it.
    """
    url = AUTHORS_NETWORKS.get(source, source)
    if not url.startswith(("https://", "http://")):
        return Path(source), None
    path = folder / url.rsplit("/", 1)[-1].split("?")[0]
    if not path.is_file():
        try:
            fetch(url, path)
        except DownloadError as error:
            raise InputError(
                f"{error}; expected the network there: try again (it resumes where it stopped), "
                f"or fetch the file elsewhere and put it at {path}",
                code=error.code,
            ) from None
    check_hash(path)
    return path, url
