"""Run Gemel without labels on real labelled sets and print what it finds.

    python tests/bench/real_data.py --data ../shared/data [--only er_abt_buy …] [--out build/bench]

For each set: rows, candidates, candidate recall against brute force, recall of the labelled pairs
among the candidates, average precision of the scores, precision and recall at the default
threshold, what a removal list would name and how much of it is right, seconds. The table is printed
and written to a file with the machine and the versions.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.catalog import Catalog
from pipeline.config.run import RunConfig
from pipeline.nightly.runner import run

Keys = set[tuple[str, str]]


@dataclass(frozen=True)
class Truth:
    """Known pairs of a set, as ordered pairs of keys.

    `negative` None means that every pair that `comparable` admits and is not positive is negative.
    """

    positive: Keys
    negative: Keys | None = None
    comparable: Callable[[str, str], bool] = lambda left, right: True


def ordered(pairs: Any) -> Keys:
    return {(min(a, b), max(a, b)) for a, b in pairs if a != b}


def listed(path: Path, wanted: set[str]) -> Keys:
    table = pq.read_table(path)
    rows = zip(table["left_id"].to_pylist(), table["right_id"].to_pylist(), strict=True)
    return ordered((str(a), str(b)) for a, b in rows if str(a) in wanted and str(b) in wanted)


def grouped(ids: list[str], groups: list[Any]) -> Keys:
    members: dict[Any, list[str]] = {}
    for key, name in zip(ids, groups, strict=True):
        if name is not None:
            members.setdefault(name, []).append(key)
    return ordered((a, b) for m in members.values() for i, a in enumerate(m) for b in m[i + 1 :])


def text_set(*columns: str) -> Callable[[Path], list[dict[str, Any]]]:
    def sources(folder: Path) -> list[dict[str, Any]]:
        return [
            {
                "type": "parquet",
                "name": "s",
                "path": str(folder / "records.parquet"),
                "columns": {"id": "record_id", "text": columns, "attributes": ()},
            }
        ]

    return sources


def image_set(table: str, key: str) -> Callable[[Path], list[dict[str, Any]]]:
    def sources(folder: Path) -> list[dict[str, Any]]:
        return [
            {
                "type": "parquet",
                "name": "s",
                "path": str(folder / f"{table}.parquet"),
                "image_root": str(folder),
                "columns": {"id": key, "image": "path", "attributes": ()},
            }
        ]

    return sources


def augly_sources(folder: Path) -> list[dict[str, Any]]:
    queries, references = (
        image_set(table, key)(folder)[0]
        for table, key in (("queries", "query_id"), ("references", "reference_id"))
    )
    return [{**queries, "name": "q"}, {**references, "name": "s"}]


def clean_clean(folder: Path) -> Truth:
    table = pq.read_table(folder / "records.parquet", columns=["record_id", "source"])
    side = dict(zip(table["record_id"].to_pylist(), table["source"].to_pylist(), strict=True))
    positive = listed(folder / "pairs.parquet", set(side))
    return Truth(positive, None, lambda left, right: side[left] != side[right])


def clustered(column: str) -> Callable[[Path], Truth]:
    def truth(folder: Path) -> Truth:
        table = pq.read_table(folder / "records.parquet", columns=["record_id", column])
        return Truth(grouped(table["record_id"].to_pylist(), table[column].to_pylist()))

    return truth


def linked(folder: Path) -> Truth:
    ids = set(map(str, pq.read_table(folder / "records.parquet")["record_id"].to_pylist()))
    related = folder / "related_not_duplicate.parquet"
    positive = listed(folder / "pairs.parquet", ids)
    negative = listed(related, ids) - positive if related.exists() else None
    return Truth(positive, negative)


def image_groups(folder: Path) -> Truth:
    table = pq.read_table(folder / "images.parquet", columns=["image_id", "group"])
    return Truth(grouped(table["image_id"].to_pylist(), table["group"].to_pylist()))


def augly_truth(folder: Path) -> Truth:
    table = pq.read_table(folder / "queries.parquet", columns=["query_id", "base_id"])
    rows = zip(table["query_id"].to_pylist(), table["base_id"].to_pylist(), strict=True)
    queries = set(table["query_id"].to_pylist())
    positive = ordered((query, base) for query, base in rows if base is not None)
    return Truth(positive, None, lambda left, right: (left in queries) != (right in queries))


SETS: dict[str, tuple[Callable[[Path], list[dict[str, Any]]], Callable[[Path], Truth]]] = {
    "er_abt_buy": (text_set("name", "description", "price"), clean_clean),
    "er_cora": (
        text_set("author", "title", "venue", "year", "volume", "pages", "publisher"),
        clustered("cluster_id"),
    ),
    "gitbugs": (text_set("summary", "description"), linked),
    "apache_jira": (text_set("summary", "description"), linked),
    # A weak label: packages built from one source share a paragraph, not always the meaning.
    "debian_descriptions": (text_set("summary", "description"), clustered("source_package")),
    "er_dblp_acm": (text_set("title", "authors", "venue", "year"), clean_clean),
    "er_restaurants": (text_set("name", "street", "phone_number"), clean_clean),
    "chicago_early_childhood": (
        text_set("Site name", "Address", "Zip", "Phone", "Program Name"),
        clustered("cluster_id"),
    ),
    "pdq_regression": (image_set("images", "image_id"), image_groups),
    "minhash_articles": (text_set("text"), linked),
    "augly_copies_open": (augly_sources, augly_truth),
    "debian_wallpapers": (image_set("images", "image_id"), image_groups),
    "imagededup_ukbench": (image_set("images", "image_id"), image_groups),
}


# The sets of the README's table; the others serve the fit of the default judge.
REPORTED = ["er_abt_buy", "er_cora", "gitbugs", "apache_jira", "debian_descriptions",
            "augly_copies_open", "debian_wallpapers", "imagededup_ukbench"]  # fmt: skip


def strip(ids: pa.ChunkedArray) -> list[str]:
    return [name.split(":", 1)[1] for name in ids.to_pylist()]


def measure(name: str, data: Path, catalogs: Path, overrides: dict[str, Any]) -> dict[str, Any]:
    """Run one set and score it."""
    sources, truth_of = SETS[name]
    folder = data / name
    config = RunConfig.model_validate(
        {"catalog": str(catalogs / name), "sources": sources(folder),
         "gates": {"max_quarantined": 1},
         **overrides}
    )  # fmt: skip
    began = time.perf_counter()
    summary = run(config)
    seconds = time.perf_counter() - began
    catalog = Catalog(config.catalog)
    found = catalog.runs()[0]
    columns = ["left_id", "right_id", "probability", "proposed_by"]
    pairs = catalog.read("pairs", run=found, columns=columns)
    clusters = catalog.read(
        "clusters", run=found, columns=["record_id", "cluster_id", "representative", "status"]
    )
    truth = truth_of(folder)
    known = set(strip(clusters["record_id"]))
    positive = {pair for pair in truth.positive if pair[0] in known and pair[1] in known}
    score = every_pair(pairs)
    clustered_pairs = grouped(strip(clusters["record_id"]), clusters["cluster_id"].to_pylist())
    recall = summary["candidate_recall"]
    measured = recall["text"] or recall["image"]
    return {
        "set": name,
        "rows": summary.counts.rows,
        "quarantined": summary.counts.quarantined,
        "candidates": summary.counts.candidates,
        "candidate_recall": round(measured["recall"], 4),
        "candidate_recall_low": round(measured["low"], 4),
        "positives": len(positive),
        "labelled_among_candidates": round(len(positive & set(score)) / max(len(positive), 1), 4),
        **quality(truth, positive, score, clustered_pairs),
        **kept_pairs(truth, positive, clusters),
        "seconds": round(seconds, 1),
    }


def every_pair(pairs: pa.Table) -> dict[tuple[str, str], float]:
    """Scores by pair of keys; what a leader's pair says holds for its exact copies too."""
    left, right = strip(pairs["left_id"]), strip(pairs["right_id"])
    probability, by = pairs["probability"].to_pylist(), pairs["proposed_by"].to_pylist()
    copies: dict[str, list[str]] = {}
    for leader, member, how in zip(left, right, by, strict=True):
        if how == "exact":
            copies.setdefault(leader, [leader]).append(member)
    score = {}
    for first, second, value, how in zip(left, right, probability, by, strict=True):
        if how != "exact":
            for a in copies.get(first, [first]):
                for b in copies.get(second, [second]):
                    score[min(a, b), max(a, b)] = value
    for group in copies.values():
        score |= dict.fromkeys(ordered((a, b) for a in group for b in group), 1.0)
    return score


