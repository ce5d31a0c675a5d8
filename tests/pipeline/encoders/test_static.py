"""Static students: looked up to the model's own vectors, distilled once, whatever the company."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.arrays import progress
from pipeline.config.encoders import SentenceTransformersText, StaticText
from pipeline.config.sources import ImageSettings
from pipeline.encoders.opening import open_encoder
from pipeline.encoders.text import distilled, static as room
from pipeline.encoders.text.distilled import distil_student, open_static
from pipeline.encoders.text.static import StaticTextEncoder
from pipeline.errors import EncoderError

pytestmark = pytest.mark.slow

ODD = [
    "a\vb", "c\fd e", "tab\tand\nline", "naïve  ÉCLAIR", "\u00a0x\u2003y", "zero\u200bwidth",
    "中文 mixed", "[PAD] [UNK] [CLS]", "e\u0301tude", "a\x1cb", "x" * 300, "!?...", " lead",
]  # fmt: skip


def vectors(encoder: StaticTextEncoder, texts: list[str]) -> np.ndarray:
    out = np.zeros((len(texts), encoder.dimension), np.float32)
    for part in encoder.encode(texts):
        out[part.positions] = part.vectors
    return out


@pytest.fixture(scope="module")
def folder(static_folder: Path) -> SentenceTransformersText:
    return SentenceTransformersText(type="sentence_transformers", path=str(static_folder))


def test_words_looked_up_give_the_models_own_vectors(
    opened: Callable[[Any], Any], folder: SentenceTransformersText
) -> None:
    from sentence_transformers import SentenceTransformer

    encoder = opened(folder)
    assert encoder.wordwise
    own = SentenceTransformer(folder.path, device="cpu")
    pairs = zip(ODD, ODD[::-1], strict=True)
    texts = [*ODD, *(f"{a} of {b}, no. {n * 31}" for n, (a, b) in enumerate(pairs))]
    expected = own.encode(texts, normalize_embeddings=True)
    np.testing.assert_allclose(vectors(encoder, texts), expected, atol=2e-6)
    for text, wanted in zip(texts, expected, strict=True):
        np.testing.assert_allclose(vectors(encoder, [text])[0], wanted, atol=2e-6)


def test_a_vector_does_not_depend_on_company_order_or_what_came_before(
    opened: Callable[[Any], Any], folder: SentenceTransformersText, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = [f"word{n} and word{n % 7} met word{n % 11}" for n in range(500)]
    whole = vectors(opened(folder), texts)
    again = opened(folder)
    assert (vectors(again, texts[::-1])[::-1] == whole).all()
    monkeypatch.setattr(room, "WORDS", 60)  # most words are looked up anew each time
    monkeypatch.setattr(room, "TEXTS", 37)
    forgetful = opened(folder)
    forgetful._slots, forgetful._sums = {}, None  # the fixture opens a folder once
    assert (vectors(forgetful, texts) == whole).all()
    assert len(forgetful._slots) == 60


def test_a_text_without_tokens_fails(opened: Callable[[Any], Any], folder: Any) -> None:
    (part,) = opened(folder).encode(["", "   ", "word"])
    assert part.positions.tolist() == [2]
    assert [position for position, _ in part.failed] == [0, 1]


def test_a_student_is_distilledonce_and_is_like_its_teacher(
    bert_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    teacher = SentenceTransformersText(type="sentence_transformers", path=str(bert_folder))
    config = StaticText(type="static", teacher=teacher, dimension=16)
    said: list[str] = []
    with progress.listening(lambda *_: None, hearer=said.append):
        made = open_static(config, students=tmp_path)
    assert len(said) == 1
    assert "distilling" in said[0]
    assert made.dimension == 16
    assert made.wordwise
    (folder,) = tmp_path.iterdir()
    monkeypatch.setattr(distilled, "_distil", lambda *_: pytest.fail("distilled again"))
    again = open_encoder(config, images=ImageSettings(), threads=1, students=tmp_path)
    assert again.fingerprint == made.fingerprint
    assert distil_student(config, students=tmp_path) == folder
    texts = ["red bicycle for sale", "red bicycles on sale", "the annual report of the bank"]
    one, two, other = vectors(made, texts)
    assert one @ two > one @ other


def test_another_process_may_have_been_quicker(
    bert_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    teacher = SentenceTransformersText(type="sentence_transformers", path=str(bert_folder))
    config = StaticText(type="static", teacher=teacher, dimension=16)

    def slow(teacher: Path, dimension: int, folder: Path) -> None:
        (folder / "modules.json").write_text("mine")
        for other in (tmp_path / "other").iterdir():
            other.rename(tmp_path / other.name)

    first = distil_student(config, students=tmp_path / "other")
    monkeypatch.setattr(distilled, "_distil", slow)
    found = distil_student(config, students=tmp_path)
    assert found.name == first.name
    assert (found / "modules.json").read_text() != "mine"
    assert not list(tmp_path.glob(".*"))


def test_a_folder_with_a_prompt_is_read_with_it(
    opened: Callable[[Any], Any], static_folder: Path, tmp_path: Path
) -> None:
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(static_folder), device="cpu")
    model.prompts = {"query": "find this: "}
    model.default_prompt_name = "query"
    model.save(str(tmp_path), create_model_card=False)
    encoder = opened(SentenceTransformersText(type="sentence_transformers", path=str(tmp_path)))
    expected = model.encode(["red bicycle"], normalize_embeddings=True)
    np.testing.assert_allclose(vectors(encoder, ["red bicycle"]), expected, atol=2e-6)


def test_a_teacher_that_cannot_be_distilledleaves_nothing(
    static_folder: Path, tmp_path: Path
) -> None:
    teacher = SentenceTransformersText(type="sentence_transformers", path=str(static_folder))
    with pytest.raises(EncoderError, match="cannot distil"):
        distil_student(StaticText(type="static", teacher=teacher), students=tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_student_is_fine_tuned_like_any_encoder_and_judges_the_nights(
    bert_folder: Path, write_offers: Callable[..., Path], tmp_path: Path
) -> None:
    from pipeline.catalog import Catalog
    from pipeline.config.finetune import TrainConfig
    from pipeline.training.finetuning import finetune

    data = write_offers(tmp_path / "data")
    teacher = {"type": "sentence_transformers", "path": str(bert_folder)}
    columns = {"id": "id", "text": "title"}
    offers = {"type": "jsonl", "name": "s", "path": str(data / "offers.jsonl"), "columns": columns}
    config = TrainConfig.model_validate(
        {
            "name": "offers",
            "catalog": str(tmp_path / "catalog"),
            "labels": [{"type": "pairs", "path": str(data / "pairs.csv")}],
            "sources": [offers],
            "encoder": {
                "start": {"type": "static", "teacher": teacher, "dimension": 16},
                "epochs": 2,
                "learning_rate": 0.05,
            },
            "judge": {"kind": "linear"},
            "threads": 1,
            "images": {"workers": 0},
        }
    )
    found = finetune(config)
    model = Catalog.of(config).models.find(found.model)
    assert isinstance(model.encoder, SentenceTransformersText)
    encoder = open_encoder(model.encoder, images=ImageSettings(), threads=1)
    assert isinstance(encoder, StaticTextEncoder)
    (student,) = (tmp_path / "catalog" / "students").iterdir()
    begun = open_encoder(as_it_is(student), images=ImageSettings(), threads=1)
    assert encoder.fingerprint != begun.fingerprint, "it was trained"


def as_it_is(folder: Path) -> SentenceTransformersText:
    return SentenceTransformersText(type="sentence_transformers", path=str(folder))


def test_a_static_folder_is_opened_without_sentence_transformers(static_folder: Path) -> None:
    code = (
        "import sys; from pathlib import Path;"
        "from pipeline.encoders.text.static import open_static_folder as opened;"
        f"found = opened(Path({str(static_folder)!r}), name='x'); list(found.encode(['a b']));"
        "print(not {'transformers', 'sentence_transformers'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "True"


@pytest.mark.parametrize("file", ["tokenizer.json", "model.safetensors"])
def test_a_damaged_student_is_named(bert_folder: Path, tmp_path: Path, file: str) -> None:
    teacher = SentenceTransformersText(type="sentence_transformers", path=str(bert_folder))
    config = StaticText(type="static", teacher=teacher, dimension=16)
    (distil_student(config, students=tmp_path) / file).write_bytes(b"{")
    with pytest.raises(EncoderError, match="remove it"):
        open_static(config, students=tmp_path)
