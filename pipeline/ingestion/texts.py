"""Texts of records: what is kept and hashed, and what the search sees of it.

Kept is what was written: only forms that Unicode calls canonically the same are one (NFC), and
white space is folded. NFKC, which makes 106 of 10⁶, is for the search alone.
"""

from __future__ import annotations

import json
import unicodedata
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.arrays import as_array

# Controls but white space; zero-width and direction marks too, but not the joiners (U+200C/D),
# which change words of some scripts and emoji.
_CONTROLS = (
    r"[\x00-\x08\x0e-\x1f\x7f-\x{84}\x{86}-\x{9f}\x{ad}\x{200b}\x{200e}\x{200f}"
    r"\x{202a}-\x{202e}\x{2060}-\x{2069}\x{feff}]"
)
# All white space but a single plain space, which is most of it and needs no replacing.
_SPACES = (
    r"[\s\x0b\x{85}\p{Z}]{2,}|[\t\n\x0b\f\r\x{85}\x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}"
    r"\x{202f}\x{205f}\x{3000}]"
)
# Scripts written without spaces count one word a character.
_UNSPACED = r"\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}"
_WORD = rf"[{_UNSPACED}]|[^ {_UNSPACED}]+"
# Controls, which no normalised text has, before each column and between its name and its value.
_COLUMN, _VALUE = "\x1e", "\x1f"


@dataclass(frozen=True)
class RecordTexts:
    """The texts of n rows, null where a row has none.

    Attributes:
        text: normalised.
        hash: 32 hex digits each, equal for equal contents: one text, or several columns of the same
            names and values in one order.
        words: int32, how many each has, the names of its columns left out.
    """

    text: pa.Array
    hash: pa.Array
    words: pa.Array


def record_texts(rows: pa.Table) -> RecordTexts:
    """Normalise, hash and count the texts of rows (schemas.ROWS).

    Of several columns the hash is not of the joined text, which does not say where a column ends,
    but of the text with every column's name and value.
    """
    text = normalise_text(as_array(rows["text"]))
    joined = pc.and_(pc.fill_null(as_array(rows["joined"]), False), text.is_valid())
    if not pc.any(joined).as_py():
        return RecordTexts(text, content_hash(text), count_words(text))
    fields = as_array(rows["fields"])
    offsets = np.asarray(fields.offsets)
    first, last = int(offsets[0]), int(offsets[-1])
    places = offsets - first
    values = normalise_text(fields.items.slice(first, last - first))
    columns = _written_columns(fields.keys.slice(first, last - first), values, places)
    written = pc.binary_join_element_wise(text, columns, "")
    return RecordTexts(
        text,
        content_hash(pc.if_else(joined, written, text)),
        pc.if_else(joined, _summed(count_words(values), places), count_words(text)),
    )


def normalise_text(column: pa.Array) -> pa.Array:
    """Drop control characters, apply Unicode NFC, make white space single; empty becomes null."""
    text = pc.replace_substring_regex(column, _CONTROLS, "")
    text = pc.utf8_normalize(text, form="NFC")
    text = pc.utf8_trim_whitespace(pc.replace_substring_regex(text, _SPACES, " "))
    return pc.if_else(pc.equal(pc.binary_length(text), 0), pa.scalar(None, pa.string()), text)


def search_text(text: str) -> str:
    """A text as the search sees it: Unicode NFKC, so that width and ligatures hide no copy."""
    return unicodedata.normalize("NFKC", text)


def content_hash(column: pa.Array) -> pa.Array:
    """Hash strings (UTF-8, blake2b) to 32 hex digits each; null stays null."""
    data = column.cast(pa.binary()).to_pylist()
    return pa.array(
        [None if item is None else blake2b(item, digest_size=16).hexdigest() for item in data],
        pa.string(),
    )


def count_words(column: pa.Array) -> pa.Array:
    """Count the words (int32) of normalised texts; null stays null."""
    words = pc.add(pc.count_substring(column, " "), 1).cast(pa.int32())
    unspaced = pc.fill_null(pc.match_substring_regex(column, f"[{_UNSPACED}]"), False)
    if not pc.any(unspaced).as_py():
        return words
    exact = pc.count_substring_regex(column.filter(unspaced), _WORD).cast(pa.int32())
    return pc.replace_with_mask(words, unspaced, exact)


def _written_columns(
    names: pa.Array, values: pa.Array, places: np.ndarray[tuple[int], np.dtype[np.int32]]
) -> pa.Array:
    """(n,) names and values of each row's columns, as no other columns are written.

    Args:
        names, values: of all rows' columns; a value that is null is left out.
        places: (n + 1,) first column of each row, and the end of the last.
    """
    coded = names.dictionary_encode()
    # As in JSON a name has no control characters, and no two names are written alike.
    quoted = pa.array([f"{_COLUMN}{json.dumps(name)}" for name in coded.dictionary.to_pylist()])
    held = values.is_valid()
    written = pc.binary_join_element_wise(quoted.take(coded.indices), values, _VALUE).filter(held)
    before = np.append(0, np.cumsum(held.to_numpy(zero_copy_only=False), dtype=np.int32))
    return pc.binary_join(pa.ListArray.from_arrays(pa.array(before[places]), written), "")


def _summed(counts: pa.Array, places: np.ndarray[tuple[int], np.dtype[np.int32]]) -> pa.Array:
    """(n,) int32 sums of the counts between two places; null counts nothing."""
    total = np.append(0, np.cumsum(np.asarray(pc.fill_null(counts, 0), np.int64)))
    return pa.array((total[places[1:]] - total[places[:-1]]).astype(np.int32))
