"""Lineage: the clusters of this run under the ids of the previous one.

The rule: clusters of last night and of tonight are matched by the number of records they share, the
largest overlap first; of equal ones the pair goes first in which tonight's cluster has the
representative of last night's, then the smaller id, then the cluster with the smallest record id.
Each id has one heir at most. A cluster without an id gets a new one, a hash of its smallest record
id, salted when that id is in use or belonged to a cluster that died.
"""

from __future__ import annotations

from itertools import count

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.arrays import Ints, as_strings, factorize_strings, positions_in
from pipeline.ingestion import content_hash

NIGHT = pa.schema(
    [
        pa.field("record_id", pa.string()),
        pa.field("cluster_id", pa.string()),
        pa.field("representative", pa.string()),
    ]
)
DIGITS = 17  # of an id: a "c" and 64 bits


def stable_ids(
    previous: pa.Table, records: pa.Array, group: Ints, *, retired: pa.Array
) -> pa.Array:
    """Give each of tonight's clusters its id.

    Args:
        previous: last night's clusters, with the columns of `NIGHT`, in any order; empty before the
            first night.
        records: (n,) tonight's record ids, ascending.
        group: (n,) number of each record's cluster, 0 … g - 1, none left out.
        retired: ids of clusters that died before.

    Returns:
        (n,) cluster id of each record. It depends on which records are together, and on nothing
        else: not on the numbers of the groups nor on the order of `previous`.
    """
    names, old = factorize_strings(previous["cluster_id"])
    first = np.unique(group, return_index=True)[1]
    heir = np.full(len(first), -1)
    left, right = _match(previous, old, records, group, first)
    heir[right] = left
    fresh = np.flatnonzero(heir < 0)
    fresh = fresh[np.argsort(first[fresh])]
    new = new_ids(records.take(pa.array(first[fresh])), taken=pa.concat_arrays([names, retired]))
    heir[fresh] = len(names) + np.arange(len(fresh))
    return pa.concat_arrays([names, new]).take(pa.array(heir[group]))


def _match(
    previous: pa.Table, old: Ints, records: pa.Array, group: Ints, first: Ints
) -> tuple[Ints, Ints]:
    """Places of the ids that go on, and the groups that get them."""
    place = positions_in(records, as_strings(previous["record_id"]))
    known = place >= 0
    key = old[place[known]] * len(first) + group[known]
    keys, shared = np.unique(key, return_counts=True)
    headed = np.zeros(len(keys), bool)
    heads = pc.equal(previous["record_id"], previous["representative"])
    of_head = np.asarray(heads.to_numpy(), bool)[place[known]]
    headed[np.searchsorted(keys, key[of_head])] = True
    left, right = np.divmod(keys, max(len(first), 1))
    alone = (np.bincount(left)[left] == 1) & (np.bincount(right)[right] == 1)
    rest = np.flatnonzero(~alone)
    order = np.lexsort((first[right[rest]], left[rest], ~headed[rest], -shared[rest]))
    won = _one_to_one(left, right, rest[order])
    taken = np.concatenate([np.flatnonzero(alone), won])
    return left[taken], right[taken]


def _one_to_one(left: Ints, right: Ints, order: Ints) -> Ints:
    """Pairs in `order` whose two ends no earlier one has taken."""
    given, got, won = set(), set(), []
    for pair, one, other in zip(
        order.tolist(), left[order].tolist(), right[order].tolist(), strict=True
    ):
        if one not in given and other not in got:
            given.add(one)
            got.add(other)
            won.append(pair)
    return np.array(won, np.int64)


def new_ids(smallest: pa.Array, *, taken: pa.Array) -> pa.Array:
    """Ids for new clusters by their smallest record ids (all different), none of them `taken`."""
    ids = _hash_id(smallest)
    for salt in count(1):
        clash = _clashes(ids, taken)
        if not clash.any():
            return ids
        salted = pc.binary_join_element_wise(smallest.filter(pa.array(clash)), str(salt), "\0")
        ids = pc.replace_with_mask(ids, pa.array(clash), _hash_id(salted))
    raise AssertionError("count() ends")


def _hash_id(names: pa.Array) -> pa.Array:
    hashes = pc.binary_join_element_wise(pa.scalar("c"), content_hash(names), "")
    return pc.utf8_slice_codeunits(hashes, 0, DIGITS)


def _clashes(ids: pa.Array, taken: pa.Array) -> npt.NDArray[np.bool_]:
    """(n,) true where an id is taken, or an earlier one of the same clusters."""
    clash = np.array(pc.is_in(ids, value_set=taken), bool)
    code = np.asarray(ids.dictionary_encode().indices)
    once = np.zeros(len(ids), bool)
    once[np.unique(code, return_index=True)[1]] = True
    return clash | ~once
