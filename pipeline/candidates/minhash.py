"""Near-verbatim long texts by MinHash over word shingles, confirmed by their exact Jaccard.

An embedding of a long text is an average that hardly moves when a paragraph does; shared shingles
say that the words themselves were copied. Signatures: rensa's full-set R-MinHash (its sampling
"rho" path misses small edits and is not used). Banding: Leskovec, Rajaraman and Ullman, "Mining of
Massive Datasets", chapter 3.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.arrays import Positions, iter_chunks, pair_key, pair_sides
from pipeline.config import LexicalSettings
from pipeline.ingestion import search_text

PERMUTATIONS = 128
# 32 bands of 4 rows: a pair of Jaccard 0.5 meets in some band with probability 0.87, of 0.6 with
# 0.99, of 0.7 with 0.9998.
BANDS = 32
SEED = 1993
# Texts whose shingles are in memory at a time: rows, and bytes, of which shingles take 20 times.
SHINGLED_ROWS = 4096
SHINGLED_BYTES = 1 << 25


def shingles(text: str, *, words: int) -> set[str]:
    """Distinct runs of `words` words, case and width folded; the whole text when it is shorter."""
    tokens = search_text(text).casefold().split()
    if len(tokens) <= words:
        return {" ".join(tokens)}
    return {" ".join(tokens[at : at + words]) for at in range(len(tokens) - words + 1)}


def jaccard(left: str, right: str, *, words: int) -> float:
    """Exact Jaccard similarity of two texts' shingle sets, 0 … 1."""
    first, second = shingles(left, words=words), shingles(right, words=words)
    return len(first & second) / len(first | second)


def jaccards(
    texts: pa.Array, left: Positions, right: Positions, *, words: int
) -> npt.NDArray[np.float32]:
    """(p,) exact Jaccard of pairs of rows of the texts."""
    return np.array(
        [
            jaccard(texts[first].as_py(), texts[second].as_py(), words=words)
            for first, second in zip(left.tolist(), right.tolist(), strict=True)
        ],
        np.float32,
    )


def signatures(texts: pa.Array, settings: LexicalSettings) -> npt.NDArray[np.uint32]:
    """(n, PERMUTATIONS) MinHash signatures; each depends on its own text alone."""
    from rensa import RMinHash

    out, start = np.empty((len(texts), PERMUTATIONS), np.uint32), 0
    for part in iter_chunks(texts, rows=SHINGLED_ROWS, limit=SHINGLED_BYTES):
        sets = [sorted(shingles(text, words=settings.shingle)) for text in part.to_pylist()]
        rows = RMinHash.digest_matrix_from_token_sets(sets, PERMUTATIONS, SEED).to_rows()
        out[start : start + len(sets)] = rows
        start += len(sets)
    return out


def band_candidates(signed: npt.NDArray[np.uint32]) -> tuple[Positions, Positions]:
    """Pairs that agree in a whole band: neighbours and first-to-all within each bucket.

    A bucket of k rows gives at most 2k pairs instead of k²: every row meets the bucket's first row
    and its own neighbour, so a group of copies stays connected at linear cost, and the 32 bands
    bring different rows together.
    """
    count = len(signed)
    if count < 2:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    keys = [np.zeros(0, np.int64)]
    for band in np.split(signed, BANDS, axis=1):
        packed = np.ascontiguousarray(band).view(f"V{band.shape[1] * 4}").ravel()
        _, bucket = np.unique(packed, return_inverse=True)
        order = np.argsort(bucket, kind="stable")
        starts = np.flatnonzero(np.diff(bucket[order], prepend=-1))
        for low, high in pairwise([*starts.tolist(), count]):
            if high - low > 1:
                rows = order[low:high]
                keys.append(_bucket_keys(rows, count))
    unique = np.unique(np.concatenate(keys))
    return pair_sides(unique, count)


def _bucket_keys(rows: Positions, count: int) -> npt.NDArray[np.int64]:
    if len(rows) <= SMALL_BUCKET:
        first, second = np.triu_indices(len(rows), 1)
        return pair_key(rows[first], rows[second], count)
    return np.concatenate(
        [pair_key(rows[:1], rows[1:], count), pair_key(rows[:-1], rows[1:], count)]
    )


# Buckets up to this many rows list all their pairs.
SMALL_BUCKET = 50
