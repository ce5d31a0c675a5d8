"""Thresholds without labels: edited copies of one's own records against its natural neighbours.

Edits can be made at will, so a corpus without a label still has pairs that are known to be copies:
they say how many copies a threshold finds. What it accepts wrongly are pairs of different records.
Of these the corpus has plenty, but the highest of them cannot be told from copies that nobody has
marked. So a record's few nearest neighbours are counted as wrong only where a second look says so
(`geometry` for pictures, the words for texts), and how many strangers come as near as that
is foretold from the neighbours after them: their tail is taken to be exponential, as Hill (1975)
has it for logarithms; that of an inner product of many dimensions is no heavier.

Two scores are tried, the cosine and the cosine above the level of both sides' neighbourhoods (score
normalisation, see `score_normalisation`); the one that finds more copies at the precision asked for
decides.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline.arrays import Floats
from pipeline.config import SelfCalibrationSettings
from pipeline.evaluation.calibration.score_normalisation import NeighbourhoodLevel

Kinds = npt.NDArray[np.int8]

# (nearest left out, neighbours averaged) of the levels that are tried; the pair's own partner and a
# few copies more may be among the nearest.
LEVELS = ((1, 1), (2, 4), (4, 8))
NEARER = 0.98  # cosine from which a record of the sample is the same one
SHARE = (0.5, 0.75, 1.0)  # of the level that is taken away
GAIN = 0.01  # of recall, below which the plain cosine is kept
SKIPPED = 6  # nearest neighbours that may be copies which nobody has marked
FEWEST_COPIES = 0.02  # records with a copy, where hardly any is found
FLOOR_RANK = 8  # half as many pairs a record are searched out at most, on average
REVIEW_PRECISION = 0.5
NARROWEST = 0.02  # between review and accept, so that rounding does not decide
DECIMALS = 4
NOT_SEARCHED = -3.0  # below every score
COPY, OTHER, HELD, UNKNOWN = 2, 1, 0, -1


class UnreachableError(Exception):
    """No threshold reaches the precision; the message says what is reachable."""


@dataclass(frozen=True)
class SyntheticSample:
    """What was looked at of a corpus; r records were sampled.

    Attributes:
        copies: (c,) cosine of a sampled record and its edited copy.
        of_copies: one (c,) per entry of `LEVELS`: mean level of both sides' neighbourhoods.
        natural: (r, k) cosines of each sampled record and its nearest others, descending.
        of_natural: one (r, k) per entry of `LEVELS`.
        kind: (r, k) by a second look at the nearest: COPY, OTHER, HELD (no copy either, and kept
            from being accepted whatever its score), or UNKNOWN.
    """

    copies: Floats
    of_copies: tuple[Floats, ...]
    natural: Floats
    of_natural: tuple[Floats, ...]
    kind: Kinds

    def share_of_copies(self) -> float:
        """Natural copies per record: each is seen from both of its sides."""
        return max(float((self.kind == COPY).sum()) / 2 / len(self.kind), FEWEST_COPIES)


@dataclass(frozen=True)
class SyntheticRule:
    """What a corpus taught: score = cosine - share * level; accepted and reviewed from where.

    Attributes:
        level: (nearest left out, neighbours averaged); None: the plain cosine.
        share: of the level that is taken away.
        accept, review: scores.
        floor: cosine down to which candidates are searched.
        target, precision, precision_low: asked for, expected, and a one-sided lower bound that does
            not allow for what the foretelling of strangers may miss.
        recall: of the edited copies, at `accept`.
        copies: records with a copy, share, that precision rests on.
        records, made: records sampled, and edited copies of them.
        gain: recall of the edited copies at `target` by the plain cosine and by the score.
    """

    level: tuple[int, int] | None
    share: float
    accept: float
    review: float
    floor: float
    target: float
    precision: float
    precision_low: float
    recall: float
    copies: float
    records: int
    made: int
    gain: tuple[float, float]

    @property
    def curve(self) -> tuple[float, float]:
        """Bias and slope of log-odds: half at the review score, nine tenths at the accept score."""
        slope = math.log(9) / (self.accept - self.review)
        # A hair of tolerance keeps a tie with the threshold a duplicate.
        return math.log(9) - slope * (self.accept - 1e-6), slope


@dataclass(frozen=True)
class _Curve:
    """Recall and precision at every score of a copy, descending.

    Attributes:
        score: (s,) distinct. hits: (s,) copies at or above each. made: all copies.
        wrong, wrong_high: (s,) pairs of different records per record, expected and at most.
        copies: records with a copy, share.
    """

    score: Floats
    hits: Floats
    made: int
    wrong: Floats
    wrong_high: Floats
    copies: float

    @property
    def recall(self) -> Floats:
        """(s,) share of the copies."""
        return self.hits / max(self.made, 1)

    @property
    def precision(self) -> Floats:
        """(s,) expected share of copies among the accepted pairs."""
        right = self.copies * self.recall
        return right / np.maximum(right + self.wrong, 1e-12)

    def precision_low(self, place: int, confidence: float) -> float:
        """The lower bound at one of the scores, both its parts at this confidence."""
        trials = np.array([float(self.made)])
        from pipeline.evaluation.calibration.bounds import lower_bound

        low = lower_bound(self.hits[[place]], trials, confidence=confidence)
        right = self.copies * float(low[0])
        return right / max(right + float(self.wrong_high[place]), 1e-12)

    def lowest(self, target: float) -> int | None:
        """Place of the lowest score down to which the precision, once there, stays at the target.

        At the very top hardly a copy is accepted, and a hair of strangers weighs as much.
        """
        precision = self.precision
        if not len(precision):
            return None
        best = int(precision.argmax())
        if precision[best] < target:
            return None
        below = np.flatnonzero(precision[best:] < target)
        return best + int(below[0]) - 1 if len(below) else len(precision) - 1


def learn_synthetic_rule(
    sampled: SyntheticSample,
    settings: SelfCalibrationSettings,
    *,
    floor: float,
    least: float = -1.0,
) -> SyntheticRule:
    """Choose the score and its thresholds.

    Args:
        floor: cosine down to which candidates are searched.
        least: cosine below which nothing is accepted; of an encoder whose makers know pairs that no
            corpus without labels shows, as two photographs of one scene.

    Raises:
        UnreachableError: no threshold reaches the precision.
    """
    copies = sampled.share_of_copies()
    # Half of what may be wrong is kept for what nobody has marked.
    target = (1 + settings.precision) / 2

    def curve(number: int | None, part: float) -> _Curve:
        made, others = (0.0, 0.0) if number is None else (
            part * sampled.of_copies[number], part * sampled.of_natural[number]
        )  # fmt: skip
        score = np.where(
            sampled.copies >= floor, np.round(sampled.copies - made, DECIMALS), NOT_SEARCHED
        )
        return _curve(
            score, np.round(sampled.natural - others, DECIMALS), sampled.kind, copies,
            settings.confidence,
        )  # fmt: skip

    def reached(found: _Curve) -> float:
        place = found.lowest(target)
        return 0.0 if place is None else float(found.recall[place])

    choices = [(number, part) for number in range(len(LEVELS)) for part in SHARE]
    plain = curve(None, 0.0)
    normalised = [curve(*choice) for choice in choices]
    best = max(range(len(choices)), key=lambda at: reached(normalised[at]))
    use = reached(normalised[best]) >= reached(plain) + GAIN
    found = normalised[best] if use else plain
    place = found.lowest(target)
    if place is None:
        most = float(found.precision.max(initial=0.0))
        raise UnreachableError(
            f"no threshold reaches a precision of {target:g}; the most is {most:.3f}"
        )
    review = found.lowest(REVIEW_PRECISION)
    assert review is not None
    usual = sampled.of_natural[choices[best][0]] * choices[best][1] if use else np.zeros(1)
    least = round(least - float(np.median(usual)), DECIMALS)
    if found.score[place] < least:
        place = int(np.flatnonzero(found.score >= least)[-1]) if found.score[0] >= least else 0
    accept = max(float(found.score[place]), least)
    return SyntheticRule(
        level=LEVELS[choices[best][0]] if use else None,
        share=choices[best][1] if use else 0.0,
        accept=accept,
        review=max(min(float(found.score[review]), accept - NARROWEST), accept - 1.0),
        floor=floor,
        target=settings.precision,
        precision=round(float(found.precision[place]), 4),
        precision_low=round(found.precision_low(place, settings.confidence), 4),
        recall=round(float(found.recall[place]), 4),
        copies=round(copies, 4),
        records=len(sampled.natural),
        made=len(sampled.copies),
        gain=(round(reached(plain), 4), round(reached(found), 4)),
    )


def _curve(score: Floats, natural: Floats, kind: Kinds, copies: float, confidence: float) -> _Curve:
    values, counts = np.unique(score[score > NOT_SEARCHED], return_counts=True)
    values, hits = values[::-1], np.cumsum(counts[::-1]).astype(np.float64)
    wrong = np.sort(natural[kind == OTHER])
    seen = (len(wrong) - np.searchsorted(wrong, values)).astype(np.float64)
    records = len(natural)
    strangers = _strangers(natural, kind, values)
    from scipy.stats import chi2  # here: who reads a summary needs none of it

    most = chi2.ppf(confidence, 2 * (seen / 2 + 1)) / 2  # Garwood (1936), each pair seen twice
    return _Curve(
        values, hits, len(score), seen / 2 / records + strangers, most / records + strangers, copies
    )


def _strangers(natural: Floats, kind: Kinds, at: Floats) -> Floats:
    """(s,) pairs of strangers per record that reach each score, from the tail of the farther ones.

    Beyond its neighbour number SKIPPED a record has strangers only; that one's score and the steps
    between the following ones say how many come as near as any score.
    """
    # What is known to be no stranger leaves gaps, so not every row has all ranks.
    last = max(3 * natural.shape[1] // 4, SKIPPED + 1)
    ranked = -np.sort(-np.where(kind == UNKNOWN, natural, -np.inf), axis=1)[:, SKIPPED - 1 : last]
    anchor, there = ranked[:, 0], np.isfinite(ranked).all(axis=1)
    if ranked.shape[1] < 2 or not there.any():
        return np.zeros(len(at))
    # Of an exponential tail, rank times the step to the next rank has the tail's own mean (Rényi).
    ranks = np.arange(SKIPPED, SKIPPED + ranked.shape[1] - 1)
    width = float((ranks * (ranked[there, :-1] - ranked[there, 1:])).mean())
    reach = np.minimum((anchor[there][None, :] - at[:, None]) / max(width, 1e-6), 0.0)
    return np.asarray(SKIPPED * np.exp(reach).mean(axis=1) / 2)


def floor_of_rule(copies: Floats, natural: Floats) -> float:
    """Cosine to search down to: most copies are above it, and not many pairs of others a record.

    Args:
        copies: (c,) cosines of records and their edited copies.
        natural: (r, k) cosines of sampled records and their nearest others, descending.
    """
    low = float(np.quantile(copies, 0.02))
    return math.floor(max(low, float(natural[:, FLOOR_RANK - 1].mean())) * 100) / 100


def normalise_with(rule: SyntheticRule, vectors: npt.NDArray[np.float16]) -> NeighbourhoodLevel:
    """What the levels of a rule are measured against: a (b, d) sample of the corpus."""
    assert rule.level is not None
    skipped, neighbours = rule.level
    return NeighbourhoodLevel(vectors, neighbours, NEARER, skipped)
