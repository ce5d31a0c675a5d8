"""Features of a pair's texts beside the vectors: words, codes, numbers and spellings.

Every feature of a pair depends on its two records and on the model alone: word weights are learned
once, from the training corpus, and frozen, so that a pair's score does not move because another
record came in.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from scipy.sparse import csr_matrix

from pipeline.arrays import Positions
from pipeline.ingestion import fold_text
from pipeline.matching.comparison.attribute_features import AttributeFeatures, column_names
from pipeline.matching.comparison.document_frequencies import FEATURES
from pipeline.matching.comparison.folding import without_accents
from pipeline.matching.comparison.text import trigrams_of, words_of

Floats = npt.NDArray[np.float32]
Values = npt.NDArray[np.floating[Any]]

HASHED = FEATURES  # places that words and character trigrams are hashed to
# Pairs whose words and trigrams are compared at a time: the memory for these is used again for the
# next ones, where more of it would be asked of the system and given back each time.
PORTION = 16_384
EDIT_CHARACTERS = 512  # compared for edits; edit distance is quadratic
PREFIX_CHARACTERS = 64
WHOLE = "text"  # the block of the whole text; other blocks have their field's name
_JOINER = re.compile(r"(?<=\w)[-./](?=\w)")
_CODE = re.compile(r"\b(?=\w*\d)\w+\b")
_NUMBER = re.compile(r"\d+(?:\.\d+)?")

# Features of one block, in order: larger where texts are alike, larger where they are not.
ALIKE = (
    "word_overlap", "word_containment", "rare_shared", "char_cosine", "edit_similarity",
    "sorted_edit_similarity", "prefix_similarity", "length_ratio", "codes_shared",
    "code_containment", "code_grams_shared", "code_gram_containment", "numbers_shared",
    "number_containment",
)  # fmt: skip
UNLIKE = (
    "rare_conflict", "rare_extra", "unmatched_less", "unmatched_more", "codes_conflicting",
    "code_grams_conflicting", "numbers_conflicting", "number_difference",
)  # fmt: skip
BLOCK = (*ALIKE, *UNLIKE, "sides")


@dataclass(frozen=True)
class WordWeights:
    """Inverse document frequencies of one block, learned from a corpus of n texts.

    idf = ln((1 + n) / (1 + df)) + 0.1: a word of every text weighs next to nothing, one of none
    the most. Stored as the document counts of the places that occur.

    Attributes:
        texts: n.
        words, grams: place -> document count, as two int64 columns (k, 2), places ascending.
        gram_texts: n of the trigrams; None: that of the words.
        accents: False: texts are compared as if nobody had written accents, see `without_accents`.
    """

    texts: int
    words: npt.NDArray[np.int64]
    grams: npt.NDArray[np.int64]
    gram_texts: int | None = None
    accents: bool = True

    def idf(self, kind: str) -> Floats:
        """(HASHED,) float32 weights of 'words' or 'grams'."""
        stored = self.words if kind == "words" else self.grams
        texts = self.texts if kind == "words" or self.gram_texts is None else self.gram_texts
        counts = np.zeros(HASHED)
        counts[stored[:, 0]] = stored[:, 1]
        return np.asarray(np.log((1 + texts) / (1 + counts)) + 0.1, np.float32)

    @classmethod
    def learn(cls, texts: Sequence[str]) -> WordWeights:
        """Count in how many of `texts`, the empty ones left out, each word and trigram occurs."""
        held = [text for text in texts if text]
        return cls(len(held), _document_counts(_words(held)), _document_counts(_grams(held)))


def trigram_counts(texts: Sequence[str]) -> npt.NDArray[np.int64]:
    """(k, 2) in how many of `texts` each hashed trigram of letters occurs, places ascending."""
    return _document_counts(_grams(texts))


def _document_counts(matrix: csr_matrix) -> npt.NDArray[np.int64]:
    counts = np.bincount(matrix.indices, minlength=HASHED)
    places = np.flatnonzero(counts)
    return np.stack([places, counts[places]], axis=1)


@dataclass
class _Block:
    """One column of texts, made ready to compare: rows as the texts given, '' where absent."""

    texts: Sequence[str]
    weights: WordWeights
    threads: int
    folded: list[str] = field(init=False)

    def __post_init__(self) -> None:
        if not self.weights.accents:
            self.texts = [without_accents(fold_text(text)) for text in self.texts]
        whole = list(map(fold_text, self.texts))
        self.folded = [text[:EDIT_CHARACTERS] for text in whole]
        self.sorted = [" ".join(sorted(text.split())) for text in self.folded]
        self.starts = [text[:PREFIX_CHARACTERS] for text in self.folded]
        self.present = np.array([bool(text) for text in self.texts], bool)
        self.lengths = np.array([len(text) for text in self.texts], np.float32)
        self.words = _words(self.texts, self.threads)
        self.weighted = _reweight(self.words, self.weights.idf("words"))
        self.weight = _sums(self.weighted)
        self.grams = _reweight(_grams(self.texts, self.threads), self.weights.idf("grams"))
        self.gram_norm = np.sqrt(_sums(self.grams.multiply(self.grams)))
        codes = [" ".join(_CODE.findall(_JOINER.sub("", text))) for text in whole]
        numbers = [_NUMBER.findall(text.replace(",", "")) for text in whole]
        self.counted = {
            "code": _hash(codes, token_pattern=r"\S+"),
            "code_gram": _hash(codes, analyzer="char", ngram_range=(4, 4)),
            "number": _hash([" ".join(found) for found in numbers], token_pattern=r"\S+"),
        }
        self.counts = {
            name: np.diff(matrix.indptr).astype(np.float32) for name, matrix in self.counted.items()
        }
        self.number = np.array(
            [float(found[0]) if len(found) == 1 else np.nan for found in numbers], np.float64
        )

    def compare(self, left: Positions, right: Positions) -> Floats:
        """(p, len(BLOCK)) float32; NaN but for `sides` where a side has no such text."""
        values = {
            **self._word_features(left, right),
            **self._spelling_features(left, right),
            **self._count_features(left, right),
        }
        out = np.stack([values[name] for name in BLOCK[:-1]], axis=1).astype(np.float32)
        sides = self.present[left].astype(np.float32) + self.present[right]
        out[sides < 2] = np.nan
        return np.concatenate([out, sides[:, None]], axis=1)

    def _word_features(self, left: Positions, right: Positions) -> dict[str, Values]:
        first, second = self.weighted[left], self.weighted[right]
        common = first.multiply(self.words[right]).tocsr()
        shared = _sums(common)
        own, other = self.weight[left], self.weight[right]
        alone = _maxima(first - common), _maxima(second - common)
        cosine = _sums(self.grams[left].multiply(self.grams[right]))
        return {
            "word_overlap": shared / np.maximum(own + other - shared, 1e-6),
            "word_containment": shared / np.maximum(np.minimum(own, other), 1e-6),
            "rare_shared": _maxima(common),
            "rare_conflict": np.minimum(*alone),
            "rare_extra": np.maximum(*alone),
            "unmatched_less": np.minimum(own, other) - shared,
            "unmatched_more": np.maximum(own, other) - shared,
            "char_cosine": cosine / np.maximum(self.gram_norm[left] * self.gram_norm[right], 1e-6),
        }

    def _spelling_features(self, left: Positions, right: Positions) -> dict[str, Values]:
        from rapidfuzz import fuzz, process
        from rapidfuzz.distance import JaroWinkler

        pairs = left.tolist(), right.tolist()

        def compared(texts: Sequence[str], scorer: Any) -> Values:
            sides = ([texts[row] for row in rows] for rows in pairs)
            return np.asarray(
                process.cpdist(*sides, scorer=scorer, workers=self.threads, dtype=np.float32)
            )

        lengths = self.lengths[left], self.lengths[right]
        return {
            "edit_similarity": compared(self.folded, fuzz.ratio) / 100,
            "sorted_edit_similarity": compared(self.sorted, fuzz.ratio) / 100,
            "prefix_similarity": compared(self.starts, JaroWinkler.similarity),
            "length_ratio": np.minimum(*lengths) / np.maximum(np.maximum(*lengths), 1),
        }

    def _count_features(self, left: Positions, right: Positions) -> dict[str, Values]:
        out: dict[str, Values] = {}
        for name, matrix in self.counted.items():
            shared = _sums(matrix[left].multiply(matrix[right]))
            fewer = np.minimum(self.counts[name][left], self.counts[name][right])
            out[f"{name}s_shared"] = shared
            out[f"{name}_containment"] = np.where(
                fewer > 0, shared / np.maximum(fewer, 1), np.nan
            ).astype(np.float32)
            out[f"{name}s_conflicting"] = fewer - shared
        one, other = self.number[left], self.number[right]
        size = np.maximum(np.maximum(np.abs(one), np.abs(other)), 1e-9)
        out["number_difference"] = np.asarray(np.abs(one - other) / size, np.float32)
        return out


class TextFeatures:
    """Features of pairs among one list of texts, whole and field by field, and of attributes.

    Args:
        texts: (n,) normalised texts, '' where a record has none.
        fields: name -> (n,) values, '' where absent; only blocks that `weights` knows are used,
            and a known block that is absent here counts as absent in every record.
        weights: block name -> frozen word weights; empty for pictures.
        attributes: attributes of the same records, compared after the blocks.
    """

    def __init__(
        self,
        texts: Sequence[str],
        fields: Mapping[str, Sequence[str]],
        *,
        weights: Mapping[str, WordWeights],
        threads: int,
        attributes: Mapping[str, AttributeFeatures] | None = None,
    ) -> None:
        self.attributes = dict(attributes or {})
        columns = {WHOLE: texts, **{f"field {name}": values for name, values in fields.items()}}
        blank = [""] * len(texts)
        self.blocks = {
            name: _Block(columns.get(name, blank), learned, threads)
            for name, learned in weights.items()
        }

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns of `compare`."""
        return feature_names(tuple(self.blocks), tuple(self.attributes))

    def compare(self, left: Positions, right: Positions) -> Floats:
        """(p, len(names)) float32, NaN where a side lacks the text, field or attribute."""
        found = [
            self._compare(left[start : start + PORTION], right[start : start + PORTION])
            for start in range(0, max(len(left), 1), PORTION)
        ]
        return np.concatenate(found)

    def _compare(self, left: Positions, right: Positions) -> Floats:
        parts = [block.compare(left, right) for block in self.blocks.values()]
        parts += [attribute.compare(left, right) for attribute in self.attributes.values()]
        return np.concatenate(parts, axis=1)


