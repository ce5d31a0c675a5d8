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
from pipeline.matching.heads import Boosted

SHIPPED = Path(__file__).parent / "shipped" / "text_judge.json"
# Log-odds that are added to those of a pair seen alone. A pair's group has a say as well (average
# linkage, `clustering.cover`), which parts what is joined by too little; so the threshold for a
# pair lies lower than where a pair alone would be as likely right as wrong. Measured over seven
# left-out sets, 0.5 to 3 in steps: best together at 1.25.
GROUPED = 1.25
# Share of matches among candidates that a corpus shows beyond that of the training sets: counted
# up to these log-odds, and never downwards, where few matches look like none.
MOST_SHIFT = 1.5
ROUNDS = 200


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

    def save(self, path: Path) -> None:
        """Write what `load` reads."""
        facts = {"features": BLOCK, "prior": self.prior, "trees": self.head.models[0]}
        path.write_text(json.dumps(facts, indent=0) + "\n")

    def shift_of(self, scores: Floats) -> float:
        """The log-odds by which a corpus has more matches than the training sets, 0 … MOST_SHIFT.

        The share of matches is estimated from the scores alone by expectation maximisation
        (Saerens, Latinne, Decaestecker 2002: the scores of matches and of others are distributed
        as in training, only their shares differ).

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
        return round(float(np.clip(logit(share) - training, 0.0, MOST_SHIFT)), 3)


@lru_cache(maxsize=4)
def read_judge(path: str | None) -> TransferredJudge:
    """The judge of a file; None: the shipped one. Read once per process."""
    return TransferredJudge.load(SHIPPED if path is None else Path(path))


@dataclass(frozen=True)
class TransferredRule:
    """The judge at work on one corpus; see `pipeline.matching.judge.TextRule`.

    Attributes:
        path: of its file; None: the shipped one.
        shift: log-odds that the corpus adds, see `TransferredJudge.shift_of`.
        accept, review: probabilities at or above which a pair is joined, and shown to a person.
        confirm: probability at or above which nobody need look at a joined pair.
    """

    path: str | None = None
    shift: float = 0.0
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
            odds = self.score(seen) + GROUPED + self.shift
            probability[known] = np.where(seen.exact, 1.0, expit(odds))
        return probability

    def needed_cosine(self, words: WordEvidence) -> Floats:
        """See `pipeline.matching.judge.TextRule`: any, since it looks at none."""
        return np.full(len(words.token_overlap), -1.0)
