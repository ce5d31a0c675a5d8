"""What aimed questions are about: both answers early, and every part of the corpus."""

from collections import Counter

import numpy as np
import pyarrow as pa

from pipeline.labels.questions.aimed import Answers, choose_aimed
from pipeline.labels.questions.committee import ask_committee, disagreement_of
from pipeline.labels.questions.suggest import suggest_pairs
from pipeline.labels.questions.view import view_pairs
from pipeline.storage.schemas import STRINGS
from tests.worlds.asked_pairs import ACCEPT, REVIEW, answered, asked_pairs, keys

RARE = 0.02  # of the pairs are one thing


def suggested(pairs, labels=None, *, n=10, seed=0, **values):
    return suggest_pairs(pairs, labels, n=n, accept=ACCEPT, review=REVIEW, seed=seed, **values)


def aimed(pairs, *, count, answers=((), ()), clusters=None, records=None):
    view = view_pairs(pairs, accept=ACCEPT, clusters=clusters, records=records)
    rows, same = np.array(answers[0], np.int64), np.array(answers[1], bool)
    open_rows = np.setdiff1d(np.arange(len(pairs)), rows)
    return choose_aimed(
        view, open_rows, Answers(rows, same), count=count, accept=ACCEPT, review=REVIEW
    )


def rare(seed, *, wrong=0.3):
    """5,000 pairs of which few are one thing, and a run that is wrong about a third of these."""
    rng = np.random.default_rng(seed)
    same = rng.random(5000) < RARE
    likely = same ^ (rng.random(5000) < np.where(same, wrong, wrong * RARE))
    probability = np.where(likely, rng.beta(8, 0.7, 5000), rng.beta(0.7, 6, 5000)).round(4)
    pairs = asked_pairs(probability)
    return pairs, dict(zip(keys(pairs), same.tolist(), strict=True))


def test_both_answers_are_among_the_first_ten_though_duplicates_are_rare():
    for seed in range(10):
        pairs, truth = rare(seed)
        first = suggested(pairs, seed=seed)
        right = sum(truth[key] for key in keys(first))
        assert 2 <= right <= 8, seed
        second = suggested(pairs, answered(first, truth), seed=seed)
        assert 6 <= right + sum(truth[key] for key in keys(second)) <= 14, seed


def test_a_run_that_is_wrong_where_it_is_sure_is_found_out():
    # Half of what it joins is not one thing, which a cosine tells that the judge did not look at.
    rng = np.random.default_rng(0)
    probability = np.concatenate([np.full(200, 0.99), rng.uniform(0.01, 0.85, 2000)])
    same = np.arange(2200) < 100
    cosine = np.where(same, 0.9, 0.4) + rng.normal(0, 0.02, 2200)
    pairs = asked_pairs(probability, text_cosine=cosine)
    truth = dict(zip(keys(pairs), same.tolist(), strict=True))
    labels, found = None, []
    for round_ in range(3):
        sheet = suggested(pairs, labels, n=20, seed=round_)
        found.append(sum(truth[key] for key in keys(sheet)))
        answers = answered(sheet, truth, day=round_ + 1)
        labels = answers if labels is None else pa.concat_tables([labels, answers])
    assert found[1] > found[0]
    assert 25 <= sum(found) <= 40


def test_all_that_a_pair_can_be_to_the_run_takes_turns():
    pairs = asked_pairs(np.linspace(0.001, 0.999, 2000))
    clusters = pa.table(
        {
            "record_id": [f"{side}:{n:05d}" for side in "ab" for n in range(2000)],
            # Of three accepted pairs one is kept apart.
            "cluster_id": [f"{'' if n % 3 else side}{n}" for side in "ab" for n in range(2000)],
        }
    )  # fmt: skip
    _, why = aimed(pairs, count=40, clusters=clusters)
    counts = Counter(why.tolist())
    assert set(counts) == {
        "most probable", "joined, near the threshold", "alike, but kept apart",
        "for review, not joined", "just below review",
    }  # fmt: skip
    assert min(counts.values()) >= 3
    assert len(set(why[:10].tolist())) == 5


