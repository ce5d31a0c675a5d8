"""Two edited views of each text."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from torch.utils.data import Dataset

from pipeline.evaluation import edit_text
from pipeline.training.self_supervised.views import (
    HEAVY,
    LIGHT,
    ViewPlace,
    ViewStep,
    edits_of_a_view,
    generator,
    view_numbers,
)


class TextViews(Dataset[tuple[int, list[str]]]):
    """Item (epoch, row): the row and its two views."""

    def __init__(self, texts: Sequence[str], *, seed: int, edits: Sequence[str]) -> None:
        self.texts, self.seed, self.edits = texts, seed, edits

    def __len__(self) -> int:
        return len(self.texts)

    def __getitem__(self, item: ViewPlace) -> tuple[int, list[str]]:
        row = item[1]
        random = generator(self.seed, item)
        views = [
            edit_text(
                self.texts[row], random, names=self.edits, count=edits_of_a_view(random, chances)
            )[0]
            for chances in (LIGHT, HEAVY)
        ]
        return row, views


def text_step(
    encoder: Any, *, max_tokens: int
) -> Callable[[list[tuple[int, list[str]]]], ViewStep]:
    """Return what tokenises the views of a step, both of each record in turn."""
    return partial(_step, encoder=encoder, max_tokens=max_tokens)


def _step(items: list[tuple[int, list[str]]], *, encoder: Any, max_tokens: int) -> ViewStep:
    from pipeline.encoders import default_prompt

    texts = [view for _, views in items for view in views]
    features = encoder[0].preprocess(
        texts,
        prompt=default_prompt(encoder),
        processing_kwargs={"text": {"padding": True, "truncation": True, "max_length": max_tokens}},
    )
    return view_numbers([row for row, _ in items]), dict(features)
