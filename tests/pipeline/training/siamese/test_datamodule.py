"""Steps: what may meet as different, what mining may use, and when it is done again."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from pipeline.config.finetune import EncoderTraining, NegativeSettings
from pipeline.training.siamese.datamodule import PairModule
from pipeline.training.siamese.pairs import TrainingData, prepare_pairs
from pipeline.training.siamese.readers import group_by_size, read_groups


class Letters:
    """A reader whose features are the rows themselves."""

    def __init__(self, texts: list[str]) -> None:
        self.lengths = np.array([len(text) for text in texts])
        self.unusable = np.zeros(len(texts), bool)

    def features(self, rows: np.ndarray) -> dict[str, Any]:
        return {"rows": rows}


class Clock:
    """A trainer that knows the epoch."""

    current_epoch = 0


def pair_module(
    data: TrainingData, settings: EncoderTraining, **negatives: Any
) -> tuple[PairModule, Clock]:
    prepared = prepare_pairs(data)
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(len(prepared.first), 6)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    module = PairModule(
        prepared, Letters(list(data.items)), settings, NegativeSettings(**negatives),
        embed=lambda rows: vectors[rows], seed=0,
    )  # fmt: skip
    clock = Clock()
    module.trainer = clock  # type: ignore[assignment]
    return module, clock


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("closed", [False, True])
def test_known_duplicates_never_meet_as_different(
    seed: int, closed: bool, data: TrainingData, settings: EncoderTraining
) -> None:
    rng = np.random.default_rng(seed)
    count = len(data.items)
    entity = rng.integers(0, 30, count)
    left, right = rng.integers(0, count, 200), rng.integers(0, count, 200)
    grade = np.where(entity[left] == entity[right], 1.0, 0.0)
    wrong = rng.random(200) < 0.05
    data = replace(
        data, left=left, right=right, grade=np.where(wrong, 0.0, grade), entity=entity
    )  # fmt: skip
    module, _ = pair_module(data, settings, mined=5, closed_world=closed)
    prepared, different = module.prepared, 0
    for step in module.train_dataloader():
        labels = step.labels
        apart = ~labels.same
        different += int(apart.sum())
        assert not (labels.entity[labels.left] == labels.entity[labels.right])[apart].any()
        rows = np.concatenate([group["rows"] for group in step.groups.features])
        rows = rows[step.groups.places]
        assert len(set(rows.tolist())) == len(rows)
        assert (prepared.entity[rows] == labels.entity.numpy()).all()
    assert different == len(module.mined.left) + (~prepared.train.same).sum()


def test_only_minable_rows_are_mined(data: TrainingData, settings: EncoderTraining) -> None:
    module, _ = pair_module(data, settings, mined=5)
    module.train_dataloader()
    mined = np.concatenate([module.mined.left, module.mined.right])
    assert len(mined)
    assert data.minable[mined].all()
    assert not data.minable.all()


def test_mining_is_bounded(data: TrainingData, settings: EncoderTraining) -> None:
    named = len(np.union1d(data.left, data.right))
    most = named // 2
    module, _ = pair_module(data, settings, mined=5, max_records=most)
    module.train_dataloader()
    assert module.mined.searched == most
    whole, _ = pair_module(data, settings, mined=5)
    whole.train_dataloader()
    assert whole.mined.searched > most
    mined = np.union1d(module.mined.left, module.mined.right)
    assert 0 < len(mined) <= most
    assert data.minable[mined].all()


def test_mining_keeps_its_schedule(data: TrainingData, settings: EncoderTraining) -> None:
    module, clock = pair_module(data, settings, mined=2, remine_every=2)
    mined_at = []
    for clock.current_epoch in range(5):
        module.train_dataloader()
        mined_at.append(module.mined_at)
    assert mined_at == [0, 0, 2, 2, 4]


def test_random_weights_mine_only_when_nothing_else_is_different(
    data: TrainingData, settings: EncoderTraining
) -> None:
    module, clock = pair_module(data, settings, mined=2)
    module.untrained = True
    module.train_dataloader()
    assert not len(module.mined.left)
    clock.current_epoch = 1
    module.train_dataloader()
    assert len(module.mined.left)
    same = data.grade == 1
    alike = replace(data, left=data.left[same], right=data.right[same], grade=data.grade[same])
    other, _ = pair_module(alike, settings.model_copy(update={"objective": "cosent"}), mined=2)
    other.untrained = True
    other.train_dataloader()
    assert len(other.mined.left)


def test_an_epoch_goes_on_where_it_stopped(data: TrainingData, settings: EncoderTraining) -> None:
    module, _ = pair_module(data, settings, mined=2)
    whole = [step.labels.entity.tolist() for step in module.train_dataloader()]
    module.taken = 2
    other, _ = pair_module(data, settings, mined=0)
    other.load_state_dict(module.state_dict())
    steps = other.train_dataloader()
    assert [step.labels.entity.tolist() for step in steps] == whole[2:]
    assert len(steps) == len(whole)


def test_groups_are_alike_in_length_and_return_to_order() -> None:
    lengths = np.array([5, 1, 9, 2, 7, 3, 8])
    rows = np.array([6, 0, 2, 1, 3])
    groups = group_by_size(rows, lengths, size=2)
    assert [lengths[rows[group]].tolist() for group in groups] == [[1, 2], [5, 8], [9]]
    read = read_groups(Letters(["x" * n for n in lengths]), rows, size=2)
    together = np.concatenate([group["rows"] for group in read.features])
    assert together[read.places].tolist() == rows.tolist()
