"""Commands about models and labels: what they print, exit with, and leave behind."""

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from tests.worlds.command_line import gemel

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:Cyclopts application invoked without tokens"),
]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, write_offers: Callable[..., Path]) -> Path:
    """Labels, configurations, and a catalog with one promoted model and one published run."""
    folder = write_offers(tmp_path_factory.mktemp("models"))
    source = {"type": "jsonl", "name": "s", "path": "offers.jsonl",
              "columns": {"id": "id", "text": "title", "attributes": ["brand"]}}  # fmt: skip
    tuning = {
        "name": "offers", "catalog": "catalog", "threads": 1, "min_slice": 3, "slices": ["brand"],
        "labels": [{"type": "pairs", "path": "pairs.csv"}], "sources": [source],
        "encoder": {"train": False, "start": {"type": "toy"}}, "judge": {"kind": "linear"},
    }  # fmt: skip
    night = {"catalog": "catalog", "sources": [source], "text_encoder": {"type": "toy"},
             "image_encoder": {"type": "toy_image"}}  # fmt: skip
    (folder / "finetune.yaml").write_text(yaml.safe_dump(tuning))
    (folder / "refused.yaml").write_text(yaml.safe_dump({**tuning, "purpose": "access control"}))
    trained = {**tuning, "encoder": {"train": True, "start": {"type": "toy"}}}
    (folder / "trained.yaml").write_text(yaml.safe_dump(trained))
    (folder / "run.yaml").write_text(yaml.safe_dump(night))
    dry = gemel("finetune", folder / "finetune.yaml", "--dry-run")
    assert dry.code == 0, dry.err
    assert "nothing was trained or written" in dry.out
    assert "30 duplicates" in dry.out
    assert "leaks       none" in dry.out
    assert not (folder / "catalog").exists()
    done = gemel("finetune", folder / "finetune.yaml", "--no-prefect")
    assert done.code == 0, done.err
    assert done.out.startswith("PROMOTED   offers/v0001")
    assert "against     zero-shot" in done.out
    assert "target      0.950 NOT SHOWN: precision at least 0." in done.out
    assert gemel("run", folder / "run.yaml", "--no-prefect").code == 0
    return folder


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    """A copy to change."""
    return Path(shutil.copytree(made, tmp_path / "copy"))


def test_the_run_says_that_it_is_calibrated(made: Path) -> None:
    shown = gemel("runs", "show", "--catalog", made / "catalog", "--json").json
    assert shown["calibrated"]
    assert [model["model"] for model in shown["models"]["registered"]] == ["offers/v0001"]


def test_a_dry_run_in_json(made: Path) -> None:
    said = gemel("finetune", made / "finetune.yaml", "--dry-run", "--json")
    assert said.json["splits"]["test"]["positives"] == 10


def test_a_model_that_does_not_pass_exits_with_1(folder: Path) -> None:
    said = gemel("finetune", folder / "finetune.yaml", "--no-prefect", "--json")
    assert said.code == 1
    assert said.json["model"] == "offers/v0002"
    assert not said.json["promoted"]
    again = gemel("finetune", folder / "finetune.yaml", "--no-prefect")
    assert again.code == 1
    assert again.out.startswith("NOT PROMOTED   offers/v0003")
    assert "FAIL gain in average precision" in again.out
    listed = gemel("models", "list", "--catalog", folder / "catalog", "--json").json
    assert [(row["model"], row["champion"]) for row in listed] == [
        ("offers/v0001", True), ("offers/v0002", False), ("offers/v0003", False),
    ]  # fmt: skip


