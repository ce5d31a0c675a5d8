"""The front door: records and files become groups, survivors and answers about pairs."""

import json
from pathlib import Path

import pyarrow as pa
import pytest
import yaml

import gemel
from pipeline.catalog import Catalog
from pipeline.config import CsvSource, load_config
from pipeline.errors import PipelineError
from pipeline.finding import found_lines
from tests.worlds import command_line

OFFERS = [
    ("Sony belt drive turntable PSLX350H with dust cover", "Sony", "105.00"),
    ("Sony belt-drive turntable PSLX350H, with dust cover", "Sony", "99.00"),
    ("Bose Acoustimass 5 series III speaker system black", "Bose", "359.00"),
    ("Bose Acoustimass 5 Series III speaker system, black", "Bose", "340.00"),
    ("Linksys EtherFast 8 port switch for the office", "Linksys", "44.00"),
    ("Canon photo ink cartridge pack of three colours", "Canon", "31.00"),
    ("Netgear ProSafe 5 port gigabit desktop switch metal", "Netgear", "59.00"),
    ("Belkin pro series high integrity monitor cable", "Belkin", "20.00"),
    ("Sony belt drive turntable PSLX350H with dust cover", "Sony", "101.00"),
]


@pytest.fixture(scope="module")
def dicts() -> list[dict[str, str]]:
    return [{"title": title, "brand": brand, "price": price} for title, brand, price in OFFERS]


@pytest.fixture(scope="module")
def found(dicts: list[dict[str, str]]) -> gemel.Found:
    return gemel.find(dicts)


def test_copies_are_in_one_group_and_nothing_else(found: gemel.Found) -> None:
    groups = [
        {member.record_id for member in group.members if group.size > 1} for group in found.clusters
    ]
    assert {"records:0", "records:1", "records:8"} in groups
    assert {"records:2", "records:3"} in groups
    assert sum(map(len, groups)) == 5
    for group in found.clusters:
        assert [member.action for member in group.members].count("keep") == 1
        assert group.members[0].action == "keep"
        assert set(group.members[0].fields) == {"title", "brand"}


def test_survivors_and_removals_are_what_was_given(
    found: gemel.Found, dicts: list[dict[str, str]]
) -> None:
    kept, gone = found.survivors(include_review=True), found.removals(include_review=True)
    assert len(kept) == 6
    assert len(gone) == 3
    order = [dicts.index(row) for row in kept]
    assert order == sorted(order)
    assert sorted([*map(str, kept), *map(str, gone)]) == sorted(map(str, dicts))


def test_no_file_is_left_unless_asked(found: gemel.Found) -> None:
    assert found.catalog is None
    assert found.tables == ()
    assert found.report is None


def test_a_pair_is_explained(found: gemel.Found) -> None:
    joined = found.explain(0, 1)
    assert joined.joined
    assert joined.stage == "judge"
    assert joined.probability is not None
    assert any("label import" in said for said in joined.change)
    lost = found.explain(4, 5)
    assert not lost.joined
    assert lost.stage in ("search", "judge")
    assert lost.change
    assert "records:4 and records:5: not joined" in str(lost)
    with pytest.raises(PipelineError, match="one record"):
        found.explain(3, 3)
    with pytest.raises(PipelineError, match="no record"):
        found.explain("records:99", 0)


def test_a_notebook_shows_escaped_texts() -> None:
    texts = [
        f"<script>alert(1)</script> the old little house on the hill, number {n}" for n in "77"
    ]
    page = gemel.find(texts)._repr_html_()
    assert "<script>" not in page
    assert "&lt;script&gt;" in page
    assert "identical" in page


def test_an_arrow_table_comes_back_as_one(dicts: list[dict[str, str]]) -> None:
    table = pa.Table.from_pylist(dicts)
    found = gemel.find(table, text="title")
    kept = found.survivors(include_review=True)
    assert isinstance(kept, pa.Table)
    assert kept.schema == table.schema
    assert kept.num_rows < table.num_rows


@pytest.mark.parametrize("given", [7, {"a": 1}, [3, 4], []])
def test_what_holds_no_records_is_told(given: object) -> None:
    with pytest.raises(gemel.Error, match=r"give a list|neither a text|no record"):
        gemel.find(given)


def test_the_words_name_the_kept_record_and_what_differs(found: gemel.Found) -> None:
    lines = "\n".join(line.plain for line in found_lines(found, colour=False))
    assert "9 records, 2 groups of duplicates" in lines
    assert "keep" in lines
    assert "Nothing was deleted" in lines
    assert "brand: Sony" in lines  # what all share, once


