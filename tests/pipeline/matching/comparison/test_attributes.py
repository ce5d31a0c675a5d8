"""Attributes of a pair as a judge sees them: equal, apart, in words; missing is not a number."""

from __future__ import annotations

from datetime import UTC, datetime
from math import log1p

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings, strategies as st

from pipeline.errors import ConfigError
from pipeline.matching.comparison.attribute_features import (
    COLUMNS,
    AttributeFeatures,
    attributes_of,
    check_attributes,
    column_names,
    number_of,
)
from pipeline.matching.comparison.text_features import learn_weights
from pipeline.matching.rules.learned import JudgeModel
from pipeline.storage.schemas import RECORDS


def records(*rows: dict[str, str | None], times: tuple[datetime | None, ...] = ()) -> pa.Table:
    kinds = {name: RECORDS.field(name).type for name in ("attributes", "timestamp")}
    times = times or (None,) * len(rows)
    maps = [list(row.items()) for row in rows]
    return pa.table(
        {
            "attributes": pa.array(maps, kinds["attributes"]),
            "timestamp": pa.array(times, kinds["timestamp"]),
        }
    )


def compared(one: str | None, other: str | None) -> dict[str, float]:
    features = AttributeFeatures(pa.array([one, "other", other], pa.string()))
    (row,) = features.compare(np.array([0]), np.array([2]))
    return dict(zip(COLUMNS, row.tolist(), strict=True))


@pytest.mark.parametrize(
    ("one", "other", "wanted"),
    [
        ("Acme", "ACME ", {"equal": 1, "word_overlap": 1}),
        ("Acme", "Borealis", {"equal": 0, "word_overlap": 0}),
        ("hdfs client", "hdfs-server", {"equal": 0, "word_overlap": 1 / 3}),
        ("10", "10.0", {"equal": 1, "number_difference": 0, "word_overlap": 1 / 2}),
        ("€ 80", "100", {"equal": 0, "number_difference": 0.2, "word_overlap": 0}),
        ("1,000", "-1000", {"equal": 0, "number_difference": 2, "word_overlap": 0}),
        ("0", "0", {"equal": 1, "number_difference": 0, "word_overlap": 1}),
        ("2024-03-01", "2024-03-11", {"equal": 0, "days_apart": log1p(10), "word_overlap": 0.5}),
        ("2024-03-01T12:00:00+0200", "2024-03-01T10:00:00Z",
         {"equal": 1, "days_apart": 0, "word_overlap": 3 / 7}),
        ("2024-03-01", "soon", {"equal": 0, "word_overlap": 0}),
        ("+", "+", {"equal": 1}),
    ],
)  # fmt: skip
def test_two_values(one: str, other: str, wanted: dict[str, float]) -> None:
    found = compared(one, other)
    blank = dict.fromkeys(COLUMNS, np.nan)
    assert found == pytest.approx({**blank, **wanted, "sides": 2}, abs=1e-6, nan_ok=True)


@pytest.mark.parametrize(
    ("one", "other", "sides"), [("a", None, 1), (None, "a", 1), (None,) * 2 + (0,)]
)
def test_a_missing_value_is_not_a_number(one: str | None, other: str | None, sides: int) -> None:
    found = compared(one, other)
    assert found.pop("sides") == sides
    assert np.isnan(list(found.values())).all()


@pytest.mark.parametrize("value", ["", "abc", "ABC123", "1e999999", "12,34", "nan", "inf", "1 2"])
def test_what_is_no_number(value: str) -> None:
    assert np.isnan(number_of(value))


values = st.none() | st.text(max_size=12) | st.sampled_from(
    ["12", "12.0", "2024-01-01", "2024-02-01T00:00:00Z", "red steel", "red"]
)  # fmt: skip


@given(st.lists(values, min_size=2, max_size=8))
@settings(max_examples=40, deadline=None)
def test_sides_and_company_do_not_matter_and_a_copy_is_most_alike(found: list[str | None]) -> None:
    count = len(found)
    left, right = (part.ravel() for part in np.indices((count, count)))
    whole = AttributeFeatures(pa.array(found, pa.string())).compare(left, right)
    swapped = AttributeFeatures(pa.array(found, pa.string())).compare(right, left)
    assert np.array_equal(whole, swapped, equal_nan=True)
    more = AttributeFeatures(pa.array(["new", *found, "red", None], pa.string()))
    assert np.array_equal(whole, more.compare(left + 1, right + 1), equal_nan=True)
    copies = whole[left == right]
    assert (copies[~np.isnan(copies[:, 0]), 0] == 1).all()
    for column, best in (("word_overlap", 1), ("number_difference", 0), ("days_apart", 0)):
        known = copies[:, COLUMNS.index(column)]
        assert (known[~np.isnan(known)] == best).all()


def test_no_values_and_no_pairs() -> None:
    none = np.zeros(0, np.int64)
    assert AttributeFeatures(pa.array([], pa.string())).compare(none, none).shape == (0, 5)
    empty = AttributeFeatures(pa.nulls(2, pa.string())).compare(np.array([0]), np.array([1]))
    assert empty[0, -1] == 0


def test_values_come_from_the_map_and_the_record_s_own_time() -> None:
    days = [datetime(2026, 1, day, tzinfo=UTC) for day in (2, 3)]
    rows: list[dict[str, str | None]] = [
        {"brand": "Acme", "price": ""}, {"price": " 3 ", "timestamp": "1999-01-01"}, {},
    ]  # fmt: skip
    table = records(*rows, times=(*days, None))
    chunks = pa.concat_tables([table.slice(0, 1), table.slice(1)])
    found = attributes_of(chunks, ["brand", "price", "timestamp"])
    assert found["brand"].to_pylist() == ["Acme", None, None]
    assert found["price"].to_pylist() == [None, "3", None]
    assert found["timestamp"].to_pylist()[1:] == ["1999-01-01", None]
    known = AttributeFeatures(found["timestamp"]).days
    assert known[0] == pytest.approx(days[0].timestamp() / 86400)


def test_an_attribute_that_no_record_has_is_named() -> None:
    table = records({"brand": "Acme", "price": ""}, {"size": "3"})
    check_attributes(table, ["brand", "size"])
    with pytest.raises(ConfigError, match=r"'prise'.*brand, price, size.*columns\.attributes"):
        check_attributes(table, ["brand", "prise"])
    with pytest.raises(ConfigError, match="'price'"):
        check_attributes(table, ["price"])
    with pytest.raises(ConfigError, match="timestamp"):
        check_attributes(table, ["timestamp"])
    with pytest.raises(ConfigError, match="inline labels carry none"):
        check_attributes(records({}, {}), ["price"])


def test_a_judge_compares_its_attributes_after_its_blocks() -> None:
    from pipeline.matching.rules.heads import Similarity

    judge = JudgeModel("text", learn_weights(["a b", "c"], {}), (), Similarity(0, 1, 0),
                       None, None, -1.0, ("brand",))  # fmt: skip
    features = judge.features(
        ["a b", "c"], {}, threads=1, attributes={"brand": pa.array(["x", "X"])}
    )
    assert features is not None
    assert judge.names == features.names
    assert judge.names[-len(COLUMNS) :] == column_names(["brand"])
    row = features.compare(np.array([0]), np.array([1]))[0]
    assert row[judge.names.index("attribute brand: equal")] == 1
