"""Thirty nights of real records arriving, changing and going: ids, events, disk.

    python tests/bench/nights/thirty_nights.py --data ../shared/data [--nights 30]
        [--encoder toy|minilm]

Bug reports (apache_jira) by date: the first night has a third of them, every further night brings
the next slice, edits the descriptions of 20 and drops 10. Each night it is checked that
- a cluster whose records are last night's has last night's id;
- the night's events, applied to last night's clusters, give tonight's, record by record;
- the catalog takes no more than twice what its published run needs, beside what retention keeps.
At the end the last night is computed anew in a copy of the catalog and compared, table by table.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import sys
import time
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

sys.path.append(str(Path(__file__).parents[1]))
from real_data import machine

from pipeline import run
from pipeline.catalog import Catalog
from pipeline.catalog.events import events_of
from pipeline.catalog.runs import Run
from pipeline.clustering.events import replay
from pipeline.config.run import RunConfig

KEPT = 3  # published runs that retention keeps whole
TABLES = ("records", "pairs", "clusters", "cut_links")
# When a row was made or seen, and by which run, is not what is compared.
LEFT_OUT = {"run", "first_seen", "last_seen"}


def delivery(reports: list[dict[str, Any]], night: int, nights: int) -> dict[str, str]:
    """Id → text of the records that the source holds on a night."""
    third = len(reports) // 3
    upto = third + (len(reports) - third) * night // max(nights - 1, 1)
    held = {row["record_id"]: f"{row['summary']}\n{row['description']}" for row in reports[:upto]}
    for past in range(1, night + 1):
        generator = random.Random(past)
        names = generator.sample(sorted(row["record_id"] for row in reports[:third]), 30)
        for name in names[:20]:
            if name in held:
                held[name] += f" (edited in night {past})"
        for name in names[20:]:
            held.pop(name, None)
    return held


def members(clusters: pa.Table) -> dict[str, frozenset[str]]:
    out: dict[str, set[str]] = {}
    columns = (clusters[name].to_pylist() for name in ("record_id", "cluster_id"))
    for record, cluster in zip(*columns, strict=True):
        out.setdefault(cluster, set()).add(record)
    return {name: frozenset(found) for name, found in out.items()}


def check_ids(before: pa.Table, after: pa.Table) -> int:
    """How many clusters kept their records; every one of them must keep its id."""
    known = {found: name for name, found in members(before).items()}
    same = {found: name for name, found in members(after).items() if found in known}
    moved = [name for found, name in same.items() if known[found] != name]
    if moved:
        sys.exit(f"untouched clusters with another id: {moved[:5]}")
    return len(same)


def check_events(catalog: Catalog, tonight: Run, before: pa.Table, after: pa.Table) -> int:
    told = events_of(catalog, tonight)
    names = ["record_id", "cluster_id"]
    expected = after.select(names).sort_by("record_id")
    if replay(told, before.select(names)).to_pylist() != expected.to_pylist():
        sys.exit(f"the events of {tonight.run} do not give its clusters")
    return len(told)


def disk(catalog: Path) -> int:
    return sum(path.stat().st_size for path in catalog.rglob("*") if path.is_file())


def live(catalog: Catalog, tonight: Run, root: Path) -> int:
    """Bytes of what the published run needs: its tables, the vectors and the index, its folder."""
    tables = sum(
        file.size()
        for name, version in tonight.versions.items()
        for file in catalog.tables.files(name, version=version)
    )
    folders = (root / "vectors", root / "indexes", root / "runs" / tonight.run)
    return tables + sum(disk(folder) for folder in folders)


def rows(catalog: Catalog, name: str) -> pa.Table:
    found = catalog.runs()[0]
    table = catalog.read(name, run=found)
    table = table.drop_columns([column for column in table.column_names if column in LEFT_OUT])
    maps = [f.name for f in table.schema if pa.types.is_map(f.type)]
    return table.drop_columns(maps).sort_by([(n, "ascending") for n in table.column_names[:2]])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--out", type=Path, default=Path("build/bench"))
    parser.add_argument("--nights", type=int, default=30)
    parser.add_argument("--encoder", default="minilm", choices=["minilm", "toy"])
    chosen = parser.parse_args()
    out = chosen.out.resolve()
    root, path = out / "thirty-catalog", out / "thirty.parquet"
    shutil.rmtree(root, ignore_errors=True)
    out.mkdir(parents=True, exist_ok=True)
    table = pq.read_table(chosen.data / "apache_jira" / "records.parquet")
    reports = table.sort_by("created").to_pylist()
    settings: dict[str, Any] = {
        "catalog": str(root),
        "sources": [
            {"type": "parquet", "name": "jira", "path": str(path),
             "columns": {"id": "id", "text": "text"}}
        ],
        "text_encoder": {"type": chosen.encoder},
        "index": {"type": "exact"},
        "retention": {"runs": KEPT, "days": 0},
        "gates": {"max_in_review": 1.0},
    }  # fmt: skip
    config = RunConfig.model_validate(settings)
    catalog, before, told = Catalog(root), None, []
    for night in range(chosen.nights):
        held = delivery(reports, night, chosen.nights)
        pq.write_table(pa.table({"id": list(held), "text": list(held.values())}), path)
        if night == chosen.nights - 1:
            shutil.copytree(root, out / "thirty-copy", dirs_exist_ok=True)
        began = time.perf_counter()
        summary = run(config)
        seconds = time.perf_counter() - began
        if summary.status != "published":
            failed = [g.title for g in summary.gates if not g.passed]
            sys.exit(f"night {night} is {summary.status}: {failed}")
        tonight = catalog.run(summary.run)
        after = catalog.read("clusters", run=tonight)
        row = {
            "night": night,
            "records": len(after),
            "seconds": round(seconds, 1),
            "embedded": summary.counts.texts_embedded,
            "judged": summary.reused.judged,
            "standing": summary.reused.standing,
            "untouched": check_ids(before, after) if before is not None else 0,
            "events": check_events(catalog, tonight, before, after) if before is not None else 0,
            "disk_mb": round(disk(root) / 1e6, 1),
            "live_mb": round(live(catalog, tonight, root) / 1e6, 1),
        }
        told.append(row)
        print(json.dumps(row), flush=True)
        before = after
    copy = config.model_copy(update={"catalog": str(out / "thirty-copy")})
    run(copy, full=True)
    rebuilt = Catalog(copy.catalog)
    differ = [name for name in TABLES if not rows(catalog, name).equals(rows(rebuilt, name))]
    shutil.rmtree(out / "thirty-copy")
    print(f"tables that differ from a rebuild: {differ or 'none'}")
    result = {"nights": told, "differ": differ, "kept_runs": KEPT, "machine": machine()}
    (out / "thirty_nights.json").write_text(json.dumps(result, indent=2) + "\n")
    if differ:
        sys.exit(1)
    print(f"{chosen.nights} nights: ids, events and rebuild as they must be")


if __name__ == "__main__":
    main()
