"""The tables of a run as the page asks for them: pairs by number, records by id, clusters."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from functools import cached_property
from threading import RLock
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

from pipeline.arrays import Flags, Floats, Rows, as_strings, positions_in
from pipeline.catalog import Catalog, Run
from pipeline.matching import judged_across

Row = dict[str, Any]
PAIR = ["left_id", "right_id"]
LIGHT = ["record_id", "source", "location", "image_uri", "text_hash", "image_hash",
         "image_width", "image_height", "timestamp", "first_seen", "deleted",
         "problem"]  # fmt: skip
CONTENT = ["record_id", "text", "word_count", "fields", "attributes"]
KEPT = 512  # previews kept in memory


class RunTables:
    """Tables of one run, each read when it is first needed.

    Records are numbered by their ids, ascending; pairs by theirs.
    """

    def __init__(self, catalog: Catalog, run: Run) -> None:
        self.catalog, self.run = catalog, run
        self._lock = RLock()
        self._previews: OrderedDict[str, bytes | None] = OrderedDict()

    @cached_property
    def pairs(self) -> pa.Table:
        """The judged pairs, sorted by their ids; those that a source's promise decided left out."""
        read = judged_across(self.catalog.read("pairs", run=self.run))
        return read.sort_by([(name, "ascending") for name in PAIR]).combine_chunks()

    @cached_property
    def probability(self) -> Floats:
        """(p,) the judge's, six decimals."""
        return np.asarray(
            np.round(self.pairs["probability"].to_numpy().astype(np.float64), 6), np.float64
        )

    @cached_property
    def ends(self) -> Rows:
        """(p, 2) numbers of the records of each pair."""
        sides = [positions_in(as_strings(self.pairs[name]), self.ids) for name in PAIR]
        return np.stack(sides, axis=1)

    @cached_property
    def records(self) -> pa.Table:
        """What is light of the records."""
        found = self.catalog.read("records", run=self.run, columns=LIGHT)
        return found.sort_by("record_id").combine_chunks()

    @cached_property
    def contents(self) -> pa.Table:
        """The texts and attributes of the records."""
        found = self.catalog.read("records", run=self.run, columns=CONTENT)
        return found.sort_by("record_id").combine_chunks()

    @cached_property
    def ids(self) -> pa.Array:
        """(r,) ids of the records."""
        return as_strings(self.records["record_id"])

    @cached_property
    def clusters(self) -> pa.Table:
        """The clusters, a row for each record, in the order of the records."""
        found = self.catalog.read("clusters", run=self.run)
        return found.sort_by("record_id").combine_chunks()

    @cached_property
    def cluster_names(self) -> pa.Array:
        """(c,) ids of the clusters, by number."""
        return self._coded.dictionary

    @cached_property
    def cluster_of(self) -> Rows:
        """(r,) number of each record's cluster."""
        return np.asarray(self._coded.indices, np.int64)

    @cached_property
    def _coded(self) -> pa.DictionaryArray:
        return as_strings(self.clusters["cluster_id"]).dictionary_encode()

    @cached_property
    def sizes(self) -> Rows:
        """(c,) records of each cluster."""
        return np.bincount(self.cluster_of, minlength=len(self.cluster_names))

    @cached_property
    def heads(self) -> Rows:
        """(c,) record that represents each cluster."""
        of = positions_in(as_strings(self.clusters["representative"]), self.ids)
        found = np.zeros(len(self.cluster_names), np.int64)
        found[self.cluster_of] = of
        return found

    @cached_property
    def together(self) -> Flags:
        """(p,) pairs of records of one cluster."""
        sides = self.cluster_of[self.ends]
        return np.asarray(sides[:, 0] == sides[:, 1])

    @cached_property
    def _members(self) -> tuple[Rows, Rows]:
        order = np.argsort(self.cluster_of, kind="stable")
        return order, np.concatenate([[0], np.cumsum(self.sizes)])

    def members(self, cluster: int) -> Rows:
        """Numbers of the records of a cluster."""
        order, starts = self._members
        return order[starts[cluster] : starts[cluster + 1]]

    @cached_property
    def _inside(self) -> tuple[Rows, Rows, Rows]:
        rows = np.flatnonzero(self.together)
        of = self.cluster_of[self.ends[rows, 0]]
        order = np.argsort(of, kind="stable")
        return rows[order], of[order], self.ends

    def pairs_within(self, cluster: int) -> Rows:
        """Numbers of the judged pairs inside a cluster."""
        rows, of, _ = self._inside
        first, last = np.searchsorted(of, [cluster, cluster + 1])
        return rows[first:last]

    @cached_property
    def _keys(self) -> Rows:
        """(p,) one number for each pair, ascending as the pairs are."""
        return self.ends[:, 0] * len(self.ids) + self.ends[:, 1]

    def number_of(self, left: int, right: int) -> int:
        """The number of a pair of records, -1: it was never judged."""
        key = left * len(self.ids) + right
        at = int(np.searchsorted(self._keys, key))
        return at if at < len(self._keys) and self._keys[at] == key else -1

    def numbers_of(self, pairs: Iterable[tuple[str, str]]) -> Rows:
        """The numbers of pairs of ids, left < right; -1 of what was never judged."""
        told = list(pairs)
        if not told:
            return np.zeros(0, np.int64)
        sides = [positions_in(pa.array(side, pa.string()), self.ids)
                 for side in zip(*told, strict=True)]  # fmt: skip
        key = np.where((sides[0] < 0) | (sides[1] < 0), -1, sides[0] * len(self.ids) + sides[1])
        at = np.minimum(np.searchsorted(self._keys, key), max(len(self._keys) - 1, 0))
        hit = self._keys[at] == key if len(self._keys) else np.zeros(len(key), bool)
        return np.where(hit, at, -1)

    def place_of(self, record: str) -> int:
        """The number of a record, -1: the run does not have it."""
        found = pc.index(self.ids, pa.scalar(record, self.ids.type)).as_py()
        return int(found)

    def record_rows(self, places: Sequence[int]) -> list[Row]:
        """Some records, without their previews."""
        at = pa.array(places, pa.int64())
        light = self.records.take(at).to_pylist()
        content = self.contents.take(at).to_pylist()
        return [one | other for one, other in zip(light, content, strict=True)]

    def preview(self, record: str) -> bytes | None:
        """The stored preview of a record's picture."""
        with self._lock:
            if record in self._previews:
                self._previews.move_to_end(record)
                return self._previews[record]
        table = self.catalog.dataset("records", run=self.run).to_table(
            columns=["thumbnail"], filter=ds.field("record_id") == record
        )
        found: bytes | None = table["thumbnail"][0].as_py() if len(table) else None
        with self._lock:
            self._previews[record] = found
            while len(self._previews) > KEPT:
                self._previews.popitem(last=False)
        return found

    def alignment(self, left: Row, right: Row) -> dict[tuple[str, str], Row]:
        """What geometry found of two records' pictures, as the report reads it."""
        from pipeline.outputs import alignments_of

        if "alignments" not in self.run.versions:
            return {}
        both = {left["record_id"]: left, right["record_id"]: right}
        return alignments_of(self.catalog.dataset("alignments", run=self.run), both)

    @cached_property
    def cut_links(self) -> pa.Table:
        """Links that were cut."""
        return self.catalog.read("cut_links", run=self.run)
