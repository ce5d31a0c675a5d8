"""Features of pairs against counting by hand, and what must not move them."""

import math
import re
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from rapidfuzz import fuzz
from rapidfuzz.distance import JaroWinkler

from pipeline.ingestion import fold_text
from pipeline.matching.comparison.text_features import (
    ALIKE,
    BLOCK,
    EDIT_CHARACTERS,
    UNLIKE,
    WHOLE,
    TextFeatures,
    WordWeights,
    feature_names,
    learn_weights,
)

CORPUS = [
    "Sony DSC-W120 digital camera, 7.2 megapixel",
    "sony dscw120 camera digital silver",
    "Canon A590 camera with 8 megapixel",
    "Straße nach Zürich – größer",
    "STRASSE NACH ZÜRICH",
    "索尼 相机 W120",
    "the the the",
    "Price 1,299.00",
    "price 1300",
    "",
    "...",
    "x" * (EDIT_CHARACTERS + 50) + " tail",
]
PAIRS = [(0, 1), (0, 2), (3, 4), (5, 0), (6, 6), (7, 8), (10, 0), (11, 11), (2, 7), (11, 0)]


def words(text: str) -> set[str]:
    return set(re.findall(r"\w+", fold_text(text)))


def trigrams(text: str) -> set[str]:
    """Within words, each with a blank on both sides; a shorter word is one gram."""
    found: set[str] = set()
    for word in fold_text(text).split():
        padded = f" {word} "
        found |= {padded[at : at + 3] for at in range(max(len(padded) - 2, 1))}
    return found


def codes(text: str) -> set[str]:
    plain = re.sub(r"(?<=\w)[-./](?=\w)", "", fold_text(text))
    return {word for word in re.findall(r"\w+", plain) if any(c.isdigit() for c in word)}


def numbers(text: str) -> list[str]:
    return re.findall(r"\d+(?:\.\d+)?", fold_text(text).replace(",", ""))


def four_grams(text: str) -> set[str]:
    plain = re.sub(r"(?<=\w)[-./](?=\w)", "", fold_text(text))
    joined = " ".join(w for w in re.findall(r"\w+", plain) if any(c.isdigit() for c in w))
    return {joined[at : at + 4] for at in range(len(joined) - 3)}


def idf(kind: str) -> Counter[str]:
    """Document counts over the texts that are there."""
    split = words if kind == "words" else trigrams
    return Counter(item for text in CORPUS if text for item in split(text))


def weigh(items: set[str], counts: Counter[str]) -> float:
    held = sum(1 for text in CORPUS if text)
    return sum(math.log((1 + held) / (1 + counts[item])) + 0.1 for item in items)


def expected(left: str, right: str) -> dict[str, float]:
    """The features of a pair of texts by sets and counting."""
    counts, grams = idf("words"), idf("grams")
    one, two = words(left), words(right)
    own, other, shared = weigh(one, counts), weigh(two, counts), weigh(one & two, counts)
    rarest = [max((weigh({w}, counts) for w in part), default=0.0)
              for part in (one & two, one - two, two - one)]  # fmt: skip
    held = sum(1 for text in CORPUS if text)

    def squares(items: set[str]) -> float:
        return sum((math.log((1 + held) / (1 + grams[g])) + 0.1) ** 2 for g in items)

    norm = math.sqrt(squares(trigrams(left)) * squares(trigrams(right)))
    folded = [fold_text(text)[:EDIT_CHARACTERS] for text in (left, right)]
    ordered = [" ".join(sorted(text.split())) for text in folded]
    out = {
        "word_overlap": shared / max(own + other - shared, 1e-6),
        "word_containment": shared / max(min(own, other), 1e-6),
        "rare_shared": rarest[0],
        "rare_conflict": min(rarest[1:]),
        "rare_extra": max(rarest[1:]),
        "unmatched_less": min(own, other) - shared,
        "unmatched_more": max(own, other) - shared,
        "char_cosine": squares(trigrams(left) & trigrams(right)) / max(norm, 1e-6),
        "edit_similarity": fuzz.ratio(*folded) / 100,
        "sorted_edit_similarity": fuzz.ratio(*ordered) / 100,
        "prefix_similarity": JaroWinkler.similarity(folded[0][:64], folded[1][:64]),
        "length_ratio": min(len(left), len(right)) / max(len(left), len(right)),
    }
    for name, of in (
        ("code", codes),
        ("code_gram", four_grams),
        ("number", lambda t: set(numbers(t))),
    ):
        mine, theirs = of(left), of(right)
        fewer = min(len(mine), len(theirs))
        out[f"{name}s_shared"] = len(mine & theirs)
        out[f"{name}s_conflicting"] = fewer - len(mine & theirs)
        out[f"{name}_containment"] = len(mine & theirs) / fewer if fewer else math.nan
    single = [numbers(text) for text in (left, right)]
    out["number_difference"] = math.nan
    if all(len(found) == 1 for found in single):
        a, b = (float(found[0]) for found in single)
        out["number_difference"] = abs(a - b) / max(abs(a), abs(b), 1e-9)
    return {**out, "sides": 2.0}


