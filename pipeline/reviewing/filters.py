"""Filters of the queues: which pairs and clusters a person wants to see."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.arrays import Flags, Floats, Rows
from pipeline.reviewing.tables import RunTables


@dataclass(frozen=True)
class Filters:
    """What a person wants to see; what is not stated does not matter.

    Attributes:
        source: of one of both records. low, high: probability, or a cluster's cohesion.
        size_min, size_max: records of the cluster (of the larger one, of a pair in two).
        modality: both records have it; both: text and picture.
        other_folder, other_source: the records lie in different ones.
        q: is in a text or an id of one of them, whatever the case.
    """

    source: str = ""
    low: float = 0.0
    high: float = 1.0
    size_min: int = 1
    size_max: int = 1 << 31
    modality: Literal["", "text", "image", "both"] = ""
    other_folder: bool = False
    other_source: bool = False
    q: str = ""


class Filtering:
    """Applies filters to the tables of a run; the last few results are kept."""

    def __init__(self, tables: RunTables) -> None:
        self.tables = tables
        self.pairs = lru_cache(maxsize=8)(self._pairs)
        self.clusters = lru_cache(maxsize=8)(self._clusters)
        self._folder: Rows | None = None

    def _pairs(self, wanted: Filters) -> Flags | None:
        """(p,) judged pairs that fit; None: all."""
        if wanted == Filters():
            return None
        tables = self.tables
        left, right = tables.ends.T
        fits = _between(tables.probability, wanted)
        one = self._records(wanted, both=False)
        if one is not None:
            fits &= one[left] | one[right]
        each = self._records(wanted, both=True)
        if each is not None:
            fits &= each[left] & each[right]
        size = tables.sizes[tables.cluster_of]
        larger = np.maximum(size[left], size[right])
        fits &= (larger >= wanted.size_min) & (larger <= wanted.size_max)
        if wanted.other_source:
            source = self._sources()
            fits &= source[left] != source[right]
        if wanted.other_folder:
            folder = self._folders()
            fits &= folder[left] != folder[right]
        return fits

    def _clusters(self, wanted: Filters) -> Flags | None:
        """(c,) clusters that fit; None: all."""
        if wanted == Filters():
            return None
        tables = self.tables
        cohesion = np.round(tables.clusters["cohesion"].to_numpy().astype(np.float64), 6)
        fits = _between(cohesion[tables.heads], wanted)
        fits &= (tables.sizes >= wanted.size_min) & (tables.sizes <= wanted.size_max)
        for both in (False, True):
            found = self._records(wanted, both=both)
            if found is not None:
                count = np.bincount(tables.cluster_of[found], minlength=len(fits))
                fits &= (count == tables.sizes) if both else (count > 0)
        for asked, code in ((wanted.other_source, self._sources), (wanted.other_folder,
                                                                   self._folders)):  # fmt: skip
            if asked:
                several = code() != code()[tables.heads[tables.cluster_of]]
                fits &= np.bincount(tables.cluster_of[several], minlength=len(fits)) > 0
        return fits

    def _records(self, wanted: Filters, *, both: bool) -> Flags | None:
        """(r,) records that fit by themselves: one of a pair is enough, or both must."""
        records, fits = self.tables.records, None
        if both:
            for kind in ("text", "image"):
                if wanted.modality in (kind, "both"):
                    has = np.asarray(records[f"{kind}_hash"].is_valid(), bool)
                    fits = has if fits is None else fits & has
            return fits
        if wanted.source:
            fits = np.asarray(pc.equal(records["source"], wanted.source), bool)
        if wanted.q:
            found = self.search(wanted.q)
            fits = found if fits is None else fits & found
        return fits

    def search(self, words: str) -> Flags:
        """(r,) records whose text or id has the words."""
        found = np.zeros(len(self.tables.ids), bool)
        for column in (self.tables.ids, self.tables.contents["text"]):
            hit = pc.match_substring(column, words, ignore_case=True)
            found |= np.asarray(pc.fill_null(hit, False), bool)
        return found

    def _sources(self) -> Rows:
        return _codes(self.tables.records["source"])

    def _folders(self) -> Rows:
        """(r,) number of each record's folder: that of its picture, else of its row's file."""
        if self._folder is None:
            records = self.tables.records
            place = pc.coalesce(records["image_uri"], records["location"])
            folder = pc.replace_substring_regex(place, r"/?[^/]*$", "")
            both = pc.binary_join_element_wise(records["source"], folder, "\0")
            self._folder = _codes(both)
        return self._folder


def _between(value: Floats, wanted: Filters) -> Flags:
    return np.asarray((value >= wanted.low) & (value <= wanted.high))


def _codes(column: pa.ChunkedArray) -> Rows:
    coded = column.combine_chunks().dictionary_encode()
    if isinstance(coded, pa.ChunkedArray):
        coded = coded.combine_chunks()
    return np.asarray(pc.fill_null(coded.indices, -1), np.int64)
