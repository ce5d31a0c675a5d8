"""Models whose texts say nothing: attributes, or pictures, decide; in evaluation as in a run."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
import pytest

from pipeline import run
from pipeline.assessment import evaluate
from pipeline.catalog import Catalog
from pipeline.config import RunConfig
from pipeline.errors import ConfigError
from pipeline.nightly import check
from pipeline.registration import finetune
from pipeline.train_config import TrainConfig

ENTITIES = 60
SENTENCES = (
    "a used kettle in good order",
    "a used kettle, good order",
    "used kettle in very good order",
    "one used kettle of good order",
)


def records(seed: int = 0) -> list[dict[str, Any]]:
    """Two offers of each entity; only maker and price tell which belong together."""
    rng = random.Random(seed)
    rows = []
    for number in range(ENTITIES):
        maker, price = f"maker {number % 7}", 20 + 3 * number
        for side in "ab":
            mark = "".join(rng.choices("abcdefgh", k=6))  # so that no two texts are equal
            rows.append({"id": f"{side}{number}", "text": f"{rng.choice(SENTENCES)} {mark}",
                         "maker": maker, "price": str(price + (side == "b"))})  # fmt: skip
    return rows


def pairs() -> list[str]:
    """Each entity's duplicate, and two pairs with other entities."""
    out = ["left_id,right_id,label"]
    for number in range(ENTITIES):
        out.append(f"a{number},b{number},1")
        out += [f"a{number},b{(number + step) % ENTITIES},0" for step in (1, 7)]
    return out


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("offers")
    lines = [json.dumps(row) for row in records()]
    (folder / "offers.jsonl").write_text("\n".join(lines) + "\n")
    (folder / "pairs.csv").write_text("\n".join(pairs()) + "\n")
    return folder


def source(data: Path, **columns: Any) -> dict[str, Any]:
    return {
        "type": "jsonl", "name": "s", "path": str(data / "offers.jsonl"),
        "columns": {"id": "id", "text": "text", "attributes": ["maker", "price"], **columns},
    }  # fmt: skip


def training(data: Path, catalog: Path, **changes: Any) -> TrainConfig:
    return TrainConfig.model_validate(
        {
            "name": "offers",
            "catalog": str(catalog),
            "labels": [{"type": "pairs", "path": str(data / "pairs.csv")}],
            "sources": [source(data)],
            "encoder": {"train": False, "start": {"type": "toy"}},
            "judge": {"kind": "boosted"},
            "threads": 1,
            "images": {"workers": 0},
            **changes,
        }
    )


def nightly(data: Path, catalog: Path, **changes: Any) -> RunConfig:
    return RunConfig.model_validate(
        {
            "catalog": str(catalog),
            "sources": [source(data)],
            "text_encoder": {"type": "toy"},
            "image_encoder": {"type": "toy_image"},
            "candidates": {"text_floor": -1.0},
            "images": {"workers": 0},
            "threads": 1,
            **changes,
        }
    )


def right(catalog: Path) -> tuple[int, int]:
    """(accepted pairs that are of one entity, accepted pairs) of the last run."""
    kept = Catalog(catalog)
    table = kept.read("pairs", run=kept.run(), columns=["left_id", "right_id", "decision"])
    rows = table.filter(pc.equal(table["decision"], "duplicate")).to_pylist()
    same = [row["left_id"].partition(":")[2][1:] == row["right_id"].partition(":")[2][1:]
            for row in rows]  # fmt: skip
    return sum(same), len(same)


# --- attributes --------------------------------------------------------------------------------

ATTRIBUTES = {"kind": "boosted", "attributes": ["maker", "price"]}


def precision(summary: dict[str, Any]) -> float:
    return float(summary["metrics"]["average_precision"]["value"])


def test_attributes_decide_where_texts_say_nothing(data: Path, tmp_path: Path) -> None:
    catalog = tmp_path / "catalog"
    blind = finetune(training(data, catalog))
    seeing = finetune(training(data, catalog, judge=ATTRIBUTES))
    assert precision(blind) < 0.7
    assert precision(seeing) > 0.95
    assert seeing["promoted"], seeing["gate"]
    card = (Path(seeing["folder"]) / "governance.md").read_text()
    assert "attributes maker, price among them" in card
    run(nightly(data, catalog))
    hits, accepted = right(catalog)
    assert hits >= 0.8 * ENTITIES
    assert hits / accepted > 0.9


def test_an_attribute_that_no_record_has_stops_a_fine_tune(data: Path, tmp_path: Path) -> None:
    config = training(data, tmp_path / "catalog", judge={"attributes": ["prise"]})
    with pytest.raises(ConfigError, match=r"'prise'.*maker, price"):
        finetune(config, dry_run=True)
    assert not (tmp_path / "catalog").exists()


def test_a_run_that_does_not_keep_the_attributes_is_refused(data: Path, tmp_path: Path) -> None:
    catalog = tmp_path / "catalog"
    assert finetune(training(data, catalog, judge=ATTRIBUTES))["promoted"]
    without = nightly(data, catalog, sources=[source(data, attributes=["maker"])])
    with pytest.raises(ConfigError, match=r"compares 'price', which no source keeps \(kept: maker"):
        check(without)
    check(without.model_copy(update={"model": "none"}))
    check(nightly(data, catalog, sources=[source(data, attributes="*")]))


def test_evaluation_and_run_agree_on_every_probability(data: Path, tmp_path: Path) -> None:
    """The threshold means the same in both: metrics at it are the run's."""
    catalog = tmp_path / "catalog"
    finetune(training(data, catalog, judge=ATTRIBUTES))
    run(nightly(data, catalog))
    kept = Catalog(catalog)
    table = kept.read("pairs", run=kept.run(), columns=["left_id", "right_id", "decision"])
    decided = {(row["left_id"], row["right_id"]): row["decision"] for row in table.to_pylist()}
    found = evaluate(training(data, catalog), model="champion")
    (measured,) = found["models"].values()
    labelled = [line.split(",") for line in pairs()[1:]]
    yes = [(f"s:{a}", f"s:{b}") for a, b, label in labelled if label == "1"]
    hits = sum(decided.get(pair) == "duplicate" for pair in yes)
    assert measured["metrics"]["recall"]["value"] == pytest.approx(hits / len(yes))
