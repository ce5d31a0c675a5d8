"""Order: what it means that two texts say the same things in another order."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.matching.differences.items import CODE, DATE, QUANTITY, TIME, WORD, Item
from pipeline.matching.differences.kinds import Kind
from pipeline.matching.differences.token_stream import COMMA

VALUES = (QUANTITY, DATE, TIME, CODE)
SHORT_NAME = 4  # parts of a name that is written last name first


def order_kind(
    one: Sequence[Item], other: Sequence[Item], places: list[int], *, title: bool
) -> int:
    """The kind of another order of equal items.

    Numbers of one kind and names that change places say something else; so does any sentence
    whose words were not just moved in one piece. The words of a title may stand anyhow.

    Args:
        one, other: items of both sides that are equal, each in its own order.
        places: of each item of `one`, its place on the other side.
    """
    start, stop = _moved(places)
    if _last_name_first(one[start:stop], other[start:stop]):
        return Kind.ORDER
    if _values_exchanged(one, other) or _members_exchanged(one, other):
        return Kind.MOVED
    mostly = title and any(
        2 * sum(item.capital for item in items) > len(items) for items in (one, other)
    )
    capital = {item.folded for item in one if item.capital and item.folded.isalpha()}
    capital &= {item.folded for item in other if item.capital}
    names = [[item.folded for item in items if item.folded in capital] for items in (one, other)]
    exchanged = sorted(names[0]) == sorted(names[1]) and names[0] != names[1]
    if exchanged and (not mostly or _around_a_word(one[start:stop], other[start:stop], capital)):
        return Kind.MOVED
    if any(_is_uncased(item.text) for item in one[start:stop]):
        return Kind.WORD  # a script without capitals: names cannot be told
    return Kind.ORDER if title else _moved_in_one_piece(one, places)


def _last_name_first(one: Sequence[Item], other: Sequence[Item]) -> bool:
    """'Keating, Brian' is 'Brian Keating'."""
    if len(one) > SHORT_NAME or not all(item.folded.isalpha() for item in one):
        return False
    commas = [[bool(item.look & COMMA) for item in items[:-1]] for items in (one, other)]
    return (sum(commas[0]), sum(commas[1])) in ((1, 0), (0, 1))


def _around_a_word(one: Sequence[Item], other: Sequence[Item], names: set[str]) -> bool:
    """Whether names change sides of a word that stays: `Anna owes Ben`, `Ben owes Anna`."""
    before: list[dict[str, set[str]]] = [{}, {}]
    for found, items in zip(before, (one, other), strict=True):
        words = [item.folded for item in items]
        for place, item in enumerate(items):
            if item.sort == WORD and not item.capital and not _stands_anywhere(item):
                found[item.folded] = names.intersection(words[:place])
    return any(
        mine - before[1][word] and before[1][word] - mine
        for word, mine in before[0].items()
        if word in before[1]
    )


def _values_exchanged(one: Sequence[Item], other: Sequence[Item]) -> bool:
    """Whether two values of one kind (60 cm, 40 cm) stand in another order."""
    values = [[item for item in items if item.sort in VALUES] for items in (one, other)]
    kinds = {_kind_of(item) for item in values[0]}
    for kind in kinds:
        rows = [[item.keys for item in items if _kind_of(item) == kind] for items in values]
        if any(a.isdisjoint(b) for a, b in zip(*rows, strict=False)):
            return True
    return False


def _members_exchanged(one: Sequence[Item], other: Sequence[Item]) -> bool:
    """Whether two of one closed class (a red shirt, blue trousers) stand in another order."""
    rows: list[dict[str, list[int]]] = [{}, {}]
    for row, items in zip(rows, (one, other), strict=True):
        for item in items:
            for key in item.keys:
                if isinstance(key, tuple) and key[0] == "m":
                    row.setdefault(key[1], []).append(key[2])
    return any(
        sorted(members) == sorted(rows[1].get(name, ())) and members != rows[1][name]
        for name, members in rows[0].items()
    )


def _kind_of(item: Item) -> object:
    dimensions = {str(key[-1]) for key in item.keys if isinstance(key, tuple)}
    return (item.sort, min(dimensions)) if item.sort == QUANTITY and dimensions else item.sort


def _moved_in_one_piece(one: Sequence[Item], places: list[int]) -> int:
    start, stop = _moved(places)
    middle = [rank - start for rank in _ranks(places)[start:stop]]
    size = len(middle)
    if not size:
        return Kind.ORDER
    turn = middle[0]
    if middle != [(turn + place) % size for place in range(size)]:
        return Kind.MOVED
    if min(turn, size - turn) >= 2:
        return Kind.ORDER
    alone = one[start + size - 1] if turn == 1 else one[start]
    pair = (one[start], one[start + size - 1]) if size == 2 else (alone,)
    return Kind.ORDER if any(_stands_anywhere(item) for item in pair) else Kind.WORD


def _is_uncased(text: str) -> bool:
    return any(letter.isalpha() for letter in text) and text.upper() == text.lower()


def _ranks(places: list[int]) -> list[int]:
    ranks = {place: rank for rank, place in enumerate(sorted(places))}
    return [ranks[place] for place in places]


def _moved(places: list[int]) -> tuple[int, int]:
    """First and last of the items that do not stand where they stood."""
    order = _ranks(places)
    start, stop = 0, len(order)
    while start < stop and order[start] == start:
        start += 1
    while stop > start and order[stop - 1] == stop - 1:
        stop -= 1
    return start, stop


def _stands_anywhere(item: Item) -> bool:
    """Values and members of closed classes, which keep their meaning where they stand."""
    return item.sort in VALUES or any(isinstance(key, tuple) and key[0] == "m" for key in item.keys)
