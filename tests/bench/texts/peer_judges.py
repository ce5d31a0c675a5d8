"""What runs inside the peers' environment: splink, dedupe and GoldenMatch on the files of a set.

    python -s -P peer_judges.py NAME SET FOLDER FOUND …

FOLDER has a Parquet file for each source: `record_id` and text columns. Written to FOUND as JSON:
for each way of a peer the groups of records that it joins. Printed: the ways' seconds.
"""

from __future__ import annotations

import json
import multiprocessing
import random
import re
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

Groups = list[list[str]]
Row = dict[str, Any]
SEED = 0
CUT = 0.5  # of the tools themselves


def read(folder: str) -> dict[str, list[Row]]:
    """The sources' rows as they are; an empty text is None."""
    import pyarrow.parquet as pq

    files = sorted(Path(folder).glob("*.parquet"))
    tables = {path.stem: pq.read_table(path).to_pylist() for path in files}
    return {
        source: [{name: value or None for name, value in row.items()} for row in rows]
        for source, rows in tables.items()
    }


def cleaned(folder: str) -> dict[str, list[Row]]:
    """The same in lower case, without quotes and spaces around, as the peers' examples do it."""
    return {
        source: [
            {name.lower().replace(" ", "_"): clean(name, value) for name, value in row.items()}
            for row in rows
        ]
        for source, rows in read(folder).items()
    }


def clean(name: str, value: str | None) -> str | None:
    if name == "record_id":
        return value
    return re.sub(r"\s+", " ", value or "").strip().strip("'\"").casefold() or None


# --- splink --------------------------------------------------------------------------------------
# Comparisons and blocking are written by hand once for each set after splink's documentation, as
# its users do, and not tuned with the truth; u by random sampling, m by EM.


def digits(text: str | None) -> str | None:
    return re.sub(r"\D", "", text or "")[-7:] or None


def words(text: str | None) -> list[str] | None:
    return sorted(set(re.findall(r"\w{2,}", text or ""))) or None


def code(text: str | None) -> str | None:
    """The longest word that holds a digit."""
    found = [word for word in re.findall(r"[\w-]+", text or "") if re.search(r"\d", word)]
    return re.sub(r"\W", "", max(found, key=len)) if found else None


def number(text: str | None) -> float | None:
    found = re.sub(r"[^\d.]", "", text or "").strip(".")
    return float(found) if found else None


def products() -> dict[str, Any]:
    import splink.comparison_level_library as cll
    import splink.comparison_library as cl

    price = cl.CustomComparison(
        [
            cll.NullLevel("price"),
            cll.PercentageDifferenceLevel("price", 0.05),
            cll.PercentageDifferenceLevel("price", 0.25),
            cll.ElseLevel(),
        ],
        output_column_name="price",
    )
    return {
        "add": lambda row: {"brand": (row["name"] or "").split(" ")[0] or None,
                            "words": words(row["name"]), "code": code(row["name"]),
                            "price": number(row["price"])},
        "comparisons": [cl.ArrayIntersectAtSizes("words", [6, 4, 3, 2, 1]),
                        cl.LevenshteinAtThresholds("code", [1, 2]), cl.ExactMatch("brand"), price],
        "block": [("brand",), ("code",)],
        "sure": [("code",)],
        "learn": [("brand",), ("code",)],
    }  # fmt: skip


def articles() -> dict[str, Any]:
    import splink.comparison_library as cl

    return {
        "add": lambda row: {"start": (row["title"] or "")[:12] or None,
                            "first": ((row["authors"] or "").split(",")[0].split(" ") or [""])[-1]},
        "comparisons": [cl.JaroWinklerAtThresholds("title", [0.95, 0.88, 0.8]),
                        cl.JaroWinklerAtThresholds("authors", [0.95, 0.85, 0.7]),
                        cl.ExactMatch("year")],
        "block": [("start",), ("first", "year")],
        "sure": [("title", "year")],
        "learn": [("title",), ("authors",)],
    }  # fmt: skip


def restaurants() -> dict[str, Any]:
    import splink.comparison_library as cl

    return {
        "add": lambda row: {"phone": digits(row["phone_number"]), "start": (row["name"] or "")[:4],
                            "house": (row["street"] or " ").split(" ")[0] or None},
        "comparisons": [cl.JaroWinklerAtThresholds("name", [0.92, 0.8]),
                        cl.JaroWinklerAtThresholds("street", [0.92, 0.8]),
                        cl.LevenshteinAtThresholds("phone", [1])],
        "block": [("phone",), ("start",), ("house",)],
        "sure": [("phone",)],
        "learn": [("phone",), ("name",)],
    }  # fmt: skip


