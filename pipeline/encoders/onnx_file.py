"""A copy-detection network saved as ONNX, run by onnxruntime."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.config import ImageSettings, OnnxImage
from pipeline.encoders.fingerprint import file_digest, fingerprint
from pipeline.encoders.picture_encoder import ROWS, PictureEncoder, standardised
from pipeline.encoders.picture_loader import PREPARED, Pixels
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

    trial = _trial(network, config=config)
    return PictureEncoder(
        network=network,
        image_size=config.image_size,
        name=path.stem,
        fingerprint=fingerprint(
            onnx=digest,
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
        prepare_thread=int,
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


def _trial(network: Any, *, config: OnnxImage) -> NDArray[np.float32]:
    size = config.image_size
    try:
        trial: NDArray[np.float32] = network(np.zeros((ROWS, 3, size, size), np.uint8))
    except Exception as error:  # as above
        raise EncoderError(
            f"{config.path} does not take {ROWS} pictures of {size} pixels: {error}"
        ) from error
    if trial.ndim != 2 or len(trial) != ROWS:
        raise EncoderError(
            f"{config.path} returned {trial.shape} for {ROWS} pictures, expected (n, d)"
        )
    return trial
