"""Hashed character trigrams: a deterministic text encoder without a model."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from pipeline.encoders.base import Encoded, normalise, text_blocks
from pipeline.encoders.fingerprint import fingerprint_of

_BLOCK = 4096


@dataclass(frozen=True)
class ToyTextEncoder:
    """Counts of character trigrams within words, hashed (MurmurHash3, signed) to `dimension`."""

    dimension: int
    name: str = "toy-trigrams"
    modality: Literal["text"] = "text"

    @property
    def fingerprint(self) -> str:
        """Sixteen hex digits; they change with the dimension."""
        return fingerprint_of(encoder="toy", dimension=self.dimension, version=1)

    def encode(self, items: Iterable[str]) -> Iterator[Encoded]:
        """Yield unit vectors; a text of white space alone fails as a zero vector."""
        from sklearn.feature_extraction.text import HashingVectorizer

        vectorizer = HashingVectorizer(
            analyzer="char_wb", ngram_range=(3, 3), n_features=self.dimension, norm=None
        )
        start = 0
        for texts in text_blocks(items, size=_BLOCK):
            counts = vectorizer.transform(texts).toarray()
            yield normalise(range(start, start + len(texts)), counts)
            start += len(texts)
