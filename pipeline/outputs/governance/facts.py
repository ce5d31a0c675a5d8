"""The facts a governance report is made of, validated: what is mandatory, what may be absent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from pipeline.errors import PipelineError
from pipeline.outputs.visible import make_visible

CLIP = 200  # characters of a record's text in the report

Count = Annotated[int, Field(ge=0)]
Share = Annotated[float, Field(ge=0, le=1)]


def _clip(text: Any) -> Any:
    """One visible line of at most CLIP characters of the text."""
    if not isinstance(text, str):
        return text
    return make_visible(" ".join(text.split()), limit=CLIP)


Clipped = Annotated[str, BeforeValidator(_clip)]


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


class Given(Facts):
    """Base of what other modules state: what the report does not use of it is left out."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)


class SplitFacts(Facts):
    """`LabelledPairs.facts['split']`: parts (name -> pairs, positives) and counts of the rest."""

    model_config = ConfigDict(frozen=True, extra="allow", allow_inf_nan=False)

    parts: dict[str, dict[str, Count]]


class TrainingFacts(Facts):
    """`TrainedEncoder.facts` and `.history`; absent when the encoder was not trained."""

    facts: dict[str, Any]
    history: list[dict[str, Any]] = Field([], description="Per epoch, 0 the start; may hold None.")


class ThresholdFacts(Given):
    """One threshold on the probability, on the calibration pairs; bounds are one-sided."""

    value: float
    precision: Share
    precision_low: Share
    recall: Share
    recall_low: Share
    accepted: Count
    positives: Count
    n: Count
    target: Share
    confidence: Share
    met: bool
    independent: float | None = None


class CalibrationFacts(Given):
    """`Calibration.to_json`, read back; `chosen` says how, and in words what was unreachable."""

    accept: ThresholdFacts
    review: ThresholdFacts
    chosen: dict[str, Any] = {}


class Rate(Given):
    """Errors among n pairs with Wilson's 95 % interval; the note says where n is too small."""

    value: Share
    low: Share
    high: Share
    errors: Count
    n: Count
    note: str = ""


class Rates(Given):
    """Both rates of one group of pairs."""

    false_match_rate: Rate
    false_non_match_rate: Rate


class Ratio(Given):
    """Worst to best of the slices that are large enough; no ratio where the best has no error."""

    worst: str
    best: str
    ratio: float | None


class SliceFacts(Given):
    """One attribute's slices."""

    values: dict[str, Rates]
    worst_to_best: dict[str, Ratio | None]


class FailureFacts(Given):
    """`pipeline.evaluation.error_rates`: failures at the accept threshold."""

    overall: Rates
    slices: dict[str, SliceFacts] = {}
    min_slice: Count


class Measure(Given):
    """A figure with its interval."""

    value: float
    low: float
    high: float


class ReliabilityBin(Given):
    """Pairs of like probability: what was said, and the share that are the same."""

    probability: Share
    same: Share
    pairs: Count


class ReliabilityFacts(Given):
    """How far the probabilities are from the truth."""

    brier: float
    ece_equal_mass: float
    reliability: list[ReliabilityBin] = []


class CurvePoint(Given):
    """One threshold of the precision-recall curve."""

    precision: Share
    recall: Share


class MeasuredAt(Given):
    """The version and accept threshold that figures are of, where it is not this one's."""

    model: str
    accept: float


class EvaluationFacts(Given):
    """`pipeline.evaluation.pair_metrics.evaluate_pairs` on the held-out pairs."""

    pairs: Count
    positives: Count
    metrics: dict[str, Measure]
    errors: FailureFacts
    calibration: ReliabilityFacts
    curve: list[CurvePoint] = []
    measured_at: MeasuredAt | None = None


class Difference(Given):
    """One metric of two models on the same pairs: second minus first, by paired bootstrap."""

    first: float
    second: float
    difference: float
    low: float
    high: float


class ComparisonFacts(Facts):
    """`against` what, and `pair_metrics.compare` with this model as the second."""

    against: str
    metrics: dict[str, Difference]


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
        leaks: `splits.check_leaks`: per kind (records, contents, entities) a count.
        evaluation: on held-out pairs; its errors are the failure rates.
        gate: `pipeline.training.promotion.check_rows`.
        drift: `train` and `tonight`, as `pipeline.evaluation.drift.score_drift` takes them.
        limits: limits of this model, beside those that hold for every one.
    """

    model: ModelFacts
    labels: dict[str, Any]
    pairs: PairFacts
    split: SplitFacts
    leaks: dict[str, Any]
    calibration: CalibrationFacts
    evaluation: EvaluationFacts
    training: TrainingFacts | None = None
    comparison: ComparisonFacts | None = None
    gate: list[dict[str, Any]] = []
    errors: ErrorFacts | None = None
    scores: ScoreFacts | None = None
    drift: dict[str, Any] | None = None
    limits: list[str] = []


def validate_facts(facts: Mapping[str, Any]) -> GovernanceFacts:
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
