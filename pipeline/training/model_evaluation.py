"""Evaluations of registered models on labelled pairs, alone or side by side. SHELL."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import numpy.typing as npt

from pipeline.arrays import Floats, Rows
from pipeline.catalog import Catalog, ModelVersion, RegisteredJudge, open_registered
from pipeline.config import TrainConfig
from pipeline.errors import ConfigError
from pipeline.evaluation import PairEvaluation, compare_models, evaluate_pairs
from pipeline.ingestion import Decoder
from pipeline.labels import HELD_OUT, ReadFacts, read_label_rows
from pipeline.outputs import EvaluationSummary
from pipeline.training.data.labelled_records import LabelledRecords
from pipeline.training.data.splits import entities_of
from pipeline.training.data.training_data import labelled_records_of, read_catalog_records


@dataclass(frozen=True)
class EvaluationSet:
    """Labelled pairs as their files have them, one row each, and the records they name.

    Attributes:
        labelled: the records. left, right: (p,) rows. same: (p,). entity: (n,) of each record.
        slices: attribute -> (p,) value of each pair. facts: of reading them.
    """

    labelled: LabelledRecords
    left: Rows
    right: Rows
    same: npt.NDArray[np.bool_]
    entity: Rows
    slices: dict[str, npt.NDArray[np.str_]]
    facts: ReadFacts

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
    labelled = labelled_records_of(config, records)
    entity = entities_of(records, claims.left[claims.same], claims.right[claims.same])
    return EvaluationSet(
        labelled, claims.left, claims.right, claims.same, entity, claims.slices, facts
    )


def score_set(config: TrainConfig, data: EvaluationSet, model: RegisteredJudge) -> Floats:
    """(p,) log-odds of a model for the pairs of an evaluation set."""
    labelled = data.labelled.embedded_by(model, Catalog.of(config), config.images)
    return model.rule.model.score(labelled.evidence(data.left, data.right, model.rule.model))


def evaluate(
    config: TrainConfig, *, model: str, against: str | None = None, split: str | None = None
) -> EvaluationSummary:
    """Metrics of a registered model on labelled pairs, and of a second one beside it."""
    catalog = Catalog.of(config, create=False)
    wanted = [open_registered(find_model(catalog, name)) for name in (model, against) if name]
    data = evaluation_set(config, split=split)
    found: dict[str, tuple[Floats, float]] = {}
    measured: dict[str, PairEvaluation] = {}
    for opened in wanted:
        probability = opened.rule.calibration.calibrator(score_set(config, data, opened))
        found[opened.rule.reference] = probability, opened.rule.accept
        measured[opened.rule.reference] = evaluate_pairs(
            data.same, probability, opened.rule.accept, data.sides, seed=config.seed,
            slices=data.slices, min_slice=config.min_slice,
        )  # fmt: skip
    comparison = None
    if len(found) == 2:
        first, second = found.values()
        comparison = compare_models(data.same, second, first, data.sides, seed=config.seed)
    return EvaluationSummary(len(data.left), data.facts, measured, comparison)


def find_model(catalog: Catalog, reference: str) -> ModelVersion:
    """A registered model by 'name/v0003', 'name' (its newest), or 'champion'."""
    registry = catalog.models
    if reference != "champion":
        return registry.find(reference)
    champion = registry.champion()
    if champion is None:
        raise ConfigError("there is no champion yet: run `gemel finetune`, or name a model")
    return champion
