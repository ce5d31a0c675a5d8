"""Base of the image encoders: load, run passes of a fixed shape, normalise."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from pipeline.config import ImageSettings
from pipeline.encoders.base import Encoded, ImageRef, normalise
from pipeline.encoders.image.loader import PictureBatch, Pixels, load_pictures
from pipeline.encoders.runtime import in_threads, single_threaded

# Pictures per pass. Fixed, so that a vector does not depend on the batch; four were fastest on
# two cores (1 … 64 tried), larger passes fall out of the cache.
ROWS = 4


@dataclass(frozen=True)
class PictureEncoder:
    """A network from pixels to vectors.

    network: uint8 (ROWS, 3, image_size, image_size) to float (ROWS, dimension), thread-safe and
    row by row. images: the background colour is no part of the fingerprint, because content
    hashes are of decoded pixels and change with it.
    """

    network: Callable[[Pixels], NDArray[Any]]
    image_size: int
    name: str
    fingerprint: str
    dimension: int
    batch_size: int
    images: ImageSettings
    threads: int | None
    prepare_thread: Callable[[], Any] = single_threaded
    modality: Literal["image"] = "image"

    def encode(self, items: Iterable[ImageRef]) -> Iterator[Encoded]:
        """Yield one `Encoded` per `batch_size` pictures while the next ones are decoded.

        Passes of one batch run beside those of the next, so that no core waits at its end.
        """
        begun: deque[PictureBatch] = deque()

        def passes() -> Iterator[Pixels]:
            for batch in load_pictures(
                items, size=self.image_size, batch_size=self.batch_size, settings=self.images
            ):
                begun.append(batch)
                for at in range(0, len(batch.pixels), ROWS):
                    yield _fill(batch.pixels[at : at + ROWS])

        results = in_threads(
            self.network, passes(), threads=self.threads, prepare=self.prepare_thread
        )
        for first in results:
            yield from self._without_pixels(begun)
            yield self._gathered(begun.popleft(), chain([first], results))
        yield from self._without_pixels(begun)

    def _gathered(self, batch: PictureBatch, results: Iterator[NDArray[Any]]) -> Encoded:
        """Take the results of one batch's passes."""
        passes = -(-len(batch.pixels) // ROWS)
        vectors = np.concatenate(list(islice(results, passes)))[: len(batch.pixels)]
        return normalise(batch.positions, vectors, failed=batch.failed)

    def _without_pixels(self, begun: deque[PictureBatch]) -> Iterator[Encoded]:
        """Yield the batches at the head of which no picture could be read."""
        while begun and not len(begun[0].pixels):
            batch = begun.popleft()
            nothing = np.empty((0, self.dimension), np.float32)
            yield normalise(batch.positions, nothing, failed=batch.failed)


def standardise(
    pixels: Pixels, *, mean: tuple[float, float, float], std: tuple[float, float, float]
) -> NDArray[np.float32]:
    """Return (pixels / 255 - mean) / std per channel, float32 (n, 3, s, s)."""
    shift = np.asarray(mean, np.float32)[:, None, None]
    scale = np.asarray(std, np.float32)[:, None, None]
    return (pixels.astype(np.float32) / np.float32(255) - shift) / scale


def _fill(pixels: Pixels) -> Pixels:
    """Repeat the first picture until the pass has `ROWS` rows."""
    missing = ROWS - len(pixels)
    return pixels if not missing else np.concatenate([pixels, pixels[:1].repeat(missing, axis=0)])
