"""Work in threads whose results come in order: what is returned does not depend on their number."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
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
