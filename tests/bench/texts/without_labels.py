"""Runs without labels, end to end, against the complete truth of labelled sets.

    python tests/bench/texts/without_labels.py --data DATA [--only er_cora …] [--duplicate-free]
        [--judge 'build/judges/without-{set}.txt'] [--set '{"judge": {"accept": 0.95}}']

One configuration each: every column that is no id is text, two-source sets are two sources, of
which only pairs across are counted. Told: precision, recall and F1 of the pairs of all clusters and
of the confirmed ones, pairs for review, the share of the true pairs among the candidates, and what
the run states of itself with whether that holds. --judge is the judge that may know a set, trained
without it; --vectors keeps the texts' vectors for the next time.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from labelled_sets import SETS, Copied, Truth
from outcome import Outcome, completed

from pipeline.catalog import RunSummary

sys.path.append(str(Path(__file__).parents[1]))
from real_data import Report

REPORTED = ["er_abt_buy", "er_dblp_acm", "chicago_early_childhood", "er_cora", "febrl3",
            "er_restaurants"]  # fmt: skip
HEADER = (
    "| set | rows | true pairs | among candidates | precision | recall | F1 | confirmed pairs | "
    "precision | recall | F1 | for review | of them true | stated precision | stated recall | "
    "seconds |"
)
Interval = tuple[float, float, float]  # estimate, lower end, upper end


def stated(summary: RunSummary) -> dict[str, Interval]:
    """What a run states of its clusters' pairs: 'precision' and 'recall'; empty: nothing."""
    if summary.expected is None:
        return {}
    return {
        name: (found.value, found.low, found.high) for name, found in vars(summary.expected).items()
    }


def measured(name: str, chosen: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """One set, run below `folder`."""
    copied = SETS[name].copied(chosen.data, folder)
    settings = configured(name, copied, chosen)
    began = time.perf_counter()
    with kept_vectors(chosen.vectors and chosen.vectors / name, folder / "catalog"):
        outcome = completed(settings, folder / "catalog")
    seconds = time.perf_counter() - began
    return {
        "set": name,
        "rows": copied.rows,
        "true_pairs": len(copied.truth.positive),
        **figures(outcome, copied.truth),
        "stated": stated(outcome.summary),
        "seconds": round(seconds, 1),
    }


def configured(name: str, copied: Copied, chosen: argparse.Namespace) -> dict[str, Any]:
    """The configuration of a set's run, its catalog left open."""
    overrides = json.loads(chosen.overrides)
    if chosen.judge:
        path = str(Path(chosen.judge.format(set=name)).resolve(strict=True))
        overrides["judge"] = {**overrides.get("judge", {}), "pretrained": path}
    return {"sources": copied.sources(duplicate_free=chosen.duplicate_free), **overrides}


def figures(outcome: Outcome, truth: Truth) -> dict[str, Any]:
    """What the clusters, the confirmed ones among them, and the table of pairs are worth."""
    known = list(truth.positive)
    found = outcome.decisions(known)
    reviewed = [row for row in outcome.pairs.to_pylist() if row["decision"] == "review"]
    right = {(row["left_id"], row["right_id"]) for row in reviewed}
    right &= truth.positive | {pair[::-1] for pair in truth.positive}
    return {
        "candidate_recall": sum(one is not None for one in found) / len(known),
        "all": quality(outcome, truth, ("confirmed", "review")),
        "confirmed": quality(outcome, truth, ("confirmed",)),
        "review": len(reviewed),
        "review_right": len(right),
    }


def quality(outcome: Outcome, truth: Truth, statuses: tuple[str, ...]) -> dict[str, Any]:
    """Pairwise precision, recall and F1 of the clusters that have one of these statuses."""
    joined = sum(truth.comparable(members) for members in outcome.clusters(statuses))
    right = sum(outcome.together(pair, statuses) for pair in truth.positive)
    return {
        "pairs": joined,
        "precision": right / joined if joined else None,
        "recall": right / len(truth.positive),
        "f1": 2 * right / (joined + len(truth.positive)),
    }


class kept_vectors:  # noqa: N801 - a context manager, used like a function
    """Vectors that a folder keeps between runs; the rest of a catalog is made anew."""

    def __init__(self, kept: Path | None, catalog: Path) -> None:
        self.kept, self.used = kept, catalog / "vectors"

    def __enter__(self) -> None:
        if self.kept and self.kept.exists():
            shutil.copytree(self.kept, self.used)

    def __exit__(self, *_: object) -> None:
        if self.kept and self.used.exists():
            shutil.copytree(self.used, self.kept, dirs_exist_ok=True)


def line(row: dict[str, Any]) -> str:
    """A set as a line of the table."""
    every, sure = row["all"], row["confirmed"]
    cells = [
        row["set"], f"{row['rows']:,}", f"{row['true_pairs']:,}", told(row["candidate_recall"]),
        *(told(every[name]) for name in ("precision", "recall", "f1")), f"{sure['pairs']:,}",
        *(told(sure[name]) for name in ("precision", "recall", "f1")), f"{row['review']:,}",
        f"{row['review_right']:,}", held(row, "precision"), held(row, "recall"), row["seconds"],
    ]  # fmt: skip
    return "| " + " | ".join(map(str, cells)) + " |"


def told(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def held(row: dict[str, Any], figure: str) -> str:
    """A stated interval, and whether the truth lies in it."""
    if figure not in row["stated"]:
        return "–"
    value, low, high = row["stated"][figure]
    true = row["all"][figure]
    verdict = "" if true is None else ", holds" if low <= true <= high else ", DOES NOT HOLD"
    return f"{value:.3f} ({low:.3f} to {high:.3f}){verdict}"


def options(told: str | None, sets: list[str]) -> argparse.ArgumentParser:
    """What every script takes that runs sets without labels first."""
    parser = argparse.ArgumentParser(description=told)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--out", type=Path, default=Path("build/bench"))
    parser.add_argument("--only", nargs="+", choices=SETS, default=sets)
    parser.add_argument("--duplicate-free", action="store_true", help="say so of sources that are")
    parser.add_argument("--judge", help="path of the judge for a set; {set} is its name")
    parser.add_argument("--set", dest="overrides", default="{}", help="JSON over the configuration")
    parser.add_argument("--vectors", type=Path, help="folder that keeps vectors between runs")
    return parser


def main() -> None:
    chosen = options(__doc__, REPORTED).parse_args()
    chosen.out.mkdir(parents=True, exist_ok=True)
    report, rows = Report(HEADER), []
    for name in chosen.only:
        with tempfile.TemporaryDirectory() as folder:
            rows.append(measured(name, chosen, Path(folder)))
        report.add(line(rows[-1]))
    report.write(chosen.out / "without_labels", options=vars(chosen), sets=rows)


if __name__ == "__main__":
    main()
