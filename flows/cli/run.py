"""Run the flow from the command line, with live progress."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

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

Plan = Mapping[str, object]


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
        if stage not in self.tasks:
            self.tasks[stage] = self.bars.add_task(stage.replace("_", " "), total=None)
        self.bars.update(self.tasks[stage], completed=done, total=total)
        if total is not None and done >= total:
            self.bars.stop_task(self.tasks[stage])


def run_flow(
    config: RunConfig | TrainConfig | ViewTrainConfig,
    *,
    plain: bool,
    quiet: bool,
    verbose: bool = False,
    **options: bool,
) -> Any:
    """Do what a configuration asks for, as its flow or `plain`, below live bars; its result."""
    console = Console(stderr=True, quiet=quiet)
    if not verbose:
        # The command line says what went wrong itself; a server still gets the whole log.
        os.environ.setdefault("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", "CRITICAL")
    if not plain:
        console.print("starting Prefect …", style="dim")
    work = _plain(config) if plain else _flow(config)  # seconds of imports, before the bars
    live = LiveProgress(console)
    with live.bars, progress.listening(live, hearer=partial(console.print, style="dim")):
        return work(config, **options) if plain else _result_of(work, config, **options)


def _plain(config: RunConfig | TrainConfig | ViewTrainConfig) -> Callable[..., Any]:
    match config:
        case RunConfig():
            from pipeline.nightly import run

            return run
        case TrainConfig():
            from pipeline.training import finetune

            return finetune
        case ViewTrainConfig():
            from pipeline.training import train_self_supervised

            return train_self_supervised


def _flow(config: RunConfig | TrainConfig | ViewTrainConfig) -> Callable[..., Any]:
    match config:
        case RunConfig():
            from flows.nightly import nightly

            return nightly
        case TrainConfig():
            from flows.finetune import finetune

            return finetune
        case ViewTrainConfig():
            from flows.finetune import views

            return views


def _result_of(flow: Callable[..., Any], *given: Any, **options: bool) -> Any:
    """Run a flow; its result, also of one that failed for Prefect and has one."""
    try:
        state: State[Any] = flow(*given, **options, return_state=True)
    except Exception as error:
        stopped = _interrupt_below(error)
        if stopped:
            raise stopped from error
        raise
    # A run that is held or not all written, and a model that is not promoted, fail for Prefect.
    found = state.result(raise_on_failure=False)
    if isinstance(found, BaseException):
        raise found
    return found


def _interrupt_below(error: BaseException) -> KeyboardInterrupt | None:
    """The interrupt that an error came on top of: Ctrl-C stops Prefect's temporary server too."""
    below: BaseException | None = error
    while below:
        if isinstance(below, KeyboardInterrupt):
            return below
        below = below.__context__
    return None


def plan_lines(plan: Plan) -> list[str]:
    """What a dry run found, a line each; the limits of the gates below one another."""
    lines = []
    for name, value in plan.items():
        if isinstance(value, dict):
            lines.append(f"{name}:")
            lines += [f"  {limit}: {'none' if at is None else at}" for limit, at in value.items()]
        else:
            lines.append(f"{name}: {value}")
    return lines


def plan_run(config: RunConfig, *, full: bool = False) -> Plan:
    """Check everything a run checks before any work, and say what it would do."""
    from pipeline.nightly import plan, prepare

    return {
        "configuration": "complete",
        "computes": "; ".join(plan(prepare(config), full=full)),
        "sources": ", ".join(f"{s.name} ({s.type})" for s in config.sources),
        "text encoder": config.text_encoder.type,
        **({} if config.student is None else {"student before it": config.student.type}),
        "image encoder": config.image_encoder.type,
        "accept at probability": config.judge.accept,
        "review at probability": config.judge.review,
        "gates": config.gates.model_dump(),
        "retention": config.retention.model_dump(),
        "exports": ", ".join(f"{e.what} to {e.path}" for e in config.exports) or "none",
        "catalog": config.catalog,
    }
