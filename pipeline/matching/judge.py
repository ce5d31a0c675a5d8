"""Evidence → probability → decision, for a batch of candidate pairs at a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from scipy.special import expit, logit

from pipeline.arrays import Flags, Floats
from pipeline.matching.comparison.text import WordEvidence
from pipeline.matching.differences.kinds import BARE, DOUBTFUL, HARMLESS
from pipeline.matching.evidence import (
    NEAR_VERBATIM,
    Difference,
    ImageEvidence,
    PairEvidence,
    TextEvidence,
)
from pipeline.matching.reasons import first_that_applies, reasons_of

DUPLICATE, REVIEW, DISTINCT = "duplicate", "review", "distinct"
# An edit similarity that, beside the embedding, is evidence enough for a very short text.
SHORT_TEXT_EDIT = 0.9
# Share from which one doubtful difference leaves a pair of a tolerant corpus confirmed.
MOSTLY_VERBATIM = 0.75


E_contra = TypeVar("E_contra", contravariant=True)


class Rule(Protocol[E_contra]):
    """What makes a probability of evidence of one kind, and its own thresholds.

    `calibrated`: learned from labels, so that words that differ and texts that are short have had
    their say already.
    """

    @property
    def accept(self) -> float: ...
    @property
    def review(self) -> float: ...
    @property
    def calibrated(self) -> bool: ...

    @property
    def confirm(self) -> float:
        """Probability at or above which nobody need look at a pair that it accepts."""
        ...

    def probability(self, evidence: E_contra) -> Floats:
        """(p,) in 0 … 1, NaN where the evidence is not present."""
        ...


class WordsRule(Rule[E_contra], Protocol[E_contra]):
    """A rule that decides where there are texts, and what their differences are worth to it."""

    @property
    def holds(self) -> bool:
        """Whether a difference that nothing shows to be harmless keeps a pair from being accepted.

        False: labels have said what differences weigh.
        """
        ...

    @property
    def shown(self) -> frozenset[Difference]:
        """Differences that labels have shown to keep no pair from being confirmed."""
        ...

    def weighs(self, evidence: PairEvidence) -> Flags:
        """Pairs (p,) whose differences it looks at before it gives a probability."""
        ...


class TextRule(WordsRule[TextEvidence], Protocol):
    """A rule for texts, which also tells what their words exclude before they are embedded."""

    @property
    def reads_words(self) -> bool:
        """Whether it weighs words more than an embedding: it may judge very short texts."""
        ...

    def needed_cosine(self, words: WordEvidence) -> Floats:
        """(p,) cosine of two texts below which their words alone exclude acceptance.

        Above 1: no cosine suffices; -1 where the words bound nothing.
        """
        ...


class UntaughtRule:
    """What a rule has in common with every other that no labels have taught differences."""

    holds: ClassVar[bool] = True
    shown: ClassVar[frozenset[Difference]] = frozenset()

    def weighs(self, evidence: PairEvidence) -> Flags:
        """See `WordsRule`; none."""
        return np.zeros(len(evidence.text.exact), bool)


@dataclass(frozen=True)
class Scores:
    """(p,) probabilities by the texts and by the pictures, NaN where a side has none."""

    text: Floats
    image: Floats


@dataclass(frozen=True)
class Decisions:
    """Probability (p,) in 0 … 1, decision, reason and accept threshold (p,) of a batch of pairs.

    Attributes:
        decision, reason: (p,) Arrow strings: the same few, which numpy would write out at length.
        likely: (p,) the scores alone would accept it.
        contradicts: (p,) one of text and picture alone says *distinct*, whatever both say together.
        confirmed: (p,) accepted, and nobody need look first.
    """

    probability: Floats
    threshold: Floats
    decision: pa.Array
    reason: pa.Array
    likely: Flags
    contradicts: Flags
    confirmed: Flags


@dataclass(frozen=True)
class Judge:
    """One rule per modality; both must agree where a pair has both.

    A pair with one modality is decided by that modality's thresholds; a pair with both by the
    text's, after the log-odds of each, counted from its own accept threshold, have been averaged.

    Attributes:
        joint: decides in place of both wherever there are texts: a rule for texts that has weighed
            the pictures beside them, so that they have no second say. None: there is no such rule.
        tolerant: whether copies in this corpus usually differ in several places, see
            `comparison.corpus_statistics`: a difference then holds no pair, it only keeps it from
            being confirmed.
    """

    text: TextRule
    image: Rule[ImageEvidence]
    name: str
    joint: WordsRule[PairEvidence] | None = None
    tolerant: bool = False

    @property
    def calibrated(self) -> bool:
        """Whether any decision rests on labels."""
        return self._of_texts.calibrated or self.image.calibrated

    @property
    def accept(self) -> float:
        """The threshold that is shown: the learned rule's where there is one."""
        return self._shown.accept

    @property
    def review(self) -> float:
        """The review threshold that is shown."""
        return self._shown.review

    @property
    def _shown(self) -> Rule[Any]:
        alone = self.image.calibrated and not self._of_texts.calibrated
        return self.image if alone else self._of_texts

    @property
    def _of_texts(self) -> WordsRule[Any]:
        return self.joint or self.text

    def scores(self, evidence: PairEvidence) -> Scores:
        """What either rule makes of the evidence; unmatched words need not be counted yet."""
        image = self.image.probability(evidence.image)
        if self.joint is None:
            return Scores(self.text.probability(evidence.text), image)
        text = self.joint.probability(evidence)
        return Scores(text, np.where(np.isnan(text), image, np.nan))

    def decide(self, evidence: PairEvidence, scores: Scores | None = None) -> Decisions:
        """Judge every pair; `scores` spares a second look at the same evidence.

        The probability is held below the accept threshold, so that a person looks first, where
        one modality alone would say *distinct*, and, unless labels have taught the rule for texts
        what these weigh, where only a very short text's embedding speaks for the pair, or where two
        texts are the same word for word but for a difference that nothing shows to be harmless, or
        where two picture files hold more than is seen of them, and not the same.
        """
        scores = scores or self.scores(evidence)
        image, words = scores.image, evidence.text
        text = scores.text if self._of_texts.calibrated else _told(scores.text, words)
        probability = self._combined(text, image)
        accept, review = self._thresholds(text)
        both = ~np.isnan(text) & ~np.isnan(image)
        disagree = both & ((text < self._of_texts.review) | (image < self.image.review))
        unsure = not self._of_texts.calibrated
        alone = words.short & ~words.exact & np.isnan(image) & unsure
        alone &= not self.text.reads_words
        alone &= ~(words.edit_similarity >= SHORT_TEXT_EDIT)
        likely = probability >= accept
        variant = self.variants(words) & likely
        beyond = evidence.image.beyond & likely & np.isnan(text)
        held = (disagree | alone | variant | beyond) & likely
        # Held pairs keep their order among themselves, all below the threshold.
        probability = np.where(held, review + 0.999 * (accept - review) * probability, probability)
        # Rounded before it is compared, so that the number shown is the number that decided.
        probability = np.round(probability, 4)
        accepted = probability >= accept
        decision = first_that_applies(
            [(accepted, DUPLICATE), (probability >= review, REVIEW)], DISTINCT
        )
        reason = reasons_of(
            evidence,
            text,
            image,
            accepted,
            disagree=disagree,
            alone=alone & held,
            variant=variant,
            beyond=beyond,
            weighed=~np.isnan(text) & evidence.image.present & (self.joint is not None),
        )
        confirmed = accepted & self._safe(words, probability, text)
        return Decisions(probability, accept, decision, reason, likely, disagree, confirmed)

    def weighs(self, evidence: PairEvidence) -> Flags:
        """Pairs (p,) whose differences the rule for texts looks at before it scores them."""
        return self._of_texts.weighs(evidence)

    def likely(self, evidence: PairEvidence, scores: Scores) -> Flags:
        """Pairs (p,) that the scores alone would accept: those whose wording must be looked at."""
        probability = self._combined(scores.text, scores.image)
        return np.asarray((probability >= self._thresholds(scores.text)[0]) & ~evidence.text.exact)

    def variants(self, words: TextEvidence) -> Flags:
        """Pairs (p,) that what differs between their texts keeps from being accepted.

        None where labels have said what differences weigh, and none where the corpus is tolerant.
        """
        return self.parted(words.difference, words.verbatim)

    def parted(self, difference: npt.NDArray[np.int8], verbatim: npt.ArrayLike) -> Flags:
        """The same of what is known of p differences, see `TextEvidence`."""
        near = np.asarray(verbatim) >= (NEAR_VERBATIM if self.text.reads_words else 0.0)
        differ = (difference >= DOUBTFUL) & near
        return np.asarray(differ & (self._of_texts.holds and not self.tolerant))

    def _safe(self, words: TextEvidence, probability: Floats, text: Floats) -> Flags:
        """Pairs (p,) that need nobody's look, if they are accepted.

        That is a pair whose texts differ in nothing, in what is harmless (in a tolerant corpus also
        in what is doubtful, where most is the same word for word, unless what both say is one
        column: a name alone agrees with many), or in what labels have shown to part nothing
        here, and whose probability is high.
        """
        harmless = words.difference == HARMLESS
        if self.tolerant:
            doubtful = (words.difference == DOUBTFUL) & ((words.kinds & BARE) == 0)
            harmless |= doubtful & (words.verbatim >= MOSTLY_VERBATIM)
        near = words.verbatim >= NEAR_VERBATIM
        for verdict, alike in self._of_texts.shown:
            harmless |= (words.difference == verdict) & (near == alike)
        seen = words.exact | harmless
        sure = seen & (words.exact | (probability >= self._of_texts.confirm))
        pictures = np.isnan(text) & (probability >= self.image.confirm)
        return np.asarray(sure | pictures)

    def _thresholds(self, text: Floats) -> tuple[Floats, Floats]:
        """(p,) accept and review thresholds: the text's where there is text evidence."""
        alone = np.isnan(text)
        accept = np.where(alone, self.image.accept, self._of_texts.accept)
        return accept, np.where(alone, self.image.review, self._of_texts.review)

    def _combined(self, text: Floats, image: Floats) -> Floats:
        shift = log_odds(np.array(self._of_texts.accept)), log_odds(np.array(self.image.accept))
        both = expit((log_odds(text) - shift[0] + log_odds(image) - shift[1]) / 2 + shift[0])
        certain = (text == 1.0) & (image == 1.0)
        single = np.nan_to_num(np.where(np.isnan(text), image, text))
        combined = np.where(np.isnan(text) | np.isnan(image), single, both)
        return np.where(certain, 1.0, combined)


def _told(probability: Floats, words: TextEvidence) -> Floats:
    """(p,) the probabilities with what the columns say in which the texts differ."""
    told = (words.telling != 0) & ~np.isnan(probability) & ~words.exact
    return np.where(told, expit(log_odds(probability) + words.telling), probability)


def log_odds(probability: Floats) -> Floats:
    """Log-odds (p,), the probabilities held between 1e-4 and 1 - 1e-4."""
    return np.asarray(logit(np.clip(probability, 1e-4, 1 - 1e-4)))
