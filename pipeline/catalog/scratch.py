"""Scratch of one run: shards of the stages under way, addressed by name."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.errors import CatalogError
from pipeline.storage import from_plain, sync_folder, to_plain, writing

R = TypeVar("R")


class Scratch:
    """A folder of named shards, arrays and typed records; every write is atomic.

    Shards are kept under a key that names what they were made from: a run that was
    killed and goes on finds those it made and makes the others.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def keep_shard(self, name: str, key: str, table: pa.Table) -> int:
        """Write the shard of `name` that was made from `key`, to the disk; return its bytes.

        Args:
            key: a digest of all that the shard depends on; letters and digits.
        """
        path = self._shard(name, key)
        path.parent.mkdir(parents=True, exist_ok=True)
        with writing(path) as partial:
            pq.write_table(table, partial, compression="zstd", compression_level=1)
        return path.stat().st_size

    def shard_done(self, name: str, key: str) -> bool:
        """Whether the shard of `name` made from `key` is there, whole."""
        path = self._shard(name, key)
        try:
            pq.read_metadata(path)
        except (OSError, pa.ArrowException):
            return False
        return True

    def read_shard(self, name: str, key: str) -> pa.Table:
        """The shard of `name` made from `key`."""
        return pq.read_table(self._shard(name, key))

    def keys(self, name: str) -> list[str]:
        """The keys of the shards of `name`, in their order once they have one."""
        return [path.stem for path in self.shards(name)]

    def arrange(self, name: str, keys: Sequence[str]) -> None:
        """Give the shards of `name` their order, and drop those that are not among `keys`.

        A key may come twice: its shard is then read twice.
        """
        _write(self._order(name), list(keys))
        wanted = set(keys)
        for path in (self.folder / name).glob("*"):
            if path.suffix != ".parquet" or path.stem not in wanted:
                path.unlink()

    def clear(self, *names: str) -> None:
        """Drop the shards of each name."""
        for name in names:
            self._order(name).unlink(missing_ok=True)
            shutil.rmtree(self.folder / name, ignore_errors=True)

    def shards(self, name: str) -> list[Path]:
        """The shards of `name` in the order given to them, or else by key."""
        keys = _read(self._order(name))
        if keys is not None:
            return [self._shard(name, key) for key in keys]
        return sorted((self.folder / name).glob("*.parquet"))

    def read_shards(self, name: str, schema: pa.Schema) -> pa.Table:
        """All shards of `name` as one table; empty when there are none."""
        tables = [pq.read_table(path) for path in self.shards(name)]
        return pa.concat_tables(tables) if tables else schema.empty_table()

    def iter_shards(self, name: str) -> Iterator[pa.RecordBatch]:
        """The rows of every shard of `name`, streamed."""
        for path in self.shards(name):
            yield from pq.ParquetFile(path).iter_batches()

    def _shard(self, name: str, key: str) -> Path:
        return self.folder / name / f"{key}.parquet"

    def _order(self, name: str) -> Path:
        return self.folder / f"{name}.order.json"

    def matrix(self, name: str, shape: tuple[int, int] | None = None) -> npt.NDArray[np.float32]:
        """A float32 matrix on disk: created with `shape`, or opened read-only without."""
        path = self.folder / f"{name}.npy"
        if shape is not None and 0 in shape:
            # An empty file cannot be mapped.
            np.save(path, np.zeros(shape, np.float32))
            return np.zeros(shape, np.float32)
        if shape is not None:
            made = np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=shape)
            _reserve(path)
            return made
        stored = np.load(path, mmap_mode="r" if path.stat().st_size > 256 else None)
        return np.asarray(stored)

    def settle(self, name: str) -> None:
        """Bring a matrix to the disk: records that say it is finished may outlive the machine."""
        sync_folder(self.folder / f"{name}.npy")

    def save(self, name: str, **arrays: npt.NDArray[Any]) -> None:
        """Keep numpy arrays under `name`."""
        with writing(self.folder / f"{name}.npz") as partial, partial.open("wb") as file:
            np.savez(file, allow_pickle=False, **arrays)

    def has(self, name: str) -> bool:
        """Whether arrays are kept under `name`."""
        return (self.folder / f"{name}.npz").exists()

    def load(self, name: str) -> dict[str, npt.NDArray[Any]]:
        """The arrays kept under `name`.

        Raises:
            CatalogError: an earlier stage has not run.
        """
        path = self.folder / f"{name}.npz"
        if not path.exists():
            raise CatalogError(f"{path} is missing: the stage that makes it has not run")
        with np.load(path) as stored:
            return dict(stored)

    def drop(self, prefix: str) -> None:
        """Forget the arrays whose name begins with `prefix`."""
        for path in self.folder.glob(f"{prefix}*.npz"):
            path.unlink()

    def keep(self, record: object, key: str = "") -> None:
        """Keep a small frozen dataclass, on the disk: one of its type, or one of each key."""
        _write(self._record(type(record), key), to_plain(record))

    def kept(self, kind: type[R], key: str = "") -> R | None:
        """The record of a type; None where there is none, or none that this Gemel understands."""
        try:
            stored = _read(self._record(kind, key))
            return None if stored is None else from_plain(kind, stored)
        except ValueError:
            return None

    def require(self, kind: type[R], key: str = "") -> R:
        """The record of a type.

        Raises:
            CatalogError: an earlier stage has not run.
        """
        found = self.kept(kind, key)
        if found is None:
            path = self._record(kind, key)
            raise CatalogError(f"{path} is missing: the stage that makes it has not run")
        return found

    def _record(self, kind: type, key: str) -> Path:
        return self.folder / f"{kind.__name__}{key and '-'}{key}.json"

    def map_table(
        self, name: str, batches: Iterable[pa.RecordBatch], schema: pa.Schema
    ) -> list[pa.RecordBatch]:
        """Write rows to a file and map it into memory, where only what is used takes room."""
        path = self.folder / f"{name}.arrow"
        with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, schema) as writer:
            for batch in batches:
                writer.write_batch(batch)
        mapped = pa.ipc.open_file(pa.memory_map(str(path)))
        return [mapped.get_batch(number) for number in range(mapped.num_record_batches)]

    def move(self, folder: Path, *, keep: Sequence[str]) -> None:
        """Make this scratch that of another run; of all it holds only the shards in `keep` stay."""
        for path in self.folder.iterdir():
            if path.is_file():
                path.unlink()
            elif path.name not in keep:
                shutil.rmtree(path)
        os.replace(self.folder, folder)

    def remove(self) -> None:
        """Delete the scratch folder."""
        shutil.rmtree(self.folder, ignore_errors=True)


def _reserve(path: Path) -> None:
    """Take the room of a file now: a full disk is an error here, and a crash once it is mapped."""
    if hasattr(os, "posix_fallocate"):
        with path.open("r+b") as file:
            os.posix_fallocate(file.fileno(), 0, path.stat().st_size)


def _write(path: Path, value: Any) -> None:
    """Make JSON, its keys as they come, the content of a file in one step, on the disk."""
    with writing(path) as partial:
        partial.write_text(json.dumps(value), encoding="utf-8")


def _read(path: Path) -> Any:
    """The JSON in a file; None where there is none, or none that a crash left whole."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None
