"""Label files: three formats read alike, and every unusable value named."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest

from pipeline.errors import ConfigError
from pipeline.labels.files import parse_labels, parse_splits, read_strings


def test_the_formats_say_the_same(tmp_path: Path) -> None:
    table = pa.table({"id": ["01", "2"], "label": ["1", ""], "other": ["x", "y"]})
    pa.csv.write_csv(table, tmp_path / "a.csv")
    pa.parquet.write_table(table, tmp_path / "a.parquet")
    (tmp_path / "a.jsonl").write_text('{"id": "01", "label": 1}\n\n{"id": 2, "label": null}\n')
    for name in ("a.csv", "a.parquet", "a.jsonl"):
        found = read_strings(str(tmp_path / name), ["id", "label"])
        assert found.to_pylist() == [{"id": "01", "label": "1"}, {"id": "2", "label": ""}], name


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", "", "is empty"),
        ("a.csv", "id,label\n", "no rows"),
        ("a.csv", "id,other\n1,2\n", "lacks \\['label'\\]; its columns are \\['id', 'other'\\]"),
        ("a.csv", "id,id,label\n1,2,1\n", "'id' twice"),
        ("a.csv", "id,label\n1\n", "cannot read"),
        ("a.jsonl", "", "no rows"),
        ("a.jsonl", '{"id": 1}\n', "lacks \\['label'\\]"),
        ("a.jsonl", '{"id": 1, "label": 1}\n{"id"\n', "line 2 is no JSON"),
        ("a.jsonl", "[1]\n", "no JSON object"),
        ("a.parquet", "no parquet", "cannot read"),
        ("a.txt", "x", "must be .csv, .jsonl or .parquet"),
    ],
)
def test_unusable_files(tmp_path: Path, name: str, content: str, message: str) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(ConfigError, match=message):
        read_strings(str(tmp_path / name), ["id", "label"])


def test_labels_and_splits() -> None:
    words = ["1", "1.0", "same", "TRUE", " 0 ", "different", "false", "0.25", "related", "unsure"]
    grades, left_out = parse_labels(pa.array(words), where="f")
    np.testing.assert_array_equal(grades, [1, 1, 1, 1, 0, 0, 0, 0.25, np.nan, np.nan])
    assert left_out == {"related": 1, "unsure": 1}
    splits = parse_splits(pa.array(["Train", "val", "dev", "test", ""]), where="f")
    assert splits.tolist() == ["train", "valid", "valid", "test", ""]
    assert parse_labels(pa.array([], pa.string()), where="f")[0].tolist() == []


@pytest.mark.parametrize("word", ["", "7", "-1", "nan", "inf", "yes", "1.01"])
def test_a_label_outside_the_allowed_set_is_named_with_its_row(word: str) -> None:
    with pytest.raises(ConfigError, match=f"f.csv row 2 says {word!r}.*allowed: 1 or same"):
        parse_labels(pa.array(["1", word]), where="f.csv")


def test_an_unknown_split_is_named() -> None:
    with pytest.raises(ConfigError, match="f row 2 has the split 'holdout'"):
        parse_splits(pa.array(["train", "holdout"]), where="f")
