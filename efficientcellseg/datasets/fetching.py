"""Downloads files over HTTP onto the disk, and keeps their hashes beside them."""

from __future__ import annotations

import http.client
import logging
import os
import re
import shutil
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING

from ctc_eval.format import InputError, atomic
from efficientcellseg.networks.folders import file_hash
from efficientcellseg.parameters.source import SAFE_ADDRESS

if TYPE_CHECKING:
    from tqdm import tqdm

log = logging.getLogger(__name__)

BLOCK = 1 << 20
TIMEOUT_S = 60.0
PAUSES_S = (1.0, 2.0, 4.0, 8.0)
# Variable that names a mirror: an address below which all files lie as they do on their hosts.
MIRROR = "EFFICIENTCELLSEG_MIRROR"


class DownloadError(InputError):
    """The network or the server is at fault."""


class _StaySafe(urllib.request.HTTPRedirectHandler):
    """Follows no redirection to where an address could not have led."""

    def redirect_request(self, req, fp, code, msg, headers, newurl):  # type: ignore[no-untyped-def]
        if not re.match(SAFE_ADDRESS, newurl):
            reason = f"leads to {newurl}; expected https://..."
            raise urllib.error.HTTPError(req.full_url, code, reason, headers, fp)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def mirrored(url: str) -> str:
    """Return the address to download a file from: on the user's mirror, if there is one.

    Parameters
    ----------
    url : str
        ``https://host/training-datasets/NAME.zip``, say, which with the variable
        ``EFFICIENTCELLSEG_MIRROR=https://mirror/here`` becomes
        ``https://mirror/here/training-datasets/NAME.zip``.

    Returns
    -------
    str

    Raises
    ------
    InputError
        The variable holds no address.
    """
    mirror = os.environ.get(MIRROR)
    if not mirror:
        return url
    if not re.match(SAFE_ADDRESS, mirror + "/"):
        raise InputError(
            f"{MIRROR}={mirror}: expected an address, https://...: correct or unset the variable",
            code="mirror-address",
        )
    return mirror.rstrip("/") + urllib.parse.urlsplit(url).path


def fetch(url: str, path: Path, pauses: tuple[float, ...] = PAUSES_S) -> None:
    """Download a file over HTTP, resuming an earlier try that was interrupted.

    A partial download is kept in ``<path>.part``; `path` appears when it is complete.

    Parameters
    ----------
    url : str
        A mirror's takes its place, see :func:`mirrored`.
    path : Path
        The folder is made where it is missing.
    pauses : tuple of float
        Seconds to wait before each further try. A try that brought data starts the count anew.

    Raises
    ------
    DownloadError
        The server refuses, or the tries are used up.
    InputError
        The disk has no room; what :func:`mirrored` refuses.
    """
    from tqdm import tqdm

    url = mirrored(url)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.part")
    waits = list(pauses)
    with tqdm(desc=path.name, unit="B", unit_scale=True, disable=None) as bar:
        while True:
            before = part.stat().st_size if part.exists() else 0
            try:
                if _continue(url, part, bar):
                    part.replace(path)
                    return
                reason = "the connection broke off"
            except urllib.error.HTTPError as error:
                reason = f"HTTP {error.code} {error.reason}"
                if error.code < 500 and error.code not in (408, 429):
                    raise DownloadError(f"{url}: {reason}", code="download-refused") from None
            except (urllib.error.URLError, http.client.HTTPException, TimeoutError) as error:
                reason = str(getattr(error, "reason", error))
            except ConnectionError as error:
                reason = str(error)
            if part.exists() and part.stat().st_size > before:
                waits = list(pauses)
            if not waits:
                raise DownloadError(f"{url}: {reason}", code="download-broken")
            log.info("%s: %s; trying again in %g s", url, reason, waits[0])
            time.sleep(waits.pop(0))


def _continue(url: str, part: Path, bar: tqdm) -> bool:
    """Download the rest of a partial file; tell whether it is complete."""
    have = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})
    try:
        response = urllib.request.build_opener(_StaySafe).open(request, timeout=TIMEOUT_S)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code != 416:
            raise
        # Nothing lies beyond what we have: complete, or left over from another file.
        if error.headers.get("Content-Range") == f"bytes */{have}":
            return True
        part.unlink()
        return False
    with response:
        resumed = response.status == 206 and (
            response.headers.get("Content-Range", "").startswith(f"bytes {have}-")
        )
        if not resumed:
            have = 0
        length = response.headers.get("Content-Length")
        total = have + int(length) if length else None
        bar.total, bar.n = total, have
        if total is not None:
            require_space(part.parent, total - have)
        with part.open("ab" if resumed else "wb") as file:
            while block := response.read(BLOCK):
                file.write(block)
                bar.update(len(block))
        return total is None or part.stat().st_size == total


def require_space(folder: Path, size: int) -> None:
    """Refuse to write more bytes than a disk has room for.

    Parameters
    ----------
    folder : Path
        Where they would be written.
    size : int
        In bytes.

    Raises
    ------
    InputError
        Fewer bytes are free on the folder's disk.
    """
    free = shutil.disk_usage(folder).free
    if free < size:
        raise InputError(
            f"{folder}: {free / 1e9:.1f} GB free; expected at least {size / 1e9:.1f} GB: "
            "make room or choose another folder",
            code="disk-full",
        )


def check_hash(path: Path, known: str | None = None, *, fresh: bool = False) -> str:
    """Check a download against its known hash, or else the one recorded beside it.

    Parameters
    ----------
    path : Path
    known : str, optional
        SHA-256 that a recipe has.
    fresh : bool
        It has just been downloaded: it is deleted where its hash is another one.

    Returns
    -------
    str
        The SHA-256 found; the right one, where none is known.

    Raises
    ------
    InputError
        It is another one.
    """
    record = _hash_record(path)
    text = record.read_text(encoding="utf-8", errors="replace") if record.is_file() else ""
    recorded = text.split()
    found = file_hash(path)
    expected = known or (recorded[0] if recorded else found)
    if found != expected:
        if fresh:
            path.unlink()
        remedy = f"{path.name} was deleted," if fresh else f"delete {path.name} and"
        raise InputError(
            f"{path}: SHA-256 {found}; expected {expected} as recorded in "
            f"{'the recipe' if known else record}: {remedy} download it again",
            code="download-hash",
        )
    return found


def record_hash(path: Path, found: str) -> None:
    """Write a download's hash beside it, like sha256sum, once the download has proved good.

    Parameters
    ----------
    path : Path
        Of the download.
    found : str
        Its SHA-256, in hexadecimal.
    """
    with atomic(_hash_record(path)) as temporary:
        temporary.write_text(f"{found}  {path.name}\n", encoding="utf-8")


def _hash_record(path: Path) -> Path:
    return path.with_name(f"{path.name}.sha256")
