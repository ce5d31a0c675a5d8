"""Results come in order, a bounded number of jobs ahead, and a failure ends the work."""

import threading
import time
from collections.abc import Iterator

import pytest

from pipeline.arrays.parallel import map_in_order


def late(job: int) -> int:
    """The earlier of two neighbours is the slower one."""
    time.sleep(0.002 * (job % 2 == 0))
    return job * job


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_results_come_in_the_order_of_the_jobs(workers: int) -> None:
    assert list(map_in_order(late, range(40), workers=workers)) == [n * n for n in range(40)]


@pytest.mark.parametrize(("workers", "ahead"), [(1, 0), (2, 0), (2, 3)])
def test_no_more_jobs_are_taken_than_agreed(workers: int, ahead: int) -> None:
    taken = 0

    def jobs() -> Iterator[int]:
        nonlocal taken
        for job in range(30):
            taken += 1
            yield job

    for done, _ in enumerate(map_in_order(late, jobs(), workers=workers, ahead=ahead), start=1):
        assert taken - done <= workers + ahead


def test_jobs_run_side_by_side_in_threads_that_were_prepared() -> None:
    met, prepared = threading.Barrier(2, timeout=20), set()
    results = map_in_order(
        lambda _: (met.wait(), threading.get_ident())[1],
        range(2),
        workers=2,
        prepare=lambda: prepared.add(threading.get_ident()),
    )
    assert set(results) == prepared
    assert len(prepared) == 2


def test_a_failure_is_raised_in_its_turn_and_ends_the_work() -> None:
    begun: list[int] = []

    def failing(job: int) -> int:
        begun.append(job)
        if job == 3:
            raise KeyboardInterrupt("stopped")
        return job

    results = map_in_order(failing, range(100), workers=2)
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(KeyboardInterrupt, match="stopped"):
        next(results)
    assert len(begun) < 10
