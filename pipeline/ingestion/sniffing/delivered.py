"""Delivered files of sources with sizes and times, by which it is told whether any changed."""

from __future__ import annotations

import os
from collections.abc import Sequence

from pipeline.config import ImageFolderSource, SourceConfig
from pipeline.ingestion.sources.files import file_system, find_files, is_local
from pipeline.ingestion.sources.walking import walk


def delivered_files(sources: Sequence[SourceConfig]) -> list[tuple[str, int, int]] | None:
    """Path, size and time in nanoseconds of every file; None: one is not on this machine."""
    found: list[tuple[str, int, int]] = []
    for source in sources:
        fs, path = file_system(source)
        if not is_local(fs):
            return None
        if isinstance(source, ImageFolderSource):
            paths = [os.path.join(path, key) for key, _ in walk(path, recursive=source.recursive)]
        else:
            paths = [file.path for file in find_files(source, suffixes=("",))]
        for place in paths:
            try:
                stat = os.stat(place)
            except OSError:
                return None
            found.append((os.path.abspath(place), stat.st_size, stat.st_mtime_ns))
    return found
