"""Commands about the runs of a catalog: list, show, release, discard, rollback, prune."""

from __future__ import annotations

import getpass
from dataclasses import asdict, replace
from datetime import date
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

from flows.cli.choice import chosen_catalog, chosen_run
from flows.cli.options import CatalogOption, JsonOption, show

if TYPE_CHECKING:
    from pipeline.catalog import RunSummary

runs_app = App(name="runs", help="What happened in the runs of a catalog, and undo.")
ByOption = Annotated[str | None, Parameter(name="--by", help="Who decides. Default: you.")]
ReasonOption = Annotated[str, Parameter(name="--reason", help="Why; kept with the run.")]


@runs_app.command(name="list")
def list_runs(*, catalog: CatalogOption = None, as_json: JsonOption = False) -> int:
    """List the runs of a catalog, the newest first.

    Readers see the first one that is *published*. The others: *held* by a gate, *discarded* by
    hand, *rolled_back* (was published), *failed*.

    Example: `gemel runs list --catalog .gemel/sample`
    """
    from pipeline.outputs import run_lines, run_row

    kept = chosen_catalog(catalog)
    found = [run.summary for run in kept.runs()]
    lines = run_lines(found) if found else [f"no runs in {kept.root}"]
    show([run_row(summary) for summary in found], lines, as_json=as_json)
    return 0


@runs_app.command(name="show")
def show_run(
    name: str | None = None,
    *,
    catalog: CatalogOption = None,
    as_json: JsonOption = False,
) -> int:
    """Show the summary of a run (default: the newest published one, with a note on stderr when a
    newer one was held or failed).

    Example: `gemel runs show --catalog .gemel/sample`
    """
    kept = chosen_catalog(catalog)
    found = chosen_run(kept, name)
    path = kept.run_folder(found.run) / "report.html"
    report = str(path) if path.exists() else None
    print_summary(replace(found.summary, report=report), as_json=as_json)
    return 0


@runs_app.command(name="release")
def release_run(
    name: str,
    *,
    by: ByOption = None,
    reason: ReasonOption = "by hand",
    until: Annotated[
        str | None,
        Parameter(help="A day, such as 2026-03-31: through it the gates allow as much again."),
    ] = None,
    catalog: CatalogOption = None,
    as_json: JsonOption = False,
) -> int:
    """Publish a held run after looking at it; its report and its exports are written.

    Only while the run it was computed from is still the published one. With --until, the gates that
    held it let later nights pass up to the same values, and say so. Exit code 1: it is published
    and something could not be written.

    Example: `gemel runs release 20260301T020000.000000Z --reason "the new supplier"`
    """
    from pipeline.errors import ConfigError
    from pipeline.nightly import release_run

    kept = chosen_catalog(catalog)
    try:
        day = None if until is None else date.fromisoformat(until)
    except ValueError as error:
        raise ConfigError(f"--until {until!r} is no day; write it as 2026-03-31") from error
    released = release_run(kept, name, by=by or getpass.getuser(), reason=reason, until=day)
    return _tell(released, as_json=as_json)


@runs_app.command(name="discard")
def discard_run(
    name: str,
    *,
    by: ByOption = None,
    reason: ReasonOption = "by hand",
    catalog: CatalogOption = None,
    as_json: JsonOption = False,
) -> int:
    """Throw a held run away: it stays in the list, and its tables go with the retention.

    Example: `gemel runs discard 20260301T020000.000000Z --reason "the feed was cut short"`
    """
    from pipeline.nightly import discard_run

    kept = chosen_catalog(catalog)
    summary = discard_run(kept, name, by=by or getpass.getuser(), reason=reason)
    lines = [f"run {name} is discarded; readers see what they saw"]
    show(summary.to_json(), lines, as_json=as_json)
    return 0


@runs_app.command(name="rollback")
def rollback_run(
    name: str | None = None,
    *,
    by: ByOption = None,
    reason: ReasonOption = "by hand",
    catalog: CatalogOption = None,
    as_json: JsonOption = False,
) -> int:
    """Show readers an earlier published run again (default: the one before), in one step.

    Runs published after it become *rolled_back*; the next night continues from it. Naming one that
    was rolled back goes forward to it again. The run's exports are written again.

    Example: `gemel runs rollback --reason "wrong merges in the shop"`
    """
    from pipeline.nightly import rollback_run

    kept = chosen_catalog(catalog)
    return _tell(
        rollback_run(kept, name, by=by or getpass.getuser(), reason=reason), as_json=as_json
    )


@runs_app.command(name="prune")
def prune_runs(
    *,
    runs: Annotated[
        int | None, Parameter(help="Published runs to keep. Default: the published run's setting.")
    ] = None,
    days: Annotated[
        float | None, Parameter(help="Keep what ended within so many days. Default: as above.")
    ] = None,
    dry_run: Annotated[bool, Parameter(negative="", help="Say what would go.")] = False,
    catalog: CatalogOption = None,
    as_json: JsonOption = False,
) -> int:
    """Remove versions of tables, vectors and folders that no kept run needs.

    Kept whatever the limits: what readers see, the run it was computed from, and held runs. Every
    published run does this by the limits in its configuration.

    Example: `gemel runs prune --dry-run --catalog .gemel/sample`
    """
    from pipeline.nightly import prune_runs
    from pipeline.outputs import prune_lines

    limits, found = prune_runs(chosen_catalog(catalog), runs=runs, days=days, dry_run=dry_run)
    facts = {"keep": limits.runs, "days": limits.days, **asdict(found)}
    show(facts, prune_lines(limits, found, dry_run=dry_run), as_json=as_json)
    return 0


def print_summary(summary: RunSummary, *, as_json: bool) -> None:
    """Print a run's summary for a person or for a machine."""
    from rich.console import Console

    from pipeline.outputs import terminal

    if as_json:
        show(summary.to_json(), [], as_json=True)
    else:
        terminal.print_summary(summary, Console())


def _tell(summary: RunSummary, *, as_json: bool) -> int:
    """Print what is published now; 1 where not all of it could be written."""
    from pipeline.outputs import run_facts

    print_summary(summary, as_json=as_json)
    return 1 if run_facts.unwritten_outputs(summary) else 0
