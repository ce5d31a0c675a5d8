"""Commands about models: finetune, evaluate, calibrate, models."""

from __future__ import annotations

import getpass
from pathlib import Path
from typing import Annotated, Any

from cyclopts import App, Parameter

from flows.cli.choice import chosen_catalog, resolve
from flows.cli.early import PrefectOption, takes_prefect
from flows.cli.options import CatalogOption, JsonOption, show
from pipeline.errors import ConfigError
from pipeline.storage import to_plain

PairsOption = Annotated[
    Path | None,
    Parameter(name="--pairs", help="CSV, JSONL or Parquet with left_id, right_id, label."),
]
ConfigOption = Annotated[
    Path | None,
    Parameter(name="--config", help="A fine-tune's configuration: its labels and sources."),
]
SplitOption = Annotated[
    str | None, Parameter(name="--split", help="Only labels of this split (train, valid, test).")
]

models_app = App(name="models", help="The registry: versions, the champion, promotion, rollback.")


def register(app: App) -> None:
    """Add these commands to the command line."""
    app.command(finetune)
    app.command(evaluate)
    app.command(calibrate)
    app.command(models_app)


def finetune(
    config: Path,
    *,
    catalog: Annotated[str | None, Parameter(help="Use this catalog instead.")] = None,
    dry_run: Annotated[
        bool, Parameter(negative="", help="Read and check the labels, train nothing.")
    ] = False,
    prefect: PrefectOption = None,
    as_json: JsonOption = False,
) -> int:
    """Train on labelled pairs, calibrate, evaluate on held-out pairs, gate, register.

    Exit code 1: the model is registered and did not pass the gate; the champion stays. A file with
    `views` in the place of labels trains an encoder without any and writes it to a folder.

    Example: `gemel finetune configs/finetune.yaml`
    """
    from flows.cli.run import run_flow
    from pipeline.config import is_view_config, load_train_config
    from pipeline.outputs import finetune_lines, plan_lines
    from pipeline.training import plan_finetune

    plain = not takes_prefect(prefect)
    if is_view_config(config):
        return _from_views(config, catalog=catalog, dry_run=dry_run, plain=plain, as_json=as_json)

    settings = load_train_config(config, catalog=resolve(catalog))
    if dry_run:
        plan = plan_finetune(settings)
        show(to_plain(plan), plan_lines(plan), as_json=as_json)
        return 0
    summary = run_flow(settings, plain=plain, quiet=as_json)
    show(to_plain(summary), finetune_lines(summary), as_json=as_json)
    return 0 if summary.promoted or not settings.gate.promote else 1


def _from_views(
    config: Path, *, catalog: str | None, dry_run: bool, plain: bool, as_json: bool
) -> int:
    from flows.cli.run import run_flow
    from pipeline.config import load_view_config
    from pipeline.outputs import view_lines
    from pipeline.training import train_self_supervised

    if catalog is not None:
        raise ConfigError("--catalog: training on views writes to its own `out` and has no catalog")
    settings = load_view_config(config)
    facts = (
        train_self_supervised(settings, dry_run=True)
        if dry_run
        else run_flow(settings, plain=plain, quiet=as_json)
    )
    show(to_plain(facts), view_lines(facts), as_json=as_json)
    return 0


def evaluate(
    *,
    model: Annotated[str, Parameter(help="name/v0003, name (its newest), or champion.")],
    against: Annotated[str | None, Parameter(help="A second model, side by side.")] = None,
    pairs: PairsOption = None,
    config: ConfigOption = None,
    split: SplitOption = None,
    catalog: CatalogOption = None,
    as_json: JsonOption = False,
) -> int:
    """Measure a registered model on labelled pairs, with intervals; or two side by side.

    Every row of the labels counts, repeated ones too. Ids name records of the last published run,
    or of the configuration's sources.

    Example: `gemel evaluate --model champion --pairs labels.csv --catalog .gemel/sample`
    """
    from pipeline.outputs import evaluation_lines
    from pipeline.training import model_evaluation

    settings = _labels(pairs, config, catalog)
    found = model_evaluation.evaluate(settings, model=model, against=against, split=split)
    show(to_plain(found), evaluation_lines(found), as_json=as_json)
    return 0


