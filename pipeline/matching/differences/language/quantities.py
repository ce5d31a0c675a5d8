"""Quantities: numbers in any format or in words, with their units, as values that can be equal."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, cached_property, lru_cache

from pipeline.matching.comparison.folding import fold, plain
from pipeline.matching.differences.language.word_lists import lines

Keys = frozenset[object]
_DIGITS = re.compile(r"[+±-]?\d+(?:[.,'’]\d+)*")
_GLUED = re.compile(r"([+±-]?\d+(?:[.,]\d+)*)-?([^\W\d_]+[²³]?)")
_GROUPS = re.compile(r"\d{1,3}")
_CONNECTS = frozenset({"and", "und", "et", "y", "و", "i"})
FRACTIONS = {"½": "1/2", "¼": "1/4", "¾": "3/4", "⅓": "1/3", "⅔": "2/3", "⅛": "1/8"}
_PARTS = {
    **dict.fromkeys(("half", "halves"), 2),
    **dict.fromkeys(("third", "thirds"), 3),
    **dict.fromkeys(("quarter", "quarters"), 4),
    **dict.fromkeys(("fifth", "fifths"), 5),
    **dict.fromkeys(("eighth", "eighths"), 8),
    **dict.fromkeys(("tenth", "tenths"), 10),
}
# What may stand behind the first word of a quantity, but for numbers and units.
QUANTITY_WORDS = frozenset({*_CONNECTS, *FRACTIONS, *_PARTS, "a"})


@dataclass(frozen=True)
class NumberWords:
    """Words for numbers, and units: name → dimension and factor."""

    cardinal: dict[str, float]
    ordinal: dict[str, int]
    times: dict[str, int]
    units: dict[str, tuple[str, float]]

    @cached_property
    def currencies(self) -> frozenset[str]:
        """Units that may stand before their number."""
        return frozenset(name for name, unit in self.units.items() if unit[0] in _CURRENCIES)


@cache
def number_words() -> NumberWords:
    """The lists of the package."""
    found = NumberWords({}, {}, {}, {})
    for line in lines("numbers"):
        value, _, words = line.partition(":")
        for word in (plain(fold(word)) for word in words.split()):
            if value.startswith("."):
                found.ordinal[word] = int(value[1:])
            elif value.startswith("x"):
                found.times[word] = int(value[1:])
            else:
                found.cardinal.setdefault(word, float(value))
    for line in lines("units"):
        dimension, factor, *names = line.split()
        for name in names:
            found.units.setdefault(plain(fold(name)), (dimension, float(factor)))
    return found


@lru_cache(1 << 14)
def readings(number: str) -> Keys:
    """What digits with points may say: '1.250' is 1250 or 1.250, '1,250.00' is 1250.

    Decimals keep their zeros ('2.10' is no '2.1'), but for '.00'.
    """
    sign = number[0] if number[0] in "-±" else ""
    digits = number.lstrip("+-±").replace("'", ",").replace("’", ",")
    points = [c for c in digits if c in ".,"]
    if not points:
        return frozenset({sign + (digits.lstrip("0") or "0") if len(digits) < 3 else sign + digits})
    groups = re.split(r"[.,]", digits)
    grouped = len(groups[0]) <= 3 and groups[0] != "0" and all(len(g) == 3 for g in groups[1:])
    found = set()
    if grouped and len(set(points)) == 1:
        found.add(sign + "".join(groups))
    if len(points) == 1 or (len(set(points)) == 2 and points.count(points[-1]) == 1):
        whole = groups[:-1]
        if len(whole) == 1 or all(len(g) == 3 for g in whole[1:]):
            head = "".join(whole).lstrip("0") or "0"
            found.add(sign + (head if groups[-1] == "00" else f"{head}.{groups[-1]}"))
    return frozenset(found or {sign + digits})


def value_of(reading: str) -> float:
    """The number that a reading is."""
    try:
        return float(reading)
    except ValueError:
        return float("nan")


def read_quantity(words: Sequence[str], start: int) -> tuple[int, Keys, str] | None:
    """A quantity that begins at a word: words it takes, what it equals, its dimension ('' none).

    Args:
        words: folded and plain.
    """
    units = number_words().units
    word = words[start]
    if word in ("minus", "negative") and start + 1 < len(words) and words[start + 1][0].isdigit():
        below = [words[start], "-" + words[start + 1], *words[start + 2 : start + 5]]
        negative = read_quantity(below, 1)
        return negative and (negative[0] + 1, negative[1], negative[2])
    if word in units and units[word][0] in _CURRENCIES and start + 1 < len(words):
        found = _number(words, start + 1)
        if found:
            return _measured(found[0] + 1, found[1], units[word], spelled=found[2])
    found = _number(words, start)
    if found is None:
        glued = _GLUED.fullmatch(word)
        if glued and plain(fold(glued[2])) in units:
            return _measured(1, readings(glued[1]), units[plain(fold(glued[2]))])
        return None
    count, keys, spelled = found
    after = words[start + count] if start + count < len(words) else ""
    beyond = words[start + count + 1] if start + count + 1 < len(words) else ""
    if after and beyond in ("²", "³") and after + beyond in units:
        return _measured(count + 2, keys, units[after + beyond])
    if after in units and not (spelled and after in ("second", "quarter")):
        return _measured(count + 1, keys, units[after])
    return count, frozenset(("q", key, "") for key in keys), ""


_CURRENCIES = frozenset(
    {"usd", "eur", "gbp", "jpy", "cny", "inr", "rub", "pln", "try", "ils", "chf", "krw"}
)


def _measured(
    count: int, keys: Keys, unit: tuple[str, float], *, spelled: bool = False
) -> tuple[int, Keys, str]:
    dimension, factor = unit
    # A tolerance (±) is no value, and stays as it is written.
    values = {
        key if "±" in str(key) else float(f"{value_of(str(key)) * factor:.9g}") for key in keys
    }
    return count, frozenset(("q", value, dimension) for value in values), dimension


def _number(words: Sequence[str], start: int) -> tuple[int, Keys, bool] | None:
    """A number without its unit: words it takes, its readings, whether it is in words."""
    word = words[start]
    if word in FRACTIONS:
        return 1, frozenset({FRACTIONS[word]}), False
    if _DIGITS.fullmatch(word):
        return _digits(words, start)
    if re.fullmatch(r"[+-]?\d{1,2}/\d{1,2}", word):
        return 1, frozenset({word}), False
    return _in_words(words, start)


def _digits(words: Sequence[str], start: int) -> tuple[int, Keys, bool]:
    word, stop = words[start], start + 1
    bare = word.lstrip("+-±")
    if bare.isdigit() and len(bare) <= 3 and bare[0] != "0":
        groups = [word]
        while stop < len(words) and re.fullmatch(r"\d{3}(?:[.,]\d{1,2})?", words[stop]):
            groups.append(words[stop])
            stop += 1
            if not groups[-1].isdigit():
                break
        if len(groups) > 1:
            whole = "".join(groups).replace(",", ".")
            return stop - start, readings(whole), False
    if stop < len(words) and words[stop] in FRACTIONS:
        return 2, frozenset({f"{bare}+{FRACTIONS[words[stop]]}"}), False
    scale = number_words().cardinal.get(words[stop]) if stop < len(words) else None
    if scale is not None and scale >= 1000:
        values = {f"{value_of(str(key)) * scale:.0f}" for key in readings(word)}
        return 2, frozenset(values), False
    return 1, readings(word), False


def _in_words(words: Sequence[str], start: int) -> tuple[int, Keys, bool] | None:
    """Number words: 'twenty five', 'one hundred and twenty', 'three quarters', 'half a'."""
    cardinal = number_words().cardinal
    if words[start] not in cardinal:
        return None
    if words[start] == "half":
        count = 2 if words[start + 1 : start + 2] == ["a"] else 1
        return count, frozenset({"1/2"}), True
    total, current, stop = 0.0, 0.0, start
    last = float("inf")
    while stop < len(words):
        word = words[stop]
        if (
            word in _CONNECTS
            and stop > start
            and words[stop + 1 : stop + 2]
            and words[stop + 1] in cardinal
            and last >= 20
        ):
            stop += 1
            continue
        value = cardinal.get(word)
        if value is None or (value < 1 and value != 0):
            break
        if value >= 100:
            current = max(current, 1.0) * value
            if value >= 1000:
                total, current = total + current, 0.0
        elif stop > start and not value < 10 <= last and not (value < 100 <= last):
            break
        else:
            current += value
        last = value
        stop += 1
    if stop == start:
        return None
    after = words[stop] if stop < len(words) else ""
    if stop - start == 1 and after in _PARTS and total + current < 10:
        return stop - start + 1, frozenset({f"{int(current)}/{_PARTS[after]}"}), True
    return stop - start, frozenset({f"{total + current:.0f}"}), True
