"""The learned judge, from labelled pairs and their evidence: weights, head, fusion, floor."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from pipeline.arrays import Floats, Rows
from pipeline.config import JudgeTraining
from pipeline.evaluation import NeighbourhoodLevel
from pipeline.matching import (
    GEOMETRY,
    GEOMETRY_METHOD,
    PICTURED,
    Evidence,
    Fusion,
    JudgeModel,
    Modality,
    PairEvidence,
    Similarity,
    head_inputs,
    learn_weights,
)
from pipeline.outputs import JudgeFacts, NormalisationChoice, SearchFloor
from pipeline.training.judge.fit_heads import FittedHead, JudgePairs, fit_head

BACKGROUND_SAMPLE = 4096
NEIGHBOURS = 10
# Normalised cosines are used when they raise validation's average precision by this much.
LEAST_GAIN = 0.002
# What bounds the candidates of a run at the search floor: neighbours of a record on average, or,
# in a small corpus, pairs in all.
CROWDED, FEW_PAIRS = 50, 4_000_000


@dataclass(frozen=True)
class Learner:
    """What is fixed before the judge is fitted.

    Attributes:
        modality: of the encoder.
        settings: of the judge.
        trained: the encoder was trained on these very pairs, so its cosines are no evidence.
        seed: of every draw.
        pictures: fingerprint of the image encoder that looked at the pictures beside the texts.
    """

    modality: Modality
    settings: JudgeTraining
    trained: bool
    seed: int
    pictures: str | None = None

    @property
    def geometry(self) -> bool:
        """Whether pairs of pictures are laid upon each other for it."""
        beside = self.settings.kind != "similarity"  # whose only evidence is the cosine
        return self.modality == "image" and self.settings.geometry and beside


def blank_judge(
    learner: Learner,
    texts: list[str],
    fields: dict[str, list[str]],
    *,
    vectors: npt.NDArray[np.float32],
) -> JudgeModel:
    """A judge that has learned word weights and a background, and nothing else yet.

    Args:
        texts, fields: of the training records; vectors: (n, d) theirs.
    """
    blocks = learn_weights(texts, dict(fields)) if learner.modality == "text" else {}
    return JudgeModel(
        modality=learner.modality,
        blocks=blocks,
        extras=(),
        head=Similarity(0, 1.0, 0.0),
        fusion=None,
        background=_background(vectors, learner),
        floor=-1.0,
        attributes=learner.settings.attributes,
        pictures=learner.pictures,
        geometry=GEOMETRY_METHOD if learner.geometry else None,
    )


def _background(vectors: npt.NDArray[np.float32], learner: Learner) -> NeighbourhoodLevel | None:
    distinct = np.unique(vectors.astype(np.float16), axis=0)
    if len(distinct) < 4 * NEIGHBOURS:
        return None
    rng = np.random.default_rng(learner.seed)
    rows = np.sort(rng.permutation(len(distinct))[:BACKGROUND_SAMPLE])
    neighbours = learner.settings.background or NEIGHBOURS
    return NeighbourhoodLevel(distinct[rows], neighbours, nearer=0.98)


@dataclass(frozen=True)
class EvidentPairs:
    """Labelled pairs with their evidence.

    Attributes:
        evidence: of p pairs. same, group: as `JudgePairs`.
        blind_cosine: (p,) cosines by encoders not trained on the pair's fold; None: those in
            the evidence are honest.
    """

    evidence: Evidence
    same: npt.NDArray[np.bool_]
    group: Rows
    blind_cosine: Floats | None = None

    def pairs(self, extras: tuple[str, ...]) -> JudgePairs:
        """As a head sees them."""
        evidence = self.evidence
        if self.blind_cosine is not None:
            evidence = _with_cosine(evidence, self.blind_cosine)
        return JudgePairs(head_inputs(evidence, extras), self.same, self.group)


def _with_cosine(evidence: Evidence, cosine: Floats) -> Evidence:
    if isinstance(evidence, PairEvidence):
        return replace(evidence, text=replace(evidence.text, cosine=cosine))
    return replace(evidence, cosine=cosine)


def learn_judge(
    blank: JudgeModel, train: EvidentPairs, valid: EvidentPairs, learner: Learner
) -> tuple[JudgeModel, JudgeFacts]:
    """Fit the head, and decide on validation whether normalised cosines gain enough to be used.

    Returns:
        The judge without a floor, and how it was fitted.
    """
    plain = (f"{learner.modality}: cosine",)
    normalised = (*plain, f"{learner.modality}: cosine above background")
    tried = [_fit(blank, train, valid, learner, plain)]
    if blank.background is not None:
        # The kind is chosen already: only the cosines differ.
        chosen = learner.settings.model_copy(update={"kind": tried[0][2].head.kind})
        again = replace(learner, settings=chosen)
        tried.append(_fit(blank, train, valid, again, normalised))
    best = 0
    if len(tried) > 1 and tried[1][1] >= tried[0][1] + LEAST_GAIN:
        best = 1
    judge, precision, fit = tried[best]
    if not best:
        judge = replace(judge, background=None)
    return judge, JudgeFacts(
        kind=fit.head.kind,
        tried=fit.tried,
        validation_average_precision=precision,
        background=NormalisationChoice(
            bool(best), tuple(value for _, value, _ in tried), f"used when it gains {LEAST_GAIN}"
        ),
        features=len(judge.names),
        attributes=tuple(judge.attributes),
        geometry=judge.geometry is not None,
        fusion=judge.fusion,
    )


def _fit(
    blank: JudgeModel,
    train: EvidentPairs,
    valid: EvidentPairs,
    learner: Learner,
    columns: tuple[str, ...],
) -> tuple[JudgeModel, float, FittedHead]:
    """One way to use the cosines: as features, or, of a trained encoder, in a fusion."""
    from sklearn.metrics import average_precision_score

    looked = blank.geometry is not None and _tells(train)
    beside = bool(blank.blocks) or looked
    fused = learner.trained and train.blind_cosine is None and beside
    pictured = (*(PICTURED if blank.pictures else ()), *((GEOMETRY,) if looked else ()))
    extras = (*(() if fused else columns), *pictured)
    fit = fit_head(
        train.pairs(extras),
        valid.pairs(extras),
        cosine=-1 if fused else len(blank.names),
        kind=learner.settings.kind,
        seed=learner.seed,
    )
    way = blank.geometry if looked else None
    judge = replace(blank, extras=extras, head=fit.head, geometry=way)
    if fit.head.kind == "similarity":  # its only evidence is the cosine
        judge = replace(judge, extras=columns, pictures=None, geometry=None)
    if fused:
        judge = replace(judge, fusion=_fusion(judge, valid, columns))
    precision = average_precision_score(valid.same, judge.learned_score(valid.evidence))
    return judge, float(precision), fit


def _tells(train: EvidentPairs) -> bool:
    """Whether laying pictures upon each other told anything of a training pair."""
    return not bool(np.isnan(train.evidence.columns()[GEOMETRY]).all())


def _fusion(judge: JudgeModel, valid: EvidentPairs, columns: tuple[str, ...]) -> Fusion:
    """Non-negative logistic weights of the head's score and the cosines, on validation pairs."""
    from scipy.optimize import minimize
    from scipy.special import expit

    known = valid.evidence.columns()
    parts = [judge.learned_score(valid.evidence), *(np.nan_to_num(known[name]) for name in columns)]
    values = np.stack(parts, axis=1)
    scale = np.maximum(values.std(axis=0), 1e-6)
    middle = values.mean(axis=0)
    x = (values - middle) / scale
    y = valid.same.astype(np.float64)

    def loss(theta: Floats) -> tuple[float, Floats]:
        odds = x @ theta[:-1] + theta[-1]
        slip = expit(odds) - y
        # A whisper of a penalty keeps separable validation sets finite.
        value = (np.logaddexp(0, odds) - y * odds).sum() + 0.01 * (theta[:-1] ** 2).sum()
        return float(value), np.append(x.T @ slip + 0.02 * theta[:-1], slip.sum())

    bounds = [(0.0, None)] * x.shape[1] + [(None, None)]
    theta = minimize(loss, np.append(np.ones(x.shape[1]), 0.0), jac=True, bounds=bounds).x
    weights = theta[:-1] / scale
    bias = float(theta[-1] - (weights * middle).sum())
    return Fusion(bias, float(weights[0]), columns, tuple(float(w) for w in weights[1:]))


def cosine_floor(
    cosine: Floats, same: npt.NDArray[np.bool_], vectors: npt.NDArray[np.float32], *, seed: int
) -> SearchFloor:
    """The cosine down to which a run searches with this encoder.

    One in a hundred labelled duplicates may lie below it; but it never is so low that the corpus
    at hand would have more than CROWDED neighbours a record and FEW_PAIRS pairs.
    """
    near = cosine[same & ~np.isnan(cosine)]
    wanted = float(np.quantile(near, 0.01)) if len(near) else -1.0
    rng = np.random.default_rng(seed)
    sample = vectors[np.sort(rng.permutation(len(vectors))[:1000])]
    levels = np.sort((sample @ vectors.T).ravel())
    count = max(len(vectors), 1)
    share = min(max(CROWDED / count, FEW_PAIRS / count**2), 1.0)
    crowded = float(levels[int((1 - share) * (len(levels) - 1))])
    floor = round(min(max(wanted, crowded), 0.95), 4)
    return SearchFloor(floor, float((near >= floor).mean()) if len(near) else 1.0)