# --- files ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shop")
    rows = [f"s{n};{title};{brand};{price}" for n, (title, brand, price) in enumerate(OFFERS)]
    (folder / "offers.csv").write_text("sku;title;brand;price\n" + "\n".join(rows) + "\n")
    done = command_line.gemel("find", "offers.csv", "--save", "night.yaml", "--json", cwd=folder)
    assert done.code == 0, done.err
    assert "id sku; text title, brand" in done.err
    (folder / "first.json").write_text(done.out)
    return folder


def test_the_table_has_groups_together_with_their_own_columns(shop: Path) -> None:
    told = json.loads((shop / "first.json").read_text())
    assert told["counts"]["duplicate_clusters"] == 2
    table = next(path for path in told["tables"] if path.endswith(".csv"))
    head, *rows = (shop / table).read_text(encoding="utf-8-sig").splitlines()
    columns = [name.strip('"') for name in head.split(",")]
    assert columns[:5] == ["group", "action", "reason", "differs", "probability"] or (
        columns[:4] == ["group", "action", "reason", "probability"]
    )
    assert {"title", "brand", "price", "place"} <= set(columns)
    assert len(rows) == 5
    groups = [row.split(",")[0] for row in rows]
    assert groups == sorted(groups)
    assert (shop / told["report"]).exists()


def test_a_second_call_computes_nothing(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.nightly.run", None)  # would be called
    again = command_line.gemel("find", "offers.csv", "--json", cwd=shop)
    assert again.code == 0, again.err
    told, first = again.json, json.loads((shop / "first.json").read_text())
    assert told["fresh"] is False
    assert {**told, "fresh": True} == first


def test_the_saved_configuration_is_that_of_the_look(shop: Path) -> None:
    config = load_config(shop / "night.yaml")
    (source,) = config.sources
    assert isinstance(source, CsvSource)
    assert source.path == str(shop / "offers.csv")
    assert source.columns.text == ("title", "brand")
    assert source.columns.id == "sku"
    assert config.gates.max_removed == 0.5
    assert command_line.gemel("run", "night.yaml", "--dry-run", cwd=shop).code == 0
    assert yaml.safe_load((shop / "night.yaml").read_text())["catalog"] == ".gemel/night"
    done = command_line.gemel(
        "init", "offers.csv", "--text", "title", "--save", "night.yaml", cwd=shop
    )
    assert done.code == 2
    assert "is there already" in done.err


def test_questions_about_what_is_published(shop: Path) -> None:
    catalog = next((shop / ".gemel").iterdir())
    ask = lambda *words: command_line.gemel(*words, "--catalog", catalog, "--json", cwd=shop)  # noqa: E731
    near = ask("query", "sony turntable with belt drive", "--n", "2").json
    assert {twin["record_id"] for twin in near} <= {f"offers:s{n}" for n in (0, 1, 8)}
    assert near[0]["probability"] >= near[1]["probability"]
    assert near[0]["evidence"]
    other = ask("query", f"{OFFERS[2][0]} replacement charger", "--n", "1").json[0]
    same = ask("query", OFFERS[2][0], "--n", "1").json[0]
    assert same["record_id"] in {"offers:s2", "offers:s3"}
    assert same["probability"] > other["probability"], "what differs decides of typed texts too"
    assert other["decision"] != "duplicate"
    assert "charger" in other["differs"]
    judged = ask("query", "--record", "s2", "--n", "1").json
    assert judged[0]["record_id"] == "offers:s3"
    assert judged[0]["probability"] > 0.5
    assert judged[0]["evidence"]
    lonely = ask("query", "--lonely", "--n", "3").json
    assert not {row["record_id"] for row in lonely} & {f"offers:s{n}" for n in (0, 1, 2, 3, 8)}
    assert [row["cosine"] for row in lonely] == sorted(row["cosine"] for row in lonely)
    assert ask("explain", "s0", "s1").json["joined"] is True
    wrong = ask("explain", "s0", "t1")
    assert wrong.code == 2
    assert "there is no record t1" in wrong.err
    assert ask("query").code == 2


def test_lonely_is_exact(shop: Path) -> None:
    import numpy as np

    from pipeline.finding.nearest import nearest_others

    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(50, 8)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    best, at = nearest_others(vectors, block=7)
    for row in range(50):
        others = [
            (float(vectors[row] @ vectors[other]), other) for other in range(50) if other != row
        ]
        assert best[row] == pytest.approx(max(others)[0], abs=1e-6)
        assert at[row] == max(others)[1]


def test_commands_find_the_catalog_of_the_configuration_here(tmp_path: Path, shop: Path) -> None:
    catalog = next((shop / ".gemel").iterdir())
    (tmp_path / "gemel.yaml").write_text(yaml.safe_dump({"catalog": str(catalog), "sources": []}))
    done = command_line.gemel("runs", "list", "--json", cwd=tmp_path)
    assert done.code == 0, done.err
    assert f"using the catalog {catalog}" in done.err
    assert done.json[0]["run"] == Catalog(catalog).run().run
