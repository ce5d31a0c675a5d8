"""Labels of every kind into labelled pairs: ids, clusters, verdicts, and what is refused."""

from __future__ import annotations

import csv
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from PIL import Image

from pipeline.config.finetune import TrainConfig
from pipeline.config.sources import CsvSource, ImageSettings
from pipeline.errors import ConfigError
from pipeline.ingestion.decoding import Decoder
from pipeline.ingestion.records import build_records
from pipeline.ingestion.sources import open_source
from pipeline.labels.entries import LARGE_ENTITY, cluster_pairs
from pipeline.labels.labelled_pairs import LabelFacts, LabelledPairs, UnknownIds
from pipeline.labels.read import read_label_rows, read_labelled
from pipeline.labels.records import find_rows, read_labelled_records
from pipeline.storage import from_json, to_json
from pipeline.storage.schemas import LABELS, RECORDS

NOW = datetime(2024, 5, 1, tzinfo=UTC)
HERE = ImageSettings(workers=0)


def write(path: Path, rows: list[dict[str, Any]]) -> str:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return str(path)


def config(labels: list[dict[str, Any]], **settings: Any) -> TrainConfig:
    known = {"name": "m", "catalog": "/nowhere", "min_positives": 2, "images": HERE}
    return TrainConfig.model_validate({**known, "labels": labels, **settings})


def read(settings: TrainConfig, **tables: Any) -> LabelledPairs:
    return read_labelled(settings, **{"published": None, "verdicts": None, **tables}, now=NOW)


@pytest.fixture
def shop(tmp_path: Path) -> dict[str, Any]:
    """A source 'shop' of records 1 … 8, each with a colour."""
    rows = [
        {"id": i, "title": f"item {i}", "note": "" if i == 3 else f"note {i}",
         "colour": "red" if i < 5 else "blue"}
        for i in range(1, 9)
    ]  # fmt: skip
    return {
        "type": "csv",
        "name": "shop",
        "path": write(tmp_path / "shop.csv", rows),
        "columns": {"id": "id", "text": ["title", "note"], "attributes": ["colour"]},
    }


def by_id(pairs: LabelledPairs) -> dict[tuple[str, str], float]:
    ids = pairs.records["record_id"].to_pylist()
    return {
        (ids[a], ids[b]): grade
        for a, b, grade in zip(pairs.left, pairs.right, pairs.grade, strict=True)
    }


def pair_rows(*rows: tuple[Any, Any, Any]) -> list[dict[str, Any]]:
    return [{"left_id": a, "right_id": b, "label": label} for a, b, label in rows]


# --- pairs by id -------------------------------------------------------------------------------


def test_pairs_by_id_and_key(tmp_path: Path, shop: dict[str, Any]) -> None:
    rows = pair_rows(
        ("shop:2", "1", 1), ("3", "4", "same"), ("1", "5", 0), (6, 6, 1), ("2", "1", 1),
        ("1", "99", 1), ("7", "8", "unsure"), ("7", "1", "related"), ("4", "5", 0.25),
    )  # fmt: skip
    path = write(tmp_path / "pairs.csv", rows)
    found = read(
        config([{"type": "pairs", "path": path}], sources=[shop], slices=["colour", "source"])
    )
    assert by_id(found) == {
        ("shop:1", "shop:2"): 1, ("shop:1", "shop:5"): 0, ("shop:3", "shop:4"): 1,
        ("shop:4", "shop:5"): 0.25,
    }  # fmt: skip
    facts = found.facts
    assert facts.rows == 9
    assert facts.unknown_ids == UnknownIds(1, 1, 0, ("99",))
    assert (facts.self_pairs, facts.repeated_pairs) == (1, 1)
    assert facts.left_out == {"related": 1, "unsure": 1}
    assert (facts.positives, facts.negatives, facts.graded) == (2, 2, 1)
    assert found.slices["colour"].tolist() == ["red", "blue | red", "red", "blue | red"]
    assert found.slices["source"].tolist() == ["shop"] * 4
    assert found.records["text"][2].as_py() == "title: item 3"
    assert found.records.schema.equals(RECORDS)
    assert from_json(LabelFacts, to_json(facts)) == facts


