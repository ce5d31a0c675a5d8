"""A model of all verdicts: the full fine-tune, in a process of its own, and its promotion."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from dataclasses import dataclass, field
from threading import Lock, Thread
from typing import Any

from pipeline.catalog import Catalog, Run
from pipeline.reviewing.errors import ReviewError

Plain = dict[str, Any]
PROCESS = "pipeline.reviewing.learning.process"


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
        self._process: subprocess.Popen[str] | None = None

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
        if self._process is not None and self._process.poll() is None:
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
        settings = {
            "catalog": str(self.catalog.root),
            "catalog_options": dict(self.catalog.root.options),
            "purpose": self.run.config["purpose"],
        }
        kind, value = "failed", "The process that made the model was stopped."
        try:
            process = subprocess.Popen(
                [sys.executable, "-m", PROCESS], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL, text=True,
            )  # fmt: skip
            self._process = process
            assert process.stdin
            assert process.stdout
            process.stdin.write(json.dumps(settings))
            process.stdin.close()
            for line in process.stdout:
                said, told = json.loads(line)
                if said == "phase":
                    work.phase, work.words = told, f"{told[:1].upper()}{told[1:]}."
                else:
                    kind, value = said, told
            process.wait()
        except (OSError, ValueError) as error:
            value = f"The model could not be made: {error}"
        if kind == "done":
            work.made = value  # type: ignore[assignment]
            value = _verdict(work.made)
        work.seconds, work.words, work.state = time.monotonic() - work.begun, value, kind


def _verdict(made: Plain) -> str:
    if made["passed"]:
        return f"{made['model']} is registered and passed its gate. Promote it, or leave it."
    failed = ", ".join(check["name"] for check in made["gate"] if not check["passed"])
    return (
        f"{made['model']} is registered; its gate did not pass: {failed}. Your answers are kept, "
        "and the next model learns from all of them."
    )
