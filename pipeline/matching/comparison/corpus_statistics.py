"""Statistics of a corpus that a shipped judge weighs its words by, and how it has been adapted.

They are learned when the word frequencies are, and kept as long, so that the evidence of a pair
does not move because another record came in.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.evaluation import wilson_interval
from pipeline.ingestion import fold_text
from pipeline.matching.comparison.document_frequencies import FEATURES, DocumentFrequencies
from pipeline.matching.comparison.folding import without_accents
from pipeline.matching.comparison.text import accented_words
from pipeline.matching.comparison.text_features import WordWeights, trigram_counts
from pipeline.storage import CORPUS_STATISTICS

Places = npt.NDArray[np.int64]

TRIGRAM, ACCENTED = "trigram", "accented"
TEXTS, SHIFT, NEAR_COPIES, LOOSE, PROMISED = "texts", "shift", "near copies", "loose", "promised"
INSIDE = "inside "  # before the name of a source
DIFFER, AGREE = "differ ", "agree "  # before the name of a column
# Near copies that differ, among the sampled pairs, below which a corpus counts as strict: too few
# tell nothing, and in a small catalogue the nearest partner is often another variant. Between lists
# that are promised to hold a thing once fewer will do.
ENOUGH, ENOUGH_PROMISED = 200, 30
# Share of them that differ in several places, from which one difference alone parts no pair: the
# lower end of its 95 % interval counts.
# Measured: 0.61 to 0.94 on sets whose records were typed or collected several times, 0.42 on texts
# whose pairs differ in one decisive word.
SEVERAL = 0.6


@dataclass(frozen=True)
class CorpusStatistics:
    """What a corpus says of its words and of its copies.

    Attributes:
        texts: how many texts the trigrams were counted in.
        places, counts: (k,) hashed trigrams of letters without accents, ascending, and the texts
            that have each.
        accented: (a, 2) hashed words with accents, and the same without; see `accented_words`.
        shift: log-odds that it adds to the judge's; None: it has not been adapted.
        inside: source -> log-odds that a pair inside it has by that alone.
        columns: column -> log-odds that a difference in it adds, and that there is none; see
            `column_levels`.
        near_copies: sampled pairs of near-identical wording that differ somewhere.
        promised: every source is duplicate-free.
        loose: how many of them differ in several places, by a typo, or by a column that one lacks.
    """

    texts: int
    places: Places
    counts: Places
    accented: Places
    shift: float | None = None
    inside: Mapping[str, float] = field(default_factory=dict)
    columns: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    near_copies: int = 0
    loose: int = 0
    promised: bool = False

    @classmethod
    def learn(cls, texts: Sequence[str]) -> CorpusStatistics:
        """Count the trigrams of some texts, and find their words with accents."""
        found = trigram_counts([without_accents(fold_text(text)) for text in texts])
        words = accented_words(pa.array(texts, pa.large_string()))
        return cls(len(texts), found[:, 0], found[:, 1], words)

    @property
    def tolerant(self) -> bool:
        """Whether copies in this corpus usually differ in several places.

        In such a corpus (records that were typed or collected more than once) one differing number
        or name does not part two records by itself; it keeps them from being confirmed.
        """
        if self.near_copies < (ENOUGH_PROMISED if self.promised else ENOUGH):
            return False
        return wilson_interval(self.loose / self.near_copies, self.near_copies)[0] >= SEVERAL

    def adapted(self, shift: float, inside: Mapping[str, float]) -> CorpusStatistics:
        """The same with what the best partners of a sample of the records said."""
        return replace(self, shift=shift, inside=dict(inside))

    def seen(
        self,
        columns: Mapping[str, tuple[float, float]],
        *,
        near_copies: int,
        loose: int,
        promised: bool,
    ) -> CorpusStatistics:
        """The same with how copies differ in a sample of the candidates."""
        return replace(
            self, columns=dict(columns), near_copies=near_copies, loose=loose, promised=promised
        )

    def weights(self, frequencies: DocumentFrequencies) -> WordWeights:
        """Word weights of the judge's features, which know no accents.

        A word counts as often as all its spellings together.
        """
        counts = np.zeros(FEATURES, np.int64)
        counts[frequencies.places] = frequencies.counts
        written, bare = self.accented.T
        added = counts[written]  # before any is added, so that the order of the rows means nothing
        np.add.at(counts, bare, added)
        words = np.stack([np.flatnonzero(counts), counts[counts > 0]], axis=1)
        grams = np.stack([self.places, self.counts], axis=1)
        return WordWeights(frequencies.texts, words, grams, self.texts, accents=False)

    def digest(self) -> str:
        """Digest of all that a judgement may depend on."""
        known = sorted(self.inside.items()), sorted(self.columns.items())
        facts = f"{self.texts} {self.shift} {known} {self.tolerant}".encode()
        known_words = (self.places, self.counts, self.accented)
        return hashlib.sha256(facts + b"".join(part.tobytes() for part in known_words)).hexdigest()

    def table(self) -> pa.Table:
        """As rows of the table `corpus_statistics`."""
        facts = {TEXTS: self.texts, NEAR_COPIES: self.near_copies, LOOSE: self.loose,
                 PROMISED: float(self.promised),
                 **({} if self.shift is None else {SHIFT: self.shift}),
                 **{INSIDE + name: worth for name, worth in self.inside.items()},
                 **{DIFFER + name: worth for name, (worth, _) in self.columns.items()},
                 **{AGREE + name: worth for name, (_, worth) in self.columns.items()}}  # fmt: skip
        written, bare = self.accented.T
        kind = pa.array(
            [TRIGRAM] * len(self.places) + [ACCENTED] * len(self.accented) + list(facts)
        )
        place = np.concatenate([self.places, written, np.zeros(len(facts), np.int64)])
        value = np.concatenate(
            [self.counts.astype(float), bare.astype(float), list(map(float, facts.values()))]
        )
        return pa.table([kind, pa.array(place), pa.array(value)], schema=CORPUS_STATISTICS)

    @classmethod
    def from_table(cls, table: pa.Table) -> CorpusStatistics:
        """Read back what `table` gave, its rows in any order."""
        rows = table.sort_by([(name, "ascending") for name in ("kind", "place", "value")])
        kind = np.array(rows["kind"].to_pylist(), object)
        value = np.asarray(rows["value"], np.float64)
        place = np.asarray(rows["place"], np.int64)
        grams, accented = kind == TRIGRAM, kind == ACCENTED
        others = ~(grams | accented)
        facts = dict(zip(kind[others].tolist(), value[others].tolist(), strict=True))
        return cls(
            int(facts[TEXTS]),
            place[grams],
            value[grams].astype(np.int64),
            np.stack([place[accented], value[accented].astype(np.int64)], axis=1),
            facts.get(SHIFT),
            _named(facts, INSIDE),
            {name: (differ, facts[AGREE + name]) for name, differ in _named(facts, DIFFER).items()},
            int(facts[NEAR_COPIES]),
            int(facts[LOOSE]),
            bool(facts[PROMISED]),
        )


def _named(facts: Mapping[str, float], kind: str) -> dict[str, float]:
    """The facts of one kind by the name that follows it."""
    return {
        name.removeprefix(kind): worth
        for name, worth in sorted(facts.items())
        if name.startswith(kind)
    }
