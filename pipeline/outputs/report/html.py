"""The report as one offline HTML file: styles, script, plots and pictures inside, nothing fetched.

Every string passes Jinja2's autoescaping and `visible`; the Content-Security-Policy runs the one
script whose SHA-256 it names and nothing else, so a record can neither add markup nor code.
"""

from __future__ import annotations

import base64
import hashlib

from markupsafe import Markup

from pipeline.outputs import change_words, decided_by, run_facts
from pipeline.outputs.report import figures
from pipeline.outputs.report.listing import as_data
from pipeline.outputs.report.view import ReportData
from pipeline.outputs.templates import asset, environment


def render_report(data: ReportData) -> str:
    """Render the report; equal data gives equal text, and no file or network is touched by it."""
    summary = data.summary
    script, style = asset("report.js"), asset("report.css")
    return (
        environment()
        .get_template("report.html.j2")
        .render(
            data=data,
            run=summary,
            verdict=run_facts.headline(summary),
            failed=summary.failed_gates,
            facts=run_facts.list_run_facts(summary),
            models=decided_by.model_words(summary),
            labels=run_facts.label_facts(summary),
            changed=change_words,
            counts=vars(summary.counts),
            histogram=figures.score_histogram(
                summary.histogram.edges,
                summary.histogram.counts,
                accept=summary.thresholds.accept,
                review=summary.thresholds.review,
            ),
            sizes=figures.cluster_sizes(summary.cluster_sizes.size, summary.cluster_sizes.clusters),
            overlays=any(m.overlay for c in data.clusters for m in c.members)
            or any(pair.overlay for pair in data.pairs),
            plot=figures,
            uncalibrated=decided_by.uncalibrated_words(summary),
            listed=Markup(as_data(data.listed)),
            # Both are files of this package, the only text that is not escaped.
            script=Markup(script),
            style=Markup(style),
            script_hash=_sha256(script),
        )
    )


def _sha256(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
