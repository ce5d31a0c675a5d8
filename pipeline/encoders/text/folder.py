"""Texts through any local sentence-transformers folder, long texts window by window.

`SentenceTransformer.encode` pads a batch to its longest text and cuts what exceeds the window.
Here a batch has a fixed shape that depends on the text's own length, and long texts are cut into
windows whose unit vectors are averaged with their token counts as weights.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from pipeline.config import SentenceTransformersText
from pipeline.encoders.base import Encoded, Features, Floats32, normalise, text_blocks
from pipeline.encoders.fingerprint import fingerprint_of, folder_digest
from pipeline.encoders.model_folder import default_prompt, load_model, text_cutter, text_module
from pipeline.encoders.runtime import in_threads, resolve_dtype
from pipeline.encoders.windows import Window, WindowCutter

if TYPE_CHECKING:
    from pipeline.encoders.character_cnn import CharacterCutter
    from pipeline.encoders.text.static import StaticTextEncoder

_TOKENS_PER_PASS = 512  # measured best of 256 … 2048 on two cores, one thread per pass
_LENGTH_STEP = 8  # texts are padded to a multiple of this many tokens


@dataclass(frozen=True)
class TextFolderEncoder:
    """A loaded text model. Blocks of 64 x `batch_size` texts are sorted by length and yielded."""

    model: Any
    # None: the model has no window and no padding (StaticEmbedding)
    cutter: WindowCutter | CharacterCutter | None
    overhead: int  # special and prompt tokens of every window
    routed: bool  # the model starts with a router, which asks for the modality
    name: str
    fingerprint: str
    dimension: int
    batch_size: int
    threads: int | None
    modality: Literal["text"] = "text"

    def encode(self, items: Iterable[str]) -> Iterator[Encoded]:
        """Yield one `Encoded` per block; a text without any token fails."""
        start = 0
        for texts in text_blocks(items, size=64 * self.batch_size):
            yield self._encode_block(texts, start=start)
            start += len(texts)

    def _encode_block(self, texts: list[str], *, start: int) -> Encoded:
        if self.cutter is None:
            windows = [Window(start + row, text, 1) for row, text in enumerate(texts)]
        else:
            windows = self.cutter.cut(texts, start=start)
        empty = [window.position for window in windows if not window.tokens]
        windows = [window for window in windows if window.tokens]
        vectors = self._embed(windows)
        positions, pooled, chunks = pool_windows(windows, vectors)
        failed = [(position, "the text has no token for this model") for position in empty]
        return normalise(positions, pooled, chunks=chunks, failed=failed)

    def _embed(self, windows: Sequence[Window]) -> Floats32:
        """Return float32 (windows, dimension), rows in the order of `windows`."""
        vectors = np.zeros((len(windows), self.dimension), dtype=np.float32)
        jobs = list(self._jobs(windows))
        features = (self._features([windows[row].text for row in rows], n) for rows, n in jobs)
        results = in_threads(self._forward, features, threads=self.threads)
        for (rows, _), result in zip(jobs, results, strict=True):
            vectors[rows] = result[: len(rows)]
        return vectors

    def _jobs(self, windows: Sequence[Window]) -> Iterator[tuple[list[int], int]]:
        """Yield rows that share a padded length, and that length in tokens."""
        by_length: dict[int, list[int]] = defaultdict(list)
        for row, window in enumerate(windows):
            tokens = window.tokens + self.overhead
            by_length[-(-tokens // _LENGTH_STEP) * _LENGTH_STEP].append(row)
        for length, rows in sorted(by_length.items()):
            step = _rows_per_pass(length)
            for at in range(0, len(rows), step):
                yield rows[at : at + step], length

    def _features(self, texts: list[str], length: int) -> Features:
        """Preprocess to exactly `_rows_per_pass(length)` rows; the surplus repeats the first."""
        options: dict[str, Any] = {}
        if self.cutter is not None:
            texts = texts + texts[:1] * (_rows_per_pass(length) - len(texts))
            longest = min(length, (self.cutter.limit or length) + self.overhead)
            padding = {"padding": "max_length", "max_length": longest, "truncation": True}
            options["processing_kwargs"] = {"text": padding}
        if self.routed:
            options["modality"] = "text"  # said, never guessed: "photo.png" must not be opened
        # The input module itself: the model's `preprocess` guesses modalities before it looks at
        # ours, and refuses a batch of which some texts look like file names.
        return dict(self.model[0].preprocess(texts, prompt=default_prompt(self.model), **options))

    def _forward(self, features: Features) -> Floats32:
        import torch

        with torch.inference_mode():
            vectors: Floats32 = self.model(features)["sentence_embedding"].float().numpy()
        return vectors


def pool_windows(
    windows: Sequence[Window], vectors: Floats32
) -> tuple[list[int], NDArray[np.float64], list[int]]:
    """Average the unit vectors of each text's windows, weighted by their token counts.

    windows: in order of position. vectors: (windows, d). Returns positions (n), sums (n, d), not
    normalised, and the number of windows (n).
    """
    wide = vectors.astype(np.float64)
    norms = np.sqrt(np.square(wide).sum(axis=1, keepdims=True))
    weights = np.array([[window.tokens] for window in windows], np.float64).reshape(-1, 1)
    weighted = wide / np.where(norms > 0, norms, 1.0) * weights
    positions, first, chunks = np.unique(
        np.array([window.position for window in windows], np.int64),
        return_index=True,
        return_counts=True,
    )
    sums = np.add.reduceat(weighted, first, axis=0) if len(first) else weighted
    return positions.tolist(), sums, chunks.tolist()


def open_text_folder(
    config: SentenceTransformersText, *, threads: int | None
) -> TextFolderEncoder | StaticTextEncoder:
    """Open a local folder; nothing is fetched and no code in it is run.

    Raises:
        EncoderError: it is not such a folder, needs its own code, or does not take texts.
    """
    return open_folder(
        Path(config.path), dtype=config.dtype, batch_size=config.batch_size, threads=threads
    )


def open_folder(
    folder: Path,
    *,
    dtype: Literal["auto", "float32", "bfloat16"],
    batch_size: int,
    threads: int | None,
    name: str | None = None,
) -> TextFolderEncoder | StaticTextEncoder:
    """Load the model in `folder` with its own prompt, window and dimension."""
    from pipeline.encoders.text.static import open_static_folder

    name = name or folder.name
    if static := open_static_folder(folder, name=name):
        return static
    import torch

    model = load_model(folder)
    if static := open_static_folder(folder, name=name, model=model):
        return static
    number = resolve_dtype(dtype)
    model.to(getattr(torch, number))
    cutter, overhead = text_cutter(model, folder)
    return TextFolderEncoder(
        model=model,
        cutter=cutter,
        overhead=overhead,
        routed=text_module(model) is not model[0],
        name=name,
        fingerprint=text_fingerprint(
            folder_digest(folder), dtype=number, limit=cutter.limit if cutter else None
        ),
        dimension=int(model.get_embedding_dimension()),
        batch_size=batch_size,
        threads=threads,
    )


def text_fingerprint(files: dict[str, str], *, dtype: str, limit: int | None) -> str:
    """What vectors of a text model depend on: its files' digests, number type and window."""
    return fingerprint_of(files=files, dtype=dtype, limit=limit, version=1)


def _rows_per_pass(length: int) -> int:
    return max(1, _TOKENS_PER_PASS // length)
