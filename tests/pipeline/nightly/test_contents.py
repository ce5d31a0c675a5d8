"""Contents read back by hash, and long inputs: bounded portions change nothing but memory."""

import random
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline import run
from pipeline.arrays import chunks
from pipeline.candidates import minhash
from pipeline.catalog import Catalog
from pipeline.config.run import RunConfig
from pipeline.ingestion.images import decode, pixel_hash
from pipeline.matching.comparison import text as evidence, unmatched_words
from pipeline.nightly.stages import embed, ingest, score
from pipeline.nightly.state import pictures, run_records
from pipeline.nightly.state.context import new_context
from pipeline.nightly.state.run_records import RecordsVersion, groups_of
from pipeline.storage import checksums
from tests.worlds.pictures import png, smooth
from tests.worlds.runs import run_config

WORDS = [f"word{number}" for number in range(300)]


def picture(seed: int, side: int = 48) -> bytes:
    return png(smooth(seed, (side, side), cells=12))


@pytest.fixture
def source(tmp_path: Path) -> dict[str, Any]:
    """120 rows of text and pictures: near and exact copies of both, in two row groups."""
    generator = random.Random(5)
    rows = []
    for number in range(40):
        text = " ".join(generator.choices(WORDS, k=generator.randint(1, 60)))
        rows.append({"id": f"r{number}", "text": text, "picture": picture(number)})
        rows.append({"id": f"n{number}", "text": f"{text} more", "picture": picture(number, 40)})
        rows.append({"id": f"x{number}", "text": f" {text}", "picture": picture(number % 7)})
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "in.parquet", row_group_size=70)
    columns = {"id": "id", "text": "text", "image_bytes": "picture"}
    path = str(tmp_path / "in.parquet")
    return {"type": "parquet", "name": "s", "path": path, "columns": columns}


def config(folder: Path, source: dict[str, Any]) -> RunConfig:
    return run_config(folder / "catalog", source, candidates={"lexical": {"min_tokens": 5}})


def tables(made: RunConfig) -> dict[str, list[str]]:
    """The rows of every table, sorted: Delta's writer does not keep their order."""
    catalog = Catalog(made.catalog)
    moving = {"run", "first_seen", "last_seen"}
    return {
        name: sorted(
            repr({key: value for key, value in row.items() if key not in moving})
            for row in catalog.read(name, run=catalog.run()).to_pylist()
        )
        for name in ("records", "quarantine", "pairs", "clusters", "cut_links")
    }


@pytest.mark.slow
def test_bounded_portions_change_nothing(
    tmp_path: Path, source: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = config(tmp_path / "whole", source)
    assert run(whole).counts.lexical_pairs > 20
    for module, name, value in [
        (chunks, "LIMIT", 300), (evidence, "COMPARED_WORDS", 30),
        (unmatched_words, "WORDED_BYTES", 90),
        (evidence, "PORTION", 100), (score, "BATCH", 13),
        (minhash, "SHINGLED_BYTES", 200), (checksums, "FILE_BYTES", 2000),
        (run_records, "GATHERED_ROWS", 11),
        (embed, "SHARD", 7), (pictures, "SPOOLED_ROWS", 2),
    ]:  # fmt: skip
        monkeypatch.setattr(module, name, value)
    cut = config(tmp_path / "cut", source).model_copy(update={"threads": 3})
    assert run(cut).counts.images_embedded == 80
    assert tables(cut) == tables(whole)


def test_texts_come_by_hash_with_64_bit_offsets(tmp_path: Path, source: dict[str, Any]) -> None:
    context = new_context(config(tmp_path, source))
    ingest.ingest(context)
    hashes = groups_of(context).text_hashes
    texts = run_records.read_column(context, hashes, modality="text", column="text")
    assert texts.type == pa.large_string()
    version = context.work.require(RecordsVersion).version
    stored = context.catalog.tables.read("records", version=version)
    by_hash = dict(zip(stored["text_hash"].to_pylist(), stored["text"].to_pylist(), strict=True))
    assert texts.to_pylist() == [by_hash[digest] for digest in hashes.to_pylist()]
    sizes = run_records.read_column(context, hashes, modality="text", column="word_count")
    assert sizes.type == pa.int32()


def test_pictures_inside_rows_are_streamed(
    tmp_path: Path, source: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every picture handed to the encoder is of the last few rows read, across parts and shards."""
    context = new_context(config(tmp_path, source))
    monkeypatch.setattr(chunks, "LIMIT", 40_000)
    ingest.ingest(context)
    assert len(context.work.shards("image_bytes")) > 3
    monkeypatch.setattr(pictures, "SPOOLED_ROWS", 4)
    monkeypatch.setattr(embed, "SHARD", 9)
    last: list[list[str]] = [[]]
    original = pq.ParquetFile.iter_batches

    def noted(self: Any, **options: Any) -> Any:
        for batch in original(self, **options):
            last[0] = batch["image_hash"].to_pylist()
            yield batch

    monkeypatch.setattr(pq.ParquetFile, "iter_batches", noted)
    hashes, seen = groups_of(context).image_hashes, []
    for part, items in embed._items(context, "image", hashes):
        assert len(part) <= 9
        for digest, item in zip(part.to_pylist(), items, strict=True):
            assert pixel_hash(decode(item.data, settings=context.config.images)) == digest
            assert digest in last[0]
            assert len(last[0]) <= 4
            seen.append(digest)
    assert sorted(seen) == hashes.to_pylist()