def test_evaluate_by_pairs_and_by_config(made: Path) -> None:
    catalog = made / "catalog"
    by_pairs = gemel("evaluate", "--model", "champion", "--pairs", made / "pairs.csv",
                     "--catalog", catalog, "--json")  # fmt: skip
    assert by_pairs.code == 0, by_pairs.err
    by_config = gemel("evaluate", "--model", "offers", "--config", made / "finetune.yaml", "--json")
    assert by_config.code == 0, by_config.err
    (first,), (second,) = by_pairs.json["models"].values(), by_config.json["models"].values()
    assert first["metrics"] == second["metrics"]
    shown = gemel("evaluate", "--model", "champion", "--config", made / "finetune.yaml")
    assert "150 labelled pairs" in shown.out
    assert "offers/v0001, accept at" in shown.out
    assert "average precision" in shown.out


def test_calibrate_then_compare_promote_and_roll_back(folder: Path) -> None:
    catalog, config = folder / "catalog", folder / "finetune.yaml"
    said = gemel("calibrate", "--model", "champion", "--config", config,
                 "--target-precision", "0.4")  # fmt: skip
    assert said.code == 0, said.err
    assert "offers/v0002 made from offers/v0001" in said.out
    assert "gemel models promote offers/v0002" in said.out
    assert "left out: 75 pairs it was trained on, 0 new ones that touch" in said.out
    assert "measured on the 25 test pairs at the new threshold" in said.out
    both = gemel("evaluate", "--model", "offers/v0001", "--against", "offers/v0002",
                 "--config", config)  # fmt: skip
    assert both.code == 0, both.err
    assert "offers/v0001 less offers/v0002" in both.out
    promoted = gemel("models", "promote", "offers/v0002", "--catalog", catalog)
    first, second = promoted.out.strip().splitlines()
    assert first == "offers/v0002 is champion for deduplication"
    assert second.startswith("target      0.400 shown: precision at least 0.")
    back = gemel("models", "rollback", "--catalog", catalog, "--json")
    assert back.json == {"champion": "offers/v0001"}
    assert "stated defaults" in gemel("models", "rollback", "--catalog", catalog).out
    empty = gemel("models", "rollback", "--catalog", catalog)
    assert empty.code == 2
    assert "no champion" in empty.err


def test_an_unreachable_target_says_what_is(folder: Path) -> None:
    said = gemel("calibrate", "--model", "champion", "--config", folder / "finetune.yaml",
                 "--target-precision", "0.9999")  # fmt: skip
    assert said.code == 2
    assert "reachable is 0." in said.err
    assert len(gemel("models", "list", "--catalog", folder / "catalog", "--json").json) == 1


def test_models_are_listed_and_shown(made: Path) -> None:
    listed = gemel("models", "list", "--catalog", made / "catalog")
    assert "offers/v0001" in listed.out
    assert "yes" in listed.out
    shown = gemel("models", "show", "champion", "--catalog", made / "catalog")
    assert shown.code == 0
    assert "access control" in shown.out.casefold()
    (line,) = [line for line in shown.out.splitlines() if line.startswith("target ")]
    assert line.startswith("target      0.950 NOT SHOWN: precision at least 0.")
    assert "target precision of 0.9500 was not shown" in shown.out
    facts = gemel("models", "show", "offers", "--catalog", made / "catalog", "--json").json
    assert facts["model"] == "offers/v0001"
    assert facts["encoder"]["type"] == "toy"


@pytest.mark.parametrize("file", ["metrics.json", "model.json", "judge/head.json"])
def test_a_damaged_model_is_listed_as_such(folder: Path, file: str) -> None:
    (folder / "catalog" / "models" / "offers" / "v0001" / file).write_text("{")
    listed = gemel("models", "list", "--catalog", folder / "catalog")
    assert listed.code == 0, listed.err
    assert "DAMAGED" in listed.out
    assert file in listed.out
    stopped = gemel("run", folder / "run.yaml", "--dry-run")
    assert stopped.code == 2
    assert "model: none" in stopped.err


