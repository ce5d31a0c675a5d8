"""The second half of a fine-tune: calibrate, evaluate once, compare, register, gate, promote."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import expit, logit

from pipeline import finetuning as steps
from pipeline.calibration import Calibration, calibrate
from pipeline.catalog import Catalog
from pipeline.catalog.models import Model
from pipeline.drift import histogram
from pipeline.encoders.fingerprint import fingerprint
from pipeline.evaluation import compare, error_rates, evaluate_pairs
from pipeline.finetuning import Lesson, Trained
from pipeline.learned import JudgeModel
from pipeline.model_facts import (
    governance,
    split_sizes,
    start_name,
    versions,
    write_facts,
    write_reports,
)
from pipeline.promotion import as_rows, check_promotion, passes, slice_f1
from pipeline.registered import (
    CALIBRATION,
    IMAGE_ENCODER,
    JUDGE,
    champion_purpose,
    open_registered,
    registry_of,
    scorer,
)
from pipeline.train_config import TrainConfig

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Candidate:
    """A fitted model that is not registered yet.

    Attributes:
        trained: its encoder. judge, calibration: its judge.
        fingerprint: of the encoder.
        held: split that it is evaluated on, and probability (p,) of its pairs.
        facts: how the judge was fitted, JSON-able.
    """

    trained: Trained
    judge: JudgeModel
    calibration: Calibration
    fingerprint: str
    held: str
    probability: Floats
    facts: dict[str, Any]


def finetune(config: TrainConfig, *, dry_run: bool = False) -> dict[str, Any]:
    """Fine-tune, calibrate, evaluate, register and, when the gate passes, promote.

    Args:
        dry_run: read and check the labels, say what would be done, write nothing.

    Returns:
        The summary, JSON-able.

    Raises:
        PipelineError: nothing was registered.
    """
    lesson = steps.read(config)
    if dry_run:
        return plan(config, lesson)
    catalog = Catalog(config.catalog)
    with catalog.trainer():
        work = catalog.training_folder(_task(config, lesson))
        candidate, lesson = learn(config, lesson, work=work)
        summary = register(config, lesson, candidate, catalog)
        shutil.rmtree(work, ignore_errors=True)
    return summary


def _task(config: TrainConfig, lesson: Lesson) -> str:
    """Name of the scratch folder: the same settings and labels go on where they were killed."""
    pairs = lesson.pairs
    data = [pairs.records["text_hash"].to_pylist(), pairs.records["image_hash"].to_pylist()]
    rows = [array.tolist() for array in (pairs.left, pairs.right, pairs.grade, pairs.split)]
    return (
        f"{config.name}-{fingerprint(config=config.model_dump(mode='json'), data=data, rows=rows)}"
    )


def plan(config: TrainConfig, lesson: Lesson) -> dict[str, Any]:
    """What a fine-tune would work on."""
    pairs = lesson.pairs
    return {
        "name": config.name,
        "purpose": config.purpose,
        "records": len(pairs.records),
        "splits": split_sizes(lesson),
        "leaks": lesson.leaks,
        "labels": pairs.facts,
        "encoder": config.encoder.start.type,
        "trains_encoder": config.encoder.train,
        "catalog": config.catalog,
    }


def learn(config: TrainConfig, lesson: Lesson, *, work: Path) -> tuple[Candidate, Lesson]:
    """Train, fit and calibrate; the test pairs are scored once, at the end."""
    lesson = steps.with_pictures(config, steps.with_negatives(config, lesson))
    trained = (
        steps.train(config, lesson, work=work) if config.encoder.train else steps.start(config)
    )
    blind = steps.blind_cosines(config, lesson, work=work)
    lesson, print_ = steps.embed(config, lesson, trained)
    fitted, facts = steps.judge(config, lesson, trained=config.encoder.train, blind=blind)
    shutil.rmtree(work / JUDGE, ignore_errors=True)  # of a killed run: it would be counted in
    fitted.save(work / JUDGE)
    bound = scorer(print_, work)
    valid = lesson.pairs.part("valid")
    calibration = calibrate(
        steps.scores(lesson, fitted, "valid"),
        lesson.pairs.same[valid],
        model=config.name,
        version=bound,
        fingerprint=bound,
        target_precision=config.judge.target_precision,
        target_recall=config.judge.target_recall,
        confidence=config.judge.confidence,
        on_unreachable=config.judge.on_unreachable,
        seed=config.seed,
        group=lesson.group[valid],
    )
    held = "test" if len(lesson.pairs.part("test")) else "valid"
    probability = calibration.calibrator(steps.scores(lesson, fitted, held))
    return Candidate(trained, fitted, calibration, print_, held, probability, facts), lesson


def measure(config: TrainConfig, lesson: Lesson, candidate: Candidate) -> dict[str, Any]:
    """Metrics on the held-out pairs, at the accept threshold and at the balanced one."""
    pairs, part = lesson.pairs, lesson.pairs.part(candidate.held)
    same, slices = pairs.same[part], {n: v[part] for n, v in pairs.slices.items()}
    sides = np.stack([lesson.entity[pairs.left[part]], lesson.entity[pairs.right[part]]], axis=1)
    accept = candidate.calibration.accept.value
    valid = candidate.calibration.calibrator(steps.scores(lesson, candidate.judge, "valid"))
    balanced = balanced_threshold(valid)
    vectors = lesson.study.vectors(candidate.judge.modality)
    cosine = (vectors[pairs.left[part]] * vectors[pairs.right[part]]).sum(axis=1)

    def measured(probability: Floats, threshold: float) -> dict[str, Any]:
        return evaluate_pairs(
            same, probability, threshold, sides, seed=config.seed, slices=slices,
            min_slice=config.min_slice,
        )  # fmt: skip

    everything = np.concatenate([valid, candidate.probability])
    at_accept = measured(candidate.probability, accept)
    at_balanced = measured(candidate.probability, balanced)
    similar = measured(np.clip(cosine.astype(np.float64), 0, 1), 0.5)["metrics"]
    return {
        "split": candidate.held,
        **at_accept,
        "balanced": {"threshold": balanced, "metrics": at_balanced["metrics"]},
        "cosine": {name: similar[name] for name in ("average_precision",)},
        "histogram": histogram(_above_floor(lesson, candidate, everything)),
    }


def _above_floor(lesson: Lesson, candidate: Candidate, probability: Floats) -> Floats:
    """The held-out probabilities of pairs that a run would have found: what drift is told by."""
    pairs, vectors = lesson.pairs, lesson.study.vectors(candidate.judge.modality)
    part = np.concatenate([pairs.part("valid"), pairs.part(candidate.held)])
    cosine = (vectors[pairs.left[part]] * vectors[pairs.right[part]]).sum(axis=1)
    return np.asarray(probability[cosine >= candidate.judge.floor])


def balanced_threshold(probability: Floats) -> float:
    """The threshold with the greatest expected F1 on calibrated probabilities.

    F1 of accepting the k likeliest pairs is expected to be 2 Σ p(accepted) / (k + Σ p): smoother
    than the best F1 on the labels themselves, and as honest. The threshold lies halfway, in
    log-odds, between the last pair accepted and the first that is not.
    """
    ranked = np.sort(probability)[::-1]
    expected = 2 * np.cumsum(ranked) / (np.arange(1, len(ranked) + 1) + ranked.sum())
    # Equal probabilities are accepted together.
    ends = np.append(ranked[:-1] != ranked[1:], True)
    last = int(np.flatnonzero(ends)[expected[ends].argmax()])
    around = np.clip(ranked[last : last + 2], 1e-6, 1 - 1e-6)
    return float(expit(logit(around).mean())) if len(around) == 2 else float(ranked[last])


# --- against the rival -------------------------------------------------------------------------


def rival_scores(
    config: TrainConfig, lesson: Lesson, held: str, catalog: Catalog
) -> tuple[str | None, Floats, float]:
    """The champion's probabilities of the held-out pairs and its threshold, or zero-shot's.

    Returns:
        (reference, None for zero-shot; (p,) probabilities; accept threshold).
    """
    pairs, part = lesson.pairs, lesson.pairs.part(held)
    modality = steps.modality_of(config)
    champion = registry_of(catalog).champion(champion_purpose(config.purpose, modality))
    if champion is not None:
        rival = open_registered(champion)
        study = lesson.study.seen_by(rival, catalog, config.images)
        evidence = study.evidence(pairs.left[part], pairs.right[part], rival.rule.model)
        probability = rival.rule.calibration.calibrator(rival.rule.model.score(evidence))
        return champion.reference, probability, rival.rule.accept
    study, _ = steps.zero_shot(config, lesson)
    vectors = study.vectors(modality)
    cosine = (vectors[pairs.left[part]] * vectors[pairs.right[part]]).sum(axis=1)
    probability = np.clip((cosine.astype(np.float64) + 1) / 2, 0, 1)
    valid = pairs.part("valid")
    known = (vectors[pairs.left[valid]] * vectors[pairs.right[valid]]).sum(axis=1)
    return None, probability, _best_f1((known + 1) / 2, pairs.same[valid])


def _best_f1(score: npt.NDArray[np.floating[Any]], same: npt.NDArray[np.bool_]) -> float:
    from sklearn.metrics import precision_recall_curve

    precision, recall, thresholds = precision_recall_curve(same, score)
    f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-12)
    return float(thresholds[f1[:-1].argmax()])


# --- registry ----------------------------------------------------------------------------------


def register(
    config: TrainConfig, lesson: Lesson, candidate: Candidate, catalog: Catalog
) -> dict[str, Any]:
    """Measure, compare with the rival, register, check the gate, promote when it passes."""
    registry = registry_of(catalog)
    metrics = measure(config, lesson, candidate)
    pairs, part = lesson.pairs, lesson.pairs.part(candidate.held)
    reference, rival, threshold = rival_scores(config, lesson, candidate.held, catalog)
    compared = compare(
        pairs.same[part],
        (rival, threshold),
        (candidate.probability, candidate.calibration.accept.value),
        lesson.group[part],
        seed=config.seed,
    )
    comparison = {"metric": config.gate.metric, **compared[config.gate.metric]}
    against = reference and {
        "reference": reference,
        "slices": slice_f1(
            error_rates(
                pairs.same[part],
                rival >= threshold,
                slices={name: values[part] for name, values in pairs.slices.items()},
                min_slice=config.min_slice,
            )
        ),
    }
    gate = {
        "reference": config.name,
        "fingerprint": candidate.calibration.fingerprint,
        "slices": slice_f1(metrics["errors"]),
        "calibration": json.loads(candidate.calibration.to_json()),
    }
    checks = check_promotion(
        gate, against or None, comparison, config.gate, min_slice=config.min_slice
    )
    compared = {"against": reference or "zero-shot", "metrics": compared}
    facts = governance(config, lesson, candidate, metrics, compared, as_rows(checks))
    model = registry.register(
        config.name, lambda folder: _fill(folder, config, lesson, candidate, metrics, facts)
    )
    promoted = passes(checks) and config.gate.promote
    if promoted:
        registry.promote(
            model.name,
            model.version,
            by="gemel finetune",
            reason=f"passed the gate against {compared['against']}",
            gate=as_rows(checks),
        )
    return _summary(model, candidate, metrics, compared, as_rows(checks), promoted)


def _summary(
    model: Model,
    candidate: Candidate,
    metrics: dict[str, Any],
    compared: dict[str, Any],
    gate: Sequence[dict[str, Any]],
    promoted: bool,
) -> dict[str, Any]:
    return {
        "model": model.reference,
        "folder": str(model.folder),
        "promoted": promoted,
        "gate": list(gate),
        "held": candidate.held,
        "metrics": metrics["metrics"],
        "balanced": metrics["balanced"],
        "calibration": metrics["calibration"],
        "errors": metrics["errors"],
        "thresholds": {
            "accept": candidate.calibration.accept.to_json(),
            "review": candidate.calibration.review.to_json(),
            "unreachable": candidate.calibration.chosen["unreachable"],
        },
        "judge": candidate.facts,
        "comparison": compared,
        "encoder": candidate.trained.facts,
        "report": str(model.folder / "governance.html"),
    }


def _fill(
    folder: Path,
    config: TrainConfig,
    lesson: Lesson,
    candidate: Candidate,
    metrics: dict[str, Any],
    facts: dict[str, Any],
) -> dict[str, Any]:
    """Write a version's files; return what model.json says."""
    settings = candidate.trained.settings
    if candidate.trained.folder is not None:
        shutil.copytree(candidate.trained.folder, folder / "encoder")
        settings = settings.model_copy(update={"path": "encoder"})
    candidate.judge.save(folder / JUDGE)
    (folder / CALIBRATION).write_text(candidate.calibration.to_json() + "\n")
    write_facts(folder / "metrics.json", metrics)
    write_facts(
        folder / "training.json",
        {
            "config": config.model_dump(mode="json"),
            "labels": lesson.pairs.facts,
            "splits": split_sizes(lesson),
            "leaks": lesson.leaks,
            "encoder": candidate.trained.facts,
            "history": candidate.trained.history,
            "judge": candidate.facts,
            "seed": config.seed,
            "versions": versions(),
        },
    )
    write_reports(folder, facts)
    return {
        **_image_encoder(folder, config, candidate),
        "purpose": champion_purpose(config.purpose, candidate.judge.modality),
        "parent": start_name(config),
        "encoder": settings.model_dump(mode="json"),
        "encoder_fingerprint": candidate.fingerprint,
        "modality": candidate.judge.modality,
    }


def _image_encoder(folder: Path, config: TrainConfig, candidate: Candidate) -> dict[str, Any]:
    """Copy the encoder of the pictures beside the texts, where the judge sees them."""
    settings = config.judge.image_encoder
    if candidate.judge.pictures is None or settings is None:
        return {}
    if path := getattr(settings, "path", None):
        place = Path(IMAGE_ENCODER) / Path(path).name
        (folder / IMAGE_ENCODER).mkdir()
        (shutil.copytree if Path(path).is_dir() else shutil.copyfile)(path, folder / place)
        settings = settings.model_copy(update={"path": place.as_posix()})
    return {IMAGE_ENCODER: settings.model_dump(mode="json")}
