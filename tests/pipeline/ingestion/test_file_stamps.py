"""Stamps: equal for what is the same picture, different for what may be another."""

import os
import time
from pathlib import Path

import fsspec
import pytest

from pipeline.config.sources import ImageSettings
from pipeline.ingestion.file_stamps import FileStamp, Stamper

HERE = ImageSettings()


def stamp(uri: str | None = None, data: bytes | None = None, *, run: str = "r1") -> FileStamp:
    (found,) = Stamper(HERE, run=run).stamps([uri], [data])
    return found


def written(path: Path, data: bytes, at: int) -> str:
    path.write_bytes(data)
    os.utime(path, ns=(at, at))
    return str(path)


def test_a_file_is_told_by_size_and_time_to_the_nanosecond(tmp_path: Path) -> None:
    at = 1_700_000_000_123_456_789
    path = written(tmp_path / "a.png", b"one", at)
    first = stamp(path)
    assert first == stamp(path, run="r2") == stamp(path) != stamp(f"{path}/../a.png")
    assert first.firm
    assert stamp(written(tmp_path / "a.png", b"two!", at)).key != first.key
    assert stamp(written(tmp_path / "a.png", b"two", at + 1)).key != first.key
    (other,) = Stamper(ImageSettings(thumbnail=64), run="r1").stamps([path], [None])
    assert other.key != first.key


@pytest.mark.parametrize(("age", "nanoseconds", "firm"), [(60, 0, True), (1, 0, False),
                         (0, 1, False), (1, 1, True)])  # fmt: skip
def test_a_file_written_just_now_is_not_firm(
    tmp_path: Path, age: int, nanoseconds: int, firm: bool
) -> None:
    """On file systems that keep whole seconds, two contents may have one time for longer."""
    at = (time.time_ns() // 10**9 - age) * 10**9 + nanoseconds
    if (age, nanoseconds) == (0, 1):
        at = time.time_ns() + 1
    assert stamp(written(tmp_path / "a.png", b"one", at)).firm is firm


def test_what_is_not_there_is_asked_for_again(tmp_path: Path) -> None:
    absent = stamp(str(tmp_path / "a.png"))
    assert not absent.firm
    assert absent == stamp(str(tmp_path / "a.png"), run="r2")


def test_bytes_are_told_by_themselves() -> None:
    assert stamp(data=b"one") == stamp("ignored", b"one", run="r2")
    assert stamp(data=b"one") != stamp(data=b"two")
    assert stamp(data=b"one").firm


def test_objects_are_told_by_what_their_storage_says() -> None:
    fs = fsspec.filesystem("memory")
    fs.pipe("/stamps/a.png", b"one")
    told = stamp("memory://stamps/a.png")
    # The memory file system tells no version: only this run may take it for the same.
    assert not told.firm
    assert told == stamp("memory://stamps/a.png")
    assert told != stamp("memory://stamps/a.png", run="r2")
    assert stamp("https://localhost:1/a.png").firm is False


def test_an_object_with_a_tag_is_firm(monkeypatch: pytest.MonkeyPatch) -> None:
    tags = {"a": "1"}
    info = {"size": 3}
    system = type(fsspec.filesystem("memory"))
    monkeypatch.setattr(system, "info", lambda _fs, _path: {**info, "ETag": tags["a"]})
    first = stamp("memory://stamps/a.png")
    assert first.firm
    assert first == stamp("memory://stamps/a.png", run="r2")
    tags["a"] = "2"
    assert stamp("memory://stamps/a.png") != first
