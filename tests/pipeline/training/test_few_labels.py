"""Few labels: the shipped judge corrected, registered and at work; rivals of answered pairs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from pipeline import run
from pipeline.catalog import Catalog, open_registered
from pipeline.config import RunConfig, TrainConfig
from pipeline.errors import ConfigError, TrainingError
from pipeline.outputs import FinetuneSummary, finetune_lines, plan_lines
from pipeline.training import JudgeRefitter
from pipeline.training.data.labelled_records import LabelledRecords
from pipeline.training.data.rivals import beaten_pairs
from pipeline.training.finetuning import finetune, plan_finetune
from pipeline.training.judge.shipped import shipped_judge
from pipeline.training.model_evaluation import evaluation_set, score_set
from tests.worlds.runs import OPEN_GATES, rows_in, run_config, write_jsonl

PAIRS = pa.table(
    {
        "left_id": ["a:1", "a:1", "a:2", "a:4"],
        "right_id": ["b:1", "b:2", "b:2", "a:5"],
        "probability": pa.array([0.9, 0.6, 0.3, 1.0], pa.float32()),
        "proposed_by": ["near", "near", "near", "exact"],
        "reason": ["", "", "", ""],
    }
)
ROWS = ["a:1", "a:2", "a:4", "a:5", "b:1", "b:2"]
APART = pa.table({"record_id": ROWS, "cluster_id": ROWS})


@pytest.mark.parametrize(
    ("pair", "beaten"),
    [
        (("a:1", "b:1"), False),  # the best of both
        (("a:1", "b:2"), True),  # a:1 has a better one
        (("b:2", "a:2"), True),  # b:2 has, either way round
        (("a:4", "b:1"), True),  # not proposed, and b:1 has one
        (("a:4", "a:9"), False),  # neither has any
    ],
)
def test_a_pair_is_beaten_by_a_likelier_one_of_its_records(
    pair: tuple[str, str], beaten: bool
) -> None:
    found = beaten_pairs(PAIRS, APART, pa.array([pair[0]]), pa.array([pair[1]]))
    assert found.tolist() == [beaten]


def test_a_pair_that_was_joined_is_not_beaten() -> None:
    joined = pa.table({"record_id": ROWS, "cluster_id": ["c"] * len(ROWS)})
    found = beaten_pairs(PAIRS, joined, pa.array(["a:1"]), pa.array(["b:2"]))
    assert found.tolist() == [False]


KINDS = ("garden hose", "desk lamp", "wall clock", "travel kettle", "paper shredder", "bread knife")


@pytest.fixture(scope="module")
def corrected(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, FinetuneSummary, RunConfig]:
    """A catalog of two shops whose run was asked about; some things differ in their size alone."""
    folder = tmp_path_factory.mktemp("few")
    shops: dict[str, list[dict[str, str]]] = {"a": [], "b": []}
    for number in range(48):
        kind, maker = KINDS[number % 6], f"Maker{number // 6}"
        size = f"{10 + number} cm"
        shops["a"].append({"id": str(number), "name": f"{maker} {kind} {size}", "said": "boxed"})
        other = size if number % 2 else f"{50 + number} cm"
        shops["b"].append({"id": str(number), "name": f"{kind} {maker} {other}", "said": "in box"})
    sources = [
        rows_in(write_jsonl(folder / f"{name}.jsonl", rows), name=name,
                columns={"id": "id", "text": ["name", "said"]}, duplicate_free=True)
        for name, rows in shops.items()
    ]  # fmt: skip
    config = run_config(
        folder / "catalog", *sources, text_encoder={"type": "minilm"}, gates=OPEN_GATES, threads=1
    )
    run(config)
    lines = ["left_id,right_id,label"]
    lines += [f"a:{n},b:{n},{n % 2}" for n in range(40)]
    lines += [f"a:{n},b:{n + 6},0" for n in range(0, 36, 2)]
    (folder / "labels.csv").write_text("\n".join(lines) + "\n")
    summary = finetune(training(folder))
    return folder, summary, config


def training(folder: Path, **changes: Any) -> TrainConfig:
    entry = {"type": "pairs", "path": str(folder / "labels.csv"), "left": "left_id",
             "right": "right_id", "label": "label"}  # fmt: skip
    return TrainConfig.model_validate(
        {"name": "few", "catalog": str(folder / "catalog"), "labels": [entry], "threads": 1,
         "text": {"min_tokens": 1}, **changes}
    )  # fmt: skip


Corrected = tuple[Path, FinetuneSummary, RunConfig]


@pytest.mark.slow
def test_few_labels_correct_the_shipped_judge_and_train_no_encoder(corrected: Corrected) -> None:
    folder, summary, _ = corrected
    assert summary.judge.kind == "corrected"
    assert summary.encoder is None
    assert summary.promoted
    assert summary.comparison.against == "the judge without labels"
    accept = summary.thresholds.accept
    assert accept.value == 0.5, "the threshold of the judge without labels"
    assert accept.target == 0.95
    said = "\n".join(finetune_lines(summary))
    assert "no encoder is trained" in said
    assert "known       58 answers: 20 same, 38 different" in said
    assert (
        f"at least {accept.precision_low:.0%} with 95% confidence: from {accept.accepted}" in said
    )
    assert accept.foreseen(0) == pytest.approx(accept.precision_low)
    assert f"raise that bound to about {accept.foreseen(10):.0%}" in said
    assert accept.foreseen(10) > accept.precision_low
    page = Path(summary.report).read_text()
    assert "Few labels. Known: 58 answers" in page
    plan = plan_finetune(training(folder))
    assert plan.corrects
    assert "no encoder is trained" in "\n".join(plan_lines(plan))


@pytest.mark.slow
def test_one_label_of_either_kind_is_enough(corrected: Corrected) -> None:
    folder, _, _ = corrected
    (folder / "two.csv").write_text("left_id,right_id,label\na:1,b:1,1\na:2,b:8,0\n")
    entry = {"type": "pairs", "path": str(folder / "two.csv"), "left": "left_id",
             "right": "right_id", "label": "label"}  # fmt: skip
    assert plan_finetune(training(folder, labels=[entry])).corrects
    with pytest.raises(ConfigError, match="fewer than min_positives"):
        plan_finetune(training(folder, labels=[entry], judge={"few_labels": 0}))


@pytest.mark.slow
def test_a_run_judges_as_the_corrected_model_does(corrected: Corrected) -> None:
    folder, summary, config = corrected
    run(config)
    catalog = Catalog(folder / "catalog")
    night = catalog.run()
    rows = {
        (row["left_id"], row["right_id"]): row
        for row in catalog.read("pairs", run=night).to_pylist()
    }
    exam = evaluation_set(training(folder), split=None)
    opened = open_registered(catalog.models.find(summary.model))
    found = opened.rule.calibration.calibrator(score_set(training(folder), exam, opened))
    ids = exam.labelled.records["record_id"].to_pylist()
    met = 0
    for left, right, probability in zip(exam.left, exam.right, found, strict=True):
        pair = tuple(sorted((ids[left], ids[right])))
        if pair in rows and not rows[pair]["exact_text"]:
            met += 1
            assert rows[pair]["model"].startswith(summary.model)
            if "alike, but" not in rows[pair]["reason"]:
                assert rows[pair]["probability"] == pytest.approx(probability, abs=2e-4), pair
    assert met > 20
    sizes = [rows[f"a:{n}", f"b:{n}"] for n in range(0, 48, 2) if (f"a:{n}", f"b:{n}") in rows]
    assert sizes
    assert not any(row["confirmed"] for row in sizes), "they differ in their size alone"


@pytest.mark.slow
def test_answers_correct_a_corrected_judge_anew(corrected: Corrected) -> None:
    folder, first, config = corrected
    run(config)
    again = finetune(training(folder))
    assert again.model != first.model
    assert again.judge.penalty == first.judge.penalty
    catalog = Catalog(folder / "catalog").models
    heads = [
        open_registered(catalog.find(one)).rule.model.head for one in (first.model, again.model)
    ]
    assert heads[0].arrays()["linear.0.weight"] == pytest.approx(
        heads[1].arrays()["linear.0.weight"], abs=0.5
    )


@pytest.mark.slow
def test_a_model_that_a_run_only_names_is_corrected_anew(corrected: Corrected) -> None:
    folder, summary, config = corrected
    run(config)
    catalog = Catalog(folder / "catalog")
    found = shipped_judge(catalog, "a purpose without a champion")
    assert found is not None
    known = open_registered(catalog.models.find(summary.model))
    assert found.model.corrects
    assert found.model.sources == known.rule.model.sources
    assert found.accept == known.rule.accept


@pytest.mark.slow
def test_the_judge_is_refitted_in_place_as_a_fine_tune_does_it(
    corrected: Corrected, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, *_ = corrected
    summary = finetune(training(folder, gate={"promote": False}))
    lines = (folder / "labels.csv").read_text().splitlines()[1:]
    told = [(a, b, label == "1") for a, b, label in (line.split(",") for line in lines)]
    catalog = Catalog(folder / "catalog")
    read: list[int] = []
    look = LabelledRecords.evidence

    def counted(self: LabelledRecords, left: Any, *rest: Any) -> Any:
        read.append(len(left))
        return look(self, left, *rest)

    def refused(*_: Any, **__: Any) -> None:
        raise AssertionError("nothing is embedded")

    monkeypatch.setattr(LabelledRecords, "evidence", counted)
    monkeypatch.setattr(LabelledRecords, "embedded", refused)
    refitter = JudgeRefitter(catalog, threads=1)
    refitter.refit(told[:20])
    found = refitter.refit(told)
    assert read == [20, len(told) - 20], "each pair is looked at once"
    head = open_registered(catalog.models.find(summary.model)).rule.model.head
    assert found.model.head.arrays()["linear.0.weight"] == pytest.approx(
        head.arrays()["linear.0.weight"], abs=1e-4
    )
    pairs = [(a, b) for a, b, _ in told]
    sure = refitter.probability(found.model, pairs)
    same = np.array([label for *_, label in told])
    assert sure[same].mean() > sure[~same].mean() + 0.3
    with pytest.raises(TrainingError, match="1 of the answered records are not in the last"):
        refitter.refit([("a:1", "b:nowhere", True)])
