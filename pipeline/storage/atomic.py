"""Writes that survive a crash: on the disk before they are visible, visible in one step."""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

import fsspec
from fsspec.implementations.local import LocalFileSystem

from pipeline.errors import PipelineError


def write_json(path: Path, value: Any) -> None:
    """Write JSON to a new file and bring it to the disk."""
    with path.open("w", encoding="utf-8") as stream:
        json.dump(value, stream, indent=1, sort_keys=True, allow_nan=False)
        stream.write("\n")
        stream.flush()
        os.fsync(stream.fileno())


def replace_file(path: Path, value: Any) -> None:
    """Make JSON the content of `path` in one step; a crash leaves the old content or the new."""
    temporary = path.with_name(f".{path.name}.part")
    write_json(temporary, value)
    os.replace(temporary, path)
    sync_folder(path.parent)


def sync_folder(path: Path) -> None:
    """Bring a file, or the names in a folder, to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_tree(folder: Path) -> None:
    """Bring a folder and all below it to the disk."""
    for path in sorted(folder.rglob("*")):
        sync_folder(path)
    sync_folder(folder)


def writing_obstacle(path: str) -> str:
    """What plainly stands in the way of writing `path`, with the fix; empty when nothing does.

    Nothing is made or touched. Object stores are not asked.
    """
    try:
        filesystem, target = fsspec.url_to_fs(path)
    except (ImportError, ValueError) as error:
        return f"this place cannot be opened: {error}; install what it needs, or choose another"
    if not isinstance(filesystem, LocalFileSystem):
        return ""
    if os.path.isdir(target):
        return "this is a folder; name a file in it"
    folder = os.path.dirname(target)
    while not os.path.lexists(folder):
        folder = os.path.dirname(folder)
    if not os.path.isdir(folder):
        return f"{folder} is not a folder; choose another place"
    if not os.access(folder, os.W_OK | os.X_OK):
        return f"the folder {folder} is not writable; allow it, or choose another place"
    return ""


@contextmanager
def writing(path: str) -> Iterator[IO[bytes]]:
    """Yield a binary file that becomes `path` when the block ends without an exception.

    Local files are renamed in one step. Object stores have no rename: there the finished file is
    copied and the temporary one removed, and each single object is complete or absent.

    Raises:
        PipelineError: the folder or file cannot be made or replaced.
    """
    filesystem, target = fsspec.url_to_fs(path)
    temporary = f"{target}.{uuid.uuid4().hex}.part"
    try:
        sink = _opened(filesystem, temporary, path=path)
        with sink:
            yield sink
            _flush(sink)
        _move(filesystem, temporary, target=target, path=path)
    except BaseException:
        # The first error is the one to see; a temporary file that never came to be is no second.
        with suppress(OSError):
            filesystem.rm(temporary)
        raise


def _opened(filesystem: Any, temporary: str, *, path: str) -> IO[bytes]:
    try:
        filesystem.makedirs(filesystem._parent(temporary), exist_ok=True)
        return filesystem.open(temporary, "wb")  # type: ignore[no-any-return]
    except OSError as error:
        raise _cannot(path, error) from error


def _flush(sink: IO[bytes]) -> None:
    """Bring a local file to the disk before the rename makes it visible."""
    sink.flush()
    with suppress(OSError, AttributeError):  # object stores have no descriptor to sync
        os.fsync(sink.fileno())


def _move(filesystem: Any, temporary: str, *, target: str, path: str) -> None:
    try:
        if isinstance(filesystem, LocalFileSystem):
            os.replace(temporary, target)
        else:
            filesystem.mv(temporary, target)
    except OSError as error:
        raise _cannot(path, error) from error


def _cannot(path: str, error: OSError) -> PipelineError:
    cause = error.strerror or error
    return PipelineError(f"cannot write {path}: {cause}; choose a writable place for the export")
