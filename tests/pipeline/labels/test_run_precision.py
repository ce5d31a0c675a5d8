"""A run's precision from its labels: the interval holds, and chosen pairs do not lean on it."""

from datetime import UTC, datetime

import numpy as np
import pyarrow as pa

from pipeline.labels.questions.suggest import suggest_pairs
from pipeline.labels.run_precision import estimate_run
from pipeline.storage.schemas import LABELS
from tests.worlds.asked_pairs import ACCEPT, REVIEW, answered, asked_pairs, keys


def suggested(pairs, labelled=None, *, n, seed=0):
    return suggest_pairs(pairs, labelled, n=n, accept=ACCEPT, review=REVIEW, seed=seed)


def run_of(count, seed):
    return asked_pairs(np.random.default_rng(seed).beta(4, 1, count).round(4))


def test_the_interval_of_a_run_holds_its_precision_after_several_rounds():
    pairs = run_of(2000, 5)
    p = pairs["probability"].to_numpy().astype(float)
    accepted = pairs["probability"].to_numpy() >= np.float32(ACCEPT)
    held, errors, trials = 0, [], 60
    for seed in range(trials):
        same = np.random.default_rng(seed).random(2000) < p**2
        truth = dict(zip(keys(pairs), same, strict=True))
        first = answered(suggested(pairs, n=100, seed=seed), truth)
        second = answered(suggested(pairs, first, n=100, seed=seed + 1), truth, day=2)
        labels = pa.concat_tables([second, first])
        found = estimate_run(pairs, labels, target=0.95)
        precision = same[accepted].mean()
        held += found.low <= precision <= found.high
        errors.append(found.precision - precision)
        assert found.pairs == accepted.sum()
        assert 0 < found.random < found.answered
    assert held / trials >= 0.9
    assert abs(np.mean(errors)) < 0.01, "pairs chosen for their score must not lean on the rest"


def test_the_labels_it_asks_for_are_enough_and_advice_fits():
    pairs = run_of(5000, 6)
    truth = dict.fromkeys(keys(pairs), True)
    labels = answered(suggested(pairs, n=60), truth)
    found = estimate_run(pairs, labels, target=0.95)
    assert found.needed
    assert f"About {found.needed:,} more" in found.advice
    assert "Enough" in estimate_run(pairs, labels, target=0.5).advice
    wrong = answered(suggested(pairs, n=60), dict.fromkeys(truth, False))
    assert "would not show" in estimate_run(pairs, wrong, target=0.95).advice
    few = suggested(pairs, n=60)
    accepted = [
        (p, key)
        for key, p, why in zip(
            keys(few), few["probability"].to_pylist(), few["why"].to_pylist(), strict=True
        )
        if why.startswith("random") and p >= ACCEPT
    ]
    mixed = {key: key != min(accepted)[1] for key in keys(few)}
    unclear = estimate_run(pairs, answered(few, mixed), target=0.95)
    assert unclear.precision is not None
    assert unclear.precision < 0.95 < unclear.high
    assert f"Too early to tell: {unclear.random} random labels" in unclear.advice
    for none in (None, labels.slice(0, 0)):
        empty = estimate_run(pairs, none, target=0.95)
        assert empty.precision is None
        assert "drawn at random" in empty.advice


def test_the_latest_label_wins_and_unsure_answers_nothing():
    pairs = run_of(50, 7)
    pair = next(k for k, p in zip(keys(pairs), pairs["probability"].to_pylist(), strict=True)
                if p > 0.99)  # fmt: skip
    rows = [
        {"left_id": pair[0], "right_id": pair[1], "label": label, "by": "x", "note": None,
         "at": datetime(2026, 1, day, tzinfo=UTC), "origin": "audit"}
        for day, label in ((2, "different"), (1, "same"))
    ]  # fmt: skip
    found = estimate_run(pairs, pa.Table.from_pylist(rows, LABELS), target=0.9)
    assert (found.precision, found.answered) == (0, 1)
    rows[0]["label"] = "unsure"
    found = estimate_run(pairs, pa.Table.from_pylist(rows, LABELS), target=0.9)
    assert (found.precision, found.answered) == (None, 0)
