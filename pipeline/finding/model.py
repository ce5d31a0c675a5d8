"""Registered models from Python: vectors of texts, and what a model's thresholds are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pipeline.catalog import Catalog, RegisteredJudge, load_version, open_registered
from pipeline.config import ImageSettings
from pipeline.encoders import Encoder, open_encoder
from pipeline.errors import ModelError, PipelineError


@dataclass(frozen=True)
class Model:
    """A model that `gemel finetune` registered: its Siamese encoder and its calibrated judge.

    Attributes:
        reference: name/v0003. accept, review: probabilities from which a pair is a duplicate, and
            from which a person should look.
    """

    reference: str
    accept: float
    review: float
    judge: RegisteredJudge = field(repr=False)

    @classmethod
    def load(
        cls, which: str | Path = "champion", *, catalog: str | Path = ".gemel/catalog"
    ) -> Model:
        """Open a model and verify its files.

        Args:
            which: champion, name/v0003, name (its newest), or the folder of a version.
            catalog: whose registry it is in.

        Raises:
            ModelError: there is no such model, or a file of it is missing or damaged.
        """
        if Path(which).is_dir():
            version = load_version(Path(which))
        else:
            registry = Catalog(catalog, create=False).models
            found = registry.champion() if which == "champion" else registry.find(str(which))
            if found is None:
                raise ModelError(f"{catalog} has no champion; fine-tune one, or name a model")
            version = found
        judge = open_registered(version)
        return cls(judge.rule.reference, judge.rule.accept, judge.rule.review, judge)

    @cached_property
    def encoder(self) -> Encoder:
        """The encoder, loaded on first use."""
        return open_encoder(self.judge.encoder, images=ImageSettings(), threads=None)

    def encode(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """(n, d) float32 vectors of unit length, in the order given.

        Raises:
            PipelineError: the model is one of pictures, or a text holds nothing to embed.
        """
        if self.judge.modality != "text":
            raise PipelineError(f"{self.reference} is a model of {self.judge.modality}s, not texts")
        vectors = np.full((len(texts), self.encoder.dimension), np.nan, np.float32)
        for block in self.encoder.encode(texts):
            vectors[block.positions] = block.vectors
        empty = np.flatnonzero(np.isnan(vectors[:, 0])) if len(texts) else np.zeros(0)
        if len(empty):
            raise PipelineError(f"text {int(empty[0])} holds nothing to embed")
        return vectors

    def similarity(self, left: Sequence[str], right: Sequence[str]) -> npt.NDArray[np.float32]:
        """(n,) cosines of n pairs of texts, -1 … 1, higher is closer.

        Raises:
            PipelineError: see `encode`, or the two are not equally many.
        """
        if len(left) != len(right):
            raise PipelineError(f"{len(left)} texts on one side and {len(right)} on the other")
        found = self.encode([*left, *right])
        return np.asarray(np.sum(found[: len(left)] * found[len(left) :], axis=1))
