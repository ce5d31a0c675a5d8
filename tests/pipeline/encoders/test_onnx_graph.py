"""The backends of EfficientNet against PyTorch, and what makes eight bits exact and quick."""

from __future__ import annotations

import io
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import numpy_helper
from PIL import Image

from pipeline.config.encoders import EfficientNetLite0
from pipeline.config.sources import ImageSettings
from pipeline.encoders import ImageRef
from pipeline.encoders.image.efficientnet import load_network
from pipeline.encoders.image.efficientnet_layers import convolutions
from pipeline.encoders.image.onnx_graph import graph
from pipeline.encoders.opening import open_encoder
from pipeline.errors import EncoderError
from pipeline.sample.pictures import photograph

NAMES = ("skimage/chelsea.png", "skimage/coffee.png", "skimage/page.png", "sklearn/china.jpg")
BACKENDS = ("int8", "float32", "torch")


@pytest.fixture(scope="module")
def photographs() -> list[ImageRef]:
    """Four photographs, and each of them compressed hard."""
    refs = []
    for name in NAMES:
        refs.append(ImageRef(uri=str(photograph(name))))
        out = io.BytesIO()
        with Image.open(photograph(name)) as file:
            file.convert("RGB").save(out, "JPEG", quality=30)
        refs.append(ImageRef(data=out.getvalue()))
    return refs


@pytest.fixture(scope="module")
def vectors(opened: Callable[[Any], Any], photographs: list[ImageRef]) -> dict[str, np.ndarray]:
    found = {}
    for backend in BACKENDS:
        encoder = opened(EfficientNetLite0.model_validate({"backend": backend}))
        (part,) = encoder.encode(photographs)
        found[backend] = part.vectors
    return found


@pytest.fixture(scope="module")
def integers() -> bytes:
    return graph(convolutions(load_network(224)), image_size=224, gem_power=3.0, int8=True)


def test_float32_agrees_with_torch_to_rounding(vectors: dict[str, np.ndarray]) -> None:
    np.testing.assert_allclose(vectors["float32"], vectors["torch"], atol=2e-5)


def test_eight_bits_keep_the_cosines_of_pairs(vectors: dict[str, np.ndarray]) -> None:
    near = np.einsum("nd,nd->n", vectors["int8"], vectors["torch"])
    assert near.min() > 0.9
    whole, small = (vectors[name] @ vectors[name].T for name in ("torch", "int8"))
    np.testing.assert_allclose(small, whole, atol=0.06)
    assert (small[whole > 0.9] > 0.9).all()


def test_fingerprints_differ_where_vectors_do(opened: Callable[[Any], Any]) -> None:
    by_backend = {
        backend: opened(EfficientNetLite0.model_validate({"backend": backend})).fingerprint
        for backend in BACKENDS
    }
    assert by_backend["float32"] == by_backend["torch"] != by_backend["int8"]
    assert opened(EfficientNetLite0()).fingerprint == by_backend["int8"], "the default"


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_vector_ignores_company_and_threads(
    backend: str, vectors: dict[str, np.ndarray], photographs: list[ImageRef]
) -> None:
    config = EfficientNetLite0.model_validate({"backend": backend, "batch_size": 3})
    encoder = open_encoder(config, images=ImageSettings(workers=0), threads=1)
    turned = np.concatenate([part.vectors for part in encoder.encode(photographs[::-1])])
    np.testing.assert_array_equal(turned[::-1], vectors[backend])


def test_every_convolution_multiplies_integers(integers: bytes, tmp_path: Path) -> None:
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "optimised.onnx")
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    onnxruntime.InferenceSession(integers, options, providers=["CPUExecutionProvider"])
    kinds = Counter(node.op_type for node in onnx.load(tmp_path / "optimised.onnx").graph.node)
    assert kinds["QLinearConv"] == 49
    assert kinds["Conv"] == 0


def test_no_processor_saturates_and_the_graph_is_the_same_each_time(integers: bytes) -> None:
    """Two products of 255 and the largest weight fit into 16 bits."""
    weights = [
        numpy_helper.to_array(constant)
        for constant in onnx.load_from_string(integers).graph.initializer
        if constant.name.endswith("weight.integers")
    ]
    assert len(weights) == 49
    assert 2 * 255 * max(int(np.abs(weight).max()) for weight in weights) < 2**15
    assert integers == graph(
        convolutions(load_network(224)), image_size=224, gem_power=3.0, int8=True
    )


@pytest.mark.parametrize("package", ["onnx", "onnxruntime"])
def test_a_missing_package_is_named(package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    monkeypatch.delitem(sys.modules, "pipeline.encoders.image.onnx_graph", raising=False)
    with pytest.raises(EncoderError, match=package):
        open_encoder(EfficientNetLite0(), images=ImageSettings(), threads=1)
