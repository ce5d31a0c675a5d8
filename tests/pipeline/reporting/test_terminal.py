"""The terminal summary: short, aligned, plain."""

from __future__ import annotations

import io

from rich.console import Console

from pipeline.reporting.terminal import print_summary, summary_lines


def test_published_run_fits_a_screen(summary):
    lines = summary_lines(summary)
    assert len(lines) <= 30
    assert max(map(len, lines)) <= 100
    assert lines[0].startswith("PUBLISHED")
    assert "UNCALIBRATED" in lines[0]


def test_held_run_shows_failed_gates_first_and_report_last(held):
    lines = summary_lines(held)
    assert lines[0].startswith("HELD")
    assert "UNCALIBRATED" not in lines[0]
    assert lines[1].startswith("gate FAILED quarantined: 0.31 (limit 0.2)")
    assert any("precision 99.1 % (≥ 97.8 %)" in line for line in lines)
    assert any("gemel runs show" in line for line in lines)
    assert lines[-1].split() == ["report", "/data/catalog/reports/r.html"]


def test_many_stages_and_gates_still_fit(held):
    gates = [held["gates"][1]] * 40
    stages = [held["stages"][0] | {"stage": f"s{n}", "seconds": float(n)} for n in range(60)]
    lines = summary_lines(held | {"gates": gates, "stages": stages})
    assert len(lines) <= 30
    assert any("s59" in line for line in lines)
    assert any("not listed" in line for line in lines)


def test_printing_adds_no_markup_and_no_control_characters(summary):
    sink = io.StringIO()
    gate = {
        "gate": "[red]x[/red]\x1b[2J",
        "passed": False,
        "value": 1,
        "limit": 0,
        "message": "m\nm",
    }
    print_summary(summary | {"gates": [gate]}, Console(file=sink, force_terminal=True, width=40))
    assert "[red]x[/red]" in sink.getvalue()
    assert "\x1b" not in sink.getvalue()
    assert len(sink.getvalue().splitlines()) == len(summary_lines(summary | {"gates": [gate]}))
