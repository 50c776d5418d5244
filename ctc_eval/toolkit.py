"""Runs the challenge's own executables beside ctc_eval.

They write logs into the result folder and leave stale ones behind when they refuse, so they
run on a temporary copy, and a value counts only with exit status 0 and the line that says it.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ctc_eval.format import InputError, is_inside, lineage_faults, read_tracks, trim_tracks
from ctc_eval.measures import MEASURES

_NUMBERED = re.compile(r"(mask|man_seg_?|man_track)([0-9]{3,4})(_[0-9]{3})?\.tif")
_SEQUENCE = "01"


@dataclass(frozen=True)
class Verdict:
    """What an official executable said.

    Attributes
    ----------
    value : float or None
        The measure; None if it refused.
    said : str
        What it printed, in one line, with its exit status where it refused.
    """

    value: float | None
    said: str


def run_toolkit(
    toolkit: Path,
    reference: Path,
    result: Path,
    *,
    wanted: Sequence[str],
    frames: slice = slice(None),
    penalize_extra: bool = True,
) -> dict[str, Verdict]:
    """Run the official executables on a temporary copy of reference and result.

    Parameters
    ----------
    toolkit : Path
        Folder with ``SEGMeasure``, ``DETMeasure``, ``TRAMeasure``, or with ``Linux/`` that
        has them.
    reference, result : Path
        Folders, as for :func:`ctc_eval.scoring.score_sequence`.
    wanted : sequence of str
        The measures; those the official toolkit does not have are passed over.
    frames : slice
        Frame numbers to use, half open.
    penalize_extra : bool
        Whether result objects that match nothing cost in DET.

    Returns
    -------
    dict of str to Verdict
        By measure.

    Raises
    ------
    InputError
        An executable is missing or cannot be started.
    """
    programs = {
        name: (_program(toolkit, name), further)
        for name in wanted
        if (further := MEASURES[name].program)
    }
    with tempfile.TemporaryDirectory(prefix="ctc-toolkit-") as folder:
        root = Path(folder)
        digits = _copy(reference, result, frames, root)
        verdicts = {}
        for name, (program, further) in programs.items():
            arguments = [str(root), _SEQUENCE, str(digits), *further(penalize_extra)]
            verdicts[name] = _run(program, arguments, name)
        return verdicts


def _program(toolkit: Path, measure: str) -> Path:
    name = f"{measure}Measure"
    for path in (toolkit / name, toolkit / "Linux" / name):
        if path.is_file():
            return path.resolve()
    raise InputError(
        f"{toolkit}: no {name} there; expected the challenge's executables for Linux: unpack its "
        "EvaluationSoftware.zip, or leave --toolkit out",
        code="program-missing",
    )


def _run(program: Path, arguments: list[str], measure: str) -> Verdict:
    try:
        done = subprocess.run(
            [str(program), *arguments],
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
    except OSError as error:
        raise InputError(
            f"{program}: cannot be started ({error.strerror}); expected an executable for this "
            "machine: chmod +x it, or choose another --toolkit",
            code="program-unstartable",
        ) from None
    said = " ".join((done.stdout + done.stderr).split())[:500]
    line = re.search(rf"^{measure} measure: (\d\.\d+)$", done.stdout, re.MULTILINE)
    if done.returncode == 0 and line:
        return Verdict(float(line[1]), said)
    return Verdict(None, f"{said or 'no word'} (exit status {done.returncode})")


def _copy(reference: Path, result: Path, frames: slice, root: Path) -> int:
    """Copy what the executables read; give the digits of the masks' frame numbers."""
    given, wanted = root / f"{_SEQUENCE}_RES", root / f"{_SEQUENCE}_GT"
    for folder in (given, wanted / "SEG", wanted / "TRA"):
        folder.mkdir(parents=True)
    digits = _copy_images(result, "mask", frames, given, "mask")
    _copy_tracks(result / "res_track.txt", frames, given)
    if (reference / "SEG").is_dir() or (reference / "TRA").is_dir():
        _copy_images(reference / "SEG", "man_seg", frames, wanted / "SEG", "man_seg")
        _copy_images(reference / "TRA", "man_track", frames, wanted / "TRA", "man_track")
        _copy_tracks(reference / "TRA" / "man_track.txt", frames, wanted / "TRA")
    else:
        _copy_images(reference, "mask", frames, wanted / "SEG", "man_seg")
        _copy_images(reference, "mask", frames, wanted / "TRA", "man_track")
    return digits


def _copy_images(source: Path, prefix: str, frames: slice, target: Path, name: str) -> int:
    """Copy a folder's images of the frames wanted, renamed; give the digits of their numbers."""
    digits = 3
    for path in sorted(source.glob(f"{prefix}*.tif")):
        numbered = _NUMBERED.fullmatch(path.name)
        if numbered and is_inside(int(numbered[2]), frames):
            digits = len(numbered[2])
            shutil.copyfile(path, target / path.name.replace(prefix, name, 1))
    return digits


def _copy_tracks(source: Path, frames: slice, target: Path) -> None:
    """Copy a track file, cut to the frames wanted; a faulty one goes as it is."""
    if not source.is_file():
        return
    tracks, faults = read_tracks(source)
    if frames == slice(None) or faults or list(lineage_faults(source, tracks)):
        shutil.copyfile(source, target / source.name)
        return
    last = max((track.end for track in tracks.values()), default=0)
    stop = last if frames.stop is None else frames.stop - 1
    trimmed = trim_tracks(tracks, frames.start or 0, stop).values()
    text = "".join(f"{t.label} {t.begin} {t.end} {t.parent}\n" for t in trimmed)
    (target / source.name).write_text(text)
