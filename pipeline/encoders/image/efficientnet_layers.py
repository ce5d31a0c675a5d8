"""EfficientNet-Lite0 as a list of convolutions, batch normalisation folded into them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats32 = NDArray[np.float32]


@dataclass(frozen=True)
class Convolution:
    """One convolution with its bias.

    weight: float32 (out, in / groups, k, k). bias: float32 (out,). pads: top, left, bottom, right;
    TensorFlow's SAME, so not always symmetrical. bounded: ReLU6 follows. sum_from: the convolution
    whose input is added to the result.
    """

    name: str
    weight: Floats32
    bias: Floats32
    stride: int
    pads: tuple[int, int, int, int]
    groups: int
    bounded: bool
    sum_from: str | None = None


def convolutions(model: Any) -> list[Convolution]:
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
