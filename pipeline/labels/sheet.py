"""The file a person fills in: its columns, and how it is read back."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, assert_never

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet

from pipeline.errors import PipelineError
from pipeline.labels.files import JsonRow, read_json_lines
from pipeline.storage import LABELS, unescape

SUGGESTED = pa.schema(
    [
        pa.field("left_id", pa.string(), nullable=False),
        pa.field("right_id", pa.string(), nullable=False),
        pa.field("why", pa.string(), nullable=False),
        pa.field("probability", pa.float64(), nullable=False),
        pa.field("text_cosine", pa.float64()),
        pa.field("left_text", pa.string()),
        pa.field("right_text", pa.string()),
        pa.field("left_image", pa.string()),
        pa.field("right_image", pa.string()),
        pa.field("weight", pa.float64(), nullable=False),  # unlabelled pairs the row stands for
        pa.field("label", pa.string()),  # same / different / related / unsure, to be filled in
        pa.field("note", pa.string()),
    ]
)
VERDICTS = ("same", "different", "related", "unsure")
_NUMBERS = {"1": "same", "1.0": "same", "0": "different", "0.0": "different"}

SheetFormat = Literal["csv", "jsonl", "parquet"]


def read_filled(
    path: str | Path,
    format: SheetFormat,  # noqa: A002  (the word users know from --format)
    *,
    by: str = "",
    at: datetime | None = None,
) -> pa.Table:
    """Read the labels a person filled in; rows without one are skipped, see `blank_rows`.

    Needs the columns left_id, right_id and label; takes note and by where they are there. Labels
    are same, different, related, unsure in any case, or 1 and 0. A pair given twice with one label
    is taken once.

    Args:
        by: who labelled, where the file has no column of that name.
        at: when; default: now.

    Returns:
        The columns of the labels table, left_id < right_id, sorted. `origin` is 'audit' for pairs
        drawn at random, 'review' for other suggestions, 'import' where the file does not say why.

    Raises:
        PipelineError: the file or a column is not usable, or a row has another label, no id, one
            record on both sides, or contradicts an earlier row; names row and value.
    """
    when = at or datetime.now(UTC)
    labels: dict[tuple[str, str], JsonRow] = {}
    first: dict[tuple[str, str], int] = {}
    blank = 0
    for number, row in _rows(path, format):
        label = _label(row["label"], where=f"{path}, row {number}")
        if label is None:
            blank += 1
            continue
        left, right = _ids(row, where=f"{path}, row {number}")
        before = labels.get((left, right))
        if before is not None and before["label"] != label:
            raise PipelineError(
                f"{path}, row {number}: {left} and {right} are {label!r} here and "
                f"{before['label']!r} in row {first[left, right]}; keep one of the two"
            )
        first.setdefault((left, right), number)
        labels[left, right] = {
            "left_id": left,
            "right_id": right,
            "label": label,
            "by": _text(row.get("by")) or by,
            "at": when,
            "origin": _origin(_text(row.get("why"))),
            "note": _text(row.get("note")) or None,
        }
    table = pa.Table.from_pylist([labels[key] for key in sorted(labels)], schema=LABELS)
    return table.replace_schema_metadata({"blank": str(blank)})


def blank_rows(filled: pa.Table) -> int:
    """Rows of the file that had no label."""
    return int((filled.schema.metadata or {}).get(b"blank", b"0"))


def round_probability(column: pa.ChunkedArray | pa.Array) -> npt.NDArray[np.float64]:
    """A float column as float64 with the six decimals float32 can keep; null becomes NaN.

    A threshold of 0.9 must include the probability 0.9, which float32 stores as 0.89999998.
    """
    values = column.cast(pa.float64()).to_numpy(zero_copy_only=False)
    return np.asarray(np.round(values, 6), np.float64)


def _rows(path: str | Path, format: SheetFormat) -> Iterator[tuple[int, Mapping[str, Any]]]:  # noqa: A002
    """Yield (row number from 1, row) of a file that has the columns a label needs."""
    try:
        rows = _parse(Path(path), format)
    except (OSError, ValueError, csv.Error) as error:
        raise PipelineError(f"cannot read {path} as {format}: {error}") from error
    for number, row in enumerate(rows, start=1):
        if missing := sorted({"left_id", "right_id", "label"} - set(row)):
            raise PipelineError(f"{path}, row {number} lacks {missing}; it has {sorted(row)}")
        yield number, row


def _parse(path: Path, format: SheetFormat) -> list[JsonRow]:  # noqa: A002
    match format:
        case "csv":
            return _csv_rows(path.read_bytes().decode("utf-8-sig"))
        case "jsonl":
            return read_json_lines(path)
        case "parquet":
            return list(pa.parquet.read_table(path).to_pylist())
    assert_never(format)


IDS = ("left_id", "right_id")  # written as they are, whatever they begin with


def _csv_rows(text: str) -> list[JsonRow]:
    """Rows of a CSV file as spreadsheets write it: comma, semicolon or tab between the cells."""
    header = text.partition("\n")[0]
    delimiter = max(",;\t", key=header.count)
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    return [
        {name: (cell or "") if name in IDS else unescape(cell or "") for name, cell in known}
        for known in (
            [(unescape(name), cell) for name, cell in row.items() if name is not None]
            for row in reader
        )
    ]


def _label(value: Any, *, where: str) -> str | None:
    """The verdict a cell states; None for a blank one."""
    if isinstance(value, float) and np.isnan(value):
        return None
    word = _text(value).casefold()
    label = _NUMBERS.get(word, word)
    if not label:
        return None
    if label not in VERDICTS or isinstance(value, bool):
        raise PipelineError(
            f"{where}: the label {value!r} is none of {', '.join(VERDICTS)}, 1, 0 or blank"
        )
    return label


def _ids(row: Mapping[str, Any], *, where: str) -> tuple[str, str]:
    left, right = sorted((_text(row["left_id"]), _text(row["right_id"])))
    if not left:
        raise PipelineError(f"{where}: left_id or right_id is empty")
    if left == right:
        raise PipelineError(f"{where}: {left} stands on both sides; a pair has two records")
    return left, right


def _text(value: Any) -> str:
    return "" if value is None else str(value).strip()


def _origin(why: str) -> str:
    if not why:
        return "import"
    return "audit" if why.startswith("random") else "review"
