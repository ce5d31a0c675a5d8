"""The learner: after every few answers the judge is refitted, in a thread of its own."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from functools import cached_property
from threading import Event, Lock, Thread
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from scipy.special import expit, logit

from pipeline.arrays import Flags, Floats, Rows
from pipeline.catalog import Catalog, Run
from pipeline.errors import PipelineError
from pipeline.labels import Answer, table_of
from pipeline.reviewing.book import AnswerBook
from pipeline.reviewing.queues import Queues
from pipeline.reviewing.tables import RunTables

# The thread loads what it works with: the first answer does not wait for it.
if TYPE_CHECKING:
    from pipeline.labels import RunPrecision, RunRecall
    from pipeline.reviewing.learning.ahead import ClustersAhead, Foresight
    from pipeline.training import JudgeRefitter

CHOSEN = 60  # questions chosen ahead
ASKED = 1_500  # pairs of which the refitted judge is asked: those nearest to the threshold
PORTION = 250  # of them looked at between two looks at whether a new answer has come
PAUSE = 0.2  # seconds in which further answers are waited for
EVERY = 4  # of the questions one is drawn at random, as in `suggest_pairs`
REFIT = 3  # new answers after which the judge is refitted
AHEAD = 5.0  # seconds between two looks at the clusters to come, at least
HISTORY = 200
LEAST = 1e-6  # a probability is held this far from 0 and 1 where its log-odds are taken

Plain = dict[str, Any]
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Estimates:
    """What the answers drawn at random say of the run."""

    precision: RunPrecision
    recall: RunRecall


class Learner:
    """Learns from the answers in the background.

    Attributes:
        estimates, ahead: None until they have been made.
        state: waiting, fitting, ready or unavailable, and then `why_not`.
        answers: that stand. refitted: those that the judge was refitted on, in `seconds`.
        start: open pairs that were expected to be decided wrongly at first. history: since then.
    """

    def __init__(
        self, catalog: Catalog, run: Run, tables: RunTables, book: AnswerBook, queues: Queues,
        target: float,
    ) -> None:  # fmt: skip
        self.catalog, self.run, self.tables = catalog, run, tables
        self.book, self.queues, self.target = book, queues, target
        self.estimates: Estimates | None = None
        self.ahead: ClustersAhead | None = None
        self.why_not = ""
        self._learned: Floats | None = None
        self.history: list[Plain] = []
        self.answers = self.refitted = 0
        self.seconds = 0.0
        self.state = "waiting"
        self.start: float | None = None
        self._seen = -1
        self._foretold, self._looked = -1, -AHEAD
        self._wake, self._closed, self._lock = Event(), Event(), Lock()
        self._thread: Thread | None = None

    def wake(self) -> None:
        """Look for new answers now; the thread starts when it is first called."""
        with self._lock:
            if self._thread is None and not self._closed.is_set():
                self._thread = Thread(target=self._work, name="gemel-learner", daemon=True)
                self._thread.start()
        self._wake.set()

    def close(self) -> None:
        """End the thread."""
        self._closed.set()
        self._wake.set()
        if self._thread is not None:
            self._thread.join(timeout=10)

    def wait(self, seconds: float) -> bool:
        """Wait until all answers so far are learned from; False: it took longer."""
        self.wake()
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if self._seen == self.book.count and self.state != "fitting":
                return True
            time.sleep(0.02)
        return False

    def probability_now(self, number: int) -> float | None:
        """What the refitted judge says of a pair; None: it was not asked."""
        learned = self._learned
        if learned is None or np.isnan(learned[number]):
            return None
        return round(float(learned[number]), 4)

    def _work(self) -> None:
        while not self._closed.is_set():
            if self._seen == self.book.count and self._foretold == self._seen:
                self._wake.wait()
            elif self._seen == self.book.count:
                self._wake.wait(max(self._looked + AHEAD - time.monotonic(), 0.05))
            self._wake.clear()
            if self._closed.wait(PAUSE if self._seen >= 0 else 0):
                return
            try:
                self._turn()
            except Exception as error:  # noqa: BLE001 - the page goes on without it, and says so
                _log.exception("the learner failed")
                self.why_not = f"learning failed: {type(error).__name__}: {error}"[:300]
                self._seen = self._foretold = self.book.count
            finally:
                self.state = "unavailable" if self.why_not else (
                    "ready" if self.refitted else "waiting"
                )  # fmt: skip

    def _turn(self) -> None:
        """Everything that has become old, what a person waits for first."""
        with self.book.lock:
            count = self.book.count
            standing = list(self.book.log.standing())
            rows = list(self.book.log.answers)
        labels = table_of(rows)
        if count != self._seen:
            self.state = "fitting"
            self.answers = len(standing)
            self._estimate(labels)
            if self._seen < 0 or not self.queues.version:
                self._choose(labels)
            self._refit(standing)
            self._choose(labels)
            self._note()
            self._seen = count
        elif time.monotonic() - self._looked >= AHEAD and self._foretold != count:
            learned = np.full(len(self.tables.pairs), np.nan)
            self.ahead = self._foresight.clusters(
                labels if rows else None, learned if self._learned is None else self._learned
            )
            self._looked, self._foretold = time.monotonic(), count

    def _estimate(self, labels: pa.Table) -> None:
        from pipeline.labels import estimate_recall, estimate_run

        pairs = self.tables.pairs
        precision = estimate_run(pairs, labels, target=self.target)
        review = self.run.summary.thresholds.review
        recall = estimate_recall(pairs, labels, precision, review=review)
        self.estimates = Estimates(precision, recall)

    def _choose(self, labels: pa.Table) -> None:
        """Choose the next questions, by what the refitted judge thinks where it was asked."""
        from pipeline.labels import suggest_pairs

        pairs, thresholds = self.tables.pairs, self.run.summary.thresholds
        if not len(pairs):
            return
        if self._learned is not None:
            learned = np.where(
                np.isnan(self._learned), self.tables.probability, self._learned
            ).astype(np.float32)
            at = pairs.column_names.index("probability")
            pairs = pairs.set_column(at, pairs.schema.field(at), pa.array(learned))
        sheet = suggest_pairs(
            pairs,
            labels,
            n=CHOSEN,
            accept=thresholds.accept,
            review=thresholds.review,
            seed=len(labels),
            clusters=self.tables.clusters.select(["record_id", "cluster_id"]),
            records=self._shapes,
        )
        rows = self.tables.numbers_of(
            zip(sheet["left_id"].to_pylist(), sheet["right_id"].to_pylist(), strict=True)
        )
        why = sheet["why"].to_pylist()
        drawn = np.array([words.startswith("random") for words in why], bool)
        order = _in_turn(drawn, self.answers)
        self.queues.teach(rows[order], dict(zip(rows.tolist(), why, strict=True)))

    @cached_property
    def _shapes(self) -> pa.Table:
        """What the choice of questions asks of the records."""
        found = self.tables.contents.select(["record_id", "text", "word_count", "fields"])
        return found.append_column("image_uri", self.tables.records["image_uri"])

    def _refit(self, standing: list[Answer]) -> None:
        """Refit the judge, once there are answers of both kinds and some new ones."""
        told = [
            (one.left, one.right, one.label == "same")
            for one in standing
            if one.label in ("same", "different") and one.origin != "rule"
        ]
        at = self.tables.numbers_of((left, right) for left, right, _ in told)
        told = [one for one, place in zip(told, at.tolist(), strict=True) if place >= 0]
        both = len({same for *_, same in told}) == 2
        if self.why_not or not both or abs(len(told) - self.refitted) < REFIT:
            return
        begun = time.perf_counter()
        try:
            made = self._refitter.refit(told)
        except PipelineError as error:  # another kind of judge: the queue goes by the run's own
            self.why_not = str(error)
            return
        self.seconds = time.perf_counter() - begun
        self.refitted = len(told)
        learned = np.full(len(self.tables.pairs), np.nan)
        pool = self._pool()
        ids = self.tables.pairs.select(["left_id", "right_id"]).take(pa.array(pool)).to_pylist()
        for start in range(0, len(pool), PORTION):
            part = slice(start, start + PORTION)
            pairs = [(one["left_id"], one["right_id"]) for one in ids[part]]
            # By how much the answers move a pair is what the head says. What else the run weighs
            # (differences, pictures) is in its own probability.
            shipped = self._refitter.shipped.model
            before, after = (
                _odds(self._refitter.probability(judge, pairs)) for judge in (shipped, made.model)
            )
            run = _odds(self.tables.probability[pool[part]])
            learned[pool[part]] = expit(run + after - before)
            if self._closed.is_set():
                return
        self._learned = learned

    @cached_property
    def _refitter(self) -> JudgeRefitter:
        """The judge of the run, ready to be refitted.

        Raises:
            PipelineError: another run is published, or its judge is not one that answers correct.
        """
        from pipeline.errors import TrainingError
        from pipeline.training import JudgeRefitter

        published = self.catalog.published()
        if published is None or published.run != self.run.run:
            raise TrainingError("only the judge of the last published run learns while you answer")
        return JudgeRefitter(self.catalog, purpose=self.run.config["purpose"], threads=1)

    def _pool(self) -> Rows:
        """The pairs of which the refitted judge is asked, ascending."""
        accept = self.run.summary.thresholds.accept
        texts = np.asarray(self.tables.pairs["text_cosine"].is_valid(), bool)
        exact = np.asarray(self.tables.pairs["exact_text"], bool)
        rows = np.flatnonzero(texts & ~exact)
        near = np.argsort(np.abs(self.tables.probability[rows] - accept), kind="stable")
        return np.sort(rows[near[:ASKED]])

    @cached_property
    def _foresight(self) -> Foresight:
        from pipeline.reviewing.learning.ahead import Foresight

        return Foresight(self.run, self.tables)

    def _note(self) -> None:
        """Keep what is expected to be wrong among the open pairs, and the estimates."""
        now = self.tables.probability if self._learned is None else np.where(
            np.isnan(self._learned), self.tables.probability, self._learned
        )  # fmt: skip
        wrong = float(np.minimum(now, 1 - now)[self.book.open].sum())
        if self.start is None:
            self.start = round(wrong, 2)
        found = self.estimates
        self.history.append(
            {
                "answers": self.answers,
                "doubt": round(wrong, 2),
                "precision": found and found.precision.precision,
                "recall": found and found.recall.recall and found.recall.recall.value,
            }
        )
        del self.history[:-HISTORY]


def _odds(probability: Floats) -> Floats:
    return np.asarray(logit(np.clip(probability, LEAST, 1 - LEAST)))


def _in_turn(drawn: Flags, answers: int) -> Rows:
    """The order of questions in which every EVERY-th, counted from the first answer ever, is one
    that was drawn at random, however often the others are chosen anew in between.
    """
    parts = [np.flatnonzero(~drawn).tolist(), np.flatnonzero(drawn).tolist()]
    order = []
    for place in range(len(drawn)):
        turn = (answers + place) % EVERY == EVERY - 1
        order.append(parts[turn if parts[turn] else not turn].pop(0))
    return np.array(order, np.int64)
