"""A fine-tune from labels to the champion of the nightly run, with an encoder of trigrams."""

import csv
import hashlib
import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.compute as pc
import pytest
from pydantic import ValidationError

from pipeline import run
from pipeline.catalog import Catalog
from pipeline.catalog.registry.listing import model_rows
from pipeline.config.finetune import TrainConfig
from pipeline.config.outputs import ExportSettings
from pipeline.config.run import RunConfig
from pipeline.encoders.image.copy_detection import shipped_folder
from pipeline.encoders.image.copy_weights import read_copy_folder
from pipeline.errors import CatalogError, ConfigError, PipelineError
from pipeline.evaluation.calibration.calibration import Calibration
from pipeline.evaluation.calibration.thresholds import UnreachableTarget
from pipeline.evaluation.pair_metrics import MeasuredAt
from pipeline.nightly.checks import prepare
from pipeline.nightly.deliver import write_export
from pipeline.nightly.labelling import add_labels, suggest_labels
from pipeline.outputs.model_results import FinetuneSummary, TrainingRecord
from pipeline.storage import from_json, to_json
from pipeline.storage.place import Place
from pipeline.training.data import training_data
from pipeline.training.finetuning import finetune, plan_finetune
from pipeline.training.model_evaluation import evaluate
from pipeline.training.recalibration import recalibrate
from tests.worlds.models import write_vit
from tests.worlds.runs import pictures_in, rows_in, run_config

pytestmark = pytest.mark.slow

Write = Callable[..., Path]


def source(data: Path) -> dict[str, Any]:
    columns = {"id": "id", "text": "title", "attributes": ["brand"]}
    return rows_in(data / "offers.jsonl", columns=columns)


def training(data: Path, catalog: Path | Place, **changes: Any) -> TrainConfig:
    return TrainConfig.model_validate(
        {
            "name": "offers",
            "catalog": str(catalog),
            "labels": [{"type": "pairs", "path": str(data / "pairs.csv")}],
            "sources": [source(data)],
            "encoder": {"train": False, "start": {"type": "toy"}},
            "judge": {"kind": "linear"},
            "slices": ["brand"],
            "min_slice": 3,
            "threads": 1,
            "images": {"workers": 0},
            **changes,
        }
    )


def nightly(data: Path, catalog: Path | Place, **changes: Any) -> RunConfig:
    return run_config(catalog, source(data), threads=1, **changes)


def clusters(catalog: Path, out: Path) -> bytes:
    kept = Catalog(catalog)
    export = ExportSettings.model_validate({"what": "clusters", "format": "csv", "path": str(out)})
    write_export(kept, kept.run(), export)
    return out.read_bytes()


def files(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory, write_offers: Write) -> Path:
    return write_offers(tmp_path_factory.mktemp("offers"))


@pytest.fixture(scope="module")
def first(data: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, FinetuneSummary]:
    """A catalog whose first model has just been promoted; tests that change it take a copy."""
    catalog = tmp_path_factory.mktemp("first") / "catalog"
    return catalog, finetune(training(data, catalog))


@pytest.fixture
def promoted(first: Any, tmp_path: Path) -> Path:
    return Path(shutil.copytree(first[0], tmp_path / "catalog"))


# --- fine-tune ---------------------------------------------------------------------------------


def test_a_dry_run_reads_the_labels_and_writes_nothing(data: Path, tmp_path: Path) -> None:
    before = files(data)
    plan = plan_finetune(training(data, tmp_path / "catalog"))
    assert sum(part.positives for part in plan.splits.values()) == 50
    assert plan.leaks.clean
    assert not list(tmp_path.iterdir())
    assert files(data) == before


def test_the_first_model_beats_the_cosine_and_is_promoted(first: Any) -> None:
    catalog, summary = first
    assert summary.promoted, summary.gate
    assert summary.model == "offers/v0001"
    assert summary.held_out == "test"
    assert summary.comparison.against == "zero-shot"
    assert not summary.thresholds.accept.met, "ten duplicates show no precision of 0.95"
    assert "0.95" in summary.thresholds.unreachable[0]
    gain = summary.comparison.metrics["average_precision"]
    assert gain.second >= 0.9 > gain.first + 0.1
    champion = Catalog(catalog).models.champion()
    assert champion is not None
    assert champion.reference == "offers/v0001"
    assert not (catalog / "training").exists() or not list((catalog / "training").iterdir())


