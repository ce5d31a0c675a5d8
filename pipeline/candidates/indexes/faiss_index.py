"""FAISS: flat up to a size, inverted lists above.

Inverted lists are joined list by list: the members of one list and every vector that probes it meet
in one dense product, which keeps both cores in BLAS instead of in one heap per query.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from pipeline.arrays import (
    BASE,
    QUERIES,
    Floors,
    Hits,
    Matrix,
    Pairs,
    Positions,
    Scores,
    StoredMatrix,
    Vectors,
    each,
    exact_pairs,
    fastest,
    has_room,
    pairs_reaching,
    positions_in_sorted,
    settle_hits,
)
from pipeline.candidates.indexes.checkpoint import Keep
from pipeline.candidates.indexes.exact import BruteForce
from pipeline.candidates.indexes.inverted_lists import Probes, assign_lists, train_lists
from pipeline.config import FaissIndex

if TYPE_CHECKING:
    from torch import Tensor

LISTS_PER_PART = 64
CHUNK = 65_536


def build_faiss(
    config: FaissIndex, vectors: Matrix, *, floor: Floors, seed: int, keep: Keep
) -> FlatIndex | ListIndex:
    """Choose by the rule: flat up to `exact_below` vectors, inverted lists above."""
    if len(vectors) <= config.exact_below or len(vectors) < 1024:
        return FlatIndex(vectors)
    return ListIndex(vectors, floor=floor, target_recall=config.target_recall, seed=seed, keep=keep)


class FlatIndex(BruteForce):
    """Exact search; saved as a FAISS flat index."""

    def __init__(self, vectors: Matrix) -> None:
        super().__init__(vectors)
        self.description = f"faiss Flat (exact), {len(vectors)} vectors"

    def save(self, folder: Path) -> None:
        """Write `index.faiss`, readable by any FAISS."""
        import faiss

        index = faiss.IndexFlatIP(self.vectors.shape[1])
        for start in range(0, len(self.vectors), CHUNK):
            index.add(np.ascontiguousarray(self.vectors[start : start + CHUNK]))
        _write(index, folder)


class ListIndex:
    """Inverted lists over the vectors; each vector probes the lists nearly as near as its own.

    A vector in the middle of its list has no near pair elsewhere, one at the border does. So the
    number of probes is not fixed: a list is probed when its centroid's score is within `gap` of the
    best one. The gap is the smallest that finds the target share of a sample's true pairs, and the
    number of lists is that which would cost least at its gap, both on the data at hand.

    Vectors are numbered by their list here ("places"), so that the members of a list are one slice
    of one matrix in the type that the machine multiplies fastest.
    """

    def __init__(
        self, vectors: Matrix, *, floor: Floors, target_recall: float, seed: int, keep: Keep
    ) -> None:
        self.vectors, self.kernel = vectors, fastest()
        made = keep("lists", lambda: train_lists(vectors, floor, target_recall, seed=seed))
        self.centroids, self.order = made["centroids"], made["order"]
        self.gap, self.lists = float(made["gap"]), len(self.centroids)
        self.own, self.probes = made["own"], Probes(made["starts"], made["probed"])
        self.bounds = np.searchsorted(self.own, np.arange(self.lists + 1))
        self.parts = max(1, self.lists // LISTS_PER_PART)
        self._sorted: npt.NDArray[Any] | StoredMatrix | None = None
        self.probed = len(self.probes.numbers) / len(vectors)
        self.description = (
            f"faiss IVF{self.lists},SQfp16 joined by list, {self.probed:.1f} probes on average, "
            f"{len(vectors)} vectors"
        )

    def self_join(self, floor: Floors, part: int) -> Iterator[Pairs]:
        """See `Index.self_join`; a pair whose lists neither side probes is missed."""
        return exact_pairs(self.vectors, self._by_list(each(floor, len(self.order)), part))

    def _by_list(self, floors: Scores, part: int) -> Iterator[Hits]:
        first, last = (self.lists * (part + step) // self.parts for step in (0, 1))
        for number, probing in self.probes.by_list(range(first, last)):
            low, high = int(self.bounds[number]), int(self.bounds[number + 1])
            if low == high:
                continue
            probed, base = self.probes.keys(low, high, self.lists), self._members(slice(low, high))
            step = max(256, QUERIES * BASE // (high - low))
            for top in range(0, len(probing), step):
                yield from self._block(probing[top : top + step], low, base, probed, floors)

    def _block(
        self, places: Positions, low: int, base: Tensor, probed: Positions, floors: Scores
    ) -> Iterator[Hits]:
        """Some of the places that probe a list with its members.

        Args:
            low: place of the first member.
            base: (m, d) the members.
            probed: keys of what they probe.
        """
        rows, members = self.order[places], self.order[low : low + len(base)]
        floor = floors[rows], floors[members]
        found = self.kernel.hits(self._members(places), base, floor)
        found = found.take(self._first_finding(places[found.row], found.column, low, probed))
        found = settle_hits(
            found,
            queries=lambda at: self.vectors[rows[at]],
            base=lambda at: self.vectors[members[at]],
        )
        if len(found.row):
            yield Hits(rows[found.row], members[found.column], found.floor, found.sure)

    def _members(self, places: slice | Positions) -> Tensor:
        """Vectors by place, in the kernel's type; of the bits of another numpy knows nothing."""
        import torch

        kind = getattr(torch, self.kernel.name)
        if self._sorted is None:
            place = np.empty_like(self.order)
            place[self.order] = np.arange(len(place))
            shape = len(self.order), int(self.vectors.shape[1])
            made = has_room(shape, f"i{kind.itemsize}", self.vectors)
            # Read from first to last, and written here and there.
            for start in range(0, len(place), CHUNK):
                block = self.kernel.of(self.vectors[start : start + CHUNK])
                bits = block.view(getattr(torch, f"int{8 * kind.itemsize}")).numpy()
                made[place[start : start + CHUNK]] = bits
            self._sorted = made
        return torch.from_numpy(self._sorted[places]).view(kind)

    def _first_finding(
        self, query: Positions, column: Positions, low: int, probed: Positions
    ) -> npt.NDArray[np.bool_]:
        """Mark one of the two ways in which a pair can be found, so that it is yielded once."""
        kept = query < column + low
        later = np.flatnonzero(query > column + low)
        back = column[later] * self.lists + self.own[query[later]]
        kept[later] = positions_in_sorted(back, probed) < 0
        return kept

    def search(self, queries: Vectors, floor: float) -> Iterator[Pairs]:
        """See `Index.search`; a pair whose lists neither side probes is missed."""
        own, probes = assign_lists(queries, self.centroids, self.gap)
        for found in self._met(self.kernel.of(queries), own, probes, floor):
            kept = pairs_reaching(self.vectors, found, queries=queries)
            yield found.row[kept], found.column[kept]

    def _met(self, queries: Any, own: Positions, probes: Probes, floor: float) -> Iterator[Hits]:
        """Queries with the members of the lists they probe, and with whoever probes their own."""
        every = range(self.lists)
        probed = probes.keys(0, len(own), self.lists)
        for number, rows in probes.by_list(every):
            low, high = self.bounds[number], self.bounds[number + 1]
            found = self.kernel.hits(queries[rows], self._members(slice(low, high)), floor)
            yield Hits(rows[found.row], self.order[found.column + low], found.floor, found.sure)
        for number, places in self.probes.by_list(every):
            rows = np.flatnonzero(own == number)
            found = self.kernel.hits(queries[rows], self._members(places), floor)
            query, place = rows[found.row], places[found.column]
            new = positions_in_sorted(query * self.lists + self.own[place], probed) < 0
            yield Hits(query[new], self.order[place[new]], found.floor[new], found.sure[new])

    def save(self, folder: Path) -> None:
        """Write `index.faiss` (half-precision lists), readable by any FAISS."""
        import faiss

        dimension = self.vectors.shape[1]
        quantizer = faiss.IndexFlatIP(dimension)
        quantizer.add(self.centroids)
        index = faiss.IndexIVFScalarQuantizer(
            quantizer,
            dimension,
            self.lists,
            faiss.ScalarQuantizer.QT_fp16,
            faiss.METRIC_INNER_PRODUCT,
        )
        index.nprobe = max(1, round(self.probed))
        index.train(self.centroids)
        own = np.empty_like(self.own)
        own[self.order] = self.own
        self._sorted = None  # no room for both
        _reserve(index, np.bincount(own, minlength=self.lists))
        for start in range(0, len(own), CHUNK):
            block = np.ascontiguousarray(self.vectors[start : start + CHUNK])
            ids, lists = np.arange(start, start + len(block)), own[start : start + CHUNK]
            pointers = [faiss.swig_ptr(array) for array in (block, ids, lists)]
            index.add_core(len(block), *pointers)
        _write(index, folder)


def _reserve(index: Any, sizes: Positions) -> None:
    """Give each list its room at once: growing, it would take up to twice as much."""
    import faiss

    lists = faiss.downcast_InvertedLists(index.invlists)
    for number, size in enumerate(sizes.tolist()):
        lists.resize(number, size)
        lists.resize(number, 0)


def _write(index: Any, folder: Path) -> None:
    import faiss

    folder.mkdir(parents=True, exist_ok=True)
    faiss.write_index(index, str(folder / "index.faiss"))
