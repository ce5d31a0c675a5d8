"""What TorchScript and ONNX files have in common: tried on one batch, named after the file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.config import ImageSettings
from pipeline.encoder_config import OnnxImage, TorchScriptImage
from pipeline.encoders.fingerprint import fingerprint
from pipeline.encoders.picture_encoder import ROWS, PictureEncoder
from pipeline.encoders.picture_loader import PREPARED, Pixels
from pipeline.errors import EncoderError


def from_network(
    network: Callable[[Pixels], NDArray[np.float32]],
    config: TorchScriptImage | OnnxImage,
    *,
    digest: str,
    images: ImageSettings,
    threads: int | None,
    **options: Any,
) -> PictureEncoder:
    """Make an encoder of a network that maps prepared pictures to (n, d).

    Raises:
        EncoderError: the network does not take a batch of the configured size.
    """
    trial = _trial(network, config)
    return PictureEncoder(
        network=network,
        image_size=config.image_size,
        name=Path(config.path).stem,
        fingerprint=fingerprint(
            **{config.type: digest},
            size=config.image_size,
            mean=config.mean,
            std=config.std,
            prepared=PREPARED,
            version=1,
        ),
        dimension=trial.shape[1],
        batch_size=config.batch_size,
        images=images,
        threads=threads,
        **options,
    )


def _trial(
    network: Callable[[Pixels], NDArray[np.float32]], config: TorchScriptImage | OnnxImage
) -> NDArray[np.float32]:
    size = config.image_size
    try:
        trial = network(np.zeros((ROWS, 3, size, size), np.uint8))
    except Exception as error:  # torch's and onnxruntime's errors share no public base
        raise EncoderError(
            f"{config.path} does not take {ROWS} pictures of {size} pixels: {error}"
        ) from error
    if trial.ndim != 2 or len(trial) != ROWS:
        raise EncoderError(
            f"{config.path} returned {trial.shape} for {ROWS} pictures, expected (n, d)"
        )
    return trial
