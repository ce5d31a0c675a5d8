"""Suggested pairs: those whose label would help the model most, for a person to fill in.

Most are chosen for what their answers are expected to bring (`aimed`); a random share of all
others, drawn with a known probability (`random_share`), keeps the precision estimable.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.arrays import Floats, Rows
from pipeline.errors import PipelineError
from pipeline.labels.questions.aimed import Answers, choose_aimed
from pipeline.labels.questions.random_share import draw_random
from pipeline.labels.questions.view import PairView, view_pairs
from pipeline.labels.sheet import SUGGESTED
from pipeline.labels.verdicts import DIFFERENT, SAME, latest_verdicts
from pipeline.storage import LABELS


@dataclass(frozen=True)
class _Questions:
    """Rows of the view in the order of asking, why each is asked, and what it stands for."""

    rows: Rows
    why: npt.NDArray[np.object_]
    weight: Floats


def suggest_pairs(
    pairs: pa.Table,
    labels: pa.Table | None,
    *,
    n: int,
    accept: float,
    review: float,
    seed: int,
    clusters: pa.Table | None = None,
    records: pa.Table | None = None,
    random_share: float = 0.25,
) -> pa.Table:
    """Choose up to `n` pairs that are not labelled yet, the same ones for the same input.

    Args:
        pairs: schemas.PAIRS, in any order.
        labels: schemas.LABELS; what they say steers what is asked next.
        clusters: record_id and cluster_id of the same run; None: accepted pairs count as joined.
        records: record_id, text and image_uri, to show what the ids stand for; fields and
            word_count, to ask about records of every shape.
        random_share: share of `n` drawn at random, stratified by score, from what is not chosen
            for its gain.
        seed: of the random share; what is chosen for its gain depends on no chance.

    Returns:
        `SUGGESTED`, in the order of asking: whoever stops after ten has answered the ten best,
        and a random share of these. `weight` is the number of pairs a row stands for, the inverse
        of its probability to be drawn: 1 for a pair chosen for its gain. Over all rows the weights
        add up to the unlabelled pairs.

    Raises:
        PipelineError: n, the share or the thresholds are out of range.
    """
    if n < 1 or not 0 < random_share <= 1 or review > accept:
        raise PipelineError(
            f"suggest at least one pair (n is {n}), a random share above 0 (it is "
            f"{random_share}), and review ({review}) not above accept ({accept})"
        )
    view = view_pairs(pairs, accept=accept, clusters=clusters, records=records)
    open_rows, answers = _answered(view, labels)
    total = min(n, len(open_rows))
    count = max(total - max(round(n * random_share), 1), 0)
    aimed, reasons = choose_aimed(
        view, open_rows, answers, count=count, accept=accept, review=review
    )
    drawn, names, weight = draw_random(
        np.setdiff1d(open_rows, aimed),
        view.probability,
        count=total - len(aimed),
        accept=accept,
        review=review,
        seed=seed,
    )
    order = _interleave(len(aimed), len(drawn))
    asked = _Questions(
        np.concatenate([aimed, drawn])[order],
        np.array([*reasons, *names], dtype=object)[order],
        np.concatenate([np.ones(len(aimed)), weight])[order],
    )
    return _sheet(view, asked, records)


def _answered(view: PairView, labels: pa.Table | None) -> tuple[Rows, Answers]:
    """The rows without a label, and the answers that say what a pair is."""
    latest = latest_verdicts(LABELS.empty_table() if labels is None else labels)
    place, code = view.places_of(latest), latest["code"].to_numpy()
    known = place >= 0
    open_rows = np.setdiff1d(np.arange(len(view.probability)), place[known])
    told = known & np.isin(code, [SAME, DIFFERENT])
    return open_rows, Answers(place[told], code[told] == SAME)


def _interleave(aimed: int, drawn: int) -> Rows:
    """The order of asking: the drawn pairs, which come last here, evenly among the others."""
    at = [(np.arange(part) + 0.5) / max(part, 1) for part in (aimed, drawn)]
    return np.argsort(np.concatenate(at), kind="stable")


def _sheet(view: PairView, asked: _Questions, records: pa.Table | None) -> pa.Table:
    chosen = view.table.take(pa.array(asked.rows))
    columns = {name: chosen[name] for name in ("left_id", "right_id", "text_cosine")}
    columns["probability"] = pa.array(view.probability[asked.rows])
    for side in ("left", "right"):
        texts, images = _contents(chosen[f"{side}_id"], records)
        columns |= {f"{side}_text": texts, f"{side}_image": images}
    columns["why"] = pa.array(asked.why, pa.string())
    columns["weight"] = pa.array(asked.weight)
    for name in ("label", "note"):
        columns[name] = pa.nulls(len(chosen), pa.string())
    return pa.table({name: columns[name] for name in SUGGESTED.names}).cast(SUGGESTED)


def _contents(ids: pa.ChunkedArray, records: pa.Table | None) -> tuple[pa.Array, pa.Array]:
    """Text and picture of each id, null where unknown."""
    if records is None:
        return pa.nulls(len(ids), pa.string()), pa.nulls(len(ids), pa.string())
    place = pc.index_in(ids, value_set=records["record_id"].combine_chunks())
    return records["text"].take(place), records["image_uri"].take(place)
