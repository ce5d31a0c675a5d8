"""Serve the nightly flow with Prefect: what is checked before, and what is served."""

from __future__ import annotations

import asyncio
import difflib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from zoneinfo import ZoneInfo, available_timezones

import httpx
from prefect.client.schemas.objects import ConcurrencyLimitConfig, ConcurrencyLimitStrategy
from prefect.client.schemas.schedules import CronSchedule, is_valid_timezone
from prefect.schedules import Cron
from prefect.settings import PREFECT_API_URL
from prefect.types.entrypoint import EntrypointType
from pydantic import ValidationError

from flows.recovery import ensure_recovery
from pipeline.config import RunConfig
from pipeline.errors import ConfigError, PipelineError
from pipeline.nightly import check_writable, unset_variables
from pipeline.storage import Place

Collision = Literal["CANCEL_NEW", "ENQUEUE"]
FLOW = "gemel-nightly"
# The deployment's limit of one decides what becomes of an overlapping run. Were the runner's own
# limit one as well, it would leave that run waiting and the deployment would never be asked.
RUNNER_SLOTS = 4
IN_MEMORY = "prefect.server.concurrency.lease_storage.memory"
ON_DISK = "prefect.server.concurrency.lease_storage.filesystem"


@dataclass(frozen=True)
class Plan:
    """A schedule that has been checked.

    Attributes:
        parameters: what each run is started with, as JSON: the whole configuration.
        notes: what is worth knowing and stops nothing.
    """

    name: str
    cron: str
    timezone: str
    collision: Collision
    parameters: dict[str, Any]
    notes: tuple[str, ...] = ()

    @property
    def deployment(self) -> str:
        """As `prefect deployment run` takes it."""
        return f"{FLOW}/{self.name}"

    def next_runs(self, after: datetime, *, count: int = 3) -> list[datetime]:
        """The next moments in the schedule's own time zone, as Prefect's scheduler finds them."""
        from prefect.server.schemas.schedules import CronSchedule as Scheduler

        dates = Scheduler(cron=self.cron, timezone=self.timezone).get_dates(count, after)
        zone = ZoneInfo(self.timezone)
        return [date.astimezone(zone) for date in asyncio.run(dates)]


def plan(
    config: RunConfig, *, cron: str, timezone: str, name: str | None, collision: Collision
) -> Plan:
    """Check a schedule before anything is served.

    Raises:
        ConfigError: the expression, the zone or the configuration cannot be scheduled.
        CatalogError: the catalog cannot be written.
    """
    _check_cron(cron)
    _check_zone(timezone)
    check_writable(Place.of(config.catalog, config.catalog_options))
    return Plan(
        name=name or config.name,
        cron=cron,
        timezone=timezone,
        collision=collision,
        parameters={"config": _as_parameter(config), "full": False},
        notes=tuple(_notes(config)),
    )


def _check_cron(cron: str) -> None:
    try:
        CronSchedule(cron=cron)
        if len(cron.split()) == 5:
            return
    except ValidationError:
        pass  # said below, with what would be right
    raise ConfigError(
        f"--cron: {cron!r} is no cron expression; it takes five fields, minute hour day month "
        'weekday: "0 2 * * *" is every night at two'
    )


def _check_zone(name: str) -> None:
    known = available_timezones()
    if name in known and is_valid_timezone(name):
        return
    near = difflib.get_close_matches(name, sorted(known), n=2, cutoff=0.6)
    hint = f"did you mean {' or '.join(near)}?" if near else "such as Europe/Berlin or UTC"
    raise ConfigError(f"--timezone: {name!r} is no IANA time zone; {hint}")


def _as_parameter(config: RunConfig) -> dict[str, Any]:
    """The configuration as Prefect keeps it.

    Raises:
        ConfigError: it holds credentials, which Prefect's server would show to everyone.
    """
    kept = config.model_dump(mode="json")
    hidden = [
        f"storage_options of source {source.name}"
        for source, shown in zip(config.sources, kept["sources"], strict=True)
        if source.storage_options != shown["storage_options"]
    ]
    if config.catalog_options != kept["catalog_options"]:
        hidden.append("catalog_options")
    if not hidden:
        return kept
    raise ConfigError(
        f"{', '.join(hidden)} hold credentials, and a deployment's "
        "parameters can be read by everyone who sees Prefect's server; give them to the process "
        "that runs the nights as environment variables (AWS_ACCESS_KEY_ID, …) or as a profile"
    )


def _notes(config: RunConfig) -> Iterator[str]:
    for number, to in enumerate(config.notify):
        for variable in unset_variables(to):
            yield f"notify.{number} ({to.type}): {variable} is not set here"
    if not config.notify:
        yield "nobody is told of a held or failed run: add `notify` to the configuration"


def check_server() -> str:
    """Look whether a lasting server answers; its address.

    Raises:
        PipelineError: there is none, and how to start one.
    """
    url: str | None = PREFECT_API_URL.value()
    if not url:
        raise ConfigError(
            "no Prefect server is named, and a temporary one ends with this command: start one "
            f"with `PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE={ON_DISK} prefect server start`, "
            "then set PREFECT_API_URL=http://127.0.0.1:4200/api here"
        )
    try:
        httpx.get(f"{url}/health", timeout=10).raise_for_status()
    except httpx.HTTPError as error:
        raise PipelineError(
            f"PREFECT_API_URL: no Prefect server answers at {url} ({type(error).__name__}: "
            f"{error}); start it with `prefect server start`, or correct the address"
        ) from error
    return url


def server_notes() -> list[str]:
    """What of the server's settings would hurt on the night after a crash."""
    try:
        found = httpx.get(f"{PREFECT_API_URL.value()}/admin/settings", timeout=10).json()
        storage = found["server"]["concurrency"]["lease_storage"]
    except (httpx.HTTPError, ValueError, KeyError, TypeError):
        return []  # a server that does not say
    if storage != IN_MEMORY:
        return []
    return [
        "the server keeps its leases in memory: after it is killed during a run, every later "
        f"night is cancelled. Start it with PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE={ON_DISK}"
    ]


def serve(chosen: Plan) -> None:
    """Create the deployment and run what it schedules, until stopped; then it is paused."""
    from flows.nightly import nightly

    asyncio.run(ensure_recovery())
    nightly.serve(
        name=chosen.name,
        schedule=Cron(chosen.cron, timezone=chosen.timezone),
        parameters=chosen.parameters,
        global_limit=ConcurrencyLimitConfig(
            limit=1, collision_strategy=ConcurrencyLimitStrategy(chosen.collision)
        ),
        limit=RUNNER_SLOTS,
        tags=["gemel"],
        print_starting_message=False,
        entrypoint_type=EntrypointType.MODULE_PATH,
    )
