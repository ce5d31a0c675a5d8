"""Roles of columns: which is the id, which are text, picture and time; the others stay attributes.

A wrong text column makes strangers alike or copies unlike, a wrong id loses rows. So where a column
may be either, it is left an attribute, and an id is only what no two rows share.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from pipeline.ingestion.sniffing.columns import ColumnFacts
from pipeline.ingestion.sniffing.values import (
    ID,
    IDENTIFYING,
    NEWEST,
    PICTURE,
    SORTING,
    TEXT,
    TIME,
    ValueKind,
    name_words,
)

MOSTLY = 0.85  # share of the values by which a column is of a kind
SPARSE = 0.01  # share of the rows below which a column says too little
FEW_VALUES = 0.02  # distinct values by filled rows, below which short values sort and do not name
ENOUGH = 100  # rows from which that can be told
REPEATED = 0.8  # share of a text's words that stand in nearly every row
_SURE_IDS = ("recordid", "rowid", "id", "uuid", "guid", "key", "sku", "pk", "identifier")


@dataclass(frozen=True)
class Roles:
    """What the columns of a table mean.

    Attributes:
        id: None: rows are numbered. text, image, time: names of columns.
        notes: what is worth a line: columns left out for what they would do.
    """

    id: str | None = None
    text: tuple[str, ...] = ()
    image: str | None = None
    time: str | None = None
    notes: tuple[str, ...] = field(default=())


def guess_roles(facts: Sequence[ColumnFacts], *, has_picture: Callable[[str], bool]) -> Roles:
    """Guess the roles of all columns of a table.

    Args:
        has_picture: whether there is a picture on this machine where a value says.
    """
    notes: list[str] = []
    rest = [column for column in facts if column.filled > SPARSE * column.rows]
    id_ = _id(rest)
    if id_ is None:
        notes += _no_id(rest)
    rest = [column for column in rest if column.name != id_]
    image = _picture(rest, has_picture, notes)
    time = _time(rest)
    rest = [column for column in rest if column.name not in (image, time)]
    texts = [column for column in rest if _is_text(column)]
    kept = [column for column in texts if not _is_repeated(column, notes, many=len(texts) > 1)]
    if kept or not image:
        kept += [column for column in rest if column not in texts and _identifies(column)]
    kept = kept or [column for column in rest if column.share("code", "word") > 0.5][:3]
    order = {column.name: place for place, column in enumerate(facts)}
    text = tuple(sorted((column.name for column in kept), key=order.__getitem__))
    return Roles(id_, text, image, time, tuple(notes))


def _id(facts: Sequence[ColumnFacts]) -> str | None:
    """The column that tells rows apart: by its name, else by values that are all codes."""
    unique = [column for column in facts if column.is_unique and not column.share("json")]
    named = [c for c in unique if set(name_words(c.name)) & ID and c.words < 2]
    ranks = {c.name: "".join(name_words(c.name)) for c in named}
    named.sort(key=lambda c: _SURE_IDS.index(ranks[c.name]) if ranks[c.name] in _SURE_IDS else 99)
    coded = [c for c in unique if c.share("code") > 0.95 and not _identifies(c)]
    return next((c.name for c in (*named, *coded)), None)


def _no_id(facts: Sequence[ColumnFacts]) -> list[str]:
    """That a column is called an id and is none."""
    near = [
        c
        for c in facts
        if "".join(name_words(c.name)) in _SURE_IDS and c.filled and not c.is_unique
    ]
    if not near:
        return []
    first = near[0]
    why = (
        f"{first.rows - first.filled:,} rows have none"
        if first.filled < first.rows
        else f"{first.filled - first.distinct:,} rows repeat one"
    )
    return [f"{first.name} looks like the id, but {why}: rows are numbered"]


def _picture(
    facts: Sequence[ColumnFacts], has_picture: Callable[[str], bool], notes: list[str]
) -> str | None:
    for column in facts:
        named = bool(set(name_words(column.name)) & PICTURE)
        if column.share("picture") < MOSTLY and not (named and column.share("address") > MOSTLY):
            continue
        if any(map(has_picture, column.sample[:20])):
            return column.name
        where = "behind web addresses" if "://" in column.sample[0] else "not where it says"
        notes.append(
            f"the pictures of {column.name} are {where} and left alone; "
            f"--image {column.name} reads them"
        )
    return None


def _time(facts: Sequence[ColumnFacts]) -> str | None:
    """The time of the row: the newest kind where there are several; never a birthday."""
    timed = [
        c
        for c in facts
        if c.share("time") > MOSTLY
        and set(name_words(c.name)) & TIME
        and not set(name_words(c.name)) & IDENTIFYING
    ]

    def rank(column: ColumnFacts) -> int:
        said = [NEWEST.index(word) for word in name_words(column.name) if word in NEWEST]
        return min(said, default=len(NEWEST))

    return min(timed, key=rank).name if timed else None


def _is_text(column: ColumnFacts) -> bool:
    words = set(name_words(column.name))
    # A name may hold digits, such as "S7-1200"; another column of codes is no text.
    kinds: tuple[ValueKind, ...] = ("words", "word", "mail", *(("code",) if words & TEXT else ()))
    if column.is_constant or column.share(*kinds) < 0.5:
        return False
    sorts = column.rows >= ENOUGH and column.distinct < FEW_VALUES * column.filled
    if sorts and column.words < 3 and not words & TEXT:
        return False
    last = name_words(column.name)[-1:]
    if set(last) & SORTING and column.words < 2.5 and column.distinct < 0.5 * column.filled:
        return False
    # What names a row by one word that never comes twice is a key, whatever it is called.
    return not (column.is_unique and column.words == 1 and words & ID)


def _identifies(column: ColumnFacts) -> bool:
    """Whether numbers or codes say what a thing is: a postcode, a birthday, a part number."""
    words = name_words(column.name)
    return bool(set(words) & IDENTIFYING) and not column.is_constant and (
        column.share("number", "code", "time", "word", "words") > 0.5
    )  # fmt: skip


def _is_repeated(column: ColumnFacts, notes: list[str], *, many: bool) -> bool:
    """Whether nearly all that a text says stands in every row: it would make all rows alike."""
    if column.boilerplate < REPEATED or not many:
        return False
    notes.append(
        f"{column.name} is left out: {column.boilerplate:.0%} of its words stand in nearly every "
        "row, which makes all rows alike"
    )
    return True


def warn_of(facts: Sequence[ColumnFacts], roles: Roles, *, told: Sequence[str]) -> Roles:
    """Roles with a note for each stated text column that makes all rows alike, or none comparable.

    Args:
        told: the text columns that the user stated.
    """
    notes = list(roles.notes)
    for column in facts:
        if column.name not in told or not column.filled:
            continue
        if column.is_constant:
            notes.append(
                f"{column.name} says the same in nearly every row: it makes all rows alike"
            )
        elif column.boilerplate >= 0.6:
            notes.append(
                f"{column.boilerplate:.0%} of the words of {column.name} stand in nearly every "
                "row: it makes all rows alike"
            )
        elif column.is_unique and column.share("code", "number") > 0.95 and column.rows > 20:
            notes.append(
                f"{column.name} is another code in every row: as text it makes rows unlike"
            )
    return replace(roles, notes=tuple(notes))