def feature_names(blocks: Sequence[str], attributes: Sequence[str] = ()) -> tuple[str, ...]:
    """The columns that a list of blocks and one of attributes give, in this order."""
    return (*(f"{b}: {name}" for b in blocks for name in BLOCK), *column_names(attributes))


def learn_weights(
    texts: Sequence[str], fields: Mapping[str, Sequence[str]]
) -> dict[str, WordWeights]:
    """Word weights of the whole text and, where there are several, of every field."""
    blocks = {WHOLE: texts}
    if len(fields) > 1:
        blocks |= {f"field {name}": values for name, values in fields.items()}
    return {name: WordWeights.learn(values) for name, values in blocks.items()}


def _words(texts: Sequence[str], threads: int = 1) -> csr_matrix:
    """Binary (n, HASHED) matrix of the words of texts."""
    return words_of(pa.array(texts, pa.large_string()), threads=threads).astype(np.float32)


def _grams(texts: Sequence[str], threads: int = 1) -> csr_matrix:
    return trigrams_of(pa.array(texts, pa.large_string()), threads=threads).astype(np.float32)


def _hash(texts: Sequence[str], **how: object) -> csr_matrix:
    """Binary float32 (n, HASHED) matrix of what `how` finds in case-folded texts."""
    from sklearn.feature_extraction.text import HashingVectorizer

    if not len(texts):
        return csr_matrix((0, HASHED), dtype=np.float32)  # scikit-learn refuses no texts
    vectorizer = HashingVectorizer(
        n_features=HASHED, norm=None, alternate_sign=False, binary=True, lowercase=False,
        dtype=np.float32, **how,
    )  # fmt: skip
    matrix = vectorizer.transform(texts)
    matrix.sort_indices()
    return matrix


def _reweight(matrix: csr_matrix, weights: Floats) -> csr_matrix:
    out = matrix.copy()
    out.data = weights[out.indices]
    return out


def _sums(matrix: csr_matrix) -> Floats:
    return np.asarray(matrix.sum(axis=1), np.float32).ravel()


def _maxima(matrix: csr_matrix) -> Floats:
    """Largest value of each row, at least 0 (a row of rounding dust has none)."""
    return np.maximum(np.asarray(matrix.tocsr().max(axis=1).toarray(), np.float32).ravel(), 0)
