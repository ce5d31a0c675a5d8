"""The facts of a trained model that its governance report, card and files tell."""

from __future__ import annotations

import json
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from pipeline.arrays import Flags, Floats, Rows
from pipeline.config import TrainConfig
from pipeline.outputs import governance_markdown, governance_report, model_card
from pipeline.training.data.labelled_records import LabelledRecords
from pipeline.training.data.training_data import LabelledData

if TYPE_CHECKING:
    from pipeline.training.held_out import TrainedModel

PACKAGES = ("torch", "pytorch-lightning", "sentence-transformers", "lightgbm", "scikit-learn")
WORST = 20  # errors of each kind shown in the governance report
BINS = 20
REPORTS = ("governance.json", "governance.md", "governance.html", "card.md")


def split_sizes(lesson: LabelledData) -> dict[str, dict[str, int]]:
    """Pairs, duplicates and records of each split."""
    pairs = lesson.pairs
    out = {}
    for split in ("train", "valid", "test"):
        part = pairs.part(split)
        rows = np.union1d(pairs.left[part], pairs.right[part])
        out[split] = {
            "pairs": len(part),
            "positives": int(pairs.same[part].sum()),
            "records": len(rows),
        }
    return out


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


def governance(
    config: TrainConfig,
    lesson: LabelledData,
    candidate: TrainedModel,
    metrics: dict[str, Any],
    comparison: dict[str, Any],
    gate: list[dict[str, Any]],
) -> dict[str, Any]:
    """The facts of the governance report; see `governance.facts`."""
    pairs, part = lesson.pairs, lesson.pairs.part(candidate.held)
    training = candidate.trained
    return {
        "model": {
            "name": config.name,
            "purpose": config.purpose,
            "encoder": encoder_name(config),
            "judge": _judge(candidate.facts),
            "parent": start_name(config),
        },
        "labels": pairs.facts,
        "pairs": _creation(lesson, candidate),
        "split": {"parts": split_sizes(lesson), **_but_parts(pairs.facts["split"])},
        "leaks": lesson.leaks,
        "calibration": json.loads(candidate.calibration.to_json()),
        "evaluation": metrics,
        "training": {"facts": training.facts, "history": training.history}
        if training.facts
        else None,
        "comparison": comparison,
        "gate": gate,
        "errors": worst_errors(
            lesson.study,
            (pairs.left[part], pairs.right[part]),
            pairs.same[part],
            candidate.probability,
            candidate.calibration.accept.value,
        ),
        "scores": score_counts(pairs.same[part], candidate.probability),
    }


def _judge(facts: dict[str, Any]) -> str:
    named = facts["attributes"]
    beside = f", attributes {', '.join(named)} among them" if named else ""
    pictures = ", and of the pictures beside the texts" if facts["pictures"]["used"] else ""
    laid = ", and of pictures laid upon each other" if facts.get("geometry") else ""
    return f"{facts['kind']} over {facts['features']} features{beside}{pictures}{laid}"


def _but_parts(facts: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in facts.items() if name != "parts"}


def _creation(lesson: LabelledData, candidate: TrainedModel) -> dict[str, Any]:
    """How pairs were made: labelled and mined ones, and those that training made for itself."""
    pairs, history = lesson.pairs, candidate.trained.history
    negatives = _origins(pairs.origin[~pairs.same])
    for name in ("mined", "in_batch"):
        made = sum(int(row.get(name) or 0) for row in history)
        if made:
            negatives[f"{name}, in training"] = made
    excluded = {
        name: sum(int(row.get(f"excluded_{name}") or 0) for row in history)
        for name in ("known", "suspected")
    }
    return {
        "positives": _origins(pairs.origin[pairs.same]),
        "negatives": negatives,
        "excluded": {name: count for name, count in excluded.items() if count},
    }


def _origins(origin: npt.NDArray[np.str_]) -> dict[str, int]:
    names, counts = np.unique(origin, return_counts=True)
    return dict(zip(names.tolist(), counts.tolist(), strict=True))


def worst_errors(
    study: LabelledRecords, sides: tuple[Rows, Rows], same: Flags, p: Floats, accept: float
) -> dict[str, list[dict[str, Any]]]:
    """The worst of the wrong decisions on some pairs, see `governance_facts.ErrorFacts`.

    Args:
        sides: (p,) rows of the study's records, left and right. same, p: (p,) labels, probability.
    """
    yes = p >= accept
    wrong, missed = np.flatnonzero(yes & ~same), np.flatnonzero(~yes & same)
    ids, texts = study.records["record_id"], study.texts

    def shown(places: Rows) -> list[dict[str, Any]]:
        return [
            {
                "left_id": ids[int(sides[0][place])].as_py(),
                "right_id": ids[int(sides[1][place])].as_py(),
                "probability": float(p[place]),
                "left_text": texts[sides[0][place]] or None,
                "right_text": texts[sides[1][place]] or None,
            }
            for place in places[:WORST]
        ]

    return {
        "false_matches": shown(wrong[np.argsort(-p[wrong], kind="stable")]),
        "missed": shown(missed[np.argsort(p[missed], kind="stable")]),
    }


def score_counts(same: Flags, probability: Floats) -> dict[str, list[float]]:
    """Pairs per probability and class, see `governance_facts.ScoreFacts`."""
    edges = np.linspace(0, 1, BINS + 1)
    return {
        "edges": edges.round(4).tolist(),
        "same": np.histogram(probability[same], edges)[0].tolist(),
        "different": np.histogram(probability[~same], edges)[0].tolist(),
    }


def write_reports(folder: Path, facts: dict[str, Any], version: str) -> None:
    """Write `REPORTS` of one version from the facts of `governance`."""
    from pipeline.outputs import render_governance

    facts = {**facts, "model": {**facts["model"], "version": version}}
    report = governance_report(facts)
    write_facts(folder / "governance.json", report)
    (folder / "governance.md").write_text(governance_markdown(report))
    (folder / "governance.html").write_text(render_governance(report))
    (folder / "card.md").write_text(model_card(facts))


def write_facts(path: Path, data: dict[str, Any]) -> None:
    """Write JSON for people and programs to read."""
    path.write_text(json.dumps(data, indent=2, sort_keys=True, default=str) + "\n")
