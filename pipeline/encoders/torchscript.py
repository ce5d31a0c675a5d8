"""A copy-detection network (SSCD and the like) saved as TorchScript."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.config import ImageSettings
from pipeline.encoder_config import TorchScriptImage
from pipeline.encoders.fingerprint import file_digest
from pipeline.encoders.network_file import from_network
from pipeline.encoders.picture_encoder import PictureEncoder, standardised
from pipeline.encoders.picture_loader import Pixels
from pipeline.errors import EncoderError


def open_torchscript(
    config: TorchScriptImage, *, images: ImageSettings, threads: int | None
) -> PictureEncoder:
    """Load a network that maps float32 (n, 3, s, s) to (n, d) and try it on one batch.

    A TorchScript file is a program: open only files you trust.

    Raises:
        EncoderError: the file is missing, is not TorchScript, or does not take such a batch.
    """
    import torch
    from torch.jit import optimized_execution  # type: ignore[attr-defined]

    path = Path(config.path)
    digest = file_digest(path)
    try:
        module = torch.jit.load(str(path), map_location="cpu").eval()  # type: ignore[no-untyped-call]
    except (RuntimeError, ValueError) as error:
        raise EncoderError(f"{path} is not a TorchScript file: {error}") from error

    # Optimised passes are compiled after the first calls and need not agree with those bit for bit.
    def network(pixels: Pixels) -> NDArray[np.float32]:
        batch = torch.from_numpy(standardised(pixels, mean=config.mean, std=config.std))
        with torch.inference_mode(), optimized_execution(False):
            vectors: NDArray[np.float32] = module(batch).float().numpy()
        return vectors

    return from_network(network, config, digest=digest, images=images, threads=threads)
