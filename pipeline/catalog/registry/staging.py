"""The registry's lock, and folders that are filled before they become versions."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

from filelock import FileLock, Timeout

from pipeline.errors import ModelError

LOCK_SECONDS = 60.0


@contextmanager
def lock_version(root: Path) -> Iterator[None]:
    """Hold the lock of the registry at `root`; the system frees it when the process dies.

    Raises:
        ModelError: the registry cannot be written, or another process holds it for too long.
    """
    lock = FileLock(str(root / "registry.lock"), timeout=LOCK_SECONDS)
    try:
        root.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except Timeout as error:
        raise ModelError(
            f"another process has been changing the registry {root} for over {LOCK_SECONDS:.0f} s; "
            "wait for it to end"
        ) from error
    except OSError as error:
        raise ModelError(f"cannot write to the registry {root}: {error}") from error
    try:
        yield
    finally:
        lock.release()


@contextmanager
def stage_version(root: Path) -> Iterator[Path]:
    """Yield an empty folder beside the versions; it is gone afterwards, renamed or removed.

    A lock of its own tells other processes that its owner lives. It is taken, and the folders of
    the dead are cleared, under the registry's lock, so that nobody clears a folder just made.
    """
    folder = root / ".staging" / uuid4().hex
    alive = FileLock(str(_lock_of(folder)), thread_local=False)
    with lock_version(root):
        _clear(folder.parent)
        folder.parent.mkdir(exist_ok=True)
        alive.acquire()
        folder.mkdir()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        alive.release()
        _lock_of(folder).unlink(missing_ok=True)


def _lock_of(folder: Path) -> Path:
    return folder.with_suffix(".lock")


def _clear(staging: Path) -> None:
    for folder in {path.with_suffix("") for path in staging.glob("*")}:
        lock = FileLock(str(_lock_of(folder)), timeout=0)
        try:
            lock.acquire()
        except Timeout:
            continue
        shutil.rmtree(folder, ignore_errors=True)
        lock.release()
        _lock_of(folder).unlink(missing_ok=True)
