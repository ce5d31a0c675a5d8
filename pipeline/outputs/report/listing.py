"""The list of all clusters: a line each, which the page sorts, searches and shows by pages."""

from __future__ import annotations

import json
from collections.abc import Iterable

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

from pipeline.arrays import as_array
from pipeline.outputs.report.view import ClusterRow, ListedCluster
from pipeline.outputs.visible import make_visible

TITLE = 90  # characters of the kept record's text
MEMBERS = 12  # records of a cluster by whose ids it is found


def list_clusters(
    clusters: pa.Table, records: pa.Table | ds.Dataset, shown: Iterable[ClusterRow], *, n: int
) -> tuple[ListedCluster, ...]:
    """The `n` largest clusters of two or more, the largest and then the weakest first.

    Args:
        clusters: the table of clusters. records: that of records, or a dataset, which is streamed.
        shown: what the page shows in full.
    """
    numbers = {cluster.cluster_id: cluster.number for cluster in shown}
    rows = clusters.filter(pc.greater(clusters["size"], 1))
    kept = rows.filter(pc.equal(rows["record_id"], rows["representative"]))
    keys = [("size", "descending"), ("cohesion", "ascending"), ("cluster_id", "ascending")]
    kept = kept.take(pc.sort_indices(kept, sort_keys=keys)[:n])
    titles = _titles(records, as_array(kept["record_id"]))
    members = _members(rows, as_array(kept["cluster_id"]))
    return tuple(
        ListedCluster(
            cluster_id=make_visible(row["cluster_id"]),
            size=row["size"],
            cohesion=round(row["cohesion"], 4),
            status=make_visible(row["status"]),
            evidence=make_visible(row["evidence"]),
            title=make_visible(title_of(titles.get(row["record_id"]) or row["record_id"])),
            members=tuple(make_visible(name, limit=200) for name in members[row["cluster_id"]]),
            number=numbers.get(make_visible(row["cluster_id"]), 0),
        )
        for row in kept.to_pylist()
    )


def as_data(listed: Iterable[ListedCluster]) -> str:
    """The list as JSON that may stand inside a `<script>`: no character ends the element."""
    lines = [
        [c.cluster_id, c.size, c.cohesion, c.status, c.evidence, c.title, c.members, c.number]
        for c in listed
    ]
    data = json.dumps(lines, ensure_ascii=True, separators=(",", ":"))
    for sign in "<>&":
        data = data.replace(sign, f"\\u{ord(sign):04x}")
    return data


def title_of(text: str) -> str:
    """The first words of a text."""
    words = " ".join(text[:200].split())
    return words if len(words) <= TITLE else f"{words[:TITLE].rstrip()}…"


def _titles(records: pa.Table | ds.Dataset, ids: pa.Array) -> dict[str, str | None]:
    source = records if isinstance(records, ds.Dataset) else ds.dataset(records)
    columns = {
        "record_id": ds.field("record_id"),
        "text": pc.utf8_slice_codeunits(ds.field("text"), 0, 200),
    }
    found = source.to_table(columns=columns, filter=ds.field("record_id").isin(ids))
    return dict(zip(found["record_id"].to_pylist(), found["text"].to_pylist(), strict=True))


def _members(rows: pa.Table, ids: pa.Array) -> dict[str, list[str]]:
    """The first members of some clusters by id."""
    inside = rows.filter(pc.is_in(rows["cluster_id"], value_set=ids))
    inside = inside.sort_by([("cluster_id", "ascending"), ("record_id", "ascending")])
    names, of = inside["record_id"].to_pylist(), inside["cluster_id"].to_pylist()
    found: dict[str, list[str]] = {}
    for name, cluster in zip(names, of, strict=True):
        members = found.setdefault(cluster, [])
        if len(members) < MEMBERS:
            members.append(name)
    return found