def test_no_record_and_no_cluster_is_asked_about_twice_while_there_are_others():
    # Twenty clusters of records that are all alike, far more pairs than clusters.
    names = [(c, i, j) for c in range(20) for i in range(5) for j in range(i + 1, 5)]
    pairs = asked_pairs(
        np.linspace(0.96, 0.99, len(names)),
        left_id=[f"a:{c:02d}-{i}" for c, i, _ in names],
        right_id=[f"a:{c:02d}-{j}" for c, _, j in names],
    )
    clusters = pa.table(
        {
            "record_id": [f"a:{c:02d}-{i}" for c in range(20) for i in range(5)],
            "cluster_id": [f"c{c:02d}" for c in range(20) for _ in range(5)],
        }
    )
    rows, _ = aimed(pairs, count=20, clusters=clusters)
    asked = pairs.sort_by([("left_id", "ascending"), ("right_id", "ascending")]).take(rows)
    assert len({name[:4] for name in asked["left_id"].to_pylist()}) == 20
    rows, _ = aimed(pairs, count=40, clusters=clusters)
    asked = pairs.sort_by([("left_id", "ascending"), ("right_id", "ascending")]).take(rows)
    ends = asked["left_id"].to_pylist() + asked["right_id"].to_pylist()
    assert len(set(ends)) == 80, "five records of a cluster give two pairs without a common one"


def test_rare_kinds_of_difference_are_asked_about_too_and_frequent_ones_more_often():
    kinds = ["number"] * 900 + ["name"] * 80 + ["order"] * 20
    pairs = asked_pairs(
        np.full(1000, 0.97), differences=[f"`x` against `y` ({kind}) in *a*" for kind in kinds]
    )
    rows, _ = aimed(pairs, count=20)
    counts = Counter(kinds[row] for row in rows)
    assert counts["number"] > counts["name"] > counts["order"] > 0


def test_every_source_and_every_shape_of_record_is_asked_about():
    shapes = {"a": [("name", "x"), ("phone", "1")], "c": [("street", "y")], "d": [("name", "z")]}
    names = [f"{'a' if n < 1800 else 'c' if n < 1900 else 'd'}:{n:05d}" for n in range(2000)]
    records = pa.table(
        {
            "record_id": [*names, *(f"b:{n:05d}" for n in range(2000))],
            "word_count": [3] * 4000,
            "fields": pa.array([*(shapes[name[0]] for name in names), *[[]] * 2000], STRINGS),
        }
    )
    rows, _ = aimed(asked_pairs(np.full(2000, 0.97), left_id=names), count=20, records=records)
    counts = Counter(sorted(names)[row][0] for row in rows)
    assert set(counts) == {"a", "c", "d"}


def test_answers_before_decide_which_are_expected_next():
    pairs = asked_pairs(np.linspace(0.001, 0.999, 1000))
    many = np.arange(960, 999, 2)
    _, after_same = aimed(pairs, count=12, answers=(many, np.ones(len(many))))
    _, after_none = aimed(pairs, count=12, answers=(np.arange(0, 40, 2), np.zeros(20)))
    joined = ["most probable", "joined, near the threshold"]
    assert np.isin(after_same, joined).sum() == 3, "a quarter is about what the run joined"
    assert np.isin(after_none, joined).sum() == 12


def test_a_committee_follows_the_answers_and_differs_where_there_are_none():
    rng = np.random.default_rng(0)
    evidence = rng.normal(size=(300, 4))
    opinion = np.full(300, 0.5)
    answers = rng.normal(size=(40, 4))
    votes = ask_committee(evidence, opinion, answered=answers, same=answers[:, 0] > 0)
    assert votes.shape == (4, 300)
    assert ((votes >= 0) & (votes <= 1)).all()
    right = (votes[1:].mean(axis=0) > 0.5) == (evidence[:, 0] > 0)
    assert right.mean() > 0.7
    alike = disagreement_of(np.full((4, 3), 0.3))
    apart = disagreement_of(np.array([[0.0], [0.0], [1.0], [1.0]]))
    assert np.allclose(alike, 0)
    assert np.allclose(apart, 1)