def test_the_version_holds_what_its_readers_need(first: Any) -> None:
    folder = Path(first[1].folder)
    wanted = {"calibration.json", "metrics.json", "training.json", "card.md", "governance.json"}
    assert wanted | {"governance.md", "governance.html"} <= set(files(folder))
    training_facts = json.loads((folder / "training.json").read_text())
    kept = from_json(TrainingRecord, (folder / "training.json").read_text())
    assert kept.leaks.clean
    assert from_json(TrainingRecord, to_json(kept)) == kept
    assert {split: part["positives"] for split, part in training_facts["splits"].items()} == {
        "train": 30, "valid": 10, "test": 10,
    }  # fmt: skip
    report = (folder / "governance.md").read_text()
    assert report.startswith("# Governance report: offers/v0001\n")
    page = (folder / "governance.html").read_text()
    assert "<title>Gemel Governance report: offers/v0001</title>" in page
    assert (folder / "card.md").read_text().startswith("# Model card: offers/v0001\n")
    card = (folder / "card.md").read_text().casefold()
    assert "access control" in card
    assert "identif" in card
    slices = json.loads((folder / "metrics.json").read_text())["errors"]["slices"]["brand"]
    tested = training_facts["splits"]["test"]["pairs"]
    assert sum(row["pairs"] for row in slices["values"].values()) == tested
    assert slices["values"]
    assert all(brand in report for brand in slices["values"])


def test_the_same_settings_give_the_same_model(first: Any, data: Path, tmp_path: Path) -> None:
    again = finetune(training(data, tmp_path / "other"))
    assert again.metrics == first[1].metrics
    assert again.thresholds == first[1].thresholds
    judge = Path("judge")
    assert files(Path(again.folder) / judge) == files(Path(first[1].folder) / judge)


def test_a_second_model_is_compared_with_the_champion(promoted: Path, data: Path) -> None:
    tied = finetune(training(data, promoted))
    assert tied.model == "offers/v0002"
    assert tied.comparison.against == "offers/v0001"
    assert tied.comparison.metrics["average_precision"].difference == 0
    assert not tied.promoted, "a tie replaces nothing"
    assert any(check.name == "loss of F1 by brand" for check in tied.gate)
    allowed = finetune(training(data, promoted, gate={"min_gain": -0.1}))
    assert allowed.promoted
    registry = Catalog(promoted).models
    assert registry.champion().reference == "offers/v0003"
    assert registry.rollback().reference == "offers/v0001"


@pytest.mark.parametrize("gate", [{"min_gain": 1.5}, {"promote": False}])
def test_a_closed_gate_registers_and_does_not_promote(
    data: Path, tmp_path: Path, gate: dict[str, Any]
) -> None:
    summary = finetune(training(data, tmp_path / "catalog", gate=gate))
    registry = Catalog(tmp_path / "catalog").models
    assert [model.reference for model in registry.list()] == ["offers/v0001"]
    assert registry.champion() is None
    assert not summary.promoted
    assert all(check.passed for check in summary.gate) == ("promote" in gate)


def test_inline_labels_need_no_sources(data: Path, tmp_path: Path) -> None:
    inline = {"type": "inline", "path": str(data / "inline.csv"), "left_text": ["left"],
              "right_text": ["right"], "names": ["title"]}  # fmt: skip
    summary = finetune(training(data, tmp_path / "catalog", labels=[inline], sources=[], slices=[]))
    assert summary.promoted, summary.gate


def test_clusters_alone_are_enough(data: Path, tmp_path: Path) -> None:
    labels = [{"type": "clusters", "path": str(data / "clusters.csv")}]
    summary = finetune(training(data, tmp_path / "catalog", labels=labels))
    report = json.loads((Path(summary.folder) / "training.json").read_text())
    mined = report["labels"]["mined"]
    assert all(mined[split]["mined"] > 0 for split in ("train", "valid", "test"))
    slices = summary.errors.slices["brand"].values
    assert "(unknown)" not in slices, "mined pairs have their records' attributes"


def test_boosted_trees_and_every_other_kind_register(data: Path, tmp_path: Path) -> None:
    summary = finetune(training(data, tmp_path / "catalog", judge={"kind": "auto"}))
    tried = summary.judge.tried
    assert set(tried) == {"similarity", "linear", "boosted", "blend"}
    assert tried["boosted"].validation > tried["similarity"].validation + 0.1
    assert summary.promoted, summary.gate


