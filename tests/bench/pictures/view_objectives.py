"""The objectives of self-supervised training beside each other, on one short training each.

    python tests/bench/pictures/view_objectives.py --data DATA [--records 1500] [--epochs 2]

The same photographs, start (learned whitening), steps, views and rate for all. Told of each: micro
average precision and recall at a precision of 0.999 of held-back views, which no objective learned
from, average precision on AugLy's copies (raw, and above each query's nearest other reference), and
seconds. The first row is the start, untrained.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any, get_args

from copy_detection import augly
from real_data import Report
from train_images import recipe

from pipeline.config.encoders import CopyDetection
from pipeline.config.self_supervised import ViewObjective
from pipeline.config.sources import ImageSettings
from pipeline.encoders.opening import open_encoder
from pipeline.training.self_supervised.train import train_self_supervised


def trained(data: Path, out: Path, objective: str, chosen: Any) -> dict[str, Any]:
    """Figures of one objective, and of its start."""
    config = recipe(data, out)
    changes = {
        "most": chosen.records,
        "learning": config.learning.model_copy(
            update={"objective": objective, "epochs": chosen.epochs}
        ),
        "views": config.views.model_copy(update={"train_size": chosen.size}),
        "seed": chosen.seed,
    }
    facts = train_self_supervised(config.model_copy(update=changes))
    network = CopyDetection(path=str(out), backend="float32")
    copies = augly(open_encoder(network, images=ImageSettings(), threads=None), data)
    return {
        "held_back": asdict(facts)["held_back_figures"], "augly": copies,
        "seconds": facts.history[-1].seconds,
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--out", type=Path, default=Path("build/bench"))
    parser.add_argument("--records", type=int, default=1500)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--objectives", nargs="*", default=list(get_args(ViewObjective)))
    chosen = parser.parse_args()
    report = Report(
        "| objective | held back: average precision | recall at P 0.999 | AugLy raw | normalised |"
        " seconds |"
    )
    rows: dict[str, Any] = {}
    for objective in chosen.objectives:
        found = trained(
            chosen.data.resolve(), chosen.out / "objectives" / objective, objective, chosen
        )
        if not rows:
            before = found["held_back"]["before"]
            report.add(
                f"| none (the start) | {before['average_precision']:.3f} | "
                f"{before['recall_at_precision_999']:.3f} | | | |"
            )
        rows[objective] = found
        after, copies = found["held_back"]["after"], found["augly"]
        report.add(
            f"| {objective} | {after['average_precision']:.3f} | "
            f"{after['recall_at_precision_999']:.3f} | "
            f"{copies['augly, raw: average precision']} | "
            f"{copies['augly, normalised: average precision']} | {found['seconds']:.0f} |"
        )
        print(objective, json.dumps(found), flush=True)
    report.write(chosen.out / "view_objectives", rows=rows)


if __name__ == "__main__":
    main()