def quality(truth: Truth, positive: Keys, score: dict[tuple[str, str], float], same: Keys) -> Any:
    from sklearn.metrics import average_precision_score

    if truth.negative is None:
        compared = {pair for pair in score if pair in positive or truth.comparable(*pair)}
        predicted = {pair for pair in same if truth.comparable(*pair)}
    else:
        compared = truth.negative
        predicted = same & (positive | truth.negative)
    scored = sorted(positive | compared)
    labels = np.array([pair in positive for pair in scored])
    values = np.array([score.get(pair, 0.0) for pair in scored])
    hits = len(predicted & positive)
    return {
        "average_precision": round(float(average_precision_score(labels, values)), 4),
        "precision": round(hits / max(len(predicted), 1), 4),
        "recall": round(hits / max(len(positive), 1), 4),
        "predicted": len(predicted),
    }


def kept_pairs(truth: Truth, positive: Keys, clusters: pa.Table) -> dict[str, Any]:
    """(member, representative) pairs by the status of their cluster, and the share that is right.

    Confirmed ones are what a removal list names, those in review what `include_review` adds.
    """
    found: dict[str, Any] = {}
    columns = [strip(clusters[name]) for name in ("record_id", "representative")]
    for status in ("confirmed", "review"):
        rows = zip(*columns, clusters["status"].to_pylist(), strict=True)
        pairs = {
            pair for one, kept, is_ in rows if is_ == status for pair in ordered([(one, kept)])
        }
        if truth.negative is None:
            pairs = {pair for pair in pairs if truth.comparable(*pair)}
        else:
            pairs &= positive | truth.negative
        right = len(pairs & positive) / len(pairs) if pairs else None
        found |= {status: len(pairs), f"{status}_precision": right and round(right, 4)}
    return found