@pytest.mark.parametrize("purpose", ["face identification", "Access Control at the gate"])
def test_refused_purposes_are_refused_by_name(data: Path, tmp_path: Path, purpose: str) -> None:
    with pytest.raises(ValidationError, match="out of scope"):
        training(data, tmp_path / "catalog", purpose=purpose)


def test_a_target_out_of_reach_registers_nothing(data: Path, tmp_path: Path) -> None:
    judge = {"kind": "linear", "target_precision": 0.999, "on_unreachable": "error"}
    with pytest.raises(UnreachableTarget, match=r"0\.\d"):
        finetune(training(data, tmp_path / "catalog", judge=judge))
    assert model_rows(Catalog(tmp_path / "catalog").models) == []


def test_trigrams_cannot_be_trained(data: Path, tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match="toy counts trigrams and has no weights to train"):
        training(data, tmp_path / "catalog", encoder={"train": True, "start": {"type": "toy"}})


def test_two_fine_tunes_do_not_share_a_catalog(data: Path, promoted: Path) -> None:
    with Catalog(promoted).trainer(), pytest.raises(CatalogError, match="under way"):
        finetune(training(data, promoted))


def test_validation_pairs_of_one_class_are_refused(data: Path, tmp_path: Path) -> None:
    rows = (data / "pairs.csv").read_text().splitlines()
    split = ["split", *("valid" if n % 3 == 1 and n < 30 else "train" for n in range(1, len(rows)))]
    lines = [f"{row},{name}" for row, name in zip(rows, split, strict=True)]
    (tmp_path / "pairs.csv").write_text("\n".join(lines) + "\n")
    labels = [{"type": "pairs", "path": str(tmp_path / "pairs.csv"), "split": "split"}]
    config = training(data, tmp_path / "catalog", labels=labels, negatives={"mined": 0})
    with pytest.raises(PipelineError, match="validation pairs are all duplicates"):
        finetune(config)
    assert model_rows(Catalog(tmp_path / "catalog").models) == []


def test_the_balanced_rule_accepts_at_the_best_f1_and_says_so(
    first: Any, data: Path, tmp_path: Path
) -> None:
    judge = {"kind": "linear", "accept": "balanced"}
    summary = finetune(training(data, tmp_path / "catalog", judge=judge))
    accept = summary.thresholds.accept
    assert accept.value == summary.balanced.threshold == first[1].balanced.threshold
    assert not accept.met
    assert summary.metrics.f1 == first[1].balanced.metrics.f1
    folder = Path(summary.folder)
    chosen = json.loads((folder / "calibration.json").read_text())
    assert chosen["rule"] == "balanced"
    assert "does not show a precision of 0.95" in chosen["unreachable"][0]
    assert "the score of the greatest F1" in (folder / "card.md").read_text()
    assert summary.promoted, "without a champion its bound is said, not asked for"
    with pytest.raises(UnreachableTarget, match="balanced threshold"):
        finetune(training(data, tmp_path / "other", judge={**judge, "on_unreachable": "error"}))


def test_a_weaker_bound_than_the_champion_s_needs_a_word(promoted: Path, data: Path) -> None:
    own = Catalog(promoted).models.champion().read("calibration.json", Calibration).accept
    changes = {"judge": {"kind": "linear", "confidence": 0.995}, "gate": {"min_gain": -0.1}}
    weak = finetune(training(data, promoted, **changes))
    assert weak.thresholds.accept.precision_low < own.precision_low
    assert not weak.promoted
    (failed,) = [check for check in weak.gate if not check.passed]
    assert "that the champion offers/v0001 shows" in failed.message
    gate = {"min_gain": -0.1, "min_precision_low": 0.3}
    assert finetune(training(data, promoted, judge=changes["judge"], gate=gate)).promoted


# --- the nightly run ---------------------------------------------------------------------------


