"""The facts of a trained model that its governance report, card and files tell."""

from __future__ import annotations

from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from pipeline.finetuning import Lesson
from pipeline.train_config import TrainConfig

if TYPE_CHECKING:
    from pipeline.registration import Candidate

PACKAGES = ("torch", "pytorch-lightning", "sentence-transformers", "lightgbm", "scikit-learn")
WORST = 20  # errors of each kind shown in the governance report
BINS = 20
Floats = npt.NDArray[np.float64]


def split_sizes(lesson: Lesson) -> dict[str, dict[str, int]]:
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


def versions() -> dict[str, str]:
    """Versions of what made the model."""
    return {"gemel": version("gemel"), **{name: version(name) for name in PACKAGES}}


def governance(
    config: TrainConfig,
    lesson: Lesson,
    candidate: Candidate,
    metrics: dict[str, Any],
    comparison: dict[str, Any],
    gate: list[dict[str, Any]],
) -> dict[str, Any]:
    """The facts of the governance report; see `pipeline.governance_facts`."""
    pairs, part = lesson.pairs, lesson.pairs.part(candidate.held)
    accept, review = candidate.calibration.accept, candidate.calibration.review
    training = candidate.trained.facts
    quality = {name: {k: m[k] for k in ("value", "low", "high")}
               for name, m in metrics["metrics"].items()}  # fmt: skip
    return {
        "model": {
            "name": config.name,
            "purpose": config.purpose,
            "encoder": start_name(config) + (", fine-tuned" if config.encoder.train else ""),
            "judge": f"{candidate.facts['kind']} over {candidate.facts['features']} features",
            "parent": start_name(config),
        },
        "labels": pairs.facts,
        "pairs": {
            "positives": _origins(pairs.origin[pairs.same]),
            "negatives": {
                **_origins(pairs.origin[~pairs.same]),
                **{k: int(v) for k, v in training.get("negatives", {}).items()},
            },
            "excluded": training.get("excluded", {}),
        },
        "split": {
            "how": "by entity, or as given by the labels; see the leak check",
            "parts": split_sizes(lesson),
            "leaks": lesson.leaks,
        },
        "training": {
            "settings": config.encoder.model_dump(mode="json"),
            "curves": _curves(candidate.trained.history),
            "seconds": training.get("seconds"),
            "seed": config.seed,
            "device": training.get("device"),
            "versions": versions(),
        }
        if config.encoder.train
        else None,
        "threshold": {
            "accept": accept.value,
            "review": review.value,
            "target_precision": config.judge.target_precision,
            "confidence": config.judge.confidence,
            "precision": accept.precision,
            "precision_low": accept.precision_low,
            "pairs": accept.accepted,
            "reachable": accept.met,
            "target_recall": config.judge.target_recall,
            "recall": review.recall,
            "recall_low": review.recall_low,
            "method": candidate.calibration.calibrator.kind,
            "brier": metrics["calibration"]["brier"],
            "calibration_error": metrics["calibration"]["ece_equal_mass"],
            "reliability": [
                {"mean": row["probability"], "share": row["same"], "pairs": row["pairs"]}
                for row in metrics["calibration"]["reliability"]
            ],
        },
        "quality": {
            "split": candidate.held,
            "metrics": quality,
            "curve": [(p["recall"], p["precision"]) for p in metrics["curve"]],
            "comparison": comparison,
            "gate": gate,
        },
        "failures": _failures(config, lesson, candidate, part),
        "errors": _errors(lesson, candidate, part),
        "scores": _histogram(pairs.same[part], candidate.probability),
    }


def _origins(origin: npt.NDArray[np.str_]) -> dict[str, int]:
    names, counts = np.unique(origin, return_counts=True)
    return dict(zip(names.tolist(), counts.tolist(), strict=True))


def _curves(history: list[dict[str, Any]]) -> dict[str, list[float]]:
    names = ("train_loss", "valid_average_precision")
    return {n: [float(row[n]) for row in history if row.get(n) is not None] for n in names}


def _counts(same: npt.NDArray[np.bool_], yes: npt.NDArray[np.bool_]) -> dict[str, int]:
    return {
        "false_matches": int((yes & ~same).sum()),
        "different": int((~same).sum()),
        "missed": int((~yes & same).sum()),
        "same": int(same.sum()),
    }


def _failures(
    config: TrainConfig, lesson: Lesson, candidate: Candidate, part: npt.NDArray[np.int64]
) -> dict[str, Any]:
    same = lesson.pairs.same[part]
    yes = candidate.probability >= candidate.calibration.accept.value
    slices = {
        name: {
            str(value) or "(unknown)": _counts(
                same[values[part] == value], yes[values[part] == value]
            )
            for value in np.unique(values[part])
        }
        for name, values in lesson.pairs.slices.items()
    }
    return {"overall": _counts(same, yes), "slices": slices, "min_slice": config.min_slice}


def _errors(
    lesson: Lesson, candidate: Candidate, part: npt.NDArray[np.int64]
) -> dict[str, list[dict[str, Any]]]:
    same, p = lesson.pairs.same[part], candidate.probability
    yes = p >= candidate.calibration.accept.value
    wrong, missed = np.flatnonzero(yes & ~same), np.flatnonzero(~yes & same)
    ids, texts = lesson.pairs.records["record_id"], lesson.study.texts

    def shown(places: npt.NDArray[np.int64]) -> list[dict[str, Any]]:
        rows = [(part[place], float(p[place])) for place in places[:WORST]]
        sides = [(lesson.pairs.left[row], lesson.pairs.right[row], score) for row, score in rows]
        return [
            {
                "left_id": ids[int(a)].as_py(),
                "right_id": ids[int(b)].as_py(),
                "probability": score,
                "left_text": texts[a] or None,
                "right_text": texts[b] or None,
            }
            for a, b, score in sides
        ]

    return {
        "false_matches": shown(wrong[np.argsort(-p[wrong], kind="stable")]),
        "missed": shown(missed[np.argsort(p[missed], kind="stable")]),
    }


def _histogram(same: npt.NDArray[np.bool_], probability: Floats) -> dict[str, list[float]]:
    edges = np.linspace(0, 1, BINS + 1)
    return {
        "edges": edges.round(4).tolist(),
        "same": np.histogram(probability[same], edges)[0].tolist(),
        "different": np.histogram(probability[~same], edges)[0].tolist(),
    }
