"""Recovery of runs whose process is gone: the server is told to notice, and people are told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from prefect.automations import Automation
from prefect.client.schemas.objects import StateType
from prefect.events.actions import ChangeFlowRunState
from prefect.events.schemas.automations import EventTrigger, Posture

from pipeline.catalog import RunSummary
from pipeline.config import RunConfig
from pipeline.nightly import notify

if TYPE_CHECKING:
    from prefect.client.schemas.objects import FlowRun, State
    from prefect.flows import Flow

NAME = "gemel: a run whose process is gone"
# A run says that it is alive every 180 s; three in a row are missing before it counts as gone.
WITHIN_SECONDS = 600

# Flow runs whose flow began in this process: it tells how they end itself.
_begun: set[str] = set()


def recovery(within_seconds: int = WITHIN_SECONDS) -> Automation:
    """The automation that marks a run *Crashed* when it no longer says that it is alive.

    Any other event of the run ends the wait, whatever its state is called: *Held* is one too.
    """
    return Automation(
        name=NAME,
        description="Frees the deployment's slot after the machine or the worker died.",
        trigger=EventTrigger(
            posture=Posture.Proactive,
            match={"prefect.resource.id": "prefect.flow-run.*"},
            match_related={"prefect.resource.name": "gemel-nightly"},
            after={"prefect.flow-run.heartbeat"},
            expect={"prefect.flow-run.*"},
            for_each={"prefect.resource.id"},
            threshold=1,
            within=within_seconds,
        ),
        actions=[
            ChangeFlowRunState(
                state=StateType.CRASHED,
                message="It no longer says that it is alive: its process is gone.",
            )
        ],
    )


async def ensure_recovery() -> None:
    """Create the automation unless the server has one of that name."""
    try:
        await Automation.aread(name=NAME)
    except ValueError:
        await recovery().acreate()


def record_start(flow_run_id: str) -> None:
    """Say that this process itself will tell how a flow run ends."""
    _begun.add(flow_run_id)


def tell_crash(flow: Flow[Any, Any], flow_run: FlowRun, state: State) -> None:
    """Tell whom the configuration names that a run's process died; called by runner or worker.

    Prefect calls it by keyword.
    """
    if str(flow_run.id) in _begun:
        return
    config = RunConfig.model_validate(flow_run.parameters["config"])
    notify(
        RunSummary(
            run=None,
            name=config.name,
            status="failed",
            catalog=config.catalog,
            stage="unknown",
            error=f"its process died: {state.message or state.name}; flow run {flow_run.name}",
        ),
        config,
    )
