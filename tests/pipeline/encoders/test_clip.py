"""A CLIP folder as sentence-transformers' hub has them, in the place of the image encoder."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pipeline import run
from pipeline.catalog import Catalog
from pipeline.config.encoders import SentenceTransformersImage
from pipeline.config.sources import ImageSettings
from pipeline.encoders import ImageRef
from pipeline.encoders.opening import open_encoder
from tests.worlds.pictures import drawn
from tests.worlds.runs import OPEN_GATES, pictures_in, run_config

pytestmark = pytest.mark.slow

PICTURES = 120


@pytest.fixture(scope="module")
def clip_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random CLIP of two layers in the hub's layout: one legacy module in a folder of its own."""
    import torch
    from transformers import (
        CLIPConfig,
        CLIPImageProcessorPil,
        CLIPModel,
        CLIPProcessor,
        CLIPTokenizer,
    )

    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("clip")
    module = folder / "0_CLIPModel"
    module.mkdir()
    shape = {"hidden_size": 256, "intermediate_size": 64, "num_hidden_layers": 2,
             "num_attention_heads": 2}  # fmt: skip
    text = {**shape, "vocab_size": 60, "bos_token_id": 0, "eos_token_id": 1}
    vision = {**shape, "image_size": 32, "patch_size": 32}
    model = CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=192))
    # Of one patch, and nothing beside it: a projection of the picture, which tells pictures apart.
    with torch.no_grad():
        model.vision_model.embeddings.class_embedding.zero_()
        model.vision_model.embeddings.position_embedding.weight.zero_()
    model.save_pretrained(module)
    letters = [chr(place) for place in range(ord("a"), ord("z") + 1)]
    words = ["<|startoftext|>", "<|endoftext|>", *letters, *(f"{one}</w>" for one in letters)]
    (folder / "vocab.json").write_text(json.dumps({word: at for at, word in enumerate(words)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    tokenizer = CLIPTokenizer(str(folder / "vocab.json"), str(folder / "merges.txt"))
    sizes: dict[str, Any] = {
        "size": {"shortest_edge": 32},
        "crop_size": {"height": 32, "width": 32},
    }
    CLIPProcessor(CLIPImageProcessorPil(**sizes), tokenizer).save_pretrained(module)
    legacy = "sentence_transformers.models.CLIPModel"
    listed = [{"idx": 0, "name": "0", "path": "0_CLIPModel", "type": legacy}]
    (folder / "modules.json").write_text(json.dumps(listed))
    return folder


def test_it_embeds_pictures_at_the_size_of_its_processor(clip_folder: Path, tmp_path: Path) -> None:
    drawn(0).save(tmp_path / "a.png")
    config = SentenceTransformersImage(type="sentence_transformers_image", path=str(clip_folder))
    encoder = open_encoder(config, images=ImageSettings(workers=0), threads=1)
    assert encoder.dimension == 192
    assert encoder.image_size == 32  # type: ignore[attr-defined]
    (found,) = encoder.encode([ImageRef(uri=str(tmp_path / "a.png"))])
    assert np.linalg.norm(found.vectors, axis=1) == pytest.approx(1)


def test_its_thresholds_come_from_copies_of_the_corpus(
    clip_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Random weights bear no more than this.
    monkeypatch.setattr(
        "pipeline.nightly.stages.synthetic_copies.PICTURE_EDITS", ("shrink", "noise")
    )
    (tmp_path / "photos").mkdir()
    for number in range(PICTURES):
        drawn(number).save(tmp_path / "photos" / f"a{number:03}.png")
    for number in range(0, PICTURES, 10):
        larger = drawn(number).resize((180, 135), Image.Resampling.BICUBIC)
        larger.save(tmp_path / "photos" / f"b{number:03}.png")
    config = run_config(
        tmp_path / "catalog", pictures_in(tmp_path / "photos"), index={"type": "exact"},
        image_encoder={"type": "sentence_transformers_image", "path": str(clip_folder)},
        judge={"self_calibration": {"precision": 0.6}}, gates=OPEN_GATES,
    )  # fmt: skip
    summary = run(config)
    assert summary.models.image.name == clip_folder.name
    found = summary.state.self_calibrations["image"]
    assert found.why is None, found
    assert found.rule.precision >= 0.6
    assert summary.models.image.floor == found.rule.floor
    catalog = Catalog(tmp_path / "catalog")
    rows = catalog.read("pairs", run=catalog.run()).to_pylist()
    names = {(row["left_id"][3:6], row["right_id"][3:6]) for row in rows
             if row["decision"] == "duplicate"}  # fmt: skip
    scaled = {pair for pair in names if pair[0] == pair[1]}
    assert len(scaled) >= 0.8 * (PICTURES // 10)
