"""Imported verdicts: bare keys completed, unknown records told."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline import run
from pipeline.catalog import Catalog
from pipeline.errors import ConfigError
from pipeline.nightly.labelling import add_labels
from tests.worlds.runs import OPEN_GATES, rows_in, run_config, write_jsonl


def test_verdicts_take_bare_keys_and_tell_of_unknown_records(tmp_path: Path) -> None:
    rows = [{"id": key, "text": f"the text of {key}"} for key in ("1", "=2", "3")]
    others = [{"id": key, "text": f"said of {key}"} for key in ("3", "4")]
    sources = [
        rows_in(write_jsonl(tmp_path / f"{name}.jsonl", part), name=name)
        for name, part in (("a", rows), ("b", others))
    ]
    run(run_config(tmp_path / "catalog", *sources, gates=OPEN_GATES))
    catalog = Catalog(tmp_path / "catalog")
    sheet = tmp_path / "said.csv"
    sheet.write_text("left_id,right_id,label\n4,1,same\na:1,=2,different\ngone,1,same\n")
    found = add_labels(catalog, sheet, by="ann")
    assert (found["rows"], found["unknown"]) == (3, ["gone"])
    labels = catalog.tables.labels()
    assert labels is not None
    assert [(row["left_id"], row["right_id"]) for row in labels.to_pylist()] == [
        ("a:1", "a:=2"), ("a:1", "b:4"), ("a:1", "gone"),
    ]  # fmt: skip
    sheet.write_text("left_id,right_id,label\n3,1,same\n")
    with pytest.raises(ConfigError, match="'3' is the key of a:3 and b:3; write the id with its"):
        add_labels(catalog, sheet, by="ann")
