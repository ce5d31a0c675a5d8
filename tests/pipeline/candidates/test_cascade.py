"""Which of a student's pairs the teacher must see."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings, strategies as st

from pipeline.candidates.cascade import (
    ALWAYS,
    FEWEST,
    FLOOR,
    MARGIN,
    SampledPairs,
    Strata,
    choose_thresholds,
    passes,
)
from pipeline.config.encoders import MiniLmEncoder
from pipeline.config.matching import JudgeSettings
from pipeline.matching.comparison.text import TextComparison, WordEvidence
from pipeline.matching.evidence import UNSEEN, TextEvidence
from pipeline.matching.rules.default_rules import MINILM, LogisticTextRule, cosine_default
from pipeline.matching.rules.learned import LearnedRule


def sampled(cosine: np.ndarray, needed: np.ndarray, duplicate: np.ndarray) -> SampledPairs:
    count = len(cosine)
    return SampledPairs(np.arange(count), cosine, needed, duplicate, np.ones(count))


def test_pairs_pass_at_the_floor_and_within_the_margin() -> None:
    cosine = np.array([0.8, 0.79, 0.8, 0.8, 0.8])
    needed = np.array([0.9, 0.9, 0.91, ALWAYS, 1.01])
    found = passes(cosine, needed, floor=0.8, margin=0.1)
    assert found.tolist() == [True, False, False, True, False]


def test_no_more_is_lost_than_the_target_allows() -> None:
    random = np.random.default_rng(0)
    cosine = random.uniform(0.6, 1, 2000)
    needed = np.clip(cosine + random.normal(0, 0.2, 2000), 0, 1)
    duplicate = random.random(2000) < 0.3
    choice = choose_thresholds(
        sampled(cosine, needed, duplicate), target=0.8, texts=500, lowest=0.6
    )
    assert choice.measured
    assert 0.8 <= choice.recall < 0.83  # no more is kept than it takes, to a hundredth
    assert choice.low < choice.recall < choice.high
    kept = choice.passes(cosine, needed)
    yes = duplicate.sum()
    assert choice.recall == pytest.approx(kept[duplicate].sum() / (yes + 1))
    assert (cosine[duplicate] < choice.floor).mean() <= 0.1
    assert choice.floor > 0.6
    assert 0.12 < choice.margin < 0.4


@pytest.mark.parametrize("rate", [1.0, 0.25])
def test_the_target_holds_for_pairs_outside_the_sample(rate: float) -> None:
    """On average over samples of a corpus in which a twentieth of the duplicates need a margin."""
    random = np.random.default_rng(1)
    cosine = random.uniform(0.75, 1, 4000)
    needed = cosine - random.uniform(0.01, 0.3, 4000)
    late = random.random(4000) < 0.05
    needed[late] = cosine[late] + random.exponential(0.03, late.sum())
    held = []
    for _ in range(200):
        rows = np.flatnonzero(random.random(4000) < 0.05)
        kept = rows[~late[rows] | (random.random(len(rows)) < rate)]
        weight = np.where(late[kept], 1 / rate, 1.0)
        found = SampledPairs(kept, cosine[kept], needed[kept], np.ones(len(kept), bool), weight)
        choice = choose_thresholds(found, target=0.98, texts=len(rows), lowest=0.6)
        held.append(choice.passes(cosine, needed).mean())
    assert np.mean(held) > 0.98 if rate == 1 else np.mean(held) > 0.97


def test_pairs_that_stand_for_many_leave_a_wider_interval() -> None:
    cosine = np.full(100, 0.9)
    found = sampled(cosine, np.full(100, ALWAYS), np.ones(100, bool))
    heavy = SampledPairs(
        found.text, cosine, found.needed, found.duplicate, np.r_[np.ones(90), [8] * 10]
    )
    even, uneven = (
        choose_thresholds(given, target=0.9, texts=9, lowest=0.6) for given in (found, heavy)
    )
    assert uneven.low < even.low < 0.97


def test_a_weighted_pair_counts_for_those_it_stands_for() -> None:
    cosine = np.r_[np.full(99, 0.9), 0.65]
    needed = np.full(100, ALWAYS)
    found = sampled(cosine, needed, np.ones(100, bool))
    assert choose_thresholds(found, target=0.95, texts=9, lowest=0.6).floor == 0.9
    heavy = SampledPairs(found.text, cosine, needed, found.duplicate, np.r_[np.ones(99), 50.0])
    assert choose_thresholds(heavy, target=0.95, texts=9, lowest=0.6).floor == 0.65


def test_too_few_duplicates_leave_the_stated_defaults() -> None:
    few = np.full(FEWEST - 1, 0.95)
    choice = choose_thresholds(sampled(few, few, few > 0), target=0.99, texts=5, lowest=0.6)
    assert (choice.floor, choice.margin, choice.measured) == (FLOOR, MARGIN, False)
    none = choose_thresholds(
        sampled(few[:0], few[:0], few[:0] > 0), target=0.99, texts=5, lowest=0.6
    )
    assert (none.recall, none.low, none.high) == (1.0, 0.0, 1.0)


@settings(max_examples=30, deadline=None)
@given(st.randoms(use_true_random=False), st.integers(1, 60))
def test_what_is_kept_of_a_stratum_does_not_depend_on_the_order(random, limit: int) -> None:
    pairs = [(random.randrange(3), random.randrange(90), random.randrange(9)) for _ in range(200)]
    pairs = sorted({(a, b): (s, a, b) for s, a, b in pairs}.values())
    results = []
    for turn in range(2):
        random.shuffle(pairs)
        strata = Strata(limit)
        step = 7 if turn else 200
        for start in range(0, len(pairs), step):
            part = np.array(pairs[start : start + step])
            strata.add(part[:, 0], part[:, 1], part[:, 2])
        results.append(np.stack([np.asarray(c, float) for c in strata.pairs()]))
    assert np.array_equal(results[0], results[1])
    left, right, weight = results[0]
    stratum = {(a, b): s for s, a, b in pairs}
    kept = np.array([stratum[int(a), int(b)] for a, b in zip(left, right, strict=True)])
    for number in {s for s, _, _ in pairs}:
        of = sum(s == number for s, _, _ in pairs)
        assert (kept == number).sum() <= limit or of <= limit
        if of <= limit:
            assert (weight[kept == number] == 1).all()
            assert (kept == number).sum() == of


def test_the_weights_of_a_thinned_stratum_add_up_to_about_all_its_pairs() -> None:
    left = np.arange(100_000)
    strata = Strata(2000)
    strata.add(np.zeros(100_000, int), left, left + 7)
    weight = strata.pairs()[-1]
    assert 1000 <= len(weight) <= 2000
    assert weight.sum() == pytest.approx(100_000, rel=0.1)


def test_nothing_added_is_nothing_kept() -> None:
    assert Strata(5).pairs() == ()


def words(count: int, seed: int) -> WordEvidence:
    random = np.random.default_rng(seed)
    draw = lambda low: random.uniform(low, 1, count).astype(np.float32)  # noqa: E731
    code = np.where(random.random(count) < 0.5, np.nan, draw(-1)).astype(np.float32)
    return WordEvidence(draw(0), draw(0), draw(0), code)


def test_no_pair_below_the_cosine_it_needs_is_accepted() -> None:
    """The default judge: what its words exclude, it never accepts, and it accepts just above."""
    rule = cosine_default(MiniLmEncoder(), JudgeSettings()).rule
    seen = words(5000, 3)
    needed = rule.needed_cosine(seen)
    for shift, accepted in ((-1e-3, False), (1e-3, True)):
        cosine = np.clip(needed + shift, -1, 1)
        within = np.abs(needed + shift) < 1
        nothing = np.full(5000, np.nan)
        no = np.zeros(5000, bool)
        evidence = TextEvidence(
            cosine=cosine, lexical=nothing,
            token_overlap=seen.token_overlap.astype(float),
            edit_similarity=seen.edit_similarity.astype(float),
            length_ratio=seen.length_ratio.astype(float),
            code_agreement=seen.code_agreement.astype(float),
            exact=no, short=no, verbatim=nothing,
            difference=np.full(5000, UNSEEN, np.int8), kinds=np.zeros(5000, np.int32),
            spans=np.full(5000, None, object),
            background=nothing, features=np.zeros((5000, 0), np.float32), sources=nothing,
            differing=np.zeros(5000, np.int64), telling=np.zeros(5000),
        )  # fmt: skip
        probability = np.round(rule.probability(evidence), 4)
        assert ((probability >= rule.accept) == accepted)[within].all()
        assert within.sum() > 1000
    assert (needed > 1).sum() > 1000
    assert rule.accept == MINILM.rule.accept


def test_what_a_judge_has_learned_of_words_bounds_nothing() -> None:
    assert (LearnedRule.needed_cosine(None, words(4, 1)) == ALWAYS).all()


@settings(max_examples=50, deadline=None)
@given(st.lists(st.text("ab c1-", min_size=1, max_size=12), min_size=2, max_size=6))
def test_comparing_two_texts_never_says_more_for_them_than_the_bound(texts: list[str]) -> None:
    comparer = TextComparison(pa.array(texts), threads=1)
    left, right = np.triu_indices(len(texts), 1)
    most, found = comparer.upper_bound(left, right), comparer.compare(left, right)
    for name in ("token_overlap", "edit_similarity", "length_ratio", "code_agreement"):
        assert (np.nan_to_num(getattr(found, name)) <= getattr(most, name)).all(), name


def test_a_judge_that_hears_words_alone_needs_no_cosine_or_none_suffices() -> None:
    rule = LogisticTextRule(bias=-5.05, cosine=0.0, token_overlap=13.14, code_agreement=1.03)
    seen = words(200, 5)
    needed = rule.needed_cosine(seen)
    assert set(needed.tolist()) == {ALWAYS, np.inf}
    overlapping = seen.token_overlap > 0.65  # 13.14 * 0.65 is beyond every code's part
    assert (needed[overlapping] == ALWAYS).all()
