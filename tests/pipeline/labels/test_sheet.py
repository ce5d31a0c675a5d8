"""The file that a person filled in, as it comes back."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest

from pipeline.errors import PipelineError
from pipeline.labels.questions.suggest import suggest_pairs
from pipeline.labels.sheet import blank_rows, read_filled
from pipeline.outputs.exporters import open_exporter
from pipeline.storage.schemas import LABELS, STRINGS
from tests.worlds.asked_pairs import ACCEPT, REVIEW, asked_pairs


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_a_suggestion_survives_the_trip_through_a_file(tmp_path, kind):
    records = pa.table(
        {
            "record_id": ["a:00000", "b:00000"],
            "text": ['=HYPERLINK("x")\nsecond line', 'Möbel; 5,0 | "q"'],
            "image_uri": pa.nulls(2, pa.string()),
            "word_count": [2, 2],
            "fields": pa.nulls(2, STRINGS),
        }
    )
    table = suggest_pairs(
        asked_pairs(np.linspace(0.01, 0.99, 30)), None, n=10, accept=ACCEPT, review=REVIEW, seed=0,
        records=records,
    )  # fmt: skip
    labels = ["Same", "different", " RELATED ", "unsure", "1", "0", None, "", None, "same"]
    table = table.set_column(10, "label", pa.array(labels, pa.string()))
    path = str(tmp_path / f"labels.{kind}")
    open_exporter(kind).write(iter(table.to_batches()), table.schema, path)
    filled = read_filled(path, kind, by="ann")
    assert filled.schema.equals(LABELS)
    assert blank_rows(filled) == 3
    assert sorted(filled["label"].to_pylist()) == sorted(
        ["same", "different", "related", "unsure", "same", "different", "same"]
    )
    assert set(filled["by"].to_pylist()) == {"ann"}
    assert set(filled["origin"].to_pylist()) == {"audit", "review"}


def written(tmp_path, text, encoding="utf-8"):
    path = tmp_path / "labels.csv"
    path.write_bytes(text.encode(encoding))
    return path


def test_files_as_spreadsheets_write_them(tmp_path):
    text = "left_id;right_id;label;note\r\nb:1;a:1;1;'=SUM(A1)\r\nb:2;a:2;;\r\n"
    filled = read_filled(written(tmp_path, text, "utf-8-sig"), "csv")
    row = filled.to_pylist()[0]
    assert (row["left_id"], row["right_id"], row["label"]) == ("a:1", "b:1", "same")
    assert (row["origin"], row["note"], blank_rows(filled)) == ("import", "=SUM(A1)", 1)


def test_numbers_of_other_programs_are_labels(tmp_path):
    path = tmp_path / "x.parquet"
    table = pa.table({"left_id": list("abc"), "right_id": list("xyz"), "label": [1.0, 0.0, None]})
    pa.parquet.write_table(table, path)
    assert read_filled(path, "parquet")["label"].to_pylist() == ["same", "different"]
    path.write_text("\n".join(
        json.dumps({"left_id": a, "right_id": "z", "label": label})
        for a, label in (("a", 1), ("b", 0), ("c", None))
    ))  # fmt: skip
    assert read_filled(path, "jsonl")["label"].to_pylist() == ["same", "different"]


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ("a,b,same\nc,d,maybe", "row 2: the label 'maybe' is none of same"),
        ("a,b,2", "the label '2'"),
        ("a,,same", "row 1: left_id or right_id is empty"),
        ("a,a,same", "a stands on both sides"),
        ("a,b,same\nb,a,different", "row 2: a and b are 'different' here and 'same' in row 1"),
    ],
)
def test_a_bad_row_is_named_with_its_value(tmp_path, rows, words):
    with pytest.raises(PipelineError, match=words):
        read_filled(written(tmp_path, f"left_id,right_id,label\n{rows}\n"), "csv")


def test_a_file_that_is_none_is_named(tmp_path):
    with pytest.raises(PipelineError, match=r"row 1 lacks \['label'\]"):
        read_filled(written(tmp_path, "left_id,right_id\na,b\n"), "csv")
    for kind in ("csv", "jsonl", "parquet"):
        with pytest.raises(PipelineError, match="cannot read"):
            read_filled(tmp_path / "absent", kind)
    with pytest.raises(PipelineError, match="line 1 is no JSON"):
        read_filled(written(tmp_path, "no json"), "jsonl")


def test_a_repeated_row_counts_once(tmp_path):
    path = written(tmp_path, "left_id,right_id,label\na,b,same\nb,a,1\n")
    assert len(read_filled(path, "csv")) == 1
