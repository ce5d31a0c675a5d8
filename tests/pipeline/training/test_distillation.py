"""A student learns its teacher's cosines on the user's texts: with labels, without, in bounds."""

from __future__ import annotations

import csv
import json
import string
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from pipeline import run
from pipeline.catalog import Catalog
from pipeline.config.encoders import SentenceTransformersText
from pipeline.config.finetune import EncoderTraining, TrainConfig, load_train_config
from pipeline.errors import ConfigError, TrainingError
from pipeline.outputs.model_results import Agreement, DistillationFacts, TrainingRecord
from pipeline.storage import from_json, to_json
from pipeline.training.data.corpus import corpus_texts
from pipeline.training.data.training_data import LabelledData, read_training_data
from pipeline.training.distillation import agreement, distil
from pipeline.training.finetuning import finetune
from pipeline.training.steps import train_student
from tests.worlds.models import write_bert
from tests.worlds.runs import run_config

pytestmark = pytest.mark.slow

Write = Callable[..., Path]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory, write_offers: Write) -> Path:
    """Offers of which two thirds have labels."""
    folder = write_offers(tmp_path_factory.mktemp("offers"), models=90)
    rows = list(csv.reader((folder / "pairs.csv").open()))
    (folder / "pairs.csv").write_text("\n".join(",".join(row) for row in rows[:181]) + "\n")
    return folder


