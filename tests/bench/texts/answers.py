"""A truthful person answers `label suggest` on labelled sets: what that makes of the clusters.

    python tests/bench/texts/answers.py --data DATA --duplicate-free --seeds 3
        [--judge 'build/judges/without-{set}.json'] [--only er_abt_buy …] [--rounds 10 10 30]
        [--finetune '{"judge": {"kind": "boosted"}}']

First a run without labels, as `without_labels.py` does it. Then in rounds: questions of the last
run, answered by the complete truth and imported, a fine-tune on all verdicts, its model pinned
whatever its gate says, and a run with it. Told of the run after each round: F1, precision and
recall of the pairs of all clusters, the precision of the confirmed ones, and how many of the
answers so far said *same*. A fine-tune that refuses so few labels is told, and the run goes on with
the model it had: the verdicts alone bind its clusters. Every seed draws other random questions.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import Any

from labelled_sets import SETS, Truth
from outcome import Outcome, completed
from without_labels import configured, figures, kept_vectors, options, told

sys.path.append(str(Path(__file__).parents[1]))
from real_data import Report

from pipeline.catalog import Catalog
from pipeline.config import TrainConfig
from pipeline.errors import PipelineError
from pipeline.nightly import add_labels, suggest_labels
from pipeline.training import finetune

ASKED = ["er_abt_buy", "er_dblp_acm", "chicago_early_childhood", "er_cora", "er_restaurants"]
ROUNDS = [10, 10, 30, 50, 100]
# As configs/finetune.yaml, but that no number of duplicates is too few, and that what the model is
# worth is measured on all that was not asked about: no answer is held back for that.
FINETUNE: dict[str, Any] = {
    "encoder": {"train": False}, "min_positives": 2, "split": {"valid": 0.3, "test": 0.0},
}  # fmt: skip
HEADER = (
    "| set | seed | answers | of them same | F1 | precision | recall | confirmed pairs | "
    "their precision | model |"
)


@dataclass(frozen=True)
class Person:
    """Somebody who knows the truth."""

    truth: Truth

    def fill(self, sheet: Path) -> int:
        """Answer every row of a sheet of JSON lines; how many are the same."""
        rows = [json.loads(line) for line in sheet.read_text().splitlines()]
        for row in rows:
            ends = sorted(row[side].split(":", 1)[1] for side in ("left_id", "right_id"))
            row["label"] = "same" if tuple(ends) in self.truth.positive else "different"
        sheet.write_text("".join(json.dumps(row) + "\n" for row in rows))
        return sum(row["label"] == "same" for row in rows)


def measured(name: str, chosen: argparse.Namespace, folder: Path) -> Iterator[dict[str, Any]]:
    """A set after every round of every seed, run below `folder`."""
    copied = SETS[name].copied(chosen.data, folder)
    settings = configured(name, copied, chosen)
    with kept_vectors(chosen.vectors and chosen.vectors / name, folder / "catalog"):
        begun = completed(settings, folder / "catalog")
    for seed in range(chosen.seeds):
        catalog = folder / f"catalog-{seed}"
        shutil.copytree(folder / "catalog", catalog)
        yield row(name, seed, begun, copied.truth, answers=0, same=0, model="shipped")
        yield from after_rounds(
            settings, catalog, Person(copied.truth), name=name, seed=seed, chosen=chosen
        )
        shutil.rmtree(catalog)


def after_rounds(
    settings: dict[str, Any], folder: Path, person: Person, *, name: str, seed: int,
    chosen: argparse.Namespace,
) -> Iterator[dict[str, Any]]:  # fmt: skip
    catalog, sheet = Catalog(str(folder)), folder.parent / "sheet.jsonl"
    answers = same = 0
    model = "none"
    for n in chosen.rounds:
        asked = suggest_labels(catalog, catalog.runs()[0], n=n, seed=seed + answers, out=sheet)
        answers, same = answers + asked["rows"], same + person.fill(sheet)
        add_labels(catalog, sheet, by="truth")
        model, note = learned(folder, json.loads(chosen.finetune), seed=seed, before=model)
        outcome = completed({**settings, "model": model}, folder)
        yield row(name, seed, outcome, person.truth, answers=answers, same=same, model=note)


def learned(catalog: Path, overrides: dict[str, Any], *, seed: int, before: str) -> tuple[str, str]:
    """The model of a fine-tune on all verdicts (or the one before), and what is told of it."""
    given = {
        "name": "answers",
        "catalog": str(catalog),
        "labels": [{"type": "verdicts"}],
        "seed": seed,
        "gate": {"promote": False},
    }
    try:
        summary = finetune(TrainConfig.model_validate({**FINETUNE, **given, **overrides}))
    except PipelineError as error:
        return before, f"refused: {str(error)[:60]}"
    failed = [check.name for check in summary.gate if not check.passed]
    return summary.model, f"{summary.model}{', gate failed: ' * bool(failed)}{', '.join(failed)}"


def row(
    name: str, seed: int, outcome: Outcome, truth: Truth, *, answers: int, same: int, model: str
) -> dict[str, Any]:
    found = figures(outcome, truth)
    facts = {"set": name, "seed": seed, "answers": answers, "same": same, "model": model}
    return {**facts, **{part: found[part] for part in ("all", "confirmed", "review")}}


def line(row: dict[str, Any]) -> str:
    every, sure = row["all"], row["confirmed"]
    cells = [
        row["set"], row["seed"], row["answers"], row["same"],
        *(told(every[name]) for name in ("f1", "precision", "recall")), f"{sure['pairs']:,}",
        told(sure["precision"]), row["model"],
    ]  # fmt: skip
    return "| " + " | ".join(map(str, cells)) + " |"


def mean_lines(rows: list[dict[str, Any]]) -> Iterator[str]:
    """Mean and spread of the seeds, a line for each set and number of answers."""
    for answers in dict.fromkeys(row["answers"] for row in rows):
        at = [row for row in rows if row["answers"] == answers]
        scores = [row["all"]["f1"] for row in at]
        sure = [row["confirmed"]["precision"] for row in at if row["confirmed"]["pairs"]]
        cells = [
            at[0]["set"], "mean", answers, f"{mean(row['same'] for row in at):.1f}",
            f"{mean(scores):.3f} ({min(scores):.3f} to {max(scores):.3f})",
            *(told(mean(row["all"][of] or 0.0 for row in at)) for of in ("precision", "recall")),
            f"{mean(row['confirmed']['pairs'] for row in at):,.0f}",
            told(mean(sure) if sure else None), "",
        ]  # fmt: skip
        yield "| " + " | ".join(map(str, cells)) + " |"


def main() -> None:
    parser = options(__doc__, ASKED)
    parser.add_argument("--seeds", type=int, default=1, help="how many, from 0")
    parser.add_argument("--rounds", type=int, nargs="+", default=ROUNDS, help="questions of each")
    parser.add_argument("--finetune", default="{}", help="JSON over the fine-tune's configuration")
    chosen = parser.parse_args()
    chosen.out.mkdir(parents=True, exist_ok=True)
    report, rows = Report(HEADER), []
    for name in chosen.only:
        with tempfile.TemporaryDirectory() as folder:
            of_set = []
            for one in measured(name, chosen, Path(folder)):
                of_set.append(one)
                report.add(line(one))
        for one in mean_lines(of_set):
            report.add(one)
        rows += of_set
        report.write(chosen.out / "answers", options=vars(chosen), sets=rows)


if __name__ == "__main__":
    main()
