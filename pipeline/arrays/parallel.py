"""Work in threads, its results in order whatever their number; and processes that end with ours."""

from __future__ import annotations

import os
import sys
import threading
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context, parent_process
from multiprocessing.connection import wait
from types import ModuleType
from typing import Any, TypeVar

Job = TypeVar("Job")
Result = TypeVar("Result")


def map_in_order(
    function: Callable[[Job], Result],
    jobs: Iterable[Job],
    *,
    workers: int,
    ahead: int = 0,
    prepare: Callable[[], Any] | None = None,
) -> Iterator[Result]:
    """Yield `function(job)` in the order of `jobs`.

    Args:
        jobs: consumed in the calling thread.
        ahead: jobs begun or done before their turn, beside one for each worker.
        prepare: runs once in every thread of the pool.
    """
    waiting: deque[Future[Result]] = deque()
    pool = ThreadPoolExecutor(workers, initializer=prepare)
    try:
        for job in jobs:
            waiting.append(pool.submit(function, job))
            if len(waiting) > workers + ahead:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def start_processes(
    workers: int, *, prepare: Callable[[], Any] | None = None
) -> ProcessPoolExecutor:
    """Start all processes now, while they cannot see the main module.

    They need nothing of it, and importing it again would run a script that has no
    `if __name__ == "__main__"` once more.

    Args:
        prepare: runs once in each; it must be picklable.
    """
    pool = ProcessPoolExecutor(
        workers, mp_context=get_context("spawn"), initializer=_begin, initargs=(prepare,)
    )
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        for _ in range(workers):
            pool.submit(os.getpid)
    finally:
        sys.modules["__main__"] = main
    return pool


def _begin(prepare: Callable[[], Any] | None) -> None:
    """Start a process: no warnings, and its end with the process that it works for.

    One that is killed cannot end its pool, whose processes would wait for work for ever.
    """
    warnings.simplefilter("ignore")
    parent = parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()
    if prepare is not None:
        prepare()


def _end_with(sentinel: int) -> None:
    wait([sentinel])
    os._exit(1)
