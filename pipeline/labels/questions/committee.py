"""Committees: several opinions of a pair, from what the run says and from the answers so far.

Where the members disagree an answer teaches the most (query by committee: Seung, Opper,
Sompolinsky 1992). The members are the run itself, a logistic regression, a forest and the nearest
answers; none of them is used for anything else.
"""

from __future__ import annotations

import numpy as np
from scipy.special import entr

from pipeline.arrays import Flags, Floats

PRIOR = 10.0  # answers that all that the run says, taken together, counts as much as
SAMPLE = 1_000  # pairs at most that say it
TREES = 32
NEAREST = 5
REACH = 0.5  # distance, in shares of a usual one, at which an answer counts 1 / e
RUN = 1.0  # answers at distance 0 that the run's own opinion of a pair counts as much as


def ask_committee(evidence: Floats, opinion: Floats, *, answered: Floats, same: Flags) -> Floats:
    """What each member thinks of each pair.

    Args:
        evidence: (p, f), scaled. opinion: (p,) what the run says, 0 … 1.
        answered: (a, f) evidence of the answered pairs, scaled alike; same: (a,) the answers.

    Returns:
        (4, p) probabilities that the pair is one thing, four decimals: what hardware and threads
        do to sums changes no choice.
    """
    rows, target, weight = _lessons(evidence, opinion, answered, same)
    members = [
        opinion,
        _logistic(rows, target, weight, evidence),
        _forest(rows, target, weight, evidence),
        _nearest(evidence, opinion, answered, same),
    ]
    return np.asarray(np.round(np.stack(members), 4), np.float64)


def disagreement_of(votes: Floats) -> Floats:
    """(p,) 0 … 1: the Jensen-Shannon divergence of the members (m, p), in bits."""
    apart = entropy_of(votes.mean(axis=0)) - entropy_of(votes).mean(axis=0)
    return np.asarray(np.maximum(apart, 0.0), np.float64)


def entropy_of(probability: Floats) -> Floats:
    """Entropy of a yes or no, 0 … 1, in bits."""
    return np.asarray((entr(probability) + entr(1 - probability)) / np.log(2))


def _lessons(
    evidence: Floats, opinion: Floats, answered: Floats, same: Flags
) -> tuple[Floats, Flags, Floats]:
    """Evidence, answer and weight of what is learned from: what the run says counts as both
    answers, each as much as it is believed.
    """
    shown = np.linspace(0, len(evidence) - 1, min(len(evidence), SAMPLE)).astype(int)
    told, each = opinion[shown], PRIOR / len(shown)
    rows = np.concatenate([evidence[shown], evidence[shown], answered])
    target = np.concatenate([np.ones(len(shown), bool), np.zeros(len(shown), bool), same])
    weight = np.concatenate([each * told, each * (1 - told), np.ones(len(same))])
    return rows, target, np.maximum(weight, 1e-9)


def _logistic(rows: Floats, target: Flags, weight: Floats, asked: Floats) -> Floats:
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(C=0.3, max_iter=500).fit(rows, target, weight)
    return np.asarray(model.predict_proba(asked)[:, 1])


def _forest(rows: Floats, target: Flags, weight: Floats, asked: Floats) -> Floats:
    from sklearn.ensemble import ExtraTreesClassifier

    model = ExtraTreesClassifier(
        TREES, max_depth=8, min_weight_fraction_leaf=0.02, random_state=0, n_jobs=1
    )
    return np.asarray(model.fit(rows, target, weight).predict_proba(asked)[:, 1])


def _nearest(evidence: Floats, opinion: Floats, answered: Floats, same: Flags) -> Floats:
    """The run's opinion and the nearest answers, weighed by their distance."""
    from sklearn.neighbors import NearestNeighbors

    if not len(answered):
        return opinion
    found = NearestNeighbors(n_neighbors=min(NEAREST, len(answered)), n_jobs=1).fit(answered)
    distance, place = found.kneighbors(evidence)
    usual = REACH * np.sqrt(2 * evidence.shape[1])  # of two pairs drawn at random, by the scaling
    weight = np.exp(-((distance / usual) ** 2))
    right = RUN * opinion + (weight * same[place]).sum(axis=1)
    return np.asarray(right / (RUN + weight.sum(axis=1)))
