"""A small network of copies, and pictures in pairs, for trainings on views."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from pipeline.config.sources import ImageSettings
from pipeline.encoders import ImageRef
from pipeline.encoders.copy_network import CopyNetwork
from pipeline.encoders.image.copy_weights import Convolution
from pipeline.training.self_supervised.picture_views import Photographs
from tests.worlds.pictures import png, smooth

SIZE = 32


def layers(seed: int = 0) -> list[Convolution]:
    """Three convolutions, the last with a sum."""
    random = np.random.default_rng(seed)

    def weight(*shape: int) -> Any:
        return (random.standard_normal(shape) / np.sqrt(np.prod(shape[1:]))).astype(np.float32)

    bias = np.full(12, 0.1, np.float32)
    return [
        Convolution("stem", weight(12, 3, 3, 3), bias, 2, (0, 0, 1, 1), 1, True),
        Convolution("b4.project", weight(12, 1, 5, 5), bias, 2, (2, 2, 2, 2), 12, True),
        Convolution("head", weight(12, 12, 1, 1), bias, 1, (0, 0, 0, 0), 1, False, "head"),
    ]


def network(dimension: int = 8) -> CopyNetwork:
    """A network of those convolutions."""
    torch.manual_seed(0)
    made = CopyNetwork(layers(), torch.nn.Linear(12, dimension), image_size=SIZE)
    return made.eval()


def photographs(count: int = 24) -> Photographs:
    """Pictures of 48 × 40 pixels; two after each other are of one group."""
    refs = [ImageRef(data=png(smooth(n, (48, 40), cells=5))) for n in range(count)]
    return Photographs(refs, np.arange(count) // 2, ImageSettings())