def sites() -> dict[str, Any]:
    import splink.comparison_library as cl

    return {
        "add": lambda row: {"phone": digits(row["phone"]), "fax": digits(row["fax"]),
                            "street": (row["address"] or "")[:8] or None,
                            "start": (row["site_name"] or "")[:6] or None},
        "comparisons": [cl.JaroWinklerAtThresholds("site_name", [0.92, 0.8]),
                        cl.JaroWinklerAtThresholds("address", [0.95, 0.85]),
                        cl.LevenshteinAtThresholds("phone", [1]), cl.ExactMatch("zip"),
                        cl.ExactMatch("fax")],
        "block": [("phone",), ("street",), ("start",)],
        "sure": [("phone", "street")],
        "learn": [("phone",), ("street",)],
    }  # fmt: skip


def citations() -> dict[str, Any]:
    import splink.comparison_library as cl

    return {
        "add": lambda row: {"year": digits(row["year"]), "pages": digits(row["pages"]),
                            "start": (row["title"] or "")[:10] or None,
                            "first": (re.findall(r"\w{3,}", row["author"] or "") or [None])[0]},
        "comparisons": [cl.JaroWinklerAtThresholds("title", [0.95, 0.88, 0.8]),
                        cl.JaroWinklerAtThresholds("author", [0.95, 0.85, 0.7]),
                        cl.JaroWinklerAtThresholds("venue", [0.9, 0.7]), cl.ExactMatch("year"),
                        cl.ExactMatch("pages")],
        "block": [("start",), ("first", "year"), ("first", "pages")],
        "sure": [("title", "year")],
        "learn": [("title",), ("first", "year")],
    }  # fmt: skip


def people() -> dict[str, Any]:
    import splink.comparison_library as cl

    return {
        "add": lambda row: {},
        "comparisons": [cl.NameComparison("given_name"), cl.NameComparison("surname"),
                        cl.LevenshteinAtThresholds("date_of_birth", [1, 2]),
                        cl.LevenshteinAtThresholds("soc_sec_id", [1, 2]),
                        cl.LevenshteinAtThresholds("postcode", [1]), cl.ExactMatch("street_number"),
                        cl.JaroWinklerAtThresholds("address_1", [0.9, 0.7])],
        "block": [("soc_sec_id",), ("given_name", "surname"), ("date_of_birth",), ("postcode",),
                  ("surname", "street_number"), ("address_1",)],
        "sure": [("soc_sec_id",)],
        "learn": [("date_of_birth",), ("soc_sec_id",)],
    }  # fmt: skip


SPLINK = {"er_abt_buy": products, "er_dblp_acm": articles, "er_restaurants": restaurants,
          "chicago_early_childhood": sites, "er_cora": citations, "febrl3": people}  # fmt: skip


def splink(name: str, folder: str) -> dict[str, Groups]:
    """Pairs at the cut; for two sources one-to-one links, for one the clusters at two cuts."""
    import pandas as pd
    from splink import DuckDBAPI, Linker, SettingsCreator, block_on

    given, sources = SPLINK[name](), cleaned(folder)
    api = DuckDBAPI()
    frames = [
        api.register(
            pd.DataFrame([{**row, **given["add"](row), "source_dataset": source} for row in rows]),
            dataset_display_name=source,
        )
        for source, rows in sources.items()
    ]
    settings = SettingsCreator(
        link_type="link_only" if len(frames) > 1 else "dedupe_only",
        comparisons=given["comparisons"],
        blocking_rules_to_generate_predictions=[block_on(*by) for by in given["block"]],
        unique_id_column_name="record_id",
    )
    linker = Linker(frames if len(frames) > 1 else frames[0], settings, log_level="ERROR")
    sure = [block_on(*by) for by in given["sure"]]
    linker.training.estimate_probability_two_random_records_match(sure, recall=0.7)
    linker.training.estimate_u_using_random_sampling(max_pairs=1e6, seed=SEED + 1)
    for by in given["learn"]:
        linker.training.estimate_parameters_using_expectation_maximisation(block_on(*by))
    predicted = linker.inference.predict(threshold_match_probability=CUT)
    pairs = predicted.as_pandas_dataframe()
    found = {"pairs": pairs[["record_id_l", "record_id_r"]].to_numpy().tolist()}
    if len(frames) > 1:
        best = linker.clustering.cluster_using_single_best_links(
            predicted, duplicate_free_datasets=list(sources), threshold_match_probability=CUT
        )
        return {**found, "one to one": clusters_of(best)}
    for cut in (CUT, 0.9):
        whole = linker.clustering.cluster_pairwise_predictions_at_threshold(
            predicted, threshold_match_probability=cut
        )
        found[f"clusters at {cut}"] = clusters_of(whole)
    return found


def clusters_of(table: Any) -> Groups:
    frame = table.as_pandas_dataframe()
    groups: Groups = frame.groupby("cluster_id")["record_id"].apply(list).tolist()
    return [group for group in groups if len(group) > 1]


# --- dedupe --------------------------------------------------------------------------------------
# Variables as in dedupe's own examples (csv_example for the sites, record_linkage_example for the
# shops), for the other sets in their manner.


