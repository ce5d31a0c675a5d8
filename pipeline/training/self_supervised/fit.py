"""A fit on views: from a start to the trained encoder, and how it finds held-back records."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from pytorch_lightning import Callback, Trainer
from sklearn.metrics import average_precision_score
from torch import nn
from torch.nn import functional

from pipeline.arrays import Rows, progress
from pipeline.config import ViewLearning
from pipeline.encoders import CopyNetwork, imagenet_layers
from pipeline.evaluation import Ranking
from pipeline.outputs import HeldBackFigures, ViewEpoch
from pipeline.training.self_supervised.module import TwoViews
from pipeline.training.self_supervised.scenes import negatives_beside
from pipeline.training.self_supervised.views import (
    Floats,
    ViewBatches,
    ViewStep,
    look_alikes,
    sequential_batches,
    view_loader,
)
from pipeline.training.siamese.runtime import hardware, quiet_trainer

_CHANNELS = 1280
_RIDGE = 0.01  # of the mean variance within records, added in every direction
_AT_A_TIME = 32
_SCENES = 1  # pictures of its own scene that are put into a record's step


@dataclass(frozen=True)
class ViewData:
    """Views of some records.

    Attributes:
        views: item (epoch, row). collate: makes a step of items. group: int64 (n,), records of
            which may show the same. workers: processes that make views.
        apart: from (n, d) vectors of the records to `scenes.known_strangers`; None: nothing is
            known of pairs of one group.
    """

    views: Any
    collate: Callable[[list[Any]], ViewStep]
    group: Rows
    workers: int
    apart: Callable[[Floats], Rows] | None = None

    def each(self, rows: Rows, *, epoch: int) -> Any:
        """Steps of both views of some rows in order."""
        batches = sequential_batches(rows, epoch=epoch, size=_AT_A_TIME)
        return view_loader(self.views, batches, workers=self.workers, collate=self.collate)


def copy_network(*, image_size: int, dimension: int) -> CopyNetwork:
    """EfficientNet-Lite0 as ImageNet made it, before a linear layer still to be set."""
    layers = imagenet_layers(image_size)
    return CopyNetwork(layers, nn.Linear(_CHANNELS, dimension), image_size=image_size)


def whiten(network: CopyNetwork, data: ViewData, *, epoch: int) -> None:
    """Set the linear layer to the learned whitening of the pooled features."""
    parts = []
    with torch.inference_mode():
        for _, features in data.each(np.arange(len(data.group)), epoch=epoch):
            parts.append(network.pooled(features["pixel_values"]).numpy())
    weight, bias = whiten_network(
        np.concatenate(parts), dimension=network.get_embedding_dimension()
    )
    with torch.no_grad():
        network.projection.weight.copy_(torch.from_numpy(weight))
        network.projection.bias.copy_(torch.from_numpy(bias))


def whiten_network(features: Floats, *, dimension: int) -> tuple[Floats, Floats]:
    """Weight (d, c) and bias (d,) after which two views of a record differ alike in all directions.

    The covariance of the difference of two views is made white, then the directions in which all
    features vary most are kept and brought to one variance. Learned whitening: Radenović, Tolias
    and Chum, Fine-tuning CNN image retrieval with no human annotation, 2018, section 3.4, after
    Mikolajczyk and Matas, Improving descriptors for fast tree matching by optimal linear
    projection, 2007.

    Args:
        features: float32 (2n, c), both views of each record in turn.
    """
    mean = features.mean(axis=0, dtype=np.float64)
    differences = (features[0::2] - features[1::2]).astype(np.float64)
    within = differences.T @ differences / (2 * len(differences))
    within += _RIDGE * np.trace(within) / len(within) * np.eye(len(within))
    values, vectors = np.linalg.eigh(within)
    white = (vectors / np.sqrt(values)) @ vectors.T
    values, vectors = np.linalg.eigh(white @ np.cov(features.T.astype(np.float64)) @ white)
    kept = vectors[:, ::-1][:, :dimension] / np.sqrt(values[::-1][:dimension])
    weight = kept.T @ white / np.sqrt(dimension)
    return weight.astype(np.float32), (-weight @ mean).astype(np.float32)


def embed_views(encoder: Any, data: ViewData, rows: Rows, *, epoch: int) -> Floats:
    """(2r, d) unit vectors of both views of some rows, in turn."""
    parts = [np.zeros((0, int(encoder.get_embedding_dimension())), np.float32)]
    encoder.eval()
    with torch.inference_mode():
        for _, features in data.each(rows, epoch=epoch):
            found = encoder(dict(features))["sentence_embedding"].float()
            parts.append(functional.normalize(found, dim=1).numpy())
    return np.concatenate(parts)


def fit_views(
    encoder: Any,
    data: ViewData,
    settings: ViewLearning,
    *,
    seed: int,
    each: Callable[[ViewEpoch], None] = lambda _: None,
) -> tuple[ViewEpoch, ...]:
    """Train the encoder in place; returns every epoch.

    Raises:
        TrainingError: the loss became no number.
    """
    # Views of an epoch that no training has: the features of the start.
    start = embed_views(encoder, data, np.arange(len(data.group)), epoch=settings.epochs + 1)[0::2]
    near, apart, join = look_alikes(start, data.group), None, settings.near
    if settings.scenes and data.apart is not None:
        apart = data.apart(start)
        near = np.concatenate([negatives_beside(apart, len(start), most=_SCENES), near], axis=1)
        join += _SCENES
    batches = ViewBatches(
        near, size=settings.batch_size, join=join, seed=seed, epochs=settings.epochs
    )
    encoder.train()
    module = TwoViews(
        encoder, torch.from_numpy(data.group), settings, steps=len(batches), apart=apart
    )
    epochs = _EpochProgress(batches.steps, each)
    trainer = quiet_trainer(
        max_epochs=1, accelerator=hardware("32")[0], gradient_clip_val=1.0, callbacks=[epochs],
        use_distributed_sampler=False,
    )  # fmt: skip
    trainer.fit(
        module, view_loader(data.views, batches, workers=data.workers, collate=data.collate)
    )
    encoder.eval().to("cpu")
    return tuple(epochs.history)


def measure_held_back(encoder: Any, data: ViewData, *, epoch: int) -> HeldBackFigures:
    """How well the views of records that were not learned from find each other.

    Returns:
        Micro average precision over all pairs of a lightly and a heavily edited view, those of one
        group that are not of one record left out, and the share found at a precision of 0.999.
    """
    rows = np.arange(len(data.group))
    vectors = embed_views(encoder, data, rows, epoch=epoch)
    cosine = vectors[0::2] @ vectors[1::2].T
    same = np.eye(len(rows), dtype=bool)
    counted = same | (data.group[:, None] != data.group[None, :])
    score, true = cosine[counted], same[counted]
    return HeldBackFigures(
        float(average_precision_score(true, score)),
        Ranking(true, score).recall_at(0.999),
        len(rows),
    )


class _EpochProgress(Callback):
    """Mean loss and seconds of every epoch."""

    def __init__(self, steps: int, each: Callable[[ViewEpoch], None]) -> None:
        self.steps, self.each = steps, each
        self.history: list[ViewEpoch] = []
        self.began = time.monotonic()

    def on_train_batch_end(
        self, trainer: Trainer, module: Any, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Record the last step of an epoch."""
        progress.report("train", batch_idx + 1, int(trainer.num_training_batches))
        if (batch_idx + 1) % self.steps:
            return
        seconds = round(time.monotonic() - self.began, 1)
        entry = ViewEpoch(len(self.history) + 1, module.sums.mean(), seconds)
        self.history.append(entry)
        self.each(entry)
