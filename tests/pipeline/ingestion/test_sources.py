"""One contract for every source: the same logical rows in, the same ROWS out, none lost.

The oracle is the list of rows itself, mapped by hand in `expected`.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import json
import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_args

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from hypothesis import HealthCheck, given, settings, strategies as st
from PIL import Image
from pydantic import TypeAdapter, ValidationError

from pipeline.arrays import chunks
from pipeline.config.sources import SourceConfig
from pipeline.errors import ConfigError, SourceError
from pipeline.ingestion.sources import Source, open_source
from pipeline.storage.schemas import QUARANTINE, ROWS
from tests.worlds.runs import write_jsonl

COLUMNS = {
    "id": "sku",
    "text": ["title", "body"],
    "image": "photo",
    "timestamp": "when",
}
NAMES = ["sku", "title", "body", "photo", "when", "price", "brand"]
LOGICAL: list[dict[str, str | None]] = [
    dict(zip(NAMES, row, strict=True))
    for row in [
        ("a1", "Red shoe", "size 42", "p/1.jpg", "2024-05-01T12:00:00+02:00", "9.5", "acme"),
        ("a2", 'say "hi"', "two\nlines, one field", None, "2024-05-01", "10", None),
        ("a3", None, "only a body", "/abs/3.png", "1714557600", "11", "b;c"),
        ("a4", "größe 漢字", None, "https://example.org/4.jpg", "1714557600000", None, None),
        (" a5 ", "padded id", None, None, "not a time", "12", "acme"),
        (None, "no id", None, None, None, "13", None),
        ("  ", "blank id", None, None, None, "14", None),
        ("a8", None, None, None, None, None, "no content is not the source's concern"),
    ]
]
WHEN = {
    "2024-05-01T12:00:00+02:00": datetime(2024, 5, 1, 10, tzinfo=UTC),
    "2024-05-01": datetime(2024, 5, 1, tzinfo=UTC),
    "1714557600": datetime(2024, 5, 1, 10, tzinfo=UTC),
    "1714557600000": datetime(2024, 5, 1, 10, tzinfo=UTC),
}


def expected(folder: Path, name: str) -> list[dict[str, Any]]:
    rows = []
    for number, row in enumerate(LOGICAL, start=FIRST.get(name.rpartition(".")[2], 1)):
        key = (row["sku"] or "").strip()
        if not key:
            continue
        parts = [f"{n}: {row[n]}" for n in ("title", "body") if row[n]]
        photo = row["photo"]
        if photo and not photo.startswith(("/", "https")):
            photo = f"{folder}/{photo}"
        rows.append(
            {
                "key": key,
                "text": "; ".join(parts) or None,
                "image_uri": photo,
                "image_bytes": None,
                "joined": True,
                "fields": [(n, row[n]) for n in ("title", "body") if row[n]],
                "attributes": [(n, row[n]) for n in NAMES[3:] if row[n]],
                "timestamp": WHEN.get(row["when"] or ""),
                "location": f"{name}:{number}",
            }
        )
    return rows


def write_csv(path: Path, rows: list[dict[str, Any]]) -> None:
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.DictWriter(file, NAMES)
        writer.writeheader()
        writer.writerows(rows)


def write_parquet(path: Path, rows: list[dict[str, Any]]) -> None:
    schema = pa.schema([(name, pa.string()) for name in NAMES])
    pq.write_table(pa.Table.from_pylist(rows, schema=schema), path, row_group_size=3)


def write_sheet(path: Path, rows: list[dict[str, Any]]) -> None:
    """A workbook; the suite goes on without openpyxl."""
    book = pytest.importorskip("openpyxl").Workbook()
    book.active.append(NAMES)
    for row in rows:
        book.active.append([row[name] for name in NAMES])
    book.save(path)


WRITERS: dict[str, Callable[[Path, list[dict[str, Any]]], Path | None]] = {
    "csv": write_csv,
    "jsonl": write_jsonl,
    "parquet": write_parquet,
    "sheet": write_sheet,
}
# A sheet's rows have the numbers that it shows, the header the first.
FIRST = {"xlsx": 2}


def name_of(kind: str) -> str:
    """A name for a file of a kind of source."""
    return f"data.{'xlsx' if kind == 'sheet' else kind}"


TYPES = [kind.model_fields["type"].annotation for kind in get_args(get_args(SourceConfig)[0])]
ALL = [get_args(kind)[0] for kind in TYPES]


def source(kind: str, path: Path | str, **options: Any) -> Source:
    if kind != "image_folder":
        options.setdefault("columns", COLUMNS)
    config = {"type": kind, "name": "s", "path": str(path), **options}
    return open_source(TypeAdapter(SourceConfig).validate_python(config))


def read(of: Source, rows: int = 1000) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    of.check()
    good, bad = [], []
    for batch in of.batches(rows=rows):
        assert batch.rows.schema.equals(ROWS)
        assert batch.rejected.schema.equals(QUARANTINE)
        assert 0 < batch.rows_in <= rows
        batch.rows.validate(full=True)
        good += batch.rows.drop_columns("origin").to_pylist()
        bad += batch.rejected.to_pylist()
    return good, bad


def make(kind: str, folder: Path) -> tuple[Path, list[dict[str, Any]], int]:
    """Write the logical rows for one kind; return its path, the oracle and the rows to refuse."""
    if kind in WRITERS:
        path = folder / name_of(kind)
        WRITERS[kind](path, LOGICAL)
        return path, expected(folder, path.name), 2
    keys = ["a.png", "b.JPG", "sub/c.gif", "sub/deep/d.webp", "sub/deep/unnamed"]
    for key in keys:
        (folder / key).parent.mkdir(parents=True, exist_ok=True)
        kinds = {".JPG": "JPEG", "": "PNG"}
        suffix = Path(key).suffix
        Image.new("RGB", (4, 4)).save(folder / key, kinds.get(suffix, suffix[1:].upper()))
    (folder / "notes.txt").write_text("no picture")
    (folder / ".hidden.png").write_bytes(b"")
    (folder / "gone.png").symlink_to(folder / "nowhere")
    empty: dict[str, Any] = dict.fromkeys(name for name in ROWS.names if name != "origin")
    rows = [
        {
            **empty,
            "key": k,
            "image_uri": f"{folder}/{k}",
            "location": k,
            "fields": [],
            "attributes": [],
        }
        for k in keys
    ]
    return folder, rows, 1


@pytest.mark.parametrize("kind", ALL)
@pytest.mark.parametrize("rows", [1, 3, 1000])
def test_the_same_rows_come_out_whatever_the_batch_size(
    kind: str, rows: int, tmp_path: Path
) -> None:
    path, oracle, refused = make(kind, tmp_path)
    good, bad = read(source(kind, path), rows)
    assert good == oracle
    assert len(bad) == refused
    assert all(entry["source"] == "s" and entry["reason"] for entry in bad)
    if kind in WRITERS:
        assert [entry["reason"] for entry in bad] == ["missing id"] * 2
        assert [entry["location"] for entry in bad] == [
            f"{path.name}:{n + (kind == 'sheet')}" for n in (6, 7)
        ]


@pytest.mark.parametrize("kind", WRITERS)
def test_a_row_is_known_under_another_name_of_its_file(kind: str, tmp_path: Path) -> None:
    path, _, _ = make(kind, tmp_path)
    link = tmp_path / f"again{path.suffix}"
    link.symlink_to(path)
    origins = [
        [origin for batch in source(kind, one).batches(rows=100) for origin in
         batch.rows["origin"].to_pylist()]
        for one in (path, link)
    ]  # fmt: skip
    assert origins[0] == origins[1]
    assert None not in origins[0]
    assert len(set(origins[0])) == len(origins[0])


@pytest.mark.parametrize("kind", ALL)
def test_a_missing_path_is_named(kind: str, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="nowhere"):
        source(kind, tmp_path / "nowhere").check()
    if kind in WRITERS:
        with pytest.raises(SourceError, match="nowhere"):
            source(kind, tmp_path / "nowhere-*.x").check()


@pytest.mark.parametrize("kind", WRITERS)
def test_a_missing_column_is_named_with_those_there_are(kind: str, tmp_path: Path) -> None:
    path, _, _ = make(kind, tmp_path)
    wrong = {**COLUMNS, "text": ["title", "boddy"]}
    with pytest.raises(ConfigError, match=r"columns\.text names 'boddy'.*sku, title, body"):
        source(kind, path, columns=wrong).check()


@pytest.mark.parametrize("kind", WRITERS)
def test_text_columns_without_their_names(kind: str, tmp_path: Path) -> None:
    path, oracle, _ = make(kind, tmp_path)
    good, _ = read(source(kind, path, columns={**COLUMNS, "text_names": False}))
    for row, named in zip(good, oracle, strict=True):
        assert row.pop("text") == ("; ".join(value for _, value in named["fields"]) or None)
        named.pop("text")
    assert good == oracle


@pytest.mark.parametrize("kind", WRITERS)
def test_long_rows_come_in_smaller_batches(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, oracle, _ = make(kind, tmp_path)
    monkeypatch.setattr(chunks, "LIMIT", 40)
    assert len(list(source(kind, path).batches(rows=1000))) >= 5
    assert read(source(kind, path))[0] == oracle


def test_a_dictionary_of_long_texts_is_cut_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file says how large the dictionary is, not what its 90 rows come to."""
    path = tmp_path / "data.parquet"
    long = pa.array(["x" * 300, "y" * 300] * 45).dictionary_encode()
    pq.write_table(pa.table({"id": pa.array(range(90)).cast(pa.string()), "text": long}), path)
    monkeypatch.setattr(chunks, "LIMIT", 3000)
    batches = list(source("parquet", path, columns={"id": "id", "text": "text"}).batches(rows=1000))
    assert all(batch.rows["text"].nbytes < 4000 for batch in batches)
    assert sum(batch.rows_in for batch in batches) == 90


