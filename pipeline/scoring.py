"""Evidence → probability → decision, for a batch of candidate pairs at a time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline.config import JudgeSettings
from pipeline.defaults import LogisticRule
from pipeline.wording import allowed_conflicts

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

DUPLICATE, REVIEW, DISTINCT = "duplicate", "review", "distinct"
# An edit similarity that, beside the embedding, is evidence enough for a very short text.
SHORT_TEXT_EDIT = 0.9


@dataclass(frozen=True)
class Evidence:
    """What is known of p pairs; arrays of length p, NaN where a modality is absent on a side.

    Attributes:
        text_cosine, image_cosine, lexical, token_overlap, edit_similarity, length_ratio,
        code_agreement: float, ranges as in `pipeline.schemas.PAIRS`.
        exact_text, exact_image: equal content hashes.
        short_text: either side's text is too short for its embedding to decide.
        word_conflicts: words that each side has and the other cannot account for; NaN: not counted.
        words: words of the shorter text, 0 without text.
    """

    text_cosine: Floats
    image_cosine: Floats
    lexical: Floats
    token_overlap: Floats
    edit_similarity: Floats
    length_ratio: Floats
    code_agreement: Floats
    exact_text: Flags
    exact_image: Flags
    short_text: Flags
    word_conflicts: Floats
    words: npt.NDArray[np.int64]


@dataclass(frozen=True)
class Judgement:
    """Probability (p,) in 0 … 1, decision (p,) and reason (p,) of a batch of pairs.

    Attributes:
        contradicts: (p,) one of text and picture alone says *distinct*, whatever both say together.
    """

    probability: Floats
    decision: npt.NDArray[np.str_]
    reason: npt.NDArray[np.str_]
    contradicts: Flags


@dataclass(frozen=True)
class Judge:
    """The default judge: one logistic rule per modality, both must agree where both exist."""

    text: LogisticRule | None
    image: LogisticRule | None
    settings: JudgeSettings
    name: str
    calibrated: bool = False

    def decide(self, evidence: Evidence) -> Judgement:
        """Judge every pair.

        Where both sides have both modalities the two log-odds are averaged. The probability is
        held below the accept threshold, so that a person looks first, where one modality alone
        would say *distinct*, where only a very short text's embedding speaks for the pair, and
        where each text has words or numbers that the other cannot account for.
        """
        text = self._text(evidence)
        image = self._image(evidence)
        probability = _combined(text, image)
        review, accept = self.settings.review, self.settings.accept
        disagree = (text < review) | (image < review)
        disagree &= ~np.isnan(text) & ~np.isnan(image)
        alone = evidence.short_text & ~evidence.exact_text & np.isnan(image)
        alone &= ~(evidence.edit_similarity >= SHORT_TEXT_EDIT)
        variant = evidence.word_conflicts > allowed_conflicts(evidence.words)
        held = (disagree | alone | variant) & (probability >= accept)
        # Held pairs keep their order among themselves, all below the threshold.
        probability = np.where(held, review + 0.999 * (accept - review) * probability, probability)
        # Rounded before it is compared, so that the number shown is the number that decided.
        probability = np.round(probability, 4)
        decision = np.where(
            probability >= accept, DUPLICATE, np.where(probability >= review, REVIEW, DISTINCT)
        )
        reason = _reasons(
            evidence, text, image, decision, disagree=disagree, alone=alone & held, variant=variant
        )
        return Judgement(probability, decision, reason, disagree)

    def likely(self, evidence: Evidence) -> Flags:
        """Pairs (p,) that the scores alone would accept: those whose wording must be looked at."""
        probability = _combined(self._text(evidence), self._image(evidence))
        return np.asarray((probability >= self.settings.accept) & ~evidence.exact_text)

    def _text(self, evidence: Evidence) -> Floats:
        if self.text is None:
            return np.full(len(evidence.text_cosine), np.nan)
        rule = self.text
        odds = (
            rule.bias
            + rule.cosine * evidence.text_cosine
            + rule.token_overlap * evidence.token_overlap
            + rule.edit_similarity * evidence.edit_similarity
            + rule.length_ratio * evidence.length_ratio
            + rule.code_agreement * np.nan_to_num(evidence.code_agreement)
            + rule.lexical * np.nan_to_num(evidence.lexical)
        )
        return np.where(evidence.exact_text, 1.0, _sigmoid(odds))

    def _image(self, evidence: Evidence) -> Floats:
        if self.image is None:
            return np.full(len(evidence.image_cosine), np.nan)
        odds = self.image.bias + self.image.cosine * evidence.image_cosine
        return np.where(evidence.exact_image, 1.0, _sigmoid(odds))


def _sigmoid(odds: Floats) -> Floats:
    return np.asarray(1 / (1 + np.exp(-np.clip(odds, -50, 50))))


def _logit(probability: Floats) -> Floats:
    clipped = np.clip(probability, 1e-4, 1 - 1e-4)
    return np.asarray(np.log(clipped / (1 - clipped)))


def _combined(text: Floats, image: Floats) -> Floats:
    both = _sigmoid((_logit(text) + _logit(image)) / 2)
    certain = (text == 1.0) & (image == 1.0)
    single = np.where(np.isnan(text), image, text)
    single = np.nan_to_num(single)
    combined = np.where(np.isnan(text) | np.isnan(image), single, both)
    return np.where(certain, 1.0, combined)


def _reasons(
    evidence: Evidence,
    text: Floats,
    image: Floats,
    decision: npt.NDArray[np.str_],
    *,
    disagree: Flags,
    alone: Flags,
    variant: Flags,
) -> npt.NDArray[np.str_]:
    """One plain phrase per pair, the first that applies."""
    has_text, has_image = ~np.isnan(text), ~np.isnan(image)
    accepted = decision == DUPLICATE
    cases = [
        (evidence.exact_text & evidence.exact_image, "identical text and picture"),
        (disagree & (text < image), "pictures agree but texts differ"),
        (disagree, "texts agree but pictures differ"),
        (evidence.exact_text & has_image & accepted, "identical text, near-identical picture"),
        (evidence.exact_image & has_text & accepted, "identical picture, near-identical text"),
        (evidence.exact_text, "identical text"),
        (evidence.exact_image, "identical picture"),
        (alone, "very short text: an embedding alone does not decide"),
        (variant & (evidence.code_agreement < 1), "numbers or model codes differ"),
        (variant, "alike, but each text has words the other lacks"),
        (accepted & has_text & has_image, "texts and pictures agree"),
        (accepted & has_image, "pictures agree"),
        (accepted & (np.nan_to_num(evidence.lexical) >= 0.8), "long texts share most passages"),
        (accepted, "texts agree"),
        (has_text & (evidence.code_agreement < 0), "numbers or model codes differ"),
        (has_text & (evidence.token_overlap < 0.5), "alike in meaning, few words in common"),
        (has_text, "texts alike, not enough to be sure"),
    ]
    return np.select(
        [mask for mask, _ in cases], [phrase for _, phrase in cases], "pictures alike, not enough"
    )
