"""Judgements of a text that is in no record: the run's shipped judge, with what the run learned."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from scipy.special import expit

from pipeline.catalog import Catalog, Run
from pipeline.ingestion import fold_text
from pipeline.matching import (
    WHOLE,
    CorpusStatistics,
    DocumentFrequencies,
    Judge,
    TextFeatures,
    TransferredRule,
    describe_differences,
)

SHOWN = {"word_overlap": "words in common", "edit_similarity": "edit similarity"}


@dataclass(frozen=True)
class Typed:
    """What the judge makes of a typed text and a published one.

    Attributes:
        probability: of being one thing, 0 … 1. differs: what differs, in words.
    """

    probability: float
    decision: str
    evidence: tuple[tuple[str, str], ...]
    differs: str


@dataclass(frozen=True)
class TypedJudge:
    """The shipped judge of texts as a run has used it: its word weights, shift and thresholds."""

    rule: TransferredRule
    accept: float
    review: float
    statistics: CorpusStatistics
    frequencies: DocumentFrequencies

    @classmethod
    def of(cls, catalog: Catalog, run: Run) -> TypedJudge | None:
        """That of a run; None: a fine-tuned model, or one that knows only cosines, has judged."""
        if run.summary.models.registered or "corpus_statistics" not in run.versions:
            return None
        stated = run.config["judge"]
        statistics = CorpusStatistics.from_table(catalog.read("corpus_statistics", run=run))
        rule = TransferredRule(stated["pretrained"])
        if statistics.shift is not None:
            rule = rule.adapted(statistics.shift)
        accept = rule.accept if stated["accept"] is None else stated["accept"]
        review = rule.review if stated["review"] is None else stated["review"]
        frequencies = DocumentFrequencies.from_table(catalog.read("word_counts", run=run))
        return cls(rule, accept, min(accept, review), statistics, frequencies)

    def judge(self, text: str, others: Sequence[str], *, whole: Sequence[bool]) -> list[Typed]:
        """Judge a text against others, as the run has judged its pairs, in their order.

        What only a run knows of two records, their sources and columns, has no say.

        Args:
            whole: which of the others are all that their record says; an equal one is surely it.
        """
        texts = [text, *others]
        left, right = np.zeros(len(others), np.int64), np.arange(1, len(texts))
        weights = {WHOLE: self.statistics.weights(self.frequencies)}
        features = TextFeatures(texts, {}, weights=weights, threads=1)
        seen = features.compare(left, right)
        probability = expit(self.rule.judge.head.score(seen) + self.rule.shift)
        equal = np.array([fold_text(other) == fold_text(text) for other in others], bool)
        equal &= np.array(whole, bool)
        told = describe_differences(pa.array(texts), left, right, frequencies=self.frequencies)
        # The rule stands for pictures too, of which there are none.
        judge = Judge(self.rule, self.rule, "", tolerant=self.statistics.tolerant)  # type: ignore[arg-type]
        held = judge.parted(told.verdict, told.verbatim) & (probability >= self.accept) & ~equal
        below = self.review + 0.999 * (self.accept - self.review) * probability
        probability = np.round(np.where(equal, 1.0, np.where(held, below, probability)), 4)
        names = [name.removeprefix(f"{WHOLE}: ") for name in features.names]
        shown = [(said, seen[:, names.index(name)]) for name, said in SHOWN.items()]
        return [
            Typed(
                float(probability[row]),
                self._decision(float(probability[row])),
                tuple((said, f"{values[row]:.3f}") for said, values in shown),
                told.spans[row].as_py() or "",
            )
            for row in range(len(others))
        ]

    def _decision(self, probability: float) -> str:
        if probability >= self.accept:
            return "duplicate"
        return "review" if probability >= self.review else "distinct"
