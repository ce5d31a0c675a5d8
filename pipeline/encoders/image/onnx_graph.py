"""The copy-detection network as an ONNX graph, in float32 or in eight bits.

The graph is written from the weights each time: it takes a tenth of a second, and there is
no file to keep. In eight bits every convolution multiplies integers, whose sums are exact, so that
a vector depends on the processor in the rare roundings of the steps between alone.

Weights have 7 of the 8 bits: a pair of products then fits 16 bits, in which processors without VNNI
add them up and saturate. Quantisation after Jacob et al., Quantization and training of neural
networks for efficient integer-arithmetic-only inference, 2018.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from onnx import TensorProto, helper, numpy_helper

from pipeline.encoders.image.copy_weights import Convolution, Floats32
from pipeline.encoders.image.loader import Pixels

_SIX = 6.0  # where ReLU6 ends
_WEIGHT_TOP = 63
_INPUT_SCALE, _INPUT_ZERO = np.float32(1 / 128), np.uint8(127)  # pixels are (x - 127) / 128
_OPSET, _IR = 17, 8
_QUANTILE, _CALIBRATED = 0.9999, 4  # of a batch of so many pictures


def measure_bounds(layers: Sequence[Convolution], pixels: Pixels) -> dict[str, float]:
    """Largest absolute values of the outputs that no ReLU6 bounds.

    The 99.99 % quantile, largest over batches of four pictures, rounded.

    Args:
        pixels: uint8 (n, 3, s, s), pictures like those that the network is to see.
    """
    import onnx
    import onnxruntime

    free = [layer.name for layer in layers if not layer.bounded]
    free += [f"{layer.name}.sum" for layer in layers if layer.sum_from]
    made = graph(layers, image_size=pixels.shape[-1], gem_power=3.0)
    model = onnx.load_from_string(made)
    for name in free:
        model.graph.output.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, None))
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    found = dict.fromkeys(free, 0.0)
    for at in range(0, len(pixels), _CALIBRATED):
        values = session.run(free, {"pixels": pixels[at : at + _CALIBRATED]})
        for name, value in zip(free, values, strict=True):
            found[name] = max(found[name], float(np.quantile(np.abs(value), _QUANTILE)))
    return {name: round(value, 1) for name, value in sorted(found.items())}


@dataclass
class _Graph:
    """Nodes and constants in order; every value is called by the name of its node."""

    nodes: list[Any] = field(default_factory=list)
    constants: list[Any] = field(default_factory=list)

    def add(self, kind: str, inputs: Sequence[str], name: str, **attributes: Any) -> str:
        self.nodes.append(helper.make_node(kind, list(inputs), [name], name=name, **attributes))
        return name

    def constant(self, name: str, value: ArrayLike) -> str:
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name


@dataclass(frozen=True)
class _Value:
    """The name of a float32 value of the graph, and its step where it is held in eight bits."""

    name: str
    step: np.float32 | None = None


def graph(
    layers: Sequence[Convolution],
    *,
    image_size: int,
    gem_power: float,
    bounds: Mapping[str, float] | None = None,
    projection: tuple[Floats32, Floats32] | None = None,
) -> bytes:
    """Return a model that maps `pixels`, uint8 (n, 3, s, s), to `vectors`, float32 (n, d).

    Args:
        bounds: of the outputs that no ReLU6 bounds, for eight bits; None: float32.
        projection: float32 weight (d, c) and bias (d,) of a linear layer after the pooling.
    """
    made = _Graph()
    put = _float if bounds is None else partial(_eight_bit, bounds=bounds)
    before: dict[str, _Value] = {}
    value = _dequantise(made, "pixels", name="scaled", step=_INPUT_SCALE, zero=_INPUT_ZERO)
    if bounds is None:
        made.constant("zero", np.float32(0))
        made.constant("six", np.float32(_SIX))
    for layer in layers:
        before[layer.name] = value
        value = put(made, layer, value, added=before.get(layer.sum_from or ""))
    _pool(made, value.name, power=gem_power, name="vectors" if projection is None else "pooled")
    dimension = len(layers[-1].bias)
    if projection is not None:
        weight, bias = (
            made.constant(f"projection.{part}", value)
            for part, value in zip(("weight", "bias"), projection, strict=True)
        )
        made.add("Gemm", ["pooled", weight, bias], "vectors", transB=1)
        dimension = len(projection[1])
    pixels = helper.make_tensor_value_info(
        "pixels", TensorProto.UINT8, ["n", 3, image_size, image_size]
    )
    vectors = helper.make_tensor_value_info("vectors", TensorProto.FLOAT, ["n", dimension])
    whole = helper.make_graph(made.nodes, "copy_detection", [pixels], [vectors], made.constants)
    model = helper.make_model(
        whole, opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=_IR
    )
    return bytes(model.SerializeToString())


def _float(made: _Graph, layer: Convolution, value: _Value, *, added: _Value | None) -> _Value:
    weight = made.constant(f"{layer.name}.weight", layer.weight)
    bias = made.constant(f"{layer.name}.bias", layer.bias)
    name = _convolve(made, layer, [value.name, weight, bias])
    if layer.bounded:
        name = made.add("Clip", [name, "zero", "six"], f"{layer.name}.relu6")
    if added is not None:
        name = made.add("Add", [name, added.name], f"{layer.name}.sum")
    return _Value(name)


def _eight_bit(
    made: _Graph,
    layer: Convolution,
    value: _Value,
    *,
    added: _Value | None,
    bounds: Mapping[str, float],
) -> _Value:
    """ReLU6 is what the range 0 … 6 of the result does."""
    assert value.step is not None
    inputs = [value.name, *_integer_weights(made, layer, step=value.step)]
    name = _convolve(made, layer, inputs)
    if layer.bounded:
        return _round(made, name, low=0.0, high=_SIX)
    result = _round(made, name, low=-bounds[layer.name], high=bounds[layer.name])
    if added is None:
        return result
    name = made.add("Add", [result.name, added.name], f"{layer.name}.sum")
    return _round(made, name, low=-bounds[name], high=bounds[name])


def _convolve(made: _Graph, layer: Convolution, inputs: Sequence[str]) -> str:
    side = layer.weight.shape[-1]
    return made.add(
        "Conv",
        inputs,
        layer.name,
        kernel_shape=[side, side],
        strides=[layer.stride] * 2,
        pads=list(layer.pads),
        group=layer.groups,
    )


def _integer_weights(made: _Graph, layer: Convolution, *, step: np.float32) -> list[str]:
    """Weights with one step per channel, and the bias in units of weight step times `step`.

    A channel of tiny weights gets a step that keeps its bias within 32 bits.
    """
    largest = np.abs(layer.weight).max(axis=(1, 2, 3)) / _WEIGHT_TOP
    steps: Floats32 = np.maximum(largest, np.abs(layer.bias) / (step * 2.0**30)).astype(np.float32)
    steps = np.maximum(steps, np.finfo(np.float32).tiny)
    weight = np.rint(layer.weight / steps[:, None, None, None]).astype(np.int8)
    units = (steps * step).astype(np.float32)
    bias = np.rint(layer.bias / units).astype(np.int32)
    parts = (("weight", weight, steps), ("bias", bias, units))
    return [
        made.add(
            "DequantizeLinear",
            [
                made.constant(f"{layer.name}.{part}.integers", integers),
                made.constant(f"{layer.name}.{part}.steps", scale),
                made.constant(f"{layer.name}.{part}.zero", np.zeros(len(scale), integers.dtype)),
            ],
            f"{layer.name}.{part}",
            axis=0,
        )
        for part, integers, scale in parts
    ]


def _round(made: _Graph, name: str, *, low: float, high: float) -> _Value:
    """Hold a value in 256 steps from `low` to `high`; what is outside is moved to the edge."""
    step = np.float32((high - low) / 255)
    zero = np.uint8(round(-low / float(step)))
    held = made.add(
        "QuantizeLinear",
        [
            name,
            made.constant(f"{name}.step", step),
            made.constant(f"{name}.zero", zero),
        ],
        f"{name}.integers",
    )
    return _dequantise(made, held, name=f"{name}.rounded", step=step, zero=zero)


def _dequantise(
    made: _Graph, source: str, *, name: str, step: np.float32, zero: np.uint8
) -> _Value:
    inputs = [source, made.constant(f"{name}.step", step), made.constant(f"{name}.zero", zero)]
    return _Value(made.add("DequantizeLinear", inputs, name), step)


def _pool(made: _Graph, source: str, *, power: float, name: str) -> None:
    """See `copy_network.gem`."""
    made.constant("floor", np.float32(1e-6))
    made.constant("power", np.float32(power))
    made.constant("root", np.float32(1 / power))
    made.add("Max", [source, "floor"], "floored")
    made.add("Pow", ["floored", "power"], "raised")
    made.add("ReduceMean", ["raised"], "mean", axes=[2, 3], keepdims=0)
    made.add("Pow", ["mean", "root"], name)
