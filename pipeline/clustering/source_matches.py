"""Matches by source: how many records of each source have accepted partners, and where."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from pipeline.arrays import Flags, Rows, cross_join, factorize_strings
from pipeline.candidates import ContentGroups
from pipeline.catalog import SourceMatches
from pipeline.clustering.links import Links


def count_matches(
    sources: pa.ChunkedArray,
    groups: ContentGroups,
    links: Links,
    *,
    duplicate_free: Sequence[str] = (),
) -> tuple[SourceMatches, ...]:
    """Count the records of each source with an accepted or identical partner, by name.

    Args:
        sources: (n,) source of each record.
        duplicate_free: names of the sources that are set so.
    """
    names, code = factorize_strings(sources)
    width = max(len(names), 1)
    # Records of one content and one source have the same partners.
    kinds, copies = np.unique(groups.group_of_record * width + code, return_counts=True)
    source = kinds % width
    sizes = np.bincount(kinds // width, minlength=len(groups.rows))
    starts = np.cumsum(sizes) - sizes
    one, other, _ = cross_join(links.left, links.right, starts=starts, sizes=sizes)
    own = source[one] == source[other]

    def records(chosen: Flags) -> Rows:
        return np.bincount(source[chosen], copies[chosen], len(names)).astype(np.int64)

    inside, across = copies > 1, sizes[kinds // width] > 1
    identical = records(inside)
    for end in (one, other):
        inside[end[own]] = True
        across[end[~own]] = True
    columns = (records(np.ones(len(kinds), bool)), records(inside), records(across), identical)
    return tuple(
        SourceMatches(name, name in duplicate_free, *counts)
        for name, *counts in zip(names.to_pylist(), *(c.tolist() for c in columns), strict=True)
    )
