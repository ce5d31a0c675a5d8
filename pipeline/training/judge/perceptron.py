"""A small perceptron over a pair's evidence, trained with Lightning, run in NumPy afterwards."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytorch_lightning as lightning
import torch
from torch import nn
from torch.utils.data import BatchSampler, DataLoader, RandomSampler, TensorDataset

from pipeline.matching import HIDDEN_LIMIT, Network, Scaler
from pipeline.training.siamese.runtime import quiet_trainer

HIDDEN = 64
EPOCHS = 40
BATCH = 128


class Perceptron(lightning.LightningModule):
    """One hidden layer of rectified units, dropout before both layers, logistic loss."""

    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Dropout(0.1),
            nn.Linear(inputs, HIDDEN),
            nn.ReLU(),
            nn.Dropout(0.2),
            nn.Linear(HIDDEN, 1),
        )

    def training_step(self, batch: list[torch.Tensor], _: int) -> torch.Tensor:
        """Logistic loss of a batch of (features (b, f) float32, same (b,) float32)."""
        features, same = batch
        return nn.functional.binary_cross_entropy_with_logits(self.layers(features)[:, 0], same)

    def configure_optimizers(self) -> Any:
        """AdamW with a cosine to zero over all steps."""
        optimiser = torch.optim.AdamW(self.parameters(), lr=2e-3, weight_decay=0.02)
        steps = int(self.trainer.estimated_stepping_batches)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, max(steps, 1))
        return [optimiser], [{"scheduler": schedule, "interval": "step"}]


def fit_perceptron(
    features: npt.NDArray[np.floating[Any]], same: npt.NDArray[np.bool_], *, seed: int
) -> Network:
    """Train on all pairs given; the same seed gives the same network.

    Args:
        features: (p, f), NaN where unknown. same: (p,).
    """
    lightning.seed_everything(seed, verbose=False)
    scaler = Scaler.learn(features)
    scaled = np.clip(scaler(features), -HIDDEN_LIMIT, HIDDEN_LIMIT)
    inputs = torch.from_numpy(scaled.astype(np.float32))
    data = TensorDataset(inputs, torch.from_numpy(same.astype(np.float32)))
    model = Perceptron(inputs.shape[1])
    order = RandomSampler(data, generator=torch.Generator().manual_seed(seed))
    # A batch is one indexing of the tensors, not a collation of its rows.
    batches = BatchSampler(order, BATCH, drop_last=False)
    loader = DataLoader(data, sampler=batches, batch_size=None)
    quiet_trainer(max_epochs=EPOCHS, accelerator="cpu").fit(model, loader)
    parts = [layer for layer in model.layers if isinstance(layer, nn.Linear)]
    return Network(scaler, tuple(_arrays(layer) for layer in parts))


def _arrays(layer: nn.Linear) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    weight, bias = layer.weight.detach().numpy(), layer.bias.detach().numpy()
    return weight.T.astype(np.float64), bias.astype(np.float64)
