"""Writings: runs of tokens compared as a whole, before they are read item by item."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from operator import attrgetter

from pipeline.matching.comparison.folding import fold
from pipeline.matching.differences.items import Token
from pipeline.matching.differences.kinds import NOTHING, Finding, Kind
from pipeline.matching.differences.language.spelling import same_writing

LONGEST = 10  # tokens on both sides of spans that are compared word by word
LEAST_PHONE = 7  # digits
_letters, _phone = attrgetter("letters"), attrgetter("phone")


def same_letters(left: Sequence[Token], right: Sequence[Token], *, aware: bool) -> bool:
    """Whether both are the same letters, parted elsewhere; digits may not meet other digits."""
    one, other = _joined(left), _joined(right)
    if one != other and (aware or (one.isascii() and other.isascii())):
        return False
    same = one == other or (not aware and same_writing(one, other))
    return bool(same and one) and not _numbers_part(left) and not _numbers_part(right)


def _joined(tokens: Sequence[Token]) -> str:
    letters = list(map(_letters, tokens))
    if None not in letters:
        return "".join(letters)
    return fold("".join(item.word for item in tokens)).replace("-", "").replace(".", "")


def _numbers_part(tokens: Sequence[Token]) -> bool:
    """Whether joining would make another number, or loses a sign."""
    words = [item.word for item in tokens]
    if any(not any(c.isalnum() for c in word) and word != "-" for word in words):
        return True
    if any(
        word[0] in "+-−–±" or (any(c in ".,:/-" for c in word) and word[0].isdigit())
        for word in words
    ):
        return True
    return any(a[-1].isdigit() and b[0].isdigit() for a, b in pairwise(words))


def same_phone(left: Sequence[Token], right: Sequence[Token]) -> bool:
    """Whether both are one telephone number in two formats."""
    if not any(map(_phone, left)) or not any(map(_phone, right)):
        return False
    sides = []
    while left and right and left[0].word == right[0].word and not left[0].word[-1].isdigit():
        left, right = left[1:], right[1:]
    while left and right and left[-1].word == right[-1].word and not left[-1].word[-1].isdigit():
        left, right = left[:-1], right[:-1]
    for tokens in (left, right):
        digits = [item.phone for item in tokens if item.phone is not None]
        if len(digits) < len(tokens):
            return False
        sides.append("".join(digits).lstrip("0"))
    short, long = sorted(sides, key=len)
    if len(short) < LEAST_PHONE:
        return False
    return long == short or (long.endswith(short) and len(long) - len(short) <= 3)


def compare_coarsely(left: Sequence[Token], right: Sequence[Token]) -> Finding:
    """What two long runs of tokens are to each other, by their numbers alone."""
    numbers = [
        sorted(fold(item.word) for item in side if item.word[-1].isdigit())
        for side in (left, right)
    ]
    kind = Kind.WORD | (Kind.NUMBER if numbers[0] != numbers[1] else NOTHING)
    return Finding(kind, *(" ".join(item.word for item in side) for side in (left, right)))
