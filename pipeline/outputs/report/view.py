"""The report's view: every string already visible, every number formatted."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.catalog import RunSummary
from pipeline.outputs.report.diff import Segment


@dataclass(frozen=True, slots=True)
class EvidenceRow:
    """Why a pair was judged as it was; scores that do not exist are left out."""

    scores: tuple[tuple[str, str], ...]
    probability: str
    decision: str
    reason: str
    proposed_by: str


@dataclass(frozen=True, slots=True)
class AttributeRow:
    """One named value of a record; `differs` from the record it stands beside."""

    name: str
    value: str
    differs: bool


@dataclass(frozen=True, slots=True)
class OverlayPicture:
    """Two pictures side by side. `image` is a data: URI; without one `caption` says why."""

    image: str | None
    alt: str
    caption: str


@dataclass(frozen=True, slots=True)
class MemberRow:
    """One record as shown. `image` is a data: URI; `image_note` says why there is none.

    `overlay` has the representative's picture beside the record's. `place` is where the row was
    read, `link` the address of its picture's file.
    """

    record_id: str
    source: str
    text: tuple[Segment, ...]
    image: str | None
    image_note: str | None
    attributes: tuple[AttributeRow, ...]
    probability: str
    evidence: EvidenceRow | None
    note: str | None
    place: str = ""
    link: str | None = None
    overlay: OverlayPicture | None = None


@dataclass(frozen=True, slots=True)
class CutRow:
    """A link that average linkage, a verdict or a promise of a source cut."""

    left_id: str
    right_id: str
    probability: str
    reason: str
    left_text: str = ""
    right_text: str = ""


@dataclass(frozen=True, slots=True)
class ClusterRow:
    """A cluster with its representative first and its most similar members next.

    `why` says why a person should look first, where it is in review.
    """

    number: int
    cluster_id: str
    size: int
    hidden: int
    cohesion: str
    status: str
    evidence: str
    keeper_reason: str
    groups: tuple[str, ...]  # of largest, weakest, random
    title: str
    why: str
    members: tuple[MemberRow, ...]
    cuts: tuple[CutRow, ...]


@dataclass(frozen=True, slots=True)
class ListedCluster:
    """A line of the list of all clusters; `number` of 0: it is not shown in full."""

    cluster_id: str
    size: int
    cohesion: float
    status: str
    evidence: str
    title: str
    members: tuple[str, ...]
    number: int


@dataclass(frozen=True, slots=True)
class PairRow:
    """A borderline pair: near one of the two thresholds."""

    threshold: str  # accept / review
    side: str  # above / below
    distance: str
    left: MemberRow
    right: MemberRow
    evidence: EvidenceRow
    overlay: OverlayPicture | None = None


@dataclass(frozen=True, slots=True)
class ReasonRow:
    """Quarantined rows with one reason; `rows` holds source, location, raw."""

    reason: str
    count: int
    rows: tuple[tuple[str, str, str], ...]


@dataclass(frozen=True, slots=True)
class MovedRecord:
    """A record that joined a cluster, left it, or stays in it."""

    role: str  # stays / joined / left
    record_id: str
    text: str
    image: str | None  # a data: URI


@dataclass(frozen=True, slots=True)
class ChangeRow:
    """What happened to one cluster since the run before; `others` are the clusters it touched."""

    kind: str
    title: str
    cluster_id: str
    size_before: int
    size_after: int
    others: tuple[str, ...]
    moved: tuple[MovedRecord, ...]
    hidden: int


@dataclass(frozen=True, slots=True)
class ReportData:
    """Everything `render_report` needs. `summary` is the run's own.

    `listed` has a line for each cluster, the largest first, see `listing`.
    """

    summary: RunSummary
    clusters: tuple[ClusterRow, ...]
    clusters_total: int
    listed: tuple[ListedCluster, ...]
    sampling: tuple[tuple[str, int], ...]  # how many were chosen as largest, weakest, random
    largest: tuple[ClusterRow, ...]
    weakest: tuple[ClusterRow, ...]
    pairs: tuple[PairRow, ...]
    pairs_total: int
    cuts: tuple[CutRow, ...]
    cuts_total: int
    quarantine: tuple[ReasonRow, ...]
    quarantine_total: int
    thumbnails: int
    thumbnails_left_out: int
    seed: int
    changes: tuple[ChangeRow, ...] = ()
