"""What proposes pairs: the index of each modality, and the shingles of long texts."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline import progress
from pipeline.candidates import NearPairs, near_pairs
from pipeline.contents import Modality, read_column
from pipeline.context import RunContext
from pipeline.lexical import lexical_pairs
from pipeline.state import units_of
from pipeline.units import Units


def nearby(context: RunContext, modality: Modality, default_floor: float) -> NearPairs:
    """Near pairs of one modality down to its floor; the index is kept in the catalog."""
    settings, config = context.config.candidates, context.config
    stated = settings.text_floor if modality == "text" else settings.image_floor
    floor = default_floor if stated is None else stated
    vectors = context.work.matrix(modality)
    found = near_pairs(
        vectors, floor=floor, index=config.index, settings=settings, seed=config.seed
    )
    progress.report("candidates", len(found.left))
    if found.index is not None:
        _keep_index(context, modality, found)
    return found


def _keep_index(context: RunContext, modality: str, found: NearPairs) -> None:
    """Save the index with its id map, under the fingerprint of its encoder."""
    units = units_of(context)
    hashes = units.text_hashes if modality == "text" else units.image_hashes
    fingerprint = context.work.facts(f"embed_{'text' if modality == 'text' else 'images'}")
    folder = context.catalog.index_folder(modality, fingerprint["fingerprint"])
    assert found.index is not None
    found.index.save(folder)
    ids = pa.table({"content_hash": hashes.take(pa.array(found.crowds.kept))})
    pq.write_table(ids, folder / "ids.parquet")


def verbatim(context: RunContext, units: Units) -> tuple[Any, Any, Any]:
    """Pairs of long texts that share shingles: left, right, Jaccard."""
    settings = context.config.candidates.lexical
    empty = np.zeros(0, np.int64)
    if not settings.enabled or not len(units.text_hashes):
        return empty, empty, np.zeros(0, np.float32)
    hashes = units.text_hashes
    words = read_column(context, hashes, modality="text", column="text_tokens").to_numpy()
    long = np.flatnonzero(words >= settings.min_tokens)
    hashes = hashes.take(pa.array(long))
    texts = read_column(context, hashes, modality="text", column="text")
    left, right, score = lexical_pairs(texts, settings)
    return long[left], long[right], score


def described(found: NearPairs) -> dict[str, Any] | None:
    """The facts of a search that the summary tells."""
    if found.index is None:
        return None
    recall = found.recall
    return {"index": found.index.description, "pairs": len(found.left), "recall": vars(recall)}