def test_claims_keep_every_usable_row(tmp_path: Path, shop: dict[str, Any]) -> None:
    rows = pair_rows(("2", "1", 1), ("1", "2", 0), ("3", "3", 1), ("1", "99", 1), ("1", "2", 1))
    settings = config([{"type": "pairs", "path": write(tmp_path / "p.csv", rows)}], sources=[shop])
    with Decoder(HERE) as decoder:
        records, claims, facts = read_label_rows(
            settings, published=None, verdicts=None, decoder=decoder, now=NOW
        )
    assert records["record_id"].to_pylist() == ["shop:1", "shop:2", "shop:3"]
    assert claims.left.tolist() == [0, 0, 2, 0]
    assert claims.right.tolist() == [1, 1, 2, 1]
    assert claims.same.tolist() == [True, False, True, True]
    assert facts.self_pairs == 1


def test_the_order_of_rows_says_nothing(tmp_path: Path, shop: dict[str, Any]) -> None:
    rows = pair_rows(
        ("1", "2", 1), ("2", "3", 1), ("1", "3", 0), ("4", "5", 1), ("5", "4", 0), ("6", "7", 1),
        ("6", "8", 0),
    )  # fmt: skip
    found = []
    for number, order in enumerate((rows, rows[::-1])):
        path = write(tmp_path / f"{number}.csv", order)
        pairs = read(config([{"type": "pairs", "path": path}], sources=[shop]))
        found.append((by_id(pairs), pairs.facts.conflicts))
    assert found[0] == found[1]
    assert (found[0][0]["shop:4", "shop:5"], found[0][0]["shop:1", "shop:3"]) == (0, 0)
    assert ("shop:2", "shop:3") not in found[0][0]


def test_records_of_the_catalog(tmp_path: Path, shop: dict[str, Any]) -> None:
    source = open_source(CsvSource.model_validate(shop))
    (batch,) = source.batches(rows=100)
    with Decoder(HERE) as decoder:
        records = build_records(
            batch.rows, source="shop", images=HERE, now=NOW, decoder=decoder
        ).records
    gone = pc.equal(records["record_id"], "shop:2")
    at = records.schema.get_field_index("deleted")
    records = records.set_column(at, "deleted", gone)
    path = write(
        tmp_path / "pairs.csv",
        pair_rows(("1", "2", 1), ("3", "4", 1), ("5", "6", 1), ("1", "6", 0)),
    )
    found = read(config([{"type": "pairs", "path": path}]), published=records)
    assert len(by_id(found)) == 3
    assert found.facts.unknown_ids.examples == ("2",)
    with pytest.raises(ConfigError, match="name them under `sources`"):
        read(config([{"type": "pairs", "path": path}]))


def test_all_records_can_be_read_too(shop: dict[str, Any], tmp_path: Path) -> None:
    settings = config([{"type": "pairs", "path": "x.csv"}], sources=[shop])
    with Decoder(HERE) as decoder:
        records, quarantined = read_labelled_records(
            settings, published=None, decoder=decoder, now=NOW
        )
    assert (len(records), len(quarantined)) == (8, 0)
    assert records["record_id"].to_pylist() == sorted(records["record_id"].to_pylist())


def test_a_key_of_two_sources_is_ambiguous() -> None:
    ids = pa.array(["a:1", "a:2", "b:1", "b:x:y"])
    rows, ambiguous = find_rows(pa.array(["a:1", "1", "2", "x:y", "z"]), ids)
    assert rows.tolist() == [0, -1, 1, 3, -1]
    assert ambiguous.tolist() == [False, True, False, False, False]
    assert find_rows(pa.array(["q"]), pa.array([], pa.string()))[0].tolist() == [-1]


# --- inline ------------------------------------------------------------------------------------


