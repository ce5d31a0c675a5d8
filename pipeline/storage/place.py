"""A place in storage: a local folder, or a prefix of an object store, behind the same few words.

fsspec moves the bytes and Delta Lake has a client of its own; both are given the same credentials.
What must be on a local disk (scratch, indexes, a lock's note) lies in the place itself when it is
local, else in a cache folder of its own below $GEMEL_HOME or the user's cache directory.
"""

from __future__ import annotations

import hashlib
import os
import posixpath
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pipeline.config import user_cache
from pipeline.errors import CatalogError, PipelineError
from pipeline.storage.atomic import beside, move_into_place, writing

# What s3fs calls them → what Delta Lake's object store calls them.
_DELTA = {
    "key": "AWS_ACCESS_KEY_ID",
    "secret": "AWS_SECRET_ACCESS_KEY",
    "token": "AWS_SESSION_TOKEN",
    "profile": "AWS_PROFILE",
    "endpoint_url": "AWS_ENDPOINT_URL",
    "region_name": "AWS_REGION",
}
_ALIASES = {"client_kwargs"}


@dataclass(frozen=True)
class Place:
    """A folder or prefix.

    Attributes:
        path: a local path, or s3://bucket/prefix without a slash at its end.
        options: of an object store: key, secret, token, profile, and endpoint_url and region_name
            under client_kwargs, as s3fs has them; what is absent comes from the environment.
    """

    path: str
    options: Mapping[str, Any] = field(default_factory=dict, compare=False, repr=False)

    @classmethod
    def of(cls, path: str | Path, options: Mapping[str, Any] | None = None) -> Place:
        """Tell a local path from a URL.

        Raises:
            CatalogError: a store that cannot hold a catalog, or an option that means nothing.
        """
        text = str(path)
        if "://" not in text:
            return cls(text)
        if not text.startswith("s3://") or not text.removeprefix("s3://").strip("/"):
            raise CatalogError(
                f"catalog: {text}: a catalog lies in a local folder or below s3://bucket/prefix; "
                "name one of these"
            )
        flat = {**(options or {}), **dict((options or {}).get("client_kwargs") or {})}
        if unknown := sorted(set(flat) - set(_DELTA) - _ALIASES):
            raise CatalogError(
                f"catalog_options has no key {', '.join(unknown)}: key, secret, token and profile "
                "stand on their own, endpoint_url and region_name under client_kwargs"
            )
        return cls(text.rstrip("/"), dict(options or {}))

    def __str__(self) -> str:
        return self.path

    def __truediv__(self, name: str) -> Place:
        return replace(self, path=posixpath.join(self.path, name))

    @property
    def is_local(self) -> bool:
        """Whether it is a folder of this machine."""
        return "://" not in self.path

    @property
    def name(self) -> str:
        """The last part of the path."""
        return posixpath.basename(self.path)

    @property
    def key(self) -> str:
        """The path as its file system wants it."""
        return self.path.removeprefix("s3://")

    @property
    def fs(self) -> Any:
        """The fsspec file system."""
        import fsspec

        if self.is_local:
            return fsspec.filesystem("file", auto_mkdir=True)
        with self.errors():
            # Another process writes here too: what was listed once may no longer be so.
            return fsspec.filesystem("s3", use_listings_cache=False, **self.options)

    @property
    def arrow(self) -> Any:
        """The file system as Arrow's readers want it; None: their own local one."""
        import pyarrow.fs as pafs

        return None if self.is_local else pafs.PyFileSystem(pafs.FSSpecHandler(self.fs))

    @property
    def delta_options(self) -> dict[str, str] | None:
        """The storage options of Delta Lake's own client."""
        if self.is_local:
            return None
        flat = {**self.options, **dict(self.options.get("client_kwargs") or {})}
        found = {_DELTA[name]: str(flat[name]) for name in _DELTA if flat.get(name)}
        endpoint = found.get("AWS_ENDPOINT_URL", os.environ.get("AWS_ENDPOINT_URL", ""))
        if endpoint.startswith("http://"):
            found["AWS_ALLOW_HTTP"] = "true"
        # Two writers of one table are told apart by the store itself: no lock table is needed.
        return {**found, "AWS_CONDITIONAL_PUT": "etag"}

    @contextmanager
    def errors(self) -> Iterator[None]:
        """Turn what a storage client raises into one line: what, where, what to do.

        Raises:
            CatalogError: whatever it raised; a file that is not there stays a FileNotFoundError.
        """
        try:
            yield
        except PipelineError:
            raise
        except Exception as error:
            from pipeline.storage.hints import hint, is_missing_bucket

            absent = isinstance(error, FileNotFoundError) and not is_missing_bucket(error)
            if absent or (self.is_local and not isinstance(error, OSError)):
                raise
            words = getattr(error, "strerror", None) or str(error) or type(error).__name__
            what = "write or read" if self.is_local else "reach"
            raise CatalogError(
                f"cannot {what} the catalog at {self.path}: {' '.join(words.split())[:300]}"
                f"{hint(error, path=self.path, option='catalog_options')}"
            ) from error

    def local(self) -> Path:
        """A folder of this machine for what must be on its disk."""
        if self.is_local:
            return Path(self.path)
        where = f"{self.path} {dict(self.options.get('client_kwargs') or {}).get('endpoint_url')}"
        slug = re.sub(r"[^A-Za-z0-9_.-]+", "-", self.key)[:80]
        mark = hashlib.sha256(where.encode()).hexdigest()[:10]
        return user_cache() / "catalogs" / f"{slug}-{mark}"

    def exists(self) -> bool:
        """Whether there is a file, or anything below."""
        if self.is_local:
            return os.path.exists(self.path)
        with self.errors():
            return bool(self.fs.exists(self.key))

    def names(self) -> list[str]:
        """Names of what lies directly inside, sorted; empty when there is nothing."""
        try:
            with self.errors():
                found = self.fs.ls(self.key, detail=False)
        except FileNotFoundError:
            return []
        return sorted({posixpath.basename(item.rstrip("/")) for item in found} - {""})

    def size(self) -> int:
        """Bytes of a file."""
        with self.errors():
            return int(self.fs.size(self.key))

    def read(self) -> bytes:
        """The content of a file."""
        with self.errors():
            return bytes(self.fs.cat_file(self.key))

    def write(self, content: bytes) -> None:
        """Make `content` the file in one step; a crash leaves the old content or the new."""
        if not self.is_local:
            with self.errors():
                self.fs.pipe_file(self.key, content)
            return
        path = Path(self.path)
        path.parent.mkdir(parents=True, exist_ok=True)
        with writing(path) as partial:
            partial.write_bytes(content)

    def take(self, file: Path) -> int:
        """Move a finished local file here, whole or not at all; return its size in bytes."""
        size = file.stat().st_size
        if self.is_local:
            Path(self.path).parent.mkdir(parents=True, exist_ok=True)
            move_into_place(file, Path(self.path))
            return size
        with self.errors():
            self.fs.put_file(str(file), self.key)
        file.unlink()
        return size

    def remove(self) -> None:
        """Delete a file, or a folder with all that is below; nothing when it is not there."""
        try:
            with self.errors():
                self.fs.rm(self.key, recursive=True)
        except FileNotFoundError:
            return

    def move(self, target: Place) -> None:
        """Give a file or folder another name in the same store."""
        if self.is_local:
            Path(target.path).parent.mkdir(parents=True, exist_ok=True)
            os.replace(self.path, target.path)
            return
        with self.errors():
            self.fs.mv(self.key, target.key, recursive=self.fs.isdir(self.key))

    @contextmanager
    def scratch(self, name: str) -> Iterator[Path]:
        """A local path to write a file to before it is taken; gone afterwards."""
        folder = Path(self.path) if self.is_local else self.local() / "uploads"
        folder.mkdir(parents=True, exist_ok=True)
        with beside(folder / name) as path:
            yield path
