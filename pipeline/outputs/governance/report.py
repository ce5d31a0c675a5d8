"""The governance report of a model and its card: facts in, one document out, three formats.

`governance_report` decides what is said; Markdown (`governance_markdown`), HTML
(`governance.html`) and JSON (the report itself) say the same. Texts of records are
clipped and cleaned before they enter it, and escaped by each format.
"""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.evaluation import Drift, score_drift
from pipeline.outputs.documents.document import Section, Text, clean
from pipeline.outputs.documents.markdown import to_markdown
from pipeline.outputs.governance import results, sections
from pipeline.outputs.governance.facts import GovernanceFacts

CARD = ("model", "use", "out-of-scope", "data", "threshold", "quality", "failures", "limits")


@dataclass(frozen=True)
class GovernanceReport:
    """A model's report: governance.json.

    Attributes:
        model: reference. warnings: every one of the sections.
        drift: of the facts' `tonight`. facts: what it was made of, texts clipped.
    """

    title: str
    model: str
    warnings: tuple[str, ...]
    sections: tuple[Section, ...]
    drift: Drift | None
    facts: GovernanceFacts


def governance_report(facts: GovernanceFacts) -> GovernanceReport:
    """Write the report of one model; it says which of the optional parts are absent."""
    tonight = facts.tonight
    moved = None if tonight is None else score_drift(facts.evaluation.histogram, tonight)
    parts = _sections(facts, moved)
    blocks = (block for part in parts for block in part.blocks)
    reference = clean(_reference(facts))
    return GovernanceReport(
        f"Governance report: {reference}",
        reference,
        tuple(b.text for b in blocks if isinstance(b, Text) and b.kind == "warning"),
        parts,
        moved,
        facts,
    )


def governance_markdown(report: GovernanceReport) -> str:
    """The report as Markdown."""
    return to_markdown(report.title, report.sections)


def model_card(report: GovernanceReport) -> str:
    """The model's card as Markdown: the report without the parts only an auditor needs."""
    parts = [part for part in report.sections if part.id in CARD]
    return to_markdown(f"Model card: {report.model}", parts)


def _reference(facts: GovernanceFacts) -> str:
    version = facts.model.version
    return f"{facts.model.name}/{version}" if version else facts.model.name


def _sections(facts: GovernanceFacts, moved: Drift | None) -> tuple[Section, ...]:
    return (
        sections.model(facts.model),
        sections.use(facts.model),
        sections.out_of_scope(),
        sections.data(facts.labels),
        sections.pairs(facts.pairs),
        sections.split(facts.split, facts.leaks),
        sections.training(facts.training),
        results.thresholds(facts.calibration, facts.evaluation),
        results.quality(facts.evaluation, facts.comparison, facts.gate),
        results.failures(facts.evaluation.errors),
        results.errors(facts.errors),
        results.scores(facts.scores, facts.calibration, moved),
        results.limits(facts.limits),
    )
