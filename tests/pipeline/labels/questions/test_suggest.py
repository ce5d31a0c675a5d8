"""Which pairs a person is asked about, in which order, and what each question stands for."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings, strategies as st

from pipeline.errors import PipelineError
from pipeline.labels.questions.random_share import draw_random, even_shares
from pipeline.labels.questions.suggest import suggest_pairs
from pipeline.labels.sheet import SUGGESTED
from pipeline.storage.schemas import LABELS, STRINGS
from tests.worlds.asked_pairs import ACCEPT, REVIEW, answered, asked_pairs, keys


def suggested(pairs, labels=None, *, n=50, seed=0, **values):
    return suggest_pairs(pairs, labels, n=n, accept=ACCEPT, review=REVIEW, seed=seed, **values)


def uniform(count, seed=0):
    return asked_pairs(np.round(np.random.default_rng(seed).uniform(0, 1, count), 4))


def is_random(table):
    return np.array([why.startswith("random") for why in table["why"].to_pylist()], bool)


@settings(deadline=None, max_examples=25)
@given(
    count=st.integers(0, 120), n=st.integers(1, 60), seed=st.integers(0, 9),
    share=st.floats(0.05, 1),
)  # fmt: skip
def test_weights_stand_for_every_unlabelled_pair_once(count, n, seed, share):
    pairs = uniform(count, seed)
    table = suggested(pairs, n=n, seed=seed, random_share=share)
    assert table.schema == SUGGESTED
    assert len(table) == min(n, count)
    assert len(set(keys(table))) == len(table)
    assert set(keys(table)) <= set(keys(pairs))
    assert np.isclose(sum(table["weight"].to_pylist()), count)
    assert all(weight >= 1 for weight in table["weight"].to_pylist())
    assert table["label"].null_count == len(table)


@settings(deadline=None, max_examples=10)
@given(order=st.permutations(range(60)))
def test_the_order_of_pairs_and_labels_does_not_matter(order):
    pairs = uniform(60)
    labels = answered(suggested(pairs, n=12), dict.fromkeys(keys(pairs), True))
    turned = labels.take(list(reversed(range(12))))
    assert suggested(pairs.take(order), turned, n=20) == suggested(pairs, labels, n=20)


def test_no_labelled_pair_is_asked_about_again_whatever_was_said():
    pairs = uniform(40)
    labels = answered(suggested(pairs, n=25), dict.fromkeys(keys(pairs), True))
    unsure = pa.array(["unsure", "related", "same", "different", "same"] * 5)
    labels = labels.set_column(2, LABELS.field("label"), unsure)
    second = suggested(pairs, labels, n=40)
    assert len(second) == 15
    assert not set(keys(labels)) & set(keys(second))


@pytest.mark.parametrize("n", [5, 10, 40])
def test_a_random_share_is_asked_throughout_and_marked(n):
    random = is_random(suggested(uniform(400), n=n))
    assert random.sum() == round(n / 4)
    ahead = np.cumsum(random) - np.arange(1, n + 1) / 4
    assert np.abs(ahead).max() <= 1, "whoever stops early has answered a random share too"


def test_every_draw_of_the_seed_is_as_likely_as_its_weight_says():
    probability, hits = np.linspace(0.001, 0.999, 60), np.zeros(60)
    weights = np.ones(60)
    for seed in range(400):
        rows, _, weight = draw_random(
            np.arange(60), probability, count=20, accept=ACCEPT, review=REVIEW, seed=seed
        )
        hits[rows] += 1
        weights[rows] = weight
    assert np.abs(hits / 400 - 1 / weights).max() < 0.1


def test_few_draws_cross_no_accept_threshold():
    probability = np.linspace(0.001, 0.999, 200)
    for count in range(2, 12):
        rows, why, weight = draw_random(
            np.arange(200), probability, count=count, accept=ACCEPT, review=REVIEW, seed=count
        )
        accepted = probability[rows] >= ACCEPT
        lowest = np.array([float(name.split()[1]) for name in why])
        assert ((lowest >= ACCEPT) == accepted).all()
        assert accepted.any()
        assert np.isclose(weight[accepted].sum(), (probability >= ACCEPT).sum())


def test_the_first_of_the_draws_are_a_sample_of_all_strata():
    probability = np.linspace(0.001, 0.999, 200)
    first = {
        draw_random(np.arange(200), probability, count=10, accept=0.9, review=0.5, seed=seed)[1][0]
        for seed in range(40)
    }
    assert len(first) == 5


def test_texts_and_pictures_of_both_sides_are_shown():
    records = pa.table(
        {
            "record_id": ["b:00000", "a:00000"],
            "text": ["right", "left"],
            "image_uri": [None, "x"],
            "word_count": [1, 1],
            "fields": pa.nulls(2, STRINGS),
        }
    )
    row = suggested(asked_pairs([0.7]), records=records).to_pylist()[0]
    assert [row[k] for k in ("left_text", "right_text", "left_image", "right_image")] == [
        "left", "right", "x", None,
    ]  # fmt: skip


@pytest.mark.parametrize("values", [{"n": 0}, {"random_share": 0.0}, {"random_share": 1.1}])
def test_a_request_that_makes_no_sense_is_refused(values):
    with pytest.raises(PipelineError, match="suggest at least one pair"):
        suggested(uniform(5), **values)


@settings(deadline=None)
@given(st.lists(st.integers(1, 30), min_size=1, max_size=6), st.integers(0, 200))
def test_shares_are_even_and_lose_nothing(sizes, count):
    shares = even_shares(sizes, count)
    assert sum(shares) == min(count, sum(sizes))
    assert all(0 <= share <= size for share, size in zip(shares, sizes, strict=True))
    free = [share for share, size in zip(shares, sizes, strict=True) if share < size]
    assert max(free, default=0) - min(free, default=0) <= 1