def test_inline_texts_are_serialised_as_a_source_does_it(
    tmp_path: Path, shop: dict[str, Any]
) -> None:
    items = [("item 1", "note 1"), ("item 2", "note 2"), ("item 3", ""), ("item  1", "note 1 "),
             ("item 4", "note 4")]  # fmt: skip
    rows = [
        {"lt": items[a][0], "ln": items[a][1], "rt": items[b][0], "rn": items[b][1], "label": y,
         "lang": lang, "part": part}
        for a, b, y, lang, part in [
            (0, 1, 1, "de", "train"), (2, 4, 1, "en", "test"), (0, 2, 0, "de", ""),
            (3, 2, 0, "de", "val"), (0, 3, 1, "de", ""),
        ]
    ]  # fmt: skip
    path = write(tmp_path / "inline.csv", rows)
    entry = {
        "type": "inline", "path": path, "left_text": ["lt", "ln"], "right_text": ["rt", "rn"],
        "names": ["title", "note"], "attributes": ["lang"], "split": "part",
    }  # fmt: skip
    found = read(config([entry]))
    (batch,) = open_source(CsvSource.model_validate(shop)).batches(rows=100)
    with Decoder(HERE) as decoder:
        expected = build_records(
            batch.rows, source="shop", images=HERE, now=NOW, decoder=decoder
        ).records
    assert set(found.records["text_hash"].to_pylist()) == set(expected["text_hash"].to_pylist()[:4])
    ids = found.records["record_id"].to_pylist()
    assert ids == sorted(f"inline:{h}" for h in found.records["text_hash"].to_pylist())
    one = found.records.filter(pc.equal(found.records["text"], "title: item 1; note: note 1"))
    assert dict(one["fields"][0].as_py()) == {"title": "item 1", "note": "note 1"}
    # Row 4 is row 3 again in other spacing; row 5 is one content twice.
    assert len(found.left) == 3
    assert (found.facts.self_pairs, found.facts.repeated_pairs) == (1, 1)
    assert sorted(found.split) == ["test", "train", "valid"]
    assert sorted(found.slices["lang"]) == ["de", "de", "en"]


def test_inline_json_fields(tmp_path: Path) -> None:
    rows = [
        {"l": {"name": "a", "price": 3}, "r": {"name": "b"}, "label": 1},
        {"l": {"name": "d"}, "r": {"brand": "x", "name": "c"}, "label": 1},
        {"l": {"name": "b"}, "r": {"name": "d"}, "label": 0},
        {"l": {"name": ""}, "r": {"name": "b"}, "label": 0},
    ]
    path = tmp_path / "inline.jsonl"
    path.write_text("\n".join(json.dumps(row) for row in rows))
    entry = {"type": "inline", "path": str(path), "left_json": "l", "right_json": "r"}
    found = read(config([entry]))
    assert set(found.records["text"].to_pylist()) == {
        "name: a; price: 3", "name: b", "name: c; brand: x", "name: d",
    }  # fmt: skip
    (facts,) = found.facts.entries
    assert facts.unusable_rows == 1
    assert found.facts.quarantined.rows == 1
    assert found.facts.quarantined.examples[0].location == "inline.jsonl:4"
    named = read(config([{**entry, "names": ["name"]}], min_positives=2))
    assert set(named.records["text"].to_pylist()) == {"a", "b", "c", "d"}
    with pytest.raises(ConfigError, match="names 'colour', which is not there"):
        read(config([{**entry, "names": ["colour"]}]))
    path.write_text('{"l": "{", "r": "{}", "label": 1}')
    with pytest.raises(ConfigError, match="row 1 column 'l' is no JSON"):
        read(config([entry]))


def test_inline_pictures(tmp_path: Path) -> None:
    for name, colour in {"a.png": "red", "b.png": "blue", "c.bmp": "red"}.items():
        Image.new("RGB", (20, 10), colour).save(tmp_path / name)
    (tmp_path / "bad.png").write_bytes(b"no picture")
    rows = [
        {"l": "a.png", "r": "b.png", "label": 0},
        {"l": str(tmp_path / "c.bmp"), "r": "b.png", "label": 0},  # the pixels of a.png
        {"l": "a.png", "r": "bad.png", "label": 1},
    ]
    entry: dict[str, Any] = {
        "type": "inline",
        "path": write(tmp_path / "p.csv", rows),
        "left_image": "l",
        "right_image": "r",
    }
    with pytest.raises(ConfigError, match="one class only: all 1 pairs are different"):
        read(config([entry]))
    both = [{**row, "label": 1, "t": i, "u": i + 1} for i, row in enumerate(rows)]
    both.append({"l": "", "r": "", "label": 0, "t": "only", "u": "text"})
    entry = {
        **entry,
        "path": write(tmp_path / "q.csv", both),
        "left_text": ["t"],
        "right_text": ["u"],
    }
    found = read(config([entry]))
    assert found.records["image_hash"].null_count == 3, "a text whose picture is bad, and two more"
    assert len(found.left) == 4
    assert found.facts.quarantined.rows == 0
    # Equal pixels with different texts are different records, and their ids hash both.
    assert len(set(found.records["record_id"].to_pylist())) == len(found.records) == 8


