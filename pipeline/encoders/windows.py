"""Cut texts that are longer than a model's window into pieces that fit; nothing is dropped."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from pipeline.errors import EncoderError


@dataclass(frozen=True)
class Window:
    """A piece of the text at `position`; `tokens` excludes special tokens and is its weight."""

    position: int
    text: str
    tokens: int


@dataclass(frozen=True)
class WindowCutter:
    """Cuts by character spans of tokens, so that any model can read the pieces again.

    tokenizer: a fast Hugging Face tokenizer. limit: content tokens that fit, None = no limit.
    Windows follow each other without overlap and start at a word where one does, so that an
    appended sentence leaves the earlier windows, and so most of the vector, as they were.
    """

    tokenizer: Any
    limit: int | None

    def __post_init__(self) -> None:
        if not getattr(self.tokenizer, "is_fast", False):
            raise EncoderError("the model needs a fast tokenizer (tokenizer.json) to cut long text")

    def cut(self, texts: Sequence[str], *, start: int) -> list[Window]:
        """Return the windows of all texts in order; the first text has position `start`."""
        encodings = self.tokenise(texts)
        return [
            window
            for row, (text, encoding) in enumerate(zip(texts, encodings, strict=True))
            for window in self._windows(start + row, text, encoding)
        ]

    def tokenise(self, texts: Sequence[str]) -> list[Any]:
        """Tokenise without truncation, padding or special tokens."""
        batch = self.tokenizer(
            list(texts),
            add_special_tokens=False,
            truncation=False,
            padding=False,
            return_attention_mask=False,
            return_token_type_ids=False,
            verbose=False,
        )
        return list(batch.encodings)

    def _windows(self, position: int, text: str, encoding: Any) -> list[Window]:
        tokens = len(encoding)
        if self.limit is None or tokens <= self.limit or len(text) == 1:
            return [Window(position, text, tokens)]
        pieces = self._pieces(text, encoding)
        # A piece read alone may make more tokens than it made in its place, hence again.
        return [
            window
            for piece, again in zip(pieces, self.tokenise(pieces), strict=True)
            if len(again)
            for window in self._windows(position, piece, again)
        ]

    def _pieces(self, text: str, encoding: Any) -> list[str]:
        assert self.limit is not None
        words, offsets = encoding.word_ids, encoding.offsets
        marks, at = [0], 0
        while len(offsets) - at > self.limit:
            at = _word_start(words, low=at, high=at + self.limit)
            marks.append(offsets[at][0])
        marks.append(len(text))
        pieces = [text[low:high] for low, high in pairwise(marks) if low < high]
        # One character can make several tokens; halving always ends.
        half = len(text) // 2
        return pieces if len(pieces) > 1 else [text[:half], text[half:]]


def _word_start(words: Sequence[int | None], *, low: int, high: int) -> int:
    """Return the last token in (low, high] that starts a word; `high` when none does."""
    for at in range(high, low, -1):
        if words[at] != words[at - 1]:
            return at
    return high
