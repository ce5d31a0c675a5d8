"""MiniLM against sentence-transformers itself, long texts, texts that look like files."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.config.encoders import MiniLmEncoder, SentenceTransformersText
from pipeline.encoders.base import normalise
from pipeline.encoders.runtime import has_native_bfloat16
from pipeline.encoders.text import minilm
from pipeline.encoders.text.folder import open_folder
from pipeline.encoders.windows import WindowCutter
from pipeline.errors import EncoderError

MINILM = MiniLmEncoder(dtype="float32")


def vectors(encoder: Any, texts: list[str]) -> np.ndarray:
    (part,) = encoder.encode(texts)
    return np.asarray(part.vectors[np.argsort(part.positions)])


@pytest.mark.slow
def test_minilm_equals_sentence_transformers(
    opened: Callable[[Any], Any], texts: list[str]
) -> None:
    encoder = opened(MINILM)
    own = encoder._network.model.encode(texts, normalize_embeddings=True, show_progress_bar=False)
    np.testing.assert_allclose(vectors(encoder, texts), own, atol=1e-6)


def test_tampered_weights_are_refused(tmp_path: Path, minilm_folder: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(minilm_folder, folder)
    weights = folder / "model.safetensors"
    with weights.open("r+b") as stream:
        stream.seek(-1, 2)
        stream.write(b"\x01")
    with pytest.raises(EncoderError, match=rf"{weights}.*{minilm.SHA256}.*reinstall"):
        minilm.open_minilm(MINILM, threads=1, folder=folder)
    weights.unlink()
    with pytest.raises(EncoderError, match="missing"):
        minilm.open_minilm(MINILM, threads=1, folder=folder)


def test_a_long_text_is_pooled_from_windows_that_lose_nothing(
    opened: Callable[[Any], Any], bert_folder: Path
) -> None:
    encoder = opened(SentenceTransformersText(type="sentence_transformers", path=str(bert_folder)))
    text = " ".join(f"unbelievable{number} word" for number in range(60))
    windows = encoder.cutter.cut([text, "short"], start=7)
    assert "".join(window.text for window in windows if window.position == 7) == text
    assert max(window.tokens for window in windows) <= encoder.cutter.limit == 30
    long = [window for window in windows if window.position == 7]
    own = encoder.model.encode([window.text for window in long], normalize_embeddings=True)
    expected = np.average(own, axis=0, weights=[window.tokens for window in long])
    (part,) = encoder.encode(["short", text])
    row = part.positions.tolist().index(1)
    assert part.chunks[row] == len(long) > 5
    np.testing.assert_allclose(part.vectors[row], expected / np.linalg.norm(expected), atol=1e-5)
    changed_end = vectors(encoder, [text, text + " something else entirely"])
    assert changed_end[0] @ changed_end[1] < 1 - 1e-6


def test_a_word_longer_than_the_window_is_cut(minilm_folder: Path) -> None:
    from transformers import AutoTokenizer

    cutter = WindowCutter(AutoTokenizer.from_pretrained(minilm_folder), 4)
    windows = cutter.cut(["ab" * 40 + "!?" * 20], start=0)
    assert "".join(window.text for window in windows) == "ab" * 40 + "!?" * 20
    assert all(0 < window.tokens <= 4 for window in windows)


def test_a_text_is_never_opened_as_a_file(
    opened: Callable[[Any], Any],
    bert_folder: Path,
    router_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from PIL import Image

    Image.new("RGB", (40, 40)).save(tmp_path / "photo.png")
    monkeypatch.chdir(tmp_path)
    names = ["photo.png", "https://example.invalid/a.jpg", "clip.mp4", "plain words"]
    kind = SentenceTransformersText
    plain = opened(kind(type="sentence_transformers", path=str(bert_folder)))
    routed = opened(kind(type="sentence_transformers", path=str(router_folder)))
    assert routed.routed
    assert not plain.routed
    assert plain.model[0].input_formatter.supported_modalities == ["text"]
    np.testing.assert_array_equal(vectors(routed, names), vectors(plain, names))


def test_static_embeddings_have_no_window(
    opened: Callable[[Any], Any], static_folder: Path, texts: list[str]
) -> None:
    config = SentenceTransformersText(type="sentence_transformers", path=str(static_folder))
    from sentence_transformers import SentenceTransformer

    encoder = opened(config)
    long = "many words and more " * 500
    own = SentenceTransformer(str(static_folder), device="cpu").encode(
        [*texts, long], normalize_embeddings=True
    )
    np.testing.assert_allclose(vectors(encoder, [*texts, long]), own, atol=1e-6)
    (part,) = encoder.encode(["", texts[0]])
    assert [position for position, _ in part.failed] == [0]


def test_rows_without_direction_fail() -> None:
    raw = np.array([[3.0, 4.0], [0, 0], [np.nan, 1], [np.inf, 1]], np.float32)
    done = normalise([5, 6, 7, 8], raw)
    np.testing.assert_allclose(done.vectors, [[0.6, 0.8]])
    assert done.positions.tolist() == [5]
    assert [position for position, _ in done.failed] == [6, 7, 8]


@pytest.mark.slow
def test_minilm_is_known_before_its_network_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    loaded: list[Path] = []

    def load(folder: Path, **how: Any) -> Any:
        loaded.append(folder)
        return open_folder(folder, **how)

    monkeypatch.setattr(minilm, "open_folder", load)
    encoder = minilm.open_minilm(MINILM, threads=1)
    known = encoder.fingerprint, encoder.dimension, encoder.name, encoder.modality
    assert not loaded
    one, again = vectors(encoder, ["red bicycle"]), vectors(encoder, ["red bicycle"])
    assert (one == again).all()
    assert len(loaded) == 1  # once for both
    network = encoder._network
    assert known == (network.fingerprint, network.dimension, network.name, network.modality)


def test_the_system_and_torch_agree_on_bfloat16(monkeypatch: pytest.MonkeyPatch) -> None:
    found = has_native_bfloat16()

    def unreadable(*_: object, **__: object) -> str:
        raise OSError

    monkeypatch.setattr("pipeline.encoders.runtime.Path.read_text", unreadable)
    assert has_native_bfloat16() == found
