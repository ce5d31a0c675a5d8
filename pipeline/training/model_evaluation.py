"""Registered models on labelled pairs: evaluate one, compare two. SHELL."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.arrays import Floats, Rows
from pipeline.catalog import Catalog, ModelVersion, RegisteredJudge, open_registered
from pipeline.config import TrainConfig
from pipeline.errors import ConfigError
from pipeline.evaluation import compare_models, evaluate_pairs
from pipeline.ingestion import Decoder
from pipeline.labels import HELD_OUT, LabelledPairs, read_label_rows
from pipeline.training.data.labelled_records import LabelledRecords
from pipeline.training.data.splits import entities
from pipeline.training.data.training_data import labelled_records_of, read_catalog_records


@dataclass(frozen=True)
class EvaluationSet:
    """Labelled pairs as their files have them, one row each, and the records they name.

    Attributes:
        study: the records. left, right: (p,) rows. same: (p,). entity: (n,) of each record.
        slices: attribute -> (p,) value of each pair. facts: of reading them.
    """

    study: LabelledRecords
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


def evaluation_set(config: TrainConfig, *, split: str | None) -> EvaluationSet:
    """Read every labelled row of a split (None: all), repetitions and contradictions as they are.

    Raises:
        ConfigError: the labels cannot be used, or none is in the split.
    """
    now = datetime.now(UTC)
    published, verdicts = read_catalog_records(config)
    with Decoder(config.images) as decoder:
        records, claims, facts = read_label_rows(
            config, published=published, verdicts=verdicts, decoder=decoder, now=now
        )
    if split is not None:
        claims = claims.take(HELD_OUT[claims.split] == split)
    if not len(claims.left):
        raise ConfigError(f"the labels name no pair in the split {split!r}; leave --split out")
    kept = claims.left != claims.right
    claims = claims.take(kept)
    study = labelled_records_of(config, records)
    pairs = LabelledPairs(
        records, claims.left, claims.right, claims.grade, np.full(len(claims.left), "given"),
        np.full(len(claims.left), "test"), claims.slices, facts,
    )  # fmt: skip
    return EvaluationSet(
        study, claims.left, claims.right, claims.same, entities(pairs), claims.slices, facts
    )


def score_set(config: TrainConfig, exam: EvaluationSet, model: RegisteredJudge) -> Floats:
    """(p,) log-odds of a model for the pairs of an exam."""
    study = exam.study.seen_by(model, Catalog.of(config), config.images)
    return model.rule.model.score(study.evidence(exam.left, exam.right, model.rule.model))


def evaluate(
    config: TrainConfig, *, model: str, against: str | None = None, split: str | None = None
) -> dict[str, Any]:
    """Metrics of a registered model on labelled pairs, and of a second one beside it.

    Returns:
        `evaluate_pairs` of each model by reference, and their paired comparison; JSON-able.
    """
    catalog = Catalog.of(config, create=False)
    wanted = [open_registered(find_model(catalog, name)) for name in (model, against) if name]
    exam = evaluation_set(config, split=split)
    found: dict[str, tuple[Floats, float]] = {}
    out: dict[str, Any] = {"pairs": len(exam.left), "labels": exam.facts, "models": {}}
    for opened in wanted:
        probability = opened.rule.calibration.calibrator(score_set(config, exam, opened))
        found[opened.rule.reference] = probability, opened.rule.accept
        out["models"][opened.rule.reference] = evaluate_pairs(
            exam.same, probability, opened.rule.accept, exam.sides, seed=config.seed,
            slices=exam.slices, min_slice=config.min_slice,
        )  # fmt: skip
    if against and len(found) == 2:
        first, second = found.values()
        out["comparison"] = compare_models(exam.same, second, first, exam.sides, seed=config.seed)
    return out


def find_model(catalog: Catalog, reference: str) -> ModelVersion:
    """A registered model by 'name/v0003', 'name' (its newest), or 'champion'."""
    registry = catalog.models
    if reference != "champion":
        return registry.find(reference)
    champion = registry.champion()
    if champion is None:
        raise ConfigError("there is no champion yet: run `gemel finetune`, or name a model")
    return champion