@pytest.mark.parametrize("kind", WRITERS)
def test_folders_globs_and_remote_paths(kind: str, tmp_path: Path) -> None:
    for part in ("x", "y"):
        (tmp_path / part).mkdir()
        WRITERS[kind](tmp_path / part / name_of(kind), LOGICAL)
    glob, _ = read(source(kind, f"{tmp_path}/*/{name_of(kind)}"))
    folder, _ = read(source(kind, tmp_path))
    assert glob == folder
    first = 2 if kind == "sheet" else 1
    assert [row["location"] for row in glob[::6]] == [
        f"{part}/{name_of(kind)}:{first}" for part in "xy"
    ]

    import fsspec

    remote = fsspec.filesystem("memory")
    remote.pipe(f"/in-{kind}/{name_of(kind)}", (tmp_path / "x" / name_of(kind)).read_bytes())
    rows, _ = read(source(kind, f"memory://in-{kind}/{name_of(kind)}"))
    assert [row["text"] for row in rows] == [row["text"] for row in glob[:6]]
    assert rows[0]["image_uri"] == f"memory:///in-{kind}/p/1.jpg"


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
@pytest.mark.parametrize("suffix", ["gz", "zst"])
def test_compressed_files_and_their_early_end(kind: str, suffix: str, tmp_path: Path) -> None:
    plain = tmp_path / name_of(kind)
    rows = [
        {**dict.fromkeys(NAMES), "sku": f"k{i}", "title": os.urandom(20).hex()} for i in range(8000)
    ]
    WRITERS[kind](plain, rows)
    pack = gzip.compress if suffix == "gz" else zstandard.ZstdCompressor().compress
    packed = tmp_path / f"packed.{kind}.{suffix}"
    data = plain.read_bytes()
    packed.write_bytes(pack(data[:999]) + pack(data[999:]))
    good, bad = read(source(kind, packed))
    assert ([row["key"] for row in good], bad) == ([row["sku"] for row in rows], [])
    packed.write_bytes(packed.read_bytes()[:-2000])
    good, bad = read(source(kind, packed))
    assert [row["key"] for row in good] == [row["sku"] for row in rows][: len(good)]
    assert len(bad) == 1
    assert "ends early" in bad[0]["reason"]


