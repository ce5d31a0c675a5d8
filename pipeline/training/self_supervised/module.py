"""Self-supervised training: one encoder with shared weights over two views of every record."""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass
from itertools import chain
from typing import Any, assert_never

import torch
from pytorch_lightning import LightningModule
from sentence_transformers.util import batch_to_device
from torch import Tensor, nn
from torch.nn import functional

from pipeline.arrays import Rows, pair_key, positions_in_sorted
from pipeline.config import ViewLearning
from pipeline.encoders import Features
from pipeline.errors import TrainingError
from pipeline.training.self_supervised.objectives import (
    VectorMemory,
    barlow_twins,
    entropy,
    joint_embedding_prediction,
    self_distillation,
    vicreg,
    view_info_nce,
)
from pipeline.training.self_supervised.views import ViewStep
from pipeline.training.siamese.module import adamw, learning_rate_share

_WIDE = 2048  # of the heads' hidden layers, and the classes of self-distillation
_NARROW = 256  # of the vectors that its classes are compared with
_REDUNDANCY = 0.005  # of Barlow Twins
_INVARIANCE, _VARIANCE, _COVARIANCE = 25.0, 25.0, 1.0  # of VICReg
_STUDENT, _TEACHER = 0.1, 0.05  # temperatures of self-distillation
_CENTRE = 0.9  # share of the running mean that stays


@dataclass
class Sums:
    """Over the steps since the last mean."""

    steps: int = 0
    loss: float = 0.0

    def mean(self) -> float:
        """The mean loss; the sums begin anew."""
        found = self.loss / max(self.steps, 1)
        self.steps, self.loss = 0, 0.0
        return found


def _head(dimension: int, out: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(dimension, _WIDE), nn.GELU(), nn.Linear(_WIDE, out))


