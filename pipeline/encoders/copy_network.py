"""A convolutional network for copy detection with its weights in a folder: what we train.

EfficientNet-Lite0's convolutions with their normalisation folded in, generalised-mean pooling and
one linear layer. Importing this module loads torch and sentence-transformers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sentence_transformers.base.modules import InputModule
from torch import Tensor, nn
from torch.nn import functional

from pipeline.encoders.base import Features
from pipeline.encoders.image.copy_weights import Convolution, CopyWeights, read_copy_folder

_SCALE, _SHIFT = 128.0, 127.0  # pixels are (x - 127) / 128
# Pictures at a time through the frozen layers, whose maps are the largest: the allocator then keeps
# their memory, where a whole step's would be asked of the system, page by page, for every layer.
_FEW = 16
_FROZEN = "b4.project"  # the last of the layers that stay as ImageNet made them
CALIBRATED = 160  # pictures that tell the ranges which eight bits hold


def gem(features: Tensor, *, power: float, floor: float = 1e-6) -> Tensor:
    """Pool float (n, c, h, w) to (n, c) by the generalised mean over places.

    f_c = (mean over h, w of max(x_c, floor)^p)^(1/p): p = 1 is the average, p → ∞ the maximum.
    Radenović, Tolias, Chum, Fine-tuning CNN image retrieval with no human annotation, 2018, eq. 1.
    """
    return features.clamp(min=floor).pow(power).mean(dim=(2, 3)).pow(1 / power)


class Layer(nn.Module):
    """One convolution of the list, with what it is followed by."""

    def __init__(self, given: Convolution) -> None:
        super().__init__()
        self.name, self.stride, self.groups = given.name, given.stride, given.groups
        self.bounded, self.sum_from, self.pads = given.bounded, given.sum_from, given.pads
        self.weight = nn.Parameter(torch.from_numpy(given.weight.copy()))
        self.bias = nn.Parameter(torch.from_numpy(given.bias.copy()))

    def forward(self, value: Tensor) -> Tensor:
        """(n, c, h, w) to (n, c', h', w')."""
        top, left, bottom, right = self.pads
        padding = (top, left)
        if (top, left) != (bottom, right):
            value, padding = functional.pad(value, (left, right, top, bottom)), (0, 0)
        value = functional.conv2d(
            value, self.weight, self.bias, self.stride, padding, groups=self.groups
        )
        # In place: a second tensor of that size costs more time than the function.
        return functional.relu6(value, inplace=True) if self.bounded else value

    def listed(self) -> Convolution:
        """The same as arrays."""
        weight, bias = (x.detach().float().numpy() for x in (self.weight, self.bias))
        return Convolution(
            self.name, weight, bias, self.stride, self.pads, self.groups, self.bounded,
            self.sum_from,
        )  # fmt: skip


class CopyNetwork(InputModule):
    """Pictures to a vector; `frozen` of the first layers are run without gradient."""

    save_in_root = True

    def __init__(
        self,
        layers: Sequence[Convolution],
        projection: nn.Linear,
        *,
        image_size: int,
        gem_power: float = 3.0,
        bounds: Mapping[str, float] | None = None,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.layers = nn.ModuleList(Layer(layer) for layer in layers)
        self.projection = projection
        self.image_size, self.gem_power = image_size, gem_power
        self.bounds = dict(bounds or {})
        self.frozen = 0

    @property
    def modalities(self) -> list[Any]:
        """What it takes."""
        return ["image"]

    def freeze(self) -> None:
        """Keep the first blocks as they are: edges need no learning, and half the time."""
        names = [layer.name for layer in self.listed()]
        self.frozen = names.index(_FROZEN) + 1
        for layer in list(self.layers)[: self.frozen]:
            layer.requires_grad_(False)

    def pooled(self, pixels: Tensor) -> Tensor:
        """uint8 (n, 3, s, s) to (n, c) before the linear layer."""
        if self.frozen:
            with torch.no_grad():
                parts = [self._begun(few) for few in torch.split(pixels, _FEW)]
            value = torch.cat(parts)
        else:  # in one piece, so that a traced or exported copy takes any number of pictures
            value = self._scaled(pixels)
        value = self._through(value, self.frozen, len(self.layers))
        return gem(value, power=self.gem_power)

    def _scaled(self, pixels: Tensor) -> Tensor:
        return ((pixels.float() - _SHIFT) / _SCALE).to(memory_format=torch.channels_last)

    def _begun(self, pixels: Tensor) -> Tensor:
        return self._through(self._scaled(pixels), 0, self.frozen)

    def _through(self, value: Tensor, first: int, last: int) -> Tensor:
        before: dict[str, Tensor] = {}
        for layer in list(self.layers)[first:last]:
            assert isinstance(layer, Layer)
            before[layer.name] = value
            result = layer(value)
            value = result + before[layer.sum_from] if layer.sum_from else result
        return value

    def forward(self, features: Features, **_: Any) -> Features:
        """Add `sentence_embedding`, float32 (n, d), of unit norm."""
        projected = self.projection(self.pooled(features["pixel_values"]))
        features["sentence_embedding"] = functional.normalize(projected.float(), dim=1)
        return features

    def preprocess(self, inputs: Sequence[Any], prompt: str | None = None, **_: Any) -> Any:
        """Pillow pictures to `pixel_values`, uint8 (n, 3, s, s)."""
        from pipeline.encoders.image.loader import prepare_picture

        pixels = [
            prepare_picture(picture.convert("RGB"), size=self.image_size) for picture in inputs
        ]
        return {"pixel_values": torch.from_numpy(np.stack(pixels))}

    def get_embedding_dimension(self) -> int:
        """Of the vectors."""
        return int(self.projection.out_features)

    def listed(self) -> list[Convolution]:
        """The convolutions as arrays."""
        return [layer.listed() for layer in self.layers if isinstance(layer, Layer)]

    def measure_ranges(self, pixels: NDArray[np.uint8]) -> None:
        """Set what eight bits need to know, on uint8 (n, 3, s, s) pictures like those to come."""
        from pipeline.encoders.image.onnx_graph import measure_bounds

        self.bounds = measure_bounds(self.listed(), pixels)

    # --- files

    def weights(self) -> CopyWeights:
        """The network as arrays."""
        weight, bias = (
            x.detach().float().numpy() for x in (self.projection.weight, self.projection.bias)
        )
        return CopyWeights(
            self.listed(), weight, bias, self.image_size, self.gem_power, self.bounds
        )

    def save(self, output_path: str, *args: Any, **kwargs: Any) -> None:
        """Write the weights as float16, and what the layers are."""
        self.weights().write(Path(output_path))

    @classmethod
    def load(cls, model_name_or_path: str, **_: Any) -> CopyNetwork:  # type: ignore[override]
        """Read what `save` wrote.

        Raises:
            EncoderError: a file is missing or damaged.
        """
        kept = read_copy_folder(Path(model_name_or_path))
        projection = nn.Linear(kept.weight.shape[1], kept.weight.shape[0])
        with torch.no_grad():
            projection.weight.copy_(torch.from_numpy(kept.weight))
            projection.bias.copy_(torch.from_numpy(kept.bias))
        made = cls(
            kept.layers, projection, image_size=kept.image_size, gem_power=kept.gem_power,
            bounds=kept.bounds,
        )  # fmt: skip
        return made.eval()
