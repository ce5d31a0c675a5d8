"""Results of a look: clusters, pairs, survivors and removals, and why two records are joined."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.catalog import Catalog, RunSummary
from pipeline.errors import PipelineError
from pipeline.finding.asking import Finding, explain_pair
from pipeline.finding.groups import Group, choose_groups, make_groups
from pipeline.outputs import group_rows, is_removed

MEMBERS = 1000  # of a group that `clusters` holds


@dataclass(frozen=True)
class Found:
    """What was found among some records.

    Attributes:
        records: the table `records` of the run, a row per record.
        pairs: the table `pairs`: evidence, probability and decision of every pair looked at.
        members: the table `clusters`: each record with its cluster.
        quarantine: the rows that are no records, each with its reason.
        catalog: the folder where it is kept; None: nowhere.
        table: the file with the groups; report: the HTML page; None: not written.
        fresh: whether it was computed now; False: nothing had changed since it was.
    """

    records: pa.Table = field(repr=False)
    pairs: pa.Table = field(repr=False)
    members: pa.Table = field(repr=False)
    cut_links: pa.Table = field(repr=False)
    quarantine: pa.Table = field(repr=False)
    summary: RunSummary = field(repr=False)
    catalog: Path | None = None
    tables: tuple[str, ...] = ()
    report: str | None = None
    fresh: bool = True
    given: Any = field(default=None, repr=False)

    @classmethod
    def read(cls, root: Path, *, kept: bool = True, fresh: bool = True) -> Found:
        """The newest published run of a catalog.

        Raises:
            CatalogError: there is none.
        """
        catalog = Catalog(root, create=False)
        run = catalog.run()
        names = ("records", "pairs", "clusters", "cut_links", "quarantine")
        records, pairs, clusters, cut, bad = (catalog.read(name, run=run) for name in names)
        report = catalog.run_folder(run.run) / "report.html"
        return cls(
            records, pairs, clusters, cut, bad, run.summary,
            catalog=root if kept else None,
            tables=tuple(run.summary.exports) if kept else (),
            report=str(report) if kept and report.exists() else None,
            fresh=fresh,
        )  # fmt: skip

    @cached_property
    def rows(self) -> pa.Table:
        """Every member of a group of two or more; see `pipeline.outputs.group_rows`."""
        return group_rows(self.members, self.pairs, self.cut_links)

    @cached_property
    def clusters(self) -> tuple[Group, ...]:
        """The groups of two or more, the surest first; each member says keep, remove or look."""
        numbers = pc.unique(self.rows["group"]).to_pylist()
        return tuple(make_groups(self.rows, self.records, numbers, members=MEMBERS))

    def shown(self, *, members: int = 4) -> tuple[list[Group], list[Group]]:
        """The ten surest and the five most doubtful groups."""
        sure, doubtful = choose_groups(self.rows)
        made = make_groups(self.rows, self.records, [*sure, *doubtful], members=members)
        return made[: len(sure)], made[len(sure) :]

    def survivors(self, *, include_review: bool = False) -> Any:
        """The records that stay: all but `removals` with the same options.

        Returns:
            Of the kind that was given: a list, or a pandas, polars or Arrow table; of files an
            Arrow table of their own columns. In the order given.

        Args:
            include_review: the copies that a person should look at first go too.
        """
        return self._taken(lambda gone: pc.invert(gone), include_review)

    def removals(self, *, include_review: bool = False) -> Any:
        """The records of which a copy is kept; see `survivors`."""
        return self._taken(lambda gone: gone, include_review)

    def explain(self, a: int | str, b: int | str) -> Finding:
        """Why two records are joined, or why not.

        Args:
            a, b: positions in what was given, from 0, or record ids.

        Raises:
            PipelineError: there is no such record.
        """
        return explain_pair(
            self._id(a), self._id(b),
            records=self.records, pairs=self.pairs, clusters=self.members,
            cut_links=self.cut_links, accept=self.summary.thresholds.accept,
        )  # fmt: skip

    def _repr_html_(self) -> str:
        """The groups as a notebook shows them."""
        from pipeline.finding.notebook import found_html

        return found_html(self.summary.counts, *self.shown())

    def with_given(self, given: Any) -> Found:
        """The same, of records that were given in Python."""
        return replace(self, given=given)

    def _id(self, which: int | str) -> str:
        ids = self.records["record_id"]
        if isinstance(which, int):
            which = f"records:{which}" if self.given is not None else str(ids[which])
        if which in set(ids.to_pylist()):
            return which
        matching = [name for name in ids.to_pylist() if name.partition(":")[2] == which]
        if len(matching) == 1:
            return str(matching[0])
        raise PipelineError(f"there is no record {which!r}; ids look like {ids[0]}")

    def _taken(self, choose: Callable[[pa.Array], pa.Array], include_review: bool) -> Any:
        gone = is_removed(self.members, include_review=include_review)
        ids = self.members["record_id"].filter(choose(gone))
        if self.given is not None:
            return take(self.given, sorted(int(name.partition(":")[2]) for name in ids.to_pylist()))
        from pipeline.outputs import export_survivors

        alone = self.members.filter(choose(gone)).set_column(
            self.members.schema.get_field_index("representative"), "representative", ids
        )
        schema, batches = export_survivors(self.records, alone)
        return pa.Table.from_batches(batches, schema=schema)


def take(given: Any, positions: Sequence[int]) -> Any:
    """Rows of a list or table by position, in a table of its own kind."""
    if isinstance(given, pa.Table):
        return given.take(pa.array(positions, pa.int64()))
    if hasattr(given, "iloc"):
        return given.iloc[list(positions)]
    if hasattr(given, "__arrow_c_stream__"):
        return given[list(positions)]
    return [given[at] for at in positions]
