"""Writings: runs of tokens compared as a whole, before they are read item by item."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from pipeline.matching.differences.items import Token
from pipeline.matching.differences.kinds import NOTHING, Finding, Kind
from pipeline.matching.differences.language.folding import fold
from pipeline.matching.differences.language.spelling import same_writing

LONGEST = 10  # tokens on both sides of spans that are compared word by word
LEAST_PHONE = 7  # digits


def same_letters(left: Sequence[Token], right: Sequence[Token], *, aware: bool) -> bool:
    """Whether both are the same letters, parted elsewhere; digits may not meet other digits."""
    one, other = _joined(left), _joined(right)
    same = one == other or (not aware and same_writing(one, other))
    return bool(same and one) and not _numbers_part(left) and not _numbers_part(right)


def _joined(tokens: Sequence[Token]) -> str:
    return fold("".join(word for word, _ in tokens)).replace("-", "").replace(".", "")


def _numbers_part(tokens: Sequence[Token]) -> bool:
    """Whether joining would make another number, or loses a sign."""
    words = [word for word, _ in tokens]
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
    sides = []
    while left and right and left[0][0] == right[0][0] and not left[0][0][-1].isdigit():
        left, right = left[1:], right[1:]
    while left and right and left[-1][0] == right[-1][0] and not left[-1][0][-1].isdigit():
        left, right = left[:-1], right[:-1]
    for tokens in (left, right):
        words = [word for word, _ in tokens]
        if not all(
            word.strip("+-").replace("-", "").replace(".", "").replace("/", "").isdigit()
            for word in words
        ):
            return False
        if any(word.count(",") for word in words):
            return False
        digits = "".join(c for word in words for c in fold(word) if c.isdigit())
        sides.append(digits.lstrip("0"))
    short, long = sorted(sides, key=len)
    if len(short) < LEAST_PHONE:
        return False
    return long == short or (long.endswith(short) and len(long) - len(short) <= 3)


def compare_coarsely(left: Sequence[Token], right: Sequence[Token]) -> Finding:
    """What two long runs of tokens are to each other, by their numbers alone."""
    numbers = [
        sorted(fold(word) for word, _ in side if word[-1].isdigit()) for side in (left, right)
    ]
    kind = Kind.WORD | (Kind.NUMBER if numbers[0] != numbers[1] else NOTHING)
    return Finding(kind, *(" ".join(word for word, _ in side) for side in (left, right)))
