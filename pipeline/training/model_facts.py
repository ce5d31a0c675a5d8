"""The facts of a trained model for its governance report, its card and its files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from pipeline.arrays import Flags, Floats, Rows
from pipeline.catalog import GateCheck
from pipeline.config import TrainConfig
from pipeline.evaluation import ModelMetrics
from pipeline.outputs import (
    ErrorFacts,
    ErrorPair,
    GovernanceFacts,
    ModelComparison,
    ModelDescription,
    PairFacts,
    ScoreFacts,
    TrainingFacts,
    governance_markdown,
    governance_report,
    model_card,
    render_governance,
)
from pipeline.storage import to_json
from pipeline.training.data.labelled_records import LabelledRecords
from pipeline.training.data.training_data import LabelledData

if TYPE_CHECKING:
    from pipeline.training.held_out import TrainedModel

PACKAGES = ("torch", "pytorch-lightning", "sentence-transformers", "lightgbm", "scikit-learn")
WORST = 20  # errors of each kind shown in the governance report
BINS = 20
METRICS, GOVERNANCE = "metrics.json", "governance.json"
REPORTS = (GOVERNANCE, "governance.md", "governance.html", "card.md")


def start_name(config: TrainConfig) -> str:
    """What training started from, for a reader."""
    start = config.encoder.start
    return str(getattr(start, "path", None) or start.type)


def encoder_name(config: TrainConfig) -> str:
    """The encoder by what it started from and what was done to it, for a reader."""
    distilled = ", trained on its teacher's cosines" if config.encoder.distill else ""
    return start_name(config) + distilled + (", fine-tuned" if config.encoder.train else "")


def package_versions() -> dict[str, str]:
    """Versions of what made the model."""
    return {"gemel": version("gemel"), **{name: version(name) for name in PACKAGES}}


def governance_facts(
    config: TrainConfig,
    data: LabelledData,
    model: TrainedModel,
    metrics: ModelMetrics,
    comparison: ModelComparison,
    checks: Sequence[GateCheck],
) -> GovernanceFacts:
    """What the governance report and the card of a trained model say."""
    pairs, part = data.pairs, data.pairs.part(model.held_out)
    trained, split = model.trained, pairs.facts.split
    assert split is not None, "split_pairs states it"
    return GovernanceFacts(
        model=ModelDescription(
            name=config.name,
            purpose=config.purpose,
            encoder=encoder_name(config),
            judge=model.facts.words,
            parent=start_name(config),
        ),
        labels=pairs.facts,
        pairs=_creation(data, model),
        split=replace(split, parts=pairs.sizes()),
        leaks=data.leaks,
        calibration=model.calibration,
        evaluation=metrics,
        training=TrainingFacts(
            encoder=trained.facts, distillation=trained.distillation, history=trained.history
        )
        if trained.facts or trained.distillation
        else None,
        comparison=comparison,
        gate=tuple(checks),
        errors=worst_errors(
            data.labelled,
            (pairs.left[part], pairs.right[part]),
            pairs.same[part],
            model.probability,
            model.calibration.accept.value,
        ),
        scores=score_counts(pairs.same[part], model.probability),
    )


def _creation(data: LabelledData, model: TrainedModel) -> PairFacts:
    """How pairs were made: labelled and mined ones, and those that training made for itself."""
    pairs, history = data.pairs, model.trained.history
    negatives = _origins(pairs.origin[~pairs.same])
    if mined := sum(row.mined for row in history):
        negatives["mined, in training"] = mined
    excluded = {
        "known": sum(row.excluded_known for row in history),
        "suspected": sum(row.excluded_suspected for row in history),
    }
    return PairFacts(
        positives=_origins(pairs.origin[pairs.same]),
        negatives=negatives,
        excluded={name: count for name, count in excluded.items() if count},
    )


def _origins(origin: npt.NDArray[np.str_]) -> dict[str, int]:
    names, counts = np.unique(origin, return_counts=True)
    return dict(zip(names.tolist(), counts.tolist(), strict=True))


def worst_errors(
    labelled: LabelledRecords, sides: tuple[Rows, Rows], same: Flags, p: Floats, accept: float
) -> ErrorFacts:
    """The worst of the wrong decisions on some pairs.

    Args:
        sides: (p,) rows of the labelled records, left and right. same, p: (p,) labels, probability.
    """
    yes = p >= accept
    wrong, missed = np.flatnonzero(yes & ~same), np.flatnonzero(~yes & same)
    ids, texts = labelled.records["record_id"], labelled.texts

    def shown(places: Rows) -> tuple[ErrorPair, ...]:
        return tuple(
            ErrorPair.of(
                (ids[left].as_py(), ids[right].as_py()),
                (texts[left], texts[right]),
                probability=float(p[place]),
            )
            for place in places[:WORST].tolist()
            for left, right in [(int(sides[0][place]), int(sides[1][place]))]
        )

    return ErrorFacts(
        false_matches=shown(wrong[np.argsort(-p[wrong], kind="stable")]),
        missed=shown(missed[np.argsort(p[missed], kind="stable")]),
    )


def score_counts(same: Flags, probability: Floats) -> ScoreFacts:
    """Pairs per probability and class."""
    edges = np.linspace(0, 1, BINS + 1)
    return ScoreFacts(
        edges=tuple(edges.round(4).tolist()),
        same=tuple(np.histogram(probability[same], edges)[0].tolist()),
        different=tuple(np.histogram(probability[~same], edges)[0].tolist()),
    )


def write_reports(folder: Path, facts: GovernanceFacts, version: str) -> None:
    """Write `REPORTS` of one version."""
    numbered = facts.model.model_copy(update={"version": version})
    facts = facts.model_copy(update={"model": numbered})
    report = governance_report(facts)
    (folder / GOVERNANCE).write_text(to_json(report))
    (folder / "governance.md").write_text(governance_markdown(report))
    (folder / "governance.html").write_text(render_governance(report))
    (folder / "card.md").write_text(model_card(report))
