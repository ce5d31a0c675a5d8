"""Commands about labels: label suggest, estimate, import."""

from __future__ import annotations

import getpass
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from flows.cli.choice import chosen_catalog, chosen_run
from flows.cli.options import CatalogOption, JsonOption, show
from pipeline.errors import ConfigError

label_app = App(name="label", help="Bring labels in, and choose the pairs most worth labelling.")


@label_app.command(name="suggest")
def suggest(
    *,
    out: Annotated[Path, Parameter(help="File to write: .csv, .jsonl or .parquet.")],
    n: Annotated[int, Parameter(name="--n", help="Pairs to choose.")] = 100,
    catalog: CatalogOption = None,
    run_name: Annotated[
        str | None, Parameter(name="--run", help="Default: the newest published one.")
    ] = None,
    seed: Annotated[int, Parameter(help="Of what is drawn at random.")] = 0,
    as_json: JsonOption = False,
) -> int:
    """Choose the pairs whose labels would help the most, in the order of asking.

    About half of them should turn out the same, and a quarter is drawn at random, so that the
    precision can be estimated. Labels imported before steer what is asked next: ten at a time find
    more than a hundred at once. Fill in the column `label` (same, different, related, unsure), then
    `gemel label import`.

    Example: `gemel label suggest --n 100 --out to_label.csv --catalog .gemel/sample`
    """
    from pipeline.nightly import suggest_labels

    kept = chosen_catalog(catalog)
    found = suggest_labels(kept, chosen_run(kept, run_name), n=n, seed=seed, out=out)
    lines = [f"{found['rows']:,} pairs written to {out}; fill in the column label"]
    lines += [f"  {count:>5,}  {why}" for why, count in found["why"].items()]
    show(found, [*lines, *found["enough"]], as_json=as_json)
    return 0


@label_app.command(name="estimate")
def estimate(
    *,
    catalog: CatalogOption = None,
    run_name: Annotated[
        str | None, Parameter(name="--run", help="Default: the newest published one.")
    ] = None,
    target: Annotated[
        float, Parameter(help="The precision that more labels should show, below 1.")
    ] = 0.95,
    as_json: JsonOption = False,
) -> int:
    """Estimate how many of a run's accepted pairs are right, from the labels drawn at random.

    Prints the precision with its 95 % interval, and how many labels more would show the target.

    Example: `gemel label estimate --catalog .gemel/sample`
    """
    from pipeline.nightly import estimate_labels

    if not 0 < target < 1:
        raise ConfigError(f"--target is {target}; a precision lies between 0 and 1, such as 0.95")
    kept = chosen_catalog(catalog)
    found = estimate_labels(kept, chosen_run(kept, run_name), target=target)
    lines = [f"run {found['run']}", found["sentence"], found["advice"]]
    show(found, lines, as_json=as_json)
    return 0


@label_app.command(name="import")
def import_labels(
    file: Path,
    *,
    catalog: CatalogOption = None,
    by: Annotated[str | None, Parameter(help="Who labelled. Default: you.")] = None,
    as_json: JsonOption = False,
) -> int:
    """Add filled-in labels to the catalog; the latest verdict on a pair wins.

    Example: `gemel label import to_label.csv --catalog .gemel/sample`
    """
    from pipeline.nightly import add_labels

    found = add_labels(chosen_catalog(catalog), file, by=by or getpass.getuser())
    lines = [f"{found['rows']:,} labels imported, {found['blank']:,} rows without one left out"]
    lines += [f"  {count:>5,}  {label}" for label, count in found["labels"].items()]
    if unknown := found["unknown"]:
        shown = ", ".join(unknown[:3]) + (", …" if len(unknown) > 3 else "")
        lines.append(f"  {len(unknown):,} ids are in no record of the last run: {shown}; their")
        lines.append("  labels are kept, and count when the records come")
    show(found, lines, as_json=as_json)
    return 0
