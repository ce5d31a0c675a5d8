"""Rows of the registry: every version of every model, as a person lists them."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.catalog.registry.champions import current_champions
from pipeline.catalog.registry.registry import Registry
from pipeline.evaluation import ModelMetrics


@dataclass(frozen=True)
class ModelRow:
    """One version.

    Attributes:
        model: its reference. champion: whether it is one.
        purpose, created: None where its model.json cannot be read.
        average_precision, f1: on its held-out pairs; F1 None where that is of another threshold.
        problem: what is wrong with its files; None: nothing.
    """

    model: str
    champion: bool
    purpose: str | None
    created: str | None
    average_precision: float | None
    f1: float | None
    problem: str | None


def model_rows(registry: Registry) -> list[ModelRow]:
    """What `gemel models list` shows, the newest version of each name last, damaged ones too."""
    problems = registry.problems()
    stacks = current_champions(registry.history())
    in_use = {stack[-1].after: purpose for purpose, stack in stacks.items() if stack}
    sound = {model.reference: model for model in registry.list()}
    rows = []
    for reference in sorted(sound.keys() | problems.keys()):
        model, problem = sound.get(reference), problems.get(reference)
        found = model.read("metrics.json", ModelMetrics) if model and not problem else None
        rows.append(
            ModelRow(
                model=reference,
                champion=reference in in_use,
                purpose=model.purpose if model else in_use.get(reference),
                created=model.facts.created if model else None,
                average_precision=found.metrics.average_precision.value if found else None,
                f1=found.metrics.f1.value if found and not found.measured_at else None,
                problem=problem,
            )
        )
    return rows
