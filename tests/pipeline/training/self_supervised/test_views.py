"""Steps of views: every record once, hard negatives together, the same whatever the workers."""

from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
import torch
from PIL import Image

from pipeline.config.self_supervised import ViewLearning, ViewObjective
from pipeline.encoders.model_folder import load_model
from pipeline.evaluation.synthetic.picture_edits import PICTURE_EDITS
from pipeline.evaluation.synthetic.text_edits import TEXT_EDITS
from pipeline.training.self_supervised import fit
from pipeline.training.self_supervised.picture_views import PictureViews, picture_step
from pipeline.training.self_supervised.text_views import TextViews, text_step
from pipeline.training.self_supervised.views import (
    ViewBatches,
    look_alikes,
    sequential_batches,
    split_views,
    view_loader,
    view_steps,
)
from pipeline.training.siamese.runtime import silence, torch_settings
from tests.worlds.views import SIZE, network, photographs

pytestmark = pytest.mark.slow


def data(*, workers: int = 0, edits: tuple[str, ...] = tuple(PICTURE_EDITS)) -> fit.ViewData:
    some = photographs()
    views = PictureViews(some, size=SIZE, seed=3, edits=edits)
    return fit.ViewData(views, picture_step, some.group, workers)


def test_whole_groups_are_held_back_and_some_are_left() -> None:
    group = np.repeat(np.arange(10), 3)
    train, held = split_views(group, held_back=0.3, seed=1)
    assert sorted([*train, *held]) == list(range(30))
    assert not set(group[train]) & set(group[held])
    assert len(held) == 9
    assert len(split_views(group, held_back=0.0, seed=1)[1]) == 0
    assert len(split_views(np.zeros(5, np.int64), held_back=0.9, seed=1)[0]) == 5


def test_the_nearest_of_other_groups_come_first() -> None:
    vectors = np.array([[1, 0], [0.99, 0.1], [0.9, 0.4], [0, 1]], np.float32)
    near = look_alikes(vectors, np.array([0, 0, 1, 2]))
    assert near[0].tolist()[:2] == [2, 3]
    assert near[2].tolist()[:2] == [1, 0]