# --- clusters ----------------------------------------------------------------------------------


def test_clusters_become_pairs(tmp_path: Path, shop: dict[str, Any]) -> None:
    rows = [("1", "a"), ("2", "a"), ("3", "a"), ("4", "b"), ("5", "b"), ("6", "c"), ("7", "b"),
            ("7", "c"), ("8", ""), ("99", "a"), ("1", "a")]  # fmt: skip
    path = write(tmp_path / "c.csv", [{"record_id": r, "cluster_id": c} for r, c in rows])
    found = read(config([{"type": "clusters", "path": path}], sources=[shop]))
    assert {(a[-1] + b[-1]) for a, b in by_id(found)} == {"12", "13", "23", "45"}
    (facts,) = found.facts.entries
    assert facts.clusters is not None
    assert facts.unknown_ids is not None
    assert facts.clusters.records_in_several_clusters == 1
    assert facts.clusters.rows_without_cluster == 1
    assert facts.unknown_ids.examples == ("99",)
    assert facts.clusters.clusters == 3
    assert set(found.origin) == {"cluster"}
    assert "shop:6" in found.records["record_id"].to_pylist()  # single, but named


def test_given_labels_correct_clusters(tmp_path: Path, shop: dict[str, Any]) -> None:
    rows = [{"record_id": i, "cluster_id": "a" if i < 5 else "b"} for i in range(1, 9)]
    clusters = {"type": "clusters", "path": write(tmp_path / "c.csv", rows)}
    pairs = {"type": "pairs", "path": write(tmp_path / "p.csv", pair_rows(("1", "2", 0)))}
    found = by_id(read(config([clusters, pairs], sources=[shop])))
    assert found[("shop:1", "shop:2")] == 0
    kept = [pair for pair, grade in found.items() if grade == 1 and "shop:2" in pair]
    assert kept == []  # the later record left the cluster
    assert found["shop:1", "shop:4"] == 1


def test_clusters_with_given_splits(tmp_path: Path, shop: dict[str, Any]) -> None:
    rows = [(1, "a", "train"), (2, "a", "train"), (3, "a", "test"), (4, "b", ""), (5, "b", "test")]
    path = write(
        tmp_path / "c.csv", [{"record_id": r, "cluster_id": c, "s": s} for r, c, s in rows]
    )
    found = read(config([{"type": "clusters", "path": path, "split": "s"}], sources=[shop]))
    assert dict(zip(by_id(found), found.split, strict=True)) == {
        ("shop:1", "shop:2"): "train", ("shop:4", "shop:5"): "test",
    }  # fmt: skip
    clusters = found.facts.entries[0].clusters
    assert clusters is not None
    assert clusters.pairs_across_given_splits == 2


