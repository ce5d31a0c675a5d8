"""The contract of an encoder, and the small values that pass through it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from pipeline.ingestion import search_text

Floats32 = NDArray[np.float32]
Failure = tuple[int, str]

_BLOCK_CHARACTERS = 4_000_000  # bounds the memory of one block of long texts
Features = dict[str, Any]  # tensors by name, as a network's forward takes and gives them


@dataclass(frozen=True)
class ImageRef:
    """One picture to embed: where it is, or its encoded bytes (which win when both are given)."""

    uri: str | None = None
    data: bytes | None = None
    storage_options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Encoded:
    """Some embedded items, in no particular order.

    positions: int64 (n,), places in the input. vectors: float32 (n, dimension), unit norm.
    chunks: int32 (n,), windows pooled per item, 1 = not chunked. failed: (position, reason).
    """

    positions: NDArray[np.int64]
    vectors: Floats32
    chunks: NDArray[np.int32]
    failed: tuple[Failure, ...] = ()


class Encoder(Protocol):
    """Turns texts (`str`) or pictures (`ImageRef`) into unit vectors.

    A vector depends on the item and the fingerprint alone: bit for bit the same in any order,
    company, batch size or thread count on one machine. `fingerprint` is 16 hex digits over the
    model's files and every setting that changes vectors.
    """

    @property
    def modality(self) -> Literal["text", "image"]: ...
    @property
    def name(self) -> str: ...
    @property
    def fingerprint(self) -> str: ...
    @property
    def dimension(self) -> int: ...

    def encode(self, items: Iterable[Any]) -> Iterator[Encoded]:
        """Yield every position exactly once, among `positions` or in `failed`."""
        ...


def normalise(
    positions: Sequence[int],
    raw: NDArray[Any],
    *,
    chunks: Sequence[int] | None = None,
    failed: Iterable[Failure] = (),
) -> Encoded:
    """Scale rows to unit norm; rows that have no direction become failures.

    raw: float (n, dimension). Norms are taken in float64, row by row, so that a row's bits do not
    depend on its neighbours.
    """
    where = np.asarray(positions, dtype=np.int64)
    counts = np.ones(len(where), np.int32) if chunks is None else np.asarray(chunks, np.int32)
    wide = np.asarray(raw, dtype=np.float64)
    finite = np.asarray(np.isfinite(wide).all(axis=1))
    norms = np.sqrt(np.square(np.where(finite[:, None], wide, 0.0)).sum(axis=1))
    good = finite & (norms > np.finfo(np.float32).tiny)
    reasons = [
        (int(where[row]), "the vector is zero" if finite[row] else "the vector is not finite")
        for row in np.flatnonzero(~good)
    ]
    vectors = (wide[good] / norms[good, None]).astype(np.float32)
    return Encoded(where[good], vectors, counts[good], (*failed, *reasons))


def text_blocks(items: Iterable[str], *, size: int) -> Iterator[list[str]]:
    """Yield lists of at most `size` texts and about `_BLOCK_CHARACTERS` characters.

    They are the texts as the search sees them: whoever embeds texts reads them here.
    """
    block: list[str] = []
    characters = 0
    for text in map(search_text, items):
        block.append(text)
        characters += len(text)
        if len(block) >= size or characters >= _BLOCK_CHARACTERS:
            yield block
            block, characters = [], 0
    if block:
        yield block