class TwoViews(LightningModule):
    """Trains `encoder`, whose features give `sentence_embedding`, on pairs of views.

    `apart` are the keys of `scenes.known_strangers`.

    Vectors enter the objectives before any head where the objective is contrastive, and through a
    head that is thrown away where it is not.
    """

    group: Tensor
    centre: Tensor

    def __init__(
        self,
        encoder: Any,
        group: Tensor,
        settings: ViewLearning,
        *,
        steps: int,
        apart: Rows | None = None,
    ) -> None:
        super().__init__()
        self.apart = apart if apart is not None and len(apart) else None
        self.encoder, self.settings, self.steps = encoder, settings, steps
        self.register_buffer("group", group, persistent=False)
        dimension = int(encoder.get_embedding_dimension())
        self.head: nn.Module = nn.Identity()
        self.teacher: nn.Module | None = None
        self.memory = VectorMemory.empty(dimension)
        match settings.objective:
            case "info_nce":
                pass
            case "barlow_twins" | "vicreg":
                self.head = _head(dimension, _WIDE)
            case "self_distillation":
                self.head = nn.Sequential(_head(dimension, _NARROW), _Prototypes(_NARROW, _WIDE))
                self.teacher = copy.deepcopy(nn.Sequential(encoder, self.head))
                self.register_buffer("centre", torch.zeros(_WIDE))
            case "joint_embedding_prediction":
                self.head = _head(dimension, dimension)
                self.teacher = copy.deepcopy(encoder)
            case _:
                assert_never(settings.objective)
        if self.teacher is not None:
            self.teacher.requires_grad_(False)
        self.sums = Sums()

    def transfer_batch_to_device(self, batch: ViewStep, device: torch.device, _: int) -> ViewStep:
        """Move rows and features."""
        rows, features = batch
        moved: Features = batch_to_device(features, device)
        return rows.to(device), moved

    def training_step(self, batch: ViewStep, _: int) -> Tensor:
        """Return the loss of a step.

        Raises:
            TrainingError: it is not a number.
        """
        rows, features = batch
        loss = self._loss(features, self.group[rows], self._apart(rows))
        value = float(loss.detach())
        if not math.isfinite(value):
            raise TrainingError(
                f"the loss became {value} in step {self.global_step}; lower "
                f"learning.learning_rate, now {self.settings.learning_rate:g}"
            )
        self.sums.steps, self.sums.loss = self.sums.steps + 1, self.sums.loss + value
        return loss

    def _apart(self, rows: Tensor) -> Tensor | None:
        """(n, n) which records of a step are negatives although they share a group."""
        if self.apart is None:
            return None
        place = rows.cpu().numpy()
        keys = pair_key(place[:, None], place[None], len(self.group))
        found = positions_in_sorted(keys.ravel(), self.apart) >= 0
        return torch.from_numpy(found.reshape(keys.shape)).to(rows.device)

    def _loss(self, features: Features, group: Tensor, apart: Tensor | None) -> Tensor:
        settings = self.settings
        vectors = _vectors(self.encoder, features)
        first, second = vectors[0::2], vectors[1::2]
        match settings.objective:
            case "info_nce":
                loss = view_info_nce(
                    first, second, group, self.memory, temperature=settings.temperature, apart=apart
                )
                both = torch.cat([group, group])
                twice = None if apart is None else apart.repeat(2, 2)
                spread = entropy(torch.cat([first, second]), both, apart=twice)
                loss = loss + settings.entropy * spread
                self.memory = self.memory.with_latest(
                    torch.cat([first, second]), both, size=settings.memory
                )
                return loss
            case "barlow_twins":
                return barlow_twins(self.head(first), self.head(second), redundancy=_REDUNDANCY)
            case "vicreg":
                return vicreg(
                    self.head(first), self.head(second),
                    invariance=_INVARIANCE, variance=_VARIANCE, covariance=_COVARIANCE,
                )  # fmt: skip
            case "self_distillation":
                return self._distilled(features, vectors)
            case "joint_embedding_prediction":
                assert self.teacher is not None
                with torch.no_grad():
                    wanted = _vectors(self.teacher, features)
                predicted = self.head(vectors)
                return joint_embedding_prediction(
                    (predicted[0::2], predicted[1::2]), (wanted[0::2], wanted[1::2])
                )
            case _:
                assert_never(settings.objective)

    def _distilled(self, features: Features, vectors: Tensor) -> Tensor:
        assert isinstance(self.teacher, nn.Sequential)
        said = self.head(vectors)
        with torch.no_grad():
            network, head = self.teacher
            wanted = head(_vectors(network, features))
        loss = self_distillation(
            (said[0::2], said[1::2]), (wanted[0::2], wanted[1::2]), self.centre,
            temperature=_STUDENT, teacher_temperature=_TEACHER,
        )  # fmt: skip
        self.centre = _CENTRE * self.centre + (1 - _CENTRE) * wanted.mean(dim=0)
        return loss

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:
        """Set the learning rate by the share of the training that is done."""
        share = learning_rate_share(self.global_step / self.steps, warmup=self.settings.warmup)
        for group in self.trainer.optimizers[0].param_groups:
            group["lr"] = self.settings.learning_rate * share

    def on_train_batch_end(self, *_: Any) -> None:
        """Let the teacher follow its student: t ← m t + (1 - m) s."""
        if self.teacher is None:
            return
        student = (
            nn.Sequential(self.encoder, self.head)
            if self.settings.objective == "self_distillation"
            else self.encoder
        )
        momentum = self.settings.momentum
        with torch.no_grad():
            for slow, fast in zip(self.teacher.parameters(), student.parameters(), strict=True):
                slow.mul_(momentum).add_(fast, alpha=1 - momentum)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """AdamW over the encoder and the head."""
        rate, decay = self.settings.learning_rate, self.settings.weight_decay
        weights = chain(self.encoder.parameters(), self.head.parameters())
        return adamw(weights, rate, weight_decay=decay)


def _vectors(encoder: Any, features: Features) -> Tensor:
    """(2n, d) unit vectors. A copy: the modules write into the dictionary they are given."""
    return functional.normalize(encoder(dict(features))["sentence_embedding"].float(), dim=1)


class _Prototypes(nn.Module):
    """Cosines to learned class vectors; Caron et al., 2021, the weight-normalised last layer."""

    def __init__(self, dimension: int, classes: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(classes, dimension))

    def forward(self, vectors: Tensor) -> Tensor:
        """(n, d) to (n, classes)."""
        return functional.normalize(vectors, dim=1) @ functional.normalize(self.weight, dim=1).T
