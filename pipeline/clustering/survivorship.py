"""Survivorship: which record of a cluster is kept.

Of pictures the one that holds more: an edited copy is never preferred to what it was made of. Where
that does not tell, and of records with texts, the configured rules decide, in order.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.arrays import Flags, Floats, Positions, Rows, as_strings
from pipeline.clustering.cover.constraints import ConstrainedLinks
from pipeline.config import ClusterSettings
from pipeline.ingestion import ENLARGED

CHOSEN = "a person chose it"
EDITED = "the other is an edited copy of it"
LOSSLESS = 100  # quality, see `pipeline.ingestion.pictures.holdings`
POOR = 50  # quality below which compression takes detail away
QUALITIES, GOOD = 10, 80  # that count as one; from which more is no better
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
    """Rank records (n,): what a person chose, what pictures hold, then the keeper policy; also each
    rule's values.

    Args:
        records: the columns of the policy; `chosen`, `edited` and what pictures hold, where it is
            known.
    """
    rules = [
        *_of_persons(records),
        *_of_pictures(records),
        *((name, *_value(name, records, bound, settings)) for name in settings.keeper),
    ]
    return keeper_ranks(rules, len(records))[0], rules


def _of_persons(records: pa.Table) -> list[tuple[str, Floats, str]]:
    """The rule of those that a person chose to be kept."""
    if "chosen" not in records.column_names:
        return []
    return [("chosen", _numbers(records["chosen"].cast(pa.int8())), CHOSEN)]


def _of_pictures(records: pa.Table) -> list[tuple[str, Floats, str]]:
    """The rules for records that are a picture alone; one with a text is before all of them."""
    if not {"edited", "image_quality"} <= set(records.column_names):
        return []
    alone = np.asarray(pc.is_null(records["text"]), bool)
    quality = _numbers(records["image_quality"])
    # Of equal pixels the compressed file is the original: compression never gives back equal ones.
    hashes = as_strings(records["image_hash"]).dictionary_encode()
    content = np.asarray(pc.fill_null(hashes.indices, -1).to_numpy(), np.int64)
    least = np.full(len(hashes.dictionary) + 1, float(LOSSLESS))
    np.minimum.at(least, content, quality)
    values = [
        ("raw", _numbers(records["image_raw"]), "the camera's raw picture"),
        ("not edited", -_numbers(records["edited"].cast(pa.int8())), EDITED),
        ("true detail", _resolution(records), "highest resolution"),
        ("depth", _numbers(records["image_bits"]), "most bits a pixel"),
        ("transparency", _numbers(records["image_alpha"]), "it has transparency"),
        ("frames", _numbers(records["image_frames"]), "most frames or pages"),
        ("lossless", _flags(least[content] == LOSSLESS), "lossless"),
        ("first written", _flags((quality < LOSSLESS) | (least[content] == LOSSLESS)),
         "its pixels are those of a compressed file"),
        ("quality", np.minimum(quality // QUALITIES, GOOD // QUALITIES), "least compressed"),
    ]  # fmt: skip
    return [(name, np.where(alone, value, np.inf), phrase) for name, value, phrase in values]


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
    if "image_quality" in records.column_names:  # strong compression leaves edges, not detail
        quality = _numbers(records["image_quality"], missing=LOSSLESS)
        true = np.minimum(true, longer) * np.clip(quality / POOR, 0.3, 1.0)
    share = np.minimum(1, true / (ENLARGED * longer))
    # Squared, the share leaves an enlarged copy the pixels of its source, give or take the
    # measure's error. Squared again, the copy is behind by the square of its enlargement.
    pixels = np.maximum(width * height * share**4, 1)
    # Grades, so that what compression does to the measure is left to the next rule.
    return np.where(width * height > 0, 1 + np.rint(np.log(pixels) / np.log(GRADE)), 0)


def _flags(holds: Flags) -> Floats:
    return holds.astype(np.float64)


def _numbers(column: pa.ChunkedArray, missing: float = 0.0) -> Floats:
    return np.asarray(pc.fill_null(column.cast(pa.float64()), missing).to_numpy(), np.float64)
