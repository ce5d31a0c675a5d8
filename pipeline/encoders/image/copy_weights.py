"""The files of a copy-detection network: a list of convolutions and one linear layer, no code."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import EncoderError

WEIGHTS, FACTS = "model.safetensors", "config.json"
MODULE = "pipeline.encoders.copy_network.CopyNetwork"
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


@dataclass(frozen=True)
class CopyWeights:
    """A network, its pictures and what eight bits need to know.

    Attributes:
        layers: the convolutions in order.
        weight, bias: float32 (d, c) and (d,) of the linear layer after pooling.
        image_size: side of the pictures in pixels. gem_power: of the pooling.
        bounds: largest absolute value of every output that no ReLU6 bounds.
    """

    layers: Sequence[Convolution]
    weight: Floats32
    bias: Floats32
    image_size: int
    gem_power: float
    bounds: Mapping[str, float]

    def write(self, folder: Path) -> None:
        """Write a sentence-transformers folder; the weights as float16."""
        from safetensors.numpy import save

        arrays = {"projection.weight": self.weight, "projection.bias": self.bias}
        for number, layer in enumerate(self.layers):
            arrays[f"layers.{number}.weight"] = layer.weight
            arrays[f"layers.{number}.bias"] = layer.bias
        folder.mkdir(parents=True, exist_ok=True)
        halves = {name: np.ascontiguousarray(x, np.float16) for name, x in arrays.items()}
        (folder / WEIGHTS).write_bytes(save(halves, metadata={"format": "pt"}))
        facts = {
            "image_size": self.image_size,
            "gem_power": self.gem_power,
            "dimension": len(self.bias),
            "layers": [_shape(layer) for layer in self.layers],
            "bounds": dict(self.bounds),
        }
        (folder / FACTS).write_text(json.dumps(facts, indent=1) + "\n")
        module = {"idx": 0, "name": "0", "path": "", "type": MODULE}
        (folder / "modules.json").write_text(json.dumps([module], indent=1) + "\n")


def read_copy_folder(folder: Path) -> CopyWeights:
    """Read what `CopyWeights.write` wrote.

    Raises:
        EncoderError: a file is missing or damaged.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        facts = json.loads((folder / FACTS).read_text())
        arrays = load_file(folder / WEIGHTS)
        layers = [
            Convolution(
                weight=arrays[f"layers.{number}.weight"].astype(np.float32),
                bias=arrays[f"layers.{number}.bias"].astype(np.float32),
                **{**shape, "pads": tuple(shape["pads"])},
            )
            for number, shape in enumerate(facts["layers"])
        ]
        return CopyWeights(
            layers,
            arrays["projection.weight"].astype(np.float32),
            arrays["projection.bias"].astype(np.float32),
            int(facts["image_size"]),
            float(facts["gem_power"]),
            facts["bounds"],
        )
    except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
        raise EncoderError(f"{folder} is no copy-detection network: {error}") from error


def _shape(layer: Convolution) -> dict[str, Any]:
    """A layer without its weights."""
    return {
        "name": layer.name, "stride": layer.stride, "pads": list(layer.pads),
        "groups": layer.groups, "bounded": layer.bounded, "sum_from": layer.sum_from,
    }  # fmt: skip
