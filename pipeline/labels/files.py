"""Files of labels: every column as strings, and what a label may say."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.json
import pyarrow.parquet

from pipeline.arrays import as_array, positions_in
from pipeline.errors import ConfigError
from pipeline.evaluation import GoldPairs
from pipeline.ingestion import json_text

JsonRow = dict[str, Any]

ALLOWED = "1 or same or true, 0 or different or false, a grade between 0 and 1, related, unsure"
LEFT_OUT = ("related", "unsure")
_WORDS = {"same": 1.0, "true": 1.0, "different": 0.0, "false": 0.0}
_SPLITS = {"train": "train", "valid": "valid", "validation": "valid", "val": "valid",
           "dev": "valid", "test": "test", "": ""}  # fmt: skip


def read_strings(path: str, columns: Sequence[str]) -> pa.Table:
    """Read some columns of a CSV, JSONL or Parquet file as strings; null and absent are ''.

    Raises:
        ConfigError: the file cannot be read, is empty, or lacks a column.
    """
    columns = list(dict.fromkeys(columns))
    try:
        match Path(path).suffix.lower():
            case ".csv":
                table = _read_csv(path)
            case ".jsonl" | ".ndjson":
                table = _read_jsonl(path, columns)
            case ".parquet":
                present = pa.parquet.read_schema(path).names
                _need(path, columns, present)
                table = pa.parquet.read_table(path, columns=columns)
            case suffix:
                raise ConfigError(f"labels: {path} must be .csv, .jsonl or .parquet, not {suffix}")
    except (OSError, UnicodeDecodeError, pa.ArrowException) as error:
        raise ConfigError(f"labels: cannot read {path}: {error}") from error
    _need(path, columns, table.column_names)
    if not len(table):
        raise ConfigError(f"labels: {path} has no rows; give a file with labelled rows")
    return pa.table({name: _strings(path, name, table[name]) for name in columns})


def parse_labels(values: pa.Array, *, where: str) -> tuple[npt.NDArray[np.float64], dict[str, int]]:
    """Turn labels into grades: 1 duplicate … 0 different, NaN for what is left out.

    *related* and *unsure* are left out and counted. *related* is no negative: whether variants or
    parts of one thing are duplicates is a policy that the person did not state; who holds them to
    be different says *different*.

    Returns:
        (n,) grades, and how many rows of each left-out label there were.

    Raises:
        ConfigError: a label is none of the allowed; names file, row (1-based) and value.
    """
    encoded = pc.utf8_lower(pc.utf8_trim_whitespace(values)).dictionary_encode()
    codes = np.asarray(encoded.indices.to_numpy(), np.int64)
    words = encoded.dictionary.to_pylist()
    grades = np.array([_grade(word) for word in words], np.float64)
    wrong = np.flatnonzero(np.isinf(grades)[codes]) if len(words) else np.zeros(0, np.int64)
    if len(wrong):
        row = int(wrong[0])
        raise ConfigError(
            f"labels: {where} row {row + 1} says {values[row].as_py()!r} ({len(wrong)} such "
            f"row(s)); allowed: {ALLOWED}"
        )
    counts = np.bincount(codes, minlength=len(words))
    left_out = {word: int(counts[words.index(word)]) if word in words else 0 for word in LEFT_OUT}
    return grades[codes] if len(words) else np.zeros(0), left_out


def parse_splits(values: pa.Array, *, where: str) -> npt.NDArray[np.str_]:
    """Turn given splits into 'train', 'valid' (also validation, val, dev), 'test' or ''.

    Raises:
        ConfigError: another word; names file, row (1-based) and value.
    """
    words = pc.utf8_lower(pc.utf8_trim_whitespace(values)).to_pylist()
    for row, word in enumerate(words):
        if word not in _SPLITS:
            raise ConfigError(
                f"labels: {where} row {row + 1} has the split {word!r}; allowed: train, valid, "
                "test, or empty"
            )
    return np.array([_SPLITS[word] for word in words], dtype="<U5")


def _grade(word: str) -> float:
    """The grade a word stands for; NaN: left out, infinite: not allowed."""
    if word in LEFT_OUT:
        return np.nan
    if word in _WORDS:
        return _WORDS[word]
    try:
        value = float(word)
    except ValueError:
        return np.inf
    return value if 0 <= value <= 1 else np.inf


def _need(path: str, columns: Sequence[str], present: Sequence[str]) -> None:
    missing = [name for name in columns if name not in present]
    if missing:
        raise ConfigError(f"labels: {path} lacks {missing}; its columns are {list(present)}")


def _read_csv(path: str) -> pa.Table:
    quoted = pa.csv.ParseOptions(newlines_in_values=True)
    if not Path(path).stat().st_size:
        raise ConfigError(f"labels: {path} is empty; give a file with a header and rows")
    header = pa.csv.open_csv(path, parse_options=quoted).schema.names
    twice = sorted({name for name in header if header.count(name) > 1})
    if twice:
        raise ConfigError(f"labels: {path} has the column {twice[0]!r} twice; rename one")
    types = pa.csv.ConvertOptions(column_types=dict.fromkeys(header, pa.string()))
    return pa.csv.read_csv(path, parse_options=quoted, convert_options=types)


def read_json_lines(path: str | Path) -> list[JsonRow]:
    """Read the objects of a JSON Lines file; blank lines are left out.

    Raises:
        ConfigError: a line is no JSON object.
        OSError: the file cannot be read.
    """
    rows = []
    with open(path, "rb") as file:
        for number, line in enumerate(file, start=1):
            if line.isspace():
                continue
            try:
                item = orjson.loads(line.removeprefix(b"\xef\xbb\xbf"))
            except orjson.JSONDecodeError as error:
                raise ConfigError(f"labels: {path} line {number} is no JSON: {error}") from error
            if not isinstance(item, dict):
                raise ConfigError(f"labels: {path} line {number} is no JSON object")
            rows.append(item)
    return rows


def _read_jsonl(path: str, columns: Sequence[str]) -> pa.Table:
    rows = read_json_lines(path)
    if rows:
        _need(path, columns, list(dict.fromkeys(name for row in rows for name in row)))
    return pa.table(
        {
            name: pa.array([json_text(row.get(name)) for row in rows], pa.string())
            for name in columns
        }
    )


def _strings(path: str, name: str, column: pa.ChunkedArray) -> pa.Array:
    if pa.types.is_nested(column.type):
        return pa.array([json_text(value) or "" for value in column.to_pylist()], pa.string())
    try:
        return as_array(pc.fill_null(column.cast(pa.string()), ""))
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise ConfigError(f"labels: {path} column {name!r} holds no words: {error}") from error


def read_labels(path: str) -> GoldPairs:
    """Read labelled pairs with the columns left_id, right_id, label; see `parse_labels`.

    A grade of at least 0.5 says duplicate; *related* and *unsure* say nothing and are left out.

    Raises:
        ConfigError: the file, a column or a value is not usable.
    """
    table = read_strings(path, ["left_id", "right_id", "label"])
    grades, _ = parse_labels(table["label"].combine_chunks(), where=path)
    said = pa.array(~np.isnan(grades))
    left, right = (table[name].combine_chunks().filter(said) for name in ("left_id", "right_id"))
    return GoldPairs(left, right, grades[~np.isnan(grades)] >= 0.5)


def require_known(labels: GoldPairs, record_ids: pa.Array, *, path: str) -> None:
    """Make sure that some labelled pair names two records of the run.

    Raises:
        ConfigError: none does: the ids are of another kind, or the file is of other data.
    """
    sides = [positions_in(side, record_ids) >= 0 for side in (labels.left, labels.right)]
    if (sides[0] & sides[1]).any():
        return
    ids = pa.concat_arrays([labels.left, labels.right])
    named = pc.unique(ids.filter(pa.array(~np.concatenate(sides))))
    raise ConfigError(
        f"labels: none of the {len(labels.same):,} pairs in {path} names two of the run's "
        f"{len(record_ids):,} records; the file has ids such as {_examples(named)}, the records "
        f"{_examples(record_ids)}: write record ids as source:key"
    )


def _examples(ids: pa.Array) -> str:
    return ", ".join(repr(item) for item in ids.slice(0, 3).to_pylist())
