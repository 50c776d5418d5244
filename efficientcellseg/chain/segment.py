"""Reads frames and writes masks in one process, with several frames in progress at a time."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from math import prod
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, Protocol

from ctc_eval.format import (
    RECORD,
    InputError,
    and_more,
    fingerprint,
    frame_digits,
    frame_name,
    read_volume,
    remove_leftovers,
    volume_shape,
    write_labels,
)
from efficientcellseg.chain.labeling import (
    is_empty,
    label_volume,
    log_anisotropy,
    warn_of_empty,
)
from efficientcellseg.chain.telling import naming
from efficientcellseg.provenance import (
    TRACK_FILE,
    made_alike,
    raw_frames,
    read_mask_record,
    stale_masks,
    write_mask_record,
)

if TYPE_CHECKING:
    import numpy as np

    from efficientcellseg.maps import Maps
    from efficientcellseg.parameters.recipe import Recipe

log = logging.getLogger(__name__)

# Frames read ahead of the network, and masks behind it: memory stays flat in the frames.
AHEAD = 2
# Of larger frames one alone is read ahead and one labeled, whose arrays take most memory. Voxels.
LARGE = 16_000_000


class FrameMethod(Protocol):
    """What turns a frame into maps; `prepare` may run in several threads, `maps` runs in one."""

    def prepare(self, volume: np.ndarray) -> Any:
        """Preprocess a volume.

        Parameters
        ----------
        volume : ndarray of shape (Z, Y, X), uint8 or uint16
            Raw intensities.

        Returns
        -------
        object
            What :meth:`maps` takes.
        """

    def maps(self, prepared: Any) -> Maps:
        """Predict the maps of a volume.

        Parameters
        ----------
        prepared : object
            From :meth:`prepare`.

        Returns
        -------
        dict of str to ndarray of shape (Z, Y, X), float32
            Each map by its name, in 0..1.
        """


def segment_volume(volume: np.ndarray, method: FrameMethod, recipe: Recipe) -> np.ndarray:
    """Segment one volume.

    Parameters
    ----------
    volume : ndarray of shape (Z, Y, X), uint8 or uint16
    method : FrameMethod
    recipe : Recipe
        As the method has adapted it.

    Returns
    -------
    ndarray of shape (Z, Y, X), uint16
        Label image; 0 is background.

    Raises
    ------
    InputError
        Another number of axes or pixel type; too many cells for uint16.
    """
    if volume.ndim != 3:
        raise InputError(
            f"volume of shape {volume.shape}; expected (planes, rows, columns): give an image as "
            "one plane, image[None]",
            code="volume-axes",
        )
    return _label(method.maps(method.prepare(volume)), recipe)


def segment_sequence(
    frames: Mapping[int, Path],
    output: Path,
    load: Callable[[], FrameMethod],
    recipe: Recipe,
    record: Mapping[str, Any],
    *,
    overwrite: bool = False,
    progress: Callable[[Sequence[int]], Iterable[int]] = iter,
) -> None:
    """Segment the frames of a sequence; complete masks are kept.

    Parameters
    ----------
    frames : mapping of int to Path
        Number to file of the frames, all of one shape.
    output : Path
        Folder of masks, made where it is missing.
    load : callable
        Gives the method; called where there is a mask to be made.
    recipe : Recipe
        As the method has adapted it.
    record : mapping
        What the masks are made with, see :func:`efficientcellseg.provenance.mask_record`.
    overwrite : bool
        Make masks anew that exist.
    progress : callable
        Wraps the frames' numbers, to show how far it is; `tqdm.tqdm` does.

    Raises
    ------
    InputError
        The folder is that of the frames, holds masks made in another way or cannot be written;
        what reading, method and labeling refuse.
    """
    if output.resolve() == next(iter(frames.values())).parent.resolve():
        raise InputError(
            f"{output}: holds the raw frames; expected another folder for the masks",
            code="output-raw",
        )
    masks = {
        number: output / frame_name("mask", number, frame_digits(path))
        for number, path in frames.items()
    }
    _refuse_mixture(output, record, masks.values(), overwrite)
    shape, _ = volume_shape(next(iter(frames.values())))
    empty = {} if overwrite else _find_complete(masks, shape, stale_masks(output))
    todo = [n for n in masks if n not in empty]
    record = _keep_raw(record, output, {frames[n].name for n in todo}, [frames[n] for n in empty])
    if len(todo) < len(frames):
        log.info("%d of %d masks exist already", len(frames) - len(todo), len(frames))
    if todo:
        log_anisotropy(recipe)
        method = load()
        claim = _Claim(output, record, [masks[number] for number in todo])
        ahead = 1 if prod(shape) > LARGE else AHEAD
        written = _stream(todo, frames, masks, method, recipe, claim, ahead)
        for _ in progress(todo):
            number, empty[number] = next(written)
    warn_of_empty(sum(empty.values()), len(empty))


def _stream(
    todo: Sequence[int],
    frames: Mapping[int, Path],
    masks: Mapping[int, Path],
    method: FrameMethod,
    recipe: Recipe,
    claim: _Claim,
    ahead: int,
) -> Iterator[tuple[int, bool]]:
    """Run the networks over frame after frame, while the next are read and the last written.

    Gives the number of each frame whose mask is written, and whether that is all but empty.
    `ahead` frames are read before the networks need them, and as many wait behind them.
    """

    def prepare(number: int) -> Any:
        with naming(frames[number]):
            return method.prepare(read_volume(frames[number]))

    def finish(number: int, maps: Maps) -> tuple[int, bool]:
        with naming(frames[number]):
            labels = _label(maps, recipe)
        return number, claim.write(masks[number], labels)

    with ThreadPoolExecutor(ahead) as before, ThreadPoolExecutor(ahead) as after:
        prepared = {n: before.submit(prepare, n) for n in todo[:ahead]}
        finished: list[Future] = []
        try:
            for i, number in enumerate(todo):
                ready = prepared.pop(number).result()
                for following in todo[i + ahead : i + ahead + 1]:
                    prepared[following] = before.submit(prepare, following)
                with naming(frames[number]):
                    maps = method.maps(ready)
                if len(finished) == ahead:
                    yield finished.pop(0).result()
                finished.append(after.submit(finish, number, maps))
                del maps, ready  # the labeling alone holds them
            for future in finished:
                yield future.result()
        finally:
            before.shutdown(wait=False, cancel_futures=True)


def _label(maps: Maps, recipe: Recipe) -> np.ndarray:
    return label_volume(maps, recipe.labeling, recipe.anisotropy, recipe.field_of_interest)


def _refuse_mixture(
    output: Path, record: Mapping[str, Any], masks: Collection[Path], overwrite: bool
) -> None:
    """Refuse a folder that would keep masks made in another way.

    Raises
    ------
    InputError
        There are such masks, or what they were made with is not known.
    """
    kept = set(output.glob("mask*.tif")) - (set(masks) if overwrite else set())
    if kept and not made_alike(read_mask_record(output), record):
        raise InputError(
            f"{output}: holds {len(kept)} masks made with another recipe, method, model or "
            "backend; expected none, or masks of this run: give --overwrite for all frames, or "
            "another --output",
            code="masks-mixed",
        )


class _Claim:
    """A folder whose masks are made: its record says of each mask what it is made with.

    Masks that were made in another way stay until their new ones take their place; the record
    names them as stale that long.

    Raises
    ------
    InputError
        The folder cannot be written.
    """

    def __init__(self, output: Path, record: Mapping[str, Any], masks: Collection[Path]) -> None:
        self.output, self.record, self.lock = output, record, Lock()
        before = read_mask_record(output)
        there = {mask.name for mask in masks if mask.is_file()}
        self.stale = there & stale_masks(output) if made_alike(before, record) else there
        try:
            output.mkdir(parents=True, exist_ok=True)
            remove_leftovers(output / RECORD, *masks)
            (output / TRACK_FILE).unlink(missing_ok=True)  # of masks that were there before
            self._tell()
        except OSError as error:
            raise InputError(
                f"{output}: cannot be written ({error.strerror}); expected a folder for masks: "
                "give another --output DIR",
                code="path-unwritable",
            ) from None

    def write(self, mask: Path, labels: np.ndarray) -> bool:
        """Write a mask; tell whether it is all but empty."""
        write_labels(mask, labels)
        if mask.name in self.stale:
            with self.lock:
                self.stale.discard(mask.name)
                self._tell()
        return is_empty(labels)

    def _tell(self) -> None:
        stale = {"stale": sorted(self.stale)} if self.stale else {}
        write_mask_record(self.output, {**self.record, **stale})


def _keep_raw(
    record: Mapping[str, Any], output: Path, made: Collection[str], kept: Collection[Path]
) -> dict[str, Any]:
    """Record the raw frames of masks that are kept; warn if a frame has changed."""
    before = {name: found for name, found in raw_frames(output).items() if name not in made}
    raw = {**record.get("raw", {}), **before}
    changed = [path for path in kept if raw.get(path.name) not in (None, fingerprint(path))]
    if changed:
        log.warning(
            "%s%s: changed since its mask was made, which is kept; give --overwrite, or remove "
            "the mask",
            changed[0],
            and_more(len(changed) - 1),
        )
    return {**record, "raw": raw}


def _find_complete(
    masks: Mapping[int, Path], shape: tuple[int, int, int], stale: Collection[str]
) -> dict[int, bool]:
    """Find masks that are there, undamaged, of the frames' shape and a label image's type.

    All of them is read: that takes a thousandth of the time that making them anew would. Tells
    of each whether it is all but empty.
    """
    complete = {}
    for number, mask in masks.items():
        try:
            labels = read_volume(mask) if mask.is_file() and mask.name not in stale else None
        except InputError:
            continue
        if labels is not None and labels.shape == shape and labels.dtype == "uint16":
            complete[number] = is_empty(labels)
    return complete
