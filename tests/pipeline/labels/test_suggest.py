"""Which pairs a person is asked about, the file that comes back, and what it says of the rest."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
from hypothesis import given, settings, strategies as st
from scipy.stats import binomtest

from pipeline.errors import PipelineError
from pipeline.labels.precision import is_enough
from pipeline.labels.sheet import SUGGESTED, blank_rows, read_filled
from pipeline.labels.suggest import even_shares, suggest_pairs
from pipeline.outputs.exporters import open_exporter
from pipeline.storage.schemas import LABELS

ACCEPT, REVIEW = 0.9, 0.5


def pairs_of(probability, cosine=None):
    probability = np.asarray(probability, np.float32)
    return pa.table(
        {
            "left_id": [f"a:{n:05d}" for n in range(len(probability))],
            "right_id": [f"b:{n:05d}" for n in range(len(probability))],
            "probability": probability,
            "text_cosine": np.asarray(probability if cosine is None else cosine, np.float32),
            "image_cosine": pa.nulls(len(probability), pa.float32()),
        }
    )


def suggested(pairs, labelled=None, *, n=50, seed=0, **values):
    return suggest_pairs(pairs, labelled, n=n, accept=ACCEPT, review=REVIEW, seed=seed, **values)


def uniform(count, seed=0):
    return pairs_of(np.round(np.random.default_rng(seed).uniform(0, 1, count), 4))


def keys(table):
    return list(zip(table["left_id"].to_pylist(), table["right_id"].to_pylist(), strict=True))


# --- choosing ----------------------------------------------------------------------------------


def test_thresholds_disagreements_and_a_random_share_are_all_asked_about():
    rng = np.random.default_rng(1)
    pairs = pairs_of(rng.uniform(0, 1, 500), cosine=rng.uniform(0.6, 1, 500))
    table = suggested(pairs, n=50)
    assert table.schema == SUGGESTED
    assert len(table) == 50
    why = table["why"].to_pylist()
    counts = {name: why.count(name) for name in set(why) if not name.startswith("random")}
    assert counts == {"near accept": 10, "near review": 10, "cosine and judge disagree": 10}
    near = [p for p, w in zip(table["probability"].to_pylist(), why, strict=True)
            if w == "near accept"]  # fmt: skip
    distance = np.sort(np.abs(pairs["probability"].to_numpy() - ACCEPT))
    assert np.allclose(sorted(abs(p - ACCEPT) for p in near), distance[:10], atol=1e-6)
    assert table["label"].null_count == len(table)


def test_the_greatest_disagreement_of_ranks_is_found():
    probability = np.linspace(0.01, 0.4, 40)
    cosine = np.linspace(0.5, 0.8, 40)
    cosine[39] = 0.1  # most probable, least similar
    table = suggested(pairs_of(probability, cosine), n=20)
    row = table["why"].to_pylist().index("cosine and judge disagree")
    assert "a:00039" in table["left_id"].to_pylist()
    assert table["weight"][row].as_py() == 1


@settings(deadline=None, max_examples=40)
@given(
    count=st.integers(0, 120), n=st.integers(1, 60), seed=st.integers(0, 9),
    share=st.floats(0.05, 1),
)  # fmt: skip
def test_weights_stand_for_every_unlabelled_pair_once(count, n, seed, share):
    pairs = uniform(count, seed)
    table = suggested(pairs, n=n, seed=seed, random_share=share)
    assert len(table) == min(n, count)
    assert len(set(keys(table))) == len(table)
    assert set(keys(table)) <= set(keys(pairs))
    assert np.isclose(sum(table["weight"].to_pylist()), count)
    assert all(weight >= 1 for weight in table["weight"].to_pylist())


@settings(deadline=None, max_examples=20)
@given(order=st.permutations(range(60)))
def test_the_order_of_the_pairs_does_not_matter(order):
    pairs = uniform(60)
    assert suggested(pairs.take(order), n=20) == suggested(pairs, n=20)


def test_no_labelled_pair_is_asked_about_again_either_way_round():
    pairs = uniform(40)
    first = suggested(pairs, n=25)
    turned = first.select(["right_id", "left_id"]).rename_columns(["left_id", "right_id"])
    second = suggested(pairs, turned, n=40)
    assert len(second) == 15
    assert not set(keys(first)) & set(keys(second))


def test_every_draw_of_the_seed_is_as_likely_as_its_weight_says():
    pairs, hits = uniform(60), np.zeros(60)
    place = {key: row for row, key in enumerate(keys(pairs))}
    weights = np.ones(60)
    for seed in range(200):
        table = suggested(pairs, n=20, seed=seed)
        for key, weight in zip(keys(table), table["weight"].to_pylist(), strict=True):
            hits[place[key]] += 1
            weights[place[key]] = weight
    assert np.abs(hits / 200 - 1 / weights).max() < 0.15


def test_texts_and_pictures_of_both_sides_are_shown():
    records = pa.table(
        {"record_id": ["b:00000", "a:00000"], "text": ["right", "left"], "image_uri": [None, "x"]}
    )
    row = suggested(pairs_of([0.7]), records=records).to_pylist()[0]
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


# --- reading back ------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_a_suggestion_survives_the_trip_through_a_file(tmp_path, kind):
    records = pa.table(
        {
            "record_id": ["a:00000", "b:00000"],
            "text": ['=HYPERLINK("x")\nsecond line', 'Möbel; 5,0 | "q"'],
            "image_uri": pa.nulls(2, pa.string()),
        }
    )
    table = suggested(uniform(30), n=10, records=records)
    labels = ["Same", "different", " RELATED ", "unsure", "1", "0", None, "", None, "same"]
    table = table.set_column(10, "label", pa.array(labels, pa.string()))
    path = str(tmp_path / f"labels.{kind}")
    open_exporter(kind).write(iter(table.to_batches()), table.schema, path)
    filled = read_filled(path, kind, by="ann")
    assert filled.schema.equals(LABELS)
    assert blank_rows(filled) == 3
    assert sorted(filled["label"].to_pylist()) == sorted(
        ["same", "different", "related", "unsure", "same", "different", "same"]
    )
    assert set(filled["by"].to_pylist()) == {"ann"}
    assert set(filled["origin"].to_pylist()) == {"audit", "review"}


def written(tmp_path, text, encoding="utf-8"):
    path = tmp_path / "labels.csv"
    path.write_bytes(text.encode(encoding))
    return path


def test_files_as_spreadsheets_write_them(tmp_path):
    text = "left_id;right_id;label;note\r\nb:1;a:1;1;'=SUM(A1)\r\nb:2;a:2;;\r\n"
    filled = read_filled(written(tmp_path, text, "utf-8-sig"), "csv")
    row = filled.to_pylist()[0]
    assert (row["left_id"], row["right_id"], row["label"]) == ("a:1", "b:1", "same")
    assert (row["origin"], row["note"], blank_rows(filled)) == ("import", "=SUM(A1)", 1)


def test_numbers_of_other_programs_are_labels(tmp_path):
    path = tmp_path / "x.parquet"
    table = pa.table({"left_id": list("abc"), "right_id": list("xyz"), "label": [1.0, 0.0, None]})
    pa.parquet.write_table(table, path)
    assert read_filled(path, "parquet")["label"].to_pylist() == ["same", "different"]
    path.write_text("\n".join(
        json.dumps({"left_id": a, "right_id": "z", "label": label})
        for a, label in (("a", 1), ("b", 0), ("c", None))
    ))  # fmt: skip
    assert read_filled(path, "jsonl")["label"].to_pylist() == ["same", "different"]


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ("a,b,same\nc,d,maybe", "row 2: the label 'maybe' is none of same"),
        ("a,b,2", "the label '2'"),
        ("a,,same", "row 1: left_id or right_id is empty"),
        ("a,a,same", "a stands on both sides"),
        ("a,b,same\nb,a,different", "row 2: a and b are 'different' here and 'same' in row 1"),
    ],
)
def test_a_bad_row_is_named_with_its_value(tmp_path, rows, words):
    with pytest.raises(PipelineError, match=words):
        read_filled(written(tmp_path, f"left_id,right_id,label\n{rows}\n"), "csv")


def test_a_file_that_is_none_is_named(tmp_path):
    with pytest.raises(PipelineError, match=r"row 1 lacks \['label'\]"):
        read_filled(written(tmp_path, "left_id,right_id\na,b\n"), "csv")
    for kind in ("csv", "jsonl", "parquet"):
        with pytest.raises(PipelineError, match="cannot read"):
            read_filled(tmp_path / "absent", kind)
    with pytest.raises(PipelineError, match="line 1 is no JSON"):
        read_filled(written(tmp_path, "no json"), "jsonl")


def test_a_repeated_row_counts_once(tmp_path):
    path = written(tmp_path, "left_id,right_id,label\na,b,same\nb,a,1\n")
    assert len(read_filled(path, "csv")) == 1


# --- estimating --------------------------------------------------------------------------------


@settings(deadline=None)
@given(right=st.integers(0, 60), wrong=st.integers(0, 60))
def test_the_bound_is_the_exact_binomial_one(right, wrong):
    same = np.array([True] * right + [False] * wrong)
    facts = is_enough(same, target=0.9, confidence=0.95)
    if right + wrong:
        oracle = binomtest(right, right + wrong, alternative="greater")
        assert facts.low == pytest.approx(oracle.proportion_ci(0.95, method="exact").low)
    if facts.needed:
        reached = is_enough(
            np.array([True] * right * 50 + [False] * wrong * 50), target=0.9, confidence=0.95
        )
        assert (reached.needed == 0) == (49 * (right + wrong) >= facts.needed)
    assert facts.gain >= -1e-9


@pytest.mark.parametrize(
    ("right", "wrong", "words", "done"),
    [
        (400, 4, "Enough:", True),
        (98, 2, "more labels would reach it", False),
        (80, 20, "More labels would not help", True),
        (0, 0, "No labelled pair", False),
    ],
)
def test_it_says_in_one_sentence_whether_more_labels_help(right, wrong, words, done):
    facts = is_enough(np.array([True] * right + [False] * wrong), target=0.95)
    assert words in facts.sentence
    assert facts.enough is done
