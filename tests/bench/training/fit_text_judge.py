"""Train the judge of texts that is shipped (`pipeline/matching/rules/transferred.py`) on open sets.

    python tests/bench/training/fit_text_judge.py --data DATA --out build/judges
        [--without-each build/judges/without] [--seeds 3] [--vectors build/vectors]
        [--beside 'build/earlier/{set}.json']

Candidates of a set are the pairs that share a rare word and each text's nearest by MiniLM; of a
list of labelled pairs they are the list. Boosted trees over what words two texts share, every one
monotone where its meaning is, are trained on a sample of each set's candidates with equal weight
per set, and written to OUT/text_judge.json. --without-each trains one more judge for each measured
set, without it and its relatives, writes it to {set}.json there (`without_labels.py --judge` takes
it) and tells what it is worth on that set's candidates: the best F1 that any threshold has, and
precision, recall and F1 at the product's own threshold, for each pair alone, before any clusters.
--seeds: the mean and the standard deviation over so many; what is written is of the first.
--beside: another judge's F1 on the same candidates; {set} in its path is the set's name.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import numpy as np
from open_sets import MEASURED, TRAINED, read_set, strangers
from set_candidates import Pairs, pairs_of

from pipeline.arrays import Flags, Floats
from pipeline.encoders import core_count
from pipeline.matching.comparison.text_features import ALIKE, BLOCK, UNLIKE
from pipeline.matching.rules.heads import Boosted
from pipeline.matching.rules.transferred import LEAST_ACROSS, MOST, TransferredJudge, shift_of

sys.path.append(str(Path(__file__).parents[1]))
from real_data import Report

SAMPLE = 12_000  # pairs of a set that train, at most half of them true
# The names of one benchmark, nine sets of one column, count together as about two sets.
NAMES_SAMPLE, NAMES_WEIGHT = SAMPLE // 4, 0.2
# Which way these count is a matter of the kind of text: they are left free.
UNCERTAIN = {"length_ratio", "number_difference", "rare_extra", "unmatched_more"}
DIRECTION = [
    0 if name in UNCERTAIN else 1 if name in ALIKE else -1 if name in UNLIKE else 0
    for name in BLOCK
]
TREES = {
    "n_estimators": 200, "num_leaves": 15, "learning_rate": 0.05, "min_child_samples": 50,
    "subsample": 0.8, "subsample_freq": 1, "colsample_bytree": 0.6, "reg_lambda": 5,
    "monotone_constraints": DIRECTION, "verbose": -1, "n_jobs": 1,
}  # fmt: skip
HEADER = ("| left out | candidates | of them true | true pairs | best F1 | precision | recall | F1 "
          "| log-odds of the corpus | beside: best F1 | F1 |")  # fmt: skip


def sample(name: str, pairs: Pairs, seed: int) -> tuple[Floats, Flags, Floats]:
    """Features, truth and weights of the pairs of a set that train; shares stay as they are."""
    names = name.startswith("autofj_")
    size, total = (NAMES_SAMPLE, NAMES_WEIGHT) if names else (SAMPLE, 1.0)
    random = np.random.default_rng(seed)
    chosen, weights, room = [], [], size // 2
    for rows in (np.flatnonzero(pairs.truth), np.flatnonzero(~pairs.truth)):
        taken = random.choice(rows, room, replace=False) if len(rows) > room else rows
        chosen.append(taken)
        weights.append(np.full(len(taken), len(rows) / max(len(taken), 1)))
        room = size - len(taken)
    rows, weight = np.concatenate(chosen), np.concatenate(weights)
    return pairs.features[rows], pairs.truth[rows], weight * (total * 1e4 / weight.sum())


def trained(sets: dict[str, Pairs], seed: int) -> TransferredJudge:
    """A judge that knows these sets."""
    from lightgbm import LGBMClassifier

    samples = [sample(name, pairs, seed) for name, pairs in sets.items()]
    features, truth, weight = (np.concatenate(part) for part in zip(*samples, strict=True))
    model = LGBMClassifier(random_state=seed, **TREES)
    model.fit(features, truth, sample_weight=weight)
    prior = round(float(np.average(truth, weights=weight)), 4)
    return TransferredJudge(prior, Boosted((model.booster_.model_to_string(),)))


def figures(judge: TransferredJudge, pairs: Pairs) -> dict[str, float]:
    """What a judge is worth on a set's candidates, each alone."""
    scores = judge.head.score(pairs.features)
    order = np.argsort(-scores, kind="stable")
    right, joined = np.cumsum(pairs.truth[order]), np.arange(1, len(order) + 1)
    best = np.full(int(pairs.ends.max()) + 1, -np.inf)
    for end in pairs.ends:
        np.maximum.at(best, end, scores)
    shift = shift_of(best, least=LEAST_ACROSS, most=MOST)
    duplicate = scores + shift >= 0
    hits = float((duplicate & pairs.truth).sum())
    return {
        "best": float((2 * right / (joined + pairs.true_pairs)).max()),
        "precision": hits / max(float(duplicate.sum()), 1.0),
        "recall": hits / pairs.true_pairs,
        "f1": 2 * hits / (float(duplicate.sum()) + pairs.true_pairs),
        "shift": shift,
    }


