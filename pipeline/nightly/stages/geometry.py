"""Pairs of pictures looked at by geometry: is one the other, edited, and how? SHELL.

What was found is kept with the catalog: two pictures are laid upon each other once.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from pipeline.arrays import (
    Pairs,
    Positions,
    pair_key,
    pair_sides,
    positions_in,
    positions_in_sorted,
)
from pipeline.candidates import CandidatePairs, ContentGroups, ProposedBy
from pipeline.catalog import GeometryCounts
from pipeline.matching import GEOMETRY_METHOD, PictureSet, align_pairs
from pipeline.nightly.state.contents import KeptAlignments
from pipeline.nightly.state.context import RunContext
from pipeline.nightly.state.pictures import PictureReader
from pipeline.storage import ALIGNMENTS


@dataclass(frozen=True)
class GeometryResult:
    """What was looked at in a run, and the version of the table `alignments`."""

    version: int
    counts: GeometryCounts


LOOKED_AT = "looked_at"  # what a run has looked at before its candidates


def verify_candidates(
    context: RunContext, groups: ContentGroups, kept: CandidatePairs
) -> GeometryResult | None:
    """Look at every pair of pictures that images proposed; what was looked at before stands.

    Returns:
        None where geometry is off or there is no pair.
    """
    if not context.config.judge.geometry:
        return None
    if done := context.work.kept(GeometryResult):
        return done
    left, right = _proposed_pairs(groups, kept)
    if not len(left):
        return None
    before = _before(context)
    known = pa.concat_tables([before, context.work.read_shards(LOOKED_AT, ALIGNMENTS)])
    place = _places(known, groups.image_hashes, left, right)
    fresh = place < 0
    found = verify_pictures(context, groups.image_hashes, (left[fresh], right[fresh]))
    place[fresh] = len(known) + np.arange(len(found.rows))
    rows = pa.concat_tables([known, found.rows]).take(pa.array(place)).combine_chunks()
    version = context.catalog.tables.replace("alignments", rows)
    context.work.keep_shard("alignments", "all", rows)
    context.work.save("alignments", key=pair_key(left, right, len(groups.image_hashes)))
    fresh_rows, verified = (place >= len(before)).sum(), KeptAlignments.of(rows).verified.sum()
    counts = GeometryCounts(len(rows), int(fresh_rows), int(verified))
    result = GeometryResult(version, counts)
    context.work.keep(result)
    return result


def _proposed_pairs(groups: ContentGroups, kept: CandidatePairs) -> Pairs:
    """Pairs of contents that images proposed, left < right, each once, sorted."""
    count = len(groups.image_hashes)
    rows = pair_sides(kept.key[(kept.proposed_by & ProposedBy.IMAGE) > 0], len(groups.rows))
    one, other = (groups.image[side] for side in rows)
    both = (one >= 0) & (other >= 0) & (one != other)
    return pair_sides(np.unique(pair_key(one[both], other[both], count)), count)


def _before(context: RunContext) -> pa.Table:
    """What the night before found."""
    run = context.base_run
    if run is None or run.summary.state.geometry != GEOMETRY_METHOD:
        return ALIGNMENTS.empty_table()
    return context.catalog.read("alignments", run=run)


def _places(rows: pa.Table, hashes: pa.Array, left: Positions, right: Positions) -> Positions:
    """(p,) row of each pair of places in `hashes`, -1: not among the rows."""
    one, other = (positions_in(rows[name], hashes) for name in ("left_hash", "right_hash"))
    key = np.where((one >= 0) & (other >= 0), pair_key(one, other, len(hashes)), -1)
    order = np.argsort(key, kind="stable")
    at = positions_in_sorted(pair_key(left, right, len(hashes)), key[order])
    return np.where(at >= 0, np.append(order, -1)[at], -1)


def verify_pictures(context: RunContext, hashes: pa.Array, pairs: Pairs) -> KeptAlignments:
    """Lay the pictures of each pair upon each other; those that cannot be read are not aligned.

    Args:
        hashes: sorted. pairs: (p,) places in them, left < right.
    """
    used, place = np.unique(np.concatenate(pairs), return_inverse=True)
    if not len(used):
        return KeptAlignments.of(ALIGNMENTS.empty_table())
    digests, sides = hashes.take(pa.array(used)), np.split(place, 2)
    pictures = PictureReader(context, digests)
    gallery = PictureSet(pictures.take, pictures.size, context.config.images, context.threads)
    rows = align_pairs(gallery, sides[0], sides[1])
    table = pa.Table.from_pylist(
        [
            {"left_hash": digests[one].as_py(), "right_hash": digests[other].as_py(), **row}
            for one, other, row in zip(sides[0].tolist(), sides[1].tolist(), rows, strict=True)
        ],
        schema=ALIGNMENTS,
    )
    return KeptAlignments.of(table)