def test_the_nightly_run_judges_with_the_champion(
    promoted: Path, first: Any, data: Path, tmp_path: Path
) -> None:
    summary = run(nightly(data, promoted))
    kept = Catalog(promoted)
    pairs = kept.read("pairs", run=kept.run())
    assert summary.calibrated
    assert [model.model for model in summary.models.registered] == ["offers/v0001"]
    accept = first[1].thresholds.accept.value
    assert summary.thresholds.accept == accept
    assert all(name.startswith("offers/v0001 ") for name in pc.unique(pairs["model"]).to_pylist())
    assert pc.unique(pairs["threshold"]).to_pylist() == [pytest.approx(accept, abs=1e-6)]
    decided = pc.equal(pairs["decision"], "duplicate").to_pylist()
    truth = [
        left.removeprefix("s:")[1:] == right.removeprefix("s:")[1:]
        for left, right in zip(pairs["left_id"].to_pylist(), pairs["right_id"].to_pylist(),
                               strict=True)
    ]  # fmt: skip
    hits = sum(a and b for a, b in zip(decided, truth, strict=True))
    assert hits >= 25
    assert hits / sum(decided) > 0.9

    plain = run(nightly(data, promoted, model="none"))
    assert not plain.calibrated
    assert plain.models.registered == ()
    assert plain.counts.texts_embedded == 0, "the vectors of the same encoder are kept"

    named = run(nightly(data, promoted, model="offers"))
    assert [model.model for model in named.models.registered] == ["offers/v0001"]


def test_order_changes_nothing_under_a_champion(promoted: Path, data: Path, tmp_path: Path) -> None:
    run(nightly(data, promoted))
    before = clusters(promoted, tmp_path / "before.csv")
    lines = (data / "offers.jsonl").read_text().splitlines()
    random.Random(3).shuffle(lines)
    shuffled = tmp_path / "shuffled"
    shuffled.mkdir()
    (shuffled / "offers.jsonl").write_text("\n".join(lines) + "\n")
    summary = run(nightly(shuffled, promoted, shard_rows=7))
    assert summary.counts.duplicates >= 25
    assert clusters(promoted, tmp_path / "after.csv") == before


@pytest.mark.parametrize("file", ["judge/head.safetensors", "calibration.json", "model.json"])
def test_a_tampered_model_stops_a_run_before_any_work(
    promoted: Path, data: Path, file: str
) -> None:
    target = promoted / "models" / "offers" / "v0001" / file
    content = target.read_bytes()
    target.write_bytes(content.replace(b"offers", b"others") if b"offers" in content else b"")
    for config in (nightly(data, promoted), nightly(data, promoted, model="offers/v0001")):
        with pytest.raises(ConfigError, match="altered"):
            prepare(config)
        with pytest.raises(ConfigError, match="model: none"):
            run(config)
    assert Catalog(promoted).runs() == []
    assert run(nightly(data, promoted, model="none")).status == "published"
    (row,) = model_rows(Catalog(promoted).models)
    assert row.problem is not None
    assert "altered" in row.problem
    assert row.champion


def test_a_model_that_does_not_exist_is_named(promoted: Path, data: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="nonsense"):
        prepare(nightly(data, promoted, model="nonsense"))
    with pytest.raises(PipelineError, match=r"nonsense|no catalog"):
        prepare(nightly(data, tmp_path / "absent", model="nonsense"))
    assert not (tmp_path / "absent").exists()


def test_a_model_of_texts_leaves_a_run_of_pictures_alone(promoted: Path, tmp_path: Path) -> None:
    from PIL import Image

    folder = tmp_path / "pictures"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for number in range(3):
        small = rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)
        for side, size in (("a", 64), ("b", 80)):
            picture = Image.fromarray(small).resize((size, size), Image.Resampling.BICUBIC)
            picture.save(folder / f"{side}{number}.png")
    config = run_config(promoted, pictures_in(folder))
    with_model = run(config)
    without = run(config.model_copy(update={"model": "none"}))
    assert with_model.status == "published"
    assert with_model.counts.records == 6
    assert with_model.counts.duplicates == without.counts.duplicates


# --- later -------------------------------------------------------------------------------------


def test_two_versions_side_by_side(promoted: Path, data: Path) -> None:
    finetune(training(data, promoted, judge={"kind": "similarity"}))
    config = training(data, promoted)
    found = evaluate(config, model="champion", against="offers/v0002", split=None)
    assert found.pairs == 150
    assert list(found.models) == ["offers/v0001", "offers/v0002"]
    assert found.comparison is not None
    row = found.comparison["average_precision"]
    values = [found.models[name].metrics.average_precision.value for name in
              ("offers/v0001", "offers/v0002")]  # fmt: skip
    assert row.difference == pytest.approx(values[0] - values[1])
    assert row.difference > 0.1
    with pytest.raises(ConfigError, match=r"split 'test'"):
        evaluate(config, model="champion", split="test")