def test_every_record_is_once_in_an_epoch_beside_those_that_look_alike() -> None:
    random = np.random.default_rng(0)
    vectors = np.repeat(random.standard_normal((20, 6)), 5, axis=0) + 0.01
    group = np.arange(100)
    near = look_alikes(vectors.astype(np.float32), group)
    found = list(view_steps(near, size=20, join=3, random=np.random.default_rng(5)))
    assert sorted(np.concatenate(found).tolist()) == list(range(100))
    assert {len(step) for step in found} == {20}
    together = [np.unique(step // 5, return_counts=True)[1].max() for step in found]
    assert min(together) >= 4
    alone = list(view_steps(near, size=20, join=0, random=np.random.default_rng(5)))
    assert sorted(np.concatenate(alone).tolist()) == list(range(100))
    batches = ViewBatches(near, size=30, join=3, seed=0, epochs=3)
    listed = list(batches)
    assert len(listed) == len(batches) == 12
    assert [place for step in listed for place in step if place[0] == 1] != [
        (1, row) for _, row in (place for step in listed for place in step if place[0] == 0)
    ]


def test_views_are_the_same_with_workers_and_without() -> None:
    batches = sequential_batches(np.arange(24), epoch=2, size=7)
    results = []
    for workers in (0, 2):
        given = data(workers=workers)
        made = view_loader(given.views, batches, workers=workers, collate=given.collate)
        results.append([(rows, features["pixel_values"]) for rows, features in made])
    for (rows, pixels), (again, others) in zip(*results, strict=True):
        assert rows.tolist() == again.tolist()
        assert torch.equal(pixels, others)
    assert results[0][0][1].shape == (14, 3, SIZE, SIZE)
    other = data().views[(3, 0)][1]
    assert not torch.equal(other, data().views[(2, 0)][1])


def test_learned_whitening_leaves_views_that_differ_alike_everywhere() -> None:
    random = np.random.default_rng(0)
    mixed = random.standard_normal((6, 6))
    records = np.repeat(random.standard_normal((4000, 6)) * [9, 5, 3, 1, 1, 1], 2, axis=0)
    features = (records + random.standard_normal((8000, 6)) * [1, 4, 1, 1, 2, 1]) @ mixed
    weight, bias = fit.whiten_network(features.astype(np.float32), dimension=4)
    white = features @ weight.T + bias
    assert weight.shape == (4, 6)
    assert np.abs(white.mean(axis=0)).max() < 1e-3
    assert np.allclose(np.cov(white.T), np.eye(4) / 4, atol=0.02)
    within = (white[0::2] - white[1::2]).T @ (white[0::2] - white[1::2])
    share = np.diag(within) / np.trace(within)
    assert (np.diff(share) > 0).all()  # the best told apart come first
    assert np.abs(within - np.diag(np.diag(within))).max() < 0.1 * within.max()


@pytest.mark.parametrize("objective", get_args(ViewObjective))
def test_every_objective_trains_and_a_training_repeats(objective: str) -> None:
    settings = ViewLearning(
        objective=objective, epochs=2, batch_size=8, learning_rate=1e-3, memory=32
    )
    results = []
    for _ in range(2):
        encoder, told = network(), list[Any]()
        with silence(), torch_settings(1, seed=0):
            history = fit.fit_views(encoder, data(), settings, seed=0, each=told.append)
        assert [entry.epoch for entry in history] == [1, 2]
        assert tuple(told) == history
        assert all(np.isfinite(entry.loss) for entry in history)
        results.append(encoder.state_dict())
    start = network().state_dict()
    assert any(not torch.equal(start[name], results[0][name]) for name in start)
    for name in start:
        assert torch.equal(results[0][name], results[1][name])


def test_training_brings_views_nearer_than_strangers() -> None:
    given = data(edits=("mirror", "flip", "shrink", "tint"))
    settings = ViewLearning(epochs=15, batch_size=12, learning_rate=1e-2, entropy=1.0)
    encoder = network()
    with silence(), torch_settings(1, seed=0):
        before = fit.measure_held_back(encoder, given, epoch=99)
        fit.fit_views(encoder, given, settings, seed=0)
        after = fit.measure_held_back(encoder, given, epoch=99)
    assert after.average_precision > before.average_precision + 0.1
    assert after.records == 24


def test_frozen_layers_stay(tmp_path: Path) -> None:
    encoder = network()
    encoder.freeze()
    before = {name: value.clone() for name, value in encoder.state_dict().items()}
    with silence(), torch_settings(1, seed=0):
        fit.fit_views(
            encoder, data(), ViewLearning(epochs=1, batch_size=8, learning_rate=1e-2), seed=0
        )
    changed = {
        name for name, value in encoder.state_dict().items() if (value != before[name]).any()
    }
    assert changed == {"layers.2.weight", "layers.2.bias", "projection.weight", "projection.bias"}
    encoder.save(str(tmp_path))
    again = load_model(tmp_path)
    pictures = [Image.new("RGB", (50, 40), colour) for colour in ("red", "teal")]
    own = encoder(encoder.preprocess(pictures))["sentence_embedding"]
    assert np.allclose(again.encode(pictures), own.detach().numpy(), atol=2e-3)  # float16 on disk


def test_a_traced_network_takes_any_number_of_pictures() -> None:
    whole = network().requires_grad_(False)
    pixels = torch.from_numpy(
        np.random.default_rng(0).integers(0, 256, (20, 3, SIZE, SIZE), dtype=np.uint8)
    )
    with torch.inference_mode():
        # Fewer and more than are taken through frozen layers at a time.
        traced = torch.jit.trace(lambda given: whole.pooled(given), (pixels[:18],))
        for count in (3, 20):
            assert torch.allclose(traced(pixels[:count]), whole.pooled(pixels[:count]), atol=1e-5)
        whole.freeze()
        assert torch.allclose(traced(pixels), whole.pooled(pixels), atol=1e-5)


def test_texts_are_learned_from_in_the_same_way(bert_folder: Path) -> None:
    encoder = load_model(bert_folder)
    texts = [f"record {number} of the {word}" for number, word in enumerate("abcdefghij")]
    views = TextViews(texts, seed=0, edits=tuple(TEXT_EDITS))
    collate = text_step(encoder, max_tokens=16)
    rows, features = collate([views[(0, 1)], views[(0, 2)]])
    assert rows.tolist() == [1, 2]
    assert len(features["input_ids"]) == 4
    given = fit.ViewData(views, collate, np.arange(10), 0)
    with silence(), torch_settings(1, seed=0):
        history = fit.fit_views(
            encoder, given, ViewLearning(epochs=1, batch_size=4, learning_rate=1e-3), seed=0
        )
    assert np.isfinite(history[0].loss)
