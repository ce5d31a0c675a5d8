"""Shingle pairs against an exhaustive comparison."""

import random
from typing import Any

import pyarrow as pa
import pytest

from pipeline.candidates.minhash import band_candidates, jaccard, jaccards, signatures
from pipeline.config.candidates import LexicalSettings


def corpus() -> list[str]:
    generator = random.Random(4)
    words = [f"word{number}" for number in range(4000)]
    texts = [" ".join(generator.choices(words, k=120)) for _ in range(150)]
    for text in texts[:60]:
        tokens = text.split()
        for _ in range(generator.randint(0, 6)):
            tokens[generator.randrange(len(tokens))] = "edited"
        texts.append(" ".join(tokens))
    return texts


def lexical_pairs(texts: list[str], settings: LexicalSettings) -> Any:
    """What the stage makes of long texts: rows of the pairs that reach the floor, their Jaccard."""
    rows = pa.array(texts)
    left, right = band_candidates(signatures(rows, settings))
    score = jaccards(rows, left, right, words=settings.shingle)
    kept = score >= settings.floor
    return left[kept], right[kept], score[kept]


@pytest.mark.slow
def test_pairs_above_the_floor_are_found_with_their_exact_jaccard() -> None:
    texts, settings = corpus(), LexicalSettings()
    left, right, score = lexical_pairs(texts, settings)
    got = {(int(a), int(b)): float(s) for a, b, s in zip(left, right, score, strict=True)}
    want = {
        (a, b): jaccard(texts[a], texts[b], words=settings.shingle)
        for a in range(len(texts))
        for b in range(a + 1, len(texts))
    }
    clear = {pair for pair, value in want.items() if value >= 0.7}
    assert len(clear) > 40
    assert clear <= set(got)
    assert all(value >= settings.floor for value in got.values())
    assert all(abs(got[pair] - want[pair]) < 1e-6 for pair in got)


def test_a_bucket_of_copies_costs_linear_pairs() -> None:
    text = " ".join(f"w{number}" for number in range(60))
    left, _, score = lexical_pairs([f"{text} tail{n}" for n in range(1000)], LexicalSettings())
    assert 999 <= len(left) < 100_000
    assert (score > 0.9).all()
