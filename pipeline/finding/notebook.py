"""Groups of a look as a notebook shows them: tables of escaped text and small pictures."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from html import escape

from pipeline.catalog import RunCounts
from pipeline.finding.groups import Group, Member
from pipeline.outputs import differences, make_visible

VALUE = 300  # characters of a text
_CELL = 'style="text-align:left;vertical-align:top"'
_RULE = 'style="border-top:1px solid #999"'


def found_html(counts: RunCounts, sure: Sequence[Group], doubtful: Sequence[Group]) -> str:
    """Counts, the surest and the most doubtful groups."""
    parts = [
        f"<p><b>{counts.records:,} records, {counts.duplicate_clusters:,} groups of duplicates</b>;"
        f" {counts.removable:,} copies could go, "
        f"{counts.removable_in_review:,} more after a look</p>"
    ]
    for title, groups in (("The surest", sure), ("The most doubtful", doubtful)):
        if groups:
            rows = "".join(map(_group, groups))
            head = "<tr><th></th><th>action</th><th>record</th><th>text</th></tr>"
            parts.append(f"<p><b>{title}</b></p><table>{head}{rows}</table>")
    return "".join(parts)


def _group(group: Group) -> str:
    kept = group.members[0]
    about = "identical" if group.identical else f"{min(group.sure, 0.999):.1%}"
    rows = []
    for place, member in enumerate(group.members):
        first = f"<b>{group.number}</b><br>{about}" if not place else ""
        rule = _RULE if not place else ""
        cells = (first, _said(member.action), _said(member.record_id), _texts(member, kept))
        rows.append(
            f"<tr {rule}>" + "".join(f"<td {_CELL}>{cell}</td>" for cell in cells) + "</tr>"
        )
    return "".join(rows)


def _texts(member: Member, kept: Member) -> str:
    shown = []
    for name, value in member.fields.items():
        other = kept.fields.get(name)
        label = f"<i>{_said(name)}</i>: " if len(member.fields) > 1 else ""
        same = member is kept or other in (None, value)
        shown.append(label + (_said(value[:VALUE]) if same else _marked(value, str(other))))
    if member.thumbnail and member.thumbnail.startswith(b"\xff\xd8\xff"):
        data = base64.b64encode(member.thumbnail).decode()
        shown.append(f'<img alt="" height="96" src="data:image/jpeg;base64,{data}">')
    return "<br>".join(shown)


def _marked(value: str, other: str) -> str:
    parts = []
    for segment in differences(value, other=other):
        if segment.kind != "gone":
            text = escape(segment.text)
            parts.append(f"<mark>{text}</mark>" if segment.kind == "added" else text)
    return "".join(parts)


def _said(text: str) -> str:
    return escape(make_visible(text))
