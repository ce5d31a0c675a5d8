"""Cheap evidence that embeddings lose: rare shared words, codes and numbers, edits, lengths."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from scipy.sparse import csr_matrix, vstack

from pipeline.frequencies import FEATURES, WordFrequencies
from pipeline.indexes.blocks import Positions
from pipeline.portions import cut, portions, value_bytes
from pipeline.wording import Wording, conflicting_words

Scores = npt.NDArray[np.float32]

# Edit similarity is defined on the first characters only: it is quadratic, and long texts are
# compared by their shingles as well.
EDIT_CHARACTERS = 2000
# Words (of both sides together) that pairs compared at a time may have: 200 MB of sparse rows.
COMPARED_WORDS = 1 << 24
# Bytes of the texts whose words are looked at in one go: as Python strings they take 15 times that.
WORDED_BYTES = 1 << 25
JOINERS = re.compile(r"(?<=\w)[-./](?=\w)")


@dataclass(frozen=True)
class TextEvidence:
    """Evidence per pair; all (p,) float32, rounded to 4 decimals so that it reads as it decides.

    Attributes:
        token_overlap: sum of idf over common words / sum of idf over all words of both, 0 … 1.
        edit_similarity: 1 - indel distance / total length, case-folded, 0 … 1.
        length_ratio: characters of the shorter over the longer, 0 … 1.
        code_agreement: words with a digit, (common - conflicting) / (common + conflicting), where
            conflicting = the smaller of the two sides' unmatched; 1 when one side's codes are all
            in the other's, -1 when none are; NaN when a side has none.
    """

    token_overlap: Scores
    edit_similarity: Scores
    length_ratio: Scores
    code_agreement: Scores


class TextComparer:
    """Compares pairs among one list of distinct texts.

    Args:
        texts: (n,) strings. threads: of the edit similarity.
        frequencies: of words, learned from another corpus; None: from these texts.

    The texts may exceed 2 GB together (as `large_string`) and memory stays near their size: what
    is made of them is made a bounded portion at a time.
    """

    def __init__(
        self, texts: pa.Array, *, threads: int, frequencies: WordFrequencies | None = None
    ) -> None:
        self.texts = texts
        self.threads = threads
        self.bytes = value_bytes(texts)
        self.lengths = pc.utf8_length(texts).to_numpy(zero_copy_only=False).astype(np.float64)
        long = bool(self.lengths.max(initial=0) > EDIT_CHARACTERS)
        self.heads = pc.utf8_slice_codeunits(texts, 0, EDIT_CHARACTERS) if long else texts
        self.words = words_of(texts)
        self.idf = (frequencies or WordFrequencies.of(self.words)).idf()
        self.weight = np.asarray(self.words @ self.idf)
        self.word_count = _per_text(
            texts, lambda part: pc.list_value_length(pc.utf8_split_whitespace(part))
        )
        self.codes = _counts(texts, r"(?u)\b(?=\w*\d)\w+\b", joined=True)
        self.code_count = np.diff(self.codes.indptr).astype(np.float64)

    def bounded(self, left: Positions, right: Positions) -> TextEvidence:
        """The most that comparing each pair could say for it, from weights and lengths alone."""
        weight = self.weight[left], self.weight[right]
        overlap = np.minimum(*weight) / np.maximum(np.maximum(*weight), 1e-9)
        lengths = self.lengths[left], self.lengths[right]
        ratio = np.minimum(*lengths) / np.maximum(np.maximum(*lengths), 1)
        one = np.ones(len(left), np.float32)
        return TextEvidence(_rounded(np.minimum(overlap + 1e-4, 1)), one, _rounded(ratio), one)

    def compare(self, left: Positions, right: Positions) -> TextEvidence:
        """Evidence for each pair of rows of the texts."""
        words = np.diff(self.words.indptr).astype(np.int64)
        parts = portions(words[left] + words[right], limit=COMPARED_WORDS)
        found = [self._compare(left[part], right[part]) for part in parts]
        names = [field.name for field in fields(TextEvidence)]
        empty = np.zeros(0, np.float32)
        return TextEvidence(
            **{n: np.concatenate([empty, *(getattr(item, n) for item in found)]) for n in names}
        )

    def _compare(self, left: Positions, right: Positions) -> TextEvidence:
        common = self.words[left].multiply(self.words[right]) @ self.idf
        union = self.weight[left] + self.weight[right] - common
        shared = np.asarray(self.codes[left].multiply(self.codes[right]).sum(axis=1)).ravel()
        conflict = np.minimum(self.code_count[left], self.code_count[right]) - shared
        known = shared + conflict
        agreement = np.where(known > 0, (shared - conflict) / np.maximum(known, 1), np.nan)
        lengths = self.lengths[left], self.lengths[right]
        return TextEvidence(
            token_overlap=_rounded(np.asarray(common) / np.maximum(union, 1e-9)),
            edit_similarity=_rounded(self._edit(left, right)),
            length_ratio=_rounded(np.minimum(*lengths) / np.maximum(np.maximum(*lengths), 1)),
            code_agreement=_rounded(agreement),
        )

    def conflicts(self, left: Positions, right: Positions) -> npt.NDArray[np.int64]:
        """Conflicting words of each pair of rows; see `pipeline.wording`."""
        counts = np.zeros(len(left), np.int64)
        for part in portions(self.bytes[left] + self.bytes[right], limit=WORDED_BYTES):
            counts[part] = self._conflicts(left[part], right[part])
        return counts

    def _conflicts(self, left: Positions, right: Positions) -> list[int]:
        rows, place = np.unique(np.concatenate([left, right]), return_inverse=True)
        wording = [Wording.of(text) for text in self.texts.take(pa.array(rows)).to_pylist()]
        pairs = zip(place[: len(left)].tolist(), place[len(left) :].tolist(), strict=True)
        return [conflicting_words(wording[a], wording[b]) for a, b in pairs]

    def _edit(self, left: Positions, right: Positions) -> Scores:
        from rapidfuzz import fuzz, process

        def heads(rows: Positions) -> list[str]:
            return [text.casefold() for text in self.heads.take(pa.array(rows)).to_pylist()]

        scores = process.cpdist(
            heads(left), heads(right), scorer=fuzz.ratio, workers=self.threads, dtype=np.float32
        )
        return np.asarray(scores / 100, np.float32)


def words_of(texts: pa.Array) -> csr_matrix:
    """Binary (n, FEATURES) matrix of the words of each text, hashed."""
    return _counts(texts, r"(?u)\b\w+\b", joined=False)


def _counts(texts: pa.Array, pattern: str, *, joined: bool) -> csr_matrix:
    """Binary (n, FEATURES) matrix of the words that match `pattern`, hashed.

    With `joined`, hyphens, dots and slashes inside a word are dropped first, so that 'DSC-W120'
    and 'DSCW120' are one code.
    """
    from sklearn.feature_extraction.text import HashingVectorizer

    vectorizer = HashingVectorizer(
        token_pattern=pattern,
        preprocessor=_join if joined else str.casefold,
        n_features=FEATURES,
        norm=None,
        alternate_sign=False,
        binary=True,
        dtype=np.float64,
    )
    # The vectorizer holds every word of what it is given, not only the distinct ones.
    parts = [vectorizer.transform(part.to_pylist()) for part in cut(texts)]
    matrix = vstack(parts, format="csr") if len(parts) > 1 else parts[0]
    matrix.sort_indices()
    return matrix


def _per_text(texts: pa.Array, count: Callable[[pa.Array], pa.Array]) -> npt.NDArray[np.int64]:
    return np.concatenate([np.asarray(count(part), np.int64) for part in cut(texts)])


def _join(text: str) -> str:
    return JOINERS.sub("", text.casefold())


def _rounded(values: npt.NDArray[np.float64] | Scores) -> Scores:
    return np.round(values, 4).astype(np.float32)
