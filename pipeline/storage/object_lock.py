"""A lock on object storage, by conditional writes alone: no lock table, no clock of ours.

The lock is one object. It is made with If-None-Match and changed with If-Match, so that of two who
want it the store lets one win. Its holder writes it again every BEAT_SECONDS; one that was not
written for STALE_SECONDS, by the store's own clock, belongs to a dead process and may be taken
over. A holder that cannot write it in time gives up before others may take it.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from email.utils import parsedate_to_datetime
from typing import Any
from uuid import uuid4

from pipeline.errors import CatalogError, HeldLockError, LostLockError
from pipeline.storage.lock_owner import Note, owner_words
from pipeline.storage.place import Place

BEAT_SECONDS = 20.0
STALE_SECONDS = 180.0
_SURE = 0.6  # of STALE_SECONDS: a holder not heard of for so long no longer trusts its lock
_REFUSED = ("PreconditionFailed", "ConditionalRequestConflict", "412", "409")


class ObjectLock:
    """The lock, held from the constructor to `release`."""

    def __init__(self, place: Place, note: Note, taken: str) -> None:
        self.place, self.note = place, {**note, "owner": uuid4().hex, "released": False}
        self._guard, self._ended, self._lost = threading.Lock(), threading.Event(), False
        self._etag = self._take(taken)
        self._heard = time.monotonic()
        self._thread = threading.Thread(target=self._beat, name="catalog lock", daemon=True)
        self._thread.start()

    def name(self, run: str) -> None:
        """See `Lock.name`."""
        self.note["run"] = run
        self._renew()

    def check(self) -> None:
        """See `Lock.check`: the store is asked, not only the last answer trusted."""
        self._renew()
        if self._lost or time.monotonic() - self._heard > STALE_SECONDS * _SURE:
            raise LostLockError(
                f"this run was not heard of for too long, and its lock {self.place} may be another "
                "run's: nothing is published; what was published before still is. Start it again"
            )

    def release(self) -> None:
        """See `Lock.release`; a lock that was lost is left alone."""
        self._ended.set()
        self._thread.join(timeout=BEAT_SECONDS)
        with self._guard:
            if not self._lost:
                self._put({**self.note, "released": True}, IfMatch=self._etag)

    def _beat(self) -> None:
        while not self._ended.wait(BEAT_SECONDS) and not self._lost:
            self._renew()

    def _renew(self) -> None:
        """Write the lock again; a store that does not answer is asked again at the next beat."""
        with self._guard:
            if self._lost:
                return
            began = time.monotonic()
            try:
                etag = self._put(self.note, IfMatch=self._etag)
                if etag is None:
                    # An answer of the store may have been lost: then the object is still ours.
                    note, found, _ = self._get()
                    etag = found if note.get("owner") == self.note["owner"] else None
            except CatalogError:
                return
            if etag is None:
                self._lost = True
            else:
                self._etag, self._heard = etag, began

    def _take(self, taken: str) -> str:
        etag = self._put(self.note, IfNoneMatch="*")
        if etag is not None:
            return etag
        note, found, age = self._get()
        if note.get("released") or age > STALE_SECONDS or not note:
            etag = self._put(self.note, IfMatch=found) if found else None
            if etag is not None:
                return etag
            note, _, age = self._get()
        raise HeldLockError(
            f"{taken.format(owner=owner_words(note))}; it was last heard of {age:.0f} s ago, and "
            f"one that died is taken over after {STALE_SECONDS:.0f} s"
        )

    def _put(self, note: Note, **condition: str) -> str | None:
        """Write the object under a condition; return its etag, or None when it did not hold."""
        # A text that never comes twice: an etag is a hash of the content.
        body = json.dumps({**note, "beat": uuid4().hex}).encode()
        answer = self._call("put_object", lambda found: found["ETag"], Body=body, **condition)
        return None if answer is None else str(answer)

    def _get(self) -> tuple[Note, str, float]:
        """What the object says, its etag, and its age in seconds by the store's clock."""

        def read(answer: Any) -> tuple[Note, str, float]:
            import fsspec.asyn

            stream = answer["Body"]
            content = fsspec.asyn.sync(self.place.fs.loop, stream.read)
            headers = answer["ResponseMetadata"]["HTTPHeaders"]
            now = parsedate_to_datetime(headers["date"])
            try:
                note = dict(json.loads(content))
            except (ValueError, TypeError):
                note = {}
            return note, str(answer["ETag"]), (now - answer["LastModified"]).total_seconds()

        return self._call("get_object", read) or ({}, "", 0.0)

    def _call(self, method: str, read: Callable[[Any], Any], **arguments: Any) -> Any:
        bucket, _, key = self.place.key.partition("/")
        with self.place.errors():
            try:
                return read(self.place.fs.call_s3(method, Bucket=bucket, Key=key, **arguments))
            except FileNotFoundError:
                if method == "get_object":
                    return None  # released between two questions
                raise
            except OSError as error:
                answer = getattr(error.__cause__, "response", None) or {}
                if str(answer.get("Error", {}).get("Code")) in _REFUSED:
                    return None
                raise
