"""Dialect of a delimited file: what parts its columns, and whether its first row names them."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Sequence
from typing import Any

from pipeline.errors import SourceError
from pipeline.ingestion.sniffing.values import NAME_WORDS, name_words, value_kind
from pipeline.ingestion.sources.encodings import find_encoding
from pipeline.ingestion.sources.files import READ_ERRORS, DataFile, open_binary, without_credentials

SAMPLE = 1 << 18  # bytes at the start of a file
ROWS = 300  # looked at
DELIMITERS = ",;\t|^"
ONE_COLUMN = "\x1f"  # the unit separator of ASCII, which no text has: a line is a value
FITTING = 0.8  # share of the rows that must have one number of columns
NAME = 3  # words that the name of a column has at most, to be known by one of them
LONG_NAME = 48  # characters; no column is called so


def sniff_dialect(file: DataFile) -> dict[str, Any]:
    """The settings `delimiter` and `header` of a file, by its first rows.

    Raises:
        SourceError: it cannot be read, or holds no text.
    """
    try:
        encoding = find_encoding(file, None)
        with open_binary(file) as stream:
            data = stream.read(SAMPLE)
    except READ_ERRORS as error:
        raise SourceError(f"{file.path}: {without_credentials(error)}") from error
    name = "utf-8-sig" if encoding.name == "utf-8" else encoding.name
    text = data.decode(name, "replace")
    if len(data) >= SAMPLE:
        text = text[: text.rfind("\n") + 1] or text  # the last line may be cut
    if not text.strip():
        raise SourceError(f"{file.path}: the file is empty")
    prose = ".csv" not in file.name.lower()
    delimiter = _delimiter(text, [sign for sign in DELIMITERS if not (prose and _ends(text, sign))])
    return {"delimiter": delimiter, "header": _has_header(_rows(text, delimiter))}


def _rows(text: str, delimiter: str) -> list[list[str]]:
    csv.field_size_limit(1 << 24)
    rows: list[list[str]] = []
    try:
        for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter):
            if row:
                rows.append(row)
            if len(rows) == ROWS:
                break
    except csv.Error:
        pass  # the rows before it will do
    return rows


def _ends(text: str, sign: str) -> bool:
    """Whether a sign only ends parts of sentences: a blank follows it nearly always."""
    return sign in ",;" and text.count(f"{sign} ") > 0.9 * text.count(sign)


def _delimiter(text: str, signs: Sequence[str]) -> str:
    """The sign that parts most rows into the same number of columns, of two the one with more."""
    best = (0.0, 1, ONE_COLUMN)
    for sign in signs:
        rows = _rows(text, sign)
        width, count = Counter(map(len, rows)).most_common(1)[0] if rows else (1, 0)
        fitting = count / len(rows) if rows else 0.0
        if width > 1 and fitting >= FITTING and len(rows[0]) == width:
            # Two rows in a hundred may be broken: that does not outweigh more columns.
            best = max(best, (round(fitting, 1), width, sign))
    return best[2]


def _has_header(rows: Sequence[Sequence[str]]) -> bool:
    """Whether the first row names the columns."""
    if len(rows) < 2:
        return True
    first, rest = rows[0], rows[1:]
    cells = [cell.strip() for cell in first]
    named = [cell for cell in cells if cell]
    if not named or len(set(named)) < len(named):
        return False
    # A number, a time or an address is no name, and neither is a sentence.
    if any(value_kind(cell) not in ("word", "words") for cell in named):
        return all(_like_name(cell) for cell in named) and not _like_rest(cells, rest)
    if max(map(len, named)) > LONG_NAME:
        return False
    if any(set(name_words(cell)) & NAME_WORDS for cell in named if len(cell.split()) <= NAME):
        return True
    kinds = zip(*(row for row in rest if len(row) == len(cells)), strict=False)
    for cell, column in zip(cells, kinds, strict=False):
        values = [value.strip() for value in column if value.strip()]
        if not values:
            continue
        told = Counter(map(value_kind, values)).most_common(1)[0][0]
        if told not in ("word", "words"):
            return True  # a word above numbers, codes or times
        if cell and cell in values:
            return False
    # All is text: names are short, and written like each other.
    typical = sorted(len(row[0]) for row in rest)[len(rest) // 2]
    if len(cells) == 1:
        return False
    return all(_like_name(cell) for cell in named) and max(map(len, named)) <= max(typical, 12)


def _like_name(cell: str) -> bool:
    return cell.replace("_", "").replace(" ", "").replace("-", "").isalnum() and (
        not cell[0].isdigit() and len(cell) <= LONG_NAME and (cell.islower() or "_" in cell)
    )


def _like_rest(cells: Sequence[str], rest: Sequence[Sequence[str]]) -> bool:
    """Whether the first row looks like those below it."""
    below = [row for row in rest if len(row) == len(cells)][:50]
    alike = [
        sum(value_kind(row[at].strip()) == value_kind(cell) for row in below) >= 0.9 * len(below)
        for at, cell in enumerate(cells)
        if value_kind(cell) not in ("word", "words", "none")
    ]
    return any(alike)
