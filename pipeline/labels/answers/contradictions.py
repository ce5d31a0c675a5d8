"""Contradictions explained where they arise: by which other answers, and which of them stand."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable
from dataclasses import dataclass

import pyarrow as pa

from pipeline.labels.answers.log import Answer, AnswerLog, PairIds, table_of
from pipeline.labels.verdicts import settle_verdicts

SAME, DIFFERENT = "same", "different"


@dataclass(frozen=True)
class Contradiction:
    """An answer against others.

    Attributes:
        answer: the one that was given.
        chain: the others, from its one record to its other: all but one of them say *same*.
        dropped: pairs whose answers are not followed any more, since newer ones stand.
    """

    answer: Answer
    chain: tuple[Answer, ...]
    dropped: tuple[Answer, ...]


class AnswerGraph:
    """Which records persons tied together and kept apart, by the answers that count."""

    def __init__(self, log: AnswerLog) -> None:
        self._label: dict[PairIds, Answer] = {}
        self._same: dict[str, set[str]] = defaultdict(set)
        self._different: dict[str, set[str]] = defaultdict(set)
        self.update(log, log.pairs())

    def update(self, log: AnswerLog, pairs: Iterable[PairIds]) -> None:
        """Take up what is now said of some pairs."""
        for pair in pairs:
            one, other = pair
            for sides in (self._same, self._different):
                sides[one].discard(other)
                sides[other].discard(one)
            self._label.pop(pair, None)
            answer = log.latest(pair)
            if answer is not None and answer.label in (SAME, DIFFERENT):
                self._label[pair] = answer
                sides = self._same if answer.label == SAME else self._different
                sides[one].add(other)
                sides[other].add(one)

    def tied(self, record: str) -> dict[str, str | None]:
        """Every record tied to one, itself first, each with the one it was reached from."""
        return self._reach(record, without=None)

    def same_of(self, record: str) -> set[str]:
        """Records that were called the same as one, in so many words."""
        return self._same.get(record, set())

    def explain(self, answer: Answer) -> Contradiction | None:
        """What an answer, which the graph has taken up, contradicts; None: nothing."""
        if answer.label == DIFFERENT:
            reached = self._reach(answer.left, without=answer.pair)
            if answer.right not in reached:
                return None
            chain = self._path(reached, answer.right)
            return self._told(answer, chain, set(reached))
        if answer.label != SAME:
            return None
        here = self._reach(answer.left, without=answer.pair)
        there = self._reach(answer.right, without=answer.pair)
        few, many = sorted((here, there), key=len)
        for record in few:
            for enemy in self._different.get(record, ()):
                if enemy not in many:
                    continue
                near, far = (record, enemy) if few is here else (enemy, record)
                chain = [*self._path(here, near), self._label[_pair(near, far)]]
                chain += reversed(self._path(there, far))
                return self._told(answer, chain, {*here, *there})
        return None

    def _reach(self, start: str, *, without: PairIds | None) -> dict[str, str | None]:
        found: dict[str, str | None] = {start: None}
        waiting = deque([start])
        while waiting:
            record = waiting.popleft()
            for other in sorted(self._same.get(record, ())):
                if other not in found and _pair(record, other) != without:
                    found[other] = record
                    waiting.append(other)
        return found

    def _path(self, reached: dict[str, str | None], end: str) -> list[Answer]:
        """The answers from where the search began to a record."""
        steps = []
        while (before := reached[end]) is not None:
            steps.append(self._label[_pair(before, end)])
            end = before
        return steps[::-1]

    def _told(self, answer: Answer, chain: list[Answer], records: set[str]) -> Contradiction:
        about = [one for pair, one in self._label.items() if {*pair} <= records]
        # Two records are enough to be about, whichever order they are in.
        ids = pa.array(sorted(records | {*answer.pair}), pa.string())
        settled = settle_verdicts(table_of(about), ids)
        lost = [
            self._label[ids[int(left)].as_py(), ids[int(right)].as_py()]
            for left, right, by in zip(
                settled.left, settled.right, settled.overruled_by, strict=True
            )
            if by >= 0
        ]
        return Contradiction(answer, tuple(chain), tuple(lost))


def _pair(one: str, other: str) -> PairIds:
    return (one, other) if one < other else (other, one)


def overruled_pairs(log: AnswerLog) -> dict[PairIds, Answer]:
    """Pairs whose answer is not followed, each with one that stands against it."""
    standing = list(log.standing())
    if not standing:
        return {}
    ids = sorted({record for answer in standing for record in answer.pair})
    settled = settle_verdicts(table_of(standing), pa.array(ids, pa.string()))
    pairs = [
        (ids[left], ids[right])
        for left, right in zip(settled.left.tolist(), settled.right.tolist(), strict=True)
    ]
    found = {}
    for place, by in enumerate(settled.overruled_by.tolist()):
        against = log.latest(pairs[by]) if by >= 0 else None
        if against is not None:
            found[pairs[place]] = against
    return found
