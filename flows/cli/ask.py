"""The commands `gemel query` and `gemel explain`: one record, one pair, of what is published."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

from flows.cli.choice import chosen_catalog, chosen_run
from flows.cli.options import CatalogOption, JsonOption, show
from pipeline.errors import ConfigError

if TYPE_CHECKING:
    from pipeline.catalog import Catalog, Run
    from pipeline.finding import Lonely, Twin

RunOption = Annotated[
    str | None, Parameter(name="--run", help="Default: the newest published one.")
]
VALUE = 300  # characters of a text


def register(app: App) -> None:
    """Add the commands to the command line."""
    app.command(query)
    app.command(explain)


def query(
    text: str | None = None,
    *,
    record: Annotated[str | None, Parameter(help="Id of a record instead of a text.")] = None,
    lonely: Annotated[
        bool, Parameter(negative="", help="List the records least like any other instead.")
    ] = False,
    n: Annotated[int, Parameter(name="--n", help="How many.")] = 5,
    catalog: CatalogOption = None,
    run_name: RunOption = None,
    as_json: JsonOption = False,
) -> int:
    """Show the published records nearest to a text or to a record, with what differs.

    With the judge's probability and evidence; a typed text has these where the shipped judge has
    judged the run. With --lonely, the records whose nearest other text is farthest away:
    anomalies, or rows of another kind.

    Example: `gemel query "Sony turntable PSLX350H" --catalog .gemel/sample`
    """
    stated = [text is not None, record is not None, lonely]
    if sum(stated) != 1:
        raise ConfigError("state one: a text, --record ID, or --lonely")
    if n < 1:
        raise ConfigError(f"--n must be 1 or more (found {n})")
    kept = chosen_catalog(catalog)
    run = chosen_run(kept, run_name)
    from pipeline.finding import lonely_records, nearest_twins

    if lonely:
        alone = lonely_records(kept, run, n=n)
        show([asdict(one) for one in alone], [_alone(one) for one in alone], as_json=as_json)
        return 0
    name = None if record is None else _record(kept, run, record)
    twins = nearest_twins(kept, run, text=text, record=name, n=n)
    lines = [line for place, twin in enumerate(twins, 1) for line in _twin(place, twin)]
    show([asdict(twin) for twin in twins], lines or ["nothing is near"], as_json=as_json)
    return 0


def explain(
    a: str,
    b: str,
    *,
    catalog: CatalogOption = None,
    run_name: RunOption = None,
    as_json: JsonOption = False,
) -> int:
    """Say why two records are joined or not, at which stage, and what would change it.

    An id may be written without its source where no other record has the same.

    Example: `gemel explain shop:hk58026 shop:NW-21987 --catalog .gemel/sample`
    """
    kept = chosen_catalog(catalog)
    run = chosen_run(kept, run_name)
    ids = [_record(kept, run, name) for name in (a, b)]
    from pipeline.finding import explain_pair

    tables = {
        name: kept.read(name, run=run) for name in ("records", "pairs", "clusters", "cut_links")
    }
    found = explain_pair(
        *ids,
        **tables,
        accept=run.summary.thresholds.accept,
        verdicts=kept.read("labels", run=run) if "labels" in run.versions else None,
    )
    show(asdict(found), str(found).splitlines(), as_json=as_json)
    return 0


def _record(kept: Catalog, run: Run, name: str) -> str:
    """The id of a record, which may be written without its source.

    Raises:
        ConfigError: there is none, or several sources have one.
    """
    from difflib import get_close_matches

    ids = kept.read("records", run=run, columns=["record_id"])["record_id"].to_pylist()
    if name in set(ids):
        return name
    same = [one for one in ids if one.partition(":")[2] == name]
    if len(same) == 1:
        return str(same[0])
    if same:
        raise ConfigError(f"several records are called {name}: {', '.join(same[:5])}; name one")
    near = get_close_matches(name, ids, 1) if len(ids) < 100_000 else []
    hint = f"; did you mean {near[0]}?" if near else f"; ids look like {ids[0]}" if ids else ""
    raise ConfigError(f"there is no record {name} in run {run.run}{hint}")


def _twin(place: int, twin: Twin) -> list[str]:
    scores = [
        f"{twin.probability:.1%} duplicate ({twin.decision})"
        if twin.probability is not None
        else "",
        f"cosine {twin.cosine:.3f}" if twin.cosine is not None else "",
        f"cluster {twin.cluster}" if twin.cluster else "",
    ]
    said = [
        ("", _short("; ".join(f"{name}: {value}" for name, value in twin.texts.items()))),
        ("why", twin.reason),
        ("evidence", ", ".join(f"{name} {value}" for name, value in twin.evidence)),
        ("differs", twin.differs),
    ]
    return [
        f"{place}. {twin.record_id}  {twin.place}  {', '.join(filter(None, scores))}",
        *(f"   {label:<9}{words}" for label, words in said if words),
    ]


def _alone(one: Lonely) -> str:
    texts = "; ".join(f"{name}: {value}" for name, value in one.texts.items())
    return f"{one.cosine:.3f}  {one.record_id}  {one.place}  {_short(texts)}"


def _short(text: str) -> str:
    from pipeline.outputs import make_visible

    return make_visible(" ".join(text.split()), limit=VALUE)
