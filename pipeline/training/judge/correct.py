"""The shipped judge of texts corrected by labels: a few weights, held to nothing by their penalty.

With few labels the shipped judge's log-odds stay nearly as they are, with hundreds they move. The
weights are the mode of a logistic regression whose offset is the shipped judge and whose weights
have normal priors with mean 0; how narrow these are, cross-validation inside the labels chooses.
A pair that is beaten (another pair of one of its records is likelier, and clustering did not join
it) is a duplicate less often than its score says. That is learned beside the weights and then left
out: clusters are made of the best pairs, and for those the threshold is meant.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy.special import expit

from pipeline.arrays import Flags, Floats
from pipeline.matching import CORRECTING, Corrected, Features, LinearModel, Scaler

# Precisions of the weights' priors, weakest last; the first leaves the shipped judge as it is.
PENALTIES = (1e6, 30.0, 10.0, 3.0, 1.0)
# Of the threshold's prior, where a source holds a thing once: as sure as about eight answers at it
# would make it (a quarter each). Elsewhere it stays: there a cluster is what many pairs agree on,
# and pairs of even odds are mostly wrong without its being wrong to count them as even.
THRESHOLD, FIXED = 2.0, 1e6
# Log-odds that a beaten pair has less, before any label.
BEATEN, BEATEN_PRECISION = -3.0, 1.0
# Standard errors by which a weaker penalty must foretell the answers better: one where a source
# holds a thing once, more where pairs say less of clusters. Measured on the open sets.
BETTER, CLEARLY = 1.0, 2.0
FOLDS = 5
FEWEST = 5  # answers of either kind below which nothing is cross-validated
STEPS, CLOSE = 50, 1e-7
# What the columns are counted from and in, the log-odds first: the same for every corpus, so that
# a handful of labels need not tell it. CORRECTING has the others.
MIDDLE = {"text: cosine": 0.7, "text: token overlap": 0.5, "text: edit similarity": 0.5,
          "difference: verbatim": 0.3}  # fmt: skip
ODDS = 4.0


@dataclass(frozen=True)
class AnsweredPairs:
    """Labelled pairs as the corrected judge sees them.

    Attributes:
        features: (p, f) what its head sees. same: (p,) true for duplicates.
        beaten: (p,) a likelier pair has one of the pair's records, and the two were not joined.
        once: whether a source holds a thing once.
    """

    features: Features
    same: Flags
    beaten: Flags
    once: bool = False


@dataclass(frozen=True)
class CorrectionFacts:
    """How a correction was chosen.

    Attributes:
        penalty: precision of the weights' priors. tried: cross-validated log loss of each.
        blind: (p,) log-odds of the labelled pairs by corrections that did not see them.
    """

    penalty: float
    tried: dict[float, float]
    blind: Floats


def uncorrected() -> LinearModel:
    """A correction that changes nothing, of the log-odds and the columns beside them."""
    middle = np.array([0.0, *(MIDDLE.get(name, 0.0) for name in CORRECTING[1:])])
    scale = np.array([ODDS, *np.ones(len(CORRECTING) - 1)])
    none = np.zeros(0, np.int64)
    return LinearModel(Scaler(middle, scale, none), np.zeros(len(middle)), 0.0)


def refit_judge(
    head: Corrected, answers: AnsweredPairs, *, seed: int = 0
) -> tuple[Corrected, CorrectionFacts]:
    """Fit the correction of the shipped judge on answers; hundreds take well under a second.

    Args:
        head: the judge, whatever its correction; with too few answers of either kind, or where none
            foretells the others better than the shipped judge does, it has hardly any afterwards.
        seed: of the folds.
    """
    shipped = head.shipped(answers.features)
    seen = np.concatenate([shipped[:, None], answers.features[:, head.width + 1 :]], axis=1)
    scaled = head.correction.scaler(seen)
    design = _Design(scaled, shipped, answers)
    tried, blind = {}, {}
    for penalty in PENALTIES:
        blind[penalty] = design.blind(penalty, seed)
        tried[penalty] = _losses(blind[penalty], answers.same)
    errors = BETTER if answers.once else CLEARLY
    chosen = _chosen(tried, errors) if design.enough else PENALTIES[0]
    weights = design.fit(np.arange(len(shipped)), chosen)
    model = replace(head.correction, weight=weights[2:], bias=float(weights[0]))
    facts = CorrectionFacts(
        chosen, {penalty: float(loss.mean()) for penalty, loss in tried.items()}, blind[chosen]
    )
    return replace(head, correction=model), facts


def _losses(odds: Floats, same: Flags | Floats) -> Floats:
    """(p,) log loss of each pair."""
    return np.asarray(np.logaddexp(0, odds) - same * odds)


def _chosen(tried: dict[float, Floats], errors: float) -> float:
    """The greatest penalty whose loss is at most some standard errors above the least."""
    best = min(tried, key=lambda penalty: float(tried[penalty].mean()))
    for penalty, losses in tried.items():
        worse = losses - tried[best]
        if worse.mean() <= errors * worse.std() / np.sqrt(len(worse)):
            return penalty
    return best


class _Design:
    """The regression: a threshold, what being beaten says, and the columns."""

    def __init__(self, scaled: Floats, offset: Floats, answers: AnsweredPairs) -> None:
        ones = np.ones(len(offset))
        self.columns = np.concatenate([np.stack([ones, answers.beaten], axis=1), scaled], axis=1)
        self.offset, self.same = offset, answers.same.astype(np.float64)
        self.mean = np.zeros(self.columns.shape[1])
        self.mean[1] = BEATEN
        self.threshold = THRESHOLD if answers.once else FIXED

    @property
    def enough(self) -> bool:
        """Whether there are answers of both kinds to cross-validate with."""
        return bool(FEWEST <= self.same.sum() <= len(self.same) - FEWEST)

    def blind(self, penalty: float, seed: int) -> Floats:
        """(p,) log-odds of each pair by a fit without its fold; both kinds in every fold."""
        fold = np.empty(len(self.same), np.int64)
        luck = np.random.default_rng(seed)
        for kind in (0.0, 1.0):
            rows = np.flatnonzero(self.same == kind)
            fold[luck.permutation(rows)] = np.arange(len(rows)) % FOLDS
        odds = self.offset.copy()
        for held in range(FOLDS):
            out = fold == held
            odds[out] += self.columns[out] @ self.fit(np.flatnonzero(~out), penalty)
        return odds

    def fit(self, rows: npt.NDArray[np.int64], penalty: float) -> Floats:
        """The mode of the weights by some of the pairs (Newton's method, steps halved)."""
        x, offset, same = self.columns[rows], self.offset[rows], self.same[rows]
        precision = np.full(x.shape[1], penalty)
        precision[:2] = self.threshold, BEATEN_PRECISION

        def cost(weight: Floats) -> float:
            slip = weight - self.mean
            return float(_losses(offset + x @ weight, same).sum() + precision @ slip**2 / 2)

        weight = self.mean.copy()
        for _ in range(STEPS):
            likely = expit(offset + x @ weight)
            slope = x.T @ (likely - same) + precision * (weight - self.mean)
            curve = (x * (likely * (1 - likely))[:, None]).T @ x + np.diag(precision)
            step, now = np.linalg.solve(curve, slope), cost(weight)
            while cost(weight - step) > now and np.abs(step).max() > CLOSE:
                step = step / 2
            weight = weight - step
            if np.abs(step).max() <= CLOSE:
                break
        return weight
