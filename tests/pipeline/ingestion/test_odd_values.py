"""Odd encodings, numbers and columns: read as they were written, or refused with a reason."""

from __future__ import annotations

import bz2
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pydantic import TypeAdapter, ValidationError

from pipeline.config.sources import SourceConfig
from pipeline.errors import ConfigError, SourceError
from pipeline.ingestion.sources import Source, open_source

SAID = {
    "de": ["Größe M für Männer", "Müllers Käse, 500 g", "Stuhl weiß – Ø 5 mm, 5 €"],
    "fr": ["Crème brûlée à la française", "L’été à Nîmes « guide »", "Bière blonde"],
    "es": ["Niño pequeño, año 2020", "Camión eléctrico", "¿Señal de tráfico?"],
    "pl": ["Łódź żółta kaczka", "Święty Mikołaj z Gdańska", "Ser żółty, kość"],
    "cs": ["Příliš žluťoučký kůň", "Děkuji, třída číslo pět"],
    "hu": ["Árvíztűrő tükörfúrógép", "Zöld teafű és köménymag", "Bőr cipő, nőknek"],
    "tr": ["Şişe açacağı küçük", "Çay bardağı, İstanbul", "Işıklı yazı"],
    "ru": ["Небольшое кафе в Москве", "Стул деревянный, белый", "Молоко 3,2 %"],
    "el": ["Καφές στην Αθήνα", "Καρέκλα ξύλινη, λευκή"],
    "ja": ["東京都渋谷区の小さな喫茶店", "木製の白い椅子です"],
}
ENCODED = [
    ("de", "cp1252"), ("de", "mac_roman"), ("fr", "cp1252"), ("es", "iso8859-15"),
    ("pl", "cp1250"), ("pl", "iso8859-2"), ("cs", "cp1250"), ("hu", "cp1250"), ("tr", "cp1254"),
    ("ru", "cp1251"), ("ru", "koi8-r"), ("el", "cp1253"), ("ja", "shift_jis"),
    ("fr", "utf-16"), ("fr", "utf-16-le"), ("fr", "utf-16-be"),
]  # fmt: skip


def source(kind: str, path: Path, **more: Any) -> Source:
    made = {"name": "s", "type": kind, "path": str(path), "columns": {"id": "id", "text": "t"}}
    return open_source(TypeAdapter(SourceConfig).validate_python({**made, **more}))


