"""The default judge: what it accepts, what it refuses, what it leaves to a person."""

from dataclasses import replace

import numpy as np
import pytest

from pipeline.config.encoders import SentenceTransformersText, StaticText
from pipeline.config.matching import CosineRule, JudgeSettings
from pipeline.errors import ConfigError
from pipeline.matching.comparison.text_features import BLOCK
from pipeline.matching.differences.kinds import BARE, DECISIVE, DOUBTFUL, HARMLESS, Kind
from pipeline.matching.evidence import UNSEEN, ImageEvidence, PairEvidence, TextEvidence
from pipeline.matching.judge import Judge
from pipeline.matching.rules.default_rules import (
    MINILM,
    MINILM_STUDENT,
    LogisticImageRule,
    text_default,
)

PICTURES = LogisticImageRule(bias=-17.578, cosine=21.972)  # half at 0.80, nine tenths at 0.90
JUDGE = Judge(MINILM.rule, PICTURES, "test")
NAN = float("nan")
TEXT = {"text_cosine": 0.99, "token_overlap": 0.97, "edit_similarity": 0.98, "length_ratio": 0.99,
        "code_agreement": 1.0}  # fmt: skip
FAR = {"text_cosine": 0.75, "token_overlap": 0.1, "edit_similarity": 0.4, "length_ratio": 0.5,
       "code_agreement": -1.0}  # fmt: skip


def evidence(**given: float | bool) -> PairEvidence:
    def number(name: str) -> np.ndarray:
        return np.array([given.get(name, NAN)], float)

    def flag(name: str) -> np.ndarray:
        return np.array([given.get(name, False)], bool)

    words = ("token_overlap", "edit_similarity", "length_ratio", "code_agreement", "lexical",
             "verbatim")  # fmt: skip
    nothing, features = np.array([NAN]), np.zeros((1, 0), np.float32)
    return PairEvidence(
        TextEvidence(
            **{name: number(name) for name in words},
            cosine=number("text_cosine"), exact=flag("exact_text"), short=flag("short_text"),
            background=nothing, features=features,
            difference=np.array([given.get("difference", UNSEEN)], np.int8),
            kinds=np.array([given.get("kinds", 0)], np.int32),
            spans=np.array([None], object), sources=np.zeros(1),
            differing=np.zeros(1, np.int64), telling=np.zeros(1),
        ),
        ImageEvidence(
            cosine=number("image_cosine"), exact=flag("exact_image"), sides=nothing,
            geometry=nothing, background=nothing, features=features, beyond=flag("beyond"),
        ),
    )  # fmt: skip


def decide(**given: float | bool) -> tuple[float, str, str]:
    found = JUDGE.decide(evidence(**given))
    return float(found.probability[0]), str(found.decision[0]), str(found.reason[0])


def test_near_identical_texts_are_duplicates() -> None:
    assert decide(**TEXT)[1] == "duplicate"


def test_unlike_texts_are_distinct() -> None:
    assert decide(**FAR)[1] == "distinct"


def test_an_exact_copy_scores_highest() -> None:
    assert decide(**{**TEXT, "text_cosine": 1.0}, exact_text=True)[0] == 1.0
    assert decide(image_cosine=1.0, exact_image=True)[0] == 1.0


@pytest.mark.parametrize("name", TEXT)
def test_more_agreement_never_lowers_the_probability(name: str) -> None:
    scores = [decide(**{**FAR, "text_cosine": 0.9, name: value})[0]
              for value in np.linspace(-1 if name == "code_agreement" else 0, 1, 9)]  # fmt: skip
    assert scores == sorted(scores)


def test_conflicting_codes_are_held_back() -> None:
    alike = {**TEXT, "text_cosine": 0.97, "token_overlap": 0.8, "edit_similarity": 0.95}
    assert decide(**{**alike, "code_agreement": -1.0})[0] < decide(**alike)[0]


def test_very_short_texts_need_more_than_an_embedding() -> None:
    near = {**TEXT, "edit_similarity": 0.85, "token_overlap": 1.0}
    assert decide(**near)[1] == "duplicate"
    probability, decision, reason = decide(**near, short_text=True)
    assert decision == "review"
    assert "very short" in reason
    assert probability < JUDGE.accept
    assert decide(**{**near, "edit_similarity": 0.95}, short_text=True)[1] == "duplicate"


def test_a_difference_that_may_decide_is_left_to_a_person() -> None:
    same = {**TEXT, "verbatim": 0.9}
    assert decide(**same, difference=HARMLESS)[1] == "duplicate"
    held = decide(**same, difference=DECISIVE, kinds=int(Kind.NUMBER))
    assert held[1:] == ("review", "alike, but a number differs")
    assert JUDGE.review < held[0] < JUDGE.accept
    word = decide(**same, difference=DOUBTFUL, kinds=int(Kind.WORD))
    assert word[1:] == ("review", "alike, but a word differs")
    both = decide(**same, difference=DECISIVE, kinds=int(Kind.WORD | Kind.NEGATION))
    assert both[2] == "alike, but one says not"


