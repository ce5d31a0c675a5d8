"""Contents to the features of a model: texts by length, pictures decoded once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from pipeline.arrays import Rows
from pipeline.config import ImageSettings
from pipeline.encoders import (
    Features,
    ImageRef,
    WindowCutter,
    default_prompt,
    input_size,
    load_pictures,
    text_cutter,
    text_module,
)
from pipeline.errors import TrainingError
from pipeline.ingestion import search_text

_TEXTS = 4096  # tokenised at a time


class Reader(Protocol):
    """Reads contents by number.

    lengths: int64 (c,), what a row costs, in any unit. unusable: bool (c,), cannot be read.
    """

    lengths: Rows
    unusable: NDArray[np.bool_]

    def features(self, rows: Rows) -> Features:
        """Return what the model takes for these contents, in this order."""
        ...


def group_by_size(rows: Rows, lengths: Rows, *, size: int) -> list[Rows]:
    """Split the places of `rows` into groups of at most `size` that are alike in length.

    Returns places into `rows`, shortest first, each once: short texts are not padded to the
    longest of the step.
    """
    order = np.argsort(lengths[rows], kind="stable")
    return np.array_split(order, -(-len(rows) // size))


class TextReader:
    """Texts for any text module; longer ones than `max_tokens` are cut."""

    def __init__(self, model: Any, texts: Sequence[Any], *, folder: Path, max_tokens: int) -> None:
        self.texts = ["" if not isinstance(text, str) else search_text(text) for text in texts]
        self._module, self._prompt = model[0], default_prompt(model)
        self._options: dict[str, Any] = {}
        cutter, overhead = text_cutter(model, folder)
        if cutter is not None:
            longest = max_tokens
            if cutter.limit is not None:
                window = cutter.limit + overhead
                longest = min(max_tokens, window) if isinstance(cutter, WindowCutter) else window
            text = {"padding": True, "truncation": True, "max_length": longest}
            self._options["processing_kwargs"] = {"text": text}
        if text_module(model) is not model[0]:
            self._options["modality"] = "text"  # said, never guessed: see TextFolderEncoder
        self.lengths = self._lengths(cutter)
        self.unusable = np.array([not text.strip() for text in self.texts], np.bool_)
        self.unusable |= self.lengths == 0

    def _lengths(self, cutter: Any) -> Rows:
        if not isinstance(cutter, WindowCutter):
            return np.array([len(text) for text in self.texts], np.int64)
        lengths: list[int] = []
        for start in range(0, len(self.texts), _TEXTS):
            lengths += [len(x) for x in cutter.tokenise(self.texts[start : start + _TEXTS])]
        return np.array(lengths, np.int64)

    def features(self, rows: Rows) -> Features:
        """Tokenise; padded to the longest of `rows`."""
        texts = [self.texts[row] for row in rows.tolist()]
        return dict(self._module.preprocess(texts, prompt=self._prompt, **self._options))


class PictureFeatureReader:
    """Pictures for any image module, decoded once into a file of uint8 (c, 3, s, s)."""

    def __init__(
        self, model: Any, pictures: Sequence[Any], *, store: Path, settings: ImageSettings
    ) -> None:
        if not model.supports("image"):
            raise TrainingError(f"the start does not take pictures, only {model.modalities}")
        self._model, size = model, input_size(model)
        count = len(pictures)
        self.lengths = np.ones(count, np.int64)
        self.unusable = np.zeros(count, np.bool_)
        self._pixels = np.lib.format.open_memmap(
            store, mode="w+", dtype=np.uint8, shape=(count, 3, size, size)
        )
        refs = (ref if isinstance(ref, ImageRef) else ImageRef() for ref in pictures)
        for batch in load_pictures(refs, size=size, batch_size=64, settings=settings):
            self._pixels[batch.positions] = batch.pixels
            self.unusable[[at for at, _ in batch.failed]] = True

    def features(self, rows: Rows) -> Features:
        """Hand pictures to the model's own preprocessing, at the size it takes."""
        from PIL import Image

        pixels = np.ascontiguousarray(self._pixels[rows].transpose(0, 2, 3, 1))
        return dict(self._model.preprocess([Image.fromarray(picture) for picture in pixels]))


@dataclass(frozen=True)
class ReaderGroups:
    """Features of some contents by groups, and how to put the groups' vectors in order.

    places: int64 (c,), row i of the contents is row places[i] of the groups one after the other.
    """

    features: list[Features]
    places: Rows


def read_groups(reader: Reader, rows: Rows, *, size: int) -> ReaderGroups:
    """Read `rows` in groups of at most `size` alike in length."""
    groups = group_by_size(rows, reader.lengths, size=size)
    features = [reader.features(rows[group]) for group in groups]
    return ReaderGroups(features, np.argsort(np.concatenate(groups), kind="stable"))
