"""Edits of texts: decided by the generator alone, never empty, and doing what they say."""

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from pipeline.evaluation.synthetic.text_edits import TEXT_EDITS, edit_text

TEXT = "title: Alpine Backpack 40 l, blue; brand: Nordvik; description: A light pack for two days"


def made(name: str, seed: int, text: str = TEXT) -> str:
    return TEXT_EDITS[name](text, np.random.default_rng(seed))


@pytest.mark.parametrize("name", TEXT_EDITS)
def test_an_edit_changes_a_text_as_the_generator_says(name: str) -> None:
    versions = [made(name, seed) for seed in range(20)]
    assert versions == [made(name, seed) for seed in range(20)]
    assert sum(version != TEXT for version in versions) >= 15
    assert len(set(versions)) >= 2


@settings(max_examples=200, deadline=None)
@given(st.text(min_size=1, max_size=40).filter(str.strip), st.integers(0, 99))
def test_no_text_becomes_empty_or_fails(text: str, seed: int) -> None:
    found, done = edit_text(text, np.random.default_rng(seed), names=list(TEXT_EDITS), count=4)
    assert found.strip()
    assert len(done) <= 4
    assert len(set(done)) == len(done)


def test_what_is_dropped_was_there_and_what_stays_keeps_its_order() -> None:
    words = TEXT.split()
    for name in ("drop_words", "drop_span", "shorten"):
        for seed in range(10):
            rest = iter(words)
            assert all(word in rest for word in made(name, seed).split()), name


def test_a_field_is_dropped_whole() -> None:
    fields = [part.strip() for part in TEXT.split(";")]
    for seed in range(10):
        kept = [part.strip() for part in made("drop_field", seed).strip(";").split(";")]
        assert len(kept) == 2
        assert set(kept) < set(fields)


def test_typos_are_few_and_case_is_all_that_case_changes() -> None:
    from rapidfuzz.distance import Levenshtein

    for seed in range(20):
        assert Levenshtein.distance(TEXT, made("mistype", seed)) <= 6
        assert made("change_case", seed).casefold() == TEXT.casefold()


def test_nothing_is_done_when_nothing_is_asked() -> None:
    assert edit_text(TEXT, np.random.default_rng(0), names=list(TEXT_EDITS), count=0) == (TEXT, ())
    with pytest.raises(KeyError):
        edit_text(TEXT, np.random.default_rng(0), names=["translate"], count=1)
