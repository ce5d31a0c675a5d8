"""The facts a governance report is made of, validated: what is mandatory, what may be absent."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, model_validator

from pipeline.catalog import GateCheck
from pipeline.evaluation import Calibration, ModelMetrics, ScoreHistogram
from pipeline.labels import LabelFacts, Leaks, SplitFacts
from pipeline.outputs.model_results import (
    DistillationFacts,
    EncoderTrainingFacts,
    Epoch,
    ModelComparison,
)
from pipeline.outputs.visible import make_visible

CLIP = 200  # characters of a record's text in the report

Count = Annotated[int, Field(ge=0)]


class Facts(BaseModel):
    """Base: immutable, finite numbers, and a misspelt name is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class ModelDescription(Facts):
    """What the model is. `encoder` and `judge` are descriptions for a reader."""

    name: str
    version: str | None = None
    purpose: str
    encoder: str
    judge: str
    parent: str | None = Field(None, description="What training started from.")
    created: str | None = None
    intended_use: str | None = Field(None, description="More than the purpose, in a sentence.")


class PairFacts(Facts):
    """How pairs were made: origin -> count, such as given, cluster, verdict; in_batch, mined."""

    positives: dict[str, Count]
    negatives: dict[str, Count]
    excluded: dict[str, Count] = Field({}, description="known_duplicate, suspected_duplicate, …")
    note: str | None = None


class TrainingFacts(Facts):
    """How the encoder was trained; absent when it was not."""

    encoder: EncoderTrainingFacts | None = None
    distillation: DistillationFacts | None = None
    history: tuple[Epoch, ...] = Field((), description="Per epoch, 0 the start.")


class ErrorPair(Facts):
    """One wrong decision."""

    left_id: str
    right_id: str
    probability: float
    left_text: str | None = None
    right_text: str | None = None

    @classmethod
    def of(cls, ids: tuple[str, str], texts: tuple[str, str], *, probability: float) -> ErrorPair:
        """The pair with its texts clipped to CLIP visible characters of one line; '': None."""
        left, right = (make_visible(" ".join(text.split()), limit=CLIP) or None for text in texts)
        return cls(
            left_id=ids[0], right_id=ids[1], probability=probability,
            left_text=left, right_text=right,
        )  # fmt: skip


class ErrorFacts(Facts):
    """The worst: highest-scored non-duplicates, lowest-scored duplicates, the worst first."""

    false_matches: tuple[ErrorPair, ...] = ()
    missed: tuple[ErrorPair, ...] = ()


class ScoreFacts(Facts):
    """Held-out pairs per probability and class; `edges` has one number more than the counts."""

    edges: tuple[float, ...]
    same: tuple[Count, ...]
    different: tuple[Count, ...]

    @model_validator(mode="after")
    def _fits(self) -> ScoreFacts:
        if not len(self.same) == len(self.different) == len(self.edges) - 1:
            raise ValueError("edges must be one more than the counts of either class")
        return self


class GovernanceFacts(Facts):
    """Everything; what has no default is mandatory.

    Attributes:
        evaluation: on held-out pairs; its errors are the failure rates.
        tonight: a run's histogram, whose drift from the evaluation's the report states.
        limits: limits of this model, beside those that hold for every one.
    """

    model: ModelDescription
    labels: LabelFacts
    pairs: PairFacts
    split: SplitFacts
    leaks: Leaks
    calibration: Calibration
    evaluation: ModelMetrics
    training: TrainingFacts | None = None
    comparison: ModelComparison | None = None
    gate: tuple[GateCheck, ...] = ()
    errors: ErrorFacts | None = None
    scores: ScoreFacts | None = None
    tonight: ScoreHistogram | None = None
    limits: tuple[str, ...] = ()
