"""Texts: nothing that was written is lost in what is kept, nor two contents one in their hash."""

from __future__ import annotations

import unicodedata

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, strategies as st

from pipeline.ingestion.sources.tabular import make_rows
from pipeline.ingestion.texts import (
    RecordTexts,
    content_hash,
    count_words,
    normalise_text,
    record_texts,
    search_text,
)

Row = dict[str, str | None]


def texts_of(*rows: Row, named: bool = True) -> RecordTexts:
    """Texts of one source's rows, whose text columns are the keys of them all."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    columns = {name: pa.array([row.get(name) for row in rows], pa.string()) for name in names}
    place = pa.array([str(number) for number in range(len(rows))])
    table = make_rows(columns, named=named, images=None, image_root=".", key=place, location=place)
    return record_texts(table)


@given(st.lists(st.one_of(st.none(), st.text()), max_size=20))
def test_normalising_twice_changes_nothing(texts: list[str | None]) -> None:
    once = normalise_text(pa.array(texts, pa.string()))
    assert normalise_text(once).equals(once)
    hashes = content_hash(once)
    assert hashes.null_count == once.null_count
    assert pc.count_distinct(hashes).as_py() == pc.count_distinct(once).as_py()


def test_normalised_texts_and_their_words() -> None:
    texts = pa.array(
        ["ﬁne  \u00a0caf\u0065\u0301\r\n\t１２", "a\x00b\u200bc\ufeff", "\u200b ", "我喜欢 it"]
    )
    text = normalise_text(texts)
    assert text.to_pylist() == ["ﬁne café １２", "abc", None, "我喜欢 it"]
    assert search_text(text[0].as_py()) == "fine café 12"
    assert count_words(text).to_pylist() == [3, 1, None, 4]


BLANKS = [chr(code) for code in range(0x110000) if chr(code).isspace()]


def test_every_blank_is_a_space() -> None:
    kept = normalise_text(pa.array([f"a{blank}b" for blank in BLANKS]))
    folded = ("a b", "ab")  # the separators of ASCII are controls, and go
    assert set(kept.to_pylist()) == set(folded)
    assert sum(text == "ab" for text in kept.to_pylist()) == 4


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("10⁶ per litre", "106 per litre", False),
        ("1½ cups", "11⁄2 cups", False),
        ("ﬁne １２", "fine 12", False),
        ("a\u00a0 b", "a b", True),
        ("cafe\u0301", "café", True),
        ("\u212bngström", "\u00c5ngström", True),
    ],
)
def test_what_is_one_text(one: str, other: str, same: bool) -> None:
    texts = texts_of({"t": one}, {"t": other})
    assert (pc.count_distinct(texts.hash).as_py() == 1) is same
    kept = texts.text.to_pylist()
    assert all(unicodedata.is_normalized("NFC", text) for text in kept)


@pytest.mark.parametrize("named", [True, False])
def test_a_value_in_another_column_is_another_content(named: bool) -> None:
    texts = texts_of(
        {"buyer": "Alder", "seller": None, "item": "a fork"},
        {"buyer": None, "seller": "Alder", "item": "a fork"},
        {"buyer": "Alder; a fork", "seller": None, "item": None},
        {"buyer": "Alder", "seller": None, "item": None},
        {"buyer": None, "seller": "Alder", "item": None},
        {"buyer": "Alder; item: a fork", "seller": None, "item": None},
        named=named,
    )
    assert pc.count_distinct(texts.hash).as_py() == len(texts.hash)
    assert texts.words.to_pylist() == [3, 3, 3, 1, 1, 4]
    if not named:
        assert texts.text.to_pylist()[:2] == ["Alder; a fork"] * 2, "people read it as before"


def test_sources_of_one_text_column_share_contents_whatever_its_name() -> None:
    assert texts_of({"title": "a lamp"}).hash.equals(texts_of({"name": "a  lamp"}).hash)
    assert texts_of({"title": "a lamp"}).hash.equals(content_hash(pa.array(["a lamp"])))


def test_sources_of_the_same_columns_share_contents_empty_columns_aside() -> None:
    one = texts_of({"title": "lamp ", "brand": "Acme\x00"})
    other = texts_of({"title": "lamp", "price": "", "brand": "Acme"})
    assert one.hash.equals(other.hash)
    assert not one.hash.equals(texts_of({"title": "lamp", "make": "Acme"}).hash)
    assert not one.hash.equals(texts_of({"title": "lamp", "brand": "Acme"}, named=False).hash)


names = st.lists(st.text('a;: \x1e\x1f"\\\u0301', min_size=1, max_size=3), unique=True, max_size=3)
odd_values = st.text('ab;: "\\\x1e\x1f\u0301\u00a0⁶6', max_size=5)
row = names.flatmap(lambda keys: st.fixed_dictionaries(dict.fromkeys(keys, odd_values)))


@given(one=row, other=row, named=st.booleans(), other_named=st.booleans())
def test_no_two_contents_are_written_alike(
    one: Row, other: Row, named: bool, other_named: bool
) -> None:
    """Equal hashes: the same text, out of the same values in the same columns."""
    first, second = texts_of(one, named=named), texts_of(other, named=other_named)
    same = content_of(one, first) == content_of(other, second)
    assert (first.hash.to_pylist() == second.hash.to_pylist()) is same
    assert first.words.is_valid().equals(first.text.is_valid())


def content_of(row: Row, texts: RecordTexts) -> tuple[object, ...]:
    """What tells a row's content from others: of one column the text alone."""
    (text,) = texts.text.to_pylist()
    if len(row) < 2 or text is None:
        return (text,)
    kept = normalise_text(pa.array(list(row.values()), pa.string())).to_pylist()
    return (text, *((name, value) for name, value in zip(row, kept, strict=True) if value))


def test_rows_out_of_several_batches_are_read_whole() -> None:
    place = pa.array(["1", "2", "3"])
    columns = {"a": pa.array(["x y", None, "z"]), "b": pa.array([None, None, "w"])}
    rows = make_rows(columns, named=True, images=None, image_root=".", key=place, location=place)
    whole, tail = record_texts(rows), record_texts(rows.slice(1))
    assert whole.words.to_pylist() == [2, None, 2]
    for name in ("text", "hash", "words"):
        assert getattr(whole, name).slice(1).equals(getattr(tail, name))
