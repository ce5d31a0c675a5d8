"""Data of an epoch: labelled pairs and the hard negatives mined for it, step by step."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from pytorch_lightning import LightningDataModule

from pipeline.arrays import Rows, pair_key
from pipeline.config import EncoderTraining, NegativeSettings
from pipeline.errors import TrainingError
from pipeline.training.data.hard_negatives import draw
from pipeline.training.siamese.mining import NOTHING, MinedPairs, mine_negatives
from pipeline.training.siamese.objectives import StepLabels, needs_duplicates
from pipeline.training.siamese.pairs import PreparedData, TrainingPairs, steps_of
from pipeline.training.siamese.readers import Reader, ReaderGroups, read_groups

# Groups of a step that are padded each to its own longest text: more would make the products small.
GROUPS = 4


@dataclass(frozen=True)
class Step:
    """The distinct contents of some pairs, ready for the encoder, and what is known about them."""

    groups: ReaderGroups
    labels: StepLabels


class Steps:
    """The steps of one epoch from number `first` on; its length is that of the whole epoch."""

    def __init__(self, steps: list[Rows], read: Callable[[Rows], Step], *, first: int) -> None:
        self._steps, self._read, self._first = steps, read, first

    def __len__(self) -> int:
        return len(self._steps)

    def __iter__(self) -> Iterator[Step]:
        return map(self._read, self._steps[self._first :])


class PairModule(LightningDataModule):
    """Training pairs by epoch: mined again on schedule, in a new order, resumable at any step.

    embed: rows (m,) to unit-norm float32 (m, d), with the encoder as it is now. untrained: its
    first weights are random and its vectors all alike, so the first epoch mines only if no labelled
    pair is different.
    """

    def __init__(
        self,
        prepared: PreparedData,
        reader: Reader,
        settings: EncoderTraining,
        negatives: NegativeSettings,
        *,
        embed: Callable[[Rows], NDArray[np.float32]],
        untrained: bool = False,
        seed: int,
    ) -> None:
        super().__init__()
        self.prepared, self.reader = prepared, reader
        self.settings, self.negatives = settings, negatives
        self.embed, self.untrained, self.seed = embed, untrained, seed
        self.mined, self.mined_at = NOTHING, -1
        self.epoch, self.taken = 0, 0

    def train_dataloader(self) -> Steps:
        """Return the epoch's steps; mine first when it is time."""
        epoch = self.trainer.current_epoch if self.trainer else 0
        due = self.mined_at < 0 or epoch - self.mined_at >= self.negatives.remine_every
        if due and not (self.untrained and epoch == 0 and self._has_contrast()):
            self.mined, self.mined_at = self._mine(), epoch
        first = self.taken if epoch == self.epoch else 0
        self.epoch, self.taken = epoch, first
        pairs = self.prepared.train.joined(self.mined.left, self.mined.right)
        self._require_contrast(pairs)
        rng = np.random.default_rng([self.seed, epoch])
        steps = steps_of(pairs, batch_size=self.settings.batch_size, rng=rng)
        return Steps(steps, lambda places: self.step(pairs.take(places)), first=first)

    def step(self, pairs: TrainingPairs) -> Step:
        """Read the distinct contents of `pairs`."""
        rows, places = pairs.contents()
        size = -(-len(rows) // GROUPS)
        return Step(
            read_groups(self.reader, rows, size=size),
            StepLabels(
                torch.from_numpy(self.prepared.entity[rows]),
                torch.from_numpy(places.left),
                torch.from_numpy(places.right),
                torch.from_numpy(pairs.grade.astype(np.float32)),
            ),
        )

    def _mine(self) -> MinedPairs:
        """Search the contents that may be mined for the negatives of the training records."""
        train, most = self.prepared.train, self.negatives.max_records
        named = np.union1d(train.left, train.right)
        rows = np.flatnonzero(self.prepared.minable)
        rows = draw(rows, named, most=most, seed=self.seed)
        if not self.negatives.mined or len(rows) < 2:
            return NOTHING
        place = np.full(len(self.prepared.entity), -1, np.int64)
        place[rows] = np.arange(len(rows))
        records = place[named]
        left, right = place[train.left], place[train.right]
        inside = (left >= 0) & (right >= 0)
        mined = mine_negatives(
            self.embed(rows),
            anchors=records[records >= 0],
            entity=self.prepared.entity[rows],
            labelled=np.sort(pair_key(left[inside], right[inside], len(rows))),
            wanted=self.negatives.mined,
            # In a closed world what is near and not labelled is the best negative, no suspect.
            suspect_cosine=None if self.negatives.closed_world else self.negatives.suspect_cosine,
            seed=self.seed,
        )
        return MinedPairs(
            rows[mined.left],
            rows[mined.right],
            mined.known,
            mined.suspected,
            mined.labelled,
            mined.short,
            mined.searched,
        )

    def _has_contrast(self) -> bool:
        same = self.prepared.train.same
        return needs_duplicates(self.settings.objective) or bool(same.any() and not same.all())

    def _require_contrast(self, pairs: TrainingPairs) -> None:
        objective, same = self.settings.objective, pairs.same
        if needs_duplicates(objective) and not same.any():
            raise TrainingError(
                f"no training pair is a duplicate, and {objective} learns from duplicates; label "
                "some as same"
            )
        if not needs_duplicates(objective) and len(np.unique(pairs.grade)) < 2:
            raise TrainingError(
                f"all {len(pairs)} training pairs have the grade {pairs.grade[0]:g}, and "
                f"{objective} compares pairs of different grades; label some of the other kind, "
                "or set negatives.mined"
            )
        entities = np.unique(self.prepared.entity[np.union1d(pairs.left, pairs.right)])
        if len(entities) < 2:
            raise TrainingError(
                "all training pairs belong to one entity, so nothing is different; label pairs of "
                "more entities, or set negatives.mined"
            )

    def state_dict(self) -> dict[str, Any]:
        """Return the mined pairs and the place in the epoch."""
        mined = vars(self.mined) | {
            "left": torch.from_numpy(self.mined.left),
            "right": torch.from_numpy(self.mined.right),
        }
        return {"mined": mined, "at": self.mined_at, "epoch": self.epoch, "taken": self.taken}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on where `state_dict` was taken."""
        mined = dict(state_dict["mined"])
        left, right = mined.pop("left").numpy(), mined.pop("right").numpy()
        self.mined, self.mined_at = MinedPairs(left, right, **mined), state_dict["at"]
        self.epoch, self.taken = state_dict["epoch"], state_dict["taken"]
