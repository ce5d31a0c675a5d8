"""The governance report of a model and its card: facts in, one document out, three formats.

`governance_report` decides what is said; Markdown (`governance_markdown`), HTML
(`governance.html`) and JSON (the report itself) say the same. Texts of records are
clipped and cleaned before they enter it, and escaped by each format.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipeline.evaluation import score_drift
from pipeline.outputs.governance import results, sections
from pipeline.outputs.governance.document import clean
from pipeline.outputs.governance.facts import GovernanceFacts, validate_facts
from pipeline.outputs.governance.markdown import to_markdown

FORMAT = 1
CARD = ("model", "use", "out-of-scope", "data", "threshold", "quality", "failures", "limits")


def governance_report(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Write the report of one model.

    Args:
        facts: `governance_facts.GovernanceFacts` as plain values; parts with a default may be
            absent, and the report says that they are.

    Returns:
        JSON-able: format, title, model (reference), warnings (every one of the sections),
        sections (`governance.document`), drift (`drift.drift` or None), and the facts it
        was made of, texts clipped.

    Raises:
        PipelineError: a mandatory part is missing, or a value does not fit; names it.
    """
    checked = validate_facts(facts)
    moved = score_drift(checked.drift["train"], checked.drift["tonight"]) if checked.drift else None
    parts = clean(_sections(checked, moved))
    return {
        "format": FORMAT,
        "title": f"Governance report: {clean(_reference(checked))}",
        "model": clean(_reference(checked)),
        "warnings": [
            block["text"]
            for part in parts
            for block in part["blocks"]
            if block["kind"] == "warning"
        ],
        "sections": parts,
        "drift": moved,
        "facts": clean(checked.model_dump(mode="json")),
    }


def governance_markdown(report: Mapping[str, Any]) -> str:
    """The report as Markdown."""
    return to_markdown(report["title"], report["sections"])


def model_card(facts: Mapping[str, Any]) -> str:
    """The model's card as Markdown: the report without the parts only an auditor needs.

    Raises:
        PipelineError: as `governance_report`.
    """
    report = governance_report(facts)
    parts = [part for part in report["sections"] if part["id"] in CARD]
    return to_markdown(f"Model card: {report['model']}", parts)


def _reference(facts: GovernanceFacts) -> str:
    version = facts.model.version
    return f"{facts.model.name}/{version}" if version else facts.model.name


def _sections(facts: GovernanceFacts, moved: dict[str, Any] | None) -> list[dict[str, Any]]:
    return [
        sections.model(facts.model),
        sections.use(facts.model),
        sections.out_of_scope(),
        sections.data(facts.labels),
        sections.pairs(facts.pairs),
        sections.split(facts.split, facts.leaks),
        sections.training(facts.training),
        results.thresholds(facts.calibration, facts.evaluation.calibration),
        results.quality(facts.evaluation, facts.comparison, facts.gate),
        results.failures(facts.evaluation.errors),
        results.errors(facts.errors),
        results.scores(facts.scores, facts.calibration, moved),
        results.limits(facts.limits),
    ]
