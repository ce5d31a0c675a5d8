"""The open labelled sets that the judge of texts is trained on, as texts and the truth of them.

Each is copied as a run without labels is given it (`labelled_sets.py`) and read by the product's
own sources, so that a text here is the text of a run. Of a list of labelled pairs only those pairs
are known; of the other sets the truth is complete.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pydantic import TypeAdapter

from pipeline.arrays import Flags, Ints, Positions, pair_key
from pipeline.config import SourceConfig
from pipeline.ingestion import open_source, record_texts

sys.path.append(str(Path(__file__).parents[1] / "texts"))
from labelled_sets import SETS, Copied, LabelledSet, Pair, Truth, names

# One judge is trained without each of these; `without_labels.py --judge` measures it there.
MEASURED = ("er_abt_buy", "er_dblp_acm", "er_cora", "er_restaurants", "chicago_early_childhood",
            "febrl3", "er_imdb_tmdb", "historical_people", "autofj_Drug",
            "autofj_Hospital")  # fmt: skip
NAMES = ("GovernmentAgency", "ChristianBishop", "Tournament", "Song", "Museum", "Hospital", "Drug",
         "SoccerLeague", "Magazine")  # fmt: skip


@dataclass(frozen=True)
class Listed(Copied):
    """A list of pairs that was copied, and the pairs that it decides."""

    known: frozenset[Pair]


@dataclass(frozen=True)
class PairList:
    """Labelled pairs of a folder's `pairs.parquet`; what is equal on a side is one record.

    Attributes:
        rows: a column, and the value of it that the rows taken have.
        left, right: the columns of a pair's two records: JSON by column's name, or a title.
        two_sided: the two are of two sources, and nothing else is compared.
    """

    folder: str
    rows: tuple[str, str]
    left: str
    right: str
    two_sided: bool

    def copied(self, data: Path, to: Path) -> Listed:
        """Copy it below `to`, each source into a file."""
        table = pq.read_table(data / self.folder / "pairs.parquet")
        table = table.filter(pc.equal(table[self.rows[0]], self.rows[1]))
        ids: dict[tuple[str, str], str] = {}
        ends = [
            [ids.setdefault((side, value), str(len(ids))) for value in table[column].to_pylist()]
            for side, column in zip(self._sides, (self.left, self.right), strict=True)
        ]
        labels = table["label"].to_pylist()
        said = [(min(a, b), max(a, b), y) for a, b, y in zip(*ends, labels, strict=True) if a != b]
        positive = frozenset((a, b) for a, b, y in said if y)
        side = {name: side for (side, _), name in ids.items()}
        records = {name: self._record(value) for (_, value), name in ids.items()}
        columns = tuple(dict.fromkeys(column for one in records.values() for column in one))
        files = {name: to / f"{name}.parquet" for name in dict.fromkeys(self._sides)}
        for source, path in files.items():
            part = [
                {"record_id": name, **{column: one.get(column) for column in columns}}
                for name, one in records.items()
                if side[name] == source
            ]
            pq.write_table(pa.Table.from_pylist(part), path)
        truth = Truth(positive, side if self.two_sided else None)
        known = frozenset((a, b) for a, b, _ in said)
        return Listed(to, files, columns, truth, (), len(records), known)

    @property
    def _sides(self) -> tuple[str, str]:
        return ("left", "right") if self.two_sided else ("s", "s")

    def _record(self, value: str) -> dict[str, str | None]:
        if not self.left.endswith("_json"):
            return {"title": value}
        record = json.loads(value)
        return {name: None if part is None else str(part) for name, part in record.items()}


def magellan(task: str) -> PairList:
    return PairList("er_magellan_pairs", ("task", task), "left_json", "right_json", True)


def products(category: str) -> PairList:
    return PairList("wdc_lspc", ("category", category), "text_a", "text_b", False)


TRAINED: dict[str, LabelledSet | PairList] = {
    "beer": magellan("Beer"),
    "itunes_amazon": magellan("iTunes-Amazon"),
    "fodors_zagats": magellan("Fodors-Zagats"),
    "wdc_cameras": products("cameras"),
    "wdc_computers": products("computers"),
    **{f"autofj_{task}": names(task) for task in NAMES},
    **{name: SETS[name] for name in MEASURED},
}
# Sets of one kind of thing, partly of one origin: none of them trains a judge of another.
RELATIVES = (
    {"er_restaurants", "fodors_zagats"},
    {"wdc_cameras", "wdc_computers"},
    {f"autofj_{task}" for task in NAMES},
)


def strangers(name: str) -> list[str]:
    """The sets that a judge of this one may be trained on."""
    kin = set().union({name}, *(family for family in RELATIVES if name in family))
    return [other for other in TRAINED if other not in kin]


@dataclass(frozen=True)
class OpenSet:
    """The n texts of a set and what is true of them.

    Attributes:
        side: (n,) number of the source, the same for all where pairs within one are compared.
        two_sided: only pairs across the sources are.
        positive: sorted keys (`pair_key`) of the true pairs whose texts are there.
        true_pairs: how many true pairs there are in all.
        known: sorted keys of the pairs that the labels decide; None: all.
    """

    name: str
    texts: list[str]
    side: Ints
    two_sided: bool
    positive: Ints
    true_pairs: int
    known: Ints | None

    def compared(self, left: Positions, right: Positions) -> Flags:
        """(p,) whether a pair is one that is asked about."""
        return (left != right) & (not self.two_sided or self.side[left] != self.side[right])


def read_set(name: str, data: Path) -> OpenSet:
    """Read one of `TRAINED`; a record without a text is left out."""
    with tempfile.TemporaryDirectory() as folder:
        copied = TRAINED[name].copied(data, Path(folder))
        found = [row for entry in copied.sources() for row in _records(entry)]
    place = {identifier: row for row, (_, identifier, _) in enumerate(found)}
    sources, _, texts = zip(*found, strict=True)
    truth = copied.truth
    return OpenSet(
        name, list(texts),
        side=np.unique(np.array(sources), return_inverse=True)[1],
        two_sided=truth.side is not None,
        positive=_keys(truth.positive, place),
        true_pairs=len(truth.positive),
        known=_keys(copied.known, place) if isinstance(copied, Listed) else None,
    )  # fmt: skip


def _records(entry: dict[str, Any]) -> Iterable[tuple[str, str, str]]:
    """Source, id and text of each record of a source."""
    source = open_source(TypeAdapter(SourceConfig).validate_python(entry))
    for batch in source.batches(rows=100_000):
        texts = record_texts(batch.rows).text.to_pylist()
        for identifier, text in zip(batch.rows["key"].to_pylist(), texts, strict=True):
            if text:
                yield entry["name"], identifier, text


def _keys(pairs: frozenset[Pair], place: dict[str, int]) -> Ints:
    ends = [(place[a], place[b]) for a, b in pairs if a in place and b in place]
    rows = np.sort(np.array(ends, np.int64).reshape(-1, 2), axis=1)
    return np.unique(pair_key(rows[:, 0], rows[:, 1], len(place)))
