"""Stamps: place, size and time of a picture, or its bytes in a row; known without decoding."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import Any

from pipeline.config import ImageSettings
from pipeline.ingestion.images import decoding_rules

SECOND = 1_000_000_000  # nanoseconds
# A file written twice between two ticks of its file system's clock has one time for two contents.
TICK = SECOND // 20
COARSE_TICK = 2 * SECOND  # of file systems that keep whole seconds, or every other one
LOOKS = 16  # remote pictures looked at side by side
# Names of what changes with an object's content, the surest first.
VERSIONS = ("ETag", "etag", "md5Hash", "LastModified", "last_modified", "mtime", "updated")


@dataclass(frozen=True)
class FileStamp:
    """What one picture is known by.

    Attributes:
        key: 32 hex digits, also of the settings it is decoded with.
        firm: the same key on another night means the same picture.
        file: which object it is, whatever it is called: device and inode, or its address; None:
            its bytes are in the row, or it is not there.
    """

    key: str
    firm: bool
    file: str | None = None


class Stamper:
    """Looks at the pictures that rows name.

    Args:
        run: what cannot be told apart from one night to the next is told apart by it.
    """

    def __init__(self, settings: ImageSettings, *, run: str) -> None:
        self.rules, self.run = decoding_rules(settings), run
        self._fresh: set[int] = set()  # file systems whose listings are of this run

    def stamps(
        self,
        uris: Sequence[str | None],
        data: Sequence[bytes | None],
        *,
        storage_options: Mapping[str, Any] | None = None,
    ) -> list[FileStamp]:
        """Stamp n pictures, each by its bytes or else by its uri; none is read or decoded."""
        options = dict(storage_options or {})
        remote = {uri for uri, item in zip(uris, data, strict=True) if item is None and _far(uri)}
        versions = self._versions(sorted(uri for uri in remote if uri), options)
        return [
            self._of_bytes(item) if item is not None else self._of_place(uri or "", versions)
            for uri, item in zip(uris, data, strict=True)
        ]

    def _of_bytes(self, data: bytes) -> FileStamp:
        return self._stamp("bytes", blake2b(data, digest_size=16).hexdigest())

    def _of_place(self, uri: str, versions: Mapping[str, str | None]) -> FileStamp:
        if uri not in versions:
            return self._of_file(uri)
        version = versions[uri]
        if version is None:
            return replace(self._stamp(uri, self.run, firm=False), file=uri)
        return replace(self._stamp(uri, version), file=uri)

    def _of_file(self, uri: str) -> FileStamp:
        now = time.time_ns()
        try:
            found = os.stat(uri.removeprefix("file://"))
        except OSError as error:
            return self._stamp(uri, f"error {error.errno}", firm=False)
        tick = COARSE_TICK if found.st_mtime_ns % SECOND == 0 else TICK
        settled = found.st_mtime_ns < now - tick
        stamp = self._stamp(uri, f"{found.st_size} {found.st_mtime_ns}", firm=settled)
        return replace(stamp, file=f"{found.st_dev}:{found.st_ino}")

    def _stamp(self, *parts: str, firm: bool = True) -> FileStamp:
        said = "\0".join((self.rules, *parts)).encode("utf-8", "surrogatepass")
        return FileStamp(blake2b(said, digest_size=16).hexdigest(), firm)

    def _versions(self, uris: Sequence[str], options: Mapping[str, Any]) -> dict[str, str | None]:
        """Size and version of each remote picture; None where its storage tells none."""
        if not uris:
            return {}
        with ThreadPoolExecutor(LOOKS) as looks:
            return dict(
                zip(uris, looks.map(lambda uri: self._version(uri, options), uris), strict=True)
            )

    def _version(self, uri: str, options: Mapping[str, Any]) -> str | None:
        import fsspec

        if uri.startswith(("http://", "https://")):
            return None  # asking costs as much as reading, and many servers do not tell
        try:
            fs, path = fsspec.core.url_to_fs(uri, **options)
            if id(fs) not in self._fresh:
                self._fresh.add(id(fs))
                fs.invalidate_cache()  # a listing of last night may be kept in this process
            found = fs.info(path)
        except Exception:  # noqa: BLE001 - reading it will say what is wrong
            return None
        version = next((found[name] for name in VERSIONS if found.get(name)), None)
        return None if version is None else f"{found.get('size')} {version}"


def _far(uri: str | None) -> bool:
    return uri is not None and "://" in uri.removeprefix("file://")
