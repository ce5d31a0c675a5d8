"""The report as one offline HTML file: styles, script, plots and pictures inside, nothing fetched.

Every string passes Jinja2's autoescaping and `visible`; the Content-Security-Policy runs the one
script whose SHA-256 it names and nothing else, so a record can neither add markup nor code.
"""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from pipeline.reporting import changed, facts, figures, formats
from pipeline.reporting.view import ReportData
from pipeline.reporting.visible import visible

FOLDER = Path(__file__).parent


def render_report(data: ReportData) -> str:
    """Render the report; equal data gives equal text, and no file or network is touched by it."""
    summary = data.summary
    script, style = _asset("report.js"), _asset("report.css")
    return (
        _environment()
        .get_template("report.html.j2")
        .render(
            data=data,
            run=summary,
            verdict=facts.verdict(summary),
            failed=facts.failed_gates(summary),
            facts=facts.run_facts(summary),
            models=facts.models(summary),
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
            plot=figures,
            uncalibrated=facts.uncalibrated(summary),
            # Both are files of this package, the only text that is not escaped.
            script=Markup(script),
            style=Markup(style),
            script_hash=_sha256(script),
        )
    )


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_shown,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        count=formats.count,
        share=formats.share,
        duration=formats.duration,
        bytesize=formats.size,
        moment=formats.moment,
        number=formats.number,
    )
    return environment


def _shown(value: Any) -> Any:
    """Spell out hidden characters in whatever a template prints."""
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value


@cache
def _asset(name: str) -> str:
    return (FOLDER / name).read_text(encoding="utf-8").strip()


def _sha256(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
