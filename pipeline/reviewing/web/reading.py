"""What the page reads: state, queues, pairs, clusters, answers, pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from fastapi import APIRouter, Query, Response

from pipeline.reviewing.acting.answering import list_answers
from pipeline.reviewing.acting.rules import list_rules
from pipeline.reviewing.errors import bad_request
from pipeline.reviewing.filters import Filters
from pipeline.reviewing.learning.told import told_learning, told_model
from pipeline.reviewing.queues import BY_NAME
from pipeline.reviewing.show.clusters import cluster_number, show_brief, show_cluster
from pipeline.reviewing.show.pairs import show_pair
from pipeline.reviewing.show.pictures import full_picture, overlay, small_picture

if TYPE_CHECKING:
    from pipeline.reviewing.desk import Desk

Plain = dict[str, Any]
Text = Annotated[str, Query(max_length=1_000)]
Id = Annotated[str, Query(max_length=10_000)]
Kept = {"Cache-Control": "private, max-age=3600"}


def routes(desk: Desk) -> APIRouter:
    """All that is read of a desk."""
    api = APIRouter()
    _queues(api, desk)
    _one(api, desk)

    @api.get("/state")
    def state(by: Text = "") -> Plain:
        desk.learner.wake()
        return desk.state(by or desk.by)

    @api.get("/learning")
    def learning() -> Plain:
        desk.book.refresh()
        desk.learner.wake()
        return told_learning(desk.learner)

    @api.get("/model")
    def model() -> Plain:
        return told_model(desk.maker, desk.learner)

    @api.get("/rules")
    def rules() -> Plain:
        return list_rules(desk)

    @api.get("/answers")
    def answers(
        q: Text = "", by: Text = "", label: Text = "", pair_left: Id = "", pair_right: Id = "",
        offset: Annotated[int, Query(ge=0)] = 0, limit: Annotated[int, Query(ge=1, le=200)] = 50,
    ) -> Plain:  # fmt: skip
        pair = (min(pair_left, pair_right), max(pair_left, pair_right)) if pair_left else None
        return list_answers(desk, q=q, by=by, label=label, pair=pair, offset=offset, limit=limit)

    return api


def asked_filters(
    source: Text = "",
    low: Annotated[float, Query(alias="min", ge=0, le=1)] = 0.0,
    high: Annotated[float, Query(alias="max", ge=0, le=1)] = 1.0,
    size_min: Annotated[int, Query(ge=1)] = 1,
    size_max: Annotated[int, Query(ge=1)] = 1 << 31,
    modality: Literal["", "text", "image", "both"] = "",
    other_folder: bool = False,
    other_source: bool = False,
    q: Text = "",
) -> Filters:
    """The filters of a request."""
    return Filters(
        source, low, high, size_min, size_max, modality, other_folder, other_source, q.strip()
    )


def _queues(api: APIRouter, desk: Desk) -> None:
    from fastapi import Depends

    asked = Annotated[Filters, Depends(asked_filters)]

    def next_(
        wanted: asked,
        queue: Text = "teaches",
        n: Annotated[int, Query(ge=1, le=20)] = 5,
        by: Text = "",
        exclude: Annotated[list[str] | None, Query(max_length=500)] = None,
    ) -> Plain:
        if queue not in BY_NAME:
            raise bad_request(f"there is no queue {queue!r}; one of {', '.join(BY_NAME)}")
        desk.learner.wake()
        who, held = by or desk.by, exclude or []
        if BY_NAME[queue].kind == "cluster":
            names = [cluster_number(desk, one) for one in held if not one.startswith("p")]
            rows = desk.queues.clusters(queue, wanted, exclude=names)
            items = [show_brief(desk, int(row)) for row in rows[:n]]
            left = len(rows) + len(names)
        else:
            numbers = [int(one[1:]) for one in held if one[:1] == "p" and one[1:].isdigit()]
            chosen, left = desk.next_pairs(queue, wanted, by=who, exclude=numbers, n=n)
            ends = desk.tables.pairs.select(["left_id", "right_id"])
            items = []
            for number, why, twice in chosen:
                left_id, right_id = (column[number].as_py() for column in ends.columns)
                origin = "review" if twice else desk.origin_of(queue, why)
                items.append(
                    show_pair(desk, left_id, right_id, by=who, why=why, blind=twice, origin=origin)
                )
        return {"items": items, "left": left, "queue": queue, "version": desk.queues.version}

    def clusters(
        wanted: asked,
        queue: Text = "largest",
        offset: Annotated[int, Query(ge=0)] = 0,
        limit: Annotated[int, Query(ge=1, le=200)] = 50,
    ) -> Plain:
        if queue not in BY_NAME or BY_NAME[queue].kind != "cluster":
            raise bad_request(f"{queue!r} is no queue of clusters")
        rows = desk.queues.clusters(queue, wanted, all_=True)
        shown = rows[offset : offset + limit]
        return {"total": len(rows), "items": [show_brief(desk, int(row)) for row in shown]}

    # Their signature is read here: a name of this function means nothing to FastAPI as a string.
    for handler in (next_, clusters):
        handler.__annotations__["wanted"] = asked
    api.get("/next")(next_)
    api.get("/clusters")(clusters)


def _one(api: APIRouter, desk: Desk) -> None:
    @api.get("/pair")
    def pair(left: Id, right: Id, by: Text = "") -> Plain:
        desk.book.refresh()
        return show_pair(desk, left, right, by=by or desk.by)

    @api.get("/cluster")
    def cluster(
        name: Annotated[str, Query(alias="id", max_length=200)],
        offset: Annotated[int, Query(ge=0)] = 0,
        limit: Annotated[int, Query(ge=1, le=200)] = 50,
    ) -> Plain:
        desk.book.refresh()
        return show_cluster(desk, name, offset=offset, limit=limit)

    @api.get("/picture")
    def picture(record: Id, size: Literal["small", "full"] = "small") -> Response:
        if size == "small":
            data, kind = small_picture(desk, record)
            return Response(data, media_type=kind, headers=Kept)
        data, kind, told = full_picture(desk, record)
        return Response(data, media_type=kind, headers={**Kept, "X-Gemel-Picture": told})

    @api.get("/overlay")
    def laid_over(left: Id, right: Id) -> Response:
        return Response(overlay(desk, left, right), media_type="image/jpeg", headers=Kept)
