"""Cheap evidence that embeddings lose: rare shared words, codes and numbers, edits, lengths."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields
from functools import cache
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from scipy.sparse import csr_matrix

from pipeline.arrays import (
    Positions,
    Scores,
    chunk_bounds,
    factorize,
    iter_chunks,
    map_in_order,
    sorted_unique,
)
from pipeline.ingestion import PORTION, Letters, Tokens, codes_of, fold_text
from pipeline.matching.comparison.document_frequencies import FEATURES, DocumentFrequencies
from pipeline.matching.comparison.folding import plain

Values = npt.NDArray[np.floating[Any]]
Rows = tuple[npt.NDArray[np.int32], npt.NDArray[np.int64]]
Looked = TypeVar("Looked")

# Edit similarity is defined on the first characters only: it is quadratic, and long texts are
# compared by their shingles as well.
EDIT_CHARACTERS = 2000
# Words (of both sides together) that pairs compared at a time may have: 200 MB of sparse rows.
COMPARED_WORDS = 1 << 24
CODE_BITS = 21  # of a character's code point
PORTIONS = 4  # of the texts, looked at side by side at most; each takes some 50 MB


@dataclass(frozen=True)
class WordEvidence:
    """What the words of p pairs of texts say: (p,) floats, rounded to 4 decimals as it is shown.

    Attributes:
        token_overlap: sum of idf over common words / sum of idf over all words of both, 0 … 1.
        edit_similarity: 1 - indel distance / total length, both folded, 0 … 1.
        length_ratio: characters of the shorter over the longer, 0 … 1.
        code_agreement: words with a digit, (common - conflicting) / (common + conflicting), where
            conflicting = the smaller of the two sides' unmatched; 1 when one side's codes are all
            in the other's, -1 when none are; NaN when a side has none.
    """

    token_overlap: Values
    edit_similarity: Values
    length_ratio: Values
    code_agreement: Values


class TextComparison:
    """Compares pairs among one list of distinct texts.

    Args:
        texts: (n,) strings. threads: of the edit similarity.
        document_frequencies: of words, learned from another corpus; None: from these texts.

    The texts may exceed 2 GB together (as `large_string`) and memory stays near their size: what
    is made of them is made a bounded portion at a time.
    """

    def __init__(
        self,
        texts: pa.Array,
        *,
        threads: int,
        document_frequencies: DocumentFrequencies | None = None,
    ) -> None:
        self.texts = texts
        self.threads = threads
        self.lengths = pc.utf8_length(texts).to_numpy(zero_copy_only=False).astype(np.float64)
        long = bool(self.lengths.max(initial=0) > EDIT_CHARACTERS)
        self.heads = pc.utf8_slice_codeunits(texts, 0, EDIT_CHARACTERS) if long else texts
        parts = list(_in_portions(_compared_rows, texts, threads))
        self.words = _matrix([words for words, _ in parts])
        self.codes = _matrix([codes for _, codes in parts])
        del parts
        self.idf = (document_frequencies or DocumentFrequencies.of(self.words)).idf()
        self.weight = np.asarray(self.words @ self.idf)
        self.code_count = np.diff(self.codes.indptr).astype(np.float64)

    def upper_bound(self, left: Positions, right: Positions) -> WordEvidence:
        """The most that comparing each pair could say for it, from weights and lengths alone."""
        weight = self.weight[left], self.weight[right]
        overlap = np.minimum(*weight) / np.maximum(np.maximum(*weight), 1e-9)
        lengths = self.lengths[left], self.lengths[right]
        ratio = np.minimum(*lengths) / np.maximum(np.maximum(*lengths), 1)
        one = np.ones(len(left), np.float32)
        return WordEvidence(_round(np.minimum(overlap + 1e-4, 1)), one, _round(ratio), one)

    def compare(self, left: Positions, right: Positions, *, edits: bool = True) -> WordEvidence:
        """Evidence for each pair of rows of the texts.

        Args:
            edits: False: the edit similarity, which costs the most, is left at the 1 it may be.
        """
        words = np.diff(self.words.indptr).astype(np.int64)
        parts = chunk_bounds(words[left] + words[right], limit=COMPARED_WORDS)
        found = [self._compare(left[part], right[part], edits) for part in parts]
        names = [field.name for field in fields(WordEvidence)]
        empty = np.zeros(0, np.float32)
        return WordEvidence(
            **{n: np.concatenate([empty, *(getattr(item, n) for item in found)]) for n in names}
        )

    def _compare(self, left: Positions, right: Positions, edits: bool) -> WordEvidence:
        common = self.words[left].multiply(self.words[right]) @ self.idf
        union = self.weight[left] + self.weight[right] - common
        shared = np.diff(self.codes[left].multiply(self.codes[right]).indptr)
        conflict = np.minimum(self.code_count[left], self.code_count[right]) - shared
        known = shared + conflict
        agreement = np.where(known > 0, (shared - conflict) / np.maximum(known, 1), np.nan)
        lengths = self.lengths[left], self.lengths[right]
        one = np.ones(len(left), np.float32)
        return WordEvidence(
            token_overlap=_round(np.asarray(common) / np.maximum(union, 1e-9)),
            edit_similarity=_round(self._edit(left, right)) if edits else one,
            length_ratio=_round(np.minimum(*lengths) / np.maximum(np.maximum(*lengths), 1)),
            code_agreement=_round(agreement),
        )

    def _edit(self, left: Positions, right: Positions) -> Scores:
        from rapidfuzz import fuzz, process

        rows, place = factorize(np.concatenate([left, right]))
        heads = list(map(fold_text, self.heads.take(pa.array(rows)).to_pylist()))
        first, second = np.split(np.array(heads, object)[place], 2)
        scores = process.cpdist(
            first, second, scorer=fuzz.ratio, workers=self.threads, dtype=np.float32
        )
        return np.asarray(scores / 100, np.float32)


def words_of(texts: pa.Array, *, threads: int = 1) -> csr_matrix:
    """Binary (n, FEATURES) matrix of the words of each text, hashed."""
    return _matrix(list(_in_portions(lambda part: _places(Letters(part).words()), texts, threads)))


def accented_words(texts: pa.Array) -> Positions:
    """(k, 2) hashed words of texts that have accents, and the same words without; no row twice."""
    words = Letters(texts).words().words
    written = [word for word in words.to_pylist() if not word.isascii()]
    bare = list(map(plain, written))
    places = np.stack([_hash(pa.array(side, pa.string())) for side in (written, bare)], axis=1)
    return np.unique(places[places[:, 0] != places[:, 1]], axis=0)


def trigrams_of(texts: pa.Array, *, threads: int = 1) -> csr_matrix:
    """Binary (n, FEATURES) matrix of three letters in a row, hashed; a space ends each word."""
    return _matrix(list(_in_portions(_trigram_places, texts, threads)))


def _trigram_places(texts: pa.Array) -> Rows:
    folded = list(map(fold_text, texts.to_pylist()))
    code = codes_of("\n".join(["", *folded, ""])).astype(np.int64)
    space = np.isin(code, _spaces(), kind="table")
    code[space] = ord(" ")
    middle = np.flatnonzero(~space)
    trios = (code[middle - 1] << 2 * CODE_BITS) | (code[middle] << CODE_BITS) | code[middle + 1]
    known = pa.array(trios).dictionary_encode()
    place = _hash(_spelled(np.asarray(known.dictionary)))[np.asarray(known.indices)]
    length = np.fromiter(map(len, folded), np.int64, len(folded))
    text = np.repeat(np.arange(len(folded)), length + 1)[middle - 1]
    return _distinct(text, place, len(folded))


def _spelled(keys: Positions) -> pa.Array:
    """Three letters for each key."""
    parts = (keys >> shift & (1 << CODE_BITS) - 1 for shift in (2 * CODE_BITS, CODE_BITS, 0))
    return pa.array(
        ["".join(map(chr, trio)) for trio in zip(*map(np.ndarray.tolist, parts), strict=True)]
    )


@cache
def _spaces() -> Positions:
    """Code points of what parts words."""
    return np.array([code for code in range(1 << 16) if chr(code).isspace()])


def _in_portions(
    look: Callable[[pa.Array], Looked], texts: pa.Array, threads: int
) -> Iterator[Looked]:
    return map_in_order(look, iter_chunks(texts, limit=PORTION), workers=min(threads, PORTIONS))


def _compared_rows(texts: pa.Array) -> tuple[Rows, Rows]:
    """Hashed words and codes of some texts."""
    letters = Letters(texts)
    return _places(letters.words()), _places(letters.codes())


def _places(tokens: Tokens) -> Rows:
    """Distinct hashed words of each text, one text after another, and how many each has."""
    return _distinct(tokens.text, _hash(tokens.words)[tokens.number], len(tokens.count))


def _distinct(text: Positions, place: Positions, texts: int) -> Rows:
    """The distinct places of each text, ascending, and how many it has."""
    text, place = np.divmod(sorted_unique([text * FEATURES + place]), FEATURES)
    return place.astype(np.int32), np.bincount(text, minlength=texts)


def _matrix(rows: Sequence[Rows]) -> csr_matrix:
    """Binary (n, FEATURES), int8, the places of each row ascending."""
    places = np.concatenate([np.zeros(0, np.int32), *(part[0] for part in rows)])
    counts = np.concatenate([np.zeros(0, np.int64), *(part[1] for part in rows)])
    starts = np.concatenate([[0], np.cumsum(counts)])
    ones = np.ones(len(places), np.int8)
    return csr_matrix((ones, places, starts), shape=(len(counts), FEATURES))


def _hash(words: pa.Array) -> npt.NDArray[np.int64]:
    """(k,) place of each word: the hash that catalogs keep word frequencies under."""
    from sklearn.utils import murmurhash3_32

    found = np.fromiter(map(murmurhash3_32, words.to_pylist()), np.int64, len(words))
    return np.asarray(np.abs(found) % FEATURES)


def _round(values: npt.NDArray[np.float64] | Scores) -> Scores:
    return np.round(values, 4).astype(np.float32)
