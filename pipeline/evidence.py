"""Cheap evidence that embeddings lose: rare shared words, codes and numbers, edits, lengths."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from scipy.sparse import csr_matrix

from pipeline.indexes.blocks import Positions
from pipeline.wording import Wording, conflicting_words

Scores = npt.NDArray[np.float32]

FEATURES = 1 << 20
# Edit similarity is defined on the first characters only: it is quadratic, and long texts are
# compared by their shingles as well.
EDIT_CHARACTERS = 2000
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
    """Compares pairs among one list of distinct texts; word weights come from that list."""

    def __init__(self, texts: pa.Array, *, threads: int) -> None:
        self.texts = texts
        self.threads = threads
        self.lengths = pc.utf8_length(texts).to_numpy(zero_copy_only=False).astype(np.float64)
        self.words = _counts(texts, r"(?u)\b\w+\b", joined=False)
        frequency = np.bincount(self.words.indices, minlength=FEATURES)
        # Words that every text has (column names, boilerplate) weigh next to nothing.
        self.idf = np.log((1 + len(texts)) / (1 + frequency)) + 0.1
        self.weight = np.asarray(self.words @ self.idf)
        self.word_count = np.asarray(
            pc.list_value_length(pc.utf8_split_whitespace(texts)), np.int64
        )
        self.codes = _counts(texts, r"(?u)\b(?=\w*\d)\w+\b", joined=True)
        self.code_count = np.diff(self.codes.indptr).astype(np.float64)

    def compare(self, left: Positions, right: Positions) -> TextEvidence:
        """Evidence for each pair of rows of the texts."""
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
        rows, place = np.unique(np.concatenate([left, right]), return_inverse=True)
        wording = [Wording.of(text) for text in self.texts.take(pa.array(rows)).to_pylist()]
        pairs = zip(place[: len(left)].tolist(), place[len(left) :].tolist(), strict=True)
        return np.array([conflicting_words(wording[a], wording[b]) for a, b in pairs], np.int64)

    def _edit(self, left: Positions, right: Positions) -> Scores:
        from rapidfuzz import fuzz, process

        def heads(rows: Positions) -> list[str]:
            cut = pc.utf8_slice_codeunits(self.texts.take(pa.array(rows)), 0, EDIT_CHARACTERS)
            return [text.casefold() for text in cut.to_pylist()]

        scores = process.cpdist(
            heads(left), heads(right), scorer=fuzz.ratio, workers=self.threads, dtype=np.float32
        )
        return np.asarray(scores / 100, np.float32)


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
    matrix = vectorizer.transform(texts.to_pylist())
    matrix.sort_indices()
    return matrix


def _join(text: str) -> str:
    return JOINERS.sub("", text.casefold())


def _rounded(values: npt.NDArray[np.float64] | Scores) -> Scores:
    return np.round(values, 4).astype(np.float32)