@pytest.mark.parametrize("kind", WRITERS)
def test_one_unreadable_file_of_two_is_quarantined_and_alone_is_an_error(
    kind: str, tmp_path: Path
) -> None:
    empty = tmp_path / name_of(kind).replace("data", "empty")
    empty.write_bytes(b"")
    with (
        pytest.raises(SourceError, match=r"empty|0 bytes")
        if kind != "jsonl"
        else pytest.raises(SourceError)
    ):
        source(kind, tmp_path).check()
    _, oracle, _ = make(kind, tmp_path)
    good, bad = read(source(kind, tmp_path))
    assert good == oracle
    assert [entry["location"] for entry in bad if entry["reason"] != "missing id"] == [empty.name]


def test_bad_csv_rows_are_refused_one_by_one(tmp_path: Path) -> None:
    path = tmp_path / "bad.csv"
    lines = [
        b"id,text",
        b"1,good",
        b"2,caf\xe9",
        b"",
        b"3,too,many",
        b"4",
        b'5,"unclosed quote swallows',
        b"6,good",
        b'7,"x" y',
        b'8,"two',
        b'lines"',
        b"9,\x00nul",
        b'10,"never closed',
        b"11,good",
    ]
    path.write_bytes(b"\r\n".join(lines))
    good, bad = read(source("csv", path, columns={"id": "id", "text": "text"}))
    assert {row["key"]: row["location"] for row in good} == {
        "1": "bad.csv:1", "2": "bad.csv:2", "9": "bad.csv:6",
        "11": "bad.csv:8 (out of a broken row)",
    }  # fmt: skip
    assert {row["key"]: row["text"] for row in good}["2"] == "café", "read as Windows wrote it"
    reasons = {entry["location"]: entry["reason"] for entry in bad}
    assert sorted(reasons) == sorted(f"bad.csv:{n}" for n in (3, 4, 5, 7))
    assert reasons["bad.csv:3"] == "3 columns where the header has 2"
    raw = {entry["location"]: entry["raw"] for entry in bad}
    assert raw["bad.csv:3"] == "3,too,many"
    assert raw["bad.csv:5"].splitlines() == [line.decode() for line in lines[6:11]], "whole"


