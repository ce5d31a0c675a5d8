"""The scratch folder of a training, by which one that was killed is known again."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.config import EncoderTraining, NegativeSettings
from pipeline.training.siamese.pairs import PreparedData


def training_key(
    items: list[Any],
    prepared: PreparedData,
    settings: EncoderTraining,
    negatives: NegativeSettings,
    *,
    seed: int,
) -> str:
    """Return the sha256 over everything that decides what is trained."""
    digest = hashlib.sha256()
    for item in items:
        digest.update(repr(item).encode("utf-8", "surrogatepass") + b"\0")
    arrays: list[Any] = [prepared.entity, prepared.minable]
    for pairs in (prepared.train, prepared.valid):
        arrays += [pairs.left, pairs.right, pairs.grade]
    for array in arrays:
        digest.update(np.ascontiguousarray(array).tobytes() + b"\0")
    digest.update(f"{settings.model_dump_json()}{negatives.model_dump_json()}{seed}".encode())
    return digest.hexdigest()


def claim(work: Path, key: str) -> None:
    """Make `work` the folder of this training; the leftovers of another one are removed."""
    named = work / "training.key"
    if not named.is_file() or named.read_text() != key:
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir(parents=True)
        named.write_text(key)
