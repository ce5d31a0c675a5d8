"""A copy-detection network saved as ONNX, run by onnxruntime."""

from __future__ import annotations

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
    session = _session(path)
    source = session.get_inputs()[0].name
    target = session.get_outputs()[0].name

    def network(pixels: Pixels) -> NDArray[np.float32]:
        batch = standardised(pixels, mean=config.mean, std=config.std)
        return np.asarray(session.run([target], {source: batch})[0], dtype=np.float32)

    return from_network(
        network, config, digest=digest, images=images, threads=threads, prepare_thread=int
    )


def _session(path: Path) -> Any:
    try:
        import onnxruntime
    except ImportError as error:
        raise EncoderError(
            "the encoder 'onnx' needs onnxruntime; pip install 'gemel[onnx]'"
        ) from error
    options = onnxruntime.SessionOptions()
    # One thread per pass, passes side by side: see torch_runtime.
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    try:
        return onnxruntime.InferenceSession(
            str(path), sess_options=options, providers=["CPUExecutionProvider"]
        )
    except Exception as error:  # onnxruntime's errors share no public base
        raise EncoderError(f"{path} is not a usable ONNX file: {error}") from error
