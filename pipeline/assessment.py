"""Registered models on labelled pairs: evaluate one, compare two, calibrate one anew. SHELL."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline import finetuning as steps
from pipeline.calibration import Calibration, calibrate
from pipeline.catalog import Catalog
from pipeline.catalog.models import Model
from pipeline.claims import HELD_OUT
from pipeline.decoding import Decoder
from pipeline.errors import ConfigError
from pipeline.evaluation import compare, evaluate_pairs
from pipeline.labelled import LabelledPairs
from pipeline.labels import read_claims, read_labelled
from pipeline.model_facts import REPORTS, write_reports
from pipeline.registered import CALIBRATION, Registered, open_registered, registry_of
from pipeline.splits import entities
from pipeline.study import Study
from pipeline.train_config import TrainConfig

Rows = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Exam:
    """Labelled pairs as their files have them, one row each, and the records they name.

    Attributes:
        study: the records. left, right: (p,) rows. same: (p,). entity: (n,) of each record.
        slices: attribute -> (p,) value of each pair. facts: of reading them.
    """

    study: Study
    left: Rows
    right: Rows
    same: npt.NDArray[np.bool_]
    entity: Rows
    slices: dict[str, npt.NDArray[np.str_]]
    facts: dict[str, Any]

    @property
    def sides(self) -> Rows:
        """(p, 2) entities of both sides: what intervals resample."""
        return np.stack([self.entity[self.left], self.entity[self.right]], axis=1)


def examine(config: TrainConfig, *, split: str | None) -> Exam:
    """Read every labelled row of a split (None: all), repetitions and contradictions as they are.

    Raises:
        ConfigError: the labels cannot be used, or none is in the split.
    """
    now = datetime.now(UTC)
    published, verdicts = steps.in_catalog(config)
    with Decoder(config.images) as decoder:
        records, claims, facts = read_claims(
            config, published=published, verdicts=verdicts, decoder=decoder, now=now
        )
    if split is not None:
        claims = claims.take(HELD_OUT[claims.split] == split)
    if not len(claims.left):
        raise ConfigError(f"the labels name no pair in the split {split!r}; leave --split out")
    kept = claims.left != claims.right
    claims = claims.take(kept)
    study = Study.of(
        records,
        min_tokens=config.text.min_tokens,
        min_detail=config.images.min_detail,
        threads=config.threads or os.cpu_count() or 1,
    )
    pairs = LabelledPairs(
        records, claims.left, claims.right, claims.grade, np.full(len(claims.left), "given"),
        np.full(len(claims.left), "test"), claims.slices, facts,
    )  # fmt: skip
    return Exam(
        study, claims.left, claims.right, claims.same, entities(pairs), claims.slices, facts
    )


def scored(config: TrainConfig, exam: Exam, model: Registered) -> Floats:
    """(p,) log-odds of a model for the pairs of an exam."""
    study = exam.study.seen_by(model, Catalog(config.catalog), config.images)
    return model.rule.model.score(study.evidence(exam.left, exam.right, model.rule.model))


def evaluate(
    config: TrainConfig, *, model: str, against: str | None = None, split: str | None = None
) -> dict[str, Any]:
    """Metrics of a registered model on labelled pairs, and of a second one beside it.

    Returns:
        `evaluate_pairs` of each model by reference, and their paired comparison; JSON-able.
    """
    catalog = Catalog(config.catalog, create=False)
    wanted = [open_registered(find(catalog, name)) for name in (model, against) if name]
    exam = examine(config, split=split)
    found: dict[str, tuple[Floats, float]] = {}
    out: dict[str, Any] = {"pairs": len(exam.left), "labels": exam.facts, "models": {}}
    for opened in wanted:
        probability = opened.rule.calibration.calibrator(scored(config, exam, opened))
        found[opened.rule.reference] = probability, opened.rule.accept
        out["models"][opened.rule.reference] = evaluate_pairs(
            exam.same, probability, opened.rule.accept, exam.sides, seed=config.seed,
            slices=exam.slices, min_slice=config.min_slice,
        )  # fmt: skip
    if against and len(found) == 2:
        first, second = found.values()
        out["comparison"] = compare(exam.same, second, first, exam.sides, seed=config.seed)
    return out


def find(catalog: Catalog, reference: str) -> Model:
    """A registered model by 'name/v0003', 'name' (its newest), or 'champion'."""
    registry = registry_of(catalog)
    if reference != "champion":
        return registry.find(reference)
    champion = registry.champion()
    if champion is None:
        raise ConfigError("there is no champion yet: run `gemel finetune`, or name a model")
    return champion


def recalibrate(config: TrainConfig, *, model: str) -> dict[str, Any]:
    """Make a version of a model with the same encoder and judge and new thresholds.

    Uses the pairs of the split 'valid' where the labels name splits, else all of them.

    Raises:
        UnreachableTarget: the target precision cannot be shown; nothing is registered.
    """
    catalog = Catalog(config.catalog, create=False)
    opened = open_registered(find(catalog, model))
    published, verdicts = steps.in_catalog(config)
    pairs = read_labelled(config, published=published, verdicts=verdicts, now=datetime.now(UTC))
    held = pairs.part("valid") if len(pairs.part("valid")) else np.arange(len(pairs.left))
    study = Study.of(
        pairs.records,
        min_tokens=config.text.min_tokens,
        min_detail=config.images.min_detail,
        threads=config.threads or os.cpu_count() or 1,
    )
    exam = Exam(
        study, pairs.left[held], pairs.right[held], pairs.same[held], entities(pairs), {}, {}
    )
    before = opened.rule.calibration
    after = calibrate(
        scored(config, exam, opened),
        exam.same,
        model=before.model,
        version=before.version,
        fingerprint=before.fingerprint,
        target_precision=config.judge.target_precision,
        target_recall=config.judge.target_recall,
        confidence=config.judge.confidence,
        on_unreachable="error",
        seed=config.seed,
        group=exam.entity[exam.left],
    )
    made = registry_of(catalog).register(
        opened.model.name, lambda folder: _refilled(folder, opened.model, after)
    )
    return {
        "model": made.reference,
        "from": opened.model.reference,
        "pairs": len(held),
        "accept": after.accept.to_json(),
        "review": after.review.to_json(),
        "promoted": False,
    }


_WRITTEN_ANEW = {CALIBRATION, *REPORTS}
_SET_BY_REGISTRY = {"name", "version", "created", "files", "sha256"}


def _refilled(folder: Path, model: Model, calibration: Calibration) -> dict[str, Any]:
    """Copy a version's files, its calibration and what tells of it written anew.

    What was measured on held-out pairs stays what it was, at the threshold it names.
    """
    for path in model.facts["files"]:
        if path not in _WRITTEN_ANEW:
            target = folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(model.folder / path, target)
    (folder / CALIBRATION).write_text(calibration.to_json() + "\n")
    told = model.read("governance.json")["facts"]
    anew = {
        "model": {**told["model"], "parent": model.reference},
        "calibration": json.loads(calibration.to_json()),
        "gate": [],
    }
    write_reports(folder, {**told, **anew})
    facts = {name: value for name, value in model.facts.items() if name not in _SET_BY_REGISTRY}
    return {**facts, "parent": model.reference, "recalibrated": True}
