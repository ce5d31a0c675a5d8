"""The shipped network's backends against PyTorch, and what makes eight bits exact and quick."""

from __future__ import annotations

import io
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

from pipeline.config.encoders import CopyDetection
from pipeline.config.sources import ImageSettings
from pipeline.encoders import ImageRef
from pipeline.encoders.image.copy_detection import shipped_folder
from pipeline.encoders.image.copy_weights import read_copy_folder
from pipeline.encoders.image.loader import load_pictures
from pipeline.encoders.image.onnx_graph import graph
from pipeline.encoders.opening import open_encoder
from pipeline.sample.pictures import photograph

NAMES = ("skimage/chelsea.png", "skimage/coffee.png", "skimage/page.png", "sklearn/china.jpg")
BACKENDS = ("int8", "float32")


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
    import torch

    from pipeline.encoders.copy_network import CopyNetwork

    found = {}
    for backend in BACKENDS:
        (part,) = opened(CopyDetection.model_validate({"backend": backend})).encode(photographs)
        found[backend] = part.vectors
    network = CopyNetwork.load(str(shipped_folder()))
    loaded = load_pictures(
        photographs, size=network.image_size, batch_size=8, settings=ImageSettings(workers=0)
    )
    with torch.inference_mode():
        features = network({"pixel_values": torch.from_numpy(next(iter(loaded)).pixels)})
    return {**found, "torch": features["sentence_embedding"].numpy()}


def in_eight_bits() -> bytes:
    kept = read_copy_folder(shipped_folder())
    return graph(
        kept.layers,
        image_size=kept.image_size,
        gem_power=kept.gem_power,
        bounds=kept.bounds,
        projection=(kept.weight, kept.bias),
    )


@pytest.fixture(scope="module")
def integers() -> bytes:
    return in_eight_bits()


@pytest.mark.slow
def test_float32_agrees_with_torch_to_rounding(vectors: dict[str, np.ndarray]) -> None:
    np.testing.assert_allclose(vectors["float32"], vectors["torch"], atol=2e-5)


def test_eight_bits_keep_the_cosines_of_pairs(vectors: dict[str, np.ndarray]) -> None:
    near = np.einsum("nd,nd->n", vectors["int8"], vectors["torch"])
    assert near.min() > 0.8  # of the scanned page; of photographs
    assert np.median(near) > 0.95
    whole, small = (vectors[name] @ vectors[name].T for name in ("torch", "int8"))
    np.testing.assert_allclose(small, whole, atol=0.12)
    # No pair changes sides: all are far above the cosine of acceptance, 0.70, or below that of
    # review, 0.30.
    assert (small[whole > 0.7] > 0.8).all()
    assert (small[whole < 0.3] < 0.3).all()


def test_fingerprints_differ_where_vectors_do(opened: Callable[[Any], Any]) -> None:
    exact, default = opened(CopyDetection(backend="float32")), opened(CopyDetection())
    assert exact.fingerprint != default.fingerprint
    assert opened(CopyDetection(backend="int8")).fingerprint == default.fingerprint


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_vector_ignores_company_and_threads(
    backend: str, vectors: dict[str, np.ndarray], photographs: list[ImageRef]
) -> None:
    config = CopyDetection.model_validate({"backend": backend, "batch_size": 3})
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
    assert integers == in_eight_bits()
