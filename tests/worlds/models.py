"""Random models of two layers, so that an encoder is opened without a download."""

from __future__ import annotations

import string
import tempfile
from pathlib import Path
from typing import Any

SHAPE: dict[str, Any] = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_attention_heads": 2,
    "num_hidden_layers": 2,
}


def write_bert(folder: Path, letters: str = string.ascii_lowercase, **settings: Any) -> Path:
    """Write a BERT whose tokens are these letters."""
    import torch
    from sentence_transformers.sentence_transformer.modules import Pooling, Transformer
    from transformers import BertConfig, BertModel, BertTokenizerFast  # type: ignore[attr-defined]

    torch.manual_seed(0)
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters, *("##" + x for x in letters)]
    with tempfile.TemporaryDirectory() as base:
        (Path(base) / "vocab.txt").write_text("\n".join(words))
        BertTokenizerFast(str(Path(base) / "vocab.txt")).save_pretrained(base)
        BertModel(BertConfig(vocab_size=len(words), **SHAPE, **settings)).save_pretrained(base)
        module = Transformer(base, max_seq_length=64)
    return _write(folder, [module, Pooling(32)])


def make_vit() -> Any:
    """A transformer module for pictures of 32 × 32 pixels."""
    import torch
    from sentence_transformers.sentence_transformer.modules import Transformer
    from transformers import ViTConfig, ViTImageProcessorPil, ViTModel

    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as base:
        ViTModel(ViTConfig(**SHAPE, image_size=32, patch_size=8)).save_pretrained(base)
        ViTImageProcessorPil(size={"height": 32, "width": 32}).save_pretrained(base)
        return Transformer(base)


def write_vit(folder: Path) -> Path:
    """Write a model that takes pictures alone."""
    from sentence_transformers.sentence_transformer.modules import Pooling

    return _write(folder, [make_vit(), Pooling(32)])


def write_router(folder: Path, *, text: Path) -> Path:
    """Write one model for texts and pictures: it would open a text like 'photo.png'."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.base.modules import Router
    from sentence_transformers.sentence_transformer.modules import Pooling

    modules: dict[str, Any] = {
        "text": list(SentenceTransformer(str(text), device="cpu")),
        "image": [make_vit(), Pooling(32)],
    }
    routes: Any = {(None, "text"): "text", (None, "image"): "image"}
    return _write(folder, [Router(modules, route_mappings=routes)])


def _write(folder: Path, modules: list[Any]) -> Path:
    from sentence_transformers import SentenceTransformer

    SentenceTransformer(modules=modules, device="cpu").save(str(folder), create_model_card=False)
    return folder
