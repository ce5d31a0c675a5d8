"""Damaged files: every one is found, what is intact is said, what is derived is made again."""

import os
import random
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from pipeline import run
from pipeline.catalog import Catalog
from pipeline.catalog.health import check_catalog
from pipeline.config.run import RunConfig
from pipeline.errors import CatalogError, DamagedTableError
from pipeline.storage.checksums import DamageError, check_whole
from pipeline.storage.place import Place

pytestmark = pytest.mark.slow

Damage = Callable[[Path], None]


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-40])


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def flip(path: Path, at: int | None = None, bit: int = 3) -> None:
    content = bytearray(path.read_bytes())
    content[_inside(path) if at is None else at] ^= 1 << bit
    path.write_bytes(content)


def _inside(path: Path) -> int:
    """The last byte of the last page of the first column."""
    column = pq.ParquetFile(path).metadata.row_group(0).column(0)
    return int((column.dictionary_page_offset or column.data_page_offset)
               + column.total_compressed_size - 1)  # fmt: skip


def problems(catalog: Catalog) -> dict[str, str]:
    return {found.check: found.found for found in check_catalog(catalog) if not found.ok}


def newest(catalog: Catalog, table: str) -> Path:
    version = catalog.run().versions[table]
    return Path(catalog.tables.files(table, version=version)[0].path)


@pytest.mark.parametrize("table", ["records", "pairs", "clusters"])
@pytest.mark.parametrize("damage", [cut, flip, emptied, os.remove])
def test_a_damaged_table_names_the_run_that_is_whole(
    table: str, damage: Damage, nights: Catalog
) -> None:
    last, before = (found.run for found in nights.runs())
    assert not problems(nights)
    damage(newest(nights, table))
    with pytest.raises(DamagedTableError) as caught:
        nights.read(table, run=nights.run())
    said = str(caught.value)
    assert f"{table!r} at version {nights.run().versions[table]}" in said
    assert f"gemel runs rollback {before} --catalog {nights.root}" in said
    assert nights.read(table, run=nights.run(before)).num_rows
    assert list(problems(nights)) == [f"table {table}"]
    assert nights.run().run == last


def test_every_flipped_bit_is_found_or_changes_nothing(nights: Catalog) -> None:
    path = newest(nights, "records")
    sound, whole = path.read_bytes(), nights.read("records", run=nights.run())
    generator = random.Random(0)
    found = 0
    for _ in range(120):
        flip(path, generator.randrange(len(sound)), generator.randrange(8))
        with pytest.raises(DamageError):
            check_whole(Place(str(path)))
        try:
            assert nights.read("records", run=nights.run()).equals(whole)
        except CatalogError:
            found += 1
        path.write_bytes(sound)
    assert found > 60


@pytest.mark.parametrize("damage", [emptied, cut, os.remove])
def test_a_damaged_log_is_an_error_and_never_an_older_table(
    damage: Damage, nights: Catalog
) -> None:
    version = nights.run().versions["clusters"]
    log = Path(nights.root.path) / "tables/clusters/_delta_log" / f"{version:020d}.json"
    damage(log)
    with pytest.raises(CatalogError, match="clusters"):
        nights.read("clusters", run=nights.run())
    assert list(problems(nights)) == ["table clusters"]
    assert nights.read("pairs", run=nights.run()).num_rows


def test_a_commit_cut_between_two_lines_is_found(nights: Catalog) -> None:
    version = nights.run().versions["clusters"]
    log = Path(nights.root.path) / "tables/clusters/_delta_log" / f"{version:020d}.json"
    lines = log.read_text().splitlines(keepends=True)
    removed = next(i for i, line in enumerate(lines) if '"remove"' in line)
    log.write_text("".join(lines[:removed] + lines[removed + 1 :]))
    with pytest.raises(DamagedTableError, match="names other files"):
        nights.read("clusters", run=nights.run())


@pytest.mark.parametrize("damage", [cut, flip, emptied, os.remove])
def test_damaged_vectors_are_made_again_and_said(
    damage: Damage, nights: Catalog, configured: Callable[..., RunConfig]
) -> None:
    before = nights.read("clusters", run=nights.run())
    (part, *_) = Path(nights.root.path).glob("vectors/*/part-*.parquet")
    rows = int(part.name.split("-")[3])
    damage(part)
    if damage is not os.remove:
        assert [name for name in problems(nights) if name.startswith("vectors")]
    summary = run(configured(15))
    assert summary.status == "published"
    assert summary.counts.texts_embedded == rows
    assert len(summary.repaired) == (damage is not os.remove)
    assert nights.read("clusters", run=nights.run()).equals(before)
    assert not problems(nights)


def test_an_index_that_does_not_match_its_ids_is_named_and_made_anew(
    nights: Catalog, configured: Callable[..., RunConfig]
) -> None:
    run(configured(15), full=True)  # a night that searches everything keeps its index
    (ids,) = Path(nights.root.path).glob("indexes/text/*/ids.parquet")
    pq.write_table(pq.read_table(ids).slice(1), ids)
    assert "ids; it is derived" in problems(nights)["index text"]
    run(configured(15))
    assert not problems(nights)


def test_lost_runs_are_an_error_that_says_where_their_rows_are(nights: Catalog) -> None:
    last = nights.run()
    for path in Path(nights.root.path).glob("tables/runs/*.parquet"):
        emptied(path)
    with pytest.raises(DamagedTableError, match=r"runs/\*/run.json"):
        nights.published()
    assert "runs" in problems(nights)
    nights.rebuild_runs()
    assert nights.run() == last
    assert len(nights.runs()) == 2
    assert not problems(nights)
    assert list(Path(nights.root.path).glob("tables/runs-damaged-*/*.parquet"))
