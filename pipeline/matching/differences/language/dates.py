"""Dates and times of day in any format, as values that can be equal."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache

from pipeline.matching.comparison.folding import fold, plain
from pipeline.matching.differences.language.quantities import number_words
from pipeline.matching.differences.language.word_lists import lines

Keys = frozenset[object]
_NUMERIC = re.compile(r"(\d{1,4})([-./])(\d{1,2})\2(\d{1,4})")
_CLOCK = re.compile(r"(\d{1,2})[:.](\d{2})(?::(\d{2}))?")
_DAY = re.compile(r"(\d{1,2})(?:st|nd|rd|th|er|º)?")
_YEAR = re.compile(r"[12]\d{3}")
_FILLERS = frozenset({"of", "the", "de", "del", "den", "der", "le", "г", "года"})
_HALVES = {"am": 0, "a.m": 0, "pm": 12, "p.m": 12}
TIMES = {
    **dict.fromkeys(("noon", "midday", "mittags", "midi", "mediodia"), "12:00"),
    **dict.fromkeys(("midnight", "mitternacht", "minuit"), "0:00"),
}
_CLOCK_WORDS = frozenset({"oclock", "uhr", "h", "hrs", "heures", "horas", "час", "часов"})
# What may stand behind the first word of a date or a time, but for numbers and months.
DATE_WORDS = frozenset({*_FILLERS, *_HALVES, *TIMES, *_CLOCK_WORDS, *"年月日号"})


@cache
def months() -> dict[str, int]:
    """Names of months, folded and plain, and their numbers."""
    rows = enumerate(lines("months"), start=1)
    return {plain(fold(name)): number for number, row in rows for name in row.split()}


def read_date(words: Sequence[str], start: int) -> tuple[int, Keys] | None:
    """A date that begins at a word: words it takes, and the days that it may be.

    '04/05/2024' is the fourth of May or the fifth of April: as two such dates in one format are
    equal when they are in either reading, each reading is kept with its order.
    """
    found = _NUMERIC.fullmatch(words[start])
    if found:
        keys = _numeric(found[1], found[3], found[4])
        return (1, keys) if keys else None
    return _worded(words, start) or _east_asian(words, start)


def read_time(words: Sequence[str], start: int) -> tuple[int, Keys] | None:
    """A time of day that begins at a word: words it takes, and what it equals."""
    word = words[start]
    after = words[start + 1] if start + 1 < len(words) else ""
    if word in TIMES:
        return 1, frozenset({("t", TIMES[word])})
    spelled = number_words().cardinal.get(word)
    if spelled is not None and after in _CLOCK_WORDS - {"h"}:
        return 2, frozenset({("t", f"{spelled:.0f}:00")})
    glued = re.fullmatch(r"(\d{1,2}(?:[:.]\d{2})?)(am|pm)", word)
    if glued:
        word, after, count = glued[1], glued[2], 1
    else:
        count = 2
    if word == "12" and after in ("noon", "midday"):
        return 2, frozenset({("t", "12:00")})
    clock = _CLOCK.fullmatch(word)
    if after in _HALVES and (clock or word.isdigit()) and len(word) <= 5:
        hour, minute = (int(clock[1]), clock[2]) if clock else (int(word), "00")
        if hour <= 12:
            return count, frozenset({("t", f"{hour % 12 + _HALVES[after]}:{minute}")})
    if clock and ":" in word and int(clock[1]) < 25 and int(clock[2]) < 60:
        seconds = f":{clock[3]}" if clock[3] and clock[3] != "00" else ""
        count = 2 if after in _CLOCK_WORDS else 1
        return count, frozenset({("t", f"{int(clock[1])}:{clock[2]}{seconds}")})
    if word.isdigit() and len(word) <= 2 and after in ("oclock", "uhr"):
        return 2, frozenset({("t", f"{int(word)}:00")})
    return None


def _day(year: int, month: int, day: int, order: str) -> object:
    return ("d", year, month, day, order)


def _valid(month: int, day: int) -> bool:
    return 1 <= month <= 12 and 1 <= day <= 31


def _numeric(first: str, second: str, third: str) -> Keys:
    a, b, c = int(first), int(second), int(third)
    if len(first) == 4:
        return _sure(a, b, c) if _valid(b, c) else frozenset()
    if len(third) not in (2, 4):
        return frozenset()
    year = c if len(third) == 4 else 2000 + c if c < 50 else 1900 + c
    readings = {("dmy", b, a), ("mdy", a, b)}
    good = {item for item in readings if _valid(item[1], item[2])}
    if len(good) == 1:
        _, month, day = good.pop()
        return _sure(year, month, day)
    return frozenset(_day(year, month, day, order) for order, month, day in good)


def _sure(year: int, month: int, day: int) -> Keys:
    return frozenset(_day(year, month, day, order) for order in ("dmy", "mdy"))


def _worded(words: Sequence[str], start: int) -> tuple[int, Keys] | None:
    """'6 January 2026', 'January 6, 2026', 'the 6th of Jan', '26. Feb 2020'."""
    day = month = year = 0
    stop, last = start, start
    while stop < len(words) and stop - start < 6:
        word = words[stop]
        found = _DAY.fullmatch(word)
        if word in months() and not month:
            month = months()[word]
        elif found and not day and 1 <= int(found[1]) <= 31:
            day = int(found[1])
        elif _YEAR.fullmatch(word) and not year and month:
            year = int(word)
        elif word not in _FILLERS or stop == start:
            break
        stop += 1
        if word not in _FILLERS:
            last = stop
    if not month or not (day or year):
        return None
    return last - start, _sure(year, month, day)


def _east_asian(words: Sequence[str], start: int) -> tuple[int, Keys] | None:
    """'2026 年 1 月 6 日', characters apart."""
    window = list(words[start : start + 6])
    if len(window) < 4 or not window[0].isdigit() or window[1] not in "年月":
        return None
    if window[1] == "年" and len(window) == 6 and window[3] == "月" and window[5] in "日号":
        numbers = window[0], window[2], window[4]
        return (6, _sure(*map(int, numbers))) if all(n.isdigit() for n in numbers) else None
    if window[1] == "月" and window[3] in "日号" and window[2].isdigit():
        return 4, _sure(0, int(window[0]), int(window[2]))
    return None