def test_large_entities_give_a_connected_selection() -> None:
    record = np.random.default_rng(0).permutation(700)
    cluster = np.where(record < 600, 0, record // 50)
    left, right, large = cluster_pairs(record, cluster)
    assert large == 1
    assert (left < right).all()
    assert len(set(zip(left.tolist(), right.tolist(), strict=True))) == len(left)
    inside = left < 600
    assert inside.sum() <= 600 * 10
    graph = nx.Graph(zip(left[inside], right[inside], strict=True))
    assert nx.number_connected_components(graph) == 1
    assert len(graph) == 600
    assert (~inside).sum() == 2 * 50 * 49 / 2
    for size in (2, 3, LARGE_ENTITY):
        left, _, large = cluster_pairs(np.arange(size), np.zeros(size, np.int64))
        assert (len(left), large) == (size * (size - 1) // 2, 0)


# --- verdicts ----------------------------------------------------------------------------------


def verdict_table(*rows: tuple[str, str, str, int]) -> pa.Table:
    return pa.Table.from_pylist(
        [
            {"left_id": a, "right_id": b, "label": label, "by": "me",
             "at": NOW + timedelta(days=day), "origin": "review", "note": None}
            for a, b, label, day in rows
        ],
        schema=LABELS,
    )  # fmt: skip


def test_verdicts_beat_files_and_later_ones_beat_earlier(
    tmp_path: Path, shop: dict[str, Any]
) -> None:
    path = write(
        tmp_path / "p.csv", pair_rows(("1", "2", 1), ("3", "4", 1), ("5", "6", 1), ("1", "8", 0))
    )
    labels = [{"type": "pairs", "path": path}, {"type": "verdicts"}]
    verdicts = verdict_table(
        ("shop:1", "shop:2", "different", 1), ("shop:3", "shop:4", "different", 1),
        ("shop:3", "shop:4", "same", 2), ("shop:5", "shop:7", "unsure", 1),
        ("shop:gone", "shop:1", "same", 1),
    )  # fmt: skip
    found = read(config(labels, sources=[shop]), verdicts=verdicts)
    assert by_id(found) == {
        ("shop:1", "shop:2"): 0, ("shop:1", "shop:8"): 0, ("shop:3", "shop:4"): 1,
        ("shop:5", "shop:6"): 1,
    }  # fmt: skip
    assert found.origin.tolist() == ["verdict", "given", "verdict", "given"]
    assert found.facts.origins == {"cluster": 0, "given": 2, "verdict": 2}
    # Of a pair the latest verdict counts: the earlier one is no contradiction.
    assert found.facts.conflicts.direct.count == 1
    with pytest.raises(ConfigError, match="no labelled pair is left of 0 rows"):
        read(config([{"type": "verdicts"}], sources=[shop]))
    none = read(config(labels, sources=[shop]))
    assert none.facts.entries[1].rows == 0


# --- what is refused ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([("1", "2", 1), ("3", "4", 1)], "one class only: all 2 pairs are the same"),
        ([("1", "2", 0), ("3", "4", 0)], "one class only: all 2 pairs are different"),
        ([("1", "2", 1), ("3", "4", 0)], "1 labelled duplicates are fewer than min_positives = 2"),
        ([("1", "2", 7)], "p.csv row 1 says '7'"),
        (
            [("x", "2", 1), ("1", "y", 1)],
            "every row of .*p.csv names an unknown record, such as 'x', 'y'",
        ),
        ([("1", "1", 1), ("2", "2", 0)], "no labelled pair is left of 2 rows .*self pairs: 2"),
        ([("1", "2", "unsure"), ("1", "3", "related")], "no labelled pair is left"),
    ],
)
def test_labels_that_cannot_be_learnt_from(
    tmp_path: Path, shop: dict[str, Any], rows: list[Any], message: str
) -> None:
    path = write(tmp_path / "p.csv", pair_rows(*rows))
    with pytest.raises(ConfigError, match=message):
        read(config([{"type": "pairs", "path": path}], sources=[shop]))


def test_all_texts_are_one(tmp_path: Path) -> None:
    rows = [{"a": "same", "b": "same ", "label": i % 2} for i in range(4)]
    entry = {
        "type": "inline",
        "path": write(tmp_path / "p.csv", rows),
        "left_text": ["a"],
        "right_text": ["b"],
    }
    with pytest.raises(ConfigError, match="one and the same content"):
        read(config([entry]))
    empty = [{"a": "", "b": "x", "label": 1}]
    with pytest.raises(ConfigError, match="no row with two usable sides"):
        read(config([{**entry, "path": write(tmp_path / "q.csv", empty)}]))
    with pytest.raises(ConfigError, match="2 names for 1 text columns"):
        read(config([{**entry, "names": ["x", "y"]}]))


def test_one_class_is_enough_where_negatives_come_later(
    tmp_path: Path, shop: dict[str, Any]
) -> None:
    path = write(tmp_path / "p.csv", pair_rows(("1", "2", 1), ("3", "4", 1)))
    settings = config(
        [{"type": "pairs", "path": path}], sources=[shop], negatives={"closed_world": True}
    )
    assert read(settings).facts.negatives == 0
