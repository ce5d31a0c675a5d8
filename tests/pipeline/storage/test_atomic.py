"""Files and folders that are there whole or not at all."""

import os
from pathlib import Path
from typing import Any

import pytest

from pipeline.storage.atomic import writing, writing_folder, writing_stream


def test_an_error_leaves_the_old_file_and_nothing_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    for name, text in (("path", "old"), ("stream", "older")):
        path.write_text(text)
        with pytest.raises(RuntimeError):  # noqa: PT012
            if name == "path":
                with writing(path) as partial:
                    partial.write_text("half")
                    raise RuntimeError
            with writing_stream(str(path)) as sink:
                sink.write(b"half")
                raise RuntimeError
        assert [(p.name, p.read_text()) for p in tmp_path.iterdir()] == [("a.json", text)]


def test_a_file_is_on_the_disk_before_it_is_visible(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    for name in ("fsync", "replace", "rename"):
        real = getattr(os, name)

        def call(*args: Any, name: str = name, real: Any = real) -> Any:
            told.append(name)
            return real(*args)

        monkeypatch.setattr(f"os.{name}", call)
    with writing(tmp_path / "a") as partial:
        partial.write_text("new")
    assert told == ["fsync", "replace", "fsync"]
    told.clear()
    with writing_folder(tmp_path / "b") as folder:
        (folder / "c").write_text("new")
    assert told == ["fsync", "fsync", "rename", "fsync"]
    assert (tmp_path / "b" / "c").read_text() == "new"


def test_a_folder_that_was_quicker_stays(tmp_path: Path) -> None:
    with writing_folder(tmp_path / "a") as mine:
        (mine / "x").write_text("mine")
        (tmp_path / "a").mkdir()
        (tmp_path / "a" / "x").write_text("theirs")
    assert (tmp_path / "a" / "x").read_text() == "theirs"
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
