"""A judge of pictures that learns from labels is told what geometry found."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageOps

from pipeline import run
from pipeline.catalog import Catalog
from pipeline.catalog.registry.judge import open_registered
from pipeline.config.finetune import TrainConfig
from pipeline.config.run import RunConfig
from pipeline.errors import ConfigError, ModelError
from pipeline.matching import GEOMETRY_METHOD
from pipeline.matching.evidence import GEOMETRY, ImageEvidence
from pipeline.matching.rules.learned import JudgeModel
from pipeline.nightly.checks import prepare
from pipeline.outputs.model_results import FinetuneSummary
from pipeline.training.data.training_data import labelled_records_of
from pipeline.training.finetuning import finetune
from pipeline.training.model_evaluation import evaluate
from tests.worlds.pictures import drawn, save
from tests.worlds.runs import OPEN_GATES, pictures_in, run_config

pytestmark = pytest.mark.slow

ENCODER = {"type": "copy_detection", "image_size": 64}
NUMBER = 40


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures of many shapes, each with a copy that is turned over or cut."""
    folder = tmp_path_factory.mktemp("labelled")
    lines = ["record_id,cluster_id"]
    for number in range(NUMBER):
        whole = drawn(number).resize((360, 270), Image.Resampling.BICUBIC)
        copy = ImageOps.mirror(whole) if number % 2 else whole.crop((20, 15, 330, 250)).rotate(7)
        save(folder, **{f"a{number}": whole, f"b{number}": copy})
        lines += [f"p:{side}{number}.png,{number}" for side in "ab"]
    (folder / "clusters.csv").write_text("\n".join(lines) + "\n")
    return folder


def training(folder: Path, **judge: Any) -> TrainConfig:
    return TrainConfig.model_validate(
        {
            "name": "copies",
            "catalog": str(folder / "catalog"),
            "labels": [{"type": "clusters", "path": str(folder / "clusters.csv")}],
            "sources": [pictures_in(folder / "photos")],
            "encoder": {"train": False, "start": ENCODER},
            "judge": {"kind": "linear", **judge},
            "gate": {"min_gain": -1},
            "threads": 1,
            "images": {"workers": 0},
        }
    )


@pytest.fixture(scope="module")
def learned(folder: Path) -> FinetuneSummary:
    return finetune(training(folder))


def nightly(folder: Path, **changes: Any) -> RunConfig:
    given = {"image_encoder": ENCODER, "gates": OPEN_GATES, **changes}
    return run_config(folder / "catalog", pictures_in(folder / "photos"), **given)


def test_geometry_is_evidence_to_a_judge_of_pictures(
    folder: Path, learned: FinetuneSummary
) -> None:
    assert learned.judge.geometry is True
    model = JudgeModel.load(Path(learned.folder) / "judge")
    assert GEOMETRY in model.extras
    summary = run(nightly(folder))
    assert summary.calibrated
    catalog = Catalog(folder / "catalog")
    pairs = catalog.read("pairs", run=catalog.run()).to_pylist()
    verified = [row["probability"] for row in pairs if row["image_verified"]]
    assert len(verified) >= NUMBER / 2
    others = [row["probability"] for row in pairs if not row["image_verified"]]
    assert min(verified) > np.mean(others)


def test_labelled_pairs_are_seen_as_a_run_sees_them(folder: Path, learned: FinetuneSummary) -> None:
    opened = open_registered(Catalog(folder / "catalog").models.find("copies/v0001"))
    settings = training(folder)
    catalog = Catalog(folder / "catalog")
    run(nightly(folder))
    records = catalog.read("records", run=catalog.run())
    records = records.take(np.argsort(records["record_id"].to_pylist()))
    study = labelled_records_of(settings, records).embedded_by(opened, catalog, settings.images)
    place = {name: row for row, name in enumerate(records["record_id"].to_pylist())}
    pairs = catalog.read("pairs", run=catalog.run()).to_pylist()
    left, right = (
        np.array([place[row[f"{side}_id"]] for row in pairs]) for side in ("left", "right")
    )
    evidence = study.evidence(left, right, opened.rule.model)
    assert isinstance(evidence, ImageEvidence)
    looked = evidence.geometry
    wanted = [row["image_verified"] for row in pairs]
    assert looked is not None
    told = {1.0: True, 0.0: False, -1.0: False, 2.0: None}
    assert [told.get(x) for x in looked.tolist()] == wanted
    assert len(study.laid) > 0


def test_evaluation_shows_it_too(folder: Path, learned: FinetuneSummary) -> None:
    found = evaluate(training(folder), model="copies/v0001", split=None)
    (measured,) = found.models.values()
    assert measured.metrics.average_precision.value > 0.9


def test_a_run_without_geometry_is_refused(folder: Path, learned: FinetuneSummary) -> None:
    with pytest.raises(ConfigError, match="copies/v0001 learned from pictures laid upon"):
        prepare(nightly(folder, judge={"geometry": False}))


def test_it_can_be_left_out(folder: Path, tmp_path: Path) -> None:
    config = training(folder, geometry=False).model_copy(update={"catalog": str(tmp_path)})
    summary = finetune(config)
    assert summary.judge.geometry is False
    assert GEOMETRY not in JudgeModel.load(Path(summary.folder) / "judge").extras
    prepare(nightly(folder, catalog=str(tmp_path), judge={"geometry": False}))


def test_a_judge_by_the_cosine_alone_looks_at_nothing_else(folder: Path, tmp_path: Path) -> None:
    config = training(folder, kind="similarity").model_copy(update={"catalog": str(tmp_path)})
    assert finetune(config).judge.geometry is False


def test_another_way_of_looking_is_noticed(
    folder: Path, learned: FinetuneSummary, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.catalog.registry.judge.GEOMETRY_METHOD", 99)
    with pytest.raises(ModelError, match=r"learned from way [0-9]+ of laying pictures"):
        open_registered(Catalog(folder / "catalog").models.find("copies/v0001"))
    facts = json.loads((Path(learned.folder) / "judge" / "judge.json").read_text())
    assert facts["geometry"] == GEOMETRY_METHOD
