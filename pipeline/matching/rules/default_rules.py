"""Default rules: what judges without labels, and how far down each shipped encoder searches.

Texts are judged by the shipped judge of words (`transferred`); pictures, and the texts of a
student's teacher, by logistic rules over the cosine of a shipped encoder, to which alone they
belong. `tests/bench/training/fit_default_judge.py` fitted the weights of texts. Every decision
without labels is marked uncalibrated: labels of your own are better.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Generic, NoReturn, TypeVar, overload

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
from pipeline.matching.comparison.text import WordEvidence
from pipeline.matching.evidence import (
    ImageEvidence,
    Modality,
    TextEvidence,
)
from pipeline.matching.judge import TextRule, UntaughtRule
from pipeline.matching.rules.transferred import TransferredRule


@dataclass(frozen=True)
class LogisticRule(UntaughtRule):
    """Probability = 1 / (1 + exp(-(bias + Σ weight · evidence))); absent evidence counts 0."""

    bias: float
    cosine: float
    background: float = 0.0
    accept: float = 0.9
    review: float = 0.5
    calibrated: bool = False
    reads_words: bool = False

    @property
    def confirm(self) -> float:
        """What it accepts, it confirms."""
        return self.accept


@dataclass(frozen=True)
class LogisticTextRule(LogisticRule):
    """A logistic rule for texts, which weighs their words beside their cosine."""

    token_overlap: float = 0.0
    edit_similarity: float = 0.0
    length_ratio: float = 0.0
    code_agreement: float = 0.0
    lexical: float = 0.0

    def probability(self, evidence: TextEvidence) -> Floats:
        """See `pipeline.matching.judge.Rule`; equal texts have 1."""
        odds = (
            self.bias
            + self.cosine * evidence.cosine
            + self.token_overlap * evidence.token_overlap
            + self.edit_similarity * evidence.edit_similarity
            + self.length_ratio * evidence.length_ratio
            + self.code_agreement * np.nan_to_num(evidence.code_agreement)
            + self.lexical * np.nan_to_num(evidence.lexical)
            + self.background * np.nan_to_num(evidence.background)
        )
        return np.where(evidence.exact, 1.0, expit(odds))

    def needed_cosine(self, words: WordEvidence) -> Floats:
        """See `pipeline.matching.judge.TextRule`; shingles count as if they agreed."""
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


@dataclass(frozen=True)
class LogisticImageRule(LogisticRule):
    """A logistic rule for pictures, corrected by what geometry found."""

    def probability(self, evidence: ImageEvidence) -> Floats:
        """See `pipeline.matching.judge.Rule`; equal pictures have 1."""
        odds = (
            self.bias
            + self.cosine * evidence.cosine
            + self.background * np.nan_to_num(evidence.background)
        )
        probability = np.where(evidence.exact, 1.0, expit(odds))
        return self._second_look(probability, evidence)

    def _second_look(self, probability: Floats, evidence: ImageEvidence) -> Floats:
        """What geometry found lifts a pair over the threshold, or leaves it to a person.

        It lifts to the middle between the threshold and 1 at least, and holds as
        `pipeline.matching.judge.Judge` holds: below the threshold, in the order there was.
        """
        looked = evidence.geometry
        lifted = (1 + self.accept) / 2
        held = self.review + 0.999 * (self.accept - self.review) * probability
        probability = np.where(looked == 1, np.maximum(probability, lifted), probability)
        unsure = (looked <= 0) | (looked > 1)
        hold = unsure & (probability >= self.accept) & ~evidence.exact
        return np.where(hold, held, probability)


R = TypeVar("R", covariant=True)
L = TypeVar("L", bound=LogisticRule)


@dataclass(frozen=True)
class DefaultRule(Generic[R]):
    """Search floor (cosine) and rule of one encoder."""

    floor: float
    rule: R

    @property
    def accepted_from(self) -> float:
        """Cosine from which the cosine alone accepts; -1: other evidence decides."""
        rule = self.rule
        if not isinstance(rule, LogisticRule) or not rule.cosine:
            return -1.0
        if isinstance(rule, LogisticTextRule) and rule.token_overlap:
            return -1.0
        return (float(logit(rule.accept)) - rule.bias) / rule.cosine


def _at(default: DefaultRule[L], judge: JudgeSettings) -> DefaultRule[L]:
    """The same with the thresholds of `judge`."""
    accept, review = _thresholds(judge)
    return replace(default, rule=replace(default.rule, accept=accept, review=review))


def _thresholds(judge: JudgeSettings) -> tuple[float, float]:
    """The stated thresholds, or those of a logistic rule."""
    accept = LogisticRule.accept if judge.accept is None else judge.accept
    return accept, min(accept, LogisticRule.review if judge.review is None else judge.review)


MINILM = DefaultRule(
    floor=0.65,
    rule=LogisticTextRule(bias=-14.14, cosine=12.49, token_overlap=6.07, code_agreement=1.26),
)
# Of the pairs of Cora that a rule by words would accept at the student's cosine 0.65 and up, 98 %
# are above this floor; at 0.75 Debian's descriptions would have about five times the candidates.
MINILM_STUDENT = DefaultRule(floor=0.8, rule=TransferredRule())
# Half at cosine 0.30 and nine tenths at 0.70, `tests/bench/pictures/fit_image_judge.py`: of
# photographs that training held back 1 in 500 pairs of one scene reach 0.659, and of 482,762 pairs
# of strangers one.
COPIES = DefaultRule(floor=0.25, rule=LogisticImageRule(bias=-1.648, cosine=5.493))
TOY_TEXT = DefaultRule(floor=0.5, rule=LogisticTextRule(bias=-14.0, cosine=20.0))
TOY_IMAGE = DefaultRule(floor=0.9, rule=LogisticImageRule(bias=-380.0, cosine=400.0))


@overload
def default_of(encoder: TextEncoderConfig) -> DefaultRule[TextRule] | None: ...
@overload
def default_of(encoder: ImageEncoderConfig) -> DefaultRule[LogisticImageRule] | None: ...
def default_of(encoder: TextEncoderConfig | ImageEncoderConfig) -> DefaultRule[Any] | None:
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


def text_default(encoder: TextEncoderConfig, judge: JudgeSettings) -> DefaultRule[TextRule]:
    """The shipped judge of words, or the rule the user states for an encoder.

    The search floor is that of a shipped encoder.

    Raises:
        ConfigError: a thresholdless encoder of the user's own.
    """
    if judge.text is not None:
        return _at(_state(LogisticTextRule, judge.text, judge), judge)
    default = default_of(encoder) or _missing("text", encoder)
    if isinstance(encoder, ToyText):
        return _at(TOY_TEXT, judge)
    rule = TransferredRule(judge.pretrained)
    accept = rule.accept if judge.accept is None else judge.accept
    review = min(accept, rule.review if judge.review is None else judge.review)
    return DefaultRule(default.floor, replace(rule, accept=accept, review=review))


def cosine_default(encoder: TextEncoderConfig, judge: JudgeSettings) -> DefaultRule[TextRule]:
    """The rule of a shipped text encoder that looks at its cosine, for a student's teacher.

    Raises:
        ConfigError: a thresholdless encoder of the user's own.
    """
    default = default_of(encoder)
    if judge.text is not None or default is None or not isinstance(default.rule, LogisticTextRule):
        return text_default(encoder, judge)
    return _at(DefaultRule(default.floor, default.rule), judge)


def image_default(
    encoder: ImageEncoderConfig, judge: JudgeSettings
) -> DefaultRule[LogisticImageRule]:
    """The default of a shipped image encoder, or the rule the user states for another.

    Raises:
        ConfigError: a thresholdless encoder of the user's own.
    """
    stated = judge.image and _state(LogisticImageRule, judge.image, judge)
    return _at(stated or default_of(encoder) or _missing("image", encoder), judge)


def _missing(modality: Modality, encoder: TextEncoderConfig | ImageEncoderConfig) -> NoReturn:
    kind = repr(encoder.type)
    if isinstance(encoder, StaticText):
        kind = f"static (teacher {encoder.teacher.type}, dimension {encoder.dimension})"
    raise ConfigError(
        f"judge.{modality}: the {modality} encoder {kind} ships no default threshold, and a "
        f"threshold of another model would be wrong; set judge.{modality}.accept and "
        f"judge.{modality}.review (cosines), measured on pairs of your own"
    )


def registered_default(kind: type[L], found: SyntheticRule, judge: JudgeSettings) -> DefaultRule[L]:
    """The rule that edited copies taught, under the thresholds of `judge`."""
    bias, slope = found.curve
    return _at(DefaultRule(found.floor, kind(bias, slope, -found.share * slope)), judge)


def _state(kind: type[L], rule: CosineRule, judge: JudgeSettings) -> DefaultRule[L]:
    """The logistic curve through (review cosine, review) and (accept cosine, accept)."""

    accept, review = logit(np.clip(_thresholds(judge), 1e-6, 1 - 1e-6)).tolist()
    width = max(rule.accept - rule.review, 1e-4)
    slope = max((accept - review) / width, 1.0)
    # Through the accept point exactly; a hair of tolerance keeps the tie itself a duplicate.
    bias = accept - slope * (rule.accept - 1e-6)
    return DefaultRule(floor=max(rule.review - 0.05, -1.0), rule=kind(bias, slope))
