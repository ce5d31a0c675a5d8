"""In how many texts each word occurs: what makes a shared word rare or common.

Frequencies are learned once and kept, so that the evidence of a pair does not move because another
record came in: a pair judged last night would be judged the same tonight. They are learned again
when the corpus has doubled or halved since.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from scipy.sparse import csr_matrix

from pipeline.storage import WORD_COUNTS

FEATURES = 1 << 20
# Learned again when there are this many times as many distinct texts as then, or as few.
OUTGROWN = 2.0


@dataclass(frozen=True)
class DocumentFrequencies:
    """Document counts of hashed words.

    Attributes:
        texts: distinct texts they were counted in.
        places: (k,) int64 hashed words, ascending. counts: (k,) texts that have each.
    """

    texts: int
    places: npt.NDArray[np.int64]
    counts: npt.NDArray[np.int64]

    @classmethod
    def of(cls, words: csr_matrix) -> DocumentFrequencies:
        """Count the columns of a binary (texts, FEATURES) matrix."""
        counts = np.bincount(words.indices, minlength=FEATURES)
        places = np.flatnonzero(counts)
        return cls(words.shape[0], places, counts[places])

    def idf(self) -> npt.NDArray[np.float64]:
        """(FEATURES,) weights ln((1 + texts) / (1 + count)) + 0.1.

        Words that every text has (column names, boilerplate) weigh next to nothing.
        """
        counts = np.zeros(FEATURES)
        counts[self.places] = self.counts
        return np.asarray(np.log((1 + self.texts) / (1 + counts)) + 0.1)

    def outgrown(self, texts: int) -> bool:
        """Whether a corpus of so many distinct texts is another one."""
        return not self.texts / OUTGROWN <= texts <= self.texts * OUTGROWN

    def table(self) -> pa.Table:
        """As rows of the table `word_counts`; place -1 holds the number of texts."""
        columns = [np.append(-1, self.places), np.append(self.texts, self.counts)]
        return pa.table([pa.array(column) for column in columns], schema=WORD_COUNTS)

    @classmethod
    def from_table(cls, table: pa.Table) -> DocumentFrequencies:
        """Read back what `table` gave, its rows in any order."""
        rows = table.sort_by("place")
        place, texts = (np.asarray(rows[name], np.int64) for name in WORD_COUNTS.names)
        return cls(int(texts[0]), place[1:], texts[1:])
