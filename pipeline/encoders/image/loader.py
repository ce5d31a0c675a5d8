"""Pictures from disk, object storage or rows to small RGB squares, in processes of their own.

A plain process pool rather than torch's DataLoader: it streams any iterable, its workers need no
torch, and a worker that dies (a decoder's crash, the kernel's memory killer) costs one picture.
"""

from __future__ import annotations

import multiprocessing
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import partial
from itertools import chain, islice
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pipeline.arrays import start_processes
from pipeline.config import ImageSettings
from pipeline.encoders.base import Failure, ImageRef

if TYPE_CHECKING:
    from PIL.Image import Image

Pixels = NDArray[np.uint8]
LoadResult = Pixels | str  # the picture, or why there is none
Work = Callable[[Sequence[ImageRef]], list[LoadResult]]

PREPARED = "squash-bilinear-reduced"  # what `prepare` does, for fingerprints

_CLEAR = 1.5  # a reduced picture keeps so many pixels per pixel of the square, on each side …
_CLEAR_SIDE = 336  # … and never fewer in all: cosine to the whole picture's vector ≥ 0.99
_FEWEST = 64  # below this, starting workers takes longer than decoding
_CHUNK = 4  # pictures per message to a worker


@dataclass(frozen=True)
class PictureBatch:
    """positions: places in the input. pixels: uint8 (n, 3, s, s), RGB. failed: the others."""

    positions: list[int]
    pixels: Pixels
    failed: list[Failure]


def load_pictures(
    items: Iterable[ImageRef], *, size: int, batch_size: int, settings: ImageSettings
) -> Iterator[PictureBatch]:
    """Yield batches of `batch_size` items in order, decoded ahead by `settings.workers` processes.

    No picture raises: what cannot be read or decoded is in `failed` with its reason.
    """
    work = partial(_load_chunk, size=size, settings=settings)
    outcomes = enumerate(_iter_outcomes(items, work=work, workers=settings.workers))
    while batch := list(islice(outcomes, batch_size)):
        good = [(at, outcome) for at, outcome in batch if not isinstance(outcome, str)]
        pixels = np.stack([p for _, p in good]) if good else np.empty((0, 3, size, size), np.uint8)
        failed = [(at, outcome) for at, outcome in batch if isinstance(outcome, str)]
        yield PictureBatch([at for at, _ in good], pixels, failed)


def prepare_picture(image: Image, *, size: int) -> Pixels:
    """Squash an RGB picture to uint8 (3, size, size), antialiased (bilinear).

    Squashing keeps all content: micro average precision 0.566 against 0.521 with a centre crop,
    and 0.574 bilinear instead of bicubic (EfficientNet-Lite0, 496 AugLy copies among 524 references
    and 200 strangers).
    """
    from PIL.Image import Resampling

    small = image.resize((size, size), Resampling.BILINEAR, reducing_gap=3.0)
    return np.ascontiguousarray(np.asarray(small, dtype=np.uint8).transpose(2, 0, 1))


def _load_chunk(
    refs: Sequence[ImageRef], *, size: int, settings: ImageSettings
) -> list[LoadResult]:
    return [_load(ref, size=size, settings=settings) for ref in refs]


def read_picture(ref: ImageRef, *, size: int, settings: ImageSettings) -> Image:
    """Decode a picture, clear enough to be squashed to `size`.

    Raises:
        ImageError: it cannot be read or decoded.
    """
    from pipeline.ingestion import decode, image_reader

    data = ref.data
    if data is None:
        data = image_reader(ref.uri or "", ref.storage_options)
    least = max(int(_CLEAR * size), _CLEAR_SIDE)
    return decode(data, settings=settings, at_least=least)


def _load(ref: ImageRef, *, size: int, settings: ImageSettings) -> LoadResult:
    from pipeline.ingestion import ImageError

    try:
        return prepare_picture(read_picture(ref, size=size, settings=settings), size=size)
    except ImageError as error:
        return str(error)


def _iter_outcomes(items: Iterable[ImageRef], *, work: Work, workers: int) -> Iterator[LoadResult]:
    """Yield one outcome per item, in order, in this process or from a pool."""
    remaining = iter(items)
    first = list(islice(remaining, _FEWEST))
    # A daemonic process (a Dask worker, say) may not have children.
    alone = workers == 0 or len(first) < _FEWEST or multiprocessing.current_process().daemon
    chunks = _chunks(chain(first, remaining))
    if alone:
        return chain.from_iterable(map(work, chunks))
    return _load_pooled(chunks, work=work, workers=workers)


def _load_pooled(
    chunks: Iterable[list[ImageRef]], *, work: Work, workers: int
) -> Iterator[LoadResult]:
    """Keep every worker busy with a bounded number of chunks in flight."""
    pool = start_processes(workers)
    waiting: deque[tuple[list[ImageRef], Future[list[LoadResult]]]] = deque()
    remaining = iter(chunks)
    try:
        while True:
            for chunk in islice(remaining, 4 * workers - len(waiting)):
                waiting.append((chunk, pool.submit(work, chunk)))
            if not waiting:
                return
            chunk, future = waiting.popleft()
            try:
                yield from future.result()
            except BrokenProcessPool:
                pool.shutdown(cancel_futures=True)
                for lost in (chunk, *(lost for lost, _ in waiting)):
                    yield from _one_by_one(lost, work=work)
                waiting.clear()
                pool = start_processes(workers)
    finally:
        pool.shutdown(cancel_futures=True)


def _one_by_one(refs: Sequence[ImageRef], *, work: Work) -> Iterator[LoadResult]:
    """Load each picture in a process it may kill."""
    for ref in refs:
        with start_processes(1) as pool:
            try:
                yield from pool.submit(work, [ref]).result()
            except BrokenProcessPool:
                yield "the decoder's process died on this picture"


def _chunks(items: Iterable[ImageRef]) -> Iterator[list[ImageRef]]:
    remaining = iter(items)
    while chunk := list(islice(remaining, _CHUNK)):
        yield chunk
