"""Labelled pairs over records, and the facts of how they were read, settled and shared out."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa

SPLITS = ("train", "valid", "test")


@dataclass(frozen=True)
class UnknownIds:
    """Ids that name no record: rows that have one, distinct ids, and some of them.

    `ambiguous`: keys that several sources have.
    """

    rows: int = 0
    ids: int = 0
    ambiguous: int = 0
    examples: tuple[str, ...] = ()


@dataclass(frozen=True)
class ClusterFacts:
    """What a file of clusters gave; `large_entities` list a spanning selection of their pairs."""

    clusters: int
    clusters_of_two_or_more: int
    records_in_several_clusters: int
    rows_without_cluster: int
    large_entities: int
    pairs_not_listed: int
    pairs_across_given_splits: int


@dataclass(frozen=True)
class EntryFacts:
    """One configured source of labels.

    Attributes:
        labels: the file, or the verdicts in the catalog. type: of the configuration.
        left_out: rows labelled related or unsure.
        unknown_ids: None for inline labels, which have none.
        unusable_rows: of inline labels, those without two usable sides.
        self_pairs: rows that name one record twice; `self_pairs_different` call it different.
        pairs: usable ones.
    """

    labels: str
    type: str
    rows: int
    left_out: dict[str, int]
    unknown_ids: UnknownIds | None = None
    unusable_rows: int = 0
    self_pairs: int = 0
    self_pairs_different: int = 0
    pairs: int = 0
    clusters: ClusterFacts | None = None


@dataclass(frozen=True)
class QuarantinedRow:
    """Where a row that could not be read is, and why it could not."""

    location: str
    reason: str


@dataclass(frozen=True)
class QuarantineFacts:
    """Rows that could not be read, and some of them."""

    rows: int = 0
    examples: tuple[QuarantinedRow, ...] = ()


@dataclass(frozen=True)
class Conflict:
    """A pair labelled both ways, and which was kept: 'same' or 'different'."""

    left: str
    right: str
    kept: str


@dataclass(frozen=True)
class DirectConflicts:
    """Pairs labelled both ways, and the claims about them that were dropped."""

    count: int = 0
    dropped: int = 0
    examples: tuple[Conflict, ...] = ()


@dataclass(frozen=True)
class Overruled:
    """A claim that was dropped, and one that stands against it: 'a = b', 'a ≠ c'."""

    dropped: str
    kept: str


@dataclass(frozen=True)
class TransitiveConflicts:
    """A = B = C but A ≠ C: the claims dropped for it."""

    different_dropped: int = 0
    same_dropped: int = 0
    examples: tuple[Overruled, ...] = ()


@dataclass(frozen=True)
class ConflictFacts:
    """Contradictions by kind, and the rule that settled them."""

    rule: str = ""
    direct: DirectConflicts = DirectConflicts()
    transitive: TransitiveConflicts = TransitiveConflicts()


@dataclass(frozen=True)
class MinedFacts:
    """Mined negatives of a split.

    Attributes:
        given: labelled negatives. mined: added. suspected: nearer ones left out.
        records, searched: that could be mined among, and were.
    """

    given: int
    mined: int
    suspected: int
    records: int
    searched: int


@dataclass(frozen=True)
class SplitSize:
    """Pairs, duplicates and records of a split."""

    pairs: int
    positives: int
    records: int


@dataclass(frozen=True)
class SplitFacts:
    """How pairs were shared out.

    Attributes:
        given: pairs whose split the labels name.
        wanted: split -> share. parts: split -> what it got.
        dropped: pairs, of which some were duplicates, some of entities with two given splits, the
            others between two splits.
    """

    given: int
    valid_taken_from_train: bool
    wanted: dict[str, float]
    dropped: int
    dropped_positives: int
    dropped_of_leaking_entities: int
    dropped_across: int
    parts: dict[str, SplitSize]


@dataclass(frozen=True)
class LeakExample:
    """A record that is in several splits, or whose content or entity is."""

    record: str
    splits: tuple[str, ...]


@dataclass(frozen=True)
class Leak:
    """How many of a kind are in two splits; `between`: 'train/test' -> count."""

    count: int
    of: int
    between: dict[str, int]
    examples: tuple[LeakExample, ...]


@dataclass(frozen=True)
class Leaks:
    """What occurs in two splits."""

    records: Leak
    contents: Leak
    entities: Leak

    @property
    def clean(self) -> bool:
        """Whether nothing does."""
        return not (self.records.count or self.contents.count or self.entities.count)


@dataclass(frozen=True, kw_only=True)
class ReadFacts:
    """What was read of all configured sources; as `EntryFacts`, summed up."""

    rows: int = 0
    entries: tuple[EntryFacts, ...] = ()
    unknown_ids: UnknownIds = UnknownIds()
    self_pairs: int = 0
    self_pairs_different: int = 0
    left_out: dict[str, int] = field(default_factory=dict)
    quarantined: QuarantineFacts = QuarantineFacts()


@dataclass(frozen=True, kw_only=True)
class LabelFacts(ReadFacts):
    """What was read, and what came of it.

    Attributes:
        repeated_pairs: rows that repeat a pair. split_twice: pairs given two splits.
        pairs, positives, negatives, graded: settled ones; graded: neither 0 nor 1.
        origins: 'cluster', 'given', 'verdict' -> pairs.
        equal_content_different: pairs of one content that are labelled different.
        records, contents: that the pairs name.
        mined: split -> mined negatives; empty where there are none. split: once shared out.
    """

    conflicts: ConflictFacts = ConflictFacts()
    repeated_pairs: int = 0
    split_twice: int = 0
    pairs: int = 0
    positives: int = 0
    negatives: int = 0
    graded: int = 0
    origins: dict[str, int] = field(default_factory=dict)
    equal_content_different: int = 0
    records: int = 0
    contents: int = 0
    mined: dict[str, MinedFacts] = field(default_factory=dict)
    split: SplitFacts | None = None


@dataclass(frozen=True)
class LabelledPairs:
    """Labelled pairs over the records they name.

    Attributes:
        records: schemas.RECORDS, sorted by record_id. Records of inline labels have the id
            'inline:<hash of their content>'; pairs of one content meet in one record.
        left, right: (p,) int64 rows of `records`, left < right, each pair once, sorted.
        grade: (p,) float64, 1 duplicate … 0 different; between only where labels are graded.
        origin: (p,) str: 'given', 'cluster', 'verdict'.
        split: (p,) str: 'train', 'valid', 'test', or '' where the labels name none.
        slices: attribute name -> (p,) str, '' where unknown; an attribute of the pair's row, or of
            its records ('a' when both say a, 'a | b' sorted when they differ).
        facts: what was read, dropped and settled.
    """

    records: pa.Table
    left: npt.NDArray[np.int64]
    right: npt.NDArray[np.int64]
    grade: npt.NDArray[np.float64]
    origin: npt.NDArray[np.str_]
    split: npt.NDArray[np.str_]
    slices: dict[str, npt.NDArray[np.str_]]
    facts: LabelFacts

    @property
    def same(self) -> npt.NDArray[np.bool_]:
        """(p,) true for duplicates: a grade of at least one half."""
        return np.asarray(self.grade >= 0.5)

    def part(self, split: str) -> npt.NDArray[np.int64]:
        """Places of the pairs in `split`, ascending."""
        return np.flatnonzero(self.split == split)

    def sizes(self) -> dict[str, SplitSize]:
        """Pairs, duplicates and records of each split."""
        found = {}
        for split in SPLITS:
            part = self.part(split)
            rows = np.union1d(self.left[part], self.right[part])
            found[split] = SplitSize(len(part), int(self.same[part].sum()), len(rows))
        return found
