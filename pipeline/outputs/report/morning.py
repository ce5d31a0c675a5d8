"""A run on one page of Markdown: what a person wants to know in the morning.

Prefect shows it as the artifact `gemel-summary`; it also stands beside the report of the run.
"""

from __future__ import annotations

from pipeline.catalog import RunSummary
from pipeline.outputs import change_words, formats, run_facts
from pipeline.outputs.documents.document import Block, Bullets, Section, Table, Text
from pipeline.outputs.documents.markdown import to_markdown
from pipeline.outputs.report.view import ChangeRow, ClusterRow, ReportData
from pipeline.outputs.visible import make_visible

EXAMPLES = 10  # changes, or on a first night clusters, that are told
WORDS = 90  # characters of a record's text


def morning_markdown(data: ReportData, *, report: str) -> str:
    """The verdict, the gates, what changed with ten examples, and where to look further.

    Args:
        report: path of the run's HTML report.
    """
    summary = data.summary
    said = run_facts.headline(summary)
    sections = [
        Section("gates", "Gates", tuple(_gates(summary))),
        Section("changes", "What changed", tuple(_changes(data))),
        Section("further", "Where to look", tuple(_further(summary, report))),
    ]
    verdict = Section("verdict", said.title, (Text(said.detail), *_figures(summary)))
    return to_markdown(f"Gemel, run {summary.run}", [verdict, *sections])


def _figures(summary: RunSummary) -> list[Block]:
    facts = run_facts.list_run_facts(summary)
    rows = tuple((fact.label, fact.value, fact.note) for fact in facts)
    return [Table(("Figure", "Value", ""), rows, (False, True, False))]


def _gates(summary: RunSummary) -> list[Block]:
    failed = [
        f"{gate.title} is {formats.number(gate.value)}, limit {formats.number(gate.limit)}: "
        + gate.message
        for gate in summary.failed_gates
    ]
    passed = len(summary.gates) - len(failed)
    told = f"{passed} of {len(summary.gates)} gates passed."
    return [*([Bullets(tuple(failed))] if failed else []), Text(told)]


def _changes(data: ReportData) -> list[Block]:
    changes = data.summary.changes
    if not changes.base:
        rows = tuple(map(_cluster, data.clusters[:EXAMPLES]))
        told = "The first run of this catalog: everything is new. Clusters of it:"
        return [Text(told), Table(("Kept", "Records", "Status"), rows, (False, True, False))]
    words = [
        f"Records: {change_words.record_words(changes)}.",
        f"Clusters of two and more: {change_words.cluster_words(changes)}.",
    ]
    moved = tuple(map(_change, data.changes[:EXAMPLES]))
    columns = ("What", "Records", "Stays", "Joined", "Left")
    table = [Table(columns, moved, (False,) * len(columns))] if moved else []
    return [Bullets(tuple(words)), *table]


def _cluster(cluster: ClusterRow) -> tuple[str, str, str]:
    return cluster.title, formats.count(cluster.size), cluster.status


def _change(change: ChangeRow) -> tuple[str, ...]:
    by_role = {
        role: "; ".join(
            f"{record.record_id} {record.text[:WORDS]}".strip()
            for record in change.moved
            if record.role == role
        )
        for role in ("stays", "joined", "left")
    }
    sizes = f"{formats.count(change.size_before)} → {formats.count(change.size_after)}"
    return (change.title, sizes, *by_role.values())


def _further(summary: RunSummary, report: str) -> list[Block]:
    commands = run_facts.headline(summary).commands
    place = f" --catalog {summary.catalog}" if summary.catalog else ""
    shown = [f"The report: {report}", f"To decide what is in review: gemel review{place}"]
    return [Bullets(tuple(make_visible(line) for line in (*shown, *commands)))]
