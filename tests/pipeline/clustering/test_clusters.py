"""The clusters table: representatives and their reasons, ids, cohesion, status, cut links."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from pipeline.candidates.candidate_pairs import ProposedBy
from pipeline.candidates.content_groups import ContentGroups
from pipeline.clustering.clusters import cluster_tables
from pipeline.clustering.cover import average_linkage
from pipeline.clustering.links import Links
from pipeline.config.run import ClusterSettings
from pipeline.ingestion.effective_resolution import effective_resolution
from pipeline.sample.pictures import photograph
from tests.worlds.scored_pairs import scored_pairs


def units(count: int, leader: list[int] | None = None) -> ContentGroups:
    leaders = np.array(leader if leader is not None else range(count))
    rows = np.unique(leaders)
    nothing = np.full(len(rows), -1)
    none = pa.array([], pa.string())
    no = np.zeros(len(rows), bool)
    return ContentGroups(leaders, rows, nothing, nothing, none, none, no, no)


def records(
    texts: Sequence[str | None], sizes: Sequence[int | None] | None = None,
    days: list[int | None] | None = None, sources: list[str] | None = None,
) -> pa.Table:  # fmt: skip
    count = len(texts)
    when = [day and datetime(2026, 1, day, tzinfo=UTC) for day in days or [None] * count]
    return pa.table(
        {
            "record_id": [f"s:{n}" for n in range(count)],
            "source": sources or ["s"] * count,
            "text": pa.array(texts, pa.string()),
            "image_width": pa.array(sizes or [None] * count, pa.int32()),
            "image_height": pa.array(sizes or [None] * count, pa.int32()),
            "image_effective_side": pa.array([None] * count, pa.float32()),
            "timestamp": pa.array(when, pa.timestamp("us", tz="UTC")),
        }
    )


def links(
    *given: tuple[int, int, float], by: ProposedBy = ProposedBy.TEXT,
    refused: tuple[int, int] | None = None, apart: bool = False,
) -> Links:  # fmt: skip
    pairs = [*given, (*refused, 0.4 if apart else 0.6)] if refused else given
    return scored_pairs(pairs, by=by)


TRIANGLE = ((0, 1, 0.9), (0, 2, 0.95), (1, 2, 0.99))


@pytest.mark.parametrize(
    ("policy", "extra", "kept", "reason"),
    [
        (("longest_text",), {}, "s:2", "longest text"),
        (("highest_resolution",), {"sizes": [9, 99, 10]}, "s:1", "highest resolution"),
        (("newest",), {"days": [3, None, 1]}, "s:0", "newest"),
        (("oldest",), {"days": [3, None, 1]}, "s:2", "oldest"),
        (("most_central",), {}, "s:2", "most central"),
        (("source_priority",), {"sources": ["b", "a", "c"]}, "s:1", "preferred source"),
        (("highest_resolution", "newest"), {}, "s:0", "first by record id: every rule ties"),
    ],
)  # fmt: skip
def test_keeper_policies(policy: tuple[str, ...], extra: dict[str, list[int]], kept: str,
                         reason: str) -> None:  # fmt: skip
    settings = ClusterSettings.model_validate({"keeper": policy, "source_priority": ("a", "b")})
    table = records(["aa", "bbb", "cccc"], **extra)  # type: ignore[arg-type]
    clusters, cut = cluster_tables(table, units(3), links(*TRIANGLE), settings)
    assert set(clusters["representative"].to_pylist()) == {kept}
    assert set(clusters["keeper_reason"].to_pylist()) == {reason}
    assert len(cut) == 0


PHOTOS = ("skimage/astronaut.png", "skimage/coffee.png", "sklearn/china.jpg", "sklearn/flower.jpg")
SMOOTH = (Image.Resampling.BICUBIC, Image.Resampling.LANCZOS)


def photo(name: str) -> Image.Image:
    return Image.open(photograph(name)).convert("RGB")


def scaled(image: Image.Image, by: float, kind: Image.Resampling) -> Image.Image:
    return image.resize((round(image.width * by), round(image.height * by)), kind)


Measured = tuple[int | None, int | None, float | None]  # width, height and true side


def measured(image: Image.Image) -> Measured:
    return image.width, image.height, effective_resolution(image)


def sharpest(*pictures: Measured) -> tuple[str, str]:
    """The keeper of the largest picture, by tie the first, and its reason."""
    policy = ClusterSettings.model_validate({"keeper": ("highest_resolution",)})
    table = records([None] * len(pictures))
    names = ("image_width", "image_height", "image_effective_side")
    for name, values in zip(names, zip(*pictures, strict=True), strict=True):
        at = table.schema.get_field_index(name)
        table = table.set_column(at, name, pa.array(values, table.schema.field(name).type))
    every = [(0, n, 0.9) for n in range(1, len(pictures))]
    every += [(1, 2, 0.9)] if len(pictures) == 3 else []
    clusters, _ = cluster_tables(table, units(len(pictures)), links(*every), policy)
    return clusters["representative"][0].as_py(), clusters["keeper_reason"][0].as_py()


@pytest.mark.parametrize("by", [2, 4])
@pytest.mark.parametrize("kind", SMOOTH)
@pytest.mark.parametrize("name", PHOTOS)
def test_an_enlarged_copy_loses_to_its_source(name: str, kind: Image.Resampling, by: float) -> None:
    source = scaled(photo(name), 0.5, Image.Resampling.LANCZOS)
    pictures = [measured(scaled(source, by, kind)), measured(source)]
    assert sharpest(*pictures) == ("s:1", "highest resolution")
    assert sharpest(*reversed(pictures)) == ("s:0", "highest resolution")


@pytest.mark.parametrize("name", PHOTOS)
def test_the_larger_original_wins_over_its_copies(name: str) -> None:
    half = scaled(photo(name), 0.5, Image.Resampling.LANCZOS)
    back = scaled(half, 2, Image.Resampling.BICUBIC)
    pictures = [measured(half), measured(back), measured(photo(name))]
    assert sharpest(*pictures) == ("s:2", "highest resolution")


def test_an_original_twice_as_large_wins_though_it_was_enlarged() -> None:
    assert sharpest((1000, 750, 900.0), (4000, 3000, 1800.0))[0] == "s:1"


TIE = "first by record id: every rule ties"


@pytest.mark.parametrize(
    ("pictures", "kept", "reason"),
    [
        ([(800, 600, 620.0), (800, 600, 790.0)], "s:0", TIE),  # compressed, or text drawn over
        ([(800, 600, 790.0), (800, 600, 620.0)], "s:0", TIE),
        ([(800, 600, 790.0), (820, 615, 800.0)], "s:0", TIE),
        ([(800, 600, 300.0), (800, 600, 790.0)], "s:1", "highest resolution"),  # blurred
        ([(800, 600, None), (1600, 1200, None)], "s:1", "highest resolution"),  # not measured
        ([(800, 600, 790.0), (1600, 1200, None)], "s:1", "highest resolution"),
        ([(None, None, None), (20, 10, 0.0)], "s:1", "highest resolution"),  # no picture; a blank
    ],
)
def test_measures_decide_only_where_they_are_clear(
    pictures: list[Measured], kept: str, reason: str
) -> None:
    assert sharpest(*pictures) == (kept, reason)


def test_cohesion_is_the_weakest_link_to_the_representative() -> None:
    clusters, _ = cluster_tables(
        records(["aa", "bbb", "cccc"]), units(3), links(*TRIANGLE), ClusterSettings()
    )
    rows = clusters.to_pylist()
    assert [round(r["probability_to_representative"], 4) for r in rows] == [0.95, 0.99, 1.0]
    assert {round(r["cohesion"], 4) for r in rows} == {0.95}
    assert {(r["size"], r["status"], r["evidence"]) for r in rows} == {(3, "confirmed", "text")}


@pytest.mark.parametrize(
    ("texts", "apart", "status"),
    [
        # The record that stays has no word for black or white: two variants hang on it.
        (["machine EM-5, black", "machine EM-5, white", "machine EM-5"], False, "review"),
        # It has every word of both, or of one of them.
        (["Bell, J. 1994", "Bell, Tech. Report", "Bell, J. 1994 Tech. Report"], False, "confirmed"),
        (["machine EM-5", "machine EM-5, white", "machine EM-5 15 bar"], False, "confirmed"),
        # Typos are no words of their own.
        (["mashine EM-5, black", "machine EM-5, balck", "machine EM-5, black"], False, "confirmed"),
        # Judged distinct, or text and picture against each other: whatever the words.
        (["Bell, J. 1994", "Bell, Tech. Report", "Bell, J. 1994 Tech. Report"], True, "review"),
        # Pictures, no words.
        ([None, None, None], False, "confirmed"),
        # The record that stays has no text at all.
        (["black", "white", None], False, "review"),
    ],
)
def test_a_pair_inside_that_was_not_accepted(texts: list[str], apart: bool, status: str) -> None:
    given = links(
        (0, 2, 0.95),
        (1, 2, 0.95),
        refused=(0, 1),
        by=ProposedBy.TEXT | ProposedBy.IMAGE,
        apart=apart,
    )
    clusters, _ = cluster_tables(records(texts), units(3), given, ClusterSettings())
    assert {(r["status"], r["evidence"]) for r in clusters.to_pylist()} == {(status, "text+image")}
    assert set(clusters["representative"].to_pylist()) == {"s:2"}


def test_a_pair_between_two_clusters_is_no_doubt() -> None:
    given = links((0, 1, 0.95), (2, 3, 0.95), refused=(0, 2), apart=True)
    clusters, _ = cluster_tables(records(list("abcd")), units(4), given, ClusterSettings())
    assert set(clusters["status"].to_pylist()) == {"confirmed"}


def test_a_chain_is_cut_and_the_cut_is_kept() -> None:
    chain = links((0, 1, 0.9), (1, 2, 0.95), (2, 3, 0.9), (3, 4, 0.95))
    clusters, cut = cluster_tables(records(list("abcde")), units(5), chain, ClusterSettings())
    rows = {r["record_id"]: r for r in clusters.to_pylist()}
    assert rows["s:0"]["cluster_id"] != rows["s:4"]["cluster_id"]
    assert {r["status"] for r in rows.values()} == {"review"}
    kept = {tuple(sorted((r["record_id"], r["representative"]))) for r in rows.values()}
    every = {("s:0", "s:1"), ("s:1", "s:2"), ("s:2", "s:3"), ("s:3", "s:4")}
    lost = {(c["left_id"], c["right_id"]) for c in cut.to_pylist()}
    assert lost <= every
    assert {k for k in kept if k[0] != k[1]} | lost == every


def test_exact_copies_rejoin_their_leader_and_may_be_kept() -> None:
    # 1 is an exact copy of 0; 2 is near 0. The newest of the copies stays.
    policy = ClusterSettings.model_validate({"keeper": ("newest",)})
    table = records(["same", "same", "near"], days=[1, 9, 5])
    clusters, _ = cluster_tables(table, units(3, [0, 0, 2]), links((0, 1, 0.93)), policy)
    assert set(clusters["representative"].to_pylist()) == {"s:1"}
    scores = [round(p, 4) for p in clusters["probability_to_representative"].to_pylist()]
    assert scores == [1.0, 1.0, 0.93]


@pytest.mark.parametrize(("bare", "status"), [(True, "review"), (False, "confirmed")])
def test_copies_that_say_too_little_wait_for_a_person(bare: bool, status: str) -> None:
    table = records(["617 s. olive st."] * 2 + ["masa's, 415 989 7154"])
    table = table.append_column("bare", pa.array([bare, bare, False]))
    groups = replace(units(3, [0, 0, 2]), text=np.arange(2))
    clusters, _ = cluster_tables(table, groups, links(), ClusterSettings())
    assert clusters["status"].to_pylist() == [status, status, "confirmed"]


def test_singletons_are_clusters_too_and_ids_depend_on_members_only() -> None:
    alone = links((0, 1, 0.9))
    clusters, _ = cluster_tables(records(list("abc")), units(3), alone, ClusterSettings())
    rows = clusters.to_pylist()
    assert (rows[2]["size"], rows[2]["evidence"], rows[2]["keeper_reason"]) == (
        1,
        "single",
        "single",
    )
    assert len({row["cluster_id"] for row in rows}) == 2
    two, _ = cluster_tables(records(list("ab")), units(2), alone, ClusterSettings())
    assert two["cluster_id"][0].as_py() == rows[0]["cluster_id"]


def test_a_bridge_is_cut_and_its_reason_told() -> None:
    near = [(a, b, 0.95) for a, b in ((0, 1), (0, 2), (1, 2), (3, 4), (3, 5), (4, 5))]
    clusters, cut = cluster_tables(
        records(list("abcdef")), units(6), links(*near, (2, 3, 0.9)), ClusterSettings()
    )
    assert clusters["size"].to_pylist() == [3] * 6
    assert set(clusters["status"].to_pylist()) == {"review"}
    assert [(row["left_id"], row["right_id"], row["reason"]) for row in cut.to_pylist()] == [
        ("s:2", "s:3", "all scored pairs of the two groups, taken together, speak against it")
    ]


def test_a_member_whose_pair_with_the_representative_was_refused_waits_for_review() -> None:
    # A ring: nobody has an accepted link to all; two pairs were left for review.
    ring = [(0, 1, 0.99), (1, 2, 0.98), (2, 3, 0.99), (0, 3, 0.98)]
    clusters, cut = cluster_tables(
        records(list("abcd")), units(4), links(*ring, (0, 2, 0.6), (1, 3, 0.6)), ClusterSettings()
    )
    rows = clusters.to_pylist()
    assert {(r["representative"], r["status"], r["size"]) for r in rows} == {("s:0", "review", 4)}
    assert [round(r["probability_to_representative"], 4) for r in rows] == [1, 0.99, 0.6, 0.98]
    assert len(cut) == 0


def test_a_member_that_was_never_scored_against_the_representative_stays() -> None:
    sure = [(a, b, 0.9999) for a, b in ((0, 1), (0, 2), (1, 3), (2, 3))]
    clusters, _ = cluster_tables(records(list("abcd")), units(4), links(*sure), ClusterSettings())
    rows = clusters.to_pylist()
    assert {(r["representative"], r["status"], r["size"]) for r in rows} == {("s:0", "review", 4)}
    # Of its three possible pairs in the cluster two were scored.
    expected = [1, 0.9999, 0.9999, 0.9999 * 2 / 3]
    assert [r["probability_to_representative"] for r in rows] == pytest.approx(expected)
    assert {r["keeper_reason"] for r in rows} == {"scored against the most members"}


def test_where_every_pair_was_accepted_or_alone_nothing_is_weighed(monkeypatch: Any) -> None:
    heaps: list[int] = []
    monkeypatch.setattr(average_linkage, "_merge", lambda *given: heaps.append(len(given[0])))
    whole = links(*TRIANGLE, (3, 4, 0.7), (5, 6, 0.9), refused=(3, 5))
    clusters, _ = cluster_tables(records(list("abcdefg")), units(7), whole, ClusterSettings())
    assert clusters["size"].to_pylist() == [3, 3, 3, 2, 2, 2, 2]
    assert heaps == []
