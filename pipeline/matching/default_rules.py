"""Default rules: one stated judge per shipped encoder, for runs without labels.

The weights are logistic regressions fitted by `tests/bench/fit_default_judge.py` on open labelled
sets; tests/bench/README.md has the figures. They belong to these encoders only, and every
decision they make is marked uncalibrated: labels of your own are better.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from scipy.special import expit, logit

from pipeline.arrays import Floats
from pipeline.config import (
    CopyDetection,
    CosineRule,
    ImageEncoderConfig,
    JudgeSettings,
    MiniLmEncoder,
    StaticText,
    TextEncoderConfig,
    ToyImage,
    ToyText,
)
from pipeline.errors import ConfigError
from pipeline.evaluation import SyntheticRule
from pipeline.matching.comparison.text import TextEvidence
from pipeline.matching.evidence import Evidence
from pipeline.matching.judge import Rule


@dataclass(frozen=True)
class LogisticRule:
    """Probability = 1 / (1 + exp(-(bias + Σ weight · evidence))); absent evidence counts 0."""

    bias: float
    cosine: float
    token_overlap: float = 0.0
    edit_similarity: float = 0.0
    length_ratio: float = 0.0
    code_agreement: float = 0.0
    lexical: float = 0.0
    background: float = 0.0
    accept: float = 0.9
    review: float = 0.5
    calibrated: bool = False
    joint: bool = False

    def text_probability(self, evidence: Evidence) -> Floats:
        """See `pipeline.matching.judge.Rule`; equal texts have 1."""
        odds = (
            self.bias
            + self.cosine * evidence.text_cosine
            + self.token_overlap * evidence.token_overlap
            + self.edit_similarity * evidence.edit_similarity
            + self.length_ratio * evidence.length_ratio
            + self.code_agreement * np.nan_to_num(evidence.code_agreement)
            + self.lexical * np.nan_to_num(evidence.lexical)
            + self.background * np.nan_to_num(evidence.text_background)
        )
        return np.where(evidence.exact_text, 1.0, expit(odds))

    def needed_cosine(self, words: TextEvidence) -> Floats:
        """See `pipeline.matching.judge.Rule`; shingles, unknown here, count as if they agreed."""
        odds = (
            self.bias
            + self.token_overlap * words.token_overlap.astype(np.float64)
            + self.edit_similarity * words.edit_similarity
            + self.length_ratio * words.length_ratio
            + self.code_agreement * np.nan_to_num(words.code_agreement)
            + max(self.lexical, 0.0)
            + abs(self.background)  # a level is within -1 … 1
        )
        # A hair less than the cosine itself: probabilities are rounded before they are compared.
        wanted = float(logit(self.accept))
        if not self.cosine:  # the words decide alone
            return np.where(odds >= wanted - 1e-3, -1.0, np.inf)
        return np.asarray((wanted - 1e-3 - odds) / self.cosine)

    def image_probability(self, evidence: Evidence) -> Floats:
        """See `pipeline.matching.judge.Rule`; equal pictures have 1."""
        odds = (
            self.bias
            + self.cosine * evidence.image_cosine
            + self.background * np.nan_to_num(evidence.image_background)
        )
        probability = np.where(evidence.exact_image, 1.0, expit(odds))
        return self._second_look(probability, evidence)

    def _second_look(self, probability: Floats, evidence: Evidence) -> Floats:
        """What geometry found lifts a pair over the threshold, or leaves it to a person.

        It lifts to the middle between the threshold and 1 at least, and holds as
        `pipeline.matching.judge.Judge` holds: below the threshold, in the order there was.
        """
        looked = evidence.image_geometry
        if looked is None:
            return probability
        lifted = (1 + self.accept) / 2
        held = self.review + 0.999 * (self.accept - self.review) * probability
        probability = np.where(looked == 1, np.maximum(probability, lifted), probability)
        hold = (looked == 0) & (probability >= self.accept) & ~evidence.exact_image
        return np.where(hold, held, probability)


@dataclass(frozen=True)
class DefaultRule:
    """Search floor (cosine) and rule of one encoder."""

    floor: float
    rule: Rule

    @property
    def accepted_from(self) -> float:
        """Cosine from which the cosine alone accepts; -1: other evidence decides."""
        rule = self.rule
        if not isinstance(rule, LogisticRule) or rule.token_overlap or not rule.cosine:
            return -1.0
        return (float(logit(rule.accept)) - rule.bias) / rule.cosine


def _at(default: DefaultRule, judge: JudgeSettings) -> DefaultRule:
    """The same with the thresholds of `judge`."""
    assert isinstance(default.rule, LogisticRule)
    rule = replace(default.rule, accept=judge.accept, review=judge.review)
    return replace(default, rule=rule)


MINILM = DefaultRule(
    floor=0.65,
    rule=LogisticRule(bias=-14.14, cosine=12.49, token_overlap=6.07, code_agreement=1.26),
)
# The fit gave the student's cosine no weight beside the words in common: it finds the candidates,
# their words decide, and rounding on another machine moves no probability. The floor: of the pairs
# of Cora that the rule would accept at cosine 0.65 and up 98 % are above it, of its duplicates for
# review 92 %; at 0.75 Debian's descriptions would have about five times the candidates.
MINILM_STUDENT = DefaultRule(
    floor=0.8, rule=LogisticRule(bias=-5.05, cosine=0.0, token_overlap=13.14, code_agreement=1.03)
)
# Half at cosine 0.30 and nine tenths at 0.70, `tests/bench/fit_image_judge.py`: of photographs that
# training held back 1 in 500 pairs of one scene reach 0.659, and of 482,762 pairs of strangers one.
COPIES = DefaultRule(floor=0.25, rule=LogisticRule(bias=-1.648, cosine=5.493))
TOY_TEXT = DefaultRule(floor=0.5, rule=LogisticRule(bias=-14.0, cosine=20.0))
TOY_IMAGE = DefaultRule(floor=0.9, rule=LogisticRule(bias=-380.0, cosine=400.0))


def default_of(encoder: TextEncoderConfig | ImageEncoderConfig) -> DefaultRule | None:
    """What an encoder ships; None: nothing."""
    match encoder:
        case MiniLmEncoder():
            return MINILM
        case StaticText(teacher=MiniLmEncoder(), dimension=256):
            return MINILM_STUDENT
        case ToyText():
            return TOY_TEXT
        case CopyDetection(path=None, image_size=None):
            return COPIES
        case ToyImage():
            return TOY_IMAGE
        case _:
            return None


def text_default(encoder: TextEncoderConfig, judge: JudgeSettings) -> DefaultRule:
    """The default of a shipped text encoder, or the rule the user states for another.

    Raises:
        ConfigError: a thresholdless encoder of the user's own.
    """
    return _default("text", encoder, judge)


def image_default(encoder: ImageEncoderConfig, judge: JudgeSettings) -> DefaultRule:
    """The default of a shipped image encoder, or the rule the user states for another.

    Raises:
        ConfigError: a thresholdless encoder of the user's own.
    """
    return _default("image", encoder, judge)


def _default(
    modality: Literal["text", "image"],
    encoder: TextEncoderConfig | ImageEncoderConfig,
    judge: JudgeSettings,
) -> DefaultRule:
    stated = getattr(judge, modality)
    if stated is not None:
        return _at(_state(stated, judge), judge)
    shipped = default_of(encoder)
    if shipped is not None:
        return _at(shipped, judge)
    kind = repr(encoder.type)
    if isinstance(encoder, StaticText):
        kind = f"static (teacher {encoder.teacher.type}, dimension {encoder.dimension})"
    raise ConfigError(
        f"judge.{modality}: the {modality} encoder {kind} ships no default threshold, and a "
        f"threshold of another model would be wrong; set judge.{modality}.accept and "
        f"judge.{modality}.review (cosines), measured on pairs of your own"
    )


def registered_default(found: SyntheticRule, judge: JudgeSettings) -> DefaultRule:
    """The rule that edited copies taught, under the thresholds of `judge`."""
    bias, slope = found.curve
    rule = LogisticRule(bias, slope, background=-found.share * slope)
    return _at(DefaultRule(found.floor, rule), judge)


def _state(rule: CosineRule, judge: JudgeSettings) -> DefaultRule:
    """The logistic curve through (review cosine, review) and (accept cosine, accept)."""

    accept, review = logit(np.clip([judge.accept, judge.review], 1e-6, 1 - 1e-6)).tolist()
    width = max(rule.accept - rule.review, 1e-4)
    slope = max((accept - review) / width, 1.0)
    # Through the accept point exactly; a hair of tolerance keeps the tie itself a duplicate.
    bias = accept - slope * (rule.accept - 1e-6)
    return DefaultRule(floor=max(rule.review - 0.05, -1.0), rule=LogisticRule(bias, slope))
