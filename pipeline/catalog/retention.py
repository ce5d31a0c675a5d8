"""Retention: which runs are kept, and the removal of what no kept run needs.

Kept are the newest published runs, the runs of the last days, and, whatever the settings say, the
run that readers see, the one it was computed from, and every held one. The rows of the others stay
in `runs`; the versions of tables that only they name, the vectors that only they need and their
folders go. First the rows say so, then the files go: a kill in between leaves files that the next
call removes, never a run that seems whole and is not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import pyarrow as pa

from pipeline.catalog.catalog import Catalog
from pipeline.catalog.runs import Run
from pipeline.catalog.summary.figures import Pruned
from pipeline.errors import CatalogError

MODALITIES = {"text": "text_hash", "student": "text_hash", "image": "image_hash"}
SIGNATURES = "minhash-"  # see pipeline.nightly.stages.search
READERS = 24  # hours for which a replaced version of `runs` stays for who is reading it
SLACK = 0.1  # share of a part's vectors that may be of no use before it is written anew


@dataclass(frozen=True)
class PrunePlan:
    """Which runs stay whole and which are dropped now; both the newest first."""

    kept: tuple[Run, ...]
    dropped: tuple[Run, ...]


def plan_pruning(runs: Sequence[Run], *, keep: int, days: float, now: datetime) -> PrunePlan:
    """Divide the runs, given the newest first; runs dropped before are in neither.

    Args:
        keep: published runs to keep. days: age of a run's end up to which it is kept.
    """
    whole = [run for run in runs if run.summary.tables_dropped is None]
    published = [run for run in whole if run.status == "published"]
    names = {run.run for run in published[: max(keep, 1)]}
    names |= {run.summary.base for run in published[:1] if run.summary.base}
    since = now - timedelta(days=days)
    kept: list[Run] = []
    dropped: list[Run] = []
    for run in whole:
        stays = run.run in names or run.status == "held" or run.finished >= since
        (kept if stays else dropped).append(run)
    return PrunePlan(tuple(kept), tuple(dropped))


def prune(
    catalog: Catalog, *, keep: int, days: float, now: datetime, slack: float = SLACK,
    dry_run: bool = False,
) -> Pruned:  # fmt: skip
    """Remove what no kept run needs; for who holds the write lock.

    Args:
        slack: see `VectorStore.keep`; a run that drops no other leaves the vectors alone.
    """
    runs = catalog.runs()
    decided = plan_pruning(runs, keep=keep, days=days, now=now)
    if not dry_run and decided.dropped:
        catalog.change([_dropped_runs(run, now) for run in decided.dropped])
    found = Pruned(
        kept=tuple(run.run for run in decided.kept),
        dropped=tuple(run.run for run in decided.dropped),
        files=_vacuum(catalog, runs, decided.kept, dry_run=dry_run),
    )
    if dry_run:
        return found
    for name in {run.run for run in runs} - set(found.kept):
        catalog.remove_run_folder(name)
    if not decided.dropped and slack:
        return found
    try:
        with catalog.trainer():
            vectors, encoders = _vectors(catalog, decided.kept, slack=slack)
    except CatalogError as error:
        return replace(found, waiting=str(error))
    return replace(found, vectors=vectors, encoders=encoders)


def _dropped_runs(run: Run, now: datetime) -> Run:
    return replace(run, summary=replace(run.summary, tables_dropped=now.isoformat()))


def _vacuum(catalog: Catalog, runs: Sequence[Run], kept: Sequence[Run], *, dry_run: bool) -> int:
    """Vacuum every table that a run ever named; return how many files went, or would go."""
    names = sorted({name for run in runs for name in run.versions})
    files = 0
    for name in names:
        keep = {run.versions[name] for run in kept if name in run.versions}
        # Labels are imported without the write lock: a file of theirs may be about to be committed.
        hours = READERS if name == "labels" else 0
        files += len(catalog.tables.vacuum(name, keep=sorted(keep), hours=hours, dry_run=dry_run))
    return files + len(catalog.tables.vacuum("runs", keep=[], hours=READERS, dry_run=dry_run))


def _vectors(catalog: Catalog, kept: Sequence[Run], *, slack: float) -> tuple[int, tuple[str, ...]]:
    """Drop the vectors of encoders and contents that no kept run has: vectors, encoders.

    The encoder of a registered model stays whole, whether a run has used it or not.
    """
    used = _encoders(kept, catalog.stored_encoders())
    registered = {m.facts.encoder_fingerprint for m in catalog.models.list()}
    vectors, encoders = 0, []
    for fingerprint in catalog.stored_encoders():
        if fingerprint in used:
            needed = _needed_versions(catalog, used[fingerprint])
            vectors += catalog.vectors(fingerprint).keep(needed, slack=slack)
        elif fingerprint not in registered:
            catalog.remove_encoder(fingerprint)
            encoders.append(fingerprint)
    return vectors, tuple(encoders)


def _encoders(kept: Sequence[Run], stored: Sequence[str]) -> dict[str, set[tuple[int, str]]]:
    """Encoder -> (version of records, column of hashes) that it embedded in some kept run."""
    found: dict[str, set[tuple[int, str]]] = {}
    for run in kept:
        if "records" not in run.versions:
            continue
        for kind, encoder in run.summary.models.encoders():
            places = found.setdefault(encoder.fingerprint, set())
            places.add((run.versions["records"], MODALITIES[kind]))
    # Signatures of long texts are kept as if they were vectors.
    signed = {(run.versions["records"], "text_hash") for run in kept if "records" in run.versions}
    return found | {name: signed for name in stored if name.startswith(SIGNATURES)}


def _needed_versions(catalog: Catalog, places: set[tuple[int, str]]) -> pa.Array:
    hashes = pa.array([], pa.string())
    for version, column in sorted(places):
        read = catalog.tables.read("records", version=version, columns=[column])[column]
        hashes = pa.chunked_array([hashes, *read.drop_null().chunks]).unique()
    return hashes
