"""The network: gradient caching is exact, and the learning rate rises and falls."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from pipeline.config.encoders import SentenceTransformersText
from pipeline.config.finetune import EncoderTraining
from pipeline.training.siamese.module import learning_rate_share
from pipeline.training.siamese.pairs import TrainingData


@pytest.mark.parametrize(("model", "size"), [("bert", 3), ("character_cnn", 32)])
def test_cached_gradients_are_those_of_the_whole_step(
    model: str, size: int, unvalidated: TrainingData, settings: EncoderTraining,
    train: Callable[..., Any], bert_folder: Path,
) -> None:  # fmt: skip
    """Small groups of a model without dropout; and with dropout, which falls the same twice."""
    if model == "bert":
        start = SentenceTransformersText(type="sentence_transformers", path=str(bert_folder))
        settings = settings.model_copy(update={"start": start})
    weights = []
    for objective in ("info_nce", "cached_info_nce"):
        changes = {"objective": objective, "mini_batch_size": size, "epochs": 1}
        trained = train(unvalidated, settings.model_copy(update=changes), name=objective)
        assert trained.facts["best_epoch"] == 1
        weights.append(load_file(trained.folder / "model.safetensors"))
    for name, tensor in weights[0].items():
        assert torch.allclose(tensor, weights[1][name], atol=2e-4), name


def test_learning_rate() -> None:
    shares = [learning_rate_share(at, warmup=0.2) for at in (0, 0.1, 0.2, 0.6, 1.0)]
    assert shares == pytest.approx([0, 0.5, 1, 0.5, 0])
    assert learning_rate_share(0.0, warmup=0.0) == 1.0
    assert learning_rate_share(0.5, warmup=1.0) == 0.5
