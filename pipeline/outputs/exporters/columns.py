"""Maps of names to values, back as one column per name."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

FIXED = ("record_id", "source", "key", "timestamp", "image_uri", "cluster_id", "size")


def named_columns(records: pa.Table, *, rows: pa.Array, starts: np.ndarray) -> dict[str, pa.Array]:
    """Spread the maps `fields` and `attributes` into text columns, each in their sources' order.

    Args:
        records: all records; every name met in any of them gets its column.
        rows: (m,) positions in `records`, grouped.
        starts: (g,) int64, ascending, the first of each group in `rows`. A cell is taken from
            the first row of its group that has a value other than "".

    A field whose name is a column of the export already becomes `name_field`; an attribute whose
    name is such a column, or a field's, becomes `name_attribute`.
    """
    place = np.full(len(records), -1, np.int64)
    place[rows.to_numpy()] = np.arange(len(rows))
    found: dict[str, pa.Array] = {}
    for column, suffix in (("fields", "_field"), ("attributes", "_attribute")):
        for name, cells in _spread(records[column], place=place, starts=starts).items():
            free = name
            while free in FIXED or free in found:
                free += suffix
            found[free] = cells
    return found


def _spread(maps: pa.ChunkedArray, *, place: np.ndarray, starts: np.ndarray) -> dict[str, pa.Array]:
    """One column per key of `maps`, in their order; `place` is each row's position, -1 unused."""
    names, keys, items, places = _usable(maps, place=place)
    codes = pc.index_in(keys, value_set=pa.array(names, pa.string())).to_numpy()
    order = np.lexsort((places, codes))
    bounds = np.searchsorted(codes[order], np.arange(len(names) + 1))
    groups = np.searchsorted(starts, places, side="right") - 1
    spread = {}
    for code, name in enumerate(names):
        entries = order[bounds[code] : bounds[code + 1]]
        at = np.full(len(starts), -1, np.int64)
        # Written back to front, so that the first entry of a group is the one that stays.
        at[groups[entries[::-1]]] = entries[::-1]
        spread[name] = items.take(pa.array(at, mask=at < 0))
    return spread


def _usable(
    maps: pa.ChunkedArray, *, place: np.ndarray
) -> tuple[list[str], pa.Array, pa.Array, np.ndarray]:
    """All names, then key, value and place of every entry that is used and not empty.

    The names are in the order of their columns: a row lacks what is empty in it, so a name's place
    is the last that it has in any row; equal ones by name.
    """
    last: dict[str, int] = {}
    keys, items, places, base = [], [], [], 0
    for chunk in maps.chunks:
        rows, key, item = _flatten(chunk)
        coded = key.dictionary_encode()
        at_most = np.zeros(len(coded.dictionary), np.int64)
        np.maximum.at(at_most, coded.indices.to_numpy(), _order_in_row(rows))
        for name, order in zip(coded.dictionary.to_pylist(), at_most.tolist(), strict=True):
            last[name] = max(last.get(name, 0), order)
        at = place[base + rows]
        base += len(chunk)
        filled = pc.fill_null(pc.not_equal(item, ""), False).to_numpy(zero_copy_only=False)
        used = pa.array(filled & (at >= 0))
        keys.append(key.filter(used))
        # 64-bit offsets: the values of all records together may pass 2 GB.
        items.append(item.filter(used).cast(pa.large_string()))
        places.append(at[filled & (at >= 0)])
    return (
        sorted(last, key=lambda name: (last[name], name)),
        pa.chunked_array(keys, pa.string()).combine_chunks(),
        pa.chunked_array(items, pa.large_string()).combine_chunks(),
        np.concatenate([np.zeros(0, np.int64), *places]),
    )


def _order_in_row(rows: np.ndarray) -> np.ndarray:
    """The place of each entry among those of its row, from 0; `rows` ascending."""
    new = np.flatnonzero(np.diff(rows, prepend=-1))
    return np.arange(len(rows)) - np.repeat(new, np.diff(np.append(new, len(rows))))


def _flatten(maps: pa.MapArray) -> tuple[np.ndarray, pa.Array, pa.Array]:
    """Row (int64), key and value of every entry, in row order."""
    offsets = maps.offsets.to_numpy().astype(np.int64)
    counts = np.diff(offsets)
    rows = np.repeat(np.arange(len(maps)), counts)
    span = slice(offsets[0], offsets[-1]) if len(offsets) else slice(0, 0)
    keys, items = maps.keys[span], maps.items[span]
    if maps.null_count == 0:
        return rows, keys, items
    present = maps.is_valid().to_numpy(zero_copy_only=False)[rows]
    kept = pa.array(present)
    return rows[present], keys.filter(kept), items.filter(kept)