def test_evaluation_makes_no_catalog(data: Path, tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match="no catalog"):
        evaluate(training(data, tmp_path / "absent"), model="champion")
    assert not (tmp_path / "absent").exists()


def test_recalibrating_keeps_the_judge_and_moves_the_threshold(
    promoted: Path, first: Any, data: Path
) -> None:
    judge = {"kind": "linear", "target_precision": 0.4}
    made = recalibrate(training(data, promoted, judge=judge), model="champion")
    assert made.model == "offers/v0002"
    assert made.accept.target == 0.4
    assert made.accept.value != first[1].thresholds.accept.value
    home = promoted / "models" / "offers"
    assert files(home / "v0001" / "judge") == files(home / "v0002" / "judge")
    shown = f"{made.accept.value:.4f}"
    assert shown in (home / "v0002" / "card.md").read_text()
    assert shown not in (home / "v0001" / "card.md").read_text()
    report = json.loads((home / "v0002" / "governance.json").read_text())
    assert report["facts"]["calibration"]["accept"]["value"] == made.accept.value
    assert report["facts"]["model"]["parent"] == "offers/v0001"
    assert report["title"].endswith("offers/v0002")
    registry = Catalog(promoted).models
    assert registry.champion().reference == "offers/v0001"
    registry.promote("offers", "v0002", by="test", reason="a laxer threshold")
    assert run(nightly(data, promoted)).thresholds.accept == made.accept.value


def rows_of(data: Path, out: Path, wanted: set[str], promoted: Path) -> Path:
    """The labelled pairs, each once, that the first model had in some of its splits."""
    split = {pair[:2]: pair[2] for pair in split_pairs_of(training(data, promoted))}
    head, *lines = (data / "pairs.csv").read_text().splitlines()
    kept: dict[tuple[str, ...], str] = {}
    for line in lines:
        pair = tuple(sorted(f"s:{name}" for name in line.split(",")[:2]))
        if split[pair] in wanted:  # type: ignore[index]
            kept[pair] = line
    out.write_text("\n".join([head, *kept.values()]) + "\n")
    return out


def split_pairs_of(config: TrainConfig) -> list[tuple[str, str, str]]:
    pairs = training_data.read_training_data(config).pairs
    ids = pairs.records["record_id"].to_pylist()
    rows = zip(pairs.left.tolist(), pairs.right.tolist(), pairs.split.tolist(), strict=True)
    return [(ids[a], ids[b], split) for a, b, split in rows]


def test_training_pairs_never_calibrate(promoted: Path, data: Path, tmp_path: Path) -> None:
    """The labels name no split: the version itself knows what it was trained on."""
    sizes = {name: part["pairs"] for name, part in split_sizes_of(promoted).items()}
    judge = {"kind": "linear", "target_precision": 0.4}
    every = recalibrate(training(data, promoted, judge=judge), model="champion")
    assert every.pairs == every.accept.n == sizes["valid"]
    assert every.left_out.trained == sizes["train"]
    assert every.left_out.held_out == sizes["test"]
    # The same from the validation pairs alone, under other ids but with the same contents.
    path = rows_of(data, tmp_path / "valid.csv", {"valid", "train"}, promoted)
    labels = [{"type": "pairs", "path": str(path)}]
    other = {**source(data), "name": "renamed"}
    alone = recalibrate(
        training(data, promoted, judge=judge, labels=labels, sources=[other]), model="champion"
    )
    assert alone.accept == every.accept
    assert alone.left_out.held_out == 0

    path = rows_of(data, tmp_path / "train.csv", {"train"}, promoted)
    labels = [{"type": "pairs", "path": str(path)}]
    before = len(Catalog(promoted).models.list())
    with pytest.raises(ConfigError, match=f"trained on {sizes['train']}"):
        recalibrate(training(data, promoted, judge=judge, labels=labels), model="champion")
    assert len(Catalog(promoted).models.list()) == before


