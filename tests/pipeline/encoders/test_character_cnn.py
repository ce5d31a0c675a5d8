"""The character network: any script, any length, the same vector in any company."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
from hypothesis import given, strategies as st

from pipeline.encoders.model_folder import load_model
from pipeline.encoders.text.folder import open_folder
from pipeline.errors import EncoderError

TEXTS = [
    "a", "Red Bicycle", "red  bicycle", "Zürich Café " * 9, "古い本", "x" * 100, "𝕏 1️⃣ 🚲", "\ud800",
    "ABC-1234/x", "العربية",
]  # fmt: skip


@pytest.fixture(scope="session")
def character_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import torch
    from sentence_transformers import SentenceTransformer

    from pipeline.encoders.character_cnn import CharacterCnn

    torch.manual_seed(0)
    module = CharacterCnn(dimension=24, channels=32, layers=3, kernel=4, max_characters=32)
    folder = tmp_path_factory.mktemp("characters")
    SentenceTransformer(modules=[module], device="cpu").save(str(folder), create_model_card=False)
    return folder


def embed(folder: Path, texts: list[str], *, dtype: Any = "float32", threads: int = 2) -> Any:
    encoder = open_folder(folder, dtype=dtype, batch_size=4, threads=threads)
    out = np.full((len(texts), encoder.dimension), np.nan, np.float32)
    for part in encoder.encode(texts):
        out[part.positions] = part.vectors
    return out


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_vectors_ignore_order_company_and_threads(
    character_folder: Path, dtype: Literal["float32", "bfloat16"]
) -> None:
    vectors = embed(character_folder, TEXTS, dtype=dtype)
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    order = np.random.default_rng(0).permutation(len(TEXTS))
    mixed = embed(character_folder, [TEXTS[at] for at in order], dtype=dtype, threads=1)
    np.testing.assert_array_equal(mixed, vectors[order])
    for at, text in enumerate(TEXTS):
        np.testing.assert_array_equal(embed(character_folder, [text], dtype=dtype)[0], vectors[at])


def test_padding_changes_nothing(character_folder: Path) -> None:
    import torch

    model = load_model(character_folder)
    with torch.inference_mode():
        alone = model(model[0].preprocess(["bicycle"]))["sentence_embedding"]
        padded = model(model[0].preprocess(["bicycle", "y" * 32]))["sentence_embedding"][:1]
    assert torch.allclose(alone, padded, atol=1e-6)


def test_case_and_compatibility_forms_are_one(character_folder: Path) -> None:
    from pipeline.encoders.character_cnn import plain

    vectors = embed(
        character_folder, ["Red Bicycle", "red   bicycle", "Ｒｅｄ bicycle", "red tricycle"]
    )
    np.testing.assert_array_equal(vectors[0], vectors[1])
    np.testing.assert_array_equal(vectors[0], vectors[2])
    assert abs(vectors[0] - vectors[3]).max() > 1e-3
    assert plain(" Straße\t№ 5 ") == "strasse no 5"


@given(st.text())
def test_plain_is_idempotent_and_windows_lose_nothing(text: str) -> None:
    from pipeline.encoders.character_cnn import CharacterCutter, plain

    folded = plain(text)
    assert plain(folded) == folded
    windows = CharacterCutter(8).cut([text], start=3)
    assert all(len(window.text) <= 8 and window.position == 3 for window in windows)
    joined = "".join(window.text for window in windows)
    assert joined.replace(" ", "") == folded.replace(" ", "")


def test_no_two_characters_share_their_bytes() -> None:
    from pipeline.encoders.character_cnn import character_bytes

    every = "".join(chr(code) for code in range(0x110000))
    hashed = np.ascontiguousarray(character_bytes(every)).view("<u4")
    assert len(np.unique(hashed)) == 0x110000


def test_an_empty_text_fails(character_folder: Path) -> None:
    encoder = open_folder(character_folder, dtype="float32", batch_size=4, threads=1)
    (part,) = encoder.encode([" \n", "a"])
    assert part.positions.tolist() == [1]
    assert part.failed[0][0] == 0


def test_only_our_own_class_is_opened(character_folder: Path, tmp_path: Path) -> None:
    for file in character_folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / "foreign.py").write_text("raise SystemExit('code in the folder was run')")
    load_model(tmp_path)  # the file is never looked at
    modules = json.loads((tmp_path / "modules.json").read_text())
    modules[0]["type"] = "foreign.CharacterCnn"
    (tmp_path / "modules.json").write_text(json.dumps(modules))
    with pytest.raises(EncoderError, match="foreign"):
        load_model(tmp_path)


def test_a_damaged_folder_is_named(character_folder: Path, tmp_path: Path) -> None:
    for file in character_folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / "model.safetensors").write_bytes(b"no weights")
    with pytest.raises(EncoderError, match=str(tmp_path)):
        load_model(tmp_path)
    (tmp_path / "modules.json").write_text('["x"]')
    with pytest.raises(EncoderError, match=str(tmp_path)):
        load_model(tmp_path)
