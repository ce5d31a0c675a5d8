"""Make it a model: the full fine-tune on all verdicts, in a process of its own, and its promotion."""

from __future__ import annotations

import json
import multiprocessing
import time
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from threading import Lock, Thread
from typing import Any

from pipeline.catalog import Catalog, Run
from pipeline.errors import PipelineError
from pipeline.reviewing.errors import ReviewError

Plain = dict[str, Any]
NAME = "review"
FIGURES = ("average_precision", "f1", "precision", "recall")


@dataclass
class _Work:
    """One fine-tune: how far it is, and what came of it."""

    state: str = "none"
    phase: str = ""
    begun: float = 0.0
    seconds: float = 0.0
    words: str = "No model was made of these answers yet."
    made: Plain = field(default_factory=dict)


class ModelMaker:
    """Makes one model at a time of the verdicts in the catalog."""

    def __init__(self, catalog: Catalog, run: Run) -> None:
        self.catalog, self.run = catalog, run
        self._work, self._lock = _Work(), Lock()
        self._process: multiprocessing.process.BaseProcess | None = None

    def start(self) -> None:
        """Begin a fine-tune.

        Raises:
            ReviewError: one is under way.
        """
        with self._lock:
            if self._work.state == "running":
                raise ReviewError(409, "busy", "a model is being made; wait for it to end")
            words = "Reading the answers."
            self._work = _Work("running", "reading the answers", time.monotonic(), words=words)
            work = self._work
        Thread(target=self._watch, args=(work,), name="gemel-model", daemon=True).start()

    def close(self) -> None:
        """Stop what is under way; a fine-tune goes on from its scratch when it is called again."""
        if self._process is not None and self._process.is_alive():
            self._process.terminate()

    def told(self) -> Plain:
        """All of it as the page shows it."""
        work = self._work
        running = work.state == "running"
        seconds = time.monotonic() - work.begun if running else work.seconds
        return {
            "state": work.state,
            "words": work.words,
            "phase": work.phase,
            "seconds": round(seconds, 1),
            "model": None, "gate": [], "passed": None, "promoted": False, "figures": [],
            "changes": [],
            **work.made,
        }  # fmt: skip

    def promote(self, model: str, *, by: str, force: bool) -> None:
        """Make a registered version the champion.

        Raises:
            ReviewError: its gate did not pass, and it is not forced.
            ModelError: there is none of that name.
        """
        registry = self.catalog.models
        found = registry.find(model)
        made = self._work.made
        if made.get("model") == found.reference and not made["passed"] and not force:
            raise ReviewError(
                409, "gate", f"{found.reference} did not pass its gate; the next model learns from "
                "all answers all the same"
            )  # fmt: skip
        registry.promote(found.name, found.version, by=by, reason="from the review page")
        if made.get("model") == found.reference:
            self._work.made = {**made, "promoted": True}
            self._work.words = f"{found.reference} is champion: the next run judges with it."

    def _watch(self, work: _Work) -> None:
        """Run the process and take up what it says."""
        context = multiprocessing.get_context("spawn")
        here, there = context.Pipe(duplex=False)
        settings = {
            "catalog": str(self.catalog.root),
            "catalog_options": self.run.config.get("catalog_options") or {},
            "purpose": self.run.config["purpose"],
        }
        process = context.Process(target=_make, args=(json.dumps(settings), there), daemon=True)
        self._process = process
        process.start()
        there.close()
        try:
            while True:
                kind, value = here.recv()
                if kind == "phase":
                    work.phase, work.words = value, f"{value[:1].upper()}{value[1:]}."
                    continue
                if kind == "done":
                    work.made = value
                    work.words = _verdict(value)
                else:
                    work.words = value
                work.seconds, work.state = time.monotonic() - work.begun, kind
                break
        except EOFError:
            work.seconds = time.monotonic() - work.begun
            work.state, work.words = "failed", "The process that made the model was stopped."
        process.join(timeout=10)


def _verdict(made: Plain) -> str:
    if made["passed"]:
        return f"{made['model']} is registered and passed its gate. Promote it, or leave it."
    failed = ", ".join(check["name"] for check in made["gate"] if not check["passed"])
    return (
        f"{made['model']} is registered; its gate did not pass: {failed}. Your answers are kept, "
        "and the next model learns from all of them."
    )


def _make(settings: str, out: Connection) -> None:
    """Of the process: fine-tune, and say what came of it."""
    try:
        out.send(("phase", "reading the answers"))
        from pipeline.arrays import progress
        from pipeline.config import TrainConfig
        from pipeline.training.finetuning import finetune

        told = json.loads(settings)
        config = TrainConfig.model_validate(
            {
                "name": NAME, "labels": [{"type": "verdicts"}], "gate": {"promote": False},
                "min_positives": 2, **told,
            }
        )  # fmt: skip
        out.send(("phase", "comparing the answered pairs, and fitting"))
        with progress.listening(lambda stage, *_: out.send(("phase", stage))):
            made = finetune(config)
    except PipelineError as error:
        out.send(("failed", str(error)))
    except Exception as error:  # noqa: BLE001 - the page tells it; nothing else sees this process
        out.send(("failed", f"unexpected {type(error).__name__}: {error}"[:500]))
    else:
        gate = [
            {"name": check.name, "passed": check.passed, "words": check.message}
            for check in made.gate
        ]
        values = vars(made.metrics)
        out.send(
            (
                "done",
                {
                    "model": made.model,
                    "gate": gate,
                    "passed": all(check["passed"] for check in gate),
                    "figures": [
                        {"name": name.replace("_", " "), **vars(values[name])}
                        for name in FIGURES if name in values
                    ],
                    "report": made.report,
                },
            )
        )  # fmt: skip
