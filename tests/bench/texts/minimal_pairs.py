"""Pairs of nearly equal records, of which what differs says whether they are one, through a run.

    python tests/bench/texts/minimal_pairs.py --data DATA [--pairs FOLDER] [--set JSON]

The pairs of FOLDER/pairs.csv (by default of DATA's minimal_pairs_text) among 1,500 unrelated
records of other sets of DATA, drawn with a fixed seed: single texts of about the pairs' lengths,
and records in columns. Single texts are one source with one text column, records one source for
each choice of columns. Told by kind, over all pairs, and balanced by kind: there a share is the
mean of the kinds' shares, so that each kind weighs the same. Balanced accuracy is the mean of two
shares: of `same` joined and of `different` not joined; told of all pairs and balanced by kind.
"""

from __future__ import annotations

import argparse
import csv
import json
import random
import sys
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from labelled_sets import SETS
from outcome import Outcome, completed

sys.path.append(str(Path(__file__).parents[1]))
from real_data import Report

HEADER = (
    "| kind | different | joined, confirmed | joined | same | joined, confirmed | joined | "
    "joined or for review |"
)
Record = dict[str, str]
TEXTS, IN_COLUMNS = 1_000, 500  # unrelated ones
# Single texts: set, table, the column that is one for the renderings of one text, text columns.
POOLS = (
    ("debian_descriptions", "records", "source_package", ("description",)),
    ("debian_descriptions", "records", "source_package", ("summary",)),
    ("bible_en_parallel", "records", "cluster_id", ("text",)),
    ("apache_jira", "records", "record_id", ("summary",)),
    ("qqp_dev_test", "pairs", "text_a", ("text_a",)),
    ("gitbugs", "records", "record_id", ("summary",)),
)
# Records in columns: set, one of its sources, the column of which each value is taken once.
SIDES = (
    ("er_abt_buy", "abt", "name"),
    ("er_dblp_acm", "dblp", "title"),
    ("chicago_early_childhood", "s", "Address"),
)


@dataclass(frozen=True)
class Minimal:
    """A pair, and whether its records are one."""

    name: str
    kind: str
    same: bool
    left: Record
    right: Record

    @property
    def ends(self) -> tuple[str, str]:
        return f"{self.name}-left", f"{self.name}-right"


def read(path: Path) -> list[Minimal]:
    csv.field_size_limit(1 << 24)
    with path.open(encoding="utf-8", newline="") as file:
        return [
            Minimal(row["pair_id"], row["kind"], row["label"] == "same",
                    json.loads(row["left_json"]), json.loads(row["right_json"]))
            for row in csv.DictReader(file)
        ]  # fmt: skip


def unrelated(data: Path, lengths: list[int], drawn: random.Random) -> Iterator[Record]:
    """Records that are about other things than the pairs and than each other."""
    for pool, (folder, table, group, columns) in enumerate(POOLS):
        texts = sorted(set(_one_of_each(data / folder / f"{table}.parquet", group, columns)))
        drawn.shuffle(texts)
        for _ in range(len(range(pool, TEXTS, len(POOLS)))):
            wanted = drawn.choice(lengths)
            near = min(range(min(len(texts), 50)), key=lambda at: abs(len(texts[at]) - wanted))
            yield {"text": texts.pop(near)}
    for number, (name, side, once) in enumerate(SIDES):
        rows = _one_side(data, name, side, once)
        yield from drawn.sample(rows, len(range(number, IN_COLUMNS, len(SIDES))))


def _one_of_each(path: Path, group: str, columns: tuple[str, ...]) -> Iterable[str]:
    table = pq.read_table(path, columns=list({group, *columns}))
    rows = {row[group]: " ".join(row[name] or "" for name in columns) for row in table.to_pylist()}
    return (text for text in rows.values() if text.strip())


def _one_side(data: Path, name: str, side: str, once: str) -> list[Record]:
    with tempfile.TemporaryDirectory() as folder:
        rows = pq.read_table(SETS[name].copied(data, Path(folder)).files[side]).to_pylist()
    found = {row[once].casefold(): row for row in rows if row[once]}
    return [{key: row[key] for key in row if key != "record_id"} for row in found.values()]


def sources(pairs: list[Minimal], others: list[Record], to: Path) -> list[dict[str, Any]]:
    """Write the records, those with the same columns into one file, in an order drawn at random."""
    written: dict[tuple[str, ...], list[Record]] = {}
    for pair in pairs:
        schema = tuple(dict.fromkeys([*pair.left, *pair.right]))
        for name, record in zip(pair.ends, (pair.left, pair.right), strict=True):
            written.setdefault(schema, []).append({"id": name, **record})
    for number, record in enumerate(others):
        written.setdefault(tuple(record), []).append({"id": f"other-{number}", **record})
    found = []
    for number, (schema, records) in enumerate(sorted(written.items())):
        random.Random(number).shuffle(records)
        path = to / f"records-{number}.jsonl"
        lines = [json.dumps(record, ensure_ascii=False) for record in records]
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        found.append(
            {"type": "jsonl", "name": f"s{number}", "path": str(path),
             "columns": {"id": "id", "text": schema, "attributes": ()}}
        )  # fmt: skip
    return found