@pytest.fixture(scope="module")
def teacher(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random BERT over letters, of which a student is distilled."""
    letters = string.ascii_lowercase + string.digits
    return write_bert(tmp_path_factory.mktemp("teacher"), letters)


@pytest.fixture(scope="module")
def of_words(data: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A student and its teacher, each with random vectors of its own for the same words."""
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import StaticEmbedding
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import Whitespace

    rows = [json.loads(line) for line in (data / "offers.jsonl").read_text().splitlines()]
    words = sorted({"[UNK]", *(word for row in rows for word in row["title"].split())})
    folders = []
    for seed in (0, 1):
        torch.manual_seed(seed)
        tokenizer = Tokenizer(WordLevel({word: at for at, word in enumerate(words)}, "[UNK]"))
        tokenizer.pre_tokenizer = Whitespace()
        module = StaticEmbedding(tokenizer, embedding_dim=24)
        folders.append(str(tmp_path_factory.mktemp("words")))
        SentenceTransformer(modules=[module], device="cpu").save(
            folders[-1], create_model_card=False
        )
    start, other = ({"type": "sentence_transformers", "path": path} for path in folders)
    return {"start": start, "distill": {"teacher": other, "epochs": 8, "learning_rate": 0.1}}


@pytest.fixture
def training(data: Path, teacher: Path, tmp_path: Path) -> Callable[..., TrainConfig]:
    own = {"type": "sentence_transformers", "path": str(teacher)}
    offers = {"type": "jsonl", "name": "s", "path": str(data / "offers.jsonl"),
              "columns": {"id": "id", "text": "title"}}  # fmt: skip

    def make(*, distill: Any = None, **encoder: Any) -> TrainConfig:
        return TrainConfig.model_validate(
            {
                "name": "offers",
                "catalog": str(tmp_path / "catalog"),
                "labels": [{"type": "pairs", "path": str(data / "pairs.csv")}],
                "sources": [offers],
                "encoder": {
                    "start": {"type": "static", "teacher": own, "dimension": 16},
                    "distill": distill,
                    **encoder,
                },
                "judge": {"kind": "linear"},
                "threads": 1,
                "images": {"workers": 0},
            }
        )

    return make


def prepared(config: TrainConfig) -> tuple[TrainConfig, LabelledData]:
    return train_student(config), read_training_data(config)


def test_agreement_by_hand() -> None:
    degrees = np.radians([0, 10, 40, 90])
    one = np.stack([np.cos(degrees), np.sin(degrees)], axis=1).astype(np.float32)
    other = one[[0, 2, 1, 3]]
    left, right = np.zeros(3, np.int64), np.arange(1, 4)
    found = agreement(one, other, left, right)  # ranks 1 2 3 against 2 1 3
    assert found.spearman == pytest.approx(0.5)
    apart = np.cos(np.radians(10)) - np.cos(np.radians(40))
    assert found.squared_error == pytest.approx(2 * apart**2 / 3, abs=1e-5)
    assert agreement(one, one, left, right) == Agreement(1.0, 0.0)


def test_training_raises_agreement_on_texts_it_has_not_seen(
    training: Callable[..., TrainConfig], of_words: dict[str, Any], tmp_path: Path
) -> None:
    config, data = prepared(training(**of_words))
    begun, facts = distil(config, data, work=tmp_path / "work")
    assert facts is not None
    assert facts.after.spearman > facts.before.spearman + 0.1
    assert facts.after.squared_error < 0.5 * facts.before.squared_error
    assert facts.pairs["labelled"] > 0
    assert all(count > 0 for count in facts.pairs.values())
    assert isinstance(begun.encoder.start, SentenceTransformersText)
    assert begun.encoder.start.path == str(tmp_path / "work" / "student")
    assert from_json(DistillationFacts, to_json(facts)) == facts
    again, said = distil(config, data, work=tmp_path / "work")  # as after a kill
    assert said is not None
    assert said == replace(facts, embedded_by_the_teacher=0)
    assert said.embedded_by_the_teacher == 0, "the catalog has its vectors"
    twin, _ = distil(config, data, work=tmp_path / "other")
    folders = [Path(getattr(c.encoder.start, "path", "")) for c in (begun, again, twin)]
    assert len({(folder / "model.safetensors").read_bytes() for folder in folders}) == 1


def test_the_teacher_embeds_as_many_texts_as_it_may_and_none_that_is_held_out(
    training: Callable[..., TrainConfig], of_words: dict[str, Any]
) -> None:
    config, data = prepared(training(**of_words))
    records = data.labelled.records
    held = np.union1d(data.usable["valid"], data.usable["test"])
    apart = set(records["text_hash"].take(held).to_pylist())
    part = data.pairs.part("train")
    named = np.union1d(data.pairs.left[part], data.pairs.right[part])
    own = set(records["text_hash"].take(named).to_pylist())
    whole = corpus_texts(config, data, most=10_000)["text_hash"].to_pylist()
    assert whole == sorted(set(whole))
    assert not set(whole) & apart
    assert len(whole) == 180 - len(apart) > len(own) > 0
    few = corpus_texts(config, data, most=len(own) + 5)["text_hash"].to_pylist()
    assert own < set(few) < set(whole)
    assert few == sorted(few)
    assert len(few) == len(own) + 5
    assert set(corpus_texts(config, data, most=7)["text_hash"].to_pylist()) < own


def test_without_distill_nothing_is_done(
    training: Callable[..., TrainConfig], of_words: dict[str, Any], tmp_path: Path
) -> None:
    config, data = prepared(training(start=of_words["start"]))
    assert distil(config, data, work=tmp_path / "work") == (config, None)
    assert not (tmp_path / "work").exists()


@pytest.mark.parametrize("train", [True, False])
def test_a_model_is_made_with_labels_for_the_encoder_and_without(
    training: Callable[..., TrainConfig], train: bool
) -> None:
    config = training(
        distill={"epochs": 2, "batch_size": 64}, train=train, epochs=1, learning_rate=0.01
    )
    summary = finetune(config)
    assert summary.distillation is not None
    assert summary.distillation.texts > 100
    assert (summary.encoder is not None) == train
    model = Catalog.of(config).models.find(summary.model)
    assert (model.folder / "encoder" / "model.safetensors").is_file()
    kept = from_json(TrainingRecord, (model.folder / "training.json").read_text())
    assert kept.distillation == summary.distillation
    report = (model.folder / "governance.md").read_text()
    assert "pairs, near to the teacher" in report
    ends = "trained on its teacher's cosines" + (", fine-tuned" if train else "")
    assert json.loads((model.folder / "governance.json").read_text())["facts"]["model"][
        "encoder"
    ].endswith(ends)


def test_the_published_records_are_the_corpus_where_no_source_is_named(
    training: Callable[..., TrainConfig], of_words: dict[str, Any]
) -> None:
    config, data = prepared(training(**of_words))
    run(
        run_config(
            Path(config.catalog), *(source.model_dump() for source in config.sources), threads=1
        )
    )
    published = config.model_copy(update={"sources": ()})
    wanted = corpus_texts(config, data, most=1000)
    found = corpus_texts(published, data, most=1000)
    # Their hashes tell the columns apart, those of labelled texts do not: another order.
    assert sorted(found["text"].to_pylist()) == sorted(wanted["text"].to_pylist())
    assert len(wanted) > len(data.pairs.records) / 2


def test_too_few_texts_say_so(
    training: Callable[..., TrainConfig], of_words: dict[str, Any], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    config, data = prepared(training(**of_words))
    monkeypatch.setattr("pipeline.training.distillation.FEWEST", 1000)
    with pytest.raises(TrainingError, match="too few; name all records under `sources`"):
        distil(config, data, work=tmp_path / "work")


def test_a_folder_that_is_no_student_is_refused(
    training: Callable[..., TrainConfig], teacher: Path, tmp_path: Path
) -> None:
    folder = {"type": "sentence_transformers", "path": str(teacher)}
    config, data = prepared(training(start=folder, distill={"teacher": folder}))
    with pytest.raises(TrainingError, match=r"is none; set encoder\.start: \{type: static\}"):
        distil(config, data, work=tmp_path / "work")


@pytest.mark.parametrize(
    ("encoder", "said"),
    [
        ({"start": {"type": "minilm"}, "distill": {}}, "start is minilm: set start"),
        ({"start": {"type": "sentence_transformers", "path": "x"}, "distill": {}},
         r"name distill\.teacher"),
        ({"start": {"type": "static"}, "distill": {"texts": 3}}, "greater than or equal to 20"),
        ({"start": {"type": "static"}, "distill": {"random": 0}}, "greater than or equal to 1"),
    ],
)  # fmt: skip
def test_settings_that_cannot_be_say_so(encoder: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        EncoderTraining.model_validate(encoder)


def test_the_teacher_s_path_starts_from_the_file(tmp_path: Path) -> None:
    folder = "{type: sentence_transformers, path: ./x}"
    path = tmp_path / "finetune.yaml"
    path.write_text(
        "name: a\ncatalog: c\nlabels: [{type: verdicts}]\n"
        f"encoder: {{start: {folder}, distill: {{teacher: {folder}}}}}\n"
    )
    distill = load_train_config(path).encoder.distill
    assert distill is not None
    assert isinstance(distill.teacher, SentenceTransformersText)
    assert distill.teacher.path == str(tmp_path / "x")
    path.write_text(
        "name: a\ncatalog: c\nlabels: [{type: verdicts}]\nencoder: {distill: {near: -1}}\n"
    )
    with pytest.raises(ConfigError, match=r"encoder\.distill\.near"):
        load_train_config(path)
