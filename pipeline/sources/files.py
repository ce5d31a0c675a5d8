"""Files behind a path, glob, folder or fsspec URL: find them, open them, decompress them."""

from __future__ import annotations

import io
import os
import posixpath
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Any

import fsspec
import pyarrow as pa

from pipeline.config import SourceBase
from pipeline.errors import SourceError

_CODECS = {".gz": "gzip", ".zst": "zstd", ".bz2": "bz2"}
_BUFFER = 1 << 16  # bytes read at a time; as much before the break of a cut file is lost

# What opening or reading a damaged or forbidden file raises; ArrowException covers codecs.
READ_ERRORS = (OSError, EOFError, pa.ArrowException)


@dataclass(frozen=True)
class DataFile:
    """One file of a source."""

    path: str  # as its file system wants it
    name: str  # for locations: relative to the folder that all files of the source share
    fs: Any

    @property
    def folder(self) -> str:
        """Absolute folder or URL that the file lies in; relative picture paths start here."""
        if is_local(self.fs):
            return posixpath.dirname(os.path.abspath(self.path))
        return posixpath.dirname(str(self.fs.unstrip_protocol(self.path)))

    @property
    def size(self) -> int:
        """Bytes as stored."""
        return int(self.fs.size(self.path) or 0)


def is_local(fs: Any) -> bool:
    """Say whether a file system is this machine's own."""
    return "file" in ((fs.protocol,) if isinstance(fs.protocol, str) else fs.protocol)


def file_system(source: SourceBase) -> tuple[Any, str]:
    """Return the fsspec file system of a source and its path there.

    Raises:
        SourceError: the protocol is unknown, its package absent, or its options do not fit.
    """
    try:
        fs, path = fsspec.core.url_to_fs(source.path, **source.storage_options)
    except (ValueError, ImportError, TypeError, OSError) as error:
        raise SourceError(f"source {source.name}: cannot open {source.path}: {error}") from error
    return fs, path


def find_files(source: SourceBase, *, suffixes: Sequence[str]) -> list[DataFile]:
    """List the files of a source, sorted; a folder means its files with one of `suffixes`.

    Raises:
        SourceError: there is nothing at the path, or it may not be looked at.
    """
    fs, path = file_system(source)
    try:
        found = _expand(fs, path, suffixes=suffixes)
    except OSError as error:
        raise SourceError(
            f"source {source.name}: cannot look at {source.path}: {plain(error)}"
        ) from error
    if not found:
        raise SourceError(
            f"source {source.name}: path {source.path} has no file to read; "
            f"give an existing file, glob, or folder of {', '.join(suffixes)} files"
        )
    top = posixpath.commonpath([posixpath.dirname(item) for item in found])
    return [DataFile(item, posixpath.relpath(item, top or "."), fs) for item in found]


def _expand(fs: Any, path: str, *, suffixes: Sequence[str]) -> list[str]:
    if fs.isfile(path):
        return [path]
    if fs.isdir(path):
        wanted = tuple(s + c for s in suffixes for c in ("", *_CODECS))
        files = [item for item in fs.find(path) if item.lower().endswith(wanted)]
        return sorted(item for item in files if not _hidden(posixpath.relpath(item, path)))
    if any(sign in path for sign in "*?["):
        return sorted(item for item in fs.glob(path) if fs.isfile(item))
    return []


def _hidden(path: str) -> bool:
    return any(part.startswith((".", "_")) for part in path.split("/"))


@contextmanager
def open_binary(file: DataFile) -> Iterator[IO[bytes]]:
    """Open a file for buffered reading, decompressed by its extension.

    Raises:
        READ_ERRORS: the file cannot be opened; reading may raise them too.
    """
    codec = _CODECS.get(posixpath.splitext(file.path)[1].lower())
    with file.fs.open(file.path, "rb") as plain_file:
        if codec is None:
            yield io.BufferedReader(plain_file, _BUFFER)
            return
        with pa.CompressedInputStream(pa.PythonFile(plain_file, mode="r"), codec) as stream:
            yield io.BufferedReader(stream, _BUFFER)


def plain(error: BaseException) -> str:
    """Say an error in a few plain words, without its traceback or error number."""
    words = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return " ".join(words.split())[:300] or type(error).__name__


def check_files(
    name: str, files: Sequence[DataFile], look: Callable[[DataFile], str | None]
) -> None:
    """Look at every file of a source; one that can be read is enough.

    Args:
        look: says what is wrong with a file, or raises one of READ_ERRORS.

    Raises:
        SourceError: no file can be read.
    """
    problems: list[str] = []
    for file in files:
        try:
            problem = look(file)
        except READ_ERRORS as error:
            problem = plain(error)
        if problem:
            problems.append(f"{file.path}: {problem}")
    if len(problems) == len(files):
        raise SourceError(f"source {name}: no file can be read; {problems[0]}")
