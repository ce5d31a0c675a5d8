"""The command line: parse, call, print. Exit code 0 done, 1 a gate or check failed, 2 bad input."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import App, CycloptsError, Parameter

from pipeline.errors import CatalogError, CheckError, PipelineError

if TYPE_CHECKING:
    from pipeline.catalog import Catalog
    from pipeline.catalog.catalog import Run

app = App(
    name="gemel",
    help="Find duplicate and near-duplicate records of text and images, night after night.",
    help_format="markdown",
    suppress_keyboard_interrupt=False,  # `main` says what it left behind
)
runs_app = App(name="runs", help="What happened in the runs of a catalog.")
app.command(runs_app)

DEFAULT_CATALOG = Path(".gemel/catalog")
CatalogOption = Annotated[
    Path | None,
    Parameter(
        name="--catalog",
        help=f"Folder of the catalog. Default: {DEFAULT_CATALOG}, else the only one below .gemel.",
        env_var="GEMEL_CATALOG",
    ),
]
JsonOption = Annotated[bool, Parameter(name="--json", negative="", help="Print JSON.")]


@app.command
def run(
    config: Path,
    *,
    catalog: Annotated[Path | None, Parameter(help="Use this catalog instead.")] = None,
    dry_run: Annotated[
        bool, Parameter(negative="", help="Check everything, change nothing.")
    ] = False,
    plain: Annotated[
        bool, Parameter(negative="", help="Run the stages in a loop, without Prefect.")
    ] = False,
    verbose: Annotated[bool, Parameter(negative="", help="Show Prefect's log.")] = False,
    as_json: JsonOption = False,
) -> int:
    """Run the nightly flow once: ingest, embed, search, judge, cluster, publish, report.

    Example: `gemel run configs/sample.yaml`
    """
    from flows.running import dry, run_once
    from pipeline.config import load_config
    from pipeline.reporting import facts

    chosen = str(catalog.resolve()) if catalog else None
    settings = load_config(config, catalog=chosen)
    if dry_run:
        plan = dry(settings)
        _print(plan, [f"{name}: {value}" for name, value in plan.items()], as_json=as_json)
        return 0
    summary = run_once(settings, plain=plain, verbose=verbose, quiet=as_json)
    _print_summary(summary, as_json=as_json)
    return 0 if facts.verdict(summary).fine else 1


@runs_app.command(name="list")
def list_runs(*, catalog: CatalogOption = None, as_json: JsonOption = False) -> int:
    """List the runs of a catalog, the newest first.

    Example: `gemel runs list --catalog .gemel/sample`
    """
    from pipeline.reporting import facts
    from pipeline.reporting.visible import visible

    kept = _catalog(catalog)
    rows = [
        {
            "run": item.run,
            "status": item.status,
            **{name: item.summary["counts"].get(name) for name in LISTED_COUNTS},
            "seconds": round(item.summary["seconds"], 1),
            "reason": facts.in_short(item.summary),
        }
        for item in kept.runs()
    ]
    lines = [f"{'run':<24}{'status':<10}" + "".join(f"{head:>12}" for head in HEADS)]
    for row in rows:
        counts = [row[name] for name in LISTED_COUNTS]
        shown = ["" if count is None else f"{count:,}" for count in counts]
        numbers = "".join(f"{cell:>12}" for cell in (*shown, f"{row['seconds']:,.1f}"))
        reason = visible(" ".join(row["reason"].split()), limit=REASON)
        lines.append(f"{row['run']:<24}{row['status']:<10}{numbers}  {reason}".rstrip())
    _print(rows, lines if rows else [f"no runs in {kept.root}"], as_json=as_json)
    return 0


HEADS = ("records", "clusters>1", "removable", "in review", "s")
LISTED_COUNTS = ("records", "duplicate_clusters", "removable", "removable_in_review")
REASON = 120  # characters of a reason in a list


@runs_app.command(name="show")
def show_run(
    name: str | None = None,
    *,
    catalog: CatalogOption = None,
    as_json: JsonOption = False,
) -> int:
    """Show the summary of a run (default: the newest published one, with a note on stderr when a
    newer one was held or failed).

    Example: `gemel runs show --catalog .gemel/sample`
    """
    kept = _catalog(catalog)
    found = _chosen_run(kept, name)
    path = kept.run_folder(found.run) / "report.html"
    summary = {**found.summary, "report": str(path) if path.exists() else None}
    _print_summary(summary, as_json=as_json)
    return 0


@app.command
def export(
    *,
    out: Annotated[Path, Parameter(help="File to write.")],
    what: Annotated[
        Literal["clusters", "pairs", "survivors", "removals"], Parameter(help="What to write.")
    ] = "clusters",
    format: Annotated[  # noqa: A002 - the option's name
        Literal["parquet", "csv", "jsonl"] | None, Parameter(help="Default: by the file's ending.")
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
    as_json: JsonOption = False,
) -> int:
    """Export clusters, scored pairs, survivors or removals. Nothing is ever deleted.

    Survivors and removals are each other's complement: with the same options every record is in one
    of them. Only members of confirmed clusters are listed as removals, unless you include review.

    Example: `gemel export --what removals --out removals.csv --catalog .gemel/sample`
    """
    from pydantic import ValidationError

    from pipeline.config import ExportSettings, explain
    from pipeline.errors import ConfigError
    from pipeline.outcome import write_export

    chosen = format or out.suffix.removeprefix(".")
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
            }
        )
    except ValidationError as error:
        raise ConfigError(explain(error, origin="gemel export")) from error
    kept = _catalog(catalog)
    found = _chosen_run(kept, run_name)
    rows = write_export(kept, found, settings)
    facts = {"run": found.run, "what": what, "format": chosen, "rows": rows, "path": str(out)}
    _print(facts, [f"{rows:,} rows of {what} of run {found.run} written to {out}"], as_json=as_json)
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
    from pipeline.outcome import write_report

    kept = _catalog(catalog)
    path = write_report(kept, _chosen_run(kept, run_name))
    print(path)
    if open_:
        import webbrowser

        webbrowser.open(f"file://{path}")
    return 0


@app.command
def doctor(*, catalog: CatalogOption = None, as_json: JsonOption = False) -> int:
    """Check versions, encoder files and their hashes, writable paths, and what is slow here.

    Example: `gemel doctor`
    """
    from flows.doctor import examine

    beside = _beside()
    checks = examine(catalog or (beside[0] if len(beside) == 1 else DEFAULT_CATALOG))
    width = max(len(check["check"]) for check in checks)
    lines = [
        f"{'ok  ' if check['ok'] else 'FAIL'}  {check['check']:<{width}}  {check['found']}"
        for check in checks
    ]
    _print(checks, lines, as_json=as_json)
    return 0 if all(check["ok"] for check in checks) else 1


def _catalog(given: Path | None) -> Catalog:
    """The catalog named, else the default one, else the only one beside it.

    Raises:
        CatalogError: there is none, or there are several.
    """
    from pipeline.catalog import Catalog

    beside = [] if given else _beside()
    if len(beside) > 1:
        raise CatalogError(
            f"there is no catalog at {DEFAULT_CATALOG}, and several beside it: "
            f"{', '.join(map(str, beside))}; choose one with --catalog"
        )
    if beside:
        print(f"using the catalog {beside[0]}; --catalog names another", file=sys.stderr)
    return Catalog(given or next(iter(beside), DEFAULT_CATALOG), create=False)


def _beside() -> list[Path]:
    """The catalogs beside an absent default one."""
    if DEFAULT_CATALOG.exists():
        return []
    return sorted(runs.parent.parent for runs in DEFAULT_CATALOG.parent.glob("*/tables/runs"))


def _chosen_run(kept: Catalog, name: str | None) -> Run:
    """The run named, else the newest published one; a newer one that is not goes to stderr."""
    found = kept.run(name)
    newest = kept.runs()[0]
    if name is None and newest.run != found.run:
        print(
            f"note: the newer run {newest.run} is {newest.status}: this is the last published one; "
            f"see `gemel runs show {newest.run}`",
            file=sys.stderr,
        )
    return found


def _print(data: Any, lines: list[str], *, as_json: bool) -> None:
    print(json.dumps(data, indent=2, default=str) if as_json else "\n".join(lines))


def _print_summary(summary: dict[str, Any], *, as_json: bool) -> None:
    from rich.console import Console

    from pipeline.reporting.terminal import print_summary

    if as_json:
        _print(summary, [], as_json=True)
    else:
        print_summary(summary, Console())


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
