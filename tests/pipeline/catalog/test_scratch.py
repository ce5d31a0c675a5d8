"""The scratch of a run: what is there is whole, in order, and made from what it says."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from pipeline.catalog.scratch import Scratch
from pipeline.errors import CatalogError

SCHEMA = pa.schema([("n", pa.int64())])


def table(*numbers: int) -> pa.Table:
    return pa.table({"n": list(numbers)}, schema=SCHEMA)


@pytest.fixture
def work(tmp_path: Path) -> Scratch:
    return Scratch(tmp_path / "work")


def test_shards_have_the_order_they_are_given(work: Scratch) -> None:
    assert not work.shard_done("pairs", "b")
    for key, number in (("b", 2), ("a", 1), ("z", 9)):
        assert work.keep_shard("pairs", key, table(number)) > 0
    assert work.shard_done("pairs", "b")
    work.arrange("pairs", ["b", "a", "b"])
    assert work.read_shards("pairs", SCHEMA)["n"].to_pylist() == [2, 1, 2]
    assert [batch["n"].to_pylist() for batch in work.iter_shards("pairs")] == [[2], [1], [2]]
    assert work.read_shard("pairs", "a")["n"].to_pylist() == [1]
    assert not work.shard_done("pairs", "z"), "what has no place in the order is dropped"
    work.clear("pairs")
    assert work.read_shards("pairs", SCHEMA).num_rows == 0
    for key, number in (("d", 11), ("c", 2)):
        work.keep_shard("pairs", key, table(number))
    assert work.read_shards("pairs", SCHEMA)["n"].to_pylist() == [2, 11]


@pytest.mark.parametrize("damage", [lambda data: data[:-9], lambda data: b"\0" * len(data)])
def test_a_shard_that_a_crash_left_in_part_is_not_done(work: Scratch, damage: object) -> None:
    work.keep_shard("pairs", "a", table(*range(100)))
    (path,) = work.shards("pairs")
    path.write_bytes(damage(path.read_bytes()))  # type: ignore[operator]
    assert not work.shard_done("pairs", "a")


@dataclass(frozen=True)
class Told:
    rows: int
    reasons: dict[str, int] = field(default_factory=dict)


@pytest.mark.parametrize("damage", ['{"rows"', '{"rows": "many"}', "{}"])
def test_a_record_comes_back_as_its_type_and_one_that_is_not_whole_is_none(
    work: Scratch, damage: str
) -> None:
    assert work.kept(Told) is None
    with pytest.raises(CatalogError, match="the stage that makes it has not run"):
        work.require(Told)
    work.keep(Told(3, {"empty": 1}))
    work.keep(Told(4), "other")
    assert work.kept(Told) == work.require(Told) == Told(3, {"empty": 1})
    (work.folder / "Told.json").write_text(damage)
    assert work.kept(Told) is None
    assert work.kept(Told, "other") == Told(4)


def test_a_matrix_is_found_again(work: Scratch) -> None:
    work.matrix("text", (3, 2))[:] = 7
    work.settle("text")
    assert np.array_equal(work.matrix("text"), np.full((3, 2), 7, np.float32))
    work.matrix("image", (0, 1))
    work.settle("image")
    assert work.matrix("image").shape == (0, 1)


def test_arrays_are_dropped_by_the_beginning_of_their_name(tmp_path: Path) -> None:
    work = Scratch(tmp_path)
    for name in ("search-text-1", "search-text-2", "search-image-1"):
        work.save(name, values=np.arange(3))
    work.drop("search-text-")
    assert not work.has("search-text-1")
    assert not work.has("search-text-2")
    assert work.has("search-image-1")
