"""A governance report as one offline HTML file; it says what the Markdown and the JSON say.

As in the run report every string passes Jinja2's autoescaping and `visible`, and the
Content-Security-Policy lets nothing be fetched or run.
"""

from __future__ import annotations

from markupsafe import Markup

from pipeline.outputs.governance import curves
from pipeline.outputs.governance.report import GovernanceReport
from pipeline.outputs.templates import asset, environment


def render_governance(report: GovernanceReport) -> str:
    """Render a report; equal reports give equal text."""
    style = Markup(asset("report.css") + "\n" + asset("governance.css"))
    page = environment().get_template("governance.html.j2")
    return page.render(report=report, size=curves, plot=curves.plot, style=style)
