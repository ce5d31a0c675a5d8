"""Files behind a path, glob, folder or fsspec URL: find them, open them, decompress them.

What is there and cannot be read is listed too, with its problem: nothing is left out silently.
"""

from __future__ import annotations

import bz2
import gzip
import io
import os
import posixpath
import stat
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import IO, Any
from urllib.parse import unquote

import fsspec
import pyarrow as pa

from pipeline.config import SourceBase
from pipeline.errors import PipelineError, SourceError
from pipeline.ingestion.sources.walking import READ_ALREADY, walk
from pipeline.storage import hint, is_missing_bucket

_CODECS = {".gz": "gzip", ".zst": "zstd", ".bz2": "bz2"}
_BUFFER = 1 << 16  # bytes read at a time
_PIECE = 1 << 13  # of zstd, whose reader loses what it unpacked in the read that fails
_MAGIC = "*?["
_NO_PARTITION = "__HIVE_DEFAULT_PARTITION__"  # how Hive and Spark write a null

# What opening or reading a damaged or forbidden file raises; ArrowException covers codecs, and a
# damaged name of a Parquet column is decoded on the way.
READ_ERRORS = (OSError, EOFError, pa.ArrowException, UnicodeDecodeError)


@dataclass(frozen=True)
class DataFile:
    """One file of a source."""

    path: str  # as its file system wants it
    name: str  # for locations: relative to the folder that all files of the source share
    fs: Any
    problem: str | None = None  # why it cannot be read, as far as its folder tells
    partitions: Mapping[str, str] = field(default_factory=dict)  # of its folders `name=value`

    @property
    def folder(self) -> str:
        """Absolute folder or URL that the file lies in; relative picture paths start here."""
        if is_local(self.fs):
            return posixpath.dirname(os.path.abspath(self.path))
        return posixpath.dirname(str(self.fs.unstrip_protocol(self.path)))

    @property
    def identity(self) -> str | None:
        """Which object it is, whatever it is called: device and inode, or its address."""
        if not is_local(self.fs):
            return str(self.fs.unstrip_protocol(self.path))
        try:
            found = os.stat(self.path)
        except OSError:
            return None
        return f"{found.st_dev}:{found.st_ino}"

    def refused(self, error: BaseException) -> str:
        """Say why the file is not read, for its row in the quarantine."""
        return self.problem or f"file cannot be read: {without_credentials(error)}"


def is_local(fs: Any) -> bool:
    """Say whether a file system is this machine's own."""
    return "file" in ((fs.protocol,) if isinstance(fs.protocol, str) else fs.protocol)


@contextmanager
def storage_errors(source: SourceBase) -> Iterator[None]:
    """Turn what a storage client raises into one line: what, where, what to do.

    Raises:
        SourceError: whatever the client raised; each has errors of its own.
    """
    try:
        yield
    except PipelineError:
        raise
    except Exception as error:
        raise SourceError(
            f"source {source.name}: cannot look at {source.path}: {without_credentials(error)}"
            f"{hint(error, path=source.path)}"
        ) from error


def file_system(source: SourceBase) -> tuple[Any, str]:
    """Return the fsspec file system of a source and its path there.

    Raises:
        SourceError: the protocol is unknown, its package absent, or its options do not fit.
    """
    with storage_errors(source):
        fs, path = fsspec.core.url_to_fs(source.path, **source.storage_options)
    return fs, path


def find_files(source: SourceBase, *, suffixes: Sequence[str]) -> list[DataFile]:
    """List the files of a source, sorted; a folder means its files with one of `suffixes`.

    Broken links, and folders that may not be opened, are listed with their problem.

    Raises:
        SourceError: there is nothing at the path, or it may not be looked at.
    """
    fs, path = file_system(source)
    wanted = tuple(s + c for s in suffixes for c in ("", *_CODECS))
    with storage_errors(source):
        # A pattern can lead through a closed folder in two ways.
        found = sorted(set(_expand(fs, path, wanted=wanted)), key=lambda item: item[0])
        if not found:
            raise_for_access(fs, path)
    if not found:
        raise SourceError(
            f"source {source.name}: path {source.path} has no file to read; "
            f"give an existing file, glob, or folder of {', '.join(suffixes)} files"
        )
    top = posixpath.commonpath([posixpath.dirname(item) for item, _ in found])
    start = _fixed(path)
    return [
        DataFile(
            item, posixpath.relpath(item, top or "."), fs, problem,
            partitions=_partitions(posixpath.relpath(posixpath.dirname(item), start)),
        )
        for item, problem in found
    ]  # fmt: skip


