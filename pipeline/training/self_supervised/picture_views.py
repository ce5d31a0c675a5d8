"""Two edited views of each picture, made in worker processes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.random import Generator
from PIL.Image import Image
from torch import Tensor
from torch.utils.data import Dataset

from pipeline.arrays import Rows
from pipeline.config import ImageSettings
from pipeline.encoders import ImageRef, prepare_picture, read_picture
from pipeline.evaluation import edit_picture
from pipeline.training.self_supervised.views import (
    HEAVY,
    LIGHT,
    ViewPlace,
    ViewStep,
    edits_of_a_view,
    generator,
    view_numbers,
)


@dataclass(frozen=True)
class Photographs:
    """refs: readable pictures. group: int64 (n,), which may show the same scene."""

    refs: Sequence[ImageRef]
    group: Rows
    settings: ImageSettings

    def picture(self, row: int, *, size: int) -> Image:
        """Decode one, clear enough for views of `size`.

        Raises:
            ImageError: it cannot be read or decoded.
        """
        return read_picture(self.refs[row], size=size, settings=self.settings)

    def part(self, rows: Rows) -> Photographs:
        """Some of them."""
        refs = [self.refs[row] for row in rows.tolist()]
        return Photographs(refs, self.group[rows], self.settings)


class PictureViews(Dataset[tuple[int, Tensor]]):
    """Item (epoch, row): the row and its uint8 (2, 3, size, size) views."""

    def __init__(
        self, photographs: Photographs, *, size: int, seed: int, edits: Sequence[str]
    ) -> None:
        self.photographs, self.size, self.seed, self.edits = photographs, size, seed, edits

    def __len__(self) -> int:
        return len(self.photographs.refs)

    def __getitem__(self, item: ViewPlace) -> tuple[int, Tensor]:
        row = item[1]
        random = generator(self.seed, item)
        picture = self.photographs.picture(row, size=self.size)
        other = self.photographs.picture(self._stranger(row, random), size=self.size)
        views = []
        for chances in (LIGHT, HEAVY):
            count = edits_of_a_view(random, chances)
            made = edit_picture(picture, random, other, names=self.edits, count=count).picture
            views.append(prepare_picture(made, size=self.size))
        return row, torch.from_numpy(np.stack(views))

    def _stranger(self, row: int, random: Generator) -> int:
        """A picture to paste, of another group where there is one."""
        group = self.photographs.group
        drawn = random.integers(len(group), size=20)
        others = drawn[group[drawn] != group[row]]
        return int(others[0] if len(others) else drawn[0])


def picture_step(items: list[tuple[int, Tensor]]) -> ViewStep:
    """Rows and uint8 (2n, 3, s, s) `pixel_values`, both views of each in turn."""
    pixels = torch.stack([views for _, views in items]).flatten(0, 1)
    return view_numbers([row for row, _ in items]), {"pixel_values": pixels}
