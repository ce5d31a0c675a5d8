"""Progress of a stage, told to whoever listens: a terminal, Prefect, or nobody."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

Listener = Callable[[str, int, int | None], None]
Hearer = Callable[[str], None]

_listeners: list[Listener] = []
_hearers: list[Hearer] = []


def report(stage: str, done: int, total: int | None = None) -> None:
    """Say that `done` of `total` (None: unknown) units of `stage` are finished."""
    for listener in list(_listeners):
        listener(stage, done, total)


def say(line: str) -> None:
    """Say what a person should know before the work goes on."""
    for hearer in list(_hearers):
        hearer(line)


@contextmanager
def listening(listener: Listener, *, hearer: Hearer | None = None) -> Iterator[None]:
    """Call `listener(stage, done, total)` for every report inside the block, `hearer` for lines."""
    _listeners.append(listener)
    heard = [hearer] if hearer else []
    _hearers.extend(heard)
    try:
        yield
    finally:
        _listeners.remove(listener)
        for one in heard:
            _hearers.remove(one)
