"""Differences: what they show of a text, and what they may leave out."""

from __future__ import annotations

from hypothesis import given, settings, strategies as st

from pipeline.outputs.report.diff import SHOWN, differences, plain_segments
from pipeline.outputs.visible import make_visible

WORDS = st.lists(st.sampled_from(["red", "lamp", "x1", "40", "-", "灯", "é"]), max_size=12)


def kinds(segments):
    return [(s.kind, s.text) for s in segments]


def test_replaced_word_shows_both():
    assert kinds(differences("a red lamp", other="a blue lamp")) == [
        ("same", "a "), ("gone", "blue"), ("same", " "), ("added", "red"), ("same", " "),
        ("same", "lamp"),
    ]  # fmt: skip


def test_far_off_words_are_counted():
    text = " ".join(f"w{n}" for n in range(100))
    gap, *_, last = differences(text + " end", other=text)
    assert (gap.kind, gap.text) == ("gap", " … 86 same words … ")
    assert last.text == "end"


def test_long_texts_are_cut_and_said():
    assert "5,000 words" in plain_segments("word " * 5000)[-1].text
    changed = differences("new " * 5000, other="old " * 5000)
    assert sum(len(s.text.split()) for s in changed) < SHOWN + 20
    assert "5,000 words" in changed[-1].text


def test_one_endless_word_is_cut():
    assert sum(len(s.text) for s in differences("x" * 10**6, other="y")) < 400


@settings(deadline=None)
@given(mine=WORDS, theirs=WORDS)
def test_short_texts_are_shown_whole(mine, theirs):
    segments = differences(" ".join(mine), other=" ".join(theirs))
    squeeze = lambda drop: "".join(s.text for s in segments if s.kind != drop).replace(" ", "")  # noqa: E731
    assert squeeze("gone") == "".join(mine)
    assert squeeze("added") == "".join(theirs)


@given(st.text())
def test_visible_leaves_nothing_hidden(text):
    shown = make_visible(text)
    assert make_visible(shown) == shown
    assert not set(shown) & set("\x00\x07\x1b\u200b\u202e\u2066\ufeff")
