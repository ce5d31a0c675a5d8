"""Facts of the columns of a table: how full, how varied, and what their values look like."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.config import TableSource
from pipeline.ingestion.sniffing.inputs import columns_of
from pipeline.ingestion.sniffing.values import ValueKind, value_kind
from pipeline.ingestion.sources import open_source

LOOKED_AT = 2000  # values of a column that are read for what they look like
ROWS = 200_000  # rows read: whether an id repeats can be told of no others
WIDE = 200  # columns; of a wider table the others are attributes
USUAL = 0.95  # share of the rows that have a word which is boilerplate


@dataclass(frozen=True)
class ColumnFacts:
    """What is known of a column by the rows that were read.

    Attributes:
        rows: read. filled: of them have a value. distinct: different values.
        most: rows of the most frequent value.
        sample: some of the values, spread over the rows; never empty strings.
    """

    name: str
    rows: int
    filled: int
    distinct: int
    most: int
    sample: tuple[str, ...]

    @cached_property
    def kinds(self) -> Counter[ValueKind]:
        """How many values of the sample look like what."""
        return Counter(map(value_kind, self.sample))

    def share(self, *kinds: ValueKind) -> float:
        """Of the sample that looks like one of `kinds`, 0 … 1."""
        return sum(self.kinds[kind] for kind in kinds) / max(len(self.sample), 1)

    @property
    def is_unique(self) -> bool:
        """Whether every row has a value of its own."""
        return self.rows > 0 and self.filled == self.distinct == self.rows

    @property
    def is_constant(self) -> bool:
        """Whether all but a few rows say the same, or nothing."""
        return self.filled > 2 and self.most >= 0.98 * self.filled

    @property
    def words(self) -> float:
        """Words of a value, on average."""
        return sum(len(value.split()) for value in self.sample) / max(len(self.sample), 1)

    @cached_property
    def boilerplate(self) -> float:
        """Share of its words that stand in nearly every row, 0 … 1."""
        if len(self.sample) < 20:
            return 0.0
        texts = [value.casefold().split() for value in self.sample]
        rows = Counter(word for text in texts for word in set(text))
        usual = {word for word, count in rows.items() if count >= USUAL * len(texts)}
        total = sum(map(len, texts))
        return sum(word in usual for text in texts for word in text) / max(total, 1)


def read_facts(source: TableSource) -> tuple[list[ColumnFacts], int, bool]:
    """The facts of each column in their order, the rows read, and whether those are all."""
    names: list[str] = columns_of(source)[:WIDE]
    gathered: dict[str, list[pa.Array]] = {}
    rows, whole = 0, True
    for attributes in _batches(source):
        for name, values in _columns(attributes):
            gathered.setdefault(name, []).append(values)
        rows += len(attributes)
        if rows >= ROWS:
            whole = False
            break
    found = [
        *(name for name in names if name in gathered),
        *(n for n in gathered if n not in names),
    ]
    facts = []
    for name in found[:WIDE]:
        column = _facts(name, pa.concat_arrays(gathered[name]), rows)
        facts.append(column)
        if source.type in ("jsonl", "parquet") and column.share("json") > 0.9:
            facts += _inner(name, pa.concat_arrays(gathered[name]), rows) * (source.type == "jsonl")
    facts += [ColumnFacts(name, rows, 0, 0, 0, ()) for name in names if name not in gathered]
    return facts, rows, whole


def _batches(source: TableSource) -> Iterator[pa.Array]:
    for batch in open_source(source).batches(rows=65_536):
        if batch.rows.num_rows:
            yield batch.rows["attributes"].combine_chunks()


def _columns(attributes: pa.MapArray) -> Iterator[tuple[str, pa.Array]]:
    """The values of each name; rows without it are not in there."""
    if isinstance(attributes, pa.ChunkedArray):
        attributes = pa.concat_arrays(attributes.chunks)
    coded = attributes.keys.dictionary_encode()
    codes = coded.indices.to_numpy()
    for code, name in enumerate(coded.dictionary.to_pylist()):
        yield name, attributes.items.filter(pa.array(codes == code))


def _facts(name: str, values: pa.Array, rows: int) -> ColumnFacts:
    values = pc.utf8_trim_whitespace(values)
    values = values.filter(pc.not_equal(values, ""))
    counts = values.value_counts().field("counts").to_numpy()
    at = np.unique(np.linspace(0, max(len(values) - 1, 0), LOOKED_AT).astype(np.int64))
    sample = values.take(pa.array(at)).to_pylist() if len(values) else []
    most = int(counts.max()) if len(counts) else 0
    return ColumnFacts(name, rows, len(values), len(counts), most, tuple(sample))


def _inner(name: str, values: pa.Array, rows: int) -> list[ColumnFacts]:
    """The columns inside objects or lists: `name.part`, to any depth."""
    parts: dict[str, list[str]] = {}
    for value in values.to_pylist():
        try:
            inside = orjson.loads(value)
        except orjson.JSONDecodeError:
            continue
        for path, leaf in _leaves(inside, name, depth=0):
            parts.setdefault(path, []).append(leaf)
    return [
        _facts(path, pa.array(leaves, pa.string()), rows)
        for path, leaves in list(parts.items())[:WIDE]
    ]


def _leaves(value: Any, path: str, *, depth: int) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict) and depth < 4:
        for name, part in value.items():
            yield from _leaves(part, f"{path}.{name}", depth=depth + 1)
    elif isinstance(value, list) and depth < 4:
        for place, part in enumerate(value[:3]):
            yield from _leaves(part, f"{path}.{place}", depth=depth + 1)
    elif value is not None:
        yield path, value if isinstance(value, str) else orjson.dumps(value).decode()


def names_of(facts: Sequence[ColumnFacts]) -> list[str]:
    """The names of some columns."""
    return [column.name for column in facts]
