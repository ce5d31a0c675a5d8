"""The process of a fine-tune: settings on stdin; phases and result on stdout, as JSON lines."""

from __future__ import annotations

import json
import sys
from contextlib import redirect_stdout
from math import isfinite
from typing import Any, TextIO

from pipeline.errors import PipelineError

NAME = "review"
FIGURES = ("average_precision", "f1", "precision", "recall")
PHASES = {"embed": "embedding records that a run has not embedded"}


def main(settings: str, out: TextIO) -> None:
    """Fine-tune on the verdicts of a catalog, without promoting, and say what came of it."""

    def say(kind: str, value: Any) -> None:
        print(json.dumps([kind, value]), file=out, flush=True)

    try:
        say("phase", "reading the answers and their records")
        from pipeline.arrays import progress
        from pipeline.config import TrainConfig
        from pipeline.training import finetune

        config = TrainConfig.model_validate(
            {
                "name": NAME,
                "labels": [{"type": "verdicts"}],
                "gate": {"promote": False},
                "min_positives": 2,
                **json.loads(settings),
            }
        )
        say("phase", "comparing the answered pairs, fitting the judge and measuring it")
        with progress.listening(lambda stage, *_: say("phase", PHASES.get(stage, stage))):
            say("done", _told(finetune(config)))
    except PipelineError as error:
        say("failed", str(error))
    except Exception as error:  # noqa: BLE001 - the page tells it; nobody else sees this process
        say("failed", f"unexpected {type(error).__name__}: {error}"[:500])


def _told(made: Any) -> dict[str, Any]:
    gate = [
        {"name": check.name, "passed": check.passed, "words": check.message} for check in made.gate
    ]
    values = vars(made.metrics)
    return {
        "model": made.model,
        "gate": gate,
        "passed": all(check["passed"] for check in gate),
        "figures": [
            {
                "name": name.replace("_", " "),
                # JSON knows no NaN.
                **{
                    key: value if isfinite(value) else None
                    for key, value in vars(values[name]).items()
                },
            }
            for name in FIGURES
            if name in values
        ],
        "report": made.report,
    }


if __name__ == "__main__":
    stdout = sys.stdout
    with redirect_stdout(sys.stderr):  # what a library prints is no line of ours
        main(sys.stdin.read(), stdout)
