"""CSV cells that a spreadsheet does not run as formulas, and their texts back."""

from __future__ import annotations

import re

import pyarrow as pa
import pyarrow.compute as pc

# OWASP, "CSV Injection": = + - @ tab, carriage return, line feed and the full-width signs start
# a formula. Programs differ in what they skip before it, so quotes and blank characters count too.
# Written as characters, not as escapes, so that RE2 and `re` read the same pattern.
_SKIPPED = "'\"\x00-\x20\x7f-\xa0\u1680\u2000-\u200f\u2028-\u202f\u205f-\u2064\u3000\ufeff"
_FORMULA = f"^[{_SKIPPED}]*[=+@\t\r\n\uff1d\uff0b\uff0d\uff20-]"
# A negative number is data, not a formula: longitudes must survive the trip.
_NUMBER = r"^-[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?$"


def escape(column: pa.Array) -> pa.Array:
    """Prefix every text that would run as a formula with a single quote."""
    runs = pc.and_not(
        pc.match_substring_regex(column, _FORMULA), pc.match_substring_regex(column, _NUMBER)
    )
    return pc.if_else(runs, pc.binary_join_element_wise("'", column, ""), column)


def unescape(cell: str) -> str:
    """Give back the text that `escape` was given."""
    rest = cell[1:]
    escaped = cell[:1] == "'" and re.match(_FORMULA, rest) and not _is_number(rest)
    return rest if escaped else cell


def _is_number(cell: str) -> bool:
    # In Python `$` also stands before a final line feed, in RE2 only at the end.
    return not cell.endswith("\n") and re.match(_NUMBER, cell) is not None
