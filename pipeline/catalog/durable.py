"""Writes that survive a crash: on the disk before they are visible, visible in one step."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any


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
    sync(path.parent)


def sync(path: Path) -> None:
    """Bring a file, or the names in a folder, to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_tree(folder: Path) -> None:
    """Bring a folder and all below it to the disk."""
    for path in sorted(folder.rglob("*")):
        sync(path)
    sync(folder)
