"""Marks of two texts against each other: nothing lost, what differs marked, the rest foldable."""

from __future__ import annotations

from hypothesis import given, settings, strategies as st

from pipeline.outputs import Mark, make_visible, mark_sides


def told(side: list[Mark], *marks: str) -> str:
    return "".join(one.text for one in side if one.mark in marks)


words = st.lists(st.sampled_from(["Red", "red", "blue", "5", "10 cm", "—", "x", "\n"]), max_size=12)


@settings(max_examples=200, deadline=None)
@given(words, words, st.sampled_from(["", " ", "\t "]))
def test_the_stretches_joined_are_the_texts(one: list[str], other: list[str], lead: str) -> None:
    left, right = lead + " ".join(one), " ".join(other) + lead
    for side, text in zip(mark_sides(left, right), (left, right), strict=True):
        assert "".join(mark.text for mark in side) == make_visible(text)
    same = mark_sides(left, left)
    assert all(mark.mark == "same" for side in same for mark in side)


def test_what_differs_is_marked_and_case_is_minor() -> None:
    left, right = mark_sides("Sony turntable PSLX350H, new", "sony turntable PSLX300USB new")
    assert told(left, "differs") == "PSLX350H,"
    assert told(right, "differs") == "PSLX300USB"
    assert told(left, "minor") == "Sony"
    assert told(left, "same") == " turntable  new"


def test_boilerplate_is_folded_but_what_stands_beside_a_difference() -> None:
    rest = " ".join(f"word{number}" for number in range(200))
    left, right = mark_sides(f"red {rest}", f"blue {rest}")
    assert [one.fold for one in left] == [False, False, True]
    assert left[2].words == 200 - 14
    assert told(right, "differs") == "blue"
    assert not any(one.fold for side in mark_sides(rest, rest) for one in side)


def test_hidden_characters_are_made_visible() -> None:
    left, _ = mark_sides("a\u202eb", "ab")
    assert "⟨U+202E⟩" in "".join(one.text for one in left)


def test_texts_longer_than_what_is_compared_are_whole() -> None:
    left = "a " * 5_000
    found, _ = mark_sides(left, left + "b")
    assert "".join(one.text for one in found) == left
