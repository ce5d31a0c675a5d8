"""The results of training: what its commands return, print and keep as JSON beside a model."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from pipeline.catalog import GateCheck
from pipeline.evaluation import (
    BalancedMetrics,
    CalibrationError,
    Difference,
    ErrorRates,
    MeasuredAt,
    PairEvaluation,
    PairMetrics,
    Threshold,
)
from pipeline.labels import LabelFacts, Leaks, ReadFacts, SplitSize
from pipeline.matching import Fusion

# --- an encoder's training ---------------------------------------------------------------------


@dataclass(frozen=True)
class Epoch:
    """One epoch of an encoder's training; epoch 0 is the start, before any step.

    Attributes:
        step: steps so far. seconds, step_seconds: of the epoch, and of its steps alone.
        contents: read in its steps. in_batch_negatives: of a content, on average.
        mined: negatives; mined_short: records with fewer than wanted; mined_among: searched.
        excluded_known, excluded_suspected, excluded_labelled: nearer ones left out.
    """

    epoch: int
    step: int
    train_loss: float | None
    valid_average_precision: float | None
    valid_loss: float | None
    learning_rate: float
    seconds: float
    contents: int
    step_seconds: float
    in_batch_negatives: float | None
    mined: int
    excluded_known: int
    excluded_suspected: int
    excluded_labelled: int
    mined_short: int
    mined_among: int


@dataclass(frozen=True)
class EncoderTrainingFacts:
    """How an encoder was trained.

    Attributes:
        start: settings of the encoder that training began from.
        monitor: what chose the best epoch. stopped: by epochs, patience or minutes.
        mined: negatives of each epoch. pairs: taken and left out, by reason.
    """

    objective: str
    start: dict[str, Any]
    monitor: str
    epochs: int
    best_epoch: int
    steps: int
    stopped: str
    seconds: float
    texts_per_second: float | None
    in_batch_negatives: float | None
    mined: tuple[int, ...]
    pairs: dict[str, int]
    versions: dict[str, str]
    device: str
    precision: str
    seed: int
    threads: int


@dataclass(frozen=True)
class Agreement:
    """How alike two encoders' cosines are: rank correlation, and mean squared difference."""

    spearman: float
    squared_error: float


@dataclass(frozen=True)
class DistillationFacts:
    """How a student learned its teacher's cosines.

    Attributes:
        embedded_by_the_teacher: texts that it had not embedded before.
        pairs: learned from, by origin.
        before, after: agreement with the teacher on pairs of held-out texts.
    """

    texts: int
    embedded_by_the_teacher: int
    pairs: dict[str, int]
    held_out_pairs: int
    before: Agreement
    after: Agreement
    epochs: int
    best_epoch: int
    steps: int
    seconds: float


# --- a judge -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class HeadScore:
    """Average precision of a kind of head, on validation and by models blind to a pair's fold."""

    validation: float
    out_of_fold: float


@dataclass(frozen=True)
class NormalisationChoice:
    """Whether cosines are normalised: validation's average precision without and with it."""

    used: bool
    average_precision: tuple[float, ...]
    rule: str


@dataclass(frozen=True)
class SearchFloor:
    """Cosine down to which a run searches, and the share of labelled duplicates above it."""

    floor: float
    duplicates_above: float


@dataclass(frozen=True)
class PictureEvidence:
    """The pictures beside the texts of a judge of texts.

    Attributes:
        fingerprint: of the encoder that embedded them; None: the judge does not see them.
        same, different: training pairs of either kind with a picture on both sides.
    """

    fingerprint: str | None = None
    same: int = 0
    different: int = 0


@dataclass(frozen=True)
class JudgeFacts:
    """How a judge was fitted.

    Attributes:
        tried: each kind of head. features: their number. attributes: those it compares.
        geometry: whether pairs of pictures are laid upon each other for it.
        fusion: weights of the head's score and the cosines; None: cosines are features.
        search_floor, pictures: None until they are known.
        penalty: of a corrected judge, the precision of its weights' priors; None: of the others.
    """

    kind: str
    tried: dict[str, HeadScore]
    validation_average_precision: float
    background: NormalisationChoice
    features: int
    attributes: tuple[str, ...]
    geometry: bool
    fusion: Fusion | None
    search_floor: SearchFloor | None = None
    pictures: PictureEvidence = field(default_factory=PictureEvidence)
    penalty: float | None = None

    @property
    def words(self) -> str:
        """The judge in a line, for a reader."""
        beside = f", attributes {', '.join(self.attributes)} among them" if self.attributes else ""
        seen = ", and of the pictures beside the texts" if self.pictures.fingerprint else ""
        laid = ", and of pictures laid upon each other" if self.geometry else ""
        if self.penalty is not None:
            return f"the shipped judge of texts, corrected by labels, over {self.features} features"
        return f"{self.kind} over {self.features} features{beside}{seen}{laid}"


