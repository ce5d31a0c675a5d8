"""Ten million scored pairs to clusters: time and peak memory, average linkage included.

    python tests/bench/size/clustering.py [--pairs 1000000 10000000] [--out build/bench]

The pairs are made, in the shape of real ones: of every ten, two are pairs of records alone, two
belong to groups of three to eight where all are linked, one to chains of four to twelve, one to one
large component that hangs together by chance, one to stars of a thousand, one to crowds of 2,000 in
which a twentieth of all are linked, and two were not accepted. There are eight records to ten
pairs. Each size runs in a process of its own: `group` is components, average linkage and
representatives; `cluster_tables` is that and the whole table of clusters with doubts, evidence and
reasons, and the cut links. Peak memory is that of the process, the pairs and the records among it.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

sys.path.append(str(Path(__file__).parents[1]))
from real_data import Report
from self_join import memory

from pipeline.candidates.content_groups import ContentGroups
from pipeline.clustering.clusters import cluster_tables
from pipeline.clustering.cover.constraints import constrain
from pipeline.clustering.cover.grouping import group_entities
from pipeline.clustering.cover.holdings import Holdings
from pipeline.clustering.cover.must_link_groups import MustLinkGroups
from pipeline.clustering.links import Links
from pipeline.config.run import ClusterSettings
from pipeline.labels import no_verdicts
from pipeline.matching.judge import log_odds

Pairs = tuple[np.ndarray, np.ndarray]


def cliques(size: int, pairs: int) -> tuple[Pairs, int]:
    left, right = np.triu_indices(size, 1)
    groups = pairs // len(left)
    base = np.arange(groups)[:, None] * size
    return ((base + left).ravel(), (base + right).ravel()), groups * size


def chains(length: int, pairs: int) -> tuple[Pairs, int]:
    groups = pairs // (length - 1)
    left = (np.arange(groups)[:, None] * length + np.arange(length - 1)).ravel()
    return (left, left + 1), groups * length


def stars(size: int, pairs: int) -> tuple[Pairs, int]:
    groups = pairs // (size - 1)
    left = np.repeat(np.arange(groups) * size, size - 1)
    right = (np.arange(groups)[:, None] * size + np.arange(1, size)).ravel()
    return (left, right), groups * size


def by_chance(random: np.random.Generator, nodes: int, pairs: int) -> tuple[Pairs, int]:
    left, right = random.integers(0, max(nodes, 2), (2, pairs))
    return (left, right), max(nodes, 2)


def made(pairs: int) -> tuple[int, Links]:
    """Units, and the links between them with what was not accepted, units in no order."""
    random, tenth = np.random.default_rng(5), pairs // 10
    shapes = [cliques(2, 2 * tenth)]
    shapes += [cliques(size, tenth // 3) for size in range(3, 9)]
    shapes += [chains(length, tenth // 9) for length in range(4, 13)]
    shapes += [by_chance(random, tenth, tenth), stars(1000, tenth)]
    shapes += [by_chance(random, 2000, 100_000) for _ in range(tenth // 100_000)]
    sizes = np.array([size for _, size in shapes])
    first = np.cumsum(sizes) - sizes
    sides = [
        np.concatenate([shape[side] + at for (shape, _), at in zip(shapes, first, strict=True)])
        for side in (0, 1)
    ]
    count = int(sizes.sum())
    shuffled = random.permutation(count)
    one, other = shuffled[sides[0]], shuffled[sides[1]]
    key = np.unique((np.minimum(one, other) * count + np.maximum(one, other))[one != other])
    left, right = key // count, key % count
    refused = np.sort(random.integers(0, count, (2, 2 * tenth)), axis=0)
    # A tenth of them lies between two neighbours of one unit, as refused pairs of real groups do.
    starts = np.searchsorted(left, np.arange(count + 1))
    own = refused[0][: len(refused[0]) // 10]
    near = own[starts[own + 1] - starts[own] > 1]
    refused = np.concatenate([refused, [right[starts[near]], right[starts[near] + 1]]], axis=1)
    refused = refused[:, refused[0] < refused[1]]
    refused_key = np.setdiff1d(refused[0] * count + refused[1], left * count + right)
    probability = np.concatenate(
        [random.uniform(0.9, 1, len(left)), random.uniform(0, 0.9, len(refused_key))]
    ).round(4)
    accepted = np.arange(len(probability)) < len(left)
    return count, Links.of(
        left=np.append(left, refused_key // count), right=np.append(right, refused_key % count),
        probability=probability, proposed_by=np.ones(len(probability), np.uint8),
        odds=(log_odds(probability) - log_odds(np.array(0.9))).astype(np.float32),
        accepted=accepted, apart=probability < 0.5,
    )  # fmt: skip


def records_of(count: int) -> pa.Table:
    """What clustering reads of the records, their ids in order."""
    number = pc.utf8_lpad(pc.cast(pa.array(np.arange(count)), pa.string()), 10, "0")
    none = pa.nulls(count, pa.int32())
    return pa.table(
        {
            "record_id": pc.binary_join_element_wise("shop", number, ":"),
            "source": pa.repeat("shop", count),
            "text": pc.binary_join_element_wise("garden chair, model", number, " "),
            "image_width": none,
            "image_height": none,
            "image_effective_side": pa.nulls(count, pa.float32()),
            "timestamp": pa.nulls(count, pa.timestamp("us", "UTC")),
        }
    )


def units_of(count: int) -> ContentGroups:
    every, no = np.arange(count), np.zeros(count, bool)
    hashes = pa.array([], pa.string())
    return ContentGroups(every, every, every, np.full(count, -1), hashes, hashes, no, no)


def child(pairs: int) -> dict[str, Any]:
    count, links = made(pairs)
    given = memory("VmHWM")
    units, no = units_of(count), np.full(count, -1)
    bound = constrain(units, links, no_verdicts(), no)
    entities, holdings = MustLinkGroups.of(bound), Holdings.of(no, no, nodes=count, sources=0)
    began = time.perf_counter()
    preference = np.random.default_rng(1).permutation(count)
    found = group_entities(entities, preference, bound=bound, holdings=holdings)
    seconds, grouped = time.perf_counter() - began, memory("VmHWM")
    facts = {"clusters": len(np.unique(found.representative))}
    del found, bound, entities
    records = records_of(count)
    began = time.perf_counter()
    clusters, cut = cluster_tables(records, units_of(count), links, ClusterSettings())
    return {
        "pairs": len(links.left) + len(links.refused_left), "units": count, **facts,
        "group_seconds": seconds, "tables_seconds": time.perf_counter() - began,
        "given_gb": given, "group_gb": grouped, "tables_gb": memory("VmHWM"),
        "cut_links": len(cut), "rows": len(clusters),
    }  # fmt: skip


def main() -> None:
    if sys.argv[1:2] == ["--child"]:
        print(json.dumps(child(int(sys.argv[2]))))
        return
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, nargs="*", default=[1_000_000, 10_000_000])
    parser.add_argument("--out", type=Path, default=Path("build/bench"))
    chosen = parser.parse_args()
    chosen.out.mkdir(parents=True, exist_ok=True)
    report = Report(
        "| pairs | units | clusters | cut links | `group` s | peak GB |"
        " `cluster_tables` s | peak GB |"
    )
    results = []
    for pairs in chosen.pairs:
        command = [sys.executable, __file__, "--child", str(pairs)]
        done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
        row = json.loads(done.stdout.splitlines()[-1])
        results.append(row)
        report.add(
            f"| {row['pairs']:,} | {row['units']:,} | {row['clusters']:,} | "
            f"{row['cut_links']:,} | {row['group_seconds']:.1f} | {row['group_gb']:.2f} | "
            f"{row['tables_seconds']:.1f} | {row['tables_gb']:.2f} |"
        )
    report.write(chosen.out / "clustering", rows=results)


if __name__ == "__main__":
    main()
