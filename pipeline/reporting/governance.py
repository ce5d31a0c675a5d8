"""A governance report as one offline HTML file; it says what the Markdown and the JSON say.

As in the run report every string passes Jinja2's autoescaping and `visible`, and the
Content-Security-Policy lets nothing be fetched or run.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from pipeline.reporting import curves
from pipeline.reporting.visible import visible

FOLDER = Path(__file__).parent


def render_governance(report: Mapping[str, Any]) -> str:
    """Render `pipeline.governance.governance_report`; equal reports give equal text."""
    style = _asset("report.css") + "\n" + _asset("governance.css")
    return (
        _environment()
        .get_template("governance.html.j2")
        .render(report=report, size=curves, plot=curves.plot, style=Markup(style))
    )


@cache
def _environment() -> Environment:
    return Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_shown,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _shown(value: Any) -> Any:
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value


@cache
def _asset(name: str) -> str:
    return (FOLDER / name).read_text(encoding="utf-8").strip()
