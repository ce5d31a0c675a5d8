"""Walk a local folder: every file that is not hidden, and everything that cannot be read."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator

FoundPath = tuple[str, str | None]  # path below the folder, why it cannot be read (None: it can)

READ_ALREADY = "symbolic link to a folder that is read already, or around it"
NOT_REGULAR = "not a regular file"


def walk(root: str, *, recursive: bool = True) -> Iterator[FoundPath]:
    """Walk real folders first, then linked ones; no folder is read twice.

    Links to folders wait in order, so that a file's path never depends on whether a link to its
    folder sorts before the folder itself.
    """
    seen: set[tuple[int, int]] = set()
    links: list[str] = []
    yield from _folder(root, below="", recursive=recursive, seen=seen, links=links)
    while links:
        link = links.pop(0)
        target = os.path.realpath(os.path.join(root, link))
        if _inode(target) in seen or (os.path.realpath(root) + os.sep).startswith(
            target.rstrip(os.sep) + os.sep
        ):
            yield _check(link, READ_ALREADY)
            continue
        yield from _folder(root, below=link, recursive=True, seen=seen, links=links)


def _folder(
    root: str, *, below: str, recursive: bool, seen: set[tuple[int, int]], links: list[str]
) -> Iterator[FoundPath]:
    waiting = [below]
    while waiting:
        here = waiting.pop()
        try:
            seen.add(_inode(os.path.join(root, here)))
            entries = sorted(os.scandir(os.path.join(root, here)), key=lambda entry: entry.name)
        except OSError as error:
            yield _check(here or ".", f"folder cannot be read: {error.strerror}")
            continue
        folders = []
        for entry in entries:
            key = os.path.join(here, entry.name)
            if entry.name.startswith("."):
                continue
            if entry.is_dir(follow_symlinks=False):
                folders.append(key)
            elif os.path.isdir(entry.path):  # a link; false for one that leads nowhere
                links.extend([key] if recursive else [])
            else:
                yield _check(key, _problem(entry.path))
        waiting.extend(reversed(folders if recursive else []))


def _problem(path: str) -> str | None:
    try:
        return None if stat.S_ISREG(os.stat(path).st_mode) else NOT_REGULAR
    except OSError as error:
        if os.path.islink(path):
            return "broken symbolic link"
        return f"cannot be read: {error.strerror}"


def _check(key: str, reason: str | None) -> FoundPath:
    try:
        key.encode()
    except UnicodeEncodeError:
        return key, reason or "file name is not valid UTF-8"
    return key, reason


def _inode(path: str) -> tuple[int, int]:
    found = os.stat(path)
    return found.st_dev, found.st_ino
