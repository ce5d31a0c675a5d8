"""Words of a look on the terminal: groups side by side, what differs marked, counts, and where."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.text import Text

from pipeline.finding.found import Found
from pipeline.finding.groups import Group, Member
from pipeline.outputs import DIFFER, LOOK, differences, make_visible

VALUE = 240  # characters of a text
SAME = 120  # of what all members share
INDENT = 10
STYLE = {"keep": "bold green", "remove": "red", "look": "yellow"}


def found_lines(found: Found, *, colour: bool) -> list[Text]:
    """The surest and the most doubtful groups, the counts, and where all of it is.

    Args:
        colour: differing words are shown in colour; else between « and ».
    """
    sure, doubtful = found.shown()
    lines: list[Text] = []
    if sure:
        total = len(found.rows) and int(found.rows["group"][-1].as_py())
        lines.append(_head(f"The surest {len(sure)} of {total:,} groups" if total > len(sure)
                           else "The groups found"))  # fmt: skip
        for group in sure:
            lines += _group(group, colour=colour)
    if doubtful:
        lines.append(_head(f"The {len(doubtful)} most doubtful"))
        for group in doubtful:
            lines += _group(group, colour=colour)
    return [*lines, *_counts(found), *_places(found)]


def _head(words: str) -> Text:
    return Text(f"\n{words}", style="bold")


def _group(group: Group, *, colour: bool) -> list[Text]:
    kept, *others = group.members
    about = "identical" if group.identical else f"{_percent(group.sure)} sure"
    what = "" if group.identical else next((m.differs for m in others if m.differs), "")
    head = f"\n{group.number}. {group.size} records, {about}"
    lines = [Text(head + (f"; differs: {_short(what, 140)}" if what else ""), style="bold")]
    shared = _shared(group.members)
    for member in group.members:
        lines += _member(member, kept, shared, colour=colour)
    if shared and len(shared) == len(kept.fields) and kept.fields:
        told = ("same text: " if len(shared) == 1 else "all the same: ") + _joined(shared)
        lines.append(_line("", Text(_short(told, VALUE)), style="dim"))
    elif shared:
        lines.append(_line("", Text(_short(f"the same: {_joined(shared)}", SAME)), style="dim"))
    if group.size > len(group.members):
        lines.append(_line("", Text(f"and {group.size - len(group.members):,} more"), style="dim"))
    if group.review and LOOK in kept.reason:
        why = kept.reason.partition(LOOK)[2]
        why = why.partition(DIFFER)[0] if what else why  # what differs stands above
        lines.append(_line("", Text(f"{LOOK}{_short(why, 160)}"), style="yellow"))
    return lines


def _member(member: Member, kept: Member, shared: dict[str, str], *, colour: bool) -> list[Text]:
    own = [(name, value) for name, value in member.fields.items() if name not in shared]
    place = member.place
    if member.image_uri and not member.fields:
        place = member.image_uri
    where = Text(make_visible(place, limit=80), style="dim")
    lines = [_line(member.action, where, style=STYLE.get(member.action, ""))]
    named = len(kept.fields) > 1 or len(member.fields) > 1
    for name, value in own:
        other = kept.fields.get(name)
        text = Text(f"{name}: " if named else "")
        text.append_text(
            Text(_short(make_visible(value), VALUE))
            if member is kept or other is None
            else _marked(value, other, colour=colour)
        )
        lines.append(_line("", text))
    return lines


def _marked(value: str, other: str, *, colour: bool) -> Text:
    """A text with the words that the other lacks marked."""
    text, left, gone = Text(), VALUE, ""
    for segment in differences(value, other=other):
        if segment.kind == "gone":
            gone = segment.text
            continue
        shown = segment.text[:left]
        if text.plain.endswith(" "):
            shown = shown.removeprefix(" ")
        left -= len(shown)
        # Case alone is no difference that anyone looks for.
        if segment.kind == "added" and segment.text.casefold() != gone.casefold():
            text.append(shown if colour else f"«{shown}»", style="bold magenta")
        else:
            text.append(shown, style="dim" if segment.kind == "gap" else "")
        gone = ""
        if left <= 0:
            text.append("…")
            break
    return text


def _shared(members: Sequence[Member]) -> dict[str, str]:
    """The columns in which all members say the same."""
    first = members[0].fields
    return {
        name: value
        for name, value in first.items()
        if all(member.fields.get(name) == value for member in members)
    }


def _joined(fields: dict[str, str]) -> str:
    if list(fields) == ["text"]:
        return fields["text"]
    return "; ".join(f"{name}: {value}" for name, value in fields.items())


def _line(label: str, words: Text, *, style: str = "") -> Text:
    line = Text(f"   {label:<{INDENT - 3}}", style=style)
    if not label and style:
        words.stylize(style)
    return line.append_text(words)


def _short(text: str, most: int) -> str:
    text = " ".join(make_visible(text).split())
    return text if len(text) <= most else text[: most - 1] + "…"


def _percent(share: float) -> str:
    return f"{min(share, 0.999):.1%}" if share > 0.99 else f"{share:.0%}"


def _counts(found: Found) -> Iterable[Text]:
    """What was found, in plain words, and what looks wrong."""
    counts = found.summary.counts
    groups = counts.duplicate_clusters
    lines = [Text()]
    if not groups:
        lines.append(Text(f"No duplicates among {counts.records:,} records.", style="bold"))
    else:
        copies = counts.removable + counts.removable_in_review
        lines.append(
            Text(
                f"{counts.records:,} records, {groups:,} groups of duplicates: {copies:,} copies "
                f"could go, {counts.removable:,} of them surely and "
                f"{counts.removable_in_review:,} after a look. Nothing was deleted.",
                style="bold",
            )
        )
    if counts.quarantined:
        lines.append(
            Text(f"{counts.quarantined:,} rows could not be read or are empty; see the report.")
        )
    return [*lines, *(Text(f"note: {said}", style="yellow") for said in strange_columns(found))]


def strange_columns(found: Found) -> list[str]:
    """What makes too many records alike, or none comparable, with the column's name."""
    counts = found.summary.counts
    if counts.records >= 20 and counts.largest_cluster > 0.3 * counts.records:
        number = int(found.rows.sort_by([("size", "descending")])["group"][0].as_py())
        from pipeline.finding.groups import make_groups

        group = make_groups(found.rows, found.records, [number], members=50)[0]
        shared = _shared(group.members)
        first, *others = group.members[0].fields or ("the pictures",)
        names = ", ".join(shared) or first
        hint = f": name other columns with --text (there are {', '.join(others)})" if others else ""
        return [
            f"one group holds {counts.largest_cluster:,} of {counts.records:,} records; they agree "
            f"in {names}{hint}"
        ]
    if counts.with_text > 20 and counts.short_texts > 0.9 * counts.with_text:
        return ["nearly all texts have only a word or two: name more columns with --text"]
    if counts.records > 20 and not counts.candidates:
        return ["no two records have enough in common to be compared; name other columns: --text"]
    return []


def _places(found: Found) -> Iterable[Text]:
    lines = [*((("table", path)) for path in found.tables)]
    if found.report:
        lines.append(("report", found.report))
    return [Text(f"{name:<8}{path}") for name, path in lines]
