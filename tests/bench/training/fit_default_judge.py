"""Fit the rule by cosines of `pipeline/matching/rules/default_rules.py` on open labelled sets.

It judges the texts of a student's teacher; all other texts are judged by `fit_text_judge.py`'s.

    python tests/bench/training/fit_default_judge.py --data DATA --catalogs build/bench/catalogs

Reads the scored candidate pairs that `real_data.py` left (run it first), labels them, and fits one
logistic regression over all sets with equal weight per set, every weight non-negative (more
agreement never counts against a pair). Prints the weights, leave-one-set-out average precision
beside the plain cosine's, and precision and recall per set at a few probabilities.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.compute as pc
from real_data import SETS, strip
from scipy.optimize import minimize
from sklearn.metrics import average_precision_score

from pipeline.catalog import Catalog

FEATURES = ("text_cosine", "token_overlap", "edit_similarity", "length_ratio", "code_agreement",
            "lexical")  # fmt: skip


@dataclass(frozen=True)
class Labelled:
    name: str
    x: np.ndarray
    y: np.ndarray
    missed: int


def labelled(name: str, data: Path, catalogs: Path, floor: float) -> Labelled:
    """The candidates of a set from `floor` on that its labels decide; identical texts are none."""
    catalog = Catalog(catalogs / name, create=False)
    pairs = catalog.read("pairs", run=catalog.runs()[0])
    pairs = pairs.filter(pc.greater_equal(pairs["text_cosine"], floor))
    keys = list(zip(strip(pairs["left_id"]), strip(pairs["right_id"]), strict=True))
    keys = [(min(key), max(key)) for key in keys]
    truth = SETS[name][1](data / name)
    exact = pairs["exact_text"].to_pylist()
    negative = truth.negative
    chosen, y = [], []
    for row, key in enumerate(keys):
        positive = key in truth.positive
        admitted = truth.comparable(*key) if negative is None else key in negative
        if not exact[row] and (positive or admitted):
            chosen.append(row)
            y.append(positive)
    x = np.stack([pairs[f].to_numpy(zero_copy_only=False) for f in FEATURES], axis=1)[chosen]
    missed = len(truth.positive - set(keys))
    return Labelled(name, np.nan_to_num(x.astype(float)), np.array(y), missed)


def fit(sets: list[Labelled], penalty: float = 1e-3) -> np.ndarray:
    """Weights and bias (last) of a logistic regression with non-negative weights."""
    x = np.concatenate([s.x for s in sets])
    y = np.concatenate([s.y for s in sets])
    weight = np.concatenate([np.full(len(s.y), 1 / len(s.y)) for s in sets]) / len(sets)

    def loss(theta: np.ndarray) -> tuple[float, np.ndarray]:
        z = x @ theta[:-1] + theta[-1]
        p = 1 / (1 + np.exp(-z))
        value = -(weight * np.where(y, -np.logaddexp(0, -z), -np.logaddexp(0, z))).sum()
        residual = weight * (p - y)
        gradient = np.append(x.T @ residual, residual.sum())
        gradient[:-1] += 2 * penalty / 100 * theta[:-1]
        return value + penalty / 100 * (theta[:-1] ** 2).sum(), gradient

    bounds = [(0, 40)] * x.shape[1] + [(-80, 10)]
    start = np.append(np.ones(x.shape[1]), -5.0)
    return minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds).x


def scores(theta: np.ndarray, s: Labelled) -> np.ndarray:
    return 1 / (1 + np.exp(-(s.x @ theta[:-1] + theta[-1])))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--catalogs", type=Path, default=Path("build/bench/catalogs"))
    parser.add_argument("--sets", nargs="*", default=["er_abt_buy", "er_cora", "gitbugs"])
    parser.add_argument("--floor", type=float, default=-1.0, help="leave out lower cosines")
    chosen = parser.parse_args()
    sets = [labelled(name, chosen.data, chosen.catalogs, chosen.floor) for name in chosen.sets]
    theta = fit(sets)
    print("weights", dict(zip((*FEATURES, "bias"), theta.round(2).tolist(), strict=True)))
    for s in sets:
        others = [o for o in sets if o is not s]
        held_out = scores(fit(others), s) if others else scores(theta, s)
        p = scores(theta, s)
        line = (
            f"{s.name:<22} pairs {len(s.y):>8,} positive {int(s.y.sum()):>6,}  AP cosine "
            f"{average_precision_score(s.y, s.x[:, 0]):.3f} left-out "
            f"{average_precision_score(s.y, held_out):.3f} fitted "
            f"{average_precision_score(s.y, p):.3f} missed {s.missed:,}"
        )
        for at in (0.5, 0.7, 0.9, 0.95):
            hit = p >= at
            precision = s.y[hit].mean() if hit.any() else float("nan")
            line += f" | {at}: P {precision:.3f} R {s.y[hit].sum() / s.y.sum():.3f}"
        print(line)


if __name__ == "__main__":
    main()
