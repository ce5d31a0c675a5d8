"""Fields: a record's columns as one text, each behind a letter that stands for its name."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

FIRST = 0xE000  # of the private use area
MOST = 6400  # names that it has room for
NAMES = tuple[str, ...]


@dataclass(frozen=True)
class FieldTexts:
    """Texts, and the names of the columns that their letters from `FIRST` on stand for."""

    texts: pa.Array
    names: NAMES


def field_texts(texts: pa.Array, fields: pa.MapArray | None) -> FieldTexts:
    """One text a record; without columns, the texts as they are.

    Raises:
        ValueError: more column names than there are letters.
    """
    if fields is None:
        return FieldTexts(pc.replace_substring_regex(texts, "[\\x{e000}-\\x{f8ff}]", ""), ())
    offsets = np.asarray(fields.offsets)
    first, last = int(offsets[0]), int(offsets[-1])
    keys = fields.keys.slice(first, last - first).dictionary_encode()
    names = tuple(keys.dictionary.to_pylist())
    if len(names) > MOST:
        raise ValueError(f"{len(names)} columns; {MOST} can be told apart")
    values = pc.replace_substring_regex(
        fields.items.slice(first, last - first), "[\\x{e000}-\\x{f8ff}]", ""
    )
    letters = pa.array([chr(FIRST + place) for place in range(len(names))], pa.string())
    marked = pc.binary_join_element_wise(letters.take(keys.indices), pc.fill_null(values, ""), " ")
    lists = pa.ListArray.from_arrays(
        pa.array((offsets - first).astype(np.int32)), marked.cast(pa.string())
    )
    return FieldTexts(pc.binary_join(lists, " "), names)
