"""The desk: one run opened for review, with the answers, the queues and what learns beside them."""

from __future__ import annotations

import getpass
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline.arrays import Rows
from pipeline.catalog import Catalog, Run
from pipeline.labels import find_disagreements, measure_agreement
from pipeline.reviewing.book import AnswerBook
from pipeline.reviewing.choice import choose_run
from pipeline.reviewing.errors import ReviewError
from pipeline.reviewing.filters import Filters
from pipeline.reviewing.learning.learner import Learner
from pipeline.reviewing.learning.model import ModelMaker
from pipeline.reviewing.learning.told import advice_of, told_learning, told_model
from pipeline.reviewing.queues import QUEUES, Queues
from pipeline.reviewing.tables import RunTables

Plain = dict[str, Any]
LABELS = (
    ("same", "same thing", "1"),
    ("related", "related, keep both", "2"),
    ("different", "different", "3"),
    ("unsure", "not sure", "4"),
)
TWICE = 10  # one answer in so many is of a pair that somebody else has answered


@dataclass(frozen=True)
class Preview:
    """A rule that was looked at: the pairs it would call the same."""

    words: str
    rows: Rows


class Desk:
    """One run of a catalog, open for review.

    Attributes:
        by: who answers where the page does not say. target: the precision that is to be shown.
        queues, learner, maker: the orders of what is shown, what answers teach, and what makes a
            registered model of them.
        sources: settings of the sources, with what opens their pictures; those of the run have no
            secrets.
    """

    def __init__(
        self, catalog: Catalog, run: Run, *, by: str, read_only: bool = False,
        target: float = 0.95, sources: Sequence[Plain] | None = None,
    ) -> None:  # fmt: skip
        self.catalog, self.run, self.by = catalog, run, by
        self.read_only, self.target = read_only, target
        self.tables = RunTables(catalog, run)
        self.book = AnswerBook(catalog, self.tables)
        self.queues = Queues(self.tables, self.book)
        self.learner = Learner(catalog, run, self.tables, self.book, self.queues, target)
        self.maker = ModelMaker(catalog, run)
        self.previews: dict[str, Preview] = {}  # rules that were looked at, by key
        self.sources: Sequence[Plain] = (
            run.config.get("sources", ()) if sources is None else sources
        )

    def close(self) -> None:
        """End what works in the background."""
        self.learner.close()
        self.maker.close()

    def require_writable(self) -> None:
        """Make sure that answers may be written.

        Raises:
            ReviewError: the desk is read-only.
        """
        if self.read_only:
            raise ReviewError(403, "read_only", "this page was opened read-only: nothing is saved")

    def probability_now(self, number: int) -> float | None:
        """What the judge refitted on the answers says of a pair; None: it has not been asked."""
        return self.learner.probability_now(number)

    def next_pairs(
        self, queue: str, wanted: Filters, *, by: str, exclude: Collection[int], n: int
    ) -> tuple[list[tuple[int, str, bool]], int]:
        """The next pairs of a queue: number, why, whether somebody else has answered it; and how
        many are left.
        """
        self.book.refresh()
        rows, left = self.queues.pairs(queue, wanted, exclude=exclude)
        chosen = [(int(row), self._why(queue, int(row)), False) for row in rows[:n]]
        if queue in ("teaches", "random") and (again := self._again(by, wanted, exclude)) >= 0:
            told = again, "asked of two persons, to see whether they agree", True
            chosen = [told, *chosen][:n]
        return chosen, left

    def origin_of(self, queue: str, why: str) -> str:
        """What an answer to a question of a queue counts as: `audit` where chance chose it."""
        return "audit" if queue == "random" or why.startswith("random") else "review"

    def _why(self, queue: str, number: int) -> str:
        if queue == "teaches":
            return self.queues.why.get(number, "near the threshold")
        if queue == "disagreements":
            return "persons say different things"
        return {"weakest": "a weak link inside a cluster", "held": "its cluster is held by a gate",
                "random": "drawn at random"}[queue]  # fmt: skip

    def _again(self, by: str, wanted: Filters, exclude: Collection[int]) -> int:
        """A judged pair that others answered and this person is to answer too; -1: not now."""
        log = self.book.log
        with self.book.lock:
            others = [name for name in log.persons() if name != by]
            if not others:
                return -1
            shared = sum(1 for _, told in log.shared() if by in told)
            mine = log.depth(by)[0]
            if mine < TWICE * (shared + 1) - TWICE // 2:
                return -1
            open_ = [
                one.pair
                for one in log.standing()
                if one.by != by and one.origin != "rule" and by not in log.by_person(one.pair)
            ]
        at = self.tables.numbers_of(sorted(open_))
        at = at[(at >= 0) & ~np.isin(at, np.fromiter(exclude, np.int64, len(exclude)))]
        mask = self.queues.filtering.pairs(wanted)
        at = at if mask is None else at[mask[at]]
        return int(np.random.default_rng(mine).choice(at)) if len(at) else -1

    def progress(self, by: str) -> Plain:
        """How far the work has come, for one person."""
        with self.book.lock:
            log = self.book.log
            counts = dict.fromkeys(("same", "different", "related", "unsure"), 0)
            mine = 0
            for one in log.standing():
                counts[one.label] = counts.get(one.label, 0) + 1
                mine += one.by == by
            undo, redo = log.depth(by)
            agreement = measure_agreement(log)
            disagreements = len(find_disagreements(log))
            answers = sum(counts.values())
        learned = self.learner.estimates
        return {
            "answers": answers,
            "by_me": mine,
            **counts,
            "open": int(self.book.open.sum()),
            "disagreements": disagreements,
            "undo": undo,
            "redo": redo,
            "enough": bool(learned and learned.precision.needed == 0),
            "sentence": advice_of(self.learner),
            "agreement": vars(agreement) if agreement else None,
        }

    def state(self, by: str) -> Plain:
        """What the page's frame shows."""
        self.book.refresh()
        tables, summary = self.tables, self.run.summary
        records = tables.records
        return {
            "catalog": str(self.catalog.root),
            "run": {
                "name": self.run.run,
                "status": self.run.status,
                "started": self.run.started.isoformat(),
                "judge": summary.models.judge,
            },
            "by": by,
            "read_only": self.read_only,
            "thresholds": {
                "accept": summary.thresholds.accept,
                "review": summary.thresholds.review,
            },
            "target": self.target,
            "counts": {
                "records": len(records),
                "clusters": int((tables.sizes > 1).sum()),
                "pairs": len(tables.pairs),
                "open": int(self.book.open.sum()),
            },
            "sources": sorted(set(records["source"].unique().to_pylist())),
            "modalities": [
                kind for kind in ("text", "image")
                if records[f"{kind}_hash"].null_count < len(records)
            ],
            "labels": [
                {"label": label, "words": words, "key": key} for label, words, key in LABELS
            ],
            "queues": [self._queue(queue.name) for queue in QUEUES],
            "progress": self.progress(by),
            "learning": told_learning(self.learner),
            "model": told_model(self.maker, self.learner),
        }  # fmt: skip

    def _queue(self, name: str) -> Plain:
        queue = next(one for one in QUEUES if one.name == name)
        ready = name != "teaches" or self.queues.taught is not None
        return {**vars(queue), "count": self.queues.count(name), "ready": ready}

    def members_by_distance(self, cluster: int) -> Rows:
        """Records of a cluster: the representative, then the others, the nearest first."""
        rows = self.tables.members(cluster)
        distance = self.tables.clusters["probability_to_representative"].to_numpy()[rows]
        head = rows == self.tables.heads[cluster]
        return rows[np.lexsort((rows, -distance, ~head))]


def open_desk(
    catalog: Catalog, *, run: str | None = None, by: str | None = None, read_only: bool = False,
    target: float = 0.95,
) -> Desk:  # fmt: skip
    """Open the newest run that is published or held, or the one named; see `choose_run`."""
    found = choose_run(catalog, run)
    return Desk(catalog, found, by=by or getpass.getuser(), read_only=read_only, target=target)