# --- what came out -------------------------------------------------------------------------------

Shares = dict[str, float]


def seen(outcome: Outcome, pair: Minimal) -> Shares:
    """What became of one pair: ones and noughts."""
    joined = outcome.together(pair.ends)
    (decision,) = outcome.decisions([pair.ends])
    return {
        "confirmed": outcome.together(pair.ends, ("confirmed",)),
        "joined": joined,
        "found": joined or decision in ("duplicate", "review"),
    }


def mean(rows: Iterable[Shares]) -> Shares:
    rows = list(rows)
    return {key: sum(row[key] for row in rows) / len(rows) for key in rows[0]} if rows else {}


def line(name: str, different: Shares, same: Shares, counts: tuple[int, int]) -> str:
    cells = [
        name, counts[0], share(different, "confirmed"), share(different, "joined"),
        counts[1], share(same, "confirmed"), share(same, "joined"), share(same, "found"),
    ]  # fmt: skip
    return "| " + " | ".join(map(str, cells)) + " |"


def share(shares: Shares, key: str) -> str:
    return f"{shares[key]:.1%}" if shares else "–"


def report(pairs: list[Minimal], outcome: Outcome) -> tuple[Report, dict[str, Any]]:
    """The table by kind with its totals, and the same as facts."""
    told = Report(HEADER)
    by_kind: dict[bool, dict[str, Shares]] = {True: {}, False: {}}
    of = {pair.name: seen(outcome, pair) for pair in pairs}
    for kind in sorted({pair.kind for pair in pairs}):
        mine = [pair for pair in pairs if pair.kind == kind]
        for same in (False, True):
            if found := mean(of[pair.name] for pair in mine if pair.same == same):
                by_kind[same][kind] = found
        counts = (sum(not pair.same for pair in mine), sum(pair.same for pair in mine))
        told.add(line(kind, by_kind[False].get(kind, {}), by_kind[True].get(kind, {}), counts))
    total = {s: mean(of[pair.name] for pair in pairs if pair.same == s) for s in (False, True)}
    balanced = {s: mean(by_kind[s].values()) for s in (False, True)}
    counts = (sum(not pair.same for pair in pairs), sum(pair.same for pair in pairs))
    told.add(line("all pairs", total[False], total[True], counts))
    told.add(line("balanced by kind", balanced[False], balanced[True], counts))
    facts: dict[str, Any] = {"pairs": of}
    for name, shares in (("all pairs", total), ("balanced by kind", balanced)):
        accuracy = (shares[True]["joined"] + 1 - shares[False]["joined"]) / 2
        facts[name] = {"different": shares[False], "same": shares[True], "accuracy": accuracy}
        print(f"balanced accuracy, {name}: {accuracy:.3f}")
    return told, facts


def strays(pairs: list[Minimal], outcome: Outcome) -> dict[str, int]:
    """Clusters of records that nobody paired: unrelated ones, or those of several pairs."""
    of = {name: pair.name for pair in pairs for name in pair.ends}
    about = [{of.get(name, "") for name in members} for members in outcome.clusters()]
    return {
        "clusters of unrelated records alone": sum(names == {""} for names in about),
        "clusters of a pair's and unrelated records": sum("" in n and n != {""} for n in about),
        "clusters of several pairs": sum(len(names - {""}) > 1 for names in about),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--pairs", type=Path, help="folder with the pairs.csv to measure")
    parser.add_argument("--out", type=Path, default=Path("build/bench"))
    parser.add_argument("--set", dest="overrides", default="{}", help="JSON over the configuration")
    parser.add_argument("--seed", type=int, default=17)
    chosen = parser.parse_args()
    chosen.out.mkdir(parents=True, exist_ok=True)
    pairs = read((chosen.pairs or chosen.data / "minimal_pairs_text") / "pairs.csv")
    lengths = [len(pair.left["text"]) for pair in pairs if "text" in pair.left]
    others = list(unrelated(chosen.data, lengths or [120], random.Random(chosen.seed)))
    with tempfile.TemporaryDirectory() as folder:
        given = sources(pairs, others, Path(folder))
        settings = {"sources": given, **json.loads(chosen.overrides)}
        outcome = completed(settings, Path(folder) / "catalog")
    told, facts = report(pairs, outcome)
    found = strays(pairs, outcome)
    for name, count in found.items():
        print(f"{name}: {count}")
    told.write(chosen.out / "minimal_pairs", options=vars(chosen), strays=found, **facts)


if __name__ == "__main__":
    main()
