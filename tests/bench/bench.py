"""Gemel beside its peers: one table, one file, every figure beside its peer in the same run.

    python tests/bench/bench.py [--quick] [--sizes 10000 100000 1000000] [--only texts vectors …]

Each way runs in a process of its own, one after the other; seconds and peak memory are that
process's, and quality stands beside speed. The peers are installed into a folder of the benchmark
on first use. The table and all facts, machine and versions among them, are in bench.md and
bench.json below --out, written anew after each row. --quick is 10,000 rows of everything.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

sys.path += [str(Path(__file__).parent / folder) for folder in ("rows", "size")]
import cascades
import copies
import end_to_end
import long_texts
import overhead
import vector_join
from processes import UnfinishedError
from results import Results, Row, Way

SIZES, QUICK = (10_000, 100_000, 1_000_000), (10_000,)
MIDDLE = 100_000  # the largest size of what takes minutes by itself


@dataclass(frozen=True)
class Section:
    """Ways to do one work, in how many rows of `--data`."""

    what: str
    ways: Callable[[Path, Path, int], list[Way]]
    sizes: Callable[[Path, Sequence[int]], Sequence[int]]


def every(_data: Path, sizes: Sequence[int]) -> Sequence[int]:
    return sizes


def middle(_data: Path, sizes: Sequence[int]) -> Sequence[int]:
    return (min(max(sizes), MIDDLE),)


SECTIONS = {
    "texts": Section("texts, end to end", end_to_end.ways, every),
    "vectors": Section("self-join of vectors", vector_join.ways, every),
    "long": Section("long texts", long_texts.ways, lambda data, _: (long_texts.rows_of(data),)),
    "pictures": Section("pictures", copies.ways, lambda data, _: (copies.rows_of(data),)),
    "cascade": Section("cascade", cascades.ways, middle),
    "overhead": Section("Prefect and catalog", overhead.ways, middle),
}


def rows_of(section: Section, data: Path, out: Path, sizes: Sequence[int]) -> Iterator[Row]:
    """Every way at every size; one that fails is told and the next begins."""
    for rows in section.sizes(data, sizes):
        try:
            ways = section.ways(data, out, rows)
        except UnfinishedError as failed:
            yield Row(section.what, rows, "preparing", None, str(failed))
            continue
        for way in ways:
            try:
                yield Row(section.what, rows, way.name, way.measure())
            except UnfinishedError as failed:
                yield Row(section.what, rows, way.name, None, str(failed))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--out", type=Path, default=Path("build/bench"))
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    parser.add_argument("--quick", action="store_true", help="10,000 rows only, under 5 minutes.")
    parser.add_argument("--only", nargs="+", choices=SECTIONS, default=list(SECTIONS))
    chosen = parser.parse_args()
    data, out = chosen.data.resolve(), chosen.out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    sizes = QUICK if chosen.quick else tuple(sorted(chosen.sizes))
    results = Results(out, sizes=sizes, sections=chosen.only)
    for name in chosen.only:
        for row in rows_of(SECTIONS[name], data, out, sizes):
            results.add(row)
    print(results.table())


if __name__ == "__main__":
    main()