def test_labels_go_out_and_come_back(folder: Path) -> None:
    catalog, sheet = folder / "catalog", folder / "sheet.csv"
    asked = gemel("label", "suggest", "--out", sheet, "--n", "12", "--catalog", catalog)
    assert asked.code == 0, asked.err
    assert "12 pairs written" in asked.out
    assert "no labels yet" in asked.out
    with sheet.open(newline="", encoding="utf-8-sig") as stream:
        rows = list(csv.DictReader(stream))
    for row in rows[:8]:
        row["label"] = "same" if row["left_id"][3:] == row["right_id"][3:] else "different"
    with sheet.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    taken = gemel("label", "import", sheet, "--by", "ann", "--catalog", catalog, "--json")
    assert taken.json["rows"] == 8
    assert taken.json["blank"] == 4
    known_by = gemel("label", "estimate", "--catalog", catalog)
    assert known_by.code == 0, known_by.err
    assert "accepted pairs" in known_by.out
    assert gemel("label", "estimate", "--catalog", catalog, "--json").json["answered"] > 0
    assert gemel("label", "estimate", "--target", "2", "--catalog", catalog).code == 2
    again = gemel("label", "suggest", "--out", folder / "b.jsonl", "--n", "12",
                  "--catalog", catalog, "--json")  # fmt: skip
    known = {(row["left_id"], row["right_id"]) for row in rows[:8]}
    new = [json.loads(line) for line in (folder / "b.jsonl").read_text().splitlines()]
    assert not known & {(row["left_id"], row["right_id"]) for row in new}
    assert again.json["rows"] == len(new)
    rows[0]["label"] = "perhaps"
    sheet.write_text("left_id,right_id,label\ns:a0,s:b0,perhaps\n")
    wrong = gemel("label", "import", sheet, "--catalog", catalog)
    assert wrong.code == 2
    assert "row 1: the label 'perhaps'" in wrong.err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("finetune", "absent.yaml"), "cannot read the configuration"),
        (("finetune", "refused.yaml"), "surveillance and admission are out of scope"),
        (("finetune", "trained.yaml"), "no weights to train"),
        (
            ("evaluate", "--model", "champion", "--catalog", "catalog"),
            "--pairs FILE or by --config",
        ),
        (("evaluate", "--model", "nonsense", "--config", "finetune.yaml"), "no model nonsense"),
        (
            ("evaluate", "--model", "champion", "--config", "finetune.yaml", "--split", "test"),
            "no pair in the split 'test'",
        ),
        (
            ("evaluate", "--model", "champion", "--config", "finetune.yaml", "--catalog", "other"),
            "no catalog",
        ),
        (("models", "promote", "offers/v0009", "--catalog", "catalog"), "offers/v0009"),
        (("models", "show", "offers/v0009", "--catalog", "catalog"), "offers/v0009"),
        (("label", "suggest", "--out", "a.docx", "--catalog", "catalog"), "docx"),
        (("label", "import", "absent.csv", "--catalog", "catalog"), "absent.csv"),
    ],
)
def test_bad_input_exits_with_2_and_says_why(
    made: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], message: str
) -> None:
    monkeypatch.chdir(made)
    said = gemel(*words)
    assert said.code == 2, said.out
    assert message in said.out + said.err
    assert "Traceback" not in said.err
    assert not (made / "other").exists()


def test_training_on_views_needs_no_catalog_and_says_what_it_would_learn_from(
    tmp_path: Path,
) -> None:
    lines = (json.dumps({"id": n, "text": f"text {n} of many"}) for n in range(20))
    (tmp_path / "in.jsonl").write_text("\n".join(lines))
    source = {"name": "t", "type": "jsonl", "path": "in.jsonl",
              "columns": {"id": "id", "text": "text"}}  # fmt: skip
    path = tmp_path / "views.yaml"
    data = {"name": "mine", "out": "mine", "sources": [source], "views": {"type": "texts"}}
    path.write_text(yaml.safe_dump(data))
    said = gemel("finetune", path, "--dry-run")
    assert said.code == 0
    assert "20 distinct of 20 read" in said.out
    refused = gemel("finetune", path, "--catalog", tmp_path)
    assert refused.code == 2
    assert "--catalog" in refused.err
