"""The command `gemel schedule`."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import App, Parameter

from flows.cli.options import JsonOption, show

if TYPE_CHECKING:
    from flows.schedule import Plan


def register(app: App) -> None:
    """Add the command to the command line."""
    app.command(schedule)


def schedule(
    config: Path,
    *,
    cron: Annotated[str, Parameter(help="When: minute, hour, day, month, weekday.")] = "0 2 * * *",
    timezone: Annotated[str, Parameter(help="Time zone of --cron, such as Europe/Berlin.")] = "UTC",
    name: Annotated[
        str | None, Parameter(help="Name of the deployment. Default: the configuration's.")
    ] = None,
    collision: Annotated[
        Literal["CANCEL_NEW", "ENQUEUE"],
        Parameter(help="A run that is due while one is at work: cancelled, or waiting for it."),
    ] = "CANCEL_NEW",
    dry_run: Annotated[
        bool, Parameter(negative="", help="Check everything and show it, serve nothing.")
    ] = False,
    as_json: JsonOption = False,
) -> int:
    """Run a configuration every night: serve it with Prefect until stopped.

    Needs a Prefect server (`prefect server start`, and PREFECT_API_URL set). The configuration is
    kept with the deployment: after a change of the file, start this command again.

    Example: `gemel schedule configs/sample.yaml --cron "0 2 * * *" --timezone Europe/Berlin`
    """
    from flows import schedule as scheduling
    from pipeline.config import load_config

    plan = scheduling.plan(
        load_config(config), cron=cron, timezone=timezone, name=name, collision=collision
    )
    server = None if dry_run else scheduling.check_server()
    facts = _facts(plan, server=server)
    notes = list(plan.notes) + ([] if dry_run else scheduling.server_notes())
    show({**facts, "notes": notes}, _lines(facts, notes), as_json=as_json)
    if not dry_run:
        scheduling.serve(plan)
    return 0


def _facts(plan: Plan, *, server: str | None) -> dict[str, Any]:
    coming = plan.next_runs(datetime.now(UTC))
    return {
        "deployment": plan.deployment,
        "cron": plan.cron,
        "timezone": plan.timezone,
        "limit": 1,
        "collision": plan.collision,
        "next": [when.isoformat() for when in coming],
        "catalog": plan.parameters["config"]["catalog"],
        "server": server,
    }


def _lines(facts: dict[str, Any], notes: list[str]) -> list[str]:
    overlap = {
        "CANCEL_NEW": "a run that is due while one is at work is cancelled",
        "ENQUEUE": "a run that is due while one is at work waits for it",
    }[facts["collision"]]
    lines = [
        f"deployment  {facts['deployment']}",
        f"when        {facts['cron']} ({facts['timezone']}); {overlap}",
        *(f"{'next' if n == 0 else '':<12}{when}" for n, when in enumerate(facts["next"])),
        f"catalog     {facts['catalog']}",
        *(f"note        {note}" for note in notes),
    ]
    if facts["server"] is None:
        return [*lines, "nothing is served: --dry-run"]
    return [
        *lines,
        f"serving     at {facts['server']} until stopped (Ctrl-C pauses the schedule)",
        f"now         prefect deployment run '{facts['deployment']}'",
    ]
