"""Scratch of one run: shards of the stages under way, addressed by name."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.errors import CatalogError


class Work:
    """A folder of named shards, arrays and facts; every write is atomic."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def write_shard(self, name: str, number: int, table: pa.Table) -> int:
        """Write shard `number` of `name`; return its size in bytes."""
        path = self.folder / name / f"{number:06d}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".partial")
        pq.write_table(table, partial, compression="zstd", compression_level=1)
        os.replace(partial, path)
        return path.stat().st_size

    def clear(self, *names: str) -> None:
        """Drop the shards of each name."""
        for name in names:
            shutil.rmtree(self.folder / name, ignore_errors=True)

    def shards(self, name: str) -> list[Path]:
        """The shards of `name` in order."""
        return sorted((self.folder / name).glob("*.parquet"))

    def read_shards(self, name: str, schema: pa.Schema) -> pa.Table:
        """All shards of `name` as one table; empty when there are none."""
        tables = [pq.read_table(path) for path in self.shards(name)]
        return pa.concat_tables(tables) if tables else schema.empty_table()

    def iter_shards(self, name: str) -> Iterator[pa.RecordBatch]:
        """The rows of every shard of `name`, streamed."""
        for path in self.shards(name):
            yield from pq.ParquetFile(path).iter_batches()

    def matrix(self, name: str, shape: tuple[int, int] | None = None) -> npt.NDArray[np.float32]:
        """A float32 matrix on disk: created with `shape`, or opened read-only without."""
        path = self.folder / f"{name}.npy"
        if shape is not None and 0 in shape:
            # An empty file cannot be mapped.
            np.save(path, np.zeros(shape, np.float32))
            return np.zeros(shape, np.float32)
        if shape is not None:
            made = np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=shape)
            if hasattr(os, "posix_fallocate"):
                # A full disk is an error here; under a map it would kill the process later.
                with path.open("r+b") as stream:
                    os.posix_fallocate(stream.fileno(), 0, path.stat().st_size)
            return made
        stored = np.load(path, mmap_mode="r" if path.stat().st_size > 256 else None)
        return np.asarray(stored)

    def save(self, name: str, **arrays: npt.NDArray[Any]) -> None:
        """Keep numpy arrays under `name`."""
        partial = self.folder / f"{name}.partial.npz"
        np.savez(partial, allow_pickle=False, **arrays)
        os.replace(partial, self.folder / f"{name}.npz")

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

    def note(self, stage: str, facts: dict[str, Any]) -> None:
        """Keep the facts of a finished stage."""
        path = self.folder / f"{stage}.facts.json"
        partial = path.with_suffix(".partial")
        partial.write_text(json.dumps(facts))
        os.replace(partial, path)

    def facts(self, stage: str) -> dict[str, Any]:
        """The facts of a finished stage; empty when it has not run."""
        path = self.folder / f"{stage}.facts.json"
        return dict(json.loads(path.read_text())) if path.exists() else {}

    def remove(self) -> None:
        """Delete the scratch folder."""
        shutil.rmtree(self.folder, ignore_errors=True)
