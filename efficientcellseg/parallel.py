"""All cores for what is done plane by plane or box by box."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any


def cores() -> int:
    """Count the CPU cores to use: OMP_NUM_THREADS if it is set, as in a job.

    Returns
    -------
    int
    """
    told = os.environ.get("OMP_NUM_THREADS", "")
    if told.isdecimal() and int(told):
        return int(told)
    affinity = getattr(os, "sched_getaffinity", None)  # Linux alone has it
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def in_threads(function: Callable[[Any], Any], items: Iterable[Any]) -> Iterator[Any]:
    """Map a function over items in as many threads as there are cores.

    Parameters
    ----------
    function : callable
        Spends its time where Python's lock is free: in numpy, OpenCV, scipy.
    items : iterable

    Yields
    ------
    object
        What it gives for each item, in their order. Two results a core are under way at most.
    """
    workers = cores()
    if workers == 1:
        yield from map(function, items)
        return
    waiting: deque[Future] = deque()
    with ThreadPoolExecutor(workers) as pool:
        try:
            for item in items:
                waiting.append(pool.submit(function, item))
                if len(waiting) > 2 * workers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
