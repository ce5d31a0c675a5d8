"""One file or row under two names: found and told, and never on a removal list."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pipeline import run
from pipeline.catalog import Catalog
from pipeline.config.outputs import ExportSettings
from pipeline.nightly.deliver import write_export
from tests.worlds.runs import OPEN_GATES, pictures_in, rows_in, run_config, write_jsonl


def picture(path: Path, seed: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(seed).integers(0, 255, (40, 40, 3), np.uint8)
    Image.fromarray(noise).save(path)
    return path


def removed(folder: Path, *sources: dict[str, Any]) -> tuple[list[str], set[str]]:
    """Ids on the removal list of a run, and those that are another name of a kept record."""
    run(run_config(folder / "catalog", *sources, gates=OPEN_GATES))
    catalog = Catalog(folder / "catalog")
    out = folder / "removals.jsonl"
    settings = ExportSettings.model_validate({"what": "removals", "path": str(out)})
    write_export(catalog, catalog.run(), settings)
    clusters = catalog.read("clusters", run=catalog.run()).to_pylist()
    lines = out.read_text().splitlines()
    return (
        [line.split('"record_id":"')[1].split('"')[0] for line in lines],
        {row["record_id"] for row in clusters if row["same_thing"]},
    )


@pytest.mark.parametrize("link", [os.symlink, os.link], ids=["symbolic", "hard"])
def test_a_link_is_no_copy(tmp_path: Path, link: Callable[..., None]) -> None:
    one = picture(tmp_path / "p" / "original.png")
    link(one, tmp_path / "p" / "a_link.png")
    names, same = removed(tmp_path, pictures_in(tmp_path / "p"))
    assert names == []
    assert len(same) == 1
    (tmp_path / "p" / "copy.png").write_bytes(one.read_bytes())
    names, same = removed(tmp_path, pictures_in(tmp_path / "p"))
    assert names in (["p:copy.png"], ["p:a_link.png", "p:original.png"]), "a copy may go"


def test_a_link_that_takes_the_place_of_a_copy_is_seen_on_the_next_night(tmp_path: Path) -> None:
    one = picture(tmp_path / "p" / "a.png")
    (tmp_path / "p" / "b.png").write_bytes(one.read_bytes())
    assert removed(tmp_path, pictures_in(tmp_path / "p"))[0] == ["p:b.png"]
    (tmp_path / "p" / "b.png").unlink()
    os.link(one, tmp_path / "p" / "b.png")
    assert removed(tmp_path, pictures_in(tmp_path / "p")) == ([], {"p:b.png"})


def test_one_folder_under_two_sources_holds_no_copies(tmp_path: Path) -> None:
    picture(tmp_path / "p" / "sub" / "a.png")
    folders = [pictures_in(tmp_path / "p", name="all"), pictures_in(tmp_path / "p" / "sub")]
    names, same = removed(tmp_path, *folders)
    assert (names, len(same)) == ([], 1)


def test_a_picture_that_a_table_names_is_not_removed_for_its_row(tmp_path: Path) -> None:
    one = picture(tmp_path / "p" / "a.png")
    table = write_jsonl(tmp_path / "t.jsonl", [{"id": "1", "photo": str(one)}])
    columns = {"id": "id", "image": "photo"}
    names, same = removed(
        tmp_path, pictures_in(tmp_path / "p"), {**rows_in(table, name="t"), "columns": columns}
    )
    assert (names, len(same)) == ([], 1)


def test_rows_of_one_file_read_twice_are_no_copies_and_equal_rows_are(tmp_path: Path) -> None:
    rows = [
        {"id": "1", "text": "a lamp of green glass"},
        {"id": "2", "text": "a wooden chair with four legs"},
    ]
    table = write_jsonl(tmp_path / "t.jsonl", rows)
    names, same = removed(tmp_path, rows_in(table, name="a"), rows_in(table, name="b"))
    assert (names, same) == ([], {"b:1", "b:2"})
    other = write_jsonl(tmp_path / "u.jsonl", rows)
    names, same = removed(tmp_path, rows_in(table, name="a"), rows_in(other, name="b"))
    assert (names, same) == (["b:1", "b:2"], set())
