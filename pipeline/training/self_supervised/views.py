"""Records in two views each, in steps of which every record is once in an epoch."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from numpy.random import Generator
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from pipeline.arrays import Rows
from pipeline.encoders import Features

Floats = NDArray[np.float32]
ViewPlace = tuple[int, int]  # epoch and row
ViewStep = tuple[Tensor, Features]  # rows, and features of both views of each in turn

# How many edits a view has: the one lightly, the other heavily edited, as an original and its copy.
LIGHT = (0.3, 0.4, 0.3)
HEAVY = (0.0, 0.25, 0.35, 0.25, 0.15)

_NEAREST = 10


def generator(seed: int, place: ViewPlace) -> Generator:
    """What decides a record's views: nothing but the seed, the epoch and the row."""
    return np.random.default_rng([seed, *place])


def edits_of_a_view(random: Generator, chances: Sequence[float]) -> int:
    """How many edits a view gets."""
    return int(random.choice(len(chances), p=chances))


def split_views(group: Rows, *, held_back: float, seed: int) -> tuple[Rows, Rows]:
    """Rows to train on and rows held back, whole groups at a time; at least one to train on."""
    groups, sizes = np.unique(group, return_counts=True)
    order = np.random.default_rng(seed).permutation(len(groups))
    before = np.cumsum(sizes[order]) - sizes[order]
    back = order[(before < held_back * len(group)) & (np.arange(len(order)) < len(order) - 1)]
    held = np.isin(group, groups[back])
    return np.flatnonzero(~held), np.flatnonzero(held)


def look_alikes(vectors: Floats, group: Rows) -> Rows:
    """(n, k) rows of other groups that are nearest to each, the nearest first; by blocks."""
    unit = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    out = np.zeros((len(unit), min(_NEAREST, max(len(unit) - 1, 0))), np.int64)
    for start in range(0, len(unit), 1024):
        cosine = unit[start : start + 1024] @ unit.T
        cosine[group[start : start + 1024, None] == group[None, :]] = -2
        out[start : start + 1024] = np.argsort(-cosine, axis=1, kind="stable")[:, : out.shape[1]]
    return out


def view_steps(near: Rows, *, size: int, join: int, random: Generator) -> Iterator[Rows]:
    """Every row once, in steps of `size`, records that look alike together: hard negatives.

    Args:
        near: int64 (n, k), rows that look most alike and are no copies; -1: none.
        join: how many of them go into a row's step, where they are still free.
    """
    free = np.ones(len(near), bool)
    step: list[int] = []
    for row in random.permutation(len(near)).tolist():
        if not free[row]:
            continue
        others = [at for at in near[row].tolist() if at >= 0 and free[at]]
        joined = [row, *others[:join]]
        free[joined] = False
        step += joined
        if len(step) >= size:
            yield np.array(step[:size])
            step = step[size:]
    if step:
        yield np.array(step)


class ViewBatches:
    """Batch sampler: the steps of all epochs, one epoch after the other."""

    def __init__(self, near: Rows, *, size: int, join: int, seed: int, epochs: int) -> None:
        self.near, self.size, self.join = near, size, join
        self.seed, self.epochs = seed, epochs

    def __iter__(self) -> Iterator[list[ViewPlace]]:
        for epoch in range(self.epochs):
            random = np.random.default_rng([self.seed, epoch])
            options = {"size": self.size, "join": self.join}
            for step in view_steps(self.near, random=random, **options):
                yield [(epoch, row) for row in step.tolist()]

    def __len__(self) -> int:
        return self.epochs * self.steps

    @property
    def steps(self) -> int:
        """Of an epoch."""
        return -(-len(self.near) // self.size)


def sequential_batches(rows: Rows, *, epoch: int, size: int) -> list[list[ViewPlace]]:
    """Steps of given rows, for features and measurements."""
    places = [(epoch, row) for row in rows.tolist()]
    return [places[at : at + size] for at in range(0, len(places), size)]


def view_loader(
    views: Dataset[Any],
    batches: Any,
    *,
    workers: int,
    collate: Callable[[list[Any]], ViewStep],
) -> DataLoader[ViewStep]:
    """Steps made ahead by worker processes, in the order of `batches` whatever their number."""
    return DataLoader(
        views,
        batch_sampler=batches,
        num_workers=workers,
        prefetch_factor=4 if workers else None,
        collate_fn=collate,
        multiprocessing_context="fork" if workers else None,
    )


def view_numbers(rows: Sequence[int]) -> Tensor:
    """int64 (n,)."""
    return torch.tensor(list(rows), dtype=torch.int64)