def test_a_difference_of_other_wordings_or_in_a_tolerant_corpus_joins_but_confirms_not() -> None:
    apart = evidence(**TEXT, verbatim=0.4, difference=DECISIVE, kinds=int(Kind.NUMBER))
    near = evidence(**TEXT, verbatim=0.9, difference=DECISIVE, kinds=int(Kind.NUMBER))
    word = evidence(**TEXT, verbatim=0.9, difference=DOUBTFUL, kinds=int(Kind.WORD))
    lacking = int(Kind.MISSING) | BARE
    bare = evidence(**TEXT, verbatim=0.9, difference=DOUBTFUL, kinds=lacking)
    tolerant = replace(JUDGE, tolerant=True)
    reader = replace(JUDGE, text=replace(MINILM.rule, reads_words=True))
    assert JUDGE.decide(apart).decision.to_pylist() == ["review"], "a cosine does not weigh words"
    for judge, seen, confirmed in (
        (reader, apart, False),
        (tolerant, near, False),
        (tolerant, word, True),
        (tolerant, bare, False),
        (JUDGE, evidence(**TEXT, verbatim=0.9, difference=HARMLESS), True),
        (JUDGE, evidence(**TEXT), False),
    ):
        found = judge.decide(seen)
        assert found.decision.to_pylist() == ["duplicate"]
        assert found.confirmed.tolist() == [confirmed]


def test_held_pairs_keep_their_order() -> None:
    held = {"verbatim": 0.9, "difference": DECISIVE, "kinds": int(Kind.CODE)}
    likely = decide(**TEXT, **held)[0]
    less = decide(**{**TEXT, "text_cosine": 0.95}, **held)[0]
    assert less < likely


def test_text_and_picture_must_not_contradict_each_other() -> None:
    both = decide(**TEXT, image_cosine=0.99)
    assert both[1:] == ("duplicate", "texts and pictures agree")
    apart = decide(**TEXT, image_cosine=0.2)
    assert apart[1] != "duplicate"
    assert apart[2] == "texts agree but pictures differ"
    same_photo = decide(**FAR, image_cosine=1.0, exact_image=True)
    assert same_photo[1] != "duplicate"
    assert same_photo[2] == "pictures agree but texts differ"


def test_only_the_shipped_student_has_a_default() -> None:
    shipped = StaticText(type="static")
    default = text_default(shipped, JudgeSettings())
    assert default.floor == MINILM_STUDENT.floor
    assert default.rule.accept == 0.5
    assert text_default(shipped, JudgeSettings(accept=0.95)).rule.accept == 0.95
    own = SentenceTransformersText(type="sentence_transformers", path="/somewhere")
    for other, said in (
        (StaticText(type="static", dimension=128), "teacher minilm, dimension 128"),
        (StaticText(type="static", teacher=own), "sentence_transformers, dimension 256"),
    ):
        with pytest.raises(ConfigError, match=rf"{said}.*judge\.text\.accept"):
            text_default(other, JudgeSettings())
        stated = JudgeSettings(text=CosineRule(accept=0.9, review=0.8))
        assert text_default(other, stated).floor == pytest.approx(0.75)


def test_the_student_s_default_tolerates_the_rounding_of_another_machine() -> None:
    """No decision hangs on the last digits of its cosine; only the floor looks at it."""
    judge = Judge(MINILM_STUDENT.rule, PICTURES, "default")

    def seen(cosine: float) -> PairEvidence:
        known = evidence(**{**TEXT, "text_cosine": cosine})
        words = np.full((1, len(BLOCK)), 0.5, np.float32)
        return replace(known, text=replace(known.text, features=words))

    here = judge.decide(seen(TEXT["text_cosine"]))
    there = judge.decide(seen(TEXT["text_cosine"] - 1e-5))
    assert here.probability == there.probability


def test_a_foreign_encoder_needs_thresholds_of_its_own() -> None:
    foreign = SentenceTransformersText(type="sentence_transformers", path="/somewhere")
    with pytest.raises(ConfigError, match=r"judge\.text\.accept"):
        text_default(foreign, JudgeSettings())
    stated = JudgeSettings(text=CosineRule(accept=0.9, review=0.8))
    rule = text_default(foreign, stated).rule
    judge = Judge(rule, PICTURES, "stated")
    for cosine, decision in (
        (0.9, "duplicate"),
        (0.8999, "review"),
        (0.8, "review"),
        (0.79, "distinct"),
    ):
        found = judge.decide(evidence(**{**FAR, "text_cosine": cosine}))
        assert str(found.decision[0]) == decision, cosine
