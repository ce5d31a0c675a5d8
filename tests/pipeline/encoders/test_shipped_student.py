"""The student that Gemel ships: opened without a teacher, unpacked once to be trained."""

from pathlib import Path

import numpy as np
import pytest

from pipeline.config import ImageSettings, StaticText
from pipeline.encoders import distil_student, open_encoder
from pipeline.encoders.text import distilled
from pipeline.encoders.text.static import _bags, open_static_folder

TEXTS = ["red bicycle for sale", "red bicycles on sale", "the annual report of the bank"]


@pytest.fixture
def no_teacher(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(distilled, "_distil", lambda *_: pytest.fail("distilled"))
    monkeypatch.setattr(distilled, "_teacher_folder", lambda *_: pytest.fail("asked the teacher"))


@pytest.mark.usefixtures("no_teacher")
def test_it_is_opened_out_of_the_package_and_nothing_is_written(tmp_path: Path) -> None:
    config = StaticText(type="static")
    encoder = open_encoder(config, images=ImageSettings(), threads=1, students=tmp_path)
    (part,) = encoder.encode(TEXTS)
    one, two, other = part.vectors
    assert encoder.dimension == 256
    assert one @ two > 0.7 > one @ other
    np.testing.assert_allclose(np.linalg.norm(part.vectors, axis=1), 1, atol=1e-6)
    assert not list(tmp_path.iterdir())


@pytest.mark.usefixtures("no_teacher")
def test_for_training_it_is_unpacked_once_with_the_same_vectors(tmp_path: Path) -> None:
    folder = distil_student(StaticText(type="static"), students=tmp_path)
    changed = (folder / "model.safetensors").stat().st_mtime_ns
    assert distil_student(StaticText(type="static"), students=tmp_path) == folder
    assert (folder / "model.safetensors").stat().st_mtime_ns == changed
    assert [path.name for path in tmp_path.iterdir()] == [folder.name]  # nothing half-written
    shipped, unpacked = (
        open_static_folder(place, name="s") for place in (distilled.SHIPPED, folder)
    )
    assert shipped is not None
    assert unpacked is not None
    (one,), (other,) = shipped.encode(TEXTS), unpacked.encode(TEXTS)
    assert (one.vectors == other.vectors).all()


def test_only_minilm_at_its_length_is_shipped() -> None:
    assert distilled.is_shipped(StaticText(type="static"))
    assert not distilled.is_shipped(StaticText(type="static", dimension=128))
    assert sum(f.stat().st_size for f in distilled.SHIPPED.rglob("*") if f.is_file()) < 25e6


def test_tokens_are_summed_alike_by_scipy_and_by_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(0)
    table = random.standard_normal((50, 12)).astype(np.float32)
    ids, offsets = random.integers(0, 50, 4000), np.sort(random.integers(0, 4000, 300))
    offsets[0] = 0
    few = _bags(table, ids, offsets)
    monkeypatch.setattr("pipeline.encoders.text.static.FEW", 0)
    assert (_bags(table, ids, offsets) == few).all()
