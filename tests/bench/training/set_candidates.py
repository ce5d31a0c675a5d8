"""Candidates of an open labelled set, compared: the pairs that the judge of texts is trained on.

A candidate shares a rare word, found as in a run, or is among the nearest of one of its texts by
MiniLM's cosine; of a list of labelled pairs the candidates are the list. Vectors may be kept.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pyarrow as pa
from open_sets import OpenSet

from pipeline.arrays import Flags, Floats, Ints, pair_key, pair_sides, positions_in_sorted
from pipeline.candidates import rare_word_pairs
from pipeline.config import ImageSettings, MiniLmEncoder, RareWordSettings
from pipeline.encoders import Encoder, open_encoder
from pipeline.ingestion import content_hash
from pipeline.matching.comparison.text_features import TextFeatures, WordWeights

# Every pair that shares a word of so few texts, however many pairs a text gets by that.
RARE = RareWordSettings(max_texts=20, partners=1_000_000)
NEAREST, FLOOR = 40, 0.65  # of each text, and the cosine that they have at least
ROWS = 1_000  # texts compared with all others at a time
PAIRS = 100_000  # pairs whose features are made at a time


@dataclass(frozen=True)
class Pairs:
    """A set's candidates whose truth is known: ends (2, p), features (p, f), truth (p,), all true.

    `true_pairs` counts those that are no candidates as well.
    """

    ends: Ints
    features: Floats
    truth: Flags
    true_pairs: int


def pairs_of(one: OpenSet, vectors: Path | None, threads: int) -> Pairs:
    """The candidates of a set, compared."""
    count = len(one.texts)
    key = candidates(one, vectors, threads) if one.known is None else one.known
    left, right = pair_sides(key, count)
    features = TextFeatures(
        one.texts, {}, weights={"text": WordWeights.learn(one.texts)}, threads=threads
    )
    parts = [
        features.compare(left[at : at + PAIRS], right[at : at + PAIRS])
        for at in range(0, len(key), PAIRS)
    ]
    found = positions_in_sorted(key, one.positive) >= 0
    return Pairs(np.stack([left, right]), np.concatenate(parts), found, one.true_pairs)


def candidates(one: OpenSet, vectors: Path | None, threads: int) -> Ints:
    """Sorted keys of the pairs that share a rare word or are near."""
    count = len(one.texts)
    rare = rare_word_pairs(pa.array(one.texts), RARE, threads=threads)
    asked = one.compared(rare.left, rare.right)
    parts = [pair_key(rare.left[asked], rare.right[asked], count)]
    matrix, every = kept_vectors(one, vectors, threads), np.arange(count)
    for start in range(0, count, ROWS):
        rows = every[start : start + ROWS]
        cosine = matrix[rows] @ matrix.T
        cosine[~one.compared(rows[:, None], every[None])] = -1
        least = np.partition(cosine, -NEAREST, axis=1)[:, -NEAREST, None]
        near, other = np.nonzero(cosine >= np.maximum(least, FLOOR))
        parts.append(pair_key(rows[near], other, count))
    return np.unique(np.concatenate(parts))


def kept_vectors(one: OpenSet, folder: Path | None, threads: int) -> Floats:
    """(n, d) MiniLM's vectors of the texts; those of texts that the folder has are read there."""
    encoder = minilm(threads)
    hashes, first, place = np.unique(
        np.array(content_hash(pa.array(one.texts)).to_pylist()),
        return_index=True, return_inverse=True,
    )  # fmt: skip
    out = np.full((len(hashes), encoder.dimension), np.nan, np.float32)
    path = folder and folder / f"{one.name}-{encoder.fingerprint}.npz"
    if path and path.exists():
        with np.load(path) as kept:
            _, here, there = np.intersect1d(hashes, kept["hashes"], return_indices=True)
            out[here] = kept["vectors"][there]
    missing = np.flatnonzero(np.isnan(out[:, 0]))
    if len(missing):
        out[missing] = encoded(encoder, [one.texts[row] for row in first[missing]])
        if path:
            path.parent.mkdir(parents=True, exist_ok=True)
            np.savez(path, hashes=hashes, vectors=out)
    return out[place]


@cache
def minilm(threads: int) -> Encoder:
    return open_encoder(MiniLmEncoder(), images=ImageSettings(), threads=threads)


def encoded(encoder: Encoder, texts: list[str]) -> Floats:
    out = np.zeros((len(texts), encoder.dimension), np.float32)
    for part in encoder.encode(texts):
        out[part.positions] = part.vectors
    return out