def made(texts: list[str], fields: dict[str, list[str]] | None = None) -> TextFeatures:
    weights = learn_weights(CORPUS, {})
    return TextFeatures(texts, fields or {}, weights=weights, threads=1)


def compared(features: TextFeatures, pairs: list[tuple[int, int]]) -> np.ndarray:
    left, right = np.array(pairs, np.int64).reshape(-1, 2).T
    return features.compare(left, right)


@pytest.mark.parametrize(("left", "right"), PAIRS)
def test_every_feature_as_counted_by_hand(left: int, right: int) -> None:
    (row,) = compared(made(CORPUS), [(left, right)])
    wanted = expected(CORPUS[left], CORPUS[right])
    assert set(wanted) == set(BLOCK)
    assert dict(zip(BLOCK, row.tolist(), strict=True)) == pytest.approx(
        wanted, abs=2e-4, nan_ok=True
    )


def test_the_oracle_sees_what_matters() -> None:
    """So that the comparison above does not rest on zeros."""
    camera = expected(CORPUS[0], CORPUS[1])
    assert camera["codes_shared"] == 1
    assert camera["numbers_shared"] == 1
    assert expected(CORPUS[7], CORPUS[8])["number_difference"] == pytest.approx(1 / 1300)
    assert expected(CORPUS[3], CORPUS[4])["word_overlap"] > 0.5


def test_columns_are_named_and_each_has_one_meaning() -> None:
    assert len(set(BLOCK)) == len(BLOCK) == len(ALIKE) + len(UNLIKE) + 1
    features = TextFeatures(
        ["a"], {"name": ["a"]}, weights=learn_weights(["a"], {"name": ["a"], "city": ["b"]}),
        threads=1,
    )  # fmt: skip
    assert features.names == feature_names((WHOLE, "field name", "field city"))
    assert features.names[0] == "text: word_overlap"


texts = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=40) | st.lists(
    st.sampled_from(["W120", "7.2", "ß", "İ", "相机", "a", "-", "\0", "é"]), max_size=6
).map(" ".join)


@pytest.mark.slow
@given(st.lists(texts, min_size=2, max_size=6), st.randoms(use_true_random=False))
@settings(max_examples=12, deadline=None)
def test_sides_company_and_order_do_not_matter(found: list[str], generator: object) -> None:
    count = len(found)
    pairs = [(a, b) for a in range(count) for b in range(count)]
    whole = compared(made(found), pairs)
    swapped = compared(made(found), [(b, a) for a, b in pairs])
    assert np.allclose(whole, swapped, atol=1e-5, equal_nan=True)
    order = list(range(count))
    generator.shuffle(order)  # type: ignore[attr-defined]
    place = {row: at for at, row in enumerate(order)}
    more = [found[row] for row in order] + [*CORPUS, "another record that came in"]
    again = compared(made(more), [(place[a], place[b]) for a, b in pairs])
    assert np.array_equal(whole, again, equal_nan=True)
    single = np.concatenate([compared(made(found), [pair]) for pair in pairs[:4]])
    assert np.array_equal(whole[:4], single, equal_nan=True)


