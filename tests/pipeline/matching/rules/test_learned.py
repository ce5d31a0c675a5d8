"""A learned judge on disk and at work beside a default one."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from pipeline.candidates.candidate_pairs import CandidatePairs
from pipeline.candidates.content_groups import make_groups
from pipeline.catalog.registry.judge import CALIBRATION, JUDGE, judge_fingerprint, open_registered
from pipeline.catalog.registry.registry import Registry
from pipeline.catalog.registry.version import ModelFacts, ModelVersion
from pipeline.config.encoders import ToyText
from pipeline.errors import ConfigError, ModelError
from pipeline.evaluation.calibration.calibration import Calibration, calibrate
from pipeline.evaluation.calibration.score_normalisation import NeighbourhoodLevel
from pipeline.matching.comparison.text import TextComparison
from pipeline.matching.comparison.text_features import BLOCK, learn_weights
from pipeline.matching.differences.kinds import DECISIVE
from pipeline.matching.evidence import Evidence, PairEvidence
from pipeline.matching.judge import Judge
from pipeline.matching.pairs_table import pairs_batch
from pipeline.matching.rules.default_rules import TOY_IMAGE, TOY_TEXT
from pipeline.matching.rules.heads import Linear, LinearModel, Scaler, Similarity
from pipeline.matching.rules.learned import Fusion, JudgeModel, LearnedRule, fields_of, learning_for
from pipeline.matching.scoring import Contents, evidence_of, score_pairs
from pipeline.storage import to_json
from pipeline.storage.schemas import RECORDS
from tests.worlds.vectors import random_vectors

NOW = datetime(2026, 1, 1, tzinfo=UTC)
TEXTS = ["red kettle K100 steel", "red kettle K100 steel new", "blue drill D7 cordless", "", ""]
PICTURED = [True, True, False, True, True]
ENCODER = "0123456789abcdef"


def records() -> pa.Table:
    rows: list[dict[str, Any]] = [
        {
            "record_id": f"s:{n}", "source": "s", "key": str(n), "location": str(n),
            "text": text or None, "text_hash": f"t{n}" if text else None,
            "word_count": len(text.split()), "image_hash": f"i{n}" if pictured else None,
            "image_detail": 9.0 if pictured else None, "first_seen": NOW, "last_seen": NOW,
        }
        for n, (text, pictured) in enumerate(zip(TEXTS, PICTURED, strict=True))
    ]  # fmt: skip
    return pa.table({f.name: pa.array([row.get(f.name) for row in rows], f.type) for f in RECORDS})


UNITS = make_groups(records(), np.arange(5), min_tokens=2, min_detail=1.0)
TEXT_VECTORS, IMAGE_VECTORS = random_vectors(3, 6, seed=1), random_vectors(4, 4, seed=2)
LEFT, RIGHT = (part.astype(np.int64) for part in np.triu_indices(5, 1))


def line(columns: int, seed: int) -> Linear:
    weight = np.random.default_rng(seed).normal(size=columns)
    scaler = Scaler(np.zeros(columns), np.ones(columns), np.zeros(0, np.int64))
    return Linear((LinearModel(scaler, weight, 0.0),))


def text_model(**changes: Any) -> JudgeModel:
    """Cosine alone decides, over the features of the whole text."""
    model = JudgeModel(
        modality="text",
        blocks=learn_weights(TEXTS, {}),
        extras=("text: cosine",),
        head=Similarity(len(BLOCK), 8.0, -4.0),
        fusion=None,
        background=None,
        floor=0.25,
    )
    return replace(model, **changes)


def image_model(**changes: Any) -> JudgeModel:
    model = JudgeModel("image", {}, ("image: cosine",), Similarity(0, 8.0, -4.0), None,
                       None, 0.5)  # fmt: skip
    return replace(model, **changes)


def calibration(fingerprint: str = "x", target: float = 0.9) -> Calibration:
    rng = np.random.default_rng(0)
    same = np.arange(400) % 2 == 0
    score = rng.normal(size=400) + np.where(same, 3, -3)
    return calibrate(
        score, same, model="m", version="v", fingerprint=fingerprint, target_precision=target,
        target_recall=0.9, confidence=0.95, on_unreachable="error", seed=0,
    )  # fmt: skip


def contents(*models: JudgeModel) -> Contents:
    learned: dict[str, Any] = {}
    for model in models:
        learned |= learning_for(model, TEXTS, {}, None, threads=1)
    comparer = TextComparison(pa.array(TEXTS[:3]), threads=1)
    return Contents(UNITS, TEXT_VECTORS, IMAGE_VECTORS, comparer, **learned)


def evidence(*models: JudgeModel) -> PairEvidence:
    blank = np.full(len(LEFT), np.nan, np.float32)
    return evidence_of(contents(*models), LEFT, RIGHT, blank)


# --- on disk -----------------------------------------------------------------------------------


def every_part() -> JudgeModel:
    return text_model(
        extras=("text: cosine", "text: cosine above background"),
        fusion=Fusion(-0.25, 1.5, ("text: cosine",), (2.0,)),
        background=NeighbourhoodLevel(
            random_vectors(50, 6, seed=3).astype(np.float16), 5, nearer=0.98
        ),
    )


@pytest.mark.parametrize(
    "model",
    [text_model(), image_model(), every_part(),
     text_model(head=line(len(BLOCK) + 1, 0))],
    ids=["text", "image", "every part", "linear"],
)  # fmt: skip
def test_a_judge_comes_back_as_it_was(model: JudgeModel, tmp_path: Path) -> None:
    model.save(tmp_path / "a")
    back = JudgeModel.load(tmp_path / "a")
    seen = model.sees(evidence(model))
    assert np.array_equal(back.score(seen), model.score(seen))
    assert back.names == model.names
    assert back.floor == model.floor
    assert back.fusion == model.fusion
    back.save(tmp_path / "b")
    first = {path.name: path.read_bytes() for path in (tmp_path / "a").iterdir()}
    assert first == {path.name: path.read_bytes() for path in (tmp_path / "b").iterdir()}
    assert {Path(name).suffix for name in first} <= {".json", ".safetensors", ".txt"}


def test_a_damaged_judge_is_a_model_error(tmp_path: Path) -> None:
    every_part().save(tmp_path)
    for path in sorted(tmp_path.iterdir()):
        whole = path.read_bytes()
        for damaged in (None, b"", b"[1]", b"{}", whole[: len(whole) // 2]):
            path.unlink(missing_ok=True)
            if damaged is not None:
                path.write_bytes(damaged)
            with pytest.raises(ModelError, match="cannot be read"):
                JudgeModel.load(tmp_path)
        path.write_bytes(whole)
    assert JudgeModel.load(tmp_path).floor == 0.25


def test_fields_by_name_over_records_that_lack_some() -> None:
    kind = RECORDS.field("fields").type
    column = pa.chunked_array(
        [pa.array([[("a", "one  two"), ("b", None)], None, [], [("b", "x\ny")]], kind)]
    )
    assert fields_of(column) == {"a": ["one two", "", "", ""], "b": ["", "", "", "x y"]}
    assert fields_of(pa.chunked_array([], kind)) == {}


# --- the registry's calibration ----------------------------------------------------------------


def registered(root: Path, bound: str | None = None) -> ModelVersion:
    def fill(folder: Path) -> ModelFacts:
        text_model().save(folder / JUDGE)
        own = bound or judge_fingerprint(ENCODER, folder)
        (folder / CALIBRATION).write_text(to_json(calibration(own)))
        return ModelFacts(
            purpose="deduplication", encoder=ToyText(type="toy"), encoder_fingerprint=ENCODER
        )

    return Registry(root).register("m", fill)


def test_a_calibration_of_another_judge_is_refused(tmp_path: Path) -> None:
    opened = open_registered(registered(tmp_path))
    assert opened.modality == "text"
    assert opened.rule.accept == calibration().accept.value
    with pytest.raises(ConfigError, match="belong to the fingerprint feedfacefeedface"):
        open_registered(registered(tmp_path, bound="feedfacefeedface"))


def test_the_binding_names_the_encoder_and_every_file_of_the_judge(tmp_path: Path) -> None:
    text_model().save(tmp_path / "a" / JUDGE)
    text_model(floor=0.3).save(tmp_path / "b" / JUDGE)
    assert judge_fingerprint(ENCODER, tmp_path / "a") != judge_fingerprint(ENCODER, tmp_path / "b")
    assert judge_fingerprint(ENCODER, tmp_path / "a") != judge_fingerprint("0" * 16, tmp_path / "a")


# --- at work -----------------------------------------------------------------------------------


def rule(model: JudgeModel, target: float = 0.9) -> LearnedRule:
    return LearnedRule(model, calibration(target=target), "m/v0001")


def test_thresholds_are_those_of_the_calibration() -> None:
    learned = rule(text_model())
    assert learned.calibrated
    assert learned.accept == calibration().accept.value
    assert 0 < learned.review <= learned.accept
    assert rule(text_model(), target=0.97).accept >= learned.accept


def test_a_rule_says_nothing_of_pairs_that_lack_its_modality() -> None:
    found = rule(text_model()).probability(evidence(text_model()).text)
    with_text = (RIGHT <= 2) & (LEFT <= 2)
    assert np.isnan(found[~with_text]).all()
    assert ((found[with_text] > 0) & (found[with_text] < 1)).all()


def test_a_copy_has_probability_one_whatever_the_head_says() -> None:
    sceptic = rule(text_model(head=Similarity(len(BLOCK), 0.0, -9.0)))
    known = evidence(text_model()).text
    known.exact[0] = True
    found = sceptic.probability(known)
    assert found[0] == 1.0
    assert np.nanmax(found[1:]) < 0.5


def test_pairs_are_decided_by_the_rule_of_what_they_have() -> None:
    learned = rule(text_model())
    judge = Judge(text=learned, image=TOY_IMAGE.rule, name="test")
    assert judge.calibrated
    assert judge.accept == learned.accept
    found = judge.decide(evidence(text_model()))
    text = (RIGHT <= 2) & (LEFT <= 2)
    assert (found.threshold[text] == learned.accept).all()
    assert (found.threshold[~text] == TOY_IMAGE.rule.accept).all()
    pictures = Judge(text=TOY_TEXT.rule, image=rule(image_model()), name="test")
    assert pictures.calibrated
    assert pictures.accept == pictures.image.accept
    assert not Judge(text=TOY_TEXT.rule, image=TOY_IMAGE.rule, name="test").calibrated


def test_a_rule_learned_from_labels_is_not_held_back_by_wording() -> None:
    sure = text_model(head=Similarity(len(BLOCK), 0.0, 9.0))
    known = evidence(sure)
    known.text.difference[:], known.text.verbatim[:] = DECISIVE, 1.0
    known.text.short[:] = True
    known = known.take((LEFT == 0) & (RIGHT == 2))
    found = Judge(text=rule(sure), image=TOY_IMAGE.rule, name="t").decide(known)
    assert found.decision.tolist() == ["duplicate"]
    stated = replace(TOY_TEXT.rule, bias=9.0)
    held = Judge(text=stated, image=TOY_IMAGE.rule, name="t").decide(known)
    assert held.decision.tolist() != ["duplicate"]


def test_two_learned_judges_each_see_their_own_modality() -> None:
    texts = text_model(head=line(len(BLOCK) + 1, 0))
    images = image_model(head=line(1, 1))
    both, alone = evidence(texts, images), evidence(images)
    assert np.array_equal(images.score(both.image), images.score(alone.image))
    assert np.array_equal(
        rule(texts).probability(both.text),
        rule(texts).probability(evidence(texts).text),
        equal_nan=True,
    )


def test_every_batch_is_scored_once(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    score = JudgeModel.score

    def counted(self: JudgeModel, found: Evidence) -> Any:
        seen.append(len(found.present))
        return score(self, found)

    monkeypatch.setattr(JudgeModel, "score", counted)
    model = text_model()
    judge = Judge(text=rule(model), image=TOY_IMAGE.rule, name="test")
    key = LEFT * 5 + RIGHT
    blank = np.full(len(key), np.nan, np.float32)
    candidates = CandidatePairs(key, np.ones(len(key), np.uint8), blank)
    scored = score_pairs(candidates, contents(model), judge)
    assert seen == [3], "the three pairs that have texts on both sides"
    ids = pa.array([f"s:{n}" for n in range(5)])
    rows = pairs_batch(scored, ids=ids, contents=contents(model), judge=judge, run="r").to_pylist()
    for row in rows:
        has_text = max(row["left_id"], row["right_id"]) <= "s:2"
        accept = judge.text.accept if has_text else judge.image.accept
        assert row["threshold"] == pytest.approx(accept, abs=1e-6)
