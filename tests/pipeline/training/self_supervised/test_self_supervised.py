"""Training without labels from a file of settings to a folder that a run opens."""

import json
from dataclasses import astuple
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image

from pipeline.config.encoders import CopyDetection
from pipeline.config.self_supervised import is_view_config, load_view_config
from pipeline.config.sources import ImageSettings
from pipeline.encoders import ImageRef
from pipeline.encoders.opening import open_encoder
from pipeline.errors import ConfigError
from pipeline.outputs.terminal_models import view_lines
from pipeline.training.self_supervised.train import read_training_records, train_self_supervised

pytestmark = pytest.mark.slow


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Twelve pictures, one of them twice, and a file that is none."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(12):
        pixels = np.random.default_rng(number).integers(0, 256, (6, 8, 3)).astype(np.uint8)
        image = Image.fromarray(pixels).resize((96, 80), Image.Resampling.BICUBIC)
        image.save(folder / f"{number}.png")
    (folder / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nno picture")
    return folder


def settings(tmp_path: Path, **changes: Any) -> Path:
    path = tmp_path / "views.yaml"
    data = {
        "name": "mine", "out": "mine",
        "sources": [{"name": "p", "type": "image_folder", "path": "photos"}],
        "views": {"type": "pictures", "dimension": 16, "image_size": 64, "train_size": 64,
                  "workers": 0},
        "learning": {"epochs": 1, "batch_size": 6},
        **changes,
    }  # fmt: skip
    path.write_text(yaml.safe_dump(data))
    return path


def test_a_folder_of_pictures_becomes_an_encoder(photos: Path, tmp_path: Path) -> None:
    path = settings(tmp_path)
    assert is_view_config(path)
    said = "\n".join(view_lines(train_self_supervised(load_view_config(path))))
    assert "13 distinct of 13 read" in said
    assert "unreadable  1 pictures" in said
    assert "before" in said
    assert "after" in said
    facts = json.loads((tmp_path / "mine" / "training.json").read_text())
    assert facts["history"][0]["epoch"] == 1
    vectors = {}
    for backend in ("int8", "float32"):
        encoder = open_encoder(
            CopyDetection(path=str(tmp_path / "mine"), backend=backend),
            images=ImageSettings(workers=0), threads=1,
        )  # fmt: skip
        assert encoder.dimension == 16
        items = [ImageRef(uri=str(photos / f"{number}.png")) for number in range(12)]
        (part,) = encoder.encode(items)
        vectors[backend] = part.vectors
    assert (vectors["float32"] * vectors["int8"]).sum(axis=1).mean() > 0.9


def test_training_goes_on_from_a_folder(photos: Path, tmp_path: Path) -> None:
    first = train_self_supervised(load_view_config(settings(tmp_path)))
    again = settings(
        tmp_path, out="further",
        views={"type": "pictures", "start": "mine", "train_size": 64, "workers": 0},
    )  # fmt: skip
    second = train_self_supervised(load_view_config(again))
    before, after = second.held_back_figures["before"], first.held_back_figures["after"]
    assert astuple(before) == pytest.approx(astuple(after), abs=0.15)
    assert (tmp_path / "further" / "model.safetensors").stat().st_size > 0


def test_a_dry_run_trains_nothing(photos: Path, tmp_path: Path) -> None:
    facts = train_self_supervised(load_view_config(settings(tmp_path)), dry_run=True)
    assert view_lines(facts)[-1] == "nothing was trained or written"
    assert not (tmp_path / "mine").exists()


def rows(tmp_path: Path, count: int) -> None:
    lines = (
        json.dumps({"id": n, "text": f"text {n % 20} of many", "series": f"s{n % 5}"})
        for n in range(count)
    )
    (tmp_path / "in.jsonl").write_text("\n".join(lines))


def texts(**changes: Any) -> dict[str, Any]:
    source = {"name": "t", "type": "jsonl", "path": "in.jsonl",
              "columns": {"id": "id", "text": "text"}}  # fmt: skip
    return {"sources": [source], "views": {"type": "texts"}, **changes}


def test_every_text_is_once_whatever_their_order_and_groups_stay_together(tmp_path: Path) -> None:
    rows(tmp_path, 60)
    config = load_view_config(settings(tmp_path, **texts(group="series")))
    material = read_training_records(config)
    assert len(material.items) == len(set(material.items)) == 20
    assert (material.read, material.rejected, material.groups) == (60, 0, 5)
    lines = (tmp_path / "in.jsonl").read_text().splitlines()
    (tmp_path / "in.jsonl").write_text("\n".join(reversed(lines)))
    assert read_training_records(config).items == material.items
    fewer = read_training_records(load_view_config(settings(tmp_path, **texts(most=9))))
    assert fewer.items == material.items[:9]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"views": {"type": "pictures", "edits": ["origami"]}},
            "must be one of crop, centre_square",
        ),
        (
            texts(views={"type": "texts", "edits": ["crop"]}),
            "must be one of drop_words, drop_span",
        ),
        (texts(views={"type": "pictures"}), "sources: t has no pictures"),
        ({"purpose": "recognise faces at the door"}, "out of scope"),
        ({"learning": {"objective": "magic"}}, "learning.objective"),
    ],
)
def test_wrong_settings_name_the_field(tmp_path: Path, changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        load_view_config(settings(tmp_path, **changes))


def test_too_little_to_learn_from_is_said(tmp_path: Path) -> None:
    rows(tmp_path, 4)
    with pytest.raises(ConfigError, match="4 texts to learn from, at least 8"):
        train_self_supervised(load_view_config(settings(tmp_path, **texts())))
    rows(tmp_path, 60)
    with pytest.raises(ConfigError, match="no record has the attribute 'colour'"):
        train_self_supervised(load_view_config(settings(tmp_path, **texts(group="colour"))))
