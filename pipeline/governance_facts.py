"""The facts a governance report is made of, validated: what is mandatory, what may be absent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from pipeline.errors import PipelineError
from pipeline.reporting.visible import visible

CLIP = 200  # characters of a record's text in the report

Count = Annotated[int, Field(ge=0)]
Share = Annotated[float, Field(ge=0, le=1)]


def _clipped(text: Any) -> Any:
    """One visible line of at most CLIP characters of the text."""
    if not isinstance(text, str):
        return text
    return visible(" ".join(text.split()), limit=CLIP)


Clipped = Annotated[str, BeforeValidator(_clipped)]


class Facts(BaseModel):
    """Base: immutable, finite numbers, and a misspelt name is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class ModelFacts(Facts):
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


class SplitPart(Facts):
    """Size of one split."""

    pairs: Count
    positives: Count
    records: Count | None = None


class SplitFacts(Facts):
    """How pairs were divided, and `pipeline.splits.check_leaks`."""

    how: str = Field(description="By entity, given, or given with valid taken from train.")
    parts: dict[str, SplitPart]
    leaks: dict[str, Any] = Field(
        description="clean, and per kind (records, contents, entities): count, of, examples."
    )


class TrainingFacts(Facts):
    """How the encoder was trained; absent when it was not."""

    settings: dict[str, Any] = {}
    curves: dict[str, list[float]] = Field({}, description="Name -> value per epoch.")
    best_epoch: Count | None = Field(None, description="From 1.")
    seconds: float | None = None
    seed: int
    device: str | None = None
    versions: dict[str, str] = {}


class ReliabilityBin(Facts):
    """Pairs of like probability: what was said, and the share that are the same."""

    mean: Share
    share: Share
    pairs: Count


class ThresholdFacts(Facts):
    """Where the decisions fall and why, on the calibration pairs."""

    accept: float
    review: float
    target_precision: Share
    confidence: Share
    precision: Share
    precision_low: Share = Field(description="One-sided lower bound.")
    pairs: Count = Field(description="Calibration pairs at or above the accept threshold.")
    reachable: bool
    target_recall: Share | None = None
    recall: Share | None = None
    recall_low: Share | None = None
    method: str | None = Field(None, description="isotonic, Platt, …")
    brier: float | None = None
    calibration_error: float | None = Field(None, description="Expected calibration error.")
    reliability: list[ReliabilityBin] = []
    note: str | None = None


class Measure(Facts):
    """A figure with its 95 % interval, where it has one."""

    value: float
    low: float | None = None
    high: float | None = None


class QualityFacts(Facts):
    """Metrics on the held-out pairs; `curve` is (recall, precision) from high scores to low."""

    split: str = "test"
    metrics: dict[str, Measure]
    curve: list[tuple[Share, Share]] = []
    comparison: dict[str, Any] | None = Field(
        None, description="against, metric, difference, low, high: the paired bootstrap."
    )
    gate: list[dict[str, Any]] = Field([], description="`pipeline.promotion.as_rows`.")


class Counts(Facts):
    """Decisions at the accept threshold against the labels."""

    false_matches: Count
    different: Count = Field(description="Labelled different.")
    missed: Count
    same: Count = Field(description="Labelled the same.")

    @model_validator(mode="after")
    def _within(self) -> Counts:
        if self.false_matches > self.different or self.missed > self.same:
            raise ValueError("more failures than labelled pairs")
        return self


class FailureFacts(Facts):
    """Failures at the operating threshold, overall and attribute -> value -> counts."""

    overall: Counts
    slices: dict[str, dict[str, Counts]] = {}
    min_slice: Count = 30


class ErrorPair(Facts):
    """One wrong decision; texts are clipped to 200 characters."""

    left_id: str
    right_id: str
    probability: float
    left_text: Clipped | None = None
    right_text: Clipped | None = None


class ErrorFacts(Facts):
    """The worst: highest-scored non-duplicates, lowest-scored duplicates, the worst first."""

    false_matches: list[ErrorPair] = []
    missed: list[ErrorPair] = []


class ScoreFacts(Facts):
    """Held-out pairs per probability and class; `edges` has one number more than the counts."""

    edges: list[float]
    same: list[Count]
    different: list[Count]

    @model_validator(mode="after")
    def _fits(self) -> ScoreFacts:
        if not len(self.same) == len(self.different) == len(self.edges) - 1:
            raise ValueError("edges must be one more than the counts of either class")
        return self


class GovernanceFacts(Facts):
    """Everything; what has no default is mandatory.

    Attributes:
        labels: `LabelledPairs.facts` as they stand.
        drift: `train` and `tonight`, as `pipeline.drift.drift` takes them.
        limits: limits of this model, beside those that hold for every one.
    """

    model: ModelFacts
    labels: dict[str, Any]
    pairs: PairFacts
    split: SplitFacts
    threshold: ThresholdFacts
    failures: FailureFacts
    training: TrainingFacts | None = None
    quality: QualityFacts | None = None
    errors: ErrorFacts | None = None
    scores: ScoreFacts | None = None
    drift: dict[str, Any] | None = None
    limits: list[str] = []


def validated(facts: Mapping[str, Any]) -> GovernanceFacts:
    """Check the facts.

    Raises:
        PipelineError: a mandatory part is missing, or a value does not fit; names it.
    """
    try:
        return GovernanceFacts.model_validate(dict(facts))
    except ValidationError as error:
        problems = [
            f"{'.'.join(str(part) for part in item['loc'])}: {item['msg']}"
            for item in error.errors()[:5]
        ]
        raise PipelineError(
            f"the governance report cannot be written: {'; '.join(problems)}"
        ) from error
