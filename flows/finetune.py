"""A fine-tune as a Prefect flow: one task, for a model is registered whole or not at all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from prefect import flow, get_run_logger, task
from prefect.artifacts import create_link_artifact, create_table_artifact
from prefect.cache_policies import NO_CACHE
from prefect.states import Failed

from pipeline.config import TrainConfig, ViewTrainConfig

if TYPE_CHECKING:
    from pipeline.outputs import FinetuneSummary, ViewTrainingSummary


@flow(name="gemel-finetune", validate_parameters=True)
def finetune(config: TrainConfig) -> Any:
    """Train, calibrate, evaluate, gate and register a model; return the summary.

    A model that does not pass the gate is registered and ends the flow in the state *NotPromoted*:
    the champion stays.
    """
    summary = train(config)
    show(summary)
    if not summary.promoted and config.gate.promote:
        failed = [check.name for check in summary.gate if not check.passed]
        message = f"{summary.model} is registered, not promoted: {', '.join(failed)}"
        return Failed(name="NotPromoted", message=message, data=summary)
    get_run_logger().info("%s is registered", summary.model)
    return summary


@flow(name="gemel-views", validate_parameters=True)
def views(config: ViewTrainConfig) -> Any:
    """Train an encoder on views of the records, write its folder and return what was learned."""
    facts = learn(config)
    get_run_logger().info("%s is in %s", facts.name, facts.out)
    return facts


@task(cache_policy=NO_CACHE)
def learn(config: ViewTrainConfig) -> ViewTrainingSummary:
    """Everything from the records to the folder."""
    from pipeline.training import train_self_supervised

    return train_self_supervised(config)


@task(cache_policy=NO_CACHE)
def train(config: TrainConfig) -> FinetuneSummary:
    """Everything from the labels to the registered model; a killed one goes on where it was."""
    from pipeline import training

    return training.finetune(config)


@task(cache_policy=NO_CACHE)
def show(summary: FinetuneSummary) -> None:
    """Leave the figures and the link to the governance report as artifacts of the flow run."""
    rows = [
        {
            "metric": name.replace("_", " "),
            **{key: round(number, 4) for key, number in vars(m).items()},
        }
        for name, m in vars(summary.metrics).items()
    ]
    create_table_artifact(table=rows, key="gemel-model", description=summary.model)
    create_link_artifact(
        link=f"file://{summary.report}", key="gemel-governance", description="Governance report"
    )
