"""Suggested pairs: those whose label would help the model most, for a person to fill in.

Pairs near the thresholds and pairs on which cosine and judge disagree help the most; a random
share of all others, drawn with a known probability, keeps the precision estimable.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from scipy.stats import rankdata

from pipeline.arrays import Floats, Ints
from pipeline.errors import PipelineError
from pipeline.labels.sheet import SUGGESTED, round_probability

NEAR_ACCEPT, NEAR_REVIEW, DISAGREE = "near accept", "near review", "cosine and judge disagree"


def suggest_pairs(
    pairs: pa.Table,
    labelled: pa.Table | None,
    *,
    n: int,
    accept: float,
    review: float,
    seed: int,
    records: pa.Table | None = None,
    random_share: float = 0.4,
) -> pa.Table:
    """Choose up to `n` pairs that are not labelled yet, the same ones for the same input.

    Args:
        pairs: schemas.PAIRS, in any order.
        labelled: left_id and right_id of labelled pairs, either way round.
        records: record_id, text and image_uri, to show what the ids stand for.
        random_share: share of `n` drawn at random, stratified by score, from what is not chosen
            for its score; the rest is divided between both thresholds and the disagreements.

    Returns:
        `SUGGESTED`, sorted by why and ids. `weight` is the number of pairs a row stands for, the
        inverse of its probability to be drawn: 1 for a pair chosen for its score. Over all rows
        the weights add up to the unlabelled pairs.

    Raises:
        PipelineError: n, the share or the thresholds are out of range.
    """
    if n < 1 or not 0 < random_share <= 1 or review > accept:
        raise PipelineError(
            f"suggest at least one pair (n is {n}), a random share above 0 (it is "
            f"{random_share}), and review ({review}) not above accept ({accept})"
        )
    open_pairs = _drop_labelled(pairs, labelled)
    probability = round_probability(open_pairs["probability"])
    why = np.full(len(open_pairs), "", dtype=object)
    total = min(n, len(open_pairs))
    aimed = max(total - int(np.ceil(n * random_share)), 0)
    third = -(-aimed // 3)
    _choose(why, NEAR_ACCEPT, np.abs(probability - accept), count=third)
    _choose(
        why, NEAR_REVIEW, np.abs(probability - review), count=min(third, aimed - _chosen_rows(why))
    )
    apart = _disagreement(open_pairs, probability)
    _choose(why, DISAGREE, np.where(apart > 0, -apart, np.inf), count=aimed - _chosen_rows(why))
    weight = (why != "").astype(np.float64)
    strata = _strata(why, probability, accept=accept, review=review)
    _draw(why, weight, strata, count=total - _chosen_rows(why), seed=seed)
    return _sheet(open_pairs, why, weight=weight, records=records)


def _drop_labelled(pairs: pa.Table, labelled: pa.Table | None) -> pa.Table:
    """The pairs without a label, sorted by their ids."""
    keys = ["left_id", "right_id"]
    columns = [*keys, "probability", "text_cosine", "image_cosine"]
    pairs = pairs.select(columns)
    if labelled is not None and len(labelled):
        known = labelled.select(keys).cast(pa.schema([(key, pa.string()) for key in keys]))
        both = pa.concat_tables([known, known.select(keys[::-1]).rename_columns(keys)])
        pairs = pairs.join(both, keys=keys, join_type="left anti")
    return pairs.sort_by([(key, "ascending") for key in keys])


def _chosen_rows(why: npt.NDArray[np.object_]) -> int:
    return int((why != "").sum())


def _choose(why: npt.NDArray[np.object_], name: str, distance: Floats, *, count: int) -> None:
    """Mark the `count` nearest of the rows not yet chosen; an infinite distance is never near."""
    order = np.argsort(distance, kind="stable")
    free = order[(why[order] == "") & np.isfinite(distance[order])]
    why[free[: max(count, 0)]] = name


def _disagreement(pairs: pa.Table, probability: Floats) -> Floats:
    """How far apart the pair's places by cosine and by judge are, 0 … 1; 0 without a cosine."""
    cosine = round_probability(pc.coalesce(pairs["text_cosine"], pairs["image_cosine"]))
    known = np.flatnonzero(~np.isnan(cosine))
    apart = np.zeros(len(pairs))
    if len(known):
        places = rankdata(cosine[known]) - rankdata(probability[known])
        apart[known] = np.abs(places) / len(known)
    return apart


def _strata(
    why: npt.NDArray[np.object_], probability: Floats, *, accept: float, review: float
) -> list[tuple[str, Ints]]:
    """The rows not yet chosen by score, the highest first; no stratum crosses a threshold."""
    inner = {review / 2, review, accept, (1 + accept) / 2}
    edges = [0.0, *sorted(round(edge, 6) for edge in inner if 0 < edge < 1), np.inf]
    place = np.searchsorted(edges, probability, side="right") - 1
    strata = []
    for at in range(len(edges) - 2, -1, -1):
        rows = np.flatnonzero((why == "") & (place == at))
        if len(rows):
            strata.append((f"random {edges[at]:g} to {min(edges[at + 1], 1):g}", rows))
    return strata


def _draw(
    why: npt.NDArray[np.object_], weight: Floats, strata: list[tuple[str, Ints]], *, count: int,
    seed: int,
) -> None:  # fmt: skip
    """Draw rows evenly from the strata, each row of a stratum with one known probability."""
    if 0 < count < len(strata):  # too few for one of each: no stratum may go without
        strata = [("random", np.sort(np.concatenate([rows for _, rows in strata])))]
    generator = np.random.default_rng(seed)
    shares = even_shares([len(rows) for _, rows in strata], count)
    for (name, rows), share in zip(strata, shares, strict=True):
        if share:
            drawn = generator.choice(rows, size=share, replace=False)
            why[drawn] = name
            weight[drawn] = len(rows) / share


def even_shares(sizes: list[int], count: int) -> list[int]:
    """Share `count` out evenly, to none more than its size; what is left over goes to the first."""
    shares = [0] * len(sizes)
    left = min(count, sum(sizes))
    while left:
        open_places = [place for place, size in enumerate(sizes) if shares[place] < size]
        each = max(left // len(open_places), 1)
        for place in open_places:
            more = min(each, sizes[place] - shares[place], left)
            shares[place] += more
            left -= more
    return shares


def _sheet(
    pairs: pa.Table, why: npt.NDArray[np.object_], *, weight: Floats, records: pa.Table | None
) -> pa.Table:
    rows = np.flatnonzero(why != "")
    chosen = pairs.take(pa.array(rows))
    columns = {name: chosen[name] for name in ("left_id", "right_id", "probability", "text_cosine")}
    for side in ("left", "right"):
        texts, images = _contents(chosen[f"{side}_id"], records)
        columns |= {f"{side}_text": texts, f"{side}_image": images}
    columns["why"] = pa.array(why[rows], pa.string())
    columns["weight"] = pa.array(weight[rows])
    for name in ("label", "note"):
        columns[name] = pa.nulls(len(rows), pa.string())
    sheet = pa.table({name: columns[name] for name in SUGGESTED.names}).cast(SUGGESTED)
    return sheet.sort_by([(key, "ascending") for key in ("why", "left_id", "right_id")])


def _contents(ids: pa.ChunkedArray, records: pa.Table | None) -> tuple[pa.Array, pa.Array]:
    """Text and picture of each id, null where unknown."""
    if records is None:
        return pa.nulls(len(ids), pa.string()), pa.nulls(len(ids), pa.string())
    place = pc.index_in(ids, value_set=records["record_id"].combine_chunks())
    return records["text"].take(place), records["image_uri"].take(place)
