"""Small labelled sets and tiny models, so that a training takes about a second."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.config.encoders import CharacterCnn
from pipeline.config.finetune import EncoderTraining
from pipeline.encoders import ImageRef
from pipeline.training.siamese.pairs import TrainingData
from tests.worlds.models import write_bert, write_router
from tests.worlds.pictures import png, smooth

FILLERS = ("premium quality", "brand new in box", "free shipping", "best price today")


def labelled(entities: int = 60, *, seed: int = 0, valid: float = 0.4) -> TrainingData:
    """Names said twice with other fillers; different pairs share the filler, not the name.

    Rows 2e and 2e + 1 belong to entity e. Two thirds of what characters say about a text is filler:
    an encoder has to learn to look away from it.
    """
    rng = np.random.default_rng(seed)
    names = ["".join(rng.choice(list("abdefgiklmnoprstuvz"), 6)) for _ in range(entities)]
    first = rng.integers(0, len(FILLERS), entities)
    second = (first + rng.integers(1, len(FILLERS), entities)) % len(FILLERS)
    items = [
        text
        for name, one, two in zip(names, first, second, strict=True)
        for text in (f"{FILLERS[one]} {name}", f"{name} {FILLERS[two]}")
    ]
    number = np.arange(entities)
    others = [
        [other for other in number if other != one and second[other] == first[one]]
        for one in number
    ]
    partner = np.array([rng.choice(row) if row else (one + 1) % entities
                        for one, row in enumerate(others)])  # fmt: skip
    left = np.concatenate([2 * number, 2 * number])
    right = np.concatenate([2 * number + 1, 2 * partner + 1])
    grade = np.repeat([1.0, 0.0], entities)
    limit = round(entities * (1 - valid))
    train = (left // 2 < limit) & (right // 2 < limit)
    held = (left // 2 >= limit) & (right // 2 >= limit)
    entity = np.repeat(number, 2)
    return TrainingData(
        items, left[train], right[train], grade[train], left[held], right[held], grade[held],
        entity, entity < limit,
    )  # fmt: skip


@pytest.fixture(scope="session")
def data() -> TrainingData:
    return labelled()


@pytest.fixture(scope="session")
def few() -> TrainingData:
    return labelled(16)


@pytest.fixture(scope="session")
def unvalidated(few: TrainingData) -> TrainingData:
    """Without validation pairs: the last weights are kept, whatever they are worth."""
    nothing = np.zeros(0, np.int64)
    return replace(few, valid_left=nothing, valid_right=nothing, valid_grade=nothing.astype(float))


@pytest.fixture(scope="session")
def settings() -> EncoderTraining:
    start = CharacterCnn(
        type="character_cnn", dimension=32, channels=32, layers=2, max_characters=48
    )
    return EncoderTraining(
        start=start, objective="info_nce", epochs=2, batch_size=16, learning_rate=3e-3,
        patience=9, precision="32",
    )  # fmt: skip


@pytest.fixture(scope="session")
def bert_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random two-layer BERT over letters."""
    still: dict[str, Any] = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    return write_bert(tmp_path_factory.mktemp("text_model"), **still)


@pytest.fixture(scope="session")
def router_folder(tmp_path_factory: pytest.TempPathFactory, bert_folder: Path) -> Path:
    """One model for texts and pictures."""
    return write_router(tmp_path_factory.mktemp("router_model"), text=bert_folder)


@pytest.fixture(scope="session")
def pictures() -> Callable[[TrainingData], TrainingData]:
    """Turn texts into pictures: one scene per entity, in two sizes."""

    def convert(data: TrainingData) -> TrainingData:
        refs = [
            ImageRef(data=png(smooth(int(entity), (40 + 8 * (row % 2),) * 2)))
            for row, entity in enumerate(data.entity)
        ]
        return replace(data, items=refs)

    return convert


@pytest.fixture
def train(tmp_path: Path) -> Callable[..., Any]:
    """Train in scratch folders of the test; `name` tells trainings apart."""
    from pipeline.config.finetune import NegativeSettings
    from pipeline.config.sources import ImageSettings
    from pipeline.training.siamese.fit import train_encoder

    def run(
        data: TrainingData, settings: EncoderTraining, *, name: str = "a", mined: int = 2,
        seed: int = 1, **negatives: Any,
    ) -> Any:  # fmt: skip
        return train_encoder(
            data, settings, NegativeSettings(mined=mined, **negatives),
            folder=tmp_path / name, work=tmp_path / f"{name}-work", seed=seed, threads=1,
            images=ImageSettings(workers=0),
        )  # fmt: skip

    return run
