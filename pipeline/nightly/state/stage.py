"""A stage of a run: timed, held to the run's threads, and its result kept."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Generic, TypeVar

from pipeline.arrays import progress, release_memory
from pipeline.nightly.monitoring import run_log
from pipeline.nightly.state.context import RunContext


@dataclass(frozen=True, kw_only=True)
class StageResult:
    """What a stage leaves to those after it and to the summary, kept in the run's scratch.

    Attributes:
        rows, bytes: that it worked on, and that it wrote.
        seconds: that it took, filled in by `Stage`.
        versions: table -> version that it wrote or read, as readers of the run will see it.
    """

    rows: int = 0
    bytes: int = 0
    seconds: float = 0.0
    versions: dict[str, int] = field(default_factory=dict)


R = TypeVar("R", bound=StageResult)


@dataclass(frozen=True)
class Stage(Generic[R]):
    """One step of a run, called with the run.

    Attributes:
        name: as the summary, the log and the bars call it.
        kind: of its result. key: of the result, where two stages have results of one kind.
        work: does it.
    """

    name: str
    kind: type[R]
    work: Callable[[RunContext], R]
    key: str = ""

    def kept(self, context: RunContext) -> R | None:
        """The result of the stage in a run that was stopped after it."""
        return context.work.kept(self.kind, self.key)

    def __call__(self, context: RunContext) -> R:
        """The result: kept, or made now."""
        from threadpoolctl import threadpool_limits

        if (kept := self.kept(context)) is not None:
            progress.report(self.name, kept.rows, kept.rows)
            return kept
        began = time.perf_counter()
        told = functools.partial(
            run_log.event, catalog=context.config.catalog, run=context.run, stage=self.name
        )
        told("stage started")
        progress.report(self.name, 0)
        with threadpool_limits(limits=context.threads):
            made = self.work(context)
        release_memory()
        result = replace(made, seconds=time.perf_counter() - began)
        context.work.keep(result, self.key)
        told("stage finished", rows=result.rows, seconds=result.seconds, bytes=result.bytes)
        progress.report(self.name, result.rows, result.rows)
        return result


def stage(
    name: str, kind: type[R], *, key: str = ""
) -> Callable[[Callable[[RunContext], R]], Stage[R]]:
    """Make a function a stage."""
    return lambda work: Stage(name, kind, work, key)
