"""What a run without labels decides with: one stated default judge per shipped encoder.

The weights are logistic regressions fitted by `tests/bench/fit_default_judge.py` on open labelled
sets; the README names the sets and the figures. They belong to these encoders only, and every
decision they make is marked uncalibrated: labels of your own are better.
"""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.config import (
    CosineRule,
    EfficientNetLite0,
    ImageEncoderConfig,
    JudgeSettings,
    MiniLmEncoder,
    TextEncoderConfig,
    ToyImage,
    ToyText,
)
from pipeline.errors import ConfigError


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


@dataclass(frozen=True)
class EncoderDefault:
    """Search floor (cosine) and judge of one shipped encoder."""

    floor: float
    rule: LogisticRule


MINILM = EncoderDefault(
    floor=0.75,
    rule=LogisticRule(
        bias=-19.0,
        cosine=12.0,
        token_overlap=6.0,
        edit_similarity=5.0,
        length_ratio=1.0,
        code_agreement=1.5,
        lexical=4.0,
    ),
)
EFFICIENTNET = EncoderDefault(floor=0.8, rule=LogisticRule(bias=-54.0, cosine=60.0))
TOY_TEXT = EncoderDefault(floor=0.5, rule=MINILM.rule)
TOY_IMAGE = EncoderDefault(floor=0.9, rule=LogisticRule(bias=-380.0, cosine=400.0))


def text_default(encoder: TextEncoderConfig, judge: JudgeSettings) -> EncoderDefault:
    """The default of a shipped text encoder, or the rule the user states for another.

    Raises:
        ConfigError: a thresholdless encoder of the user's own.
    """
    if judge.text is not None:
        return _stated(judge.text, judge)
    match encoder:
        case MiniLmEncoder():
            return MINILM
        case ToyText():
            return TOY_TEXT
        case _:
            raise ConfigError(_no_default("text", encoder.type))


def image_default(encoder: ImageEncoderConfig, judge: JudgeSettings) -> EncoderDefault:
    """The default of a shipped image encoder, or the rule the user states for another.

    Raises:
        ConfigError: a thresholdless encoder of the user's own.
    """
    if judge.image is not None:
        return _stated(judge.image, judge)
    match encoder:
        case EfficientNetLite0():
            return EFFICIENTNET
        case ToyImage():
            return TOY_IMAGE
        case _:
            raise ConfigError(_no_default("image", encoder.type))


def _stated(rule: CosineRule, judge: JudgeSettings) -> EncoderDefault:
    """The logistic curve through (review cosine, review) and (accept cosine, accept)."""
    import math

    def logit(probability: float) -> float:
        clipped = min(max(probability, 1e-6), 1 - 1e-6)
        return math.log(clipped / (1 - clipped))

    width = max(rule.accept - rule.review, 1e-4)
    slope = max((logit(judge.accept) - logit(judge.review)) / width, 1.0)
    # Through the accept point exactly; a hair of tolerance keeps the tie itself a duplicate.
    bias = logit(judge.accept) - slope * (rule.accept - 1e-6)
    return EncoderDefault(floor=max(rule.review - 0.05, -1.0), rule=LogisticRule(bias, slope))


def _no_default(modality: str, kind: str) -> str:
    return (
        f"judge.{modality}: the {modality} encoder {kind!r} ships no default threshold, and a "
        f"threshold of another model would be wrong; set judge.{modality}.accept and "
        f"judge.{modality}.review (cosines), measured on pairs of your own"
    )
