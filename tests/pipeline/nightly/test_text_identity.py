"""Runs over texts that a projection would make one: what is written decides what is identical."""

from pathlib import Path
from typing import Any

from pipeline import run
from pipeline.catalog import Catalog
from tests.worlds.runs import OPEN_GATES, rows_in, run_config, write_jsonl


def pairs_of(folder: Path, rows: list[dict[str, Any]], columns: dict[str, Any]) -> dict[str, Any]:
    """The pairs of a run over the rows, by both keys."""
    source = rows_in(write_jsonl(folder / "in.jsonl", rows), columns={"id": "id", **columns})
    made = run_config(folder / "catalog", source, gates=OPEN_GATES)
    run(made)
    catalog = Catalog(made.catalog)
    table = catalog.read("pairs", run=catalog.run()).to_pylist()
    return {f"{row['left_id'][2:]} {row['right_id'][2:]}": row for row in table}


def test_what_only_the_search_takes_for_one_is_told_apart(tmp_path: Path) -> None:
    texts = {
        "1a": "bacteria count in the sample was 10⁶ per millilitre",
        "1b": "bacteria count in the sample was 106 per millilitre",
        "2a": "add 1½ cups of flour and stir until it is all smooth",
        "2b": "add 11⁄2 cups of flour and stir until it is all smooth",
        "3a": "order １２３ of the ﬁne ﬂags in blue for our garden today",
        "3b": "order 123 of the fine flags in blue for our garden today",
        "4a": "a yellow\u00a0 forklift with one very long fork for cafe\u0301s",
        "4b": "a yellow forklift with one very long fork for café\u200bs",
    }
    rows = [{"id": key, "text": text} for key, text in texts.items()]
    pairs = pairs_of(tmp_path, rows, {"text": "text"})
    planted = [f"{number}a {number}b" for number in range(1, 5)]
    assert set(planted) <= set(pairs)
    assert {key: row["exact_text"] for key, row in pairs.items() if row["exact_text"]} == {
        "4a 4b": True
    }
    assert all(pairs[key]["text_cosine"] == 1 for key in planted)
    assert [pairs[key]["difference"] for key in ("1a 1b", "2a 2b")] == ["decisive"] * 2
    assert {pairs[key]["decision"] for key in ("1a 1b", "2a 2b")} == {"review"}
    assert pairs["3a 3b"]["difference"] in (None, "harmless")
    assert pairs["3a 3b"]["decision"] == "duplicate"


def test_a_value_in_another_column_is_another_record(tmp_path: Path) -> None:
    item = "yellow forklift with one long fork and two tyres"
    rows = [
        {"id": "1a", "buyer": "Alder GmbH", "seller": None, "item": item},
        {"id": "1b", "buyer": None, "seller": "Alder GmbH", "item": item},
        {"id": "1c", "buyer": "Alder  GmbH", "seller": "", "item": item},
    ]
    columns = {"text": ["buyer", "seller", "item"], "text_names": False}
    pairs = pairs_of(tmp_path, rows, columns)
    assert pairs["1a 1c"]["exact_text"]
    assert not pairs["1a 1b"]["exact_text"]
    assert pairs["1a 1b"]["difference"] == "decisive"
    assert pairs["1a 1b"]["decision"] == "review"
