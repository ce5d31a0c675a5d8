"""The parts of a run's summary: small frozen types, each empty until its stage has come to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Generic, Literal, TypeVar

from pipeline.candidates import CascadeThresholds
from pipeline.evaluation import Drift, MeasuredAt, Rate, SyntheticRule, WorstToBest

T = TypeVar("T")
U = TypeVar("U")


@dataclass(frozen=True)
class PerModality(Generic[T]):
    """One value for texts and one for pictures; None where there is none."""

    text: T | None = None
    image: T | None = None

    def map(self, of: Callable[[T], U]) -> PerModality[U]:
        """What `of` says of each value that there is."""
        return PerModality(**{kind: of(value) for kind, value in self.items()})

    def items(self) -> Iterator[tuple[Literal["text", "image"], T]]:
        """The modalities that have a value."""
        if self.text is not None:
            yield "text", self.text
        if self.image is not None:
            yield "image", self.image


@dataclass(frozen=True)
class RunCounts:
    """What a run counted, in the order in which it is told."""

    rows: int = 0
    records: int = 0
    quarantined: int = 0
    with_text: int = 0
    with_image: int = 0
    exact_duplicates: int = 0
    texts_embedded: int = 0
    images_embedded: int = 0
    embedding_failed: int = 0
    texts_chunked: int = 0
    short_texts: int = 0
    low_detail_images: int = 0
    crowded: int = 0
    lexical_pairs: int = 0
    rare_word_pairs: int = 0
    common_words: int = 0  # of too many texts to propose a pair
    candidates: int = 0
    duplicates: int = 0
    review: int = 0
    distinct: int = 0
    clusters: int = 0
    duplicate_clusters: int = 0
    removable: int = 0
    removable_in_review: int = 0
    largest_cluster: int = 0
    cut_links: int = 0


@dataclass(frozen=True)
class Thresholds:
    """Probabilities from which a pair is a duplicate, and from which it is for review."""

    accept: float = 0.0
    review: float = 0.0


@dataclass(frozen=True)
class UsedEncoder:
    """An encoder that a run judged by; `floor` is the cosine down to which was searched."""

    name: str
    fingerprint: str
    floor: float | None = None


@dataclass(frozen=True)
class UsedModel:
    """A registered model that judged a run: its bound, its failures, tonight's drift."""

    model: str
    fingerprint: str
    modality: str
    precision: float
    precision_low: float
    target: float
    met: bool
    false_match_rate: float | None
    false_non_match_rate: float | None
    measured_at: MeasuredAt | None
    worst_slices: dict[str, dict[Rate, WorstToBest | None]]
    drift: Drift
    report: str


@dataclass(frozen=True)
class UsedModels:
    """Who decided in a run; `student` is the encoder that proposes texts to that of `text`."""

    judge: str = ""
    text: UsedEncoder | None = None
    image: UsedEncoder | None = None
    student: UsedEncoder | None = None
    registered: tuple[UsedModel, ...] = ()

    def encoders(self) -> Iterator[tuple[Literal["text", "student", "image"], UsedEncoder]]:
        """Those that embedded something."""
        if self.text is not None:
            yield "text", self.text
        if self.student is not None:
            yield "student", self.student
        if self.image is not None:
            yield "image", self.image


@dataclass(frozen=True)
class ClusterSizes:
    """How many clusters there are of each size, sizes ascending."""

    size: tuple[int, ...] = ()
    clusters: tuple[int, ...] = ()


@dataclass(frozen=True)
class SourceMatches:
    """How many records of a source have accepted partners, and where.

    Attributes:
        duplicate_free: it is set so; what is inside it was then kept apart.
        inside, across: records with an accepted or identical partner in the same source, in others.
        identical: records with an identical one in the same source.
    """

    source: str
    duplicate_free: bool
    records: int
    inside: int
    across: int
    identical: int

    @property
    def looks_duplicate_free(self) -> bool:
        """Whether many of its records have partners, and all but none of these are its own."""
        many = self.records >= 100 and self.across >= max(50, self.records / 20)
        return not self.duplicate_free and many and self.inside * 100 <= self.across


@dataclass(frozen=True)
class Reuse:
    """How much of last night's work was used again, and why not where it was not.

    Attributes:
        searched: contents that were searched for tonight. searched_all: kind -> why all were.
        judged, standing: pairs judged tonight, and last night's that stand.
        judged_all: why every pair was judged; None where some could stand.
    """

    searched: PerModality[int] = PerModality()
    searched_all: dict[str, str] = field(default_factory=dict)
    judged: int = 0
    standing: int = 0
    judged_all: str | None = None