def variables(name: str, sources: dict[str, list[Row]]) -> list[Any]:
    from dedupe import variables as v

    def corpus(column: str) -> list[str]:
        return [row[column] for rows in sources.values() for row in rows if row[column]]

    def text(column: str) -> Any:
        return v.Text(column, corpus=corpus(column), has_missing=True)

    def string(column: str) -> Any:
        return v.String(column, has_missing=True)

    match name:
        case "er_abt_buy":
            return [string("name"), v.Text("name", corpus=corpus("name"), name="name text",
                    has_missing=True), text("description"),
                    v.Price("price", has_missing=True)]  # fmt: skip
        case "chicago_early_childhood":
            return [string("site_name"), string("address"),
                    v.Exact("zip", has_missing=True), string("phone")]  # fmt: skip
        case "er_dblp_acm":
            return [string("title"), string("authors"), string("venue"), string("year")]
        case "er_cora":
            return [string("author"), string("title"), string("venue"), string("year")]
        case "er_restaurants":
            return [string("name"), string("street"), string("phone_number")]
        case _:
            return [string(column) for column in (
                "given_name", "surname", "address_1", "postcode", "date_of_birth", "soc_sec_id"
            )]  # fmt: skip


def dedupe(name: str, folder: str, truth: str, answers: str) -> dict[str, Groups]:
    """What it joins after so many answers of a person who knows the truth.

    Two sources are linked one to one, one source is partitioned, both at the tool's own cut.
    """
    import numpy as np
    from dedupe import Dedupe, RecordLink

    random.seed(SEED)
    np.random.seed(SEED)
    sources = cleaned(folder)
    for row in (row for rows in sources.values() for row in rows):
        if name == "er_abt_buy":
            row["price"] = number(row["price"]) or None
    positive = {tuple(pair) for pair in json.loads(Path(truth).read_text())}
    data = [{row["record_id"]: row for row in rows} for rows in sources.values()]
    kind = RecordLink if len(data) > 1 else Dedupe
    learner = kind(variables(name, sources), num_cores=0, in_memory=True)
    learner.prepare_training(*data)
    found, asked = {}, 0
    for wanted in map(int, answers.split(",")):
        while asked < wanted:
            (pair,) = learner.uncertain_pairs()
            ends = tuple(sorted(row["record_id"] for row in pair))
            said = "match" if ends in positive else "distinct"
            learner.mark_pairs({"match": [], "distinct": [], said: [pair]})
            asked += 1
        # Training ends the questions, and a learner cannot be copied: a child process trains.
        with multiprocessing.get_context("fork").Pool(1, _keep, (learner, data)) as child:
            found[f"{wanted} answers"] = child.apply(_trained)
    return found


def _keep(*given: Any) -> None:
    _kept.extend(given)


_kept: list[Any] = []


def _trained() -> Groups:
    """Train the learner that this process was forked with, and join."""
    learner, data = _kept
    learner.train()
    if len(data) > 1:
        joined = [ends for ends, _ in learner.join(*data, CUT, "one-to-one")]
    else:
        joined = [group for group, _ in learner.partition(data[0], CUT)]
    return [list(map(str, group)) for group in joined if len(group) > 1]


# --- GoldenMatch ---------------------------------------------------------------------------------


def goldenmatch(name: str, folder: str) -> dict[str, Groups]:
    """Zero configuration: everything in one table, and two sources matched with each other."""
    import goldenmatch as gm
    import pyarrow as pa

    sources = read(folder)
    rows = [row for of in sources.values() for row in of]
    ids = [row["record_id"] for row in rows]
    options = {"confidence_required": False, "allow_red_config": True}
    whole = gm.dedupe_df(_bare(pa.Table.from_pylist(rows)), **options)
    found = {
        "clusters": [
            [ids[at] for at in one["members"]]
            for one in whole.clusters.values()
            if len(one["members"]) > 1
        ]
    }
    if len(sources) == 2:
        left, right = (pa.Table.from_pylist(of) for of in sources.values())
        matched = gm.match_df(left, right, exclude_columns=["record_id"], **options).matched
        found["match"] = _matched(matched)
    return found


def _bare(table: Any) -> Any:
    return table.drop_columns(["record_id"])


def _matched(table: Any) -> Groups:
    if table is None:
        return []
    rows = table.to_pylist() if hasattr(table, "to_pylist") else table.to_dicts()
    return [[row["target_record_id"], row["ref_record_id"]] for row in rows]


PEERS: dict[str, Callable[..., dict[str, Groups]]] = {
    "splink": splink, "dedupe": dedupe, "goldenmatch": goldenmatch,
}  # fmt: skip

if __name__ == "__main__":
    began = time.perf_counter()
    peer, set_name, source_folder, written, *more = sys.argv[1:]
    result = PEERS[peer](set_name, source_folder, *more)
    Path(written).write_text(json.dumps(result))
    print(json.dumps({"seconds": time.perf_counter() - began}))