# --- commands ----------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class FinetunePlan:
    """What a fine-tune would work on; `corrects`: it would correct the judge without labels."""

    name: str
    purpose: str
    records: int
    splits: dict[str, SplitSize]
    leaks: Leaks
    labels: LabelFacts
    encoder: str
    trains_encoder: bool
    catalog: str
    corrects: bool = False


@dataclass(frozen=True)
class Thresholds:
    """Both thresholds, the rule of the first, and what could not be shown, in words."""

    accept: Threshold
    review: Threshold
    rule: str
    unreachable: tuple[str, ...]


@dataclass(frozen=True)
class ModelComparison:
    """A model, second, beside the champion or zero-shot, first, on the same pairs."""

    against: str
    metrics: dict[str, Difference]


@dataclass(frozen=True, kw_only=True)
class FinetuneSummary:
    """What a fine-tune made.

    Attributes:
        model: reference of the registered version, in `folder`; report: its governance report.
        held_out: split that it was evaluated on.
        metrics, balanced, calibration, errors: of the held-out pairs.
        encoder, distillation: of their trainings; None where there was none.
    """

    model: str
    folder: str
    promoted: bool
    gate: tuple[GateCheck, ...]
    held_out: str
    metrics: PairMetrics
    balanced: BalancedMetrics
    calibration: CalibrationError
    errors: ErrorRates
    thresholds: Thresholds
    judge: JudgeFacts
    comparison: ModelComparison
    encoder: EncoderTrainingFacts | None
    distillation: DistillationFacts | None
    report: str


@dataclass(frozen=True)
class EvaluationSummary:
    """Registered models on the same labelled pairs, by reference.

    `comparison`: metric -> the first beside the second, for two of them.
    """

    pairs: int
    labels: ReadFacts
    models: dict[str, PairEvaluation]
    comparison: dict[str, Difference] | None = None


@dataclass(frozen=True)
class LeftOutPairs:
    """Labelled pairs that did not calibrate: trained on, touching such a record, test pairs."""

    trained: int
    touching: int
    held_out: int


@dataclass(frozen=True)
class RecalibrationSummary:
    """A version with new thresholds.

    Attributes:
        parent: the version it is made from. pairs: that it was calibrated on.
        measured_at: where its held-out figures are of; None: of itself.
    """

    model: str
    parent: str
    pairs: int
    left_out: LeftOutPairs
    accept: Threshold
    review: Threshold
    measured_at: MeasuredAt | None
    promoted: bool = False


@dataclass(frozen=True)
class ViewEpoch:
    """One epoch of self-supervised training; seconds since its start."""

    epoch: int
    loss: float
    seconds: float


@dataclass(frozen=True)
class HeldBackFigures:
    """How well views of records that were not learned from find each other."""

    average_precision: float
    recall_at_precision_999: float
    records: int


@dataclass(frozen=True, kw_only=True)
class ViewTrainingSummary:
    """What self-supervised training learned from and became; of a dry run the first part.

    Attributes:
        views: texts or pictures. out: folder of the encoder.
        read, rejected: rows of the sources. records, groups: distinct ones.
        trained_on, held_back: records. unreadable: pictures.
        held_back_figures: 'before' and 'after'.
        settings: the configuration.
    """

    name: str
    purpose: str
    views: str
    objective: str
    out: str
    read: int
    rejected: int
    records: int
    groups: int
    trained_on: int
    held_back: int
    unreadable: int = 0
    history: tuple[ViewEpoch, ...] = ()
    held_back_figures: dict[str, HeldBackFigures] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class TrainingRecord:
    """How a version came to be: training.json."""

    config: dict[str, Any]
    labels: LabelFacts
    splits: dict[str, SplitSize]
    leaks: Leaks
    encoder: EncoderTrainingFacts | None
    distillation: DistillationFacts | None
    history: tuple[Epoch, ...]
    judge: JudgeFacts
    seed: int
    versions: dict[str, str]


MORE = 10  # answers whose worth is told


def few_label_words(accept: Threshold) -> list[tuple[str, str]]:
    """What few labels say of a corrected judge: what is known, estimated, and still to be had."""
    others = accept.n - accept.positives
    known = f"{accept.n} answers: {accept.positives} same, {others} different"
    if not accept.accepted:
        return [
            ("known", known),
            ("estimated", "nothing yet: the judge accepts none of the answered pairs"),
        ]
    words = (
        f"{accept.precision:.0%} of what it accepts is right, at least {accept.precision_low:.0%} "
        f"with {accept.confidence:.0%} confidence: from {accept.accepted} accepted answers, each "
        "judged by a correction that did not see it"
    )
    more = (
        f"answers like these would raise that bound to about {accept.foreseen(MORE):.0%}; the "
        f"target is {accept.target:.0%}"
    )
    return [("known", known), ("estimated", words), (f"{MORE} more", more)]
