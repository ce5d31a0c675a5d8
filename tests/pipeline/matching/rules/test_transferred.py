"""What the shipped judge of texts takes from the corpus that it judges."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from pipeline.matching.comparison.column_levels import ColumnLevels, learn_column_levels
from pipeline.matching.comparison.corpus_statistics import CorpusStatistics
from pipeline.matching.comparison.document_frequencies import DocumentFrequencies
from pipeline.matching.comparison.source_levels import SourceLevels
from pipeline.matching.comparison.text import words_of
from pipeline.matching.comparison.text_features import WHOLE, TextFeatures
from pipeline.matching.rules.transferred import (
    LEAST,
    LEAST_ACROSS,
    LEAST_INSIDE,
    MOST,
    USUAL,
    inside_of,
    shift_of,
)

PLAIN = {"least": LEAST, "most": MOST}


def test_a_corpus_without_likely_partners_adds_what_is_usual() -> None:
    assert shift_of(np.full(100, -2.0), **PLAIN) == USUAL
    assert shift_of(np.zeros(0), **PLAIN) == USUAL


def test_matches_that_have_little_in_common_move_the_threshold_towards_them() -> None:
    close = shift_of(np.full(2_000, 5.0), **PLAIN)
    loose = shift_of(np.full(2_000, 3.0), **PLAIN)
    assert LEAST < close < loose < MOST
    assert loose == pytest.approx(5.3 - 3.0, abs=0.05)


def test_records_without_a_match_do_not_move_it() -> None:
    matched = np.full(800, 4.0)
    lonely = np.concatenate([np.full(5_000, -3.0), np.full(700, 0.5), matched])
    assert shift_of(lonely, **PLAIN) == pytest.approx(shift_of(matched, **PLAIN), abs=0.2)


def test_a_handful_of_partners_says_little() -> None:
    few = shift_of(np.full(5, 2.5), **PLAIN)
    assert abs(few - USUAL) < 0.2


def test_it_stays_within_its_bounds() -> None:
    near, far = np.full(10_000, 9.0), np.full(10_000, 0.1)
    assert shift_of(near, **PLAIN) == pytest.approx(LEAST, abs=0.02)
    assert shift_of(near, least=LEAST_ACROSS, most=MOST) == pytest.approx(LEAST_ACROSS, abs=0.02)
    assert shift_of(far, least=LEAST, most=1.5) == pytest.approx(1.5, abs=0.01)


def test_inside_a_list_that_holds_a_thing_once_alike_is_not_the_same() -> None:
    assert inside_of(0, 0) == 0.0
    assert inside_of(50, 50) == 0.0
    assert inside_of(90, 10) == 0.0  # more inside than across: copies are inside
    assert -2 < inside_of(0, 1) < 0  # one record proves little
    assert inside_of(10, 900) < -8
    assert inside_of(0, 100_000) == LEAST_INSIDE


def test_only_pairs_inside_a_source_lose_by_it() -> None:
    levels = SourceLevels.of(pa.chunked_array([["a", "a", "b", "b"]]), {"a": -3.0, "b": -1.0})
    left, right = np.array([0, 0, 2, 1]), np.array([1, 2, 3, 3])
    assert levels.compare(left, right).tolist() == [-3.0, 0.0, -1.0, 0.0]


def test_a_word_without_its_accents_weighs_what_it_weighs_with_them() -> None:
    texts = ["café au lait", "cafe au lait", "Ørsted café", "orsted tea", "ёж", "й"]
    frequencies = DocumentFrequencies.of(words_of(pa.array(texts)))
    weights = {WHOLE: CorpusStatistics.learn(texts).weights(frequencies)}
    features = TextFeatures(texts, {}, weights=weights, threads=1)
    overlap = features.compare(np.array([0, 2, 0]), np.array([1, 3, 2]))[:, 0].tolist()
    assert overlap[0] == 1.0
    rare, common = np.log(7 / 3) + 0.1, np.log(7 / 4) + 0.1  # two texts have orsted, three cafe
    tea = np.log(7 / 2) + 0.1
    assert overlap[1] == pytest.approx(rare / (rare + common + tea), rel=1e-5)
    assert overlap[2] == pytest.approx(common / (common + 3 * rare), rel=1e-5)


def test_what_a_corpus_said_comes_back_from_its_table() -> None:
    learned = CorpusStatistics.learn(["a small house", "a small horse", "ça vaut l'été"])
    assert len(learned.accented) == 2
    assert CorpusStatistics.from_table(learned.table()).accented.tolist() == (
        learned.accented.tolist()
    )
    assert CorpusStatistics.from_table(learned.table()).shift is None
    adapted = learned.adapted(1.5, {"shop: b": -2.25, "a": -1.0}).seen(
        {"venue": (-0.5, 0.25)}, near_copies=300, loose=210, promised=False
    )
    found = CorpusStatistics.from_table(adapted.table().slice(0))
    assert (found.shift, found.inside, found.tolerant) == (1.5, adapted.inside, True)
    assert found.columns == adapted.columns
    assert found.digest() == adapted.digest() != learned.digest()


def test_a_corpus_is_tolerant_only_where_its_copies_show_it() -> None:
    learned = CorpusStatistics.learn(["a small house"])
    for near, loose, promised, tolerant in (
        (199, 199, False, False), (300, 280, False, True), (1_000, 550, False, False),
        (29, 29, True, False), (40, 40, True, True), (100, 65, True, False),
    ):  # fmt: skip
        found = learned.seen({}, near_copies=near, loose=loose, promised=promised)
        assert found.tolerant is tolerant


NAMES = ("name", "street", "venue")
BEST = np.array([0b100] * 80 + [0b101] * 20)  # they differ in the venue, a few in the name
LESSER = np.array([0b011] * 90 + [0b111] * 10)


def test_a_column_in_which_best_partners_differ_says_nothing_against_a_pair() -> None:
    known = learn_column_levels(NAMES, BEST, LESSER)
    levels = ColumnLevels.of(NAMES, known)
    venue, street = levels.told(np.array([0b100, 0b010]))
    assert (venue, street) == (1.0, -3.0)  # held: it corrects a judge
    differ = dict(zip(NAMES, levels.differ, strict=True))
    assert differ["street"] < differ["name"] < 0 < differ["venue"]
    assert set(known) == set(NAMES)


def test_too_few_pairs_teach_no_columns() -> None:
    assert learn_column_levels(NAMES, BEST[:49], LESSER) == {}
    assert ColumnLevels.of(NAMES, {}).told(np.array([0b111])).tolist() == [0.0]