def split_sizes_of(catalog: Path) -> dict[str, dict[str, int]]:
    facts = json.loads((catalog / "models" / "offers" / "v0001" / "training.json").read_text())
    found: dict[str, dict[str, int]] = facts["splits"]
    return found


def test_figures_of_a_new_threshold_are_measured_at_it_or_marked(
    promoted: Path, data: Path, tmp_path: Path
) -> None:
    judge = {"kind": "linear", "target_precision": 0.4}
    old = json.loads((promoted / "models" / "offers" / "v0001" / "metrics.json").read_text())
    with_test = recalibrate(training(data, promoted, judge=judge), model="champion")
    assert with_test.measured_at is None
    folder = promoted / "models" / "offers" / "v0002"
    metrics = json.loads((folder / "metrics.json").read_text())
    assert metrics["accept"] == with_test.accept.value != old["accept"]
    assert metrics["pairs"] == old["pairs"]
    assert "its held-out figures are not" not in (folder / "card.md").read_text()
    checked = evaluate(
        training(data, promoted, labels=[
            {"type": "pairs", "path": str(rows_of(data, tmp_path / "t.csv", {"test"}, promoted))}
        ], min_positives=2),
        model="offers/v0002",
    )  # fmt: skip
    assert checked.models["offers/v0002"].metrics.f1.value == pytest.approx(
        metrics["metrics"]["f1"]["value"]
    )

    path = rows_of(data, tmp_path / "valid.csv", {"valid"}, promoted)
    labels = [{"type": "pairs", "path": str(path)}]
    without = recalibrate(
        training(data, promoted, judge=judge, labels=labels), model="offers/v0001"
    )
    assert without.measured_at == MeasuredAt("offers/v0001", old["accept"])
    folder = promoted / "models" / "offers" / "v0003"
    metrics = json.loads((folder / "metrics.json").read_text())
    assert metrics["measured_at"]["model"] == "offers/v0001"
    assert sum(metrics["histogram"]["counts"]) == without.pairs
    assert "threshold of offers/v0001" in (folder / "card.md").read_text()
    shown = {row.model: row.f1 for row in model_rows(Catalog(promoted).models)}
    assert shown["offers/v0003"] is None
    assert shown["offers/v0002"] is not None
    Catalog(promoted).models.promote("offers", "v0003", by="test", reason="to see it run")
    assert run(nightly(data, promoted)).calibrated


def test_labels_go_round_and_train_a_model(data: Path, tmp_path: Path) -> None:
    """Suggest, fill in, import, fine-tune on the verdicts alone."""
    catalog = Catalog(tmp_path / "catalog")
    run(nightly(data, catalog.root))
    sheet = tmp_path / "sheet.csv"
    asked = suggest_labels(catalog, catalog.run(), n=400, seed=0, out=sheet)
    assert asked["rows"] == sum(asked["why"].values())
    assert "no labels yet" in asked["enough"][0]
    with sheet.open(newline="", encoding="utf-8-sig") as stream:
        rows = list(csv.DictReader(stream))
    for row in rows:
        left, right = row["left_id"].partition(":")[2], row["right_id"].partition(":")[2]
        row["label"] = "same" if left[1:] == right[1:] else "different"
    rows[0]["label"] = ""
    with sheet.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    taken = add_labels(catalog, sheet, by="ann")
    assert taken["rows"] == len(rows) - 1
    assert taken["blank"] == 1
    stored = catalog.tables.labels()
    assert stored is not None
    assert set(stored["by"].to_pylist()) == {"ann"}
    assert len(stored) == len(rows) - 1
    more = suggest_labels(catalog, catalog.run(), n=400, seed=0, out=tmp_path / "more.csv")
    assert more["rows"] <= asked["rows"]
    assert "no labels yet" not in more["enough"][0]

    config = training(data, catalog.root, labels=[{"type": "verdicts"}], sources=[])
    summary = finetune(config)
    report = json.loads((Path(summary.folder) / "training.json").read_text())
    assert report["labels"]["origins"]["verdict"] > 0
    assert report["labels"]["origins"]["given"] == 0


# --- with an encoder of its own ----------------------------------------------------------------


