"""Sections on what the model is and how it was made, one per function."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from pipeline.labels import LabelFacts, Leaks, SplitFacts
from pipeline.outputs import formats
from pipeline.outputs.documents.document import (
    Section,
    bullets,
    section,
    table,
    text,
    warning,
)
from pipeline.outputs.governance import figures
from pipeline.outputs.governance.facts import ModelDescription, PairFacts, TrainingFacts
from pipeline.storage import to_plain

REFUSALS = {
    "identification of persons": "Identification of persons, from names, faces or any other "
    "record. A score says that two records are alike, never that two persons are one.",
    "biometrics": "Biometrics: no face, voice or fingerprint may be compared by it.",
    "access control": "Access control and authentication: nobody may be let in or kept out by it.",
    "surveillance": "Surveillance: nobody may be watched or searched for by it.",
    "admission": "Admission: nobody may be admitted, refused or ranked by it.",
}
CURVES: tuple[figures.Curve, ...] = ("train_loss", "valid_loss", "valid_average_precision")


def model(facts: ModelDescription) -> Section:
    """What the model is."""
    known = {
        "Name": facts.name,
        "Version": facts.version,
        "Purpose": facts.purpose,
        "Encoder": facts.encoder,
        "Judge": facts.judge,
        "Started from": facts.parent,
        "Created": facts.created,
    }
    rows = [(name, value) for name, value in known.items() if value]
    says = (
        "A Siamese encoder turns each record into a vector, a judge turns the evidence on a pair "
        "of records into the probability that they are duplicates."
    )
    return section(
        "model", "What the model is", text(says), table(("Fact", "Value"), rows, words=2)
    )


def use(facts: ModelDescription) -> Section:
    """What it may be used for."""
    purpose = (
        facts.intended_use or f"Finding duplicate and near-duplicate records: {facts.purpose}."
    )
    return section("use", "Intended use", text(purpose))


def out_of_scope() -> Section:
    """What it may not be used for, by name."""
    return section(
        "out-of-scope",
        "Out of scope",
        text("These uses are refused, and so is a configuration that declares one of them:"),
        bullets(REFUSALS.values()),
    )


def data(facts: LabelFacts) -> Section:
    """The labels read, what was dropped and how contradictions were settled."""
    leaves = list(_flat(to_plain(replace(facts, entries=(), split=None))))
    rows = [
        (", ".join(path).replace("_", " "), shown(value))
        for path, value in leaves
        if value is not None and not isinstance(value, list) and path[-1] != "rule"
    ]
    examples = [
        f"{', '.join(path[:-1]).replace('_', ' ')}: {_example(item)}"
        for path, value in leaves
        if path[-1] == "examples"
        for item in value[:5]
    ]
    return section(
        "data",
        "Labels",
        table(("Read", "Count"), rows),
        text(f"How conflicts were resolved: {facts.conflicts.rule}"),
        text("Examples of what was dropped or contradictory:") if examples else None,
        bullets(examples) if examples else None,
    )


def pairs(facts: PairFacts) -> Section:
    """How positives and negatives came to be."""
    groups = (
        ("positive", facts.positives),
        ("negative", facts.negatives),
        ("excluded from the negatives", facts.excluded),
    )
    rows = [
        (kind, origin.replace("_", " "), formats.count(count))
        for kind, origins in groups
        for origin, count in origins.items()
    ]
    return section(
        "pairs",
        "Pair construction",
        table(("Kind", "Origin", "Pairs"), rows, words=2),
        text(facts.note) if facts.note else None,
    )


def split(facts: SplitFacts, leaks: Leaks) -> Section:
    """How pairs were divided, and whether anything is in two parts."""
    rows = [
        (name, formats.count(part.pairs), formats.count(part.positives))
        for name, part in facts.parts.items()
    ]
    others = [
        (", ".join(path).replace("_", " "), shown(value))
        for path, value in _flat(to_plain(replace(facts, parts={})))
    ]
    found = {kind: leak.count for kind, leak in vars(leaks).items() if leak.count}
    listed = ", ".join(f"{formats.count(count)} {kind}" for kind, count in found.items())
    return section(
        "splits",
        "Splits and leak check",
        text(
            "Splits that the labels name are kept and checked; other pairs are divided by entity."
        ),
        table(("Split", "Pairs", "Duplicates"), rows),
        table(("How", "Value"), others) if others else None,
        warning(f"Leak check: {listed} in two splits; the held-out figures may be too good.")
        if found
        else text("Leak check: no record, content or entity is in two splits."),
    )


def training(facts: TrainingFacts | None) -> Section:
    """How the encoder was trained."""
    if facts is None:
        return section("training", "Training", text("The encoder was not trained, only the judge."))
    rows = [
        (
            ", ".join(path).replace("_", " ").replace("seconds", "time"),
            formats.duration(value) if path[-1] == "seconds" else shown(value),
        )
        for found in (facts.encoder, facts.distillation)
        for path, value in (_flat(to_plain(found)) if found else ())
        if value is not None
    ]
    return section(
        "training",
        "Training",
        table(("Setting", "Value"), rows, words=2),
        *(figures.training_curve_figure(name, facts.history) for name in CURVES),
    )


# --- words -------------------------------------------------------------------------------------


def _flat(facts: Mapping[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Leaves of nested facts with their paths."""
    for name, value in facts.items():
        if isinstance(value, Mapping):
            yield from _flat(value, (*path, str(name)))
        else:
            yield (*path, str(name)), value


def shown(value: Any) -> str:
    """A value of any kind as a person reads it."""
    if isinstance(value, list | tuple):
        return ", ".join(shown(item) for item in value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return formats.count(value)
    return f"{value:g}" if isinstance(value, float) else str(value)


def _example(item: Any) -> str:
    if isinstance(item, Mapping):
        return ", ".join(f"{name} {_listed(value)}" for name, value in item.items())
    return str(item)


def _listed(value: Any) -> str:
    if isinstance(value, list | tuple):
        return "; ".join(str(part) for part in value)
    return "none" if value is None else str(value)
