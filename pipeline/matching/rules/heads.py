"""Comparison heads: evidence of a pair → a score, higher for a likelier duplicate.

The two classic Siamese outputs: a function of the distance alone (`similarity`), and a learned
comparison of both sides (`linear`, `boosted`, and `blend`, the mean of both). `corrected` is the
shipped judge of texts with what a few labels correct in it.
Scores are log-odds; `calibration.calibration` makes probabilities of them. Weights are kept in
safetensors and trees in LightGBM's own text format: nothing is pickled.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt

from pipeline.arrays import Floats
from pipeline.matching.rules.judge_files import reading_files, write_arrays

Kind = Literal["similarity", "linear", "boosted", "blend", "corrected"]

LIMIT = 1e3  # standardised evidence is clipped here: one odd number must not decide alone
DECIMALS = 6  # scores are rounded, so that the company of a pair in its batch cannot move it


class Head(Protocol):
    """Scores pairs from a feature matrix whose columns the head was fitted on."""

    @property
    def kind(self) -> str: ...

    def score(self, features: npt.NDArray[np.floating[Any]]) -> Floats:
        """(p, f) features, NaN where unknown → (p,) float64 log-odds."""
        ...

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """What is kept in safetensors."""
        ...

    def texts(self) -> dict[str, str]:
        """What is kept as text files, by name."""
        ...


@dataclass(frozen=True)
class Similarity:
    """Log-odds linear in one column, the cosine; the fallback where it is unknown scores lowest."""

    column: int
    slope: float
    bias: float
    kind: str = "similarity"

    def score(self, features: npt.NDArray[np.floating[Any]]) -> Floats:
        """See `Head.score`."""
        cosine = np.nan_to_num(np.asarray(features[:, self.column], np.float64), nan=-1.0)
        return np.round(self.bias + self.slope * cosine, DECIMALS)

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """See `Head.arrays`."""
        return {"similarity": np.array([self.column, self.slope, self.bias], np.float64)}

    def texts(self) -> dict[str, str]:
        """See `Head.texts`."""
        return {}


@dataclass(frozen=True)
class Scaler:
    """Standardises features; an unknown one becomes its mean, beside a column that says so.

    Attributes:
        mean, scale: (f,) float64 over the training pairs that have the feature.
        gaps: (g,) int64 columns that are unknown for some training pair.
    """

    mean: Floats
    scale: Floats
    gaps: npt.NDArray[np.int64]

    @classmethod
    def learn(cls, features: npt.NDArray[np.floating[Any]]) -> Scaler:
        """Means and standard deviations by column; constant columns keep scale 1."""
        wide = np.asarray(features, np.float64)
        known = ~np.isnan(wide)
        count = np.maximum(known.sum(axis=0), 1)
        mean = np.where(known, wide, 0).sum(axis=0) / count
        spread = np.sqrt(np.where(known, (wide - mean) ** 2, 0).sum(axis=0) / count)
        return cls(mean, np.where(spread > 1e-9, spread, 1.0), np.flatnonzero(~known.all(axis=0)))

    def __call__(self, features: npt.NDArray[np.floating[Any]]) -> Floats:
        """(p, f) → (p, f + g) float64."""
        wide = np.asarray(features, np.float64)
        missing = np.isnan(wide)
        scaled = np.clip(
            (np.where(missing, self.mean, wide) - self.mean) / self.scale, -LIMIT, LIMIT
        )
        return np.concatenate([scaled, missing[:, self.gaps].astype(np.float64)], axis=1)


@dataclass(frozen=True)
class LinearModel:
    """A logistic regression over standardised features.

    Attributes:
        scaler: of the f features, g of which have gaps.
        weight: (f + g,) float64. bias: log-odds where all features have their means.
    """

    scaler: Scaler
    weight: Floats
    bias: float

    def score(self, features: npt.NDArray[np.floating[Any]]) -> Floats:
        """(p, f) features, NaN where unknown → (p,) float64 log-odds."""
        return np.asarray(self.scaler(features) @ self.weight + self.bias)


@dataclass(frozen=True)
class Linear:
    """The mean log-odds of several linear models, one per training fold."""

    models: tuple[LinearModel, ...]
    kind: str = "linear"

    def score(self, features: npt.NDArray[np.floating[Any]]) -> Floats:
        """See `Head.score`."""
        scores = [model.score(features) for model in self.models]
        return np.asarray(np.round(np.mean(scores, axis=0), DECIMALS))

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """See `Head.arrays`: 'linear.<fold>.weight', '….bias', '….mean', '….scale', '….gaps'."""
        out: dict[str, npt.NDArray[Any]] = {}
        for number, model in enumerate(self.models):
            parts = {**vars(model.scaler), "weight": model.weight, "bias": np.array([model.bias])}
            out |= {f"linear.{number}.{name}": part for name, part in parts.items()}
        return out

    def texts(self) -> dict[str, str]:
        """See `Head.texts`."""
        return {}


@dataclass(frozen=True)
class Boosted:
    """The mean log-odds of gradient-boosted trees, one LightGBM model per training fold."""

    models: tuple[str, ...]  # LightGBM's text format
    kind: str = "boosted"

    @cached_property
    def _loaded(self) -> list[Any]:
        import lightgbm

        return [lightgbm.Booster(model_str=text) for text in self.models]

    def score(self, features: npt.NDArray[np.floating[Any]]) -> Floats:
        """See `Head.score`."""
        if not len(features):
            return np.zeros(0)
        scores = [model.predict(features, raw_score=True) for model in self._loaded]
        return np.asarray(np.round(np.mean(scores, axis=0), DECIMALS))

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """See `Head.arrays`."""
        return {}

    def texts(self) -> dict[str, str]:
        """See `Head.texts`."""
        return {f"trees-{number}.txt": text for number, text in enumerate(self.models)}


@dataclass(frozen=True)
class Blend:
    """The mean of several heads' log-odds."""

    heads: tuple[Head, ...]
    kind: str = "blend"

    def score(self, features: npt.NDArray[np.floating[Any]]) -> Floats:
        """See `Head.score`."""
        return np.asarray(
            np.round(np.mean([head.score(features) for head in self.heads], axis=0), DECIMALS)
        )

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """See `Head.arrays`."""
        return {name: a for head in self.heads for name, a in head.arrays().items()}

    def texts(self) -> dict[str, str]:
        """See `Head.texts`."""
        return {name: text for head in self.heads for name, text in head.texts().items()}


