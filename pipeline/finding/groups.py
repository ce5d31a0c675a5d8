"""Groups of duplicates with their members' texts side by side, and what differs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.arrays import as_array
from pipeline.matching import describe_differences

SURE, DOUBTFUL = 10, 5  # groups shown
IDENTICAL = 3  # of the sure ones that are exact copies: nothing can be learned from more


@dataclass(frozen=True)
class Member:
    """A record of a group.

    Attributes:
        action: keep / remove / look. differs: from the kept one, in words; "" where nothing does.
        place: file and row. fields: its texts by column; one text without a column has "text".
        probability: of being the kept record's duplicate, 0 … 1.
    """

    record_id: str
    action: str
    reason: str
    differs: str
    probability: float
    place: str
    source: str
    fields: dict[str, str]
    attributes: dict[str, str]
    image_uri: str | None = None
    thumbnail: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Group:
    """Records that are one thing, the kept one first.

    Attributes:
        number: as in the table of the groups, the surest first. sure: its weakest link, 0 … 1.
        review: whether a person should look before anything goes.
        identical: whether all have the same content.
        size: all of them; `members` are the first.
    """

    number: int
    sure: float
    review: bool
    identical: bool
    size: int
    members: tuple[Member, ...]


def choose_groups(
    rows: pa.Table, *, sure: int = SURE, doubtful: int = DOUBTFUL
) -> tuple[list[int], list[int]]:
    """Numbers of the surest and of the most doubtful groups, none in both.

    Of exact copies at most a few are among the surest, as long as there are others.

    Args:
        rows: see `pipeline.outputs.group_rows`.
    """
    heads = rows.filter(pc.equal(rows["action"], "keep"))
    numbers = heads["group"].to_numpy()
    exact = pc.equal(heads["evidence"], "exact").to_numpy()
    waits = pc.equal(heads["status"], "review").to_numpy()
    order = np.lexsort((numbers, -heads["cohesion"].to_numpy(), waits))
    copies = [int(numbers[at]) for at in order if exact[at]]
    others = [int(numbers[at]) for at in order if not exact[at]]
    few = copies[: max(IDENTICAL, sure - len(others))]
    chosen = [*few, *others][:sure]
    weak = [number for number in reversed(others) if number not in chosen][:doubtful]
    return chosen, weak


def make_groups(
    rows: pa.Table, records: pa.Table, numbers: Iterable[int], *, members: int
) -> list[Group]:
    """Groups in the order of their numbers given, with up to `members` members each.

    Args:
        rows: see `pipeline.outputs.group_rows`. records: the table of the run.
    """
    wanted = list(numbers)
    shown = rows.filter(pc.is_in(rows["group"], value_set=pa.array(wanted, pa.int64())))
    told: dict[int, list[dict[str, object]]] = {number: [] for number in wanted}
    for row in shown.to_pylist():
        if len(told[row["group"]]) < members:
            told[row["group"]].append(row)
    flat = [row for number in wanted for row in told[number]]
    found = records_of(records, [str(row["record_id"]) for row in flat])
    differs = _differs(flat, found)
    made = []
    at = 0
    for number in wanted:
        these = told[number]
        if not these:
            continue
        made.append(
            Group(
                number=number,
                sure=float(these[0]["cohesion"]),  # type: ignore[arg-type]
                review=these[0]["status"] == "review",
                identical=these[0]["evidence"] == "exact",
                size=int(these[0]["size"]),  # type: ignore[call-overload]
                members=tuple(
                    _member(row, found.get(str(row["record_id"]), {}), differs[at + place])
                    for place, row in enumerate(these)
                ),
            )
        )
        at += len(these)
    return made


def records_of(records: pa.Table, ids: Sequence[str]) -> dict[str, dict[str, object]]:
    """Rows of the records table by id; those that are not there are left out."""
    at = pc.index_in(pa.array(list(dict.fromkeys(ids)), pa.string()),
                     value_set=as_array(records["record_id"])).drop_null()  # fmt: skip
    return {row["record_id"]: row for row in records.take(at).to_pylist()}


def texts_of(row: dict[str, object]) -> dict[str, str]:
    """The texts of a record by column."""
    fields = {name: value for name, value in (row.get("fields") or ()) if value}  # type: ignore[attr-defined]
    if not fields and row.get("text"):
        return {"text": str(row["text"])}
    return fields


def tell_differences(
    records: Sequence[dict[str, object]], left: Sequence[int], right: Sequence[int]
) -> list[str]:
    """What differs between records, in the judge's words; "" where nothing that matters does."""
    if not left:
        return []
    texts = pa.array([record.get("text") for record in records], pa.string())
    fields = pa.array(
        [list(record.get("fields") or ()) for record in records],  # type: ignore[call-overload]
        pa.map_(pa.string(), pa.string()),
    )
    # A text that somebody typed has no columns: then texts are compared as wholes.
    several = all(record.get("fields") for record in records if record.get("text"))
    both = [
        place
        for place, (a, b) in enumerate(zip(left, right, strict=True))
        if records[a].get("text") and records[b].get("text")
    ]
    said = [""] * len(left)
    if both:
        found = describe_differences(
            pc.fill_null(texts, ""),
            np.array([left[place] for place in both], np.int64),
            np.array([right[place] for place in both], np.int64),
            frequencies=None,
            fields=fields if several else None,
        )
        for place, words in zip(both, found.spans.to_pylist(), strict=True):
            said[place] = words or ""
    return said


def _differs(flat: Sequence[dict[str, object]], found: dict[str, dict[str, object]]) -> list[str]:
    """What differs between each member and the kept one of its group."""
    ids = list(found)
    place = {name: at for at, name in enumerate(ids)}
    ends = [
        (place[str(row["kept"])], place[str(row["record_id"])])
        if row["kept"] in place and row["record_id"] in place
        else None
        for row in flat
    ]
    known = [end for end in ends if end is not None]
    said = iter(
        tell_differences(list(found.values()), [a for a, _ in known], [b for _, b in known])
    )
    return [next(said) if end is not None else "" for end in ends]


def _member(row: dict[str, object], record: dict[str, object], differs: str) -> Member:
    return Member(
        record_id=str(row["record_id"]),
        action=str(row["action"]),
        reason=str(row["reason"]),
        differs=differs,
        probability=float(row["probability"]),  # type: ignore[arg-type]
        place=str(record.get("location") or ""),
        source=str(record.get("source") or ""),
        fields=texts_of(record),
        attributes=dict(record.get("attributes") or ()),  # type: ignore[call-overload]
        image_uri=record.get("image_uri"),  # type: ignore[arg-type]
        thumbnail=record.get("thumbnail"),  # type: ignore[arg-type]
    )
