"""Exported networks, TorchScript or ONNX: tried on one batch, named after the file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.config import ImageSettings, OnnxImage, TorchScriptImage
from pipeline.encoders.fingerprint import fingerprint_of
from pipeline.encoders.image.base import ROWS, PictureEncoder, standardise
from pipeline.encoders.image.loader import PREPARED, Pixels
from pipeline.errors import EncoderError
from pipeline.storage import file_digest


def open_network(
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
        fingerprint=fingerprint_of(
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


def open_onnx(config: OnnxImage, *, images: ImageSettings, threads: int | None) -> PictureEncoder:
    """Load a network that maps float32 (n, 3, s, s) to (n, d) and try it on one batch.

    The batch axis may be dynamic or fixed to `ROWS`. Weights kept in a second file beside the
    model are not part of the fingerprint.

    Raises:
        EncoderError: onnxruntime or the file is missing, or it does not take such a batch.
    """
    path = Path(config.path)
    digest = file_digest(path, error=EncoderError)
    run = open_session(str(path), name=str(path))

    def network(pixels: Pixels) -> NDArray[np.float32]:
        return run(standardise(pixels, mean=config.mean, std=config.std))

    return open_network(
        network, config, digest=digest, images=images, threads=threads, prepare_thread=int
    )


def open_session(model: str | bytes, *, name: str) -> Callable[[NDArray[Any]], NDArray[np.float32]]:
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
    digest = file_digest(path, error=EncoderError)
    try:
        module = torch.jit.load(str(path), map_location="cpu").eval()  # type: ignore[no-untyped-call]
    except (RuntimeError, ValueError) as error:
        raise EncoderError(f"{path} is not a TorchScript file: {error}") from error

    # Optimised passes are compiled after the first calls and need not agree with those bit for bit.
    def network(pixels: Pixels) -> NDArray[np.float32]:
        batch = torch.from_numpy(standardise(pixels, mean=config.mean, std=config.std))
        with torch.inference_mode(), optimized_execution(False):
            vectors: NDArray[np.float32] = module(batch).float().numpy()
        return vectors

    return open_network(network, config, digest=digest, images=images, threads=threads)
