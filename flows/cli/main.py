"""The command line: parse, call, print. Exit code 0 done, 1 a gate or check failed, 2 bad input."""

from __future__ import annotations

import os
import sys
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import App, CycloptsError, Parameter

from flows.cli import ask, find, models, review, schedule
from flows.cli.choice import chosen_catalog, chosen_run, likely_catalog, resolve
from flows.cli.early import PrefectOption, check_early, takes_prefect
from flows.cli.labels import label_app
from flows.cli.options import CatalogOption, JsonOption, show
from flows.cli.runs import print_summary, runs_app
from pipeline.config import Format, What
from pipeline.errors import CheckError, PipelineError

app = App(
    name="gemel",
    help="Find duplicate and near-duplicate records of text and images, night after night.",
    version=lambda: version("gemel"),
    help_format="markdown",
    suppress_keyboard_interrupt=False,  # `main` says what it left behind
)
app.command(runs_app)
app.command(label_app)
find.register(app)
ask.register(app)
review.register(app)
models.register(app)
schedule.register(app)


@app.command
def run(
    config: Path,
    *,
    catalog: Annotated[str | None, Parameter(help="Use this catalog instead.")] = None,
    dry_run: Annotated[
        bool, Parameter(negative="", help="Check everything, change nothing.")
    ] = False,
    full: Annotated[
        bool, Parameter(negative="", help="Compute everything anew, not only what has changed.")
    ] = False,
    prefect: PrefectOption = None,
    verbose: Annotated[bool, Parameter(negative="", help="Show Prefect's log.")] = False,
    log_format: Annotated[
        Literal["text", "json"],
        Parameter(help="json: a line per stage and event on stderr.", env_var="GEMEL_LOG_FORMAT"),
    ] = "text",
    as_json: JsonOption = False,
) -> int:
    """Run the nightly flow once: ingest, embed, search, judge, cluster, publish, report.

    Example: `gemel run configs/sample.yaml`
    """
    from pipeline.config import load_config

    settings = load_config(config, catalog=resolve(catalog))
    check_early(settings)
    from flows.cli.run import plan_lines, plan_run, run_flow
    from pipeline.nightly import FORMAT_VARIABLE
    from pipeline.outputs import run_facts

    if dry_run:
        plan = plan_run(settings, full=full)
        show(plan, plan_lines(plan), as_json=as_json)
        return 0
    os.environ[FORMAT_VARIABLE] = log_format
    quiet = as_json or log_format == "json"
    plain = not takes_prefect(prefect)
    summary = run_flow(settings, plain=plain, quiet=quiet, verbose=verbose, full=full)
    print_summary(summary, as_json=as_json)
    return 0 if run_facts.headline(summary).fine else 1


@app.command
def export(
    *,
    out: Annotated[Path, Parameter(help="File to write.")],
    what: Annotated[What, Parameter(help="What to write.")] = "clusters",
    format: Annotated[  # noqa: A002 - the option's name
        Format | None, Parameter(help="Default: by the file's ending.")
    ] = None,
    catalog: CatalogOption = None,
    run_name: Annotated[
        str | None, Parameter(name="--run", help="Default: the newest published one.")
    ] = None,
    min_probability: Annotated[
        float | None, Parameter(help="Leave out what is less sure; a removal left out survives.")
    ] = None,
    min_size: Annotated[
        int, Parameter(help="Clusters: records it must have; 2: no singletons.")
    ] = 1,
    include_review: Annotated[
        bool,
        Parameter(negative="", help="Survivors, removals: clusters in review may go too."),
    ] = False,
    merge_attributes: Annotated[
        bool, Parameter(negative="", help="Survivors: fill gaps from the copies that go.")
    ] = False,
    spreadsheet_safe: Annotated[
        bool,
        Parameter(negative="", help="CSV: nothing runs as a formula; ids stay as they are."),
    ] = False,
    since: Annotated[
        str | None,
        Parameter(help="Events: of every run after this one. Default: of the run alone."),
    ] = None,
    as_json: JsonOption = False,
) -> int:
    """Export clusters, groups, pairs, survivors, removals, quarantine or events; deletes nothing.

    Groups are the clusters of two or more as a person reads them: together, the kept record first,
    with the records' own columns, what to do and why; as .xlsx with a block per group where
    openpyxl is installed. Survivors and removals are each other's complement: with the same options
    every record is in one of them. The other rows that were delivered are in the quarantine, each
    with its reason. Only members of confirmed clusters are listed as removals, unless you include
    review. Events tell
    how the clusters of the run before became this run's; applied in order, they keep a copy of the
    clusters elsewhere up to date.

    Example: `gemel export --what removals --out removals.csv --catalog .gemel/sample`
    """
    from pydantic import ValidationError

    from pipeline.config import ExportSettings, explain_errors
    from pipeline.errors import ConfigError
    from pipeline.nightly import write_export

    chosen = format or out.suffix.removeprefix(".")
    if since and what != "events":
        raise ConfigError(f"--since applies to events only, this export is {what}; leave it out")
    try:
        settings = ExportSettings.model_validate(
            {
                "what": what,
                "format": chosen,
                "path": str(out),
                "min_probability": min_probability,
                "min_size": min_size,
                "include_review": include_review,
                "merge_attributes": merge_attributes,
                "spreadsheet_safe": spreadsheet_safe,
            }
        )
    except ValidationError as error:
        raise ConfigError(explain_errors(error, origin="gemel export")) from error
    kept = chosen_catalog(catalog)
    found = chosen_run(kept, run_name)
    rows = write_export(kept, found, settings, since=since)
    facts = {"run": found.run, "what": what, "format": chosen, "rows": rows, "path": str(out)}
    show(facts, [f"{rows:,} rows of {what} of run {found.run} written to {out}"], as_json=as_json)
    return 0


