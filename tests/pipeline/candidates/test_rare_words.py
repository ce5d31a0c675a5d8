"""Pairs that share a rare word against a plain count of words."""

import random
import re
from collections import Counter
from itertools import combinations, pairwise
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, strategies as st

from pipeline.candidates import rare_words, word_keys
from pipeline.candidates.rare_words import RareWordPairs, rare_word_pairs
from pipeline.candidates.word_keys import JOINED_WORDS, WordKeys, span_keys
from pipeline.config.candidates import RareWordSettings

JOINER = re.compile(r"(?<=\w)[-./](?=\w)")
texts = st.lists(
    st.lists(
        st.sampled_from(["an", "7", "cafe", "roma", "CaféRoma", "caferoma", "straße", "dsc-w120",
                         "dscw-120", "1/2/2020", "a", "", "fig", "-", "x9"]),
        max_size=9,
    ).map(" ".join),
    max_size=12, unique=True,
)  # fmt: skip


def key_of(word: str) -> int:
    letters = np.array([ord(letter) for letter in word], np.uint32)
    return int(span_keys(letters, np.array([0]), np.array([len(letters)]))[0])


def words(text: str) -> dict[str, bool]:
    """The words of a text, and whether each is only two adjacent ones."""
    folded = text.casefold()
    found = re.findall(r"\w+", folded)
    out = {a + b: True for a, b in pairwise(found[: JOINED_WORDS + 1])}
    for code in re.findall(r"\w+(?:[-./]\w+)+", folded):
        if re.search(r"\d", code):
            out[JOINER.sub("", code)] = False
    out |= {word: False for word in found if len(word) >= 3 or re.search(r"\d", word)}
    return out


def plain(given: list[str], settings: RareWordSettings) -> set[tuple[int, int]]:
    """All pairs by the definition."""
    said = [words(text) for text in given]
    counts = Counter(word for one in said for word in one)
    used = []
    for one in said:
        uses = set()
        for adjacent, most in ((False, settings.partners), (True, settings.partners // 2)):
            mine = [w for w, only in one.items() if only == adjacent]
            rare = [w for w in mine if 2 <= counts[w] <= settings.max_texts]
            total = 0
            for place, word in enumerate(sorted(rare, key=lambda w: (counts[w], key_of(w)))):
                total += counts[word] - 1
                if total <= most or place == 0:
                    uses.add(word)
        used.append(uses)
    return {
        (a, b)
        for a, b in combinations(range(len(given)), 2)
        if (used[a] & said[b].keys()) | (used[b] & said[a].keys())
    }


def pairs(found: RareWordPairs) -> list[tuple[int, int]]:
    return list(zip(found.left.tolist(), found.right.tolist(), strict=True))


@given(given=texts, most=st.integers(2, 6), partners=st.integers(1, 6), portion=st.integers(1, 60))
def test_pairs_are_those_of_the_definition(
    given: list[str], most: int, partners: int, portion: int
) -> None:
    settings = RareWordSettings(max_texts=most, partners=partners)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rare_words, "PORTION", portion)
        patch.setattr(rare_words, "PAIRED", 3)
        found = rare_word_pairs(pa.array(given, pa.string()), settings, threads=2)
    assert pairs(found) == sorted(plain(given, settings))
    counts = Counter(word for text in given for word in words(text))
    assert found.rare == sum(2 <= n <= most for n in counts.values())
    assert found.common == sum(n > most for n in counts.values())


@given(given=texts, seed=st.integers(0, 9))
def test_the_order_of_the_texts_changes_nothing(given: list[str], seed: int) -> None:
    settings = RareWordSettings(max_texts=4, partners=3)
    turned = random.Random(seed).sample(given, len(given))
    one, other = (
        {
            frozenset((rows[a], rows[b]))
            for a, b in pairs(rare_word_pairs(pa.array(rows, pa.string()), settings))
        }
        for rows in (given, turned)
    )
    assert one == other


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Trattoria Vespucci, 12 Main St", "the vespucci"),
        ("Sony PSL-X350H turntable", "turntable by sony, pslx350h"),
        ("DSC-W-120", "a dscw120"),
        ("Cafe Roma", "caferoma new york"),
        ("tel. 773-555-0123", "7735550123"),
    ],
)
def test_one_word_is_enough(one: str, other: str) -> None:
    found = rare_word_pairs(pa.array([one, other, "nothing of it"]), RareWordSettings())
    assert pairs(found) == [(0, 1)]
    assert found.without == 1


def test_a_word_of_too_many_texts_proposes_nothing() -> None:
    given = pa.array([f"lamp {number}x" for number in range(6)])
    assert len(rare_word_pairs(given, RareWordSettings(max_texts=6)).left) == 15
    found = rare_word_pairs(given, RareWordSettings(max_texts=5))
    assert (len(found.left), found.common, found.without) == (0, 1, 6)


def test_pairs_stay_proportional_to_the_texts() -> None:
    """However many rare words the texts have, each brings its partners and no more."""
    generator = random.Random(3)
    vocabulary = [f"word{number}" for number in range(3000)]
    given = pa.array([" ".join(generator.sample(vocabulary, 40)) for _ in range(1500)])
    settings = RareWordSettings(max_texts=30, partners=10)
    found = rare_word_pairs(given, settings)
    most = max(settings.max_texts - 1, settings.partners)
    assert 1500 < len(found.left) <= 1500 * (most + most)


def test_a_word_has_one_key_wherever_it_stands() -> None:
    keys = WordKeys.of(pa.array(["lamp", "a red lamp", "l amp", "la-mp 1"]))
    lamp = keys.key == np.uint64(key_of("lamp"))
    assert keys.text[lamp].tolist() == [0, 1, 2, 3]
    assert keys.adjacent[lamp].tolist() == [False, False, True, True]


def test_different_words_have_different_keys() -> None:
    generator = random.Random(1)
    made = {
        "".join(generator.choices("abcdef01é", k=generator.randint(1, 9))) for _ in range(50_000)
    }
    count: Any = WordKeys.of(pa.array([f"{word}1" for word in sorted(made)])).count()
    assert len(count[0]) == len(made)
    assert (count[1] == 1).all()
    assert word_keys.BASE * word_keys.INVERSE % (1 << 64) == 1