@pytest.mark.parametrize("folds", [1, 2])
def test_an_encoder_from_scratch_is_registered_and_used(
    data: Path, tmp_path: Path, folds: int
) -> None:
    start = {"type": "character_cnn", "dimension": 16, "channels": 16, "layers": 1,
             "max_characters": 48}  # fmt: skip
    encoder = {"start": start, "epochs": 1, "objective": "info_nce", "batch_size": 16,
               "precision": "32", "folds": folds, "learning_rate": 3e-3}  # fmt: skip
    catalog = tmp_path / "catalog"
    summary = finetune(training(data, catalog, encoder=encoder, gate={"min_gain": -1}))
    assert summary.promoted, summary.gate
    fusion = summary.judge.fusion
    assert (fusion is None) == (folds > 1), "blind cosines join the head, seen ones the fusion"
    if fusion:
        assert fusion.head >= 0
        assert min(fusion.weights) >= 0
    done = run(nightly(data, catalog))
    assert done.models.text.fingerprint == summary_fingerprint(summary)
    assert done.counts.texts_embedded == 0, "the fine-tune has embedded these texts already"
    assert done.calibrated
    assert done.counts.duplicates > 0
    assert not list((catalog / "training").glob("*"))


@pytest.fixture(scope="module")
def picture_encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random vision transformer of two layers."""
    return write_vit(tmp_path_factory.mktemp("picture_encoder"))


@pytest.mark.parametrize(("kind", "trained"), [
    ("sentence_transformers_image", False), ("sentence_transformers_image", True),
    ("copy_detection", False), ("copy_detection", True),
])  # fmt: skip
def test_pictures_have_a_champion_of_their_own(
    promoted: Path, data: Path, tmp_path: Path, picture_encoder: Path, kind: str, trained: bool
) -> None:
    from PIL import Image

    folder = tmp_path / "pictures"
    folder.mkdir()
    rng = np.random.default_rng(0)
    lines = ["record_id,cluster_id"]
    for number in range(30):
        small = rng.integers(0, 256, (5, 5, 3), dtype=np.uint8)
        for side, size in (("a", 48), ("b", 64)):
            picture = Image.fromarray(small).resize((size, size), Image.Resampling.BICUBIC)
            picture.save(folder / f"{side}{number}.png")
            lines.append(f"{side}{number}.png,{number}")
    (tmp_path / "clusters.csv").write_text("\n".join(lines) + "\n")
    pictures = {"type": "image_folder", "name": "p", "path": str(folder)}
    start: dict[str, Any] = {"type": kind, "path": str(picture_encoder)}
    if kind == "copy_detection":
        start = {"type": kind, "image_size": 64}
    config = training(
        data, promoted, name="pictures", sources=[pictures], slices=[], gate={"min_gain": -1},
        labels=[{"type": "clusters", "path": str(tmp_path / "clusters.csv")}],
        encoder={"train": trained, "start": start, "epochs": 1, "batch_size": 16,
                 "objective": "info_nce", "precision": "32"},
    )  # fmt: skip
    summary = finetune(config)
    assert summary.promoted, summary.gate
    registry = Catalog(promoted).models
    assert registry.champion("deduplication, images").reference == "pictures/v0001"
    assert registry.champion().reference == "offers/v0001"
    done = run(nightly(data, promoted, sources=[source(data), pictures]))
    assert [model.model for model in done.models.registered] == [
        "offers/v0001",
        "pictures/v0001",
    ]
    assert done.models.image.fingerprint == summary_fingerprint(summary)
    if kind == "copy_detection" and trained:
        own = read_copy_folder(registry.champion("deduplication, images").folder / "encoder")
        before = read_copy_folder(shipped_folder())
        assert not np.array_equal(own.weight, before.weight)
        assert np.array_equal(own.layers[0].weight, before.layers[0].weight), "frozen"
        assert own.image_size == 64
        assert set(own.bounds) == set(before.bounds)
        assert own.bounds != before.bounds
    kept = Catalog(promoted)
    pairs = kept.read("pairs", run=kept.run(), columns=["left_id", "image_cosine", "threshold"])
    accept = summary.thresholds.accept.value
    of_pictures = pairs.filter(pc.starts_with(pairs["left_id"], "p:"))
    assert len(of_pictures) > 0
    assert pc.unique(of_pictures["threshold"]).to_pylist() == [pytest.approx(accept, abs=1e-6)]


def summary_fingerprint(summary: FinetuneSummary) -> str:
    facts = json.loads((Path(summary.folder) / "model.json").read_text())
    return str(facts["encoder_fingerprint"])
