"""The judge that answers correct, refitted as answers come: in well under two seconds.

What is known of a pair (words, differences, cosine) is read once and kept; a refit then is a
regression over a few columns. `few_labels` makes a registered version of the same.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from scipy.special import expit

from pipeline.arrays import Flags, Floats
from pipeline.catalog import Catalog
from pipeline.config import ImageSettings, JudgeTraining
from pipeline.encoders import gather_vectors
from pipeline.errors import TrainingError
from pipeline.evaluation import lower_bound
from pipeline.matching import (
    DECISIVE,
    DOUBTFUL,
    NEAR_VERBATIM,
    Corrected,
    Difference,
    Features,
    JudgeModel,
    TextEvidence,
    head_inputs,
)
from pipeline.training.data.labelled_records import LabelledRecords
from pipeline.training.data.rivals import beaten_pairs
from pipeline.training.judge.correct import AnsweredPairs, CorrectionFacts, refit_judge
from pipeline.training.judge.shipped import ShippedJudge, shipped_judge

PairIds = tuple[str, str]


@dataclass(frozen=True)
class KnownPairs:
    """What a correction knows of p pairs.

    Attributes:
        features: (p, f) what its head sees.
        exact: (p,) equal texts; judged: (p,) others that have a text on both sides.
        difference, verbatim: (p,) as in `TextEvidence`.
        beaten: (p,) see `AnsweredPairs`.
    """

    features: Features
    exact: Flags
    judged: Flags
    difference: Floats
    verbatim: Floats
    beaten: Flags

    @classmethod
    def of(cls, evidence: TextEvidence, extras: Sequence[str], beaten: Flags) -> KnownPairs:
        """Out of the evidence of some pairs, whose differences have been read."""
        return cls(
            head_inputs(evidence, extras),
            np.asarray(evidence.exact, bool),
            np.asarray(evidence.present & ~evidence.exact),
            evidence.difference.astype(np.float64),
            np.asarray(evidence.verbatim, np.float64),
            beaten,
        )

    def take(self, rows: Sequence[int]) -> KnownPairs:
        """Some of them, in that order."""
        return KnownPairs(*(values[np.asarray(rows, np.int64)] for values in vars(self).values()))

    def joined(self, other: KnownPairs) -> KnownPairs:
        """These, then the others."""
        both = zip(vars(self).values(), vars(other).values(), strict=True)
        return KnownPairs(*(np.concatenate(part) for part in both))


@dataclass(frozen=True)
class Refit:
    """A corrected judge, and what the answers say of it.

    Attributes:
        model: the judge. facts: how it was chosen.
        before, after: (p,) probabilities of the answered pairs by the judge without labels and by
            corrections that did not see them; 1 for equal texts, 0 where a text is missing.
    """

    model: JudgeModel
    facts: CorrectionFacts
    before: Floats
    after: Floats


def refit(
    shipped: ShippedJudge, known: KnownPairs, same: Flags, settings: JudgeTraining, *, seed: int
) -> Refit:
    """Correct the judge that a catalog's last published run had by all answers.

    Args:
        known, same: of the p answered pairs.
        settings: which bound a difference must show before pairs with it are confirmed.
        seed: of the cross-validation's folds.
    """
    head = shipped.model.head
    assert isinstance(head, Corrected)
    of = known.judged
    answers = AnsweredPairs(known.features[of], same[of], known.beaten[of], shipped.once)
    fitted, facts = refit_judge(head, answers, seed=seed)
    before, after = known.exact.astype(np.float64), known.exact.astype(np.float64)
    before[of], after[of] = expit(head.shipped(answers.features)), expit(facts.blind)
    shown = _shown(known, after, same, settings, confirm=shipped.model.confirm)
    return Refit(replace(shipped.model, head=fitted, shown=shown), facts, before, after)


def _shown(
    known: KnownPairs, probability: Floats, same: Flags, settings: JudgeTraining,
    *, confirm: float | None,
) -> frozenset[Difference]:  # fmt: skip
    """Differences between pairs that are all but sure, which enough answers called duplicates."""
    near = known.verbatim >= NEAR_VERBATIM
    sure = (probability >= (confirm or 0.0)) & ~known.exact
    shown = set()
    for verdict in (DOUBTFUL, DECISIVE):
        for alike in (False, True):
            mine = sure & (known.difference == verdict) & (near == alike)
            counts = np.array([same[mine].sum()]), np.array([mine.sum()])
            low = lower_bound(*counts, confidence=settings.confidence)[0]
            if low >= settings.target_precision:
                shown.add((verdict, alike))
    return frozenset(shown)


class JudgeRefitter:
    """The judge of a catalog's last published run, ready to be refitted on answers as they come.

    It holds the run's pairs and what is known of every pair it was asked about. Nothing is
    embedded: vectors come from the catalog. Nothing is written.
    """

    def __init__(
        self, catalog: Catalog, *, purpose: str = "deduplication",
        settings: JudgeTraining | None = None, threads: int | None = None, seed: int = 0,
    ) -> None:  # fmt: skip
        """Open the last published run.

        Args:
            settings: as a fine-tune's `judge`.
            threads: CPU threads; None: all cores.

        Raises:
            TrainingError: its judge is not one that answers correct.
            CatalogError: no run has been published.
        """
        catalog.run()
        shipped = shipped_judge(catalog, purpose)
        if shipped is None:
            raise TrainingError(
                "the last run's judge of texts learned from many labels, or knows only cosines: "
                "answers do not correct it at once; run `gemel finetune`"
            )
        self.shipped, self.settings = shipped, settings or JudgeTraining()
        self.threads, self.seed = threads or os.cpu_count() or 1, seed
        self._catalog, run = catalog, shipped.run
        self._pairs = catalog.read("pairs", run=run)
        self._clusters = catalog.read("clusters", run=run, columns=["record_id", "cluster_id"])
        self._place: dict[PairIds, int] = {}
        self._known: KnownPairs | None = None

    def known(self, pairs: Iterable[PairIds]) -> KnownPairs:
        """What is known of some pairs of record ids, each looked at when it is first asked for.

        Raises:
            TrainingError: a record is not in the run.
        """
        wanted = [(min(pair), max(pair)) for pair in pairs]
        new = sorted(set(wanted) - self._place.keys())
        if new:
            found = self._look(new)
            start = len(self._place)
            self._known = found if self._known is None else self._known.joined(found)
            self._place |= {pair: start + number for number, pair in enumerate(new)}
        if self._known is None:
            raise TrainingError("there are no answers to learn from; answer some questions first")
        return self._known.take([self._place[pair] for pair in wanted])

    def refit(self, answers: Iterable[tuple[str, str, bool]]) -> Refit:
        """Correct the judge by all answers so far.

        Args:
            answers: left id, right id, whether they are the same; each pair once.

        Raises:
            TrainingError: there are no answers, or a record is not in the run.
        """
        told = list(answers)
        known = self.known((left, right) for left, right, _ in told)
        same = np.array([same for *_, same in told], bool)
        return refit(self.shipped, known, same, self.settings, seed=self.seed)

    def probability(self, judge: JudgeModel, pairs: Iterable[PairIds]) -> Floats:
        """(p,) what a judge says of some pairs, each by itself: 1 for equal texts, 0 without."""
        known = self.known(pairs)
        out = known.exact.astype(np.float64)
        out[known.judged] = expit(judge.head.score(known.features[known.judged]))
        return out

    def _look(self, pairs: list[PairIds]) -> KnownPairs:
        """Read the records of some pairs and compare them."""
        left, right = (pa.array(side) for side in zip(*pairs, strict=True))
        wanted = pc.unique(pa.concat_arrays([left, right])).sort()
        catalog, run = self._catalog, self.shipped.run
        dataset = catalog.dataset("records", run=run)
        records = dataset.to_table(filter=pc.field("record_id").isin(wanted)).sort_by("record_id")
        if lost := len(wanted) - len(records):
            raise TrainingError(
                f"{lost} of the answered records are not in the last published run; answer "
                "questions about its pairs"
            )
        config, text = run.config, run.summary.models.text
        labelled = LabelledRecords.of(
            records.combine_chunks(),
            min_tokens=config["text"]["min_tokens"],
            images=ImageSettings.model_validate(config["images"]),
            threads=self.threads,
        )
        if text is not None:
            parts = catalog.vectors(text.fingerprint).parts()
            labelled = replace(labelled, text_vectors=_gathered(parts, labelled.units.text_hashes))
        one, other = (np.asarray(pc.index_in(s, value_set=wanted), np.int64) for s in (left, right))
        evidence = labelled.evidence(one, other, self.shipped.model)
        assert isinstance(evidence, TextEvidence)
        beaten = beaten_pairs(self._pairs, self._clusters, left, right)
        return KnownPairs.of(evidence, self.shipped.model.extras, beaten)


def _gathered(parts: Iterator[pa.RecordBatch], hashes: pa.Array) -> npt.NDArray[np.float32]:
    """(n, d) the vectors of the hashes, zeros where there is none; (n, 0) without any vector."""
    first = next(parts, None)
    if first is None:
        return np.zeros((len(hashes), 0), np.float32)
    out = np.zeros((len(hashes), first["vector"].type.list_size), np.float32)
    gather_vectors(chain([first], parts), hashes=hashes, out=out)
    return out
