"""Sources on object storage, from a server on this machine: the same records as from disk."""

from __future__ import annotations

import csv
import io
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from pydantic import TypeAdapter

from pipeline import run
from pipeline.catalog import Catalog
from pipeline.config.run import RunConfig
from pipeline.config.sources import SourceConfig
from pipeline.errors import SourceError
from pipeline.ingestion.sources import Source, open_source
from tests.worlds.runs import run_config

pytestmark = pytest.mark.slow

pytest.importorskip("moto", reason="moto is not installed: make install")
pytest.importorskip("s3fs", reason="s3fs is not installed: make install")

BUCKET = "bucket"
TEXTS = [
    f"the {n} red bicycle with a basket at the wall of house number {n * 37}" for n in range(9)
]


@pytest.fixture(autouse=True)
def no_account(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing of this machine's own credentials."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


def options(endpoint: str, **changes: Any) -> dict[str, Any]:
    return {"key": "k", "secret": "s", "client_kwargs": {"endpoint_url": endpoint}, **changes}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """CSV with pictures beside it, JSONL, Parquet in two files, a folder of pictures."""
    folder = tmp_path_factory.mktemp("data")
    for name in ("shop", "feed", "parts", "album/deep"):
        (folder / name).mkdir(parents=True)
    for number in range(6):
        grid = np.random.default_rng(number).integers(0, 255, (12, 12, 3), dtype=np.uint8)
        image = Image.fromarray(grid).resize((64, 64), Image.Resampling.BICUBIC)
        image.save(folder / "shop" / f"p{number}.png")
        image.save(folder / "album" / "deep" / f"copy{number}.bmp")
    with (folder / "shop" / "products.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "text", "photo"])
        writer.writerows([n, text, f"p{n % 6}.png"] for n, text in enumerate(TEXTS))
        writer.writerow(["lost", "its picture is not there", "none.png"])
    lines = [{"id": n, "text": text + "!"} for n, text in enumerate(TEXTS)]
    (folder / "feed" / "lines.jsonl").write_text("".join(json.dumps(x) + "\n" for x in lines))
    table = pa.table({"id": [str(n) for n in range(9)], "text": [t.upper() for t in TEXTS]})
    pq.write_table(table.slice(0, 4), folder / "parts" / "a.parquet")
    pq.write_table(table.slice(4), folder / "parts" / "b.parquet")
    return folder


@pytest.fixture(scope="module")
def bucket(endpoint: str, data: Path) -> str:
    import s3fs

    fs = s3fs.S3FileSystem(**options(endpoint))
    fs.call_s3("create_bucket", Bucket=BUCKET)
    for path in data.rglob("*"):
        if path.is_file():
            fs.pipe(f"{BUCKET}/night/{path.relative_to(data)}", path.read_bytes())
    return f"s3://{BUCKET}/night"


def config(catalog: Path, root: str, storage: dict[str, Any]) -> RunConfig:
    text = {"id": "id", "text": "text"}
    sources = [
        ("shop", "csv", "shop/products.csv", {**text, "image": "photo"}),
        ("feed", "jsonl", "feed/*.jsonl", text),
        ("parts", "parquet", "parts", text),
        ("album", "image_folder", "album", None),
    ]
    made = [
        {"name": name, "type": kind, "path": f"{root}/{path}", "storage_options": storage}
        | ({"columns": columns} if columns else {})
        for name, kind, path, columns in sources
    ]
    return run_config(catalog, *made)


def rows(made: RunConfig, table: str, *, root: str, but: tuple[str, ...] = ()) -> list[str]:
    catalog = Catalog(made.catalog)
    kept = catalog.read(table, run=catalog.run()).drop_columns(list(but))
    return sorted(repr(row).replace(root, "ROOT") for row in kept.to_pylist())


def test_one_run_reads_every_kind_and_gives_the_local_records(
    tmp_path: Path, data: Path, bucket: str, endpoint: str
) -> None:
    remote = config(tmp_path / "remote", bucket, options(endpoint))
    local = config(tmp_path / "local", str(data), {})
    counts = [run(made).counts for made in (remote, local)]
    assert counts[0] == counts[1]
    assert counts[0].records == 9 * 3 + 1 + 6, "one without its picture"
    assert counts[0].quarantined == 0
    assert counts[0].images_embedded == 6
    assert counts[0].duplicate_clusters > 0
    for table, but in [
        (
            "records",
            ("first_seen", "last_seen", "problem", "origin", "image_file"),
        ),  # its own words
        ("pairs", ("run",)),
        ("clusters", ()),
    ]:
        assert rows(remote, table, root=bucket, but=but) == rows(
            local, table, root=str(data), but=but
        )


def source(kind: str, path: str, storage: dict[str, Any]) -> Source:
    found: dict[str, Any] = {"type": kind, "name": "s", "path": path, "storage_options": storage}
    if kind != "image_folder":
        found["columns"] = {"id": "id", "text": "text"}
    return open_source(TypeAdapter(SourceConfig).validate_python(found))


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet", "image_folder"])
@pytest.mark.parametrize("pattern", ["in", "in/*"])
def test_what_goes_wrong_is_said_in_one_line(
    kind: str, pattern: str, bucket: str, endpoint: str
) -> None:
    def said(storage: dict[str, Any], path: str = f"s3://{BUCKET}/{pattern}") -> str:
        with pytest.raises(SourceError) as error:
            source(kind, path, storage).check()
        words = str(error.value)
        assert words.startswith("source s: ")
        assert path in words
        assert "\n" not in words
        return words

    nobody = {"client_kwargs": {"endpoint_url": endpoint}}
    assert "set AWS_PROFILE, or AWS_ACCESS_KEY_ID" in said(nobody)
    assert "set AWS_PROFILE" in said({**nobody, "profile": "absent"})
    assert "check the bucket's name" in said(options(endpoint), f"s3://no-such-bucket/{pattern}")
    assert "no key 'endpint'" in said(options(endpoint, endpint=endpoint))
    wrong = {"key": "k", "secret": "s", "client_kwargs": {"endpont_url": endpoint}}
    assert "no key 'endpont_url'" in said(wrong)
    away = options("http://127.0.0.1:9", config_kwargs={"retries": {"max_attempts": 0}})
    assert "check the address and the network" in said(away)
    nothing = said(options(endpoint), f"s3://{BUCKET}/nothing/{pattern}")
    assert "no file to read" in nothing or "not a folder" in nothing


def test_pictures_named_by_a_local_file_are_read_with_its_options(
    tmp_path: Path, bucket: str, endpoint: str
) -> None:
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(["id", "photo"])
    writer.writerows([n, f"{bucket}/shop/p{n}.png"] for n in range(4))
    (tmp_path / "in.csv").write_text(out.getvalue())
    made = config(tmp_path / "catalog", bucket, options(endpoint)).model_copy(
        update={
            "sources": (
                TypeAdapter(SourceConfig).validate_python(
                    {"name": "s", "type": "csv", "path": str(tmp_path / "in.csv"),
                     "storage_options": options(endpoint),
                     "columns": {"id": "id", "image": "photo"}}
                ),
            )
        }
    )  # fmt: skip
    assert run(made).counts.with_image == 4
