"""Evidence of pairs of texts: what is hashed, and that nothing depends on how it is cut."""

import re
from dataclasses import fields
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, strategies as st
from rapidfuzz import fuzz
from sklearn.feature_extraction.text import HashingVectorizer

from pipeline.ingestion import fold_text
from pipeline.matching.comparison import text as evidence
from pipeline.matching.comparison.document_frequencies import FEATURES
from pipeline.matching.comparison.text import TextComparison, WordEvidence, words_of

JOINERS = re.compile(r"(?<=\w)[-./](?=\w)")
TEXTS = [
    "Canon DSC-W120 camera, 12.1 MP", "canon dscw120 Camera 12.1 mp black", "Straße 7", "STRASSE 8",
    "", "!!", "a rose is a rose is a rose", "naïve café № ½", "x" * 2500 + " tail", "x" * 2500,
]  # fmt: skip


def hashed(pattern: str, preprocessor: Any, texts: list[str]) -> Any:
    return HashingVectorizer(
        token_pattern=pattern, preprocessor=preprocessor, n_features=FEATURES, norm=None,
        alternate_sign=False, binary=True,
    ).transform(texts)  # fmt: skip


@pytest.mark.slow
@given(st.lists(st.text("ab1 .-é½ßx", max_size=12) | st.text(), min_size=1, max_size=6))
def test_words_and_codes_are_hashed_as_catalogs_keep_them(texts: list[str]) -> None:
    comparer = TextComparison(pa.array(texts), threads=1)
    words = hashed(r"(?u)\b\w+\b", fold_text, texts)
    codes = hashed(r"(?u)\b(?=\w*\d)\w+\b", lambda text: JOINERS.sub("", fold_text(text)), texts)
    for found, wanted in ((comparer.words, words), (comparer.codes, codes)):
        assert found.shape == wanted.shape
        assert (found != wanted).nnz == 0
    assert (words_of(pa.array(texts)) != words).nnz == 0


def compared(**changed: Any) -> WordEvidence:
    comparer = TextComparison(pa.array(TEXTS), threads=changed.pop("threads", 1))
    left, right = (side.ravel() for side in np.indices((len(TEXTS), len(TEXTS))))
    return comparer.compare(left, right)


def test_evidence_of_a_pair() -> None:
    found = compared()
    pair = len(TEXTS) * 0 + 1
    assert found.code_agreement[pair] == pytest.approx(1.0)
    assert 0 < found.token_overlap[pair] < 1
    assert found.edit_similarity[pair] == pytest.approx(
        fuzz.ratio(TEXTS[0].casefold(), TEXTS[1].casefold()) / 100, abs=5e-5
    )
    streets = len(TEXTS) * 2 + 3
    assert found.code_agreement[streets] == -1
    assert found.edit_similarity[streets] == pytest.approx(0.8889, abs=1e-4)
    assert np.isnan(found.code_agreement[len(TEXTS) * 4 + 5])


def test_edits_are_looked_for_in_the_beginning_of_long_texts() -> None:
    assert compared().edit_similarity[len(TEXTS) * 8 + 9] == 1.0


@pytest.mark.parametrize("limit", ["PORTION", "COMPARED_WORDS"])
def test_neither_portions_nor_threads_change_the_evidence(
    limit: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = compared()
    monkeypatch.setattr(evidence, limit, 9)
    cut = compared(threads=2)
    for field in fields(WordEvidence):
        assert np.array_equal(
            getattr(cut, field.name), getattr(whole, field.name), equal_nan=True
        ), field.name


def test_no_texts_have_no_evidence() -> None:
    nothing = np.zeros(0, np.int64)
    comparer = TextComparison(pa.array([], pa.large_string()), threads=1)
    assert len(comparer.compare(nothing, nothing).token_overlap) == 0