def table(rows: list[dict[str, Any]]) -> str:
    names = list(rows[0])
    widths = [max(len(name), *(len(str(row[name])) for row in rows)) for name in names]
    lines = ["  ".join(name.rjust(width) for name, width in zip(names, widths, strict=True))]
    for row in rows:
        cells = zip(row.values(), widths, strict=True)
        lines.append("  ".join(str(value).rjust(width) for value, width in cells))
    return "\n".join(lines)


class Report:
    """A table that is printed line by line, and written to a file with its facts at the end."""

    def __init__(self, header: str) -> None:
        self.lines: list[str] = []
        self.add(header)
        self.add("|" + "---|" * (header.count("|") - 1))

    def add(self, line: str) -> None:
        self.lines.append(line)
        print(line, flush=True)

    def write(self, path: Path, **facts: Any) -> None:
        """Write <path>.md and <path>.json, the machine in it."""
        path.with_suffix(".md").write_text("\n".join(self.lines) + "\n")
        keep(path.with_suffix(".json"), **facts)


def keep(path: Path, **facts: Any) -> None:
    """Write facts with the machine that they are of."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps({"machine": machine(), **facts}, indent=2, default=str)
    path.write_text(text + "\n")


def machine() -> dict[str, Any]:
    from importlib.metadata import version

    packages = ("torch", "sentence-transformers", "faiss-cpu", "pyarrow", "numpy")
    return {
        "date": time.strftime("%Y-%m-%d"),
        "platform": platform.platform(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        **{name: version(name) for name in packages},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--out", type=Path, default=Path("build/bench"))
    parser.add_argument("--only", nargs="*", default=REPORTED)
    parser.add_argument("--set", dest="overrides", default="{}", help="JSON over the configuration")
    chosen = parser.parse_args()
    chosen.out.mkdir(parents=True, exist_ok=True)
    rows = []
    for name in chosen.only:
        rows.append(
            measure(name, chosen.data, chosen.out / "catalogs", json.loads(chosen.overrides))
        )
        print(table(rows[-1:]), flush=True)
    text = table(rows)
    print(f"\n{text}")
    (chosen.out / "real_data.json").write_text(
        json.dumps({"machine": machine(), "sets": rows}, indent=2)
    )
    (chosen.out / "real_data.txt").write_text(f"{json.dumps(machine())}\n{text}\n")


if __name__ == "__main__":
    main()
