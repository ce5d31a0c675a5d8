"""Agreement of persons on the pairs that several answered: Cohen's kappa (1960)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations

from pipeline.labels.answers.log import AnswerLog, PairIds

UNSURE = "unsure"
FEW = 10  # pairs below which kappa says little


@dataclass(frozen=True, kw_only=True)
class PersonAgreement:
    """How far persons agree.

    Attributes:
        pairs: answers that two persons gave to one pair, *unsure* left out. agreed: of them.
        kappa: agreement beyond chance, -1 … 1; None where one label is all that was said.
        sentence: the same in words.
    """

    pairs: int
    agreed: int
    kappa: float | None
    sentence: str


def measure_agreement(log: AnswerLog) -> PersonAgreement | None:
    """How far persons agree; None while no pair has the answers of two.

    Of three and more every two of them are compared.
    """
    told = list(_twice(log))
    if not told:
        return None
    agreed = sum(one == other for one, other in told)
    kappa = _kappa(told)
    share = f"{agreed:,} of {len(told):,} answers given twice agree"
    if kappa is None:
        words = f"{share}; one answer was given throughout, so kappa says nothing"
    else:
        few = ", few to tell by" if len(told) < FEW else ""
        words = f"{share}, Cohen's kappa {kappa:.2f}{few}"
    return PersonAgreement(pairs=len(told), agreed=agreed, kappa=kappa, sentence=f"{words}.")


def find_disagreements(log: AnswerLog) -> list[PairIds]:
    """Pairs of which persons say different things, *unsure* left out, the newest first.

    Who looked at the pair after all others and decided has settled it: their second answer counts
    for them, so that a pair is here while two persons' own last answers differ.
    """
    found = []
    for pair, answers in log.shared():
        sure = [one for one in answers.values() if one.label != UNSURE]
        if len({one.label for one in sure}) > 1:
            found.append((max(one.at for one in sure), pair))
    return [pair for _, pair in sorted(found, reverse=True)]


def _twice(log: AnswerLog) -> Iterator[tuple[str, str]]:
    for _, answers in log.shared():
        sure = [a for _, a in sorted(answers.items()) if a.label != UNSURE and a.origin != "rule"]
        for one, other in combinations(sure, 2):
            yield one.label, other.label


def _kappa(told: list[tuple[str, str]]) -> float | None:
    from sklearn.metrics import cohen_kappa_score

    if len({label for pair in told for label in pair}) < 2:
        return None
    return float(cohen_kappa_score(*zip(*told, strict=True)))