def calibrate(
    *,
    model: Annotated[str, Parameter(help="name/v0003, name (its newest), or champion.")],
    target_precision: Annotated[float, Parameter(help="Precision whose lower bound must hold.")],
    pairs: PairsOption = None,
    config: ConfigOption = None,
    catalog: CatalogOption = None,
    as_json: JsonOption = False,
) -> int:
    """Choose new thresholds for a registered model, as a new version of it; promotes nothing.

    Pairs that the model was trained on are left out; its test pairs, where given, measure the
    thresholds and choose none.

    Example: `gemel calibrate --model champion --pairs labels.csv --target-precision 0.98`
    """
    from pipeline.outputs import left_out_lines
    from pipeline.training import recalibrate

    settings = _labels(pairs, config, catalog)
    judge = settings.judge.model_copy(update={"target_precision": target_precision})
    made = recalibrate(settings.model_copy(update={"judge": judge}), model=model)
    accept = made.accept
    lines = [
        f"{made.model} made from {made.parent} on {made.pairs:,} labelled pairs",
        *left_out_lines(made),
        f"accept at {accept.value:.4f}: precision {accept.precision:.3f}, at least "
        f"{accept.precision_low:.3f} with {accept.confidence:.0%} confidence",
        f"not promoted; to use it: gemel models promote {made.model}",
    ]
    show(to_plain(made), lines, as_json=as_json)
    return 0


@models_app.command(name="list")
def list_models(*, catalog: CatalogOption = None, as_json: JsonOption = False) -> int:
    """List the registered models, and which is champion.

    Example: `gemel models list --catalog .gemel/sample`
    """
    from pipeline.catalog import model_rows
    from pipeline.outputs import model_lines

    kept = chosen_catalog(catalog)
    rows = model_rows(kept.models)
    show(
        [to_plain(row) for row in rows],
        model_lines(rows) if rows else [f"no models in {kept.root}"],
        as_json=as_json,
    )
    return 0


@models_app.command(name="show")
def show_model(model: str, *, catalog: CatalogOption = None, as_json: JsonOption = False) -> int:
    """Show a model's card, its files verified.

    Example: `gemel models show champion --catalog .gemel/sample`
    """
    from pipeline.catalog import CALIBRATION
    from pipeline.evaluation import Calibration
    from pipeline.outputs import precision_line
    from pipeline.training import find_model

    found = find_model(chosen_catalog(catalog), model)
    accept = found.read(CALIBRATION, Calibration).accept
    named = {"model": found.reference, "folder": str(found.folder)}
    facts = {**named, **to_plain(found.facts), "accept": to_plain(accept)}
    card = (found.folder / "card.md").read_text()
    show(facts, [card, precision_line(accept), str(found.folder)], as_json=as_json)
    return 0


@models_app.command(name="promote")
def promote_model(
    model: str,
    *,
    catalog: CatalogOption = None,
    reason: Annotated[str, Parameter(help="Kept in the registry's history.")] = "by hand",
    as_json: JsonOption = False,
) -> int:
    """Make a version the champion: the next run judges with it.

    Example: `gemel models promote products/v0003 --catalog .gemel/sample`
    """
    from pipeline.catalog import CALIBRATION
    from pipeline.evaluation import Calibration
    from pipeline.outputs import precision_line

    registry = chosen_catalog(catalog).models
    found = registry.find(model)
    registry.promote(found.name, found.version, by=getpass.getuser(), reason=reason)
    accept = found.read(CALIBRATION, Calibration).accept
    facts = {
        "champion": found.reference,
        "purpose": found.purpose,
        "accept": to_plain(accept),
    }
    lines = [f"{found.reference} is champion for {found.purpose}", precision_line(accept)]
    show(facts, lines, as_json=as_json)
    return 0


@models_app.command(name="rollback")
def rollback_model(
    *,
    purpose: Annotated[str, Parameter(help="Of the champion.")] = "deduplication",
    catalog: CatalogOption = None,
    reason: Annotated[str, Parameter(help="Kept in the registry's history.")] = "by hand",
    as_json: JsonOption = False,
) -> int:
    """Go back to the champion before; without one, to the stated defaults.

    Example: `gemel models rollback --catalog .gemel/sample`
    """
    registry = chosen_catalog(catalog).models
    found = registry.rollback(purpose, by=getpass.getuser(), reason=reason)
    now = found.reference if found else "none: runs decide by the stated defaults"
    show({"champion": found and found.reference}, [f"champion: {now}"], as_json=as_json)
    return 0


def _labels(pairs: Path | None, config: Path | None, catalog: str | None) -> Any:
    """The labels a command means, as a fine-tune's settings."""
    from pipeline.config import PairLabels, TrainConfig, load_train_config

    if config is not None and pairs is None:
        return load_train_config(config, catalog=resolve(catalog))
    if pairs is None or config is not None:
        raise ConfigError("name the labels by --pairs FILE or by --config CONFIG, one of them")
    root = str(chosen_catalog(catalog).root)
    labels = PairLabels(type="pairs", path=str(pairs.resolve()))
    return TrainConfig(name="labels", catalog=root, labels=(labels,), min_positives=2)
