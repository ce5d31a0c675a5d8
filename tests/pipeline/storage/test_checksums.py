"""Files written in bounded pieces, in order, under names that tell altered ones."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.catalog import Catalog
from pipeline.storage import checksums
from pipeline.storage.checksums import DamageError, check_footer, check_whole, write_parts
from pipeline.storage.place import Place
from pipeline.storage.schemas import CUT_LINKS

SCHEMA = pa.schema({"n": pa.int64()})
ROWS = 50_000  # 400 kB


def batches(count: int, seen: list[int] | None = None) -> Iterator[pa.RecordBatch]:
    for number in range(count):
        values = np.arange(number * ROWS, (number + 1) * ROWS)
        if seen is not None:
            seen.append(pa.total_allocated_bytes())
        yield pa.RecordBatch.from_arrays([pa.array(values)], schema=SCHEMA)


def test_input_is_written_as_it_comes_and_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checksums, "ROW_GROUP_BYTES", 800_000)
    monkeypatch.setattr(checksums, "FILE_BYTES", 8_000_000)
    before, held = pa.total_allocated_bytes(), list[int]()
    written = list(write_parts(Place(str(tmp_path)), "part", batches(100, held), SCHEMA))
    assert max(held) - before < 8_000_000, "of 40 MB little is in memory at a time"
    assert len(written) > 3
    assert sum(part.rows for part in written) == 100 * ROWS
    paths = [Path(part.place.path) for part in written]
    assert sorted(paths) == paths
    assert [path.stat().st_size for path in paths] == [part.bytes for part in written]
    values = np.concatenate([pq.read_table(path)["n"].to_numpy() for path in paths])
    assert (values == np.arange(100 * ROWS)).all()
    assert sorted(tmp_path.iterdir()) == paths, "nothing half written stays"


def test_no_rows_are_no_file_and_an_empty_table(tmp_path: Path) -> None:
    assert not list(write_parts(Place(str(tmp_path)), "part", iter(()), SCHEMA))
    tables = Catalog(tmp_path / "catalog").tables
    assert tables.replace("cut_links", CUT_LINKS.empty_table()) == 0
    assert tables.read("cut_links", version=0).equals(CUT_LINKS.empty_table())


def test_a_failing_input_leaves_nothing(tmp_path: Path) -> None:
    def failing() -> Iterator[pa.RecordBatch]:
        yield from batches(1)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        list(write_parts(Place(str(tmp_path)), "part", failing(), SCHEMA))
    assert not list(tmp_path.iterdir())


def test_the_same_rows_make_the_same_file(tmp_path: Path) -> None:
    names = []
    for folder in ("a", "b"):
        (part,) = write_parts(Place(str(tmp_path / folder)), "part", batches(2), SCHEMA)
        check_whole(part.place)
        names.append(part.place.name)
    assert names[0] == names[1]


def test_files_of_other_writers_are_read_in_full(tmp_path: Path) -> None:
    path = tmp_path / "theirs.parquet"
    pq.write_table(pa.Table.from_batches(batches(1)), path, write_page_checksum=True)
    check_whole(Place(str(path)))
    content = bytearray(path.read_bytes())
    content[len(content) // 3] ^= 8
    path.write_bytes(content)
    with pytest.raises(DamageError):
        check_whole(Place(str(path)))
    path.unlink()
    with pytest.raises(DamageError, match="missing"):
        check_footer(Place(str(path)))
