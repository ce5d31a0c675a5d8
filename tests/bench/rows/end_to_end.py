"""A complete first run beside semhash: same real texts, static model and threshold.

What is counted of Gemel is ingest, embedding, candidates, judging every pair with its evidence,
clusters, tables and report; semhash embeds, searches and keeps one text of each group. Quality is
told of the near pairs that brute force finds for a sample of the distinct texts: of Gemel the share
that is in the table of pairs, of semhash the share whose texts it puts under one text. A pair that
semhash puts under two texts is lost for its purpose only if it keeps both, so that is told too.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from material import THRESHOLD, first_run, material
from processes import called, peer
from results import Measured, Way

SAMPLE, SEED = 500, 7
BLOCK = 65_536  # texts that the sample is compared with at a time

Rows = npt.NDArray[np.int64]


def ways(data: Path, out: Path, rows: int) -> list[Way]:
    given = material(data, out, rows)
    return [
        Way("gemel", partial(_gemel, given)),
        Way("semhash 0.5.0", partial(_semhash, given, out)),
    ]


def _gemel(given: dict[str, Any]) -> Measured:
    catalog = f"{given['settings']['catalog']}-bench"
    done = first_run({**given["settings"], "catalog": catalog})
    found = called(found_by_gemel, given=given, catalog=catalog)
    said = (
        f"recall {found['listed']:.4f} of {found['pairs']:,} near pairs (in the table of pairs), "
        f"{found['joined']:.4f} with those joined through others"
    )
    return Measured(done["seconds"], done["peak_gb"], said, {**found, **done})


def _semhash(given: dict[str, Any], out: Path) -> Measured:
    links = out / "semhash-links.npy"
    done = peer(out, "semhash", given["texts"], given["student"], THRESHOLD, links)
    found = called(found_by_semhash, given=given, links=links)
    said = (
        f"of {found['pairs']:,} near pairs {found['joined']:.4f} put under one text, "
        f"{found['both_kept']:.4f} both kept"
    )
    return Measured(done["seconds"], done["peak_gb"], said, {**found, **done})


def found_by_gemel(given: dict[str, Any], catalog: str) -> dict[str, Any]:
    """Shares of the near pairs that the run's pairs list, or join through other texts."""
    from pipeline.catalog import Catalog

    kept = Catalog(catalog, create=False)
    run = kept.runs()[0]
    records = kept.read("records", run=run, columns=["record_id", "text_hash"])
    content = np.empty(len(records), np.int64)
    codes = records["text_hash"].combine_chunks().dictionary_encode().indices
    content[_row_of(records["record_id"])] = np.asarray(codes)
    pairs = kept.read("pairs", run=run, columns=["left_id", "right_id"])
    links = tuple(content[_row_of(pairs[side])] for side in ("left_id", "right_id"))
    left, right = (content[side] for side in brute_force(**_paths(given)))
    listed = np.isin(_keys(left, right), _keys(*links)) | (left == right)
    return {
        "pairs": len(left),
        "listed": float(listed.mean()),
        "joined": _joined(len(content), links, left, right),
    }


def found_by_semhash(given: dict[str, Any], links: str) -> dict[str, Any]:
    """Shares of the near pairs under one text, and of those whose texts are both kept."""
    member, kept = np.load(links)
    left, right = brute_force(**_paths(given))
    count = len(np.load(given["vectors"], mmap_mode="r"))
    dropped = np.zeros(count, bool)
    dropped[member[member != kept]] = True
    return {
        "pairs": len(left),
        "joined": _joined(count, (member, kept), left, right),
        "both_kept": float((~dropped[left] & ~dropped[right]).mean()),
    }


def _paths(given: dict[str, Any]) -> dict[str, str]:
    return {name: given[name] for name in ("texts", "vectors")}


def _row_of(ids: Any) -> Rows:
    """Row numbers out of ids like t:17."""
    import pyarrow as pa
    import pyarrow.compute as pc

    return np.asarray(pc.utf8_slice_codeunits(ids, 2, None).cast(pa.int64()))


def _keys(left: Rows, right: Rows) -> Rows:
    return np.minimum(left, right) << 32 | np.maximum(left, right)


def _joined(count: int, links: tuple[Rows, ...], left: Rows, right: Rows) -> float:
    """Share of pairs whose ends are in one component of the links."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    graph = coo_matrix((np.ones(len(links[0]), bool), links), (count, count))
    group = connected_components(graph, directed=False)[1]
    return float((group[left] == group[right]).mean())


def brute_force(texts: str, vectors: str) -> tuple[Rows, Rows]:
    """Rows of the near pairs of a sample of the distinct texts, each named by its first row."""
    import pyarrow.parquet as pq

    matrix = np.load(vectors, mmap_mode="r")
    given = pq.read_table(texts, columns=["text"])["text"].combine_chunks().dictionary_encode()
    first = np.unique(np.asarray(given.indices), return_index=True)[1]
    drawn = np.sort(np.random.default_rng(SEED).choice(first, min(SAMPLE, len(first)), False))
    queries, found = matrix[drawn], []
    for start in range(0, len(first), BLOCK):
        rows = first[start : start + BLOCK]
        query, place = np.nonzero(queries @ matrix[rows].T >= np.float32(THRESHOLD))
        found.append(np.stack([drawn[query], rows[place]]))
    left, right = np.concatenate(found, axis=1)
    key = np.unique(_keys(left, right)[left != right])
    return key >> 32, key & 0xFFFFFFFF