def measured(name: str, sets: dict[str, Pairs], chosen: argparse.Namespace) -> dict[str, Any]:
    """Train without a set and its relatives, for each seed, and measure on it."""
    known = {other: sets[other] for other in strangers(name)}
    judges = [trained(known, seed) for seed in range(chosen.seeds)]
    judges[0].save(chosen.without_each / f"{name}.json")
    row = {
        "set": name,
        "candidates": len(sets[name].truth),
        "true": int(sets[name].truth.sum()),
        "true_pairs": sets[name].true_pairs,
        "seeds": [figures(judge, sets[name]) for judge in judges],
    }
    if chosen.beside:
        other = TransferredJudge.load(Path(chosen.beside.format(set=name)))
        row["beside"] = figures(other, sets[name])
    return row


def line(row: dict[str, Any]) -> str:
    """A left-out set as a line of the table."""
    beside = row.get("beside")
    cells = [
        row["set"], *(f"{row[name]:,}" for name in ("candidates", "true", "true_pairs")),
        *(spread([one[name] for one in row["seeds"]])
          for name in ("best", "precision", "recall", "f1", "shift")),
        *(f"{beside[name]:.3f}" if beside else "–" for name in ("best", "f1")),
    ]  # fmt: skip
    return "| " + " | ".join(cells) + " |"


def spread(values: list[float]) -> str:
    """The mean of some seeds' figures and, of several, their standard deviation."""
    mean = f"{np.mean(values):.3f}"
    return mean if len(values) == 1 else f"{mean} ± {np.std(values, ddof=1):.3f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--out", type=Path, default=Path("build/judges"))
    parser.add_argument("--without-each", type=Path, help="folder of the judges without a set")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--vectors", type=Path, help="folder that keeps vectors between runs")
    parser.add_argument("--beside", help="path of another judge; {set} is the left-out set's name")
    parser.add_argument("--threads", type=int, default=core_count(None))
    chosen = parser.parse_args()
    sets = {}
    for name in TRAINED:
        sets[name] = pairs_of(read_set(name, chosen.data), chosen.vectors, chosen.threads)
        told = f"{len(sets[name].truth):,} candidates, {sets[name].truth.sum():,} of them true"
        print(f"{name}: {told}", file=sys.stderr, flush=True)
    chosen.out.mkdir(parents=True, exist_ok=True)
    trained(sets, seed=0).save(chosen.out / "text_judge.json")
    if chosen.without_each:
        chosen.without_each.mkdir(parents=True, exist_ok=True)
        report = Report(HEADER)
        rows = []
        for name in MEASURED:
            rows.append(measured(name, sets, chosen))
            report.add(line(rows[-1]))
        report.write(chosen.out / "fit_text_judge", options=vars(chosen), sets=rows)


if __name__ == "__main__":
    main()
