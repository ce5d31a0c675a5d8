"""What the learner knows, in words and figures for the page."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from pipeline.reviewing.learning.learner import Learner
from pipeline.reviewing.learning.model import ModelMaker

Plain = dict[str, Any]


def told_learning(learner: Learner) -> Plain:
    """All of it as the page shows it."""
    found, ahead = learner.estimates, learner.ahead
    precision = found.precision if found else None
    recall = found.recall.recall if found else None
    return {
        "state": learner.state,
        "words": _words(learner),
        "version": learner.queues.version,
        "answers": learner.answers,
        "seconds": round(learner.seconds, 3),
        "precision": precision and {
            "value": precision.precision, "low": precision.low, "high": precision.high,
            "sentence": precision.sentence,
        },
        "recall": recall and {**asdict(recall), "sentence": found and found.recall.sentence},
        "doubt": _doubt(learner),
        "needed": precision and precision.needed,
        "enough": bool(precision and precision.needed == 0),
        "target": learner.target,
        "advice": advice_of(learner),
        "clusters": ahead and {**asdict(ahead), "sentence": ahead.sentence},
    }  # fmt: skip


def advice_of(learner: Learner) -> str:
    """What more answers would show, in words."""
    if learner.estimates is None:
        return ""
    precision = learner.estimates.precision
    if not precision.random:
        return (
            "How often the run is right is not known yet: no accepted pair that was drawn at "
            "random is answered. Every fourth question is one, and the queue Random has only "
            "such."
        )
    return precision.advice


def _words(learner: Learner) -> str:
    if learner.why_not:
        return f"The queue follows the run's own judge: {learner.why_not}"
    if learner.state == "fitting":
        return "The judge learns from the latest answers."
    if not learner.refitted:
        return "The judge is refitted when there are answers of both kinds, same and different."
    return f"The judge has learned from {learner.refitted:,} answers."


def _doubt(learner: Learner) -> Plain:
    now = learner.history[-1]["doubt"] if learner.history else None
    words = "" if now is None else (
        f"About {now:,.1f} of the open pairs are expected to be decided wrongly"
        + (f"; it were {learner.start:,.1f} at the start." if learner.start else ".")
    )  # fmt: skip
    return {"now": now, "start": learner.start, "history": learner.history, "sentence": words}


def told_model(maker: ModelMaker, learner: Learner) -> Plain:
    """The model that is made or was, and what the next run's clusters would be with its answers."""
    told, ahead = maker.told(), learner.ahead
    changes = [ahead.sentence] if told["state"] == "done" and ahead else []
    return {**told, "changes": changes}
