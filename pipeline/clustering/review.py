"""Clusters in review: those a person should look at before anything is removed."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.arrays import Flags, Positions, combine_large, components, factorize
from pipeline.candidates import ContentGroups
from pipeline.clustering.cover.constraints import ConstrainedLinks
from pipeline.clustering.cover.grouping import Grouping
from pipeline.clustering.cover.must_link_groups import MustLinkGroups
from pipeline.clustering.duplicate_free import LosingLinks
from pipeline.labels import Verdicts
from pipeline.matching import unmatched_words

TEXTS = 10_000  # texts read at a time


def clusters_in_review(
    grouping: Grouping,
    bound: ConstrainedLinks,
    entities: MustLinkGroups,
    *,
    groups: ContentGroups,
    texts: pa.ChunkedArray,
    verdicts: Verdicts,
    losing: LosingLinks,
    bare: Flags,
) -> Flags:
    """(c,) true where a removal list should wait for a person: the cluster is in review.

    In review are clusters
    - with a member whose pair with the representative was not accepted, or never scored,
    - with a link to another cluster that was cut because the two as a whole are not alike,
    - with a pair inside that was judged distinct, or that a difference holds, or whose text and
      picture contradict each other,
    - with a pair inside that was accepted and not confirmed (`pairs.confirmed`),
    - with a pair inside that was not accepted and whose two texts each have a word that the
      representative lacks: "EM-5, black" and "EM-5, white" are both near copies of "EM-5", and
      keeping "EM-5" alone would lose both,
    - whose copies share nothing but a very short text ("n/a"), or one column of several (`bare`,
      of each record), unless persons called them the same,
    - with a record inside that contradictory verdicts are about, or a pair that a person called
      related,
    - of several records, with one that has an equal or better match elsewhere, or an identical
      copy, from which only the promise of a duplicate-free source keeps it.

    Any other pair in the review band is no doubt: both members have accepted evidence of their own
    to the representative.
    """
    cluster = grouping.cluster
    doubted = np.zeros(int(cluster.max(initial=-1)) + 1, bool)
    doubted[cluster[~grouping.accepted]] = True
    doubted[cluster[bound.entity[bound.doubted]]] = True
    several = np.bincount(cluster[bound.entity[bound.of_record]], minlength=len(doubted)) > 1
    rivalled = cluster[losing.doubted]
    doubted[rivalled] |= several[rivalled]
    links = bound.links
    of = bound.entity[links.left], bound.entity[links.right]
    ends = cluster[of[0]], cluster[of[1]]
    doubted[ends[0][(ends[0] == ends[1]) & links.unsure & (of[0] != of[1])]] = True
    cut = (ends[0] != ends[1]) & ~losing.at
    doubted[ends[0][cut]] = doubted[ends[1][cut]] = True
    left, right = bound.entity[links.refused_left], bound.entity[links.refused_right]
    # What persons tied together is no doubt, whatever the judge says of it.
    inside = (cluster[left] == cluster[right]) & (left != right)
    doubted[cluster[left[inside & links.apart]]] = True
    inside &= ~doubted[cluster[left]]
    left, right = left[inside], right[inside]
    adds = _add(np.union1d(left, right), grouping.representative, entities.rows, texts)
    doubted[cluster[left[adds[left] & adds[right]]]] = True
    tiny = bound.entity[_tiny_copies(bound, groups, verdicts, bare)]
    doubted[cluster[tiny]] = True
    return doubted


def _tiny_copies(
    bound: ConstrainedLinks, groups: ContentGroups, verdicts: Verdicts, bare: Flags
) -> Positions:
    """Nodes of several records that are equal in too little: not surely one record."""
    group = groups.group_of_record[bound.rows]
    copies = np.bincount(bound.of_record, minlength=len(bound.rows)) > 1
    tiny = np.flatnonzero(
        copies
        & (groups.short[group] | bare[bound.rows])
        & (groups.text[group] >= 0)
        & ~groups.pictured[group]
    )
    one, other = verdicts.ties()
    if not len(one) or not len(tiny):
        return tiny
    tie = components(len(bound.of_record), one, other)
    low, high = np.full(len(bound.rows), len(tie)), np.full(len(bound.rows), -1)
    np.minimum.at(low, bound.of_record, tie)
    np.maximum.at(high, bound.of_record, tie)
    several: Positions = tiny[low[tiny] != high[tiny]]
    return several


def _add(
    members: Positions, representative: Positions, rows: Positions, texts: pa.ChunkedArray
) -> npt.NDArray[np.bool_]:
    """(g,) which of `members` have a word that their representative cannot account for.

    Args:
        rows: (g,) row of each group in `texts`.
    """
    adds = np.zeros(len(representative), bool)
    # By representative, so that each one's words are looked at once, and few are held at a time.
    members = members[np.argsort(representative[members], kind="stable")]
    for start in range(0, len(members), TEXTS):
        part = members[start : start + TEXTS]
        groups, place = factorize(np.concatenate([part, representative[part]]))
        known = pc.fill_null(combine_large(texts.take(pa.array(rows[groups]))), "")
        own, heads = np.split(place, 2)
        adds[part] = unmatched_words(known, own, heads)[0] > 0
    return adds
