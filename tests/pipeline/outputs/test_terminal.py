"""The terminal summary: short, aligned, plain."""

from __future__ import annotations

import io
from dataclasses import replace

from rich.console import Console

from pipeline.candidates import CascadeThresholds
from pipeline.catalog import CascadeCounts, Gate
from pipeline.evaluation import Estimate, ExpectedQuality
from pipeline.outputs.run_facts import headline, in_short, list_run_facts
from pipeline.outputs.terminal import print_summary, run_lines, run_row, summary_lines


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


def test_what_a_removal_list_holds_and_what_waits_for_review(summary):
    (line,) = (line for line in summary_lines(summary) if line.startswith("removable"))
    assert line.split(maxsplit=1)[1] == (
        "9,342 (7.8 %); 215 more in clusters for review; nothing is deleted"
    )


def test_what_a_run_without_labels_expects_stands_with_its_interval(summary):
    assert "unknown here" in "\n".join(summary_lines(summary))
    expects = ExpectedQuality(Estimate(0.885, 0.609, 1.0), Estimate(0.711, 0.154, 0.973))
    text = "\n".join(summary_lines(replace(summary, expected=expects)))
    assert "estimated below" in text
    assert "expected    precision 88.5 % (60.9 % to 100.0 %), recall 71.1 % (15.4 % to" in text
    facts = {fact.label: fact for fact in list_run_facts(replace(summary, expected=expects))}
    assert facts["Expected recall"].value == "71.1 %"
    assert facts["Expected recall"].note.startswith("15.4 % to 97.3 %")


def test_failed_run_says_where_and_why_and_what_readers_see(failed):
    lines = summary_lines(failed)
    assert lines[0].startswith(f"FAILED   run {failed.run}")
    assert lines[1].split(maxsplit=2) == ["stopped", "in", "score"]
    assert lines[2].split(maxsplit=1) == ["error", "OSError: [Errno 28] No space left"]
    assert "last published run" in lines[3]
    assert not any(line.startswith(("gates", "removable", "rows")) for line in lines)
    assert sum(line.startswith("stage ") for line in lines) == 5


def test_what_could_not_be_written_comes_first(unwritten):
    lines = summary_lines(unwritten)
    assert lines[0].startswith("PUBLISHED, NOT ALL WRITTEN")
    assert "NOT WRITTEN /out/removals.csv: cannot write" in lines[2]
    assert any(line.startswith("gates") for line in lines)
    many = {f"/out/{n}.csv": "no" for n in range(40)}
    lines = summary_lines(replace(unwritten, exports_failed=many, report_failed="ValueError: x"))
    assert len(lines) <= 30
    assert "NOT WRITTEN the report: ValueError: x" in lines[2]
    assert any("and 36 more" in line for line in lines)


def test_a_run_stopped_after_it_was_published_is_still_published(summary):
    found = headline(replace(summary, error="stopped by hand (KeyboardInterrupt)"))
    assert not found.fine
    assert found.title == "Published, not all written"
    assert "stopped by hand" in found.detail


def test_reasons_in_short(summary, held, failed, unwritten):
    assert in_short(summary) == ""
    assert in_short(held) == "quarantined"
    assert in_short(failed) == "score: OSError: [Errno 28] No space left"
    assert in_short(unwritten).startswith("not written: /out/removals.csv: cannot write")


def test_runs_in_columns(summary, failed):
    rows = [run_row(failed), run_row(summary)]
    assert (rows[0]["removable"], rows[1]["removable_in_review"]) == (None, 215)
    head, stopped, fine = run_lines([failed, summary])
    assert fine.split()[1:] == ["published", "120,342", "7,420", "9,342", "215", "702.4"]
    assert stopped.split()[1:3] == ["failed", "702.4"]
    assert stopped.endswith("702.4  score: OSError: [Errno 28] No space left")
    assert head.index("in review") + len("in review") == fine.index("215") + 3
    long = replace(failed, error="a\nb\x1b[2J" * 400)
    assert len(run_lines([long])[1]) < 360
    assert "\x1b" not in run_lines([long])[1]


def test_many_stages_and_gates_still_fit(held):
    gates = (held.gates[1],) * 40
    stages = tuple(replace(held.stages[0], stage=f"s{n}", seconds=float(n)) for n in range(60))
    lines = summary_lines(replace(held, gates=gates, stages=stages))
    assert len(lines) <= 30
    assert any("s59" in line for line in lines)
    assert any("not listed" in line for line in lines)


def test_printing_adds_no_markup_and_no_control_characters(summary):
    sink = io.StringIO()
    summary = replace(summary, gates=(Gate("x", "[red]x[/red]\x1b[2J", False, 1, 0, "m\nm"),))
    print_summary(summary, Console(file=sink, force_terminal=True, width=40))
    assert "[red]x[/red]" in sink.getvalue()
    assert "\x1b" not in sink.getvalue()
    assert len(sink.getvalue().splitlines()) == len(summary_lines(summary))


def test_a_cascade_says_what_met_the_teacher_and_what_it_measured(summary):
    assert not [line for line in summary_lines(summary) if line.startswith("cascade")]
    choice = CascadeThresholds(
        floor=0.78, margin=0.12, recall=0.991, low=0.962, high=0.998, texts=500, duplicates=210,
        judged=900, measured=True,
    )  # fmt: skip
    late = CascadeCounts(choice, "r", 1000, 123, 0.123, 123, 0)
    told = replace(summary, cascade=late)
    (line,) = (line for line in summary_lines(told) if line.startswith("cascade"))
    assert "12.3 % of the texts met the teacher" in line
    assert "floor 0.78, margin 0.12, 99.1 % of its duplicates kept (96.2 % to 99.8 %)" in line
    stated = replace(late, choice=replace(choice, measured=False, duplicates=4))
    told = replace(summary, cascade=stated)
    (line,) = (line for line in summary_lines(told) if line.startswith("cascade"))
    assert "floor 0.78, margin 0.12 (stated: 4 duplicates in the sample)" in line
    assert "99.1" not in line
