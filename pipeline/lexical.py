"""Near-verbatim long texts by MinHash over word shingles, confirmed by their exact Jaccard.

An embedding of a long text is an average that hardly moves when a paragraph does; shared shingles
say that the words themselves were copied. Signatures: rensa's full-set R-MinHash (its sampling
"rho" path misses small edits and is not used). Banding: Leskovec, Rajaraman and Ullman, "Mining of
Massive Datasets", chapter 3.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from pipeline.config import LexicalSettings
from pipeline.indexes.blocks import Positions

PERMUTATIONS = 128
# 32 bands of 4 rows: a pair of Jaccard 0.5 meets in some band with probability 0.87, of 0.6 with
# 0.99, of 0.7 with 0.9998.
BANDS = 32
SEED = 1993


def shingles(text: str, *, words: int) -> set[str]:
    """Distinct runs of `words` case-folded words; the whole text when it is shorter."""
    tokens = text.casefold().split()
    if len(tokens) <= words:
        return {" ".join(tokens)}
    return {" ".join(tokens[at : at + words]) for at in range(len(tokens) - words + 1)}


def jaccard(left: str, right: str, *, words: int) -> float:
    """Exact Jaccard similarity of two texts' shingle sets, 0 … 1."""
    first, second = shingles(left, words=words), shingles(right, words=words)
    return len(first & second) / len(first | second)


def lexical_pairs(
    texts: Sequence[str], settings: LexicalSettings
) -> tuple[Positions, Positions, npt.NDArray[np.float32]]:
    """Pairs of texts whose exact shingle Jaccard reaches the floor.

    Args:
        texts: long texts in an order that does not depend on the input's.

    Returns:
        left, right (left < right, sorted, each once) and their Jaccard, float32.
    """
    signatures = _signatures(texts, settings)
    left, right = _banded(signatures)
    score = np.array(
        [
            jaccard(texts[first], texts[second], words=settings.shingle)
            for first, second in zip(left.tolist(), right.tolist(), strict=True)
        ],
        np.float32,
    )
    kept = score >= settings.floor
    return left[kept], right[kept], score[kept]


def _signatures(texts: Sequence[str], settings: LexicalSettings) -> npt.NDArray[np.uint32]:
    from rensa import RMinHash

    out = np.empty((len(texts), PERMUTATIONS), np.uint32)
    for start in range(0, len(texts), 4096):
        sets = [
            sorted(shingles(text, words=settings.shingle)) for text in texts[start : start + 4096]
        ]
        rows = RMinHash.digest_matrix_from_token_sets(sets, PERMUTATIONS, SEED).to_rows()
        out[start : start + len(sets)] = rows
    return out


def _banded(signatures: npt.NDArray[np.uint32]) -> tuple[Positions, Positions]:
    """Pairs that agree in a whole band: neighbours and first-to-all within each bucket.

    A bucket of k rows gives at most 2k pairs instead of k²: every row meets the bucket's first row
    and its own neighbour, so a group of copies stays connected at linear cost, and the 32 bands
    bring different rows together.
    """
    count = len(signatures)
    if count < 2:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    keys = [np.zeros(0, np.int64)]
    for band in np.split(signatures, BANDS, axis=1):
        packed = np.ascontiguousarray(band).view(f"V{band.shape[1] * 4}").ravel()
        _, bucket = np.unique(packed, return_inverse=True)
        order = np.argsort(bucket, kind="stable")
        starts = np.flatnonzero(np.diff(bucket[order], prepend=-1))
        for low, high in pairwise([*starts.tolist(), count]):
            if high - low > 1:
                rows = order[low:high]
                keys.append(_bucket_keys(rows, count))
    unique = np.unique(np.concatenate(keys))
    return unique // count, unique % count


def _bucket_keys(rows: Positions, count: int) -> npt.NDArray[np.int64]:
    if len(rows) <= SMALL_BUCKET:
        first, second = np.triu_indices(len(rows), 1)
        return np.asarray(rows[first] * count + rows[second])
    return np.concatenate([rows[0] * count + rows[1:], rows[:-1] * count + rows[1:]])


# Buckets up to this many rows list all their pairs.
SMALL_BUCKET = 50