@given(st.lists(texts.filter(bool), min_size=1, max_size=4))
@settings(max_examples=25, deadline=None)
def test_nothing_is_more_alike_than_a_copy(found: list[str]) -> None:
    rows = range(len(found))
    features = made([*found, *CORPUS])
    copies = compared(features, [(row, row) for row in rows])
    column = {name: at for at, name in enumerate(BLOCK)}
    for name in UNLIKE:
        values = copies[:, column[name]]
        assert (np.nan_to_num(values) <= 1e-4).all(), name
    others = compared(features, [(row, other) for row in rows for other in range(len(found) + 9)])
    for name in ("word_overlap", "char_cosine", "edit_similarity", "length_ratio"):
        best = np.repeat(copies[:, column[name]], len(found) + 9)
        assert (np.nan_to_num(others[:, column[name]]) <= best + 1e-4).all(), name


def test_an_absent_text_is_not_a_number_and_sides_says_so() -> None:
    out = compared(made(["one text", "", ""]), [(0, 0), (0, 1), (1, 2)])
    assert out[:, -1].tolist() == [2, 1, 0]
    assert np.isnan(out[1:, :-1]).all()
    known = [at for at, name in enumerate(BLOCK) if not name.startswith(("code", "number"))]
    assert not np.isnan(out[0, known]).any()


def test_fields_are_compared_each_with_its_own() -> None:
    fields = {"name": ["abc", "abc", "xyz"], "city": ["rome", "", "rome"]}
    weights = learn_weights(["abc rome"] * 3, fields)
    assert list(weights) == [WHOLE, "field name", "field city"]
    # A field that the model does not know is ignored; a known one may be missing.
    features = TextFeatures(
        ["abc", "abc", "xyz"], {"name": fields["name"], "new": ["1", "2", "3"]}, weights=weights,
        threads=1,
    )  # fmt: skip
    out = compared(features, [(0, 1), (0, 2)])
    names = features.names
    assert out.shape == (2, 3 * len(BLOCK))
    assert out[:, names.index("field name: word_overlap")].tolist() == [1, 0]
    assert out[:, names.index("field city: sides")].tolist() == [0, 0]
    assert np.isnan(out[:, names.index("field city: word_overlap")]).all()


def test_one_field_alone_is_the_whole_text() -> None:
    assert list(learn_weights(["a"], {"title": ["a"]})) == [WHOLE]


def test_a_field_that_is_always_empty_says_nothing() -> None:
    fields = {"name": ["abc", "abd"], "note": ["", ""]}
    weights = learn_weights(["abc", "abd"], fields)
    assert weights["field note"].texts == 0
    features = TextFeatures(["abc", "abd"], fields, weights=weights, threads=1)
    out = compared(features, [(0, 1)])
    assert out[0, features.names.index("field note: sides")] == 0


def test_weights_count_documents_not_words() -> None:
    weights = WordWeights.learn(["cat cat dog", "CAT", "", "bird"])
    assert weights.texts == 3
    assert sorted(weights.words[:, 1].tolist()) == [1, 1, 2]
    assert (np.diff(weights.words[:, 0]) > 0).all()
    idf_ = weights.idf("words")
    assert np.unique(idf_.round(4)).tolist() == pytest.approx(
        [math.log(4 / 3) + 0.1, math.log(4 / 2) + 0.1, math.log(4) + 0.1], abs=1e-4
    )


def test_no_pairs_and_no_records() -> None:
    assert made(["a"]).compare(np.zeros(0, np.int64), np.zeros(0, np.int64)).shape == (
        0,
        len(BLOCK),
    )
    assert made([]).compare(np.zeros(0, np.int64), np.zeros(0, np.int64)).shape == (0, len(BLOCK))