@dataclass(frozen=True)
class Corrected:
    """The shipped judge's log-odds with a correction that labels taught; see `evidence.CORRECTING`.

    The features are those of the shipped judge, then the log-odds that the sources and columns add,
    then the columns of the correction.

    Attributes:
        trees: the shipped judge's. shift: log-odds that the corpus adds to its.
        width: its number of features.
        correction: of the log-odds so far and the columns after the sources', unknown ones of
            which say nothing.
    """

    trees: Boosted
    shift: float
    width: int
    correction: LinearModel
    kind: str = "corrected"

    def shipped(self, features: npt.NDArray[np.floating[Any]]) -> Floats:
        """(p,) log-odds before the correction."""
        odds = self.trees.score(features[:, : self.width]) + self.shift
        return np.asarray(odds + np.nan_to_num(features[:, self.width].astype(np.float64)))

    def score(self, features: npt.NDArray[np.floating[Any]]) -> Floats:
        """See `Head.score`."""
        odds = self.shipped(features)
        seen = np.concatenate([odds[:, None], features[:, self.width + 1 :]], axis=1)
        return np.asarray(np.round(odds + self.correction.score(seen), DECIMALS))

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """See `Head.arrays`."""
        own = {"corrected": np.array([self.shift, self.width], np.float64)}
        return own | Linear((self.correction,)).arrays()

    def texts(self) -> dict[str, str]:
        """See `Head.texts`."""
        return self.trees.texts()


def save_head(head: Head, folder: Path) -> None:
    """Write a head below `folder` (made when absent): head.json, head.safetensors, trees-*.txt."""
    folder.mkdir(parents=True, exist_ok=True)
    texts = {name: text.encode() for name, text in head.texts().items()}
    sums = {name: hashlib.sha256(text).hexdigest() for name, text in texts.items()}
    facts = {"kind": head.kind, "texts": sums}
    (folder / "head.json").write_text(json.dumps(facts, indent=2) + "\n")
    write_arrays(head.arrays(), folder / "head.safetensors")
    for name, text in texts.items():
        (folder / name).write_bytes(text)


def load_head(folder: Path) -> Head:
    """Read what `save_head` wrote.

    Raises:
        ModelError: a file is missing or damaged.
    """
    with reading_files(folder, facts="head.json", arrays="head.safetensors") as (facts, arrays):
        trees = [_text(folder / name, expected) for name, expected in facts["texts"].items()]
        head = _build(facts["kind"], arrays, trees)
    return head


def _text(path: Path, expected: str) -> str:
    """Read a file whole or not at all: LightGBM ends the process on a damaged one."""
    content = path.read_bytes()
    if hashlib.sha256(content).hexdigest() != expected:
        raise ValueError(f"{path.name} was altered")
    return content.decode()


def _build(kind: str, arrays: dict[str, npt.NDArray[Any]], trees: Sequence[str]) -> Head:
    match kind:
        case "similarity":
            column, slope, bias = arrays["similarity"].tolist()
            return Similarity(int(column), slope, bias)
        case "linear":
            return _linear(arrays)
        case "boosted":
            if not trees:
                raise ValueError("its trees are missing")
            return Boosted(tuple(trees))
        case "blend":
            return Blend((_build("boosted", {}, trees), _linear(arrays)))
        case "corrected":
            shift, width = arrays["corrected"].tolist()
            (correction,) = _linear(arrays).models
            return Corrected(_build("boosted", {}, trees), shift, int(width), correction)  # type: ignore[arg-type]
        case _:
            raise ValueError(f"unknown kind {kind!r}")


def _linear(arrays: dict[str, npt.NDArray[Any]]) -> Linear:
    models: list[LinearModel] = []
    while f"linear.{len(models)}.mean" in arrays:
        own = f"linear.{len(models)}"
        scaler = Scaler(*(arrays[f"{own}.{name}"] for name in ("mean", "scale", "gaps")))
        weight, bias = arrays[f"{own}.weight"], arrays[f"{own}.bias"]
        models.append(LinearModel(scaler, weight, float(bias[0])))
    if not models:
        raise ValueError("its weights are missing")
    return Linear(tuple(models))