def left_out(source: SourceBase, *, suffixes: Sequence[str]) -> dict[str, int]:
    """Count the files of a source's folder that are not read, by ending: of another kind, or put
    aside (`_SUCCESS`, `.part`); empty where the path is a file or a pattern.
    """
    fs, path = file_system(source)
    wanted = tuple(s + c for s in suffixes for c in ("", *_CODECS))
    counts: Counter[str] = Counter()
    with storage_errors(source):
        if fs.isdir(path):
            files = (key for key, _ in walk(path)) if is_local(fs) else fs.find(path)
            for item in files:
                aside = _hidden(item if is_local(fs) else posixpath.relpath(item, path))
                if aside or not item.lower().endswith(wanted):
                    name = posixpath.basename(item)
                    counts[name if aside else ending(name)] += 1
    return dict(sorted(counts.items()))


def ending(path: str) -> str:
    """How a file's name ends, for counting files of a kind."""
    return posixpath.splitext(path)[1].lower() or "without an ending"


def _fixed(path: str) -> str:
    """The folder that a path names, or that a pattern begins with."""
    if not any(sign in path for sign in _MAGIC):
        return path
    parts = path.split("/")
    count = next(n for n, part in enumerate(parts) if any(sign in part for sign in _MAGIC))
    return "/".join(parts[:count]) or "."


def _partitions(folders: str) -> dict[str, str]:
    parts = [part.partition("=") for part in folders.split("/")]
    return {
        name: unquote(value)
        for name, sign, value in parts
        if name and sign and value != _NO_PARTITION
    }


def _expand(fs: Any, path: str, *, wanted: tuple[str, ...]) -> list[tuple[str, str | None]]:
    """Paths with their problems."""
    local = is_local(fs)
    if fs.isfile(path) or (local and os.path.islink(path) and not os.path.exists(path)):
        return [(path, None)]
    if fs.isdir(path):
        found = _below(path, wanted) if local else ((item, None) for item in fs.find(path))
        return [
            (item, problem)
            for item, problem in found
            if (problem or item.lower().endswith(wanted))
            and not _hidden(posixpath.relpath(item, path))
        ]
    if not any(sign in path for sign in _MAGIC):
        return []
    if local:
        files = [(item, None) for item in fs.glob(path) if not os.path.isdir(item)]
        return files + [(item, is_closed(item)) for item in _closed_folders(fs, path)]
    infos = fs.glob(path, detail=True)
    return [(item, None) for item, info in infos.items() if info["type"] != "directory"]


def _below(folder: str, wanted: tuple[str, ...]) -> Iterator[tuple[str, str | None]]:
    """Everything below a local folder; of the broken, what may be a file or folder of the kind."""
    for key, problem in walk(folder):
        kind = posixpath.splitext(key)[1]
        if problem is None or (
            problem != READ_ALREADY and (not kind or key.lower().endswith(wanted))
        ):
            yield posixpath.normpath(posixpath.join(folder, key)), problem


def _closed_folders(fs: Any, pattern: str) -> Iterator[str]:
    """Folders that a pattern leads through and that may not be opened: a glob skips them."""
    parts = pattern.split("/")
    for count in range(1, len(parts)):
        start = "/".join(parts[:count])
        folders = fs.glob(start) if any(sign in start for sign in _MAGIC) else [start]
        for folder in folders:
            if os.path.isdir(folder) and not os.access(folder, os.R_OK | os.X_OK):
                yield folder


