"""Writes that survive a crash: on the disk before they are visible, visible in one step."""

from __future__ import annotations

import json
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

import fsspec
from fsspec.implementations.local import LocalFileSystem

from pipeline.errors import PipelineError


@contextmanager
def writing(path: Path) -> Iterator[Path]:
    """Yield a name to write a file under, which becomes `path` when the block ends without error.

    A crash leaves the old file or the new one.
    """
    with beside(path) as partial:
        yield partial
        move_into_place(partial, path)


@contextmanager
def writing_folder(path: Path) -> Iterator[Path]:
    """Yield an empty folder that becomes `path` when the block ends without error.

    A folder that is there by then stays: another process was quicker.
    """
    with beside(path) as partial:
        partial.mkdir(parents=True)
        yield partial
        sync_tree(partial)
        try:
            os.rename(partial, path)
        except OSError:
            if not path.is_dir():
                raise
        sync_folder(path.parent)


@contextmanager
def beside(path: Path) -> Iterator[Path]:
    """Yield an unused name in the folder of `path`; what has it when the block ends is removed."""
    partial = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.partial")
    try:
        yield partial
    finally:
        if partial.is_dir():
            shutil.rmtree(partial, ignore_errors=True)
        else:
            partial.unlink(missing_ok=True)


def move_into_place(file: Path, path: Path) -> None:
    """Bring a written file to the disk and make it `path` in one step."""
    sync_folder(file)
    os.replace(file, path)
    sync_folder(path.parent)


def write_json(path: Path, value: Any) -> None:
    """Write JSON to a new file and bring it to the disk."""
    with path.open("w", encoding="utf-8") as stream:
        json.dump(value, stream, indent=1, sort_keys=True, allow_nan=False)
        stream.write("\n")
        stream.flush()
        os.fsync(stream.fileno())


def replace_file(path: Path, value: Any) -> None:
    """Make JSON the content of `path` in one step; a crash leaves the old content or the new."""
    with writing(path) as partial:
        write_json(partial, value)


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
def writing_stream(path: str) -> Iterator[IO[bytes]]:
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


def _move(filesystem: Any, temporary: str, *, target: str, path: str) -> None:
    try:
        if isinstance(filesystem, LocalFileSystem):
            move_into_place(Path(temporary), Path(target))
        else:
            filesystem.mv(temporary, target)
    except OSError as error:
        raise _cannot(path, error) from error


def _cannot(path: str, error: OSError) -> PipelineError:
    cause = error.strerror or error
    return PipelineError(f"cannot write {path}: {cause}; choose a writable place for the export")
