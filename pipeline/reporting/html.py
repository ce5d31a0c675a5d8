"""The report as one offline HTML file: styles, script, plots and pictures inside, nothing fetched.

Every string passes Jinja2's autoescaping and `visible`; the Content-Security-Policy runs the one
script whose SHA-256 it names and nothing else, so a record can neither add markup nor code.
"""

from __future__ import annotations

import base64
import hashlib

from markupsafe import Markup

from pipeline.reporting import changed, deciding, facts, figures
from pipeline.reporting.templates import asset, environment
from pipeline.reporting.view import ReportData


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
            verdict=facts.verdict(summary),
            failed=facts.failed_gates(summary),
            facts=facts.run_facts(summary),
            models=deciding.models(summary),
            labels=facts.label_facts(summary),
            changed=changed,
            base=changed.base_of(summary),
            contradictions=changed.contradictions(summary),
            histogram=figures.score_histogram(
                summary["histogram"]["edges"],
                summary["histogram"]["counts"],
                **summary["thresholds"],
            ),
            sizes=figures.cluster_sizes(
                summary["cluster_sizes"]["size"], summary["cluster_sizes"]["clusters"]
            ),
            overlays=any(m.overlay for c in data.clusters for m in c.members)
            or any(pair.overlay for pair in data.pairs),
            plot=figures,
            uncalibrated=deciding.uncalibrated(summary),
            # Both are files of this package, the only text that is not escaped.
            script=Markup(script),
            style=Markup(style),
            script_hash=_sha256(script),
        )
    )


def _sha256(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
