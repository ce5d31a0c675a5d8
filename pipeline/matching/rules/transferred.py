"""A judge of texts that was trained once, on open labelled sets of many kinds, and is shipped.

Boosted trees over what the words of two texts have in common and what they do not
(`comparison.text_features`, each word weighed by the corpus that is judged). Every feature is
monotone where its meaning is: more in common never counts against a pair. No feature is a cosine,
so the judge belongs to no encoder. `tests/bench/training/fit_text_judge.py` trains it and measures
it with the judged set and its relatives left out.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import expit, logit

from pipeline.arrays import Floats
from pipeline.errors import ModelError
from pipeline.matching.comparison.text import WordEvidence
from pipeline.matching.comparison.text_features import BLOCK
from pipeline.matching.evidence import TextEvidence
from pipeline.matching.judge import UntaughtRule
from pipeline.matching.rules.heads import Boosted

SHIPPED = Path(__file__).parent / "shipped" / "text_judge.json"
# Log-odds by which a pair may stay below the corpus' typical match and be one, see `shift_of`:
# chosen over eight left-out sets.
REACH = 5.3
CERTAIN = 0.75  # of the best partners that may be matches, the share below a typical match
# The least and the most that a corpus shifts the judge by. Among several sources of which a thing
# is in each once, pairs that are merely alike have no group that would part them from it.
LEAST, LEAST_ACROSS, MOST = 0.5, -1.0, 3.0
# Of a corpus that says nothing of its matches: best together over the same sets.
USUAL = 1.25
WEIGHT = 50  # best partners that count as much as USUAL
# Log-odds from which a pair is all but surely a match, whatever the corpus.
SURE = 4.0
LEAST_INSIDE = -10.0
ROUNDS = 200
FEW = 2.0  # records with a sure partner that are assumed inside a source and across before any


@dataclass(frozen=True)
class TransferredJudge:
    """What was learned.

    Attributes:
        prior: share of matches among the pairs it was trained on, 0 … 1.
        head: the trees; their columns are `comparison.text_features.BLOCK`.
    """

    prior: float
    head: Boosted

    @classmethod
    def load(cls, path: Path) -> TransferredJudge:
        """Read a judge's file.

        Raises:
            ModelError: there is none, or it is of another kind.
        """
        try:
            facts: dict[str, Any] = json.loads(path.read_text())
            columns, prior, trees = facts["features"], float(facts["prior"]), facts["trees"]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ModelError(f"{path}: no judge of texts can be read from it: {error}") from error
        if tuple(columns) != BLOCK:
            raise ModelError(
                f"{path}: its columns are not those of this version; train it again with "
                "tests/bench/training/fit_text_judge.py"
            )
        return cls(prior, Boosted((trees,)))

    @cached_property
    def fingerprint(self) -> str:
        """16 hex digits over all that it has learned."""
        told = f"{self.prior} {self.head.models[0]}".encode()
        return hashlib.sha256(told).hexdigest()[:16]

    def plenty_of(self, scores: Floats) -> float:
        """The log-odds by which a corpus has more matches than the training sets, 0 at least.

        The share of matches is estimated from the scores alone by expectation maximisation
        (Saerens, Latinne, Decaestecker 2002: the scores of matches and of others are distributed
        as in training, only their shares differ). Never downwards: few matches look like none.

        Args:
            scores: (p,) log-odds of a sample of the candidates.
        """
        if not len(scores):
            return 0.0
        training = float(logit(self.prior))
        share = self.prior
        for _ in range(ROUNDS):
            share = float(np.mean(expit(scores + logit(share) - training)))
            share = min(max(share, 1e-6), 1 - 1e-6)
        return max(float(logit(share) - training), 0.0)

    def save(self, path: Path) -> None:
        """Write what `load` reads."""
        facts = {"features": BLOCK, "prior": self.prior, "trees": self.head.models[0]}
        path.write_text(json.dumps(facts, indent=0) + "\n")


def shift_bounds(
    plenty: float, *, several: bool, protected: bool, columns: bool
) -> tuple[float, float]:
    """The least and the most log-odds that a corpus may add.

    Args:
        plenty: see `TransferredJudge.plenty_of`.
        several: there are several sources. protected: of which each is promised to hold a thing
            once, so that the best assignment decides between rivals.
        columns: texts are of several columns; a short text alone says too little to be taken for
            another, so the least is then the most too.
    """
    least = LEAST_ACROSS if several else LEAST
    if not columns:
        return least, LEAST
    return least, MOST if protected else min(USUAL + plenty, MOST)


def shift_of(best: Floats, *, least: float, most: float) -> float:
    """The log-odds that a corpus adds to those of a pair.

    How far two descriptions of one thing differ is the corpus' own: copies of bibliographies have
    nearly every word in common, two shops' products few. So the threshold goes with the typical
    match: it lies REACH below what a quarter of the best partners exceed that the judge would take
    for one. (The others may be merely alike where few records have a match.)

    Args:
        best: (n,) log-odds of the best partner of each of a sample of records.
        least, most: what it adds at least and at most. Where things that are merely alike are as
            usual as matches, the best partner is often one of these, and a high `most` joins them.
    """
    taken = best[best >= 0]
    if not len(taken):
        return USUAL
    own = float(np.clip(REACH - np.quantile(taken, CERTAIN), least, most))
    return round((len(taken) * own + WEIGHT * USUAL) / (len(taken) + WEIGHT), 3)


def inside_of(inside: int, across: int) -> float:
    """The log-odds that a pair loses by being inside one source, LEAST_INSIDE … 0.

    Where sure partners are nearly all in other sources, the source is a list that holds a thing
    once. The ratio counts twice: what shares a source also shares its way of writing, so that the
    judge takes too much for alike.

    Args:
        inside, across: sampled records with a sure partner in their own source, and in another.
    """
    ratio = np.log((inside + FEW) / (across + FEW))
    return round(float(np.clip(2 * ratio, LEAST_INSIDE, 0.0)), 3)


@lru_cache(maxsize=4)
def read_judge(path: str | None) -> TransferredJudge:
    """The judge of a file; None: the shipped one. Read once per process."""
    return TransferredJudge.load(SHIPPED if path is None else Path(path))


@dataclass(frozen=True)
class TransferredRule(UntaughtRule):
    """The judge at work on one corpus; see `pipeline.matching.judge.TextRule`.

    Attributes:
        path: of its file; None: the shipped one.
        shift: log-odds that the corpus adds, see `shift_of`.
        accept, review: probabilities at or above which a pair is joined, and shown to a person.
        confirm: probability at or above which nobody need look at a joined pair.
    """

    path: str | None = None
    shift: float = USUAL
    accept: float = 0.5
    review: float = 0.2
    confirm: float = 0.985
    calibrated: bool = field(default=False, init=False)
    reads_words: bool = field(default=True, init=False)

    @cached_property
    def judge(self) -> TransferredJudge:
        """What it judges by."""
        return read_judge(self.path)

    def adapted(self, shift: float) -> TransferredRule:
        """The same on another corpus."""
        return replace(self, shift=shift)

    def score(self, evidence: TextEvidence) -> Floats:
        """(p,) log-odds of each pair, seen alone."""
        return self.judge.head.score(evidence.features)

    def probability(self, evidence: TextEvidence) -> Floats:
        """See `pipeline.matching.judge.Rule`; equal texts have 1."""
        known = evidence.present
        probability = np.full(len(known), np.nan)
        if known.any():
            seen = evidence if known.all() else evidence.take(known)
            odds = self.score(seen) + self.shift + seen.sources
            probability[known] = np.where(seen.exact, 1.0, expit(odds))
        return probability

    def needed_cosine(self, words: WordEvidence) -> Floats:
        """See `pipeline.matching.judge.TextRule`: any, since it looks at none."""
        return np.full(len(words.token_overlap), -1.0)