@dataclass(frozen=True)
class SearchState:
    """What the near pairs of one kind depend on.

    Attributes:
        key, hashes: digests of the settings and of the contents.
        failed: hashes of the contents without a vector; None where they are too many to keep.
    """

    key: str
    hashes: str
    failed: tuple[str, ...] | None = ()


@dataclass(frozen=True)
class CascadeChoice:
    """Floor and margin of a cascade, the run that chose them, and among how many texts."""

    key: str
    of: int
    run: str
    choice: CascadeThresholds


@dataclass(frozen=True)
class SelfCalibration:
    """The rule that edited copies gave a modality, or why none; by which run, among how many."""

    key: str
    of: int
    run: str
    rule: SyntheticRule | None = None
    why: str | None = None


@dataclass(frozen=True)
class JudgeState:
    """What judgements depend on, and how many texts their word frequencies are of."""

    key: str
    texts: int


@dataclass(frozen=True)
class NightState:
    """What the next night must know to use this one's work again."""

    near: dict[str, SearchState] = field(default_factory=dict)  # by text, image, lexical
    cascade: CascadeChoice | None = None
    self_calibrations: dict[str, SelfCalibration] = field(default_factory=dict)  # by modality
    judge: JudgeState | None = None
    geometry: int | None = None  # the method


@dataclass(frozen=True)
class RecordChanges:
    """Records that came, changed and went since the run before."""

    new: int = 0
    changed: int = 0
    deleted: int = 0


@dataclass(frozen=True)
class Changes:
    """What changed since `base`; None on the first night.

    Attributes:
        clusters: of two records or more, by what happened to them. events: all, by their kind.
    """

    base: str | None = None
    records: RecordChanges = RecordChanges()
    clusters: dict[str, int] = field(default_factory=dict)
    events: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class SaidPair:
    """A verdict as it is listed: two record ids, what was said of them, by whom and when."""

    left: str
    right: str
    label: str
    said: str


@dataclass(frozen=True)
class Contradiction:
    """A verdict that is not followed, and the one it contradicts."""

    dropped: SaidPair
    kept: SaidPair


@dataclass(frozen=True)
class VerdictCounts:
    """The verdicts that bind; `unknown` are on records that are gone; the first contradictions."""

    same: int = 0
    different: int = 0
    related: int = 0
    unsure: int = 0
    unknown: int = 0
    contradictions: int = 0
    contradictory: tuple[Contradiction, ...] = ()


@dataclass(frozen=True)
class CascadeCounts:
    """A cascade at work: which thresholds it had, and what met the teacher.

    Attributes:
        proposed: pairs of texts by the student. asked, share_asked: texts that met the teacher.
        embedded, failed: of them tonight.
    """

    choice: CascadeThresholds
    measured_in: str
    proposed: int
    asked: int
    share_asked: float
    embedded: int
    failed: int


@dataclass(frozen=True)
class GeometryCounts:
    """Pairs of pictures that were laid upon each other, tonight's, and those that are one."""

    looked_at: int
    fresh: int
    verified: int


@dataclass(frozen=True)
class StageRow:
    """What a stage took."""

    stage: str
    seconds: float
    rows: int
    bytes: int


@dataclass(frozen=True)
class Gate:
    """One check.

    Attributes:
        id: short and stable, for machines. title: what is checked, for people.
        value, limit: None where they could not be computed.
        clusters: ids of tonight's clusters that are responsible, the most first.
    """

    id: str
    title: str
    passed: bool
    value: float | None
    limit: float | None
    message: str
    clusters: tuple[str, ...] = ()


@dataclass(frozen=True)
class HistoryEntry:
    """What a person decided about a run.

    Attributes:
        until: of a release, the day (ISO 8601) through which the gates that held the run allow as
            much again; None: that run alone.
    """

    action: str
    by: str
    at: str
    reason: str
    until: str | None = None


@dataclass(frozen=True)
class Pruned:
    """What a removal took away, or would.

    Attributes:
        kept, dropped: names of runs. files: of tables. vectors, encoders: that went.
        waiting: why the vectors were left for another time.
    """

    kept: tuple[str, ...]
    dropped: tuple[str, ...]
    files: int
    vectors: int = 0
    encoders: tuple[str, ...] = ()
    waiting: str | None = None
