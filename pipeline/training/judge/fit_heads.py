"""A judge's head: every kind fitted by cross-fitting over entities, the best on validation kept.

Cross-fitting (k models, each blind to one fold of the entities) gives every training pair a score
by a model fitted without its entities, or, where different pairs join almost all entities, without
its left one (`judge.folds`); the k models together are the head.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.arrays import Flags, Floats
from pipeline.errors import TrainingError
from pipeline.matching import Blend, Boosted, Head, Linear, LinearModel, Scaler, Similarity
from pipeline.outputs import HeadScore
from pipeline.training.judge.folds import entity_folds

Features = npt.NDArray[np.floating[Any]]
EntityNumbers = npt.NDArray[np.int64]

FOLDS = 5
# Missing this share more of the average precision than the best does is a tie, and so is a
# hundred-thousandth.
TIE, NOISE = 0.02, 1e-5
ROUNDS, PATIENCE = 800, 50
# Simpler first: of heads that are equal on validation the first is kept.
KINDS = ("similarity", "linear", "boosted", "blend")


@dataclass(frozen=True)
class JudgePairs:
    """Labelled pairs as a judge sees them.

    Attributes:
        features: (p, f), NaN where unknown.
        same: (p,) true for duplicates.
        group: (p,) entity of the pair, or (p, 2) those of both its sides; see `judge.folds`.
    """

    features: Features
    same: Flags
    group: EntityNumbers


@dataclass(frozen=True)
class FittedHead:
    """A head and how it came to be.

    Attributes:
        head: the chosen head.
        out_of_fold: (p,) scores of the training pairs by models blind to their entity.
        tried: average precision of each kind.
    """

    head: Head
    out_of_fold: Floats
    tried: dict[str, HeadScore]


def fit_head(
    train: JudgePairs, valid: JudgePairs, *, cosine: int, kind: str, seed: int
) -> FittedHead:
    """Fit the head of `kind`, or every kind for 'auto', and keep the best average precision.

    Args:
        cosine: the column of the embeddings' cosine, -1 without.

    Raises:
        TrainingError: a part holds pairs of one class only.
    """
    from sklearn.metrics import average_precision_score

    for part, pairs in (("training", train), ("validation", valid)):
        if not len(pairs.same):
            raise TrainingError(
                f"there are no {part} pairs; label more pairs, or raise their share in `split`"
            )
        if pairs.same.all() or not pairs.same.any():
            raise TrainingError(
                f"the {part} pairs are all {'duplicates' if pairs.same.all() else 'different'}: a "
                "judge learns from both; add labels of the other kind, or mine negatives"
            )
    fits = _fits(train, cosine=cosine, kind=kind, seed=seed)
    tried = {
        name: HeadScore(
            float(average_precision_score(valid.same, head.score(valid.features))),
            float(average_precision_score(train.same, scores)),
        )
        for name, (head, scores) in fits.items()
    }

    head, scores = fits[_best(tried)]
    return FittedHead(head, scores, tried)


def _best(tried: dict[str, HeadScore]) -> str:
    """The head that misses least, or a simpler one that misses hardly more.

    Validation and the folds' blind scores count alike: a small validation set alone is luck.
    """
    missed = {name: 1 - (found.validation + found.out_of_fold) / 2 for name, found in tried.items()}
    close = min(missed.values()) * (1 + TIE) + NOISE
    return next(name for name in KINDS if missed.get(name, np.inf) <= close)


def _fits(
    train: JudgePairs, *, cosine: int, kind: str, seed: int
) -> dict[str, tuple[Head, Floats]]:
    wanted = set(KINDS) if kind == "auto" else {kind}
    fits: dict[str, tuple[Head, Floats]] = {}
    folds = _folds(train, seed)
    if "similarity" in wanted and cosine >= 0:
        similarity = _similarity(train, cosine)
        fits["similarity"] = similarity, similarity.score(train.features)
    if wanted & {"linear", "blend"}:
        fits["linear"] = _linear(train, folds)
    if wanted & {"boosted", "blend"}:
        fits["boosted"] = _boosted(train, folds, seed)
    if "blend" in wanted:
        parts = fits["boosted"], fits["linear"]
        mean = np.mean([scores for _, scores in parts], axis=0)
        fits["blend"] = Blend(tuple(head for head, _ in parts)), mean
    chosen = {name: fit for name, fit in fits.items() if name in wanted}
    if not chosen:
        raise TrainingError("judge.kind similarity needs an encoder; choose another kind")
    return chosen


def _folds(train: JudgePairs, seed: int) -> list[tuple[EntityNumbers, EntityNumbers]]:
    """Stratified folds in which both sides hold both classes; fewer where entities are few."""
    left = train.group.reshape(len(train.same), -1)[:, 0]
    entities = [len(np.unique(left[one])) for one in (train.same, ~train.same)]
    count = min(FOLDS, *entities)
    if count < 2:
        raise TrainingError(
            f"the training pairs hold duplicates of {entities[0]} and different pairs of "
            f"{entities[1]} entities; a judge needs two of either at least, label more"
        )
    folds = entity_folds(train.group, train.same, count=count, seed=seed)
    return [(fit, held) for fit, held in folds if 0 < train.same[fit].sum() < len(fit)]


def _similarity(train: JudgePairs, cosine: int) -> Similarity:
    from sklearn.linear_model import LogisticRegression

    values = np.nan_to_num(train.features[:, [cosine]], nan=-1.0)
    model = LogisticRegression(C=1e3, max_iter=1000).fit(values, train.same)
    return Similarity(cosine, max(float(model.coef_[0, 0]), 1e-6), float(model.intercept_[0]))


def _linear(
    train: JudgePairs, folds: list[tuple[EntityNumbers, EntityNumbers]]
) -> tuple[Linear, Floats]:
    from sklearn.linear_model import LogisticRegression

    scores = np.zeros(len(train.same))
    models = []
    for rows, held in folds:
        scaler = Scaler.learn(train.features[rows])
        # The penalty suits a few dozen correlated features; measured on the open sets.
        regression = LogisticRegression(C=0.05, max_iter=1000)
        regression.fit(scaler(train.features[rows]), train.same[rows])
        models.append(LinearModel(scaler, regression.coef_[0], float(regression.intercept_[0])))
        scores[held] = models[-1].score(train.features[held])
    return Linear(tuple(models)), scores


def _boosted(
    train: JudgePairs, folds: list[tuple[EntityNumbers, EntityNumbers]], seed: int
) -> tuple[Boosted, Floats]:
    import lightgbm

    scores = np.zeros(len(train.same))
    models = []
    for rows, held in folds:
        data = lightgbm.Dataset(train.features[rows], train.same[rows].astype(np.int8))
        watched = lightgbm.Dataset(
            train.features[held], train.same[held].astype(np.int8), reference=data
        )
        model = lightgbm.train(
            _tree_settings(len(rows), seed),
            data,
            ROUNDS,
            valid_sets=[watched],
            callbacks=[lightgbm.early_stopping(PATIENCE, verbose=False)],
        )
        best = model.best_iteration
        scores[held] = model.predict(train.features[held], raw_score=True, num_iteration=best)
        models.append(model.model_to_string(num_iteration=best))
    return Boosted(tuple(models)), np.round(scores, 6)


def _tree_settings(pairs: int, seed: int) -> dict[str, Any]:
    return {
        "objective": "binary",
        "learning_rate": 0.05,
        "num_leaves": 15,
        "min_data_in_leaf": int(np.clip(pairs // 100, 3, 20)),
        "bagging_fraction": 0.8,
        "bagging_freq": 1,
        "feature_fraction": 0.5,
        "lambda_l2": 1.0,
        "seed": seed,
        "num_threads": 1,  # the same trees on every machine, and as fast at this size
        "deterministic": True,
        "force_row_wise": True,
        "verbose": -1,
    }
