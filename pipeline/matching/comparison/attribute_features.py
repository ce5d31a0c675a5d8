"""Features of a pair's attributes: equal or not, how far apart, words in common.

An attribute is no part of the text. What it holds is found out pair by pair: where both values are
numbers their difference counts, where both are times the days between them, and always whether they
are equal and which words they share. A pair's features depend on its two records alone.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.arrays import Positions
from pipeline.errors import ConfigError
from pipeline.ingestion import parse_times

Floats = npt.NDArray[np.float32]
Values = npt.NDArray[np.floating[Any]]

TIME = "timestamp"  # the record's own time, where it has no attribute of that name
COLUMNS = ("equal", "word_overlap", "number_difference", "days_apart", "sides")
WORDED_CHARACTERS = 256  # of a longer value only so many are compared by their words
DAY = 86_400_000_000  # microseconds
_NUMBER = re.compile(r"[+-]?(\d+|\d{1,3}(,\d{3})+)(\.\d+)?([eE][+-]?\d{1,3})?")


def column_names(attributes: Iterable[str]) -> tuple[str, ...]:
    """The columns that a list of attributes gives."""
    return tuple(f"attribute {name}: {column}" for name in attributes for column in COLUMNS)


def attributes_of(records: pa.Table, names: Iterable[str]) -> dict[str, pa.Array]:
    """The values (n,) of the attributes `names` by name, null where a record has none.

    Args:
        records: n rows with `attributes` and `timestamp` of schemas.RECORDS.
    """
    return {name: _values(records, name) for name in names}


def check_attributes(records: pa.Table, names: Sequence[str]) -> None:
    """Look whether each of the attributes `names` is there for some record.

    Raises:
        ConfigError: one is not; the message names those that are.
    """
    absent = [name for name, values in attributes_of(records, names).items() if not _any(values)]
    if not absent:
        return
    keys = {key for row in records["attributes"].to_pylist() for key, _ in row or ()}
    there = [*sorted(keys), *([TIME] if _any(records["timestamp"]) else [])]
    raise ConfigError(
        f"judge.attributes: no labelled record has {', '.join(map(repr, absent))}; their "
        f"attributes are: {', '.join(there) or '(none: inline labels carry none)'}; name it under "
        "columns.attributes of the source, or leave it out (text columns are compared already)"
    )


def _any(values: pa.Array | pa.ChunkedArray) -> bool:
    return bool(values.null_count < len(values))


def _values(records: pa.Table, name: str) -> pa.Array:
    found = pc.map_lookup(records["attributes"], pa.scalar(name), "first")
    if name == TIME:
        found = pc.coalesce(found, records["timestamp"].cast(pa.string()))
    text = pc.utf8_trim_whitespace(found.combine_chunks())
    return pc.if_else(pc.equal(pc.binary_length(text), 0), pa.scalar(None, pa.string()), text)


class AttributeFeatures:
    """Features of pairs among the values of one attribute.

    Args:
        values: (n,) strings, null where absent.
    """

    def __init__(self, values: pa.Array) -> None:
        encoded = values.dictionary_encode()
        distinct = encoded.dictionary.to_pylist()
        self.code = np.asarray(pc.fill_null(encoded.indices, -1), np.int64)
        folded = [" ".join(value.casefold().split()) for value in distinct]
        number: dict[str, int] = {}
        self.same = np.array([number.setdefault(value, len(number)) for value in folded], np.int64)
        self.words = [frozenset(re.findall(r"\w+", v[:WORDED_CHARACTERS])) for v in folded]
        self.number = np.array([number_of(value) for value in distinct], np.float64)
        times = parse_times(pa.array(distinct, pa.string())).cast(pa.int64())
        self.days = np.asarray(times.to_numpy(zero_copy_only=False), np.float64) / DAY

    def compare(self, left: Positions, right: Positions) -> Floats:
        """(p, len(COLUMNS)) float32; NaN but for `sides` where a side has no value.

        `equal` is 0 or 1 (numbers and times by what they say), `word_overlap` the Jaccard index of
        the words, `number_difference` |a - b| / max(|a|, |b|), and `days_apart` ln(1 + days).
        """
        one, other = self.code[left], self.code[right]
        known = np.flatnonzero((one >= 0) & (other >= 0))
        out = np.full((len(one), len(COLUMNS)), np.nan, np.float32)
        out[:, -1] = (one >= 0).astype(np.float32) + (other >= 0)
        # Values repeat: each two of them are compared once, the result is given to all their pairs.
        count = max(len(self.same), 1)
        key, place = np.unique(one[known] * count + other[known], return_inverse=True)
        out[known, :-1] = self._compared(*np.divmod(key, count))[place]
        return out

    def _compared(self, one: Positions, other: Positions) -> Floats:
        a, b = self.number[one], self.number[other]
        size = np.maximum(np.maximum(np.abs(a), np.abs(b)), 1e-9)
        apart = np.abs(self.days[one] - self.days[other])
        equal = (self.same[one] == self.same[other]) | (a == b) | (apart == 0)
        pairs = zip(one.tolist(), other.tolist(), strict=True)
        overlap = [_overlap(self.words[x], self.words[y]) for x, y in pairs]
        columns = [equal, np.array(overlap, np.float64), np.abs(a - b) / size, np.log1p(apart)]
        return np.stack([np.asarray(column, np.float32) for column in columns], axis=1)


def number_of(value: str) -> float:
    """The number that a value is, NaN where it is none; '1,299.00 €' is 1299."""
    bare = "".join(c for c in value if unicodedata.category(c) != "Sc").strip()
    return float(bare.replace(",", "")) if _NUMBER.fullmatch(bare) else float("nan")


def _overlap(one: frozenset[str], other: frozenset[str]) -> float:
    union = len(one | other)
    return len(one & other) / union if union else float("nan")


def attribute_features(
    names: Sequence[str], values: Mapping[str, pa.Array]
) -> dict[str, AttributeFeatures]:
    """Make the attributes `names` ready to compare."""
    return {name: AttributeFeatures(values[name]) for name in names}
