"""A cluster as the page shows it: its head first, every member by pages, its links as a graph."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.outputs import is_removed, make_visible
from pipeline.reviewing.errors import not_found
from pipeline.reviewing.show.links import ClusterLinks, links_of
from pipeline.reviewing.show.records import show_record, title_of
from pipeline.reviewing.show.rows import align_rows
from pipeline.reviewing.tables import Row

if TYPE_CHECKING:
    from pipeline.reviewing.desk import Desk

Plain = dict[str, Any]
NODES, EDGES, CUTS = 60, 400, 50


def cluster_number(desk: Desk, name: str) -> int:
    """The number of a cluster by its id.

    Raises:
        ReviewError: the run has none of that id.
    """
    names = desk.tables.cluster_names
    at = int(pc.index(names, pa.scalar(name, names.type)).as_py())
    if at < 0:
        raise not_found(f"cluster {name}")
    return at


def show_brief(desk: Desk, cluster: int) -> Plain:
    """A cluster as a line of a list."""
    tables = desk.tables
    head = int(tables.heads[cluster])
    of_head = tables.clusters.slice(head, 1).to_pylist()[0]
    row = tables.record_rows([head])[0]
    members = tables.members(cluster)
    shown = show_record(row, tables, head)
    name = tables.cluster_names[cluster].as_py()
    inside = tables.pairs_within(cluster)
    return {
        "kind": "cluster",
        "key": name,
        "id": name,
        "size": int(tables.sizes[cluster]),
        "status": of_head["status"],
        "cohesion": round(of_head["cohesion"], 4),
        "evidence": of_head["evidence"],
        "title": shown["title"],
        "small": shown["picture"] and shown["picture"]["small"],
        "answered": int((~desk.book.open[inside]).sum()),
        "reviewed": desk.queues.is_reviewed(cluster),
        "why": _why(desk, cluster, of_head),
        "sources": sorted(set(tables.records["source"].take(pa.array(members)).to_pylist())),
    }


def _why(desk: Desk, cluster: int, of_head: Row) -> str:
    """Why a person should look, as far as the pairs tell."""
    name = desk.tables.cluster_names[cluster].as_py()
    if name in desk.queues.held_names():
        return "a gate holds it"
    if of_head["status"] != "review":
        return "nothing speaks against it"
    inside = desk.tables.pairs.take(pa.array(desk.tables.pairs_within(cluster)))
    if pc.any(inside["contradicts"]).as_py():
        return "text and picture of two members contradict each other"
    decided = set(inside["decision"].to_pylist())
    if "distinct" in decided:
        return "two members were judged distinct"
    if "review" in decided:
        return "two members are not alike enough to be sure"
    if not pc.all(inside["confirmed"]).as_py():
        return "what differs between two members may matter"
    return "a member was never compared with the kept record, or a link to another cluster was cut"


def show_cluster(desk: Desk, name: str, *, offset: int, limit: int) -> Plain:
    """A cluster, with some of its members.

    Raises:
        ReviewError: there is none of that id.
    """
    cluster = cluster_number(desk, name)
    tables = desk.tables
    order = desk.members_by_distance(cluster)
    links = links_of(tables, cluster)
    head = int(tables.heads[cluster])
    kept = tables.record_rows([head])[0]
    places = order[offset : offset + limit].tolist()
    rows = tables.record_rows(places)
    removed = is_removed(tables.clusters.take(pa.array(places, pa.int64()))).to_pylist()
    of_head = tables.clusters.slice(head, 1).to_pylist()[0]
    return {
        **show_brief(desk, cluster),
        "keeper": _keeper(desk, cluster, order, links, of_head["keeper_reason"]),
        "members": [
            _member(desk, row, place, offset + number, kept, head, gone)
            for number, (row, place, gone) in enumerate(zip(rows, places, removed, strict=True))
        ],
        "total": len(order),
        "offset": offset,
        "weakest": None if links.weakest is None else _edge(desk, links.weakest),
        "bridges": [{**_edge(desk, one.number), "sides": list(one.sides)} for one in links.bridges],
        "graph": _graph(desk, order, links) if not offset else None,
        "cuts": _cuts(desk, cluster),
    }


def _member(
    desk: Desk, row: Row, place: int, number: int, kept: Row, head: int, gone: bool
) -> Plain:
    tables, is_head = desk.tables, place == head
    pair = (min(kept["record_id"], row["record_id"]), max(kept["record_id"], row["record_id"]))
    at = -1 if is_head else tables.number_of(min(place, head), max(place, head))
    judged = tables.pairs.slice(at, 1).to_pylist()[0] if at >= 0 else None
    answer = desk.book.log.latest(pair)
    identical = all(row[kind] == kept[kind] for kind in ("text_hash", "image_hash"))
    reason = judged["reason"] if judged else "kept" if is_head else (
        "identical to the kept record" if identical else "never compared with the kept record"
    )  # fmt: skip
    return {
        "record": show_record(row, tables, place),
        "place": number,
        "keeper": is_head,
        "probability": round(tables.clusters["probability_to_representative"][place].as_py(), 4),
        "decision": judged and judged["decision"],
        "reason": make_visible(reason, limit=400),
        "differences": judged and judged["differences"]
        and make_visible(judged["differences"], limit=400),
        "identical": identical and not is_head,
        "rows": align_rows(kept, row),
        "answer": answer.label if answer else None,
        "removed": bool(gone),
    }  # fmt: skip


def _edge(desk: Desk, number: int) -> Plain:
    row = desk.tables.pairs.select(["left_id", "right_id", "decision"]).slice(number, 1)
    left, right, decision = (row[name][0].as_py() for name in row.column_names)
    answer = desk.book.log.latest((left, right))
    return {
        "left": left,
        "right": right,
        "probability": round(float(desk.tables.probability[number]), 4),
        "decision": decision,
        "answer": answer.label if answer else None,
    }


def _graph(desk: Desk, order: np.ndarray, links: ClusterLinks) -> Plain:
    """The nodes and edges that are drawn: what matters most first."""
    tables = desk.tables
    telling = [one.number for one in links.bridges]
    telling += [] if links.weakest is None else [links.weakest]
    first = [int(order[0]), *(int(end) for number in telling for end in tables.ends[number])]
    nodes = list(dict.fromkeys([*first, *order[: 2 * NODES].tolist()]))[:NODES]
    inside = np.isin(links.ends, nodes).all(axis=1) if len(links.ends) else np.zeros(0, bool)
    weak = links.numbers[inside]
    weak = weak[np.argsort(tables.probability[weak], kind="stable")].tolist()
    numbers = list(dict.fromkeys([*telling, *weak]))[:EDGES]
    shown = set(nodes)
    bridges = {one.number for one in links.bridges}
    edges = [
        {**_edge(desk, number), "bridge": number in bridges}
        for number in numbers
        if set(tables.ends[number].tolist()) <= shown
    ]
    rows = tables.record_rows(nodes)
    return {
        "nodes": [
            {"id": row["record_id"], "title": title_of(row), "keeper": place == int(order[0])}
            for row, place in zip(rows, nodes, strict=True)
        ],
        "edges": edges,
        "more_nodes": len(order) - len(nodes),
        "more_edges": len(links.numbers) - len(edges),
    }


def _keeper(desk: Desk, cluster: int, order: np.ndarray, links: ClusterLinks, reason: str) -> Plain:
    """The record that is kept, who wants another, and which others would do."""
    tables = desk.tables
    ids = tables.ids.take(pa.array(order)).to_pylist()
    chosen = [one for name in ids[:2_000] if (one := desk.book.log.keeper(name)) is not None]
    newest = max(chosen, key=lambda one: one.at, default=None)
    return {
        "id": ids[0],
        "reason": make_visible(reason, limit=300),
        "suggested": newest.left if newest else ids[0],
        "suggestions": _suggestions(desk, order, links),
        "chosen_by": newest.by if newest else None,
        "chosen": newest.left if newest else None,
    }


def _suggestions(desk: Desk, order: np.ndarray, links: ClusterLinks) -> list[Plain]:
    """Records that lead their cluster in something."""
    tables = desk.tables
    records = tables.records.take(pa.array(order))
    texts = tables.contents["text"].take(pa.array(order))
    degree = np.isin(links.ends[:, 0], order) if len(links.ends) else np.zeros(0)
    linked = np.bincount(
        np.searchsorted(np.sort(order), links.ends.ravel()), minlength=len(order)
    ) if len(degree) else np.zeros(len(order))  # fmt: skip
    linked = linked[np.argsort(np.argsort(order))]
    pixels = pc.multiply(
        pc.fill_null(records["image_width"], 0).cast("int64"),
        pc.fill_null(records["image_height"], 0).cast("int64"),
    ).to_numpy()
    values = [
        (pc.fill_null(pc.utf8_length(texts), 0).to_numpy(), "longest text"),
        (linked, "linked to the most members"),
        (pixels, "largest picture"),
        (pc.fill_null(records["timestamp"].cast("int64"), -1).to_numpy(), "newest"),
    ]
    found: dict[str, str] = {}
    for value, words in values:
        best = int(np.argmax(value))
        if value[best] > value[0] and value[best] > 0:
            name = records["record_id"][best].as_py()
            found[name] = f"{found[name]}, {words}" if name in found else words
    return [{"id": name, "reason": words} for name, words in found.items()]


def _cuts(desk: Desk, cluster: int) -> list[Plain]:
    """Links to other clusters that were cut, the likeliest first."""
    ids = desk.tables.ids.take(pa.array(desk.tables.members(cluster)))
    cuts = desk.tables.cut_links
    near = pc.or_(pc.is_in(cuts["left_id"], ids), pc.is_in(cuts["right_id"], ids))
    rows = cuts.filter(near).sort_by([("probability", "descending"), ("left_id", "ascending")])
    return [
        {**row, "probability": round(row["probability"], 4),
         "reason": make_visible(row["reason"], limit=300)}
        for row in rows.slice(0, CUTS).to_pylist()
    ]  # fmt: skip
