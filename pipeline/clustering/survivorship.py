"""Survivorship: which record of a cluster is kept, by the configured rules in order."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.arrays import Floats, Positions, Rows
from pipeline.clustering.cover.constraints import ConstrainedLinks
from pipeline.config import ClusterSettings
from pipeline.ingestion import ENLARGED

GRADE = 1.25  # pixels of one grade of resolution, as a multiple of those of the grade below


def keeper_ranks(
    columns: Iterable[tuple[str, npt.NDArray[np.float64], str]], count: int
) -> tuple[Rows, npt.NDArray[np.str_]]:
    """Rank records by a keeper policy.

    Args:
        columns: (rule name, (n,) value where higher is preferred, phrase) in order of priority.
        count: n; ties end with the smallest row number.

    Returns:
        (n,) rank of each record, 0 the most wanted, and the phrase of each rule in order.
    """
    listed = list(columns)
    keys = [np.arange(count, dtype=np.float64)] + [-value for _, value, _ in reversed(listed)]
    order = np.lexsort(keys)
    rank = np.empty(count, np.int64)
    rank[order] = np.arange(count)
    return rank, np.array([phrase for _, _, phrase in listed])


def preference(
    records: pa.Table, bound: ConstrainedLinks, settings: ClusterSettings
) -> tuple[Positions, list[tuple[str, Floats, str]]]:
    """Rank records (n,) by the configured keeper policy; also each rule's values and phrase."""
    rules: list[tuple[str, Floats, str]] = [
        (name, *_value(name, records, bound, settings)) for name in settings.keeper
    ]
    return keeper_ranks(rules, len(records))[0], rules


def _value(
    rule: str, records: pa.Table, bound: ConstrainedLinks, settings: ClusterSettings
) -> tuple[Floats, str]:
    match rule:
        case "longest_text":
            return _numbers(pc.utf8_length(records["text"])), "longest text"
        case "highest_resolution":
            return _resolution(records), "highest resolution"
        case "newest":
            return _numbers(records["timestamp"].cast(pa.int64()), missing=-(2.0**63)), "newest"
        case "oldest":
            return -_numbers(records["timestamp"].cast(pa.int64()), missing=2.0**63), "oldest"
        case "source_priority":
            order = pa.array(settings.source_priority, pa.string())
            place = pc.fill_null(pc.index_in(records["source"], value_set=order), len(order))
            return -_numbers(place), "preferred source"
        case _:
            weight, links = np.zeros(len(bound.rows)), bound.links
            np.add.at(weight, links.left, links.probability)
            np.add.at(weight, links.right, links.probability)
            return np.round(weight[bound.of_record], 4), "most central"


def _resolution(records: pa.Table) -> Floats:
    """(n,) grade of each picture's resolution, one higher for a quarter more pixels; 0: no picture.

    Pixels count by the share of the longer side up to which there is detail, in full from
    `ENLARGED` on: above it shares tell photographs, compression and drawn-over text apart, not
    copies. Where the share is not known all count.
    """
    width, height = _numbers(records["image_width"]), _numbers(records["image_height"])
    true = _numbers(records["image_effective_side"], missing=np.inf)
    longer = np.maximum(np.maximum(width, height), 1)
    share = np.minimum(1, true / (ENLARGED * longer))
    # Squared, the share leaves an enlarged copy the pixels of its source, give or take the
    # measure's error. Squared again, the copy is behind by the square of its enlargement.
    pixels = np.maximum(width * height * share**4, 1)
    # Grades, so that what compression does to the measure is left to the next rule.
    return np.where(width * height > 0, 1 + np.rint(np.log(pixels) / np.log(GRADE)), 0)


def _numbers(column: pa.ChunkedArray, missing: float = 0.0) -> Floats:
    return np.asarray(pc.fill_null(column.cast(pa.float64()), missing).to_numpy(), np.float64)
