"""Run the flow from the command line, with live progress."""

from __future__ import annotations

import os
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from pipeline.arrays import progress
from pipeline.config import RunConfig, TrainConfig, ViewTrainConfig

if TYPE_CHECKING:
    from prefect.client.schemas.objects import State


class RateColumn(ProgressColumn):
    """Units per second of a stage."""

    def render(self, task: Task) -> Text:
        """Show the speed once there is one."""
        speed = task.finished_speed or task.speed
        return Text(f"{speed:,.0f}/s" if speed else "", style="dim")


class LiveProgress:
    """One line per stage: done of total, rate, time spent and left."""

    def __init__(self, console: Console) -> None:
        self.bars = Progress(
            TextColumn("{task.description:<13}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            RateColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=console,
            transient=False,
        )
        self.tasks: dict[str, Any] = {}

    def __call__(self, stage: str, done: int, total: int | None) -> None:
        """Listen to `pipeline.arrays.progress`."""
        name = {"embed_image": "embed_images"}.get(stage, stage)
        if name not in self.tasks:
            self.tasks[name] = self.bars.add_task(name.replace("_", " "), total=None)
        self.bars.update(self.tasks[name], completed=done, total=total)
        if total is not None and done >= total:
            self.bars.stop_task(self.tasks[name])


def run_once(
    config: RunConfig, *, plain: bool, verbose: bool, quiet: bool, full: bool = False
) -> dict[str, Any]:
    """Run the nightly flow (or its plain loop) and return the summary."""
    console = Console(stderr=True, quiet=quiet)
    if not verbose:
        # The command line says what went wrong itself; a server still gets the whole log.
        os.environ.setdefault("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", "CRITICAL")
    if not plain:
        console.print("starting Prefect …", style="dim")
        from flows import nightly as _loaded  # noqa: F401 - seconds of imports, before the bars
    live = LiveProgress(console)
    with live.bars, progress.listening(live, hearer=partial(console.print, style="dim")):
        return _plain(config, full) if plain else _flow(config, full)


def finetune_once(
    config: TrainConfig, *, dry_run: bool, plain: bool, quiet: bool
) -> dict[str, Any]:
    """Fine-tune as a flow, or without Prefect, and return the summary."""
    from pipeline.training import finetune

    console = Console(stderr=True, quiet=quiet)
    if dry_run:
        return finetune(config, dry_run=True)
    os.environ.setdefault("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", "CRITICAL")
    live = LiveProgress(console)
    if plain:
        with live.bars, progress.listening(live):
            return finetune(config)
    console.print("starting Prefect …", style="dim")
    from flows.finetune import finetune as flow

    with live.bars, progress.listening(live):
        return _summary_of(flow, config)


def views_once(
    config: ViewTrainConfig, *, dry_run: bool, plain: bool, quiet: bool
) -> dict[str, Any]:
    """Train on views as a flow, or without Prefect, and return what was learned."""
    from pipeline.training import train_self_supervised

    if dry_run:
        return train_self_supervised(config, dry_run=True)
    os.environ.setdefault("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", "CRITICAL")
    console = Console(stderr=True, quiet=quiet)
    live = LiveProgress(console)
    with live.bars, progress.listening(live, hearer=partial(console.print, style="dim")):
        if plain:
            return train_self_supervised(config)
        from flows.finetune import views as flow

        return _summary_of(flow, config)


def _plain(config: RunConfig, full: bool) -> dict[str, Any]:
    from pipeline.nightly import run

    return run(config, full=full)


def _flow(config: RunConfig, full: bool) -> dict[str, Any]:
    from flows.nightly import nightly

    return _summary_of(nightly, config, full=full)


def _summary_of(
    flow: Any, config: RunConfig | TrainConfig | ViewTrainConfig, **options: bool
) -> dict[str, Any]:
    """Run a flow; its summary, also of one that failed for Prefect and has one."""
    try:
        state = cast("State[Any]", flow(config, **options, return_state=True))
    except Exception as error:
        stopped = _interrupt_below(error)
        if stopped:
            raise stopped from error
        raise
    # A run that is held or not all written, and a model that is not promoted, fail for Prefect.
    found = state.result(raise_on_failure=False)
    if isinstance(found, BaseException):
        raise found
    summary: dict[str, Any] = found
    return summary


def _interrupt_below(error: BaseException) -> KeyboardInterrupt | None:
    """The interrupt that an error came on top of: Ctrl-C stops Prefect's temporary server too."""
    below: BaseException | None = error
    while below:
        if isinstance(below, KeyboardInterrupt):
            return below
        below = below.__context__
    return None


def print_plan(config: RunConfig, *, full: bool = False) -> dict[str, Any]:
    """Check everything a run checks before any work, and say what it would do."""
    from pipeline.nightly import check, plan
    from pipeline.outputs import check_exports

    check_exports(config.exports)
    check(config)
    return {
        "configuration": "complete",
        "computes": "; ".join(plan(config, full=full)),
        "sources": ", ".join(f"{s.name} ({s.type})" for s in config.sources),
        "text encoder": config.text_encoder.type,
        "image encoder": config.image_encoder.type,
        "accept at probability": config.judge.accept,
        "review at probability": config.judge.review,
        "gates": config.gates.model_dump(),
        "retention": config.retention.model_dump(),
        "exports": ", ".join(f"{e.what} to {e.path}" for e in config.exports) or "none",
        "catalog": config.catalog,
    }


def plan_lines(plan: dict[str, Any]) -> list[str]:
    """What `dry` found, a line each; the limits of the gates below one another."""
    lines = []
    for name, value in plan.items():
        if isinstance(value, dict):
            lines.append(f"{name}:")
            lines += [f"  {limit}: {'none' if at is None else at}" for limit, at in value.items()]
        else:
            lines.append(f"{name}: {value}")
    return lines
