"""Differences between the clusters of two runs, as far as the gates ask."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.outputs import is_removed

SHOWN = 5  # clusters named as responsible


@dataclass(frozen=True)
class RemovalCounts:
    """Records that tonight's removal list names and last night's did not.

    Attributes:
        listed, listed_before: length of tonight's list and of last night's.
        newly: records in tonight's list and not in last night's.
        arrived: those of them that were no record at all last night.
        by_source: source -> newly removed records, sources without any left out.
        clusters: source -> ids of the clusters with most of them; '' is all sources.
    """

    listed: int
    listed_before: int
    newly: int
    arrived: int
    by_source: dict[str, int]
    clusters: dict[str, tuple[str, ...]]


@dataclass(frozen=True)
class ClusterGrowth:
    """A cluster tonight, and the size last night of the one it shares most members with."""

    cluster_id: str
    size: int
    before: int


def count_removals(clusters: pa.Table, before: pa.Table) -> RemovalCounts:
    """Compare two nights' removal lists, the default ones: without clusters in review.

    Args:
        clusters, before: columns record_id, cluster_id, representative, status.
    """
    listed, earlier = (table.filter(is_removed(table)) for table in (clusters, before))
    fresh = listed.filter(pc.invert(_among(listed["record_id"], earlier["record_id"])))
    arrived = pc.invert(_among(fresh["record_id"], before["record_id"]))
    sources = _sources(fresh["record_id"])
    ids = fresh["cluster_id"].to_pylist()
    return RemovalCounts(
        listed=len(listed),
        listed_before=len(earlier),
        newly=len(fresh),
        arrived=pc.sum(arrived).as_py() or 0,
        by_source=dict(sorted(Counter(sources).items())),
        clusters={
            "": _most(ids),
            **{
                name: _most([one for one, of in zip(ids, sources, strict=True) if of == name])
                for name in sorted(set(sources))
            },
        },
    )


def cluster_growths(
    clusters: pa.Table, before: pa.Table | None, *, above: int
) -> list[ClusterGrowth]:
    """Tonight's clusters of more than `above` records against last night's, the largest first.

    Args:
        clusters, before: columns record_id, cluster_id, size; without `before` all sizes of last
            night are 0.
    """
    large = clusters.filter(pc.greater(clusters["size"], above))
    previous: dict[str, int] = {}
    if before is not None and len(large):
        members = before.filter(_among(before["record_id"], large["record_id"]))
        at = pc.index_in(members["record_id"], value_set=large["record_id"].combine_chunks())
        tonight = large["cluster_id"].take(at)
        shared = Counter(
            zip(
                tonight.to_pylist(),
                members["cluster_id"].to_pylist(),
                members["size"].to_pylist(),
                strict=True,
            )
        )
        # The most members in common; between equals the larger, then the smaller id.
        for (now, _, size), _ in sorted(
            shared.items(), key=lambda item: (item[1], item[0][2], item[0][1])
        ):
            previous[now] = size
    sizes = dict(zip(large["cluster_id"].to_pylist(), large["size"].to_pylist(), strict=True))
    found = [ClusterGrowth(one, size, previous.get(one, 0)) for one, size in sizes.items()]
    return sorted(found, key=lambda growth: (-growth.size, growth.cluster_id))


def count_in_review(clusters: pa.Table) -> tuple[int, tuple[str, ...]]:
    """How many records are in clusters in review, and the largest of these clusters."""
    waiting = clusters.filter(pc.equal(clusters["status"], "review"))
    return len(waiting), _most(waiting["cluster_id"].to_pylist())


def rows_by_source(*columns: pa.ChunkedArray) -> dict[str, int]:
    """How often each source occurs in some columns of sources."""
    found: Counter[str] = Counter()
    for column in columns:
        for entry in pc.value_counts(column).to_pylist():
            found[entry["values"]] += entry["counts"]
    return dict(sorted(found.items()))


def _among(ids: pa.ChunkedArray, others: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.is_in(ids, value_set=others.combine_chunks())


def _sources(ids: pa.ChunkedArray) -> list[str]:
    """The source that each record id begins with: 'source:key'."""
    return [str(one).split(":", 1)[0] for one in ids.to_pylist()]


def _most(ids: list[str]) -> tuple[str, ...]:
    """The most frequent ids, ties by the id itself."""
    ranked = sorted(Counter(ids).items(), key=lambda item: (-item[1], item[0]))
    return tuple(one for one, _ in ranked[:SHOWN])


@dataclass(frozen=True)
class RewrittenIds:
    """Ids that are gone since the previous run and are there written otherwise.

    Attributes:
        count: how many. before: ids of the previous run. example: one, before and now.
    """

    count: int
    before: int
    example: tuple[str, str] | None = None


def rewritten_ids(before: pa.Array, tonight: pa.Array) -> RewrittenIds:
    """Find ids that came back as another type of column writes them: 12.0, 0012 or AB for ab."""
    gone = before.filter(pc.invert(pc.is_in(before, value_set=tonight)))
    new = tonight.filter(pc.invert(pc.is_in(tonight, value_set=before)))
    if not len(gone) or not len(new):
        return RewrittenIds(0, len(before))
    at = pc.index_in(_plain(gone), value_set=_plain(new))
    known = pc.is_valid(at)
    count = pc.sum(known).as_py() or 0
    if not count:
        return RewrittenIds(0, len(before))
    pairs = sorted(
        zip(gone.filter(known).to_pylist(), new.take(at.drop_null()).to_pylist(), strict=True)
    )
    return RewrittenIds(count, len(before), pairs[0])


def _plain(ids: pa.Array) -> pa.Array:
    """Ids without what a change of type changes: leading zeros, a point and zeros, case."""
    return pc.replace_substring_regex(
        pc.utf8_lower(ids), pattern=r"^([^:]*:)\s*0*([0-9]+)(?:\.0+)?\s*$", replacement=r"\1\2"
    )
