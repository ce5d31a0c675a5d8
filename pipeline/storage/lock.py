"""The catalog's locks: one writer, one trainer; who holds one is known to those it refuses.

A local lock is the system's own (flock): it is freed the moment its holder dies, by crash or
reboot. Its file is never removed, for a lock on a removed file excludes nobody. Network file
systems differ: a lock there holds between machines only where the server supports it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from filelock import FileLock, Timeout

from pipeline.errors import HeldLockError, LostLockError
from pipeline.storage.lock_owner import current_owner, note_of, owner_words, read_note
from pipeline.storage.object_lock import ObjectLock
from pipeline.storage.place import Place


class Lock(Protocol):
    """A lock that is held."""

    def name(self, run: str) -> None:
        """Tell those who are refused which run holds it."""
        ...

    def check(self) -> None:
        """Raise LostLockError when it is no longer this process's."""
        ...

    def release(self) -> None:
        """Give it up."""
        ...


# The locks this process holds, by the path of their file: whoever publishes asks whether the
# writer's is still its own, from whatever thread and through whatever Catalog object.
_held: dict[str, Lock] = {}


@contextmanager
def hold(place: Place, *, taken: str) -> Iterator[Lock]:
    """Hold the lock `place`.

    Args:
        taken: what to say when another holds it; who that is is added.

    Raises:
        CatalogError: another process holds it (HeldLockError), or it cannot be written.
    """
    lock: Lock = (
        _local(place, taken) if place.is_local else ObjectLock(place, current_owner(), taken)
    )
    _held[place.path] = lock
    try:
        yield lock
    finally:
        del _held[place.path]
        lock.release()


def check_held(place: Place) -> None:
    """Raise LostLockError when this process took the lock and it is no longer its own."""
    if lock := _held.get(place.path):
        lock.check()


def name_run(place: Place, run: str) -> None:
    """Add the run's name to the note of the lock, where this process holds it."""
    if lock := _held.get(place.path):
        lock.name(run)


class LocalLock:
    """A lock of this machine's system, with a note beside it."""

    def __init__(self, path: Path, lock: FileLock) -> None:
        self.path, self.lock, self.note = path, lock, current_owner()
        self.identity = self._identity()
        self._write()

    def name(self, run: str) -> None:
        """See `Lock.name`."""
        self.note["run"] = run
        self._write()

    def check(self) -> None:
        """See `Lock.check`: a lock file that was removed or exchanged excludes nobody."""
        if self._identity() == self.identity:
            return
        raise LostLockError(
            f"{self.path} was removed while this run held it, so that another run may be writing: "
            "nothing is published; start the run again, and never remove that file"
        )

    def _identity(self) -> tuple[int, int] | None:
        try:
            found = self.path.stat()
        except OSError:
            return None
        return found.st_dev, found.st_ino

    def release(self) -> None:
        """See `Lock.release`."""
        note_of(self.path).unlink(missing_ok=True)
        self.lock.release()

    def _write(self) -> None:
        Place(str(note_of(self.path))).write(json.dumps(self.note).encode())


def _local(place: Place, taken: str) -> LocalLock:
    path = Path(place.path)
    lock = FileLock(str(path), timeout=0, thread_local=False)
    with place.errors():
        try:
            lock.acquire()
        except Timeout as error:
            raise HeldLockError(
                taken.format(owner=owner_words(read_note(note_of(path))))
            ) from error
    try:
        return LocalLock(path, lock)
    except BaseException:
        lock.release()
        raise
