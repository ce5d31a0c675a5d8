"""Rows of the registry: every version of every model, as a person lists them."""

from __future__ import annotations

from typing import Any

from pipeline.catalog.registry.champions import current_champions
from pipeline.catalog.registry.registry import Registry


def model_rows(registry: Registry) -> list[dict[str, Any]]:
    """What `gemel models list` shows, the newest version of each name last, damaged ones too."""
    problems = registry.problems()
    stacks = current_champions(registry.history())
    in_use = {stack[-1].after: purpose for purpose, stack in stacks.items() if stack}
    sound = {model.reference: model for model in registry.list()}
    rows = []
    for reference in sorted(sound.keys() | problems.keys()):
        model = sound.get(reference)
        problem = problems.get(reference)
        measured = model.read("metrics.json") if model and not problem else {}
        metrics = measured.get("metrics", {})
        rows.append(
            {
                "model": reference,
                "champion": reference in in_use,
                "purpose": model.purpose if model else in_use.get(reference),
                "created": model.facts["created"] if model else None,
                "average_precision": metrics["average_precision"]["value"] if metrics else None,
                # Of another threshold it says nothing of this version.
                "f1": metrics["f1"]["value"]
                if metrics and not measured.get("measured_at")
                else None,
                "problem": problem,
            }
        )
    return rows
