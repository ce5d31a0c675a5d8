"""A log of answers: the table of labels as persons gave it, step by step, undone and done again.

The table only grows. A step is what a person did at once, an answer or a hundred; to undo it is a
step of its own, `undo …`, whose rows say again what was said before, or withdraw it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pyarrow as pa

from pipeline.errors import PipelineError
from pipeline.labels.verdicts import LABELS as WORDS, WITHDRAWN
from pipeline.storage import LABELS

PairIds = tuple[str, str]
UNDO, REDO = "undo ", "redo "  # begin the name of a step that takes another back, or up again
RULE = "rule"  # origin of what a rule answered, not a person pair by pair


@dataclass(frozen=True, slots=True)
class Answer:
    """A row of the table of labels, left < right; of one record alone (KEEP) both are it."""

    left: str
    right: str
    label: str
    by: str
    at: datetime
    origin: str = "review"
    note: str | None = None
    step: str | None = None
    run: str | None = None
    model: str | None = None

    @property
    def pair(self) -> PairIds:
        """Both ids, ascending."""
        return self.left, self.right

    @property
    def order(self) -> tuple[datetime, int, str]:
        """By which the latest on a pair is found, as `latest_verdicts` does."""
        return self.at, WORDS.index(self.label) if self.label in WORDS else -1, self.by


@dataclass
class _Steps:
    """What one person did and has not undone, the newest last, and what may be done again."""

    done: list[str] = field(default_factory=list)
    undone: list[str] = field(default_factory=list)

    def take(self, step: str) -> None:
        """Take up a step as it was recorded."""
        if step.startswith(UNDO) and (name := step.removeprefix(UNDO)) in self.done:
            self.done.remove(name)
            self.undone.append(name)
        elif step.startswith(REDO) and (name := step.removeprefix(REDO)) in self.undone:
            self.undone.remove(name)
            self.done.append(name)
        elif not step.startswith((UNDO, REDO)):
            self.done.append(step)
            self.undone.clear()


class AnswerLog:
    """All answers of a catalog, in the order in which they count.

    Nothing is written: what a person does comes back as rows to append, see `table_of`.
    """

    def __init__(self, labels: pa.Table | None = None) -> None:
        self.answers: list[Answer] = []
        self._of_pair: dict[PairIds, list[Answer]] = defaultdict(list)
        self._of_step: dict[str, list[Answer]] = defaultdict(list)
        self._steps: dict[str, _Steps] = defaultdict(_Steps)
        self._last = datetime.min.replace(tzinfo=UTC)
        self.add([] if labels is None else answers_of(labels))

    def add(self, answers: Iterable[Answer]) -> None:
        """Take up answers that are in the table."""
        for answer in sorted(answers, key=lambda one: one.at):
            self.answers.append(answer)
            row = self._of_pair[answer.pair]
            row.append(answer)
            row.sort(key=lambda one: one.order)
            self._last = max(self._last, answer.at)
            if answer.step is None:
                continue
            if answer.step not in self._of_step or answer.step.startswith((UNDO, REDO)):
                self._begin(answer)
            self._of_step[answer.step].append(answer)

    def _begin(self, answer: Answer) -> None:
        """Count a step when its first row comes; those of one moment are one step."""
        assert answer.step is not None
        known = self._of_step.get(answer.step)
        if not known or known[-1].at != answer.at:
            # A rule may be taken back by somebody else: it is its author's step all the same.
            first = self._of_step.get(answer.step.removeprefix(UNDO).removeprefix(REDO))
            self._steps[first[0].by if first else answer.by].take(answer.step)

    def __len__(self) -> int:
        return len(self.answers)

    def pairs(self) -> Iterator[PairIds]:
        """Every pair that anything was ever said of."""
        return iter(self._of_pair)

    def latest(self, pair: PairIds) -> Answer | None:
        """The answer that counts; None without one, or when it was withdrawn."""
        row = self._of_pair.get(pair)
        return row[-1] if row and row[-1].label != WITHDRAWN else None

    def last_row(self, pair: PairIds) -> Answer | None:
        """The newest row of a pair, whatever it says."""
        row = self._of_pair.get(pair)
        return row[-1] if row else None

    def standing(self) -> Iterator[Answer]:
        """The answer that counts of each pair of records."""
        return (
            row[-1]
            for (left, right), row in self._of_pair.items()
            if row[-1].label != WITHDRAWN and left != right
        )

    def keeper(self, record: str) -> Answer | None:
        """Who said that a record is the one to keep, if anybody did."""
        return self.latest((record, record))

    def by_person(self, pair: PairIds) -> dict[str, Answer]:
        """What each person says of a pair, what they have undone left out."""
        found: dict[str, Answer] = {}
        for answer in self._of_pair.get(pair, ()):
            step = answer.step
            if (step is None or self._stands(step)) and answer.label != WITHDRAWN:
                found[answer.by] = answer
        return found

    def shared(self) -> Iterator[tuple[PairIds, dict[str, Answer]]]:
        """The pairs of which several persons say something."""
        for pair, row in self._of_pair.items():
            if len({answer.by for answer in row}) > 1 and len(told := self.by_person(pair)) > 1:
                yield pair, told

    def persons(self) -> list[str]:
        """Who has answered, by name."""
        return sorted({answer.by for answer in self.answers})

    def depth(self, by: str) -> tuple[int, int]:
        """How many steps a person may undo, and how many do again."""
        steps = self._steps[by]
        return len(steps.done), len(steps.undone)

    def rows_of(self, step: str) -> list[Answer]:
        """The rows of a step."""
        return list(self._of_step.get(step, ()))

    def is_done(self, step: str, by: str) -> bool:
        """Whether a person's step stands, not undone."""
        return step in self._steps[by].done

    def rule_steps(self) -> list[list[Answer]]:
        """The rows of each rule that was applied, the newest first."""
        found = [
            rows
            for name, rows in self._of_step.items()
            if rows[0].origin == RULE and not name.startswith((UNDO, REDO))
        ]
        return sorted(found, key=lambda rows: rows[0].at, reverse=True)

    def new_step(self, answers: Sequence[Answer]) -> list[Answer]:
        """Answers as one new step of now, later than anything known; each pair once."""
        step, at = uuid4().hex[:12], self._now()
        once = {answer.pair: answer for answer in answers}
        return [replace(answer, step=step, at=at) for answer in once.values()]

    def undo(self, by: str, *, step: str | None = None) -> list[Answer]:
        """The rows that take a person's last step back, or the one named, whoever did it.

        A pair that somebody answered since keeps that answer.

        Raises:
            PipelineError: there is nothing to undo.
        """
        owner = self._of_step[step][0].by if step in self._of_step else by
        done = self._steps[owner].done
        if not done or (step is not None and step not in done):
            raise PipelineError("there is nothing to undo")
        name, at = step or done[-1], self._now()
        return [
            replace(self._before(answer), by=by, at=at, step=UNDO + name)
            for answer in self._of_step[name]
        ]

    def _before(self, answer: Answer) -> Answer:
        """What is said of a pair without a step of it: by what stands of the others' and its own
        person's steps.
        """
        others = [
            one
            for one in self._of_pair[answer.pair]
            if one.step != answer.step and (one.step is None or self._stands(one.step))
        ]
        return others[-1] if others else replace(answer, label=WITHDRAWN, note=None)

    def _stands(self, step: str) -> bool:
        """Whether a step, no undoing or redoing, is done."""
        return step in self._steps[self._of_step[step][0].by].done

    def redo(self, by: str) -> list[Answer]:
        """The rows that do again what a person undid last.

        Raises:
            PipelineError: there is nothing to do again.
        """
        undone = self._steps[by].undone
        if not undone:
            raise PipelineError("there is nothing to do again")
        at, name = self._now(), undone[-1]
        rows = [one for one in self._of_step[name] if one.step == name]
        return [replace(answer, at=at, step=REDO + name) for answer in rows]

    def _now(self) -> datetime:
        """Now, or just after the newest answer where a clock was ahead."""
        return max(datetime.now(UTC), self._last + timedelta(microseconds=1))


def answers_of(labels: pa.Table) -> list[Answer]:
    """The rows of a table of labels, ids in order."""
    found = []
    for row in labels.to_pylist():
        left, right = sorted((row.pop("left_id"), row.pop("right_id")))
        found.append(Answer(left, right, **row))
    return found


def table_of(answers: Sequence[Answer]) -> pa.Table:
    """Answers as rows of the table of labels."""
    rows = [
        {name: getattr(one, name.removesuffix("_id")) for name in LABELS.names} for one in answers
    ]
    return pa.Table.from_pylist(rows, schema=LABELS)
