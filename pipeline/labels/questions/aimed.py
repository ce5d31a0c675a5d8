"""Aimed questions: chosen one after another, each for what its answer is expected to bring."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline.arrays import Flags, Floats, Ints, Rows
from pipeline.labels.questions.committee import ask_committee, disagreement_of, entropy_of
from pipeline.labels.questions.view import PairView

# What a pair is to the run: the first two are expected to be one thing, the others two.
SURE, JOINED, APART, HELD, BELOW = range(5)
WHY = ["most probable", "joined, near the threshold", "alike, but kept apart",
       "for review, not joined", "just below review"]  # fmt: skip
EXPECTED_SAME = 2
COST = np.array([1, 3, 1, 1, 1])  # of a turn: three of SURE come to one of JOINED
POOL = 5_000  # pairs looked at of each of them: those nearest to the threshold; of SURE any
LEAST_GAIN = 0.1  # that any question has: what the committee is sure of may yet be wrong
# Of the answers should say *same*; a little over half is aimed at, for a run is oftener wrong where
# it is sure of a duplicate than where it is sure of none.
SAME_SHARE = 0.55
JOINED_SHARE = 0.25  # at least, of the questions are about what the run joined: it acts on these
STRAY = 2.0  # answers away from that share, from which on what is likeliest comes first, no turns
PATIENCE = 4.0  # answers too many that say *same*, from which on only what is surely not is asked


@dataclass(frozen=True)
class Answers:
    """What persons have said of pairs of this run: rows of the view, and which are one thing."""

    rows: Rows
    same: Flags


def choose_aimed(
    view: PairView, open_rows: Rows, answers: Answers, *, count: int, accept: float, review: float
) -> tuple[Rows, npt.NDArray[np.str_]]:
    """Choose the pairs whose answers are expected to bring the most, in the order of asking.

    SAME_SHARE of the answers should say *same*, those given before included, so that a judge can
    learn from both, and JOINED_SHARE of the questions are about what the run joined. Among what is
    expected to be the same, and among the rest, what the pair is to the run takes turns, unless
    the share is far off. No two questions are about one record, nor about one cluster, while there
    are others of which the same answer is expected. Of what is left the question with the greatest
    gain comes first: what the committee does not know and does not agree upon, less for every
    question of the same form, more for forms that many pairs have.

    Returns:
        (c,) rows of the view, and why each is asked.
    """
    band = bands_of(view, accept=accept, review=review)
    pool = _pool(view, band, open_rows, accept=accept)
    if not len(pool) or count < 1:
        return np.zeros(0, np.int64), np.zeros(0, np.str_)
    mean, gain = _expected(view, band, pool, answers, review=review)
    turns = _Turns(view, pool, answers, band=band[pool], mean=mean, gain=gain)
    chosen = np.array([turns.take() for _ in range(min(count, len(pool)))])
    return pool[chosen], np.array(WHY)[band[pool[chosen]]]


def bands_of(view: PairView, *, accept: float, review: float) -> Ints:
    """(p,) what each pair is to the run."""
    probability = view.probability
    cases = [
        probability < review,
        probability < accept,
        ~view.joined,
        probability < (1 + accept) / 2,
    ]
    return np.asarray(np.select(cases, [BELOW, HELD, APART, JOINED], SURE))


def _pool(view: PairView, band: Ints, open_rows: Rows, *, accept: float) -> Rows:
    """Rows that may be asked about, ascending."""
    distance = np.abs(view.probability - accept)
    parts = []
    for number in range(len(WHY)):
        rows = open_rows[band[open_rows] == number]
        if len(rows) > POOL and number == SURE:
            rows = rows[np.linspace(0, len(rows) - 1, POOL).astype(int)]
        elif len(rows) > POOL:
            rows = rows[np.argsort(distance[rows], kind="stable")[:POOL]]
        parts.append(rows)
    return np.sort(np.concatenate(parts))


def _expected(
    view: PairView, band: Ints, pool: Rows, answers: Answers, *, review: float
) -> tuple[Floats, Floats]:
    """(q,) how probable the committee holds each pair of the pool, and what its answer brings."""
    # What the run itself kept apart although it is alike is no more probable than what it leaves
    # to a person.
    opinion = view.probability[pool]
    opinion = np.where(band[pool] == APART, np.minimum(opinion, review), opinion)
    evidence = view.evidence(np.concatenate([pool, answers.rows]))
    votes = ask_committee(
        evidence[: len(pool)], opinion, answered=evidence[len(pool) :], same=answers.same
    )
    mean = votes.mean(axis=0)
    gain = LEAST_GAIN + entropy_of(mean) + disagreement_of(votes)
    # These are to tell how often the run is right where it is sure: any is as good as another.
    return mean, np.where(band[pool] == SURE, 1.0, gain)


class _Turns:
    """The questions chosen so far, and the next one."""

    def __init__(
        self, view: PairView, pool: Rows, answers: Answers, *, band: Ints, mean: Floats,
        gain: Floats,
    ) -> None:  # fmt: skip
        rows = np.concatenate([pool, answers.rows])
        self.ends, self.regions, self.form = view.ends[rows], view.regions[rows], view.forms(rows)
        self.band, self.mean, self.gain = band, mean, gain
        forms = np.bincount(self.form[: len(pool)], minlength=self.form.max() + 1)
        self.usual, self.asked_of_form = np.sqrt(forms), np.zeros(len(forms))
        self.known_record = np.zeros(int(self.ends.max()) + 1, bool)
        self.known_region = np.zeros(int(self.regions.max()) + 1, bool)
        # Of equal worth are pairs from anywhere, not those whose ids come first.
        self.lot = np.random.default_rng(0).permutation(len(pool))
        self.free = np.ones(len(pool), bool)
        self.spent = np.zeros(len(WHY), np.int64)
        self.same, self.total = float(answers.same.sum()), len(answers.rows)
        self.asked = self.joined = 0
        for place in range(len(pool), len(rows)):
            self._mark(place)

    def _mark(self, place: int) -> None:
        self.known_record[self.ends[place]] = True
        self.known_region[self.regions[place]] = True
        self.asked_of_form[self.form[place]] += 1

    def take(self) -> int:
        """Place in the pool of the next question."""
        places = np.flatnonzero(self.free)
        band, form = self.band[places], self.form[places]
        surplus = self.same - SAME_SHARE * self.total
        behind = self.joined < JOINED_SHARE * self.asked
        wanted = (band < EXPECTED_SAME) == (behind or surplus <= 0)
        again = self.known_region[self.regions[places]].any(axis=1).astype(int)
        again += self.known_record[self.ends[places]].any(axis=1)
        mean = self.mean[places]
        fit = mean if behind or surplus <= 0 else 1 - mean * min(surplus / PATIENCE, 1.0)
        worth = self.gain[places] * np.round(fit, 1) ** 2 * self.usual[form]
        worth /= 1 + self.asked_of_form[form]
        turn = self.spent[band] * (abs(surplus) < STRAY)
        order = np.lexsort((self.lot[places], -worth, turn, again, ~wanted))
        best = int(places[order[0]])
        self.free[best] = False
        self.spent[self.band[best]] += COST[self.band[best]]
        self.same += float(self.mean[best])
        self.total += 1
        self.asked += 1
        self.joined += int(self.band[best] < EXPECTED_SAME)
        self._mark(best)
        return best