@app.command
def report(
    *,
    catalog: CatalogOption = None,
    run_name: Annotated[
        str | None, Parameter(name="--run", help="Default: the newest published one.")
    ] = None,
    open_: Annotated[
        bool, Parameter(name="--open", negative="", help="Open it in the browser.")
    ] = False,
) -> int:
    """Write the HTML report of a run again and print its path.

    Example: `gemel report --catalog .gemel/sample`
    """
    from pipeline.nightly import write_report

    kept = chosen_catalog(catalog)
    path = write_report(kept, chosen_run(kept, run_name))
    print(path)
    if open_:
        import webbrowser

        webbrowser.open(f"file://{path}")
    return 0


@app.command
def doctor(
    *,
    catalog: CatalogOption = None,
    rebuild_runs: Annotated[
        bool,
        Parameter(
            negative="", help="First make a damaged table of runs anew from runs/*/run.json."
        ),
    ] = False,
    as_json: JsonOption = False,
) -> int:
    """Check versions, encoder files, paths, what is slow here, and every file of the catalog.

    Changes nothing unless asked to. What is damaged is named with what is intact and what to do.

    Example: `gemel doctor`
    """
    from flows.cli.doctor import examine

    if rebuild_runs:
        kept = chosen_catalog(catalog)
        with kept.writer():
            count = kept.rebuild_runs()
        print(f"{count} runs are in the table again; the damaged one is beside it", file=sys.stderr)
    checks = examine(likely_catalog(catalog))
    width = max(len(found.check) for found in checks)
    lines = [
        f"{'ok  ' if found.ok else 'FAIL'}  {found.check:<{width}}  {found.found}"
        for found in checks
    ]
    show([asdict(found) for found in checks], lines, as_json=as_json)
    return 0 if all(found.ok for found in checks) else 1


def _say(line: str, error: BaseException) -> None:
    """Print an error, and below it what came on top of it."""
    print("\n".join([line, *getattr(error, "__notes__", [])]), file=sys.stderr)


def main() -> None:
    """Entry point of the `gemel` command."""
    import flows  # noqa: F401 - sets the environment before Prefect is imported

    try:
        code = app(exit_on_error=False, result_action="return_value")
    except CycloptsError:
        sys.exit(2)  # cyclopts has printed what was wrong
    except CheckError as error:
        _say(f"check failed: {error}", error)
        sys.exit(1)
    except PipelineError as error:
        _say(f"error: {error}", error)
        sys.exit(2)
    except KeyboardInterrupt as error:
        _say("stopped; what was published before is still published", error)
        sys.exit(130)
    except Exception as error:  # noqa: BLE001 - the last resort: one line, never a traceback
        _say(f"unexpected {type(error).__name__}: {error}"[:2000], error)
        print(
            "see `gemel runs list` for what is published; if this repeats, please report it",
            file=sys.stderr,
        )
        sys.exit(2)
    sys.exit(code if isinstance(code, int) else 0)


if __name__ == "__main__":
    main()