def test_pieces_of_a_broken_csv_row_are_no_rows(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text(
        'id,text\n1,"one"\n2,"he wrote\n1,5 kg of "best" flour\n1,6 kg of sugar"\n3,"three"\n'
        '4,"parts:\n3,nuts and "long" bolts\n9,washers"\n5,"five"\n'
    )
    good, bad = read(source("csv", path, columns={"id": "id", "text": "text"}))
    assert {row["key"]: row["text"] for row in good} == {"1": "one", "3": "three", "5": "five"}
    assert [entry["location"] for entry in bad] == ["x.csv:2", "x.csv:4"]
    assert bad[1]["raw"] == '4,"parts:\n3,nuts and "long" bolts\n9,washers"'


def test_sound_rows_that_a_stray_quote_swallowed_are_read_again(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    rows = [f'{n},"row ""{n}""\nof two lines"' for n in range(3, 300)]
    path.write_text("\n".join(["id,text", "1,one", '2,"stray', *rows, "300,last"]) + "\n")
    good, bad = read(source("csv", path, columns={"id": "id", "text": "text"}))
    assert [row["key"] for row in good] == ["1", *map(str, range(3, 301))]
    assert good[1]["location"].endswith(":3 (out of a broken row)")
    assert good[-1]["location"] == "x.csv:300"
    assert [entry["raw"] for entry in bad] == ['2,"stray']


@pytest.mark.parametrize(
    ("encoding", "stated"), [("cp1252", None), ("cp1252", "cp1252"), ("utf-16", None),
                             ("utf-8-sig", None), ("shift_jis", None), ("cp1251", None)],
)  # fmt: skip
def test_csv_files_in_other_encodings(encoding: str, stated: str | None, tmp_path: Path) -> None:
    said = {"shift_jis": "東京都渋谷区の小さな喫茶店", "cp1251": "Небольшое кафе в Москве"}
    text = said.get(encoding, "Café Müller Größe 5")
    path = tmp_path / "x.csv"
    rows = "\n".join(["id,größe" if "125" in encoding and not said.get(encoding) else "id,text",
                      *(f"{n},{text} {n}" for n in range(50))])  # fmt: skip
    path.write_bytes(rows.encode(encoding))
    column = rows.splitlines()[0].split(",")[1]
    more = {"encoding": stated} if stated else {}
    good, bad = read(source("csv", path, columns={"id": "id", "text": column}, **more))
    assert not bad
    assert [row["text"] for row in good] == [f"{text} {n}" for n in range(50)]


def test_one_column_in_another_encoding_is_read_and_damage_is_not_guessed(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    rows = [f"{n},naïve,".encode() + b"caf\xe9" for n in range(9)]
    damaged = "9,naïve,ü".encode() + b"\xe9"  # half of it is UTF-8: the rest is damage
    path.write_bytes(b"\n".join([b"id,a,b", *rows, damaged]))
    good, bad = read(source("csv", path, columns={"id": "id", "text": ["a", "b"]}))
    assert {row["text"] for row in good} == {"a: naïve; b: café"}
    (entry,) = bad
    assert (entry["location"], entry["reason"]) == ("x.csv:10", "invalid UTF-8")


def test_an_unknown_encoding_is_a_configuration_error(tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match="'latin-99' is no encoding"):
        source("csv", tmp_path, columns={"id": "id", "text": "t"}, encoding="latin-99")


def test_partitions_are_read_and_other_files_are_counted(tmp_path: Path) -> None:
    for day, name in enumerate(("_day=1", "_day=2", "day=3")):
        folder = tmp_path / "t" / name / "site=b%20c"
        folder.mkdir(parents=True)
        pq.write_table(pa.table({"id": [f"{day}"], "text": ["said"]}), folder / "p.parquet")
    for name in ("notes.txt", "more.TXT", "_SUCCESS", "x.xlsx"):
        (tmp_path / "t" / name).write_text("other")
    columns = {"id": "id", "text": ["text", "site"]}
    opened = source("parquet", tmp_path / "t", columns=columns)
    opened.check()
    good, bad = read(opened)
    assert not bad
    assert {row["text"] for row in good} == {"text: said; site: b c"}
    assert [dict(row["attributes"]) for row in good] == [{"_day": "1"}, {"_day": "2"}, {"day": "3"}]
    assert opened.left_out() == {".txt": 2, ".xlsx": 1, "_SUCCESS": 1}


def test_files_that_hold_no_text_are_named(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("id,text\n1,one\n")
    (tmp_path / "b.csv").write_bytes(gzip.compress(b"id,text\n1,one\n"))
    (tmp_path / "c.csv").write_bytes(bytes(range(256)) * 20)
    good, bad = read(source("csv", tmp_path, columns={"id": "id", "text": "text"}))
    assert [row["key"] for row in good] == ["1"]
    assert {entry["location"]: entry["reason"] for entry in bad} == {
        "b.csv": "file cannot be read: the file is binary (gzip), not text",
        "c.csv": "file cannot be read: the file is binary, not text",
    }


def test_gzip_padded_with_zeros_and_gzip_that_breaks(tmp_path: Path) -> None:
    path = tmp_path / "x.csv.gz"
    rows = "id,text\n" + "".join(f"{n},a text of some length, no {n}\n" for n in range(5))
    rows = rows.replace(", no", " no")
    packed = gzip.compress(rows.encode()) + bytes(512)
    path.write_bytes(packed)
    good, bad = read(source("csv", path, columns={"id": "id", "text": "text"}))
    assert (len(good), len(bad)) == (5, 0)
    many = "id,text\n" + "".join(f"{n},{hashlib.md5(b'%d' % n).hexdigest()}\n" for n in range(9999))
    packed = gzip.compress(many.encode())
    path.write_bytes(packed[: len(packed) // 2])
    good, bad = read(source("csv", path, columns={"id": "id", "text": "text"}))
    assert len(good) > 4000, "what came before the break"
    assert "file ends early" in bad[0]["reason"]


def test_csv_header_problems(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("id,text,id\n1,a,b\n")
    with pytest.raises(ConfigError, match="used twice: id"):
        source("csv", path, columns={"id": "id", "text": "text"}).check()


def test_bad_json_lines_are_refused_one_by_one(tmp_path: Path) -> None:
    path = tmp_path / "bad.jsonl"
    lines = [
        b'\xef\xbb\xbf{"id": 1, "text": "good"}',
        b'{"id": 2, "text": "caf\xe9"}',
        b"",
        b'{"id": 4, "text": ',
        b"[5]",
        b'{"id": 123456789012345678901234, "text": {"a": [1, 2.50, null]}, "n": true, '
        b'"price": 1.50, "big": 6E+22, "none": []}',
        b'{"text": "no id"}',
        '{"id": 8, "text": "ü'.encode() + b'f\xe9"}',
    ]
    path.write_bytes(b"\n".join(lines))
    good, bad = read(source("jsonl", path, columns={"id": "id", "text": "text"}))
    assert [(row["key"], row["location"]) for row in good] == [
        ("1", "bad.jsonl:1"),
        ("2", "bad.jsonl:2"),
        ("123456789012345678901234", "bad.jsonl:6"),
    ]
    assert good[1]["text"] == "café", "read as Windows wrote it"
    assert good[2]["text"] == '{"a":[1,2.50,null]}'
    assert dict(good[2]["attributes"]) == {"n": "true", "price": "1.50", "big": "6E+22"}
    reasons = {entry["location"]: entry["reason"] for entry in bad}
    assert sorted(reasons) == [f"bad.jsonl:{n}" for n in (4, 5, 7, 8)]
    assert "invalid UTF-8 at byte" in reasons["bad.jsonl:8"]
    assert reasons["bad.jsonl:5"] == "not a JSON object but list"


def test_parquet_types_damage_and_pictures(tmp_path: Path) -> None:
    path = tmp_path / "data.parquet"
    count = 300
    table = pa.table(
        {
            "id": pa.array(range(count)),
            "text": pa.array([os.urandom(50).hex() for _ in range(count)]).dictionary_encode(),
            "when": pa.array([datetime(2024, 1, 1, 5)] * count, pa.timestamp("ms", "Asia/Tokyo")),
            "tags": [["a", "b"]] * count,
            "picture": [b"\x89PNG"] * count,
        }
    )
    pq.write_table(table, path, row_group_size=100)
    columns = {"id": "id", "text": "text", "image_bytes": "picture", "timestamp": "when"}
    good, bad = read(source("parquet", path, columns=columns), 70)
    assert (len(good), bad) == (count, [])
    assert good[0]["timestamp"] == datetime(2024, 1, 1, 5, tzinfo=UTC)
    assert good[0]["image_bytes"] == b"\x89PNG"
    assert dict(good[0]["attributes"])["tags"] == '["a","b"]'
    assert set(dict(good[0]["attributes"])) == {"tags", "when"}

    with pytest.raises(ConfigError, match=r"columns\.image_bytes 'text' must be binary"):
        source("parquet", path, columns={**columns, "image_bytes": "text", "text": "id"}).check()

    start = pq.ParquetFile(path).metadata.row_group(1).column(1).file_offset
    start = start or pq.ParquetFile(path).metadata.row_group(1).column(1).dictionary_page_offset
    data = bytearray(path.read_bytes())
    data[start : start + 400] = b"\xff" * 400
    path.write_bytes(bytes(data))
    good, bad = read(source("parquet", path, columns=columns))
    assert [entry["location"] for entry in bad] == [f"data.parquet:{n}" for n in range(101, 201)]
    assert [row["key"] for row in good] == [str(n) for n in (*range(100), *range(200, 300))]

    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(SourceError, match=r"data\.parquet"):
        source("parquet", path, columns=columns).check()


def test_parquet_text_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "latin.parquet"
    odd = pa.array([b"good", b"caf\xe9", None], pa.binary())
    text = pa.Array.from_buffers(pa.string(), 3, odd.buffers())
    pq.write_table(pa.table({"id": ["1", "2", "3"], "text": text}), path)
    good, bad = read(source("parquet", path, columns={"id": "id", "text": "text"}))
    assert [row["key"] for row in good] == ["1", "3"]
    assert (bad[0]["location"], bad[0]["reason"]) == ("latin.parquet:2", "invalid UTF-8")


def test_linked_folders_are_read_once_and_loops_end(tmp_path: Path) -> None:
    root, outside = tmp_path / "root", tmp_path / "outside"
    for folder in (root / "z", outside):
        folder.mkdir(parents=True)
        Image.new("RGB", (4, 4)).save(folder / "p.png")
    (root / "a").symlink_to(root / "z")
    (root / "up").symlink_to(tmp_path)
    (root / "self").symlink_to(root / "self")
    (root / "more").symlink_to(outside)
    (root / os.fsdecode(b"caf\xe9.png")).write_bytes(b"")
    good, bad = read(source("image_folder", root))
    assert [row["key"] for row in good] == ["z/p.png", "more/p.png"]
    reasons = {entry["location"]: entry["reason"] for entry in bad}
    assert set(reasons) == {"a", "up", "self", r"caf\xe9.png"}
    flat, _ = read(source("image_folder", root / "z", recursive=False))
    assert [row["key"] for row in flat] == ["p.png"]


@settings(
    deadline=None, max_examples=150,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)  # fmt: skip
@given(
    lines=st.lists(
        st.text(alphabet='ab",', min_size=1, max_size=9).filter(lambda line: line.strip()),
        max_size=12,
    )
)
def test_every_line_of_a_damaged_csv_file_is_in_a_row_or_in_the_quarantine(
    lines: list[str], tmp_path: Path
) -> None:
    path = tmp_path / "x.csv"
    path.write_text("\n".join(["id,text", *(f"{n},{x}" for n, x in enumerate(lines))]) + "\n")
    good, bad = read(source("csv", path, columns={"id": "id", "text": "text"}))
    kept = sum(1 + (row["text"] or "").count("\n") for row in good)
    refused = sum(_lines_of(entry["raw"]) for entry in bad)
    assert kept + refused == len(lines)


def _lines_of(raw: str) -> int:
    """Lines that a refused row was written in; one without an id is shown as JSON."""
    shown = json.loads(raw) if raw.startswith("{") else {"raw": raw}
    return 1 + sum(value.count("\n") for value in shown.values())