def read(opened: Source) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    batches = list(opened.batches(rows=50))
    return (
        [row for batch in batches for row in batch.rows.to_pylist()],
        [row for batch in batches for row in batch.rejected.to_pylist()],
    )


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
@pytest.mark.parametrize("every", [1, 8])
@pytest.mark.parametrize(("language", "encoding"), ENCODED)
def test_encodings_are_told(
    kind: str, every: int, language: str, encoding: str, tmp_path: Path
) -> None:
    """Also where few lines hold a letter beyond ASCII, among English ones."""
    said = SAID[language]
    texts = [
        said[n // every % len(said)] if n % every == 0 else "a wooden chair" for n in range(80)
    ]
    texts = [text.encode(encoding, "replace").decode(encoding) for text in texts]
    path = tmp_path / f"x.{kind}"
    if kind == "csv":
        lines = ["id,t", *(f'{n},"{text}"' for n, text in enumerate(texts))]
    else:
        lines = [f'{{"id": {n}, "t": "{text}"}}' for n, text in enumerate(texts)]
    path.write_bytes("\n".join(lines).encode(encoding))
    good, bad = read(source(kind, path))
    assert (bad, [row["text"] for row in good]) == ([], texts)
    assert read(source(kind, path, encoding=encoding)) == (good, bad)


def test_json_lines_may_state_their_encoding(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_bytes('{"id": 1, "t": "בית קפה"}\n'.encode("cp1255"))
    good, _ = read(source("jsonl", path, encoding="cp1255"))
    assert [row["text"] for row in good] == ["בית קפה"]
    with pytest.raises(ValidationError, match="'base64' is no encoding"):
        source("jsonl", path, encoding="base64")


def test_a_header_that_is_cut_names_the_file(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes("id,t\n".encode("utf-16")[:-1])
    with pytest.raises(SourceError, match=r"a\.csv: the header row is not utf-16"):
        source("csv", tmp_path).check()
    (tmp_path / "b.csv").write_text("id,t\n1,one\n")
    good, bad = read(source("csv", tmp_path))
    assert ([row["key"] for row in good], [row["location"] for row in bad]) == (["1"], ["a.csv"])


def test_numbers_that_no_double_holds_and_nan_refuse_no_line(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    nested = b"[" * 900 + b"1.5" + b"]" * 900
    path.write_bytes(
        b'{"id": 1, "t": "one", "a": 1e400, "b": NaN, "c": -0, "d": ' + b"9" * 5000 + b"}\n"
        b'{"id": 2, "t": "two", "a": ' + nested + b"}\n"
        b'{"id": 3, "t": "half \\ud800"}\n{"id": 4, "t": "four"}\n'
    )
    good, bad = read(source("jsonl", path))
    assert dict(good[0]["attributes"]) == {"a": "1e400", "c": "-0", "d": "9" * 5000}
    assert good[-1]["key"] == "4"
    assert {row["location"] for row in bad} <= {"x.jsonl:2", "x.jsonl:3"}
    assert len(good) + len(bad) == 4


def test_odd_parquet_columns_that_nobody_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    odd = pa.array([b"good", b"caf\xe9"], pa.binary())
    strings = pa.Array.from_buffers(pa.string(), 2, odd.buffers())
    columns = {
        "list": pa.ListArray.from_arrays(pa.array([0, 1, 2], pa.int32()), strings),
        "ns": pa.array([[1], [1_700_000_000_000_000_001]], pa.list_(pa.timestamp("ns"))),
        "bytes": [{"a": b"\xff"}, {"a": b"x"}],
        "small": pa.array([Decimal("0.0000001"), None], pa.decimal128(20, 7)),
    }
    pq.write_table(pa.table({"id": ["1", "2"], "t": ["one", "two"], **columns}), path)
    good, bad = read(source("parquet", path))
    assert not bad
    assert [dict(row["attributes"]) for row in good] == [
        {"list": '["good"]', "ns": '["1970-01-01 00:00:00.000000001"]', "bytes": '{"a":"0xff"}',
         "small": "0.0000001"},
        {"list": '["caf\\\\xe9"]', "ns": '["2023-11-14 22:13:20.000000001"]',
         "bytes": '{"a":"x"}'},
    ]  # fmt: skip
    good, bad = read(source("parquet", path, columns={"id": "id", "text": "list"}))
    assert [row["key"] for row in good] == ["1"], "as a text it would be another"
    assert (bad[0]["reason"], '"id":"2"' in bad[0]["raw"]) == ("invalid UTF-8", True)


def test_bytes_that_are_no_text_are_hexadecimals(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    hashes = [b"12345678", b"        ", b"\xff\x00\x00\x00\x00\x00\x00\x01"]
    columns = {"hash": pa.array(hashes, pa.binary(8)), "b": pa.array([b"a\x01", b"a b", b"\t"])}
    pq.write_table(pa.table({"t": ["one", "two", "three"], **columns}), path)
    good, bad = read(source("parquet", path, columns={"id": "hash", "text": "t"}))
    assert (bad, [row["key"] for row in good]) == ([], [f"0x{value.hex()}" for value in hashes])
    assert [dict(row["attributes"])["b"] for row in good[:2]] == ["0x6101", "a b"]


def test_a_header_that_another_sign_parts_names_the_setting(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("id;t\n1;one\n")
    with pytest.raises(ConfigError, match='set this source\'s delimiter: ";"'):
        source("csv", tmp_path / "x.csv").check()


def test_padded_bzip2_and_an_empty_partition(tmp_path: Path) -> None:
    folder = tmp_path / "day=__HIVE_DEFAULT_PARTITION__" / "site=a"
    folder.mkdir(parents=True)
    (folder / "x.csv.bz2").write_bytes(bz2.compress(b"id,t\n1,one\n") + bytes(512))
    good, bad = read(source("csv", tmp_path))
    assert (bad, [dict(row["attributes"]) for row in good]) == ([], [{"site": "a"}])
