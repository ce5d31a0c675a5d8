"""The Siamese network: one encoder with shared weights over both sides of every pair."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from pytorch_lightning import LightningModule
from sentence_transformers.util import batch_to_device
from torch import Tensor, nn
from torch.nn import functional

from pipeline.arrays import Rows
from pipeline.config import EncoderTraining
from pipeline.encoders import Features
from pipeline.errors import TrainingError
from pipeline.training.siamese.datamodule import Step
from pipeline.training.siamese.objectives import build_objective
from pipeline.training.siamese.pairs import PreparedData
from pipeline.training.siamese.readers import Reader, ReaderGroups, group_by_size
from pipeline.training.siamese.validation import measure_validation, monitored_metric

_EMBEDDED = 32  # contents per forward pass without gradients


@dataclass
class EpochMetrics:
    """Sums over the steps of an epoch so far."""

    steps: int = 0
    loss: float = 0.0
    contents: int = 0
    negatives: float = 0.0  # contents of other entities that a content of its step meets
    seconds: float = 0.0  # reading and training; neither mining nor validation

    def add(self, loss: float, entity: Tensor) -> None:
        """Count one step."""
        others = (entity[:, None] != entity[None, :]).sum(dim=1).float().mean()
        self.steps, self.loss = self.steps + 1, self.loss + loss
        self.contents, self.negatives = self.contents + len(entity), self.negatives + float(others)


def learning_rate_share(progress: float, *, warmup: float) -> float:
    """Return the share of the peak at `progress` in [0, 1]: up linearly, then linearly to 0."""
    if progress < warmup:
        return progress / warmup
    return max(0.0, 1.0 - progress) / (1.0 - warmup) if warmup < 1 else 1.0


def adamw(
    weights: Iterable[nn.Parameter], learning_rate: float, *, weight_decay: float
) -> torch.optim.Optimizer:
    """AdamW over the weights that learn; biases and norms are not decayed.

    Loshchilov and Hutter, Decoupled weight decay regularization, 2019.
    """
    used = [x for x in weights if x.requires_grad]
    groups = [
        {"params": [x for x in used if x.dim() > 1], "weight_decay": weight_decay},
        {"params": [x for x in used if x.dim() <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=learning_rate)


class Siamese(LightningModule):
    """Trains `encoder`, any SentenceTransformer, on steps of pairs; weights stay float32."""

    def __init__(
        self, encoder: Any, reader: Reader, prepared: PreparedData, settings: EncoderTraining
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.reader, self.prepared, self.settings = reader, prepared, settings
        self.objective = build_objective(
            settings.objective, margin=settings.margin, temperature=settings.temperature
        )
        self.monitor = monitored_metric(prepared.valid, settings.objective)
        self.tally = EpochMetrics()
        self.valid: dict[str, float] = {}
        self._chance: dict[str, Any] | None = None

    # --- a step

    def on_train_start(self) -> None:
        """Switch dropout on: a Hugging Face model arrives in evaluation mode."""
        self.encoder.train()
        if self._chance is not None:
            torch.set_rng_state(self._chance["cpu"])
            if torch.cuda.is_available():
                torch.cuda.set_rng_state_all(self._chance["cuda"])
            self._chance = None

    def transfer_batch_to_device(self, batch: Step, device: torch.device, _: int) -> Step:
        """Move features and labels."""
        features = [batch_to_device(group, device) for group in batch.groups.features]
        return Step(ReaderGroups(features, batch.groups.places), batch.labels.to(device))

    def on_train_batch_start(self, batch: Step, batch_idx: int) -> None:
        """Set the learning rate by the share of the training that is done.

        Epochs differ in length, because the negatives are mined anew; each is the same share.
        """
        steps = float(self.trainer.num_training_batches)
        progress = (self.current_epoch + (batch_idx + 0.5) / steps) / self.settings.epochs
        share = learning_rate_share(progress, warmup=self.settings.warmup)
        for group in self.trainer.optimizers[0].param_groups:
            group["lr"] = self.settings.learning_rate * share

    def training_step(self, batch: Step, batch_idx: int) -> Tensor:
        """Return the loss of a step.

        Raises:
            TrainingError: it is not a number.
        """
        vectors = self._vectors(batch.groups)
        with torch.autocast(self.device.type, enabled=False):  # in float32: small differences count
            loss = self.objective(vectors, batch.labels)
        value = float(loss)
        if not math.isfinite(value):
            raise TrainingError(
                f"the loss became {value} in epoch {self.current_epoch + 1}, step "
                f"{self.global_step}; lower encoder.learning_rate, now "
                f"{self.settings.learning_rate:g}, or set encoder.precision: '32'"
            )
        self.tally.add(value, batch.labels.entity)
        self.log("train_loss", value, batch_size=1)
        return loss

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """AdamW over the encoder."""
        rate, decay = self.settings.learning_rate, self.settings.weight_decay
        return adamw(self.encoder.parameters(), rate, weight_decay=decay)

    def _vectors(self, groups: ReaderGroups) -> Tensor:
        """Return unit-norm float32 (c, d) in the order of the contents."""
        parts = [self._forward(features) for features in groups.features]
        return torch.cat(parts)[torch.from_numpy(groups.places).to(self.device)]

    def _forward(self, features: Features) -> Tensor:
        # A copy: the modules write into the dictionary they are given.
        vectors = self.encoder(dict(features))["sentence_embedding"]
        return functional.normalize(vectors.float(), dim=1)

    # --- without gradients

    def embed(self, rows: Rows) -> NDArray[np.float32]:
        """Return unit-norm float32 (m, d) of the contents `rows`, in evaluation mode."""
        training = self.encoder.training
        self.encoder.eval()
        groups = group_by_size(rows, self.reader.lengths, size=_EMBEDDED)
        with torch.inference_mode(), self.trainer.precision_plugin.train_step_context():
            parts = [self._embedded(rows[group]) for group in groups]
        self.encoder.train(training)
        return np.concatenate(parts)[np.argsort(np.concatenate(groups), kind="stable")]

    def _embedded(self, rows: Rows) -> NDArray[np.float32]:
        features = batch_to_device(self.reader.features(rows), self.device)
        vectors: NDArray[np.float32] = self._forward(features).cpu().numpy()
        return vectors

    def validate_pairs(self) -> dict[str, float]:
        """Return valid_loss and valid_average_precision, as far as the pairs allow."""
        if self.monitor == "none":
            return {}
        rows, pairs = self.prepared.valid.contents()
        return measure_validation(
            self.embed(rows),
            self.prepared.entity[rows],
            pairs,
            loss=self.objective,
            batch_size=self.settings.batch_size,
            monitor=self.monitor,
        )

    # --- the end of an epoch, and going on after a kill

    def on_train_epoch_end(self) -> None:
        """Measure the validation pairs."""
        self.valid = self.validate_pairs()
        self.log_dict(self.valid, batch_size=1)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add what a resumed training needs to go on exactly as it would have."""
        cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []
        checkpoint["chance"] = {"cpu": torch.get_rng_state(), "cuda": cuda}
        checkpoint["tally"] = dict(vars(self.tally))

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Take it up again."""
        self._chance = checkpoint["chance"]
        self.tally = EpochMetrics(**checkpoint["tally"])
