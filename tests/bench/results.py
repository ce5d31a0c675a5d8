"""The rows of a benchmark: one table and one file, written anew after each row."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

from processes import called, peer_versions

HEADER = "| what | rows | way | seconds | × gemel | peak GB | quality |"
OURS = "gemel"  # the way that others are told as a multiple of
PACKAGES = ("gemel", "model2vec", "rensa", "prefect", "deltalake", "scikit-learn")


@dataclass(frozen=True)
class Measured:
    """What one way took and how good its result is; `facts` go into the file only."""

    seconds: float
    peak_gb: float
    quality: str
    facts: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Way:
    """One way to do a section's work."""

    name: str
    measure: Callable[[], Measured]


@dataclass(frozen=True)
class Row:
    """A line of the table; without `measured` the `note` says why."""

    what: str
    rows: int
    way: str
    measured: Measured | None
    note: str = ""


class Results:
    """All rows so far, in <folder>/bench.md and bench.json."""

    def __init__(self, out: Path, **options: Any) -> None:
        self.out = out
        self.rows: list[Row] = []
        self.facts = {"options": options, "machine": called(machine_facts)["machine"]}

    def add(self, row: Row) -> None:
        """Keep a row, write all of them, and show it as progress."""
        self.rows.append(row)
        self.write()
        print(self.line(row), file=sys.stderr, flush=True)

    def write(self) -> None:
        """Write the table and the facts."""
        (self.out / "bench.md").write_text(self.table() + "\n")
        rows = [{**asdict(row), "times_gemel": self.times(row)} for row in self.rows]
        facts = {**self.facts, "peers": peer_versions(self.out), "rows": rows}
        (self.out / "bench.json").write_text(json.dumps(facts, indent=2, default=str) + "\n")

    def table(self) -> str:
        """All rows as a Markdown table, those of growth below the sections they tell of."""
        lines = [HEADER, "|" + "---|" * (HEADER.count("|") - 1)]
        for what in dict.fromkeys(row.what for row in self.rows):
            lines += [self.line(row) for row in self.rows if row.what == what]
            lines += self.growth(what)
        return "\n".join(lines)

    def line(self, row: Row) -> str:
        """One row as a line of the table."""
        found, times = row.measured, self.times(row)
        if found is None:
            return f"| {row.what} | {row.rows:,} | {row.way} | | | | {row.note} |"
        seconds = f"{found.seconds:.{1 if found.seconds >= 10 else 2}f}"
        multiple = "" if times is None else f"{times:.2f}"
        return (
            f"| {row.what} | {row.rows:,} | {row.way} | {seconds} | {multiple} | "
            f"{found.peak_gb:.2f} | {found.quality} |"
        )

    def times(self, row: Row) -> float | None:
        """Seconds as a multiple of Gemel's at the same work; None until both are there."""
        ours = dict(self._seconds(row.what, OURS)).get(row.rows)
        return row.measured.seconds / ours if row.measured and ours else None

    def growth(self, what: str) -> Iterator[str]:
        """Lines that tell how the cost of a record grew from the second largest size on."""
        for way in dict.fromkeys(row.way for row in self.rows if row.what == what):
            done = sorted(self._seconds(what, way))
            for (few, quick), (many, slow) in list(pairwise(done))[-1:]:
                yield (
                    f"| {what}, growth | {few:,} → {many:,} | {way} | | | | "
                    f"cost per record × {slow / many / (quick / few):.2f} |"
                )

    def _seconds(self, what: str, way: str) -> list[tuple[int, float]]:
        """(rows, seconds) of a way of a section."""
        same = [row for row in self.rows if row.what == what and row.way == way]
        return [(row.rows, row.measured.seconds) for row in same if row.measured]


def machine_facts() -> dict[str, Any]:
    """The machine and our versions."""
    from importlib.metadata import version

    from real_data import machine

    listed = [line.split(":", 1) for line in Path("/proc/cpuinfo").read_text().splitlines() if line]
    cpu = next((value.strip() for name, value in listed if name.strip() == "model name"), "")
    ours = {name: version(name) for name in PACKAGES}
    return {"machine": {**machine(), **ours, "cpu": cpu}}
