"""Answers about a pair: why it was joined, why not, where it was lost, and what would change it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.errors import PipelineError
from pipeline.finding.groups import records_of, tell_differences, texts_of

SCORES = {
    "text_cosine": "text cosine",
    "image_cosine": "picture cosine",
    "lexical": "shared shingles",
    "token_overlap": "words in common",
    "edit_similarity": "letters in common",
    "code_agreement": "codes in common",
}


@dataclass(frozen=True)
class Finding:
    """What became of a pair of records.

    Attributes:
        joined: whether both are in one cluster.
        stage: where that was decided: ingest, search, judge, clusters or persons.
        words: why, a sentence. change: what would change it, a sentence each.
        probability: the judge's; None: the pair was never looked at.
        evidence: names and values of what the judge saw.
        differs: what differs between the texts, in words.
    """

    left: str
    right: str
    joined: bool
    stage: str
    words: str
    change: tuple[str, ...] = ()
    probability: float | None = None
    evidence: tuple[tuple[str, str], ...] = ()
    differs: str = ""
    texts: tuple[dict[str, str], dict[str, str]] = ({}, {})

    def __str__(self) -> str:
        """All of it, a line each."""
        head = "joined" if self.joined else "not joined"
        lines = [f"{self.left} and {self.right}: {head}", f"why       {self.words}"]
        if self.probability is not None:
            lines.append(f"judge     {self.probability:.1%} duplicate")
        if self.evidence:
            lines.append("evidence  " + ", ".join(f"{n} {v}" for n, v in self.evidence))
        if self.differs:
            lines.append(f"differs   {self.differs}")
        lines.append(f"stage     {self.stage}")
        return "\n".join([*lines, *(f"change    {said}" for said in self.change)])


def explain_pair(
    a: str,
    b: str,
    *,
    records: pa.Table,
    pairs: pa.Table,
    clusters: pa.Table,
    cut_links: pa.Table,
    accept: float,
    verdicts: pa.Table | None = None,
) -> Finding:
    """Say what became of a pair in a run.

    Args:
        a, b: ids. The tables are those of the run.
        accept: probability from which a pair is a duplicate.
        verdicts: the table `labels`, where there is one.

    Raises:
        PipelineError: one of them is no record of the run, or both are one.
    """
    if a == b:
        raise PipelineError(f"{a} and {b} are one record; name two")
    left, right = min(a, b), max(a, b)
    found = records_of(records, [left, right])
    for name in (left, right):
        if name not in found:
            raise PipelineError(
                f"there is no record {name} in this run; it was never delivered, or stands in the "
                "quarantine: gemel export --what quarantine"
            )
    both = [found[left], found[right]]
    rows = {row["record_id"]: row for row in _rows_of(clusters, "record_id", left, right)}
    joined = rows[left]["cluster_id"] == rows[right]["cluster_id"]
    row = next(iter(_pairs_of(pairs, left, right)), None)
    cut = next(iter(_pairs_of(cut_links, left, right)), None)
    verdict = None if verdicts is None else _verdict(verdicts, left, right)
    stage, words, change = _why(
        joined=joined, row=row, cut=cut, verdict=verdict, both=both,
        cluster=rows[left], accept=accept,
    )  # fmt: skip
    return Finding(
        left, right, joined, stage, words, change,
        probability=None if row is None else float(row["probability"]),
        evidence=evidence_of(row) if row else (),
        differs=tell_differences(both, [0], [1])[0],
        texts=(texts_of(both[0]), texts_of(both[1])),
    )  # fmt: skip


def evidence_of(row: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """What the judge saw of a pair."""
    same = [
        (what, "identical")
        for column, what in (("exact_text", "text"), ("exact_image", "picture"))
        if row[column]
    ]
    return (
        *same,
        *((name, f"{row[at]:.2f}") for at, name in SCORES.items() if row.get(at) is not None),
    )


def _why(
    *,
    joined: bool,
    row: Mapping[str, Any] | None,
    cut: Mapping[str, Any] | None,
    verdict: str | None,
    both: list[dict[str, Any]],
    cluster: Mapping[str, Any],
    accept: float,
) -> tuple[str, str, tuple[str, ...]]:
    """Stage, sentence, and what would change it."""
    ids = f"{both[0]['record_id']},{both[1]['record_id']}"
    differ = f"a label 'different' for the pair: gemel label import (row {ids},0)"
    same = f"a label 'same' for the pair: gemel label import (row {ids},1)"
    if verdict in ("same", "different") and (verdict == "same") == joined:
        other = differ if verdict == "same" else same
        return "persons", f"a person called them {verdict}", (f"a later answer: {other}",)
    if joined:
        if row is None:
            told = "each is joined with the kept record or an identical copy of it"
            return "clusters", f"through {cluster['representative']}: {told}", (differ,)
        if row["decision"] == "duplicate":
            return "judge", str(row["reason"]), (differ,)
        told = f"the pair itself is no duplicate ({row['reason']}), but both belong to "
        return "clusters", told + str(cluster["representative"]), (differ,)
    if cut is not None:
        return "clusters", f"judged alike, and the link was cut: {cut['reason']}", (same,)
    if row is None:
        told = "the search did not propose the pair: too little in common to be looked at"
        change = ["a lower candidates.text_floor, or text_encoder: {type: minilm}"]
        if not (both[0].get("text") and both[1].get("text")):
            told = "the search did not propose the pair: they have no kind of content in common"
            change = ["texts or pictures in both"]
        return "search", told, (*change, same)
    probability = float(row["probability"])
    if row["decision"] == "duplicate":
        told = "judged a duplicate, and yet in another cluster: each is nearer to another record"
        return "clusters", told, (same,)
    setting = f"judge.accept at {max(probability - 0.005, 0.01):.2f} (now {accept:g})"
    held = probability >= 0.5 * accept
    return "judge", str(row["reason"]), (same, *([setting] if held else []))


def _verdict(labels: pa.Table, left: str, right: str) -> str | None:
    """The latest answer of a person on a pair."""
    told = [*_pairs_of(labels, left, right), *_pairs_of(labels, right, left)]
    return max(told, key=lambda row: row["at"])["label"] if told else None


def _rows_of(table: pa.Table, column: str, *ids: str) -> list[dict[str, Any]]:
    wanted = pc.is_in(table[column], value_set=pa.array(ids, pa.string()))
    return list(table.filter(wanted).to_pylist())


def _pairs_of(table: pa.Table, left: str, right: str) -> list[dict[str, Any]]:
    wanted = pc.and_(pc.equal(table["left_id"], left), pc.equal(table["right_id"], right))
    return list(table.filter(wanted).to_pylist())