def is_closed(folder: str) -> str:
    try:
        os.scandir(folder).close()
    except OSError as error:
        return f"folder cannot be read: {without_credentials(error)}"
    return "folder cannot be read: its files may not be opened"


def _hidden(path: str) -> bool:
    """Whether a file is put aside: `_SUCCESS`, `.part`; `_day=1` is a partition, and is not."""
    return any(
        (part.startswith(".") and part != ".") or (part.startswith("_") and "=" not in part)
        for part in path.split("/")
    )


def raise_for_access(fs: Any, path: str) -> None:
    """Raise what `isfile` and `glob` keep to themselves; that nothing is there is no error."""
    base = path
    while any(sign in base for sign in _MAGIC):
        base = posixpath.dirname(base)
    try:
        fs.info(base)
    except FileNotFoundError as error:
        if is_missing_bucket(error):
            raise


@contextmanager
def open_file(file: DataFile) -> Iterator[IO[bytes]]:
    """Open a file for reading as it is stored.

    Raises:
        OSError: it cannot be opened; reading raises nothing else either.
    """
    if file.problem:
        raise OSError(file.problem)
    if is_local(file.fs):
        if os.path.islink(file.path) and not os.path.exists(file.path):
            raise OSError("broken symbolic link")
        if not stat.S_ISREG(os.stat(file.path).st_mode):
            raise OSError("not a regular file")  # a pipe would block the reader
        with open(file.path, "rb") as stream:
            yield stream
        return
    with _as_os_errors():
        remote = file.fs.open(file.path, "rb")
    with remote:
        yield _Remote(remote)  # type: ignore[misc]


@contextmanager
def _as_os_errors() -> Iterator[None]:
    try:
        yield
    except READ_ERRORS:
        raise
    except Exception as error:
        raise OSError(without_credentials(error)) from error


class _Remote(io.RawIOBase):
    """A remote file whose client's own errors come as OSError."""

    def __init__(self, stream: Any) -> None:
        self.stream = stream

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return int(self.stream.seek(offset, whence))

    def tell(self) -> int:
        return int(self.stream.tell())

    def read(self, size: int | None = -1) -> bytes:
        with _as_os_errors():
            return bytes(self.stream.read(-1 if size is None else size))

    def readinto(self, buffer: Any) -> int:
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)


@contextmanager
def open_binary(file: DataFile) -> Iterator[IO[bytes]]:
    """Open a file for buffered reading, decompressed by its extension.

    Raises:
        READ_ERRORS: the file cannot be opened; reading may raise them too.
    """
    codec = _CODECS.get(posixpath.splitext(file.path)[1].lower())
    with open_file(file) as plain_file:
        if codec is None:
            yield io.BufferedReader(plain_file, _BUFFER)  # type: ignore[type-var]
            return
        if codec != "zstd":  # Python's read several members, and zeros behind them
            unpacked: gzip.GzipFile | bz2.BZ2File = (
                gzip.GzipFile(fileobj=plain_file) if codec == "gzip" else bz2.BZ2File(plain_file)
            )
            with unpacked, _zlib_errors():
                yield io.BufferedReader(_Unpacked(unpacked), _BUFFER)
            return
        with pa.CompressedInputStream(pa.PythonFile(plain_file, mode="r"), codec) as stream:
            yield io.BufferedReader(stream, _PIECE)


class _Unpacked(io.RawIOBase):
    """A packed file read piece by piece: what was unpacked before a fault is given first."""

    def __init__(self, stream: gzip.GzipFile | bz2.BZ2File) -> None:
        self.stream = stream

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self.stream.read1(len(buffer))
        buffer[: len(data)] = data
        return len(data)


@contextmanager
def _zlib_errors() -> Iterator[None]:
    try:
        yield
    except zlib.error as error:
        raise OSError(f"damaged gzip data: {error}") from error


def without_credentials(error: BaseException) -> str:
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
            problem = without_credentials(error)
        if problem:
            problems.append(f"{file.path}: {problem}")
    if len(problems) == len(files):
        raise SourceError(f"source {name}: no file can be read; {problems[0]}")
