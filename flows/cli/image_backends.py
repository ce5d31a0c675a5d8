"""How many pictures a second each backend of the shipped image encoder embeds here."""

from __future__ import annotations

import io
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import get_args

import numpy as np

from pipeline.catalog import Catalog
from pipeline.config import CopyDetection, ImageSettings
from pipeline.encoders import Encoder, ImageRef, open_encoder
from pipeline.errors import CatalogError, EncoderError

BACKENDS: tuple[str, ...] = get_args(CopyDetection.model_fields["backend"].annotation)
EXACT, QUICK = "float32", "int8"
WORTH = 1.2  # times the pictures a second at which eight bits are recommended
PICTURES, SIDES, ROUNDS = 40, (640, 480), 2


def image_backends(catalog: str) -> list[tuple[str, bool, str]]:
    """Measure every backend in a few seconds: (name, works, what was found), advice last."""
    encoders: dict[str, Encoder] = {}
    failed: dict[str, str] = {}
    for backend in BACKENDS:
        config = CopyDetection.model_validate({"backend": backend})
        try:
            encoders[backend] = open_encoder(config, images=ImageSettings(workers=0), threads=None)
        except EncoderError as error:
            failed[backend] = str(error)
    rates = measured(encoders)
    kept = _kept(catalog)
    lines = []
    for backend in BACKENDS:
        found = failed.get(backend)
        if found is None:
            found = f"{rates[backend]:.0f} pictures/s, decoded to vector"
            found += " (the default)" if backend == CopyDetection().backend else ""
            found += "; the catalog holds its vectors" * (encoders[backend].fingerprint in kept)
        lines.append((f"image backend {backend}", backend not in failed, found))
    return [*lines, ("image backend", True, advice(rates))] if rates else lines


def measured(encoders: dict[str, Encoder]) -> dict[str, float]:
    """Pictures a second of each encoder, the best of alternating rounds."""
    pictures = generated(PICTURES)
    for encoder in encoders.values():
        _seconds(encoder, pictures[:4])
    best = dict.fromkeys(encoders, 0.0)
    for _ in range(ROUNDS):
        for name, encoder in encoders.items():
            best[name] = max(best[name], len(pictures) / _seconds(encoder, pictures))
    return best


def advice(rates: dict[str, float]) -> str:
    """Recommend eight bits where they pay, and say how either is chosen."""
    order = (QUICK, EXACT) if rates.get(QUICK, 0) >= WORTH * rates.get(EXACT, 0) else (EXACT,)
    best = next(name for name in (*order, *BACKENDS) if name in rates)
    return (
        f"recommended here: {best}; state it with "
        f"image_encoder: {{type: copy_detection, backend: {best}}}. A change between int8 and "
        "the others embeds every picture again"
    )


def generated(count: int) -> list[ImageRef]:
    """Seeded smooth pictures as JPEG, each of one size."""
    from PIL import Image

    rng = np.random.default_rng(0)
    made = []
    for _ in range(count):
        small = Image.fromarray(rng.integers(0, 256, (12, 16, 3), dtype=np.uint8))
        file = io.BytesIO()
        small.resize(SIDES, Image.Resampling.BICUBIC).save(file, "JPEG", quality=85)
        made.append(ImageRef(data=file.getvalue()))
    return made


def _seconds(encoder: Encoder, pictures: Sequence[ImageRef]) -> float:
    began = time.perf_counter()
    for _ in encoder.encode(pictures):
        pass
    return time.perf_counter() - began


def _kept(catalog: str) -> list[str]:
    """Fingerprints of the vectors that a catalog holds; none where there is no catalog."""
    with suppress(CatalogError):
        return Catalog(catalog, create=False).stored_encoders()
    return []
