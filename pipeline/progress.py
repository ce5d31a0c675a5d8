"""Progress of a stage, told to whoever listens: a terminal, Prefect, or nobody."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

Listener = Callable[[str, int, int | None], None]

_listeners: list[Listener] = []


def report(stage: str, done: int, total: int | None = None) -> None:
    """Say that `done` of `total` (None: unknown) units of `stage` are finished."""
    for listener in list(_listeners):
        listener(stage, done, total)


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Call `listener(stage, done, total)` for every report inside the block."""
    _listeners.append(listener)
    try:
        yield
    finally:
        _listeners.remove(listener)
