"""A copy-detection network saved as ONNX, run by onnxruntime."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.config import ImageSettings
from pipeline.encoder_config import OnnxImage
from pipeline.encoders.fingerprint import file_digest
from pipeline.encoders.network_file import from_network
from pipeline.encoders.picture_encoder import PictureEncoder, standardised
from pipeline.encoders.picture_loader import Pixels
from pipeline.errors import EncoderError


def open_onnx(config: OnnxImage, *, images: ImageSettings, threads: int | None) -> PictureEncoder:
    """Load a network that maps float32 (n, 3, s, s) to (n, d) and try it on one batch.

    The batch axis may be dynamic or fixed to `ROWS`. Weights kept in a second file beside the
    model are not part of the fingerprint.

    Raises:
        EncoderError: onnxruntime or the file is missing, or it does not take such a batch.
    """
    path = Path(config.path)
    digest = file_digest(path)
    run = session(str(path), name=str(path))

    def network(pixels: Pixels) -> NDArray[np.float32]:
        return run(standardised(pixels, mean=config.mean, std=config.std))

    return from_network(
        network, config, digest=digest, images=images, threads=threads, prepare_thread=int
    )


def session(model: str | bytes, *, name: str) -> Callable[[NDArray[Any]], NDArray[np.float32]]:
    """Open a path or a serialised model: its first input to its first output, thread-safe.

    Raises:
        EncoderError: onnxruntime is missing, or it does not take the model called `name`.
    """
    try:
        import onnxruntime
    except ImportError as error:
        raise EncoderError(
            "the image encoder needs onnxruntime; pip install onnxruntime onnx"
        ) from error
    options = onnxruntime.SessionOptions()
    # One thread per pass, passes side by side: see torch_runtime.
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3  # errors
    try:
        opened = onnxruntime.InferenceSession(
            model, sess_options=options, providers=["CPUExecutionProvider"]
        )
    except Exception as error:  # onnxruntime's errors share no public base
        raise EncoderError(f"{name} is not a usable ONNX file: {error}") from error
    source, target = opened.get_inputs()[0].name, opened.get_outputs()[0].name

    def run(batch: NDArray[Any]) -> NDArray[np.float32]:
        return np.asarray(opened.run([target], {source: batch})[0], dtype=np.float32)

    return run
