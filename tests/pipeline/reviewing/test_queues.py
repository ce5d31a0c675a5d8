"""Queues, filters and what is shown of pairs, clusters and pictures."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline import run
from pipeline.catalog import Catalog
from pipeline.config import RunConfig
from pipeline.errors import CatalogError
from pipeline.reviewing import open_desk
from pipeline.reviewing.show.links import _bridges
from tests.worlds.review_page import Page, open_page


def test_the_frame_knows_run_queues_and_counts(looked: Page) -> None:
    state = looked.get("state")
    assert state["run"]["status"] == "published"
    assert state["counts"]["records"] == 24 + 24 + 12 + 4
    assert state["sources"] == ["a", "b", "p"]
    assert state["modalities"] == ["text", "image"]
    assert [one["key"] for one in state["labels"]] == ["1", "2", "3", "4"]
    queues = {one["name"]: one for one in state["queues"]}
    assert queues["teaches"]["count"] == state["counts"]["pairs"] > 0
    assert queues["held"]["count"] == queues["gate"]["count"] == 0
    assert queues["largest"]["count"] == state["counts"]["clusters"]


def test_a_pair_is_laid_side_by_side(looked: Page) -> None:
    pair = looked.pair("b:3", "a:3")
    assert (pair["left"]["id"], pair["right"]["id"]) == ("a:3", "b:3")
    title, said, price = pair["rows"]
    assert [row["name"] for row in pair["rows"]] == ["title", "said", "price"]
    assert [row["same"] for row in pair["rows"]] == [False, True, True]
    marked = "".join(part["text"] for part in title["left"] if part["mark"] == "differs")
    assert "Maker0" in marked
    assert "13 cm" in "".join(part["text"] for part in title["left"] if part["mark"] == "same")
    whole = "".join(part["text"] for part in said["left"])
    assert whole.count("how returns are handled") == 2
    assert price["what"] == "attribute"
    assert 0 <= pair["probability"] <= 1
    assert pair["reason"]
    assert pair["evidence"]
    assert (pair["answers"], pair["mine"], pair["seen"]) == ([], None, None)


def test_content_is_text_and_nothing_else(looked: Page) -> None:
    answer = looked.client.get("/api/pair", params={"left": "a:0", "right": "b:0"})
    assert answer.headers["content-type"] == "application/json"
    told = "".join(p["text"] for p in answer.json()["rows"][0]["left"])
    assert "<script>alert(1)</script>" in told


def test_any_two_records_can_be_looked_at(looked: Page) -> None:
    pair = looked.pair("a:1", "p:two.png")
    assert pair["probability"] is None
    assert pair["decision"] is None
    assert pair["pictures"]["same_pixels"] is False


def test_pairs_of_pictures_tell_their_edit(looked: Page) -> None:
    pair = looked.pair("p:one.png", "p:copy.png")
    assert pair["pictures"]["same_pixels"] is True
    assert pair["left"]["picture"]["note"] == "120 × 90 px"
    assert pair["rows"] == []


@pytest.mark.parametrize("size", ["small", "full"])
def test_pictures_are_encoded_anew(looked: Page, size: str) -> None:
    answer = looked.client.get("/api/picture", params={"record": "p:one.png", "size": size})
    assert answer.headers["content-type"] == "image/png"
    assert Image.open(io.BytesIO(answer.content)).size == (120, 90)
    source = Path(looked.desk.run.config["sources"][2]["path"]) / "one.png"
    assert answer.content != source.read_bytes()
    assert answer.headers.get("x-gemel-picture", "full") == "full"


def test_a_picture_outside_its_source_is_not_opened(looked: Page, tmp_path: Path) -> None:
    from pipeline.reviewing.show.pictures import _allowed

    folder = looked.desk.run.config["sources"][2]
    inside = str(Path(folder["path"]) / "one.png")
    assert _allowed(inside, folder)
    (tmp_path / "link.png").symlink_to("/etc/passwd")
    outside = ["/etc/passwd", f"{folder['path']}/../secret/x.png", "https://evil.example/x",
               "s3://bucket/x.png", str(tmp_path / "link.png"),
               f"{folder['path']}x/one.png"]  # fmt: skip
    for strange in outside:
        assert not _allowed(strange, folder), strange
    rows = {"path": str(tmp_path / "in.csv"), "image_root": None}
    assert _allowed(str(tmp_path / "photos" / "x.png"), rows)
    assert not _allowed(str(tmp_path / "link.png"), rows), "a link that leads away"
    assert _allowed("s3://shop/photos/x.png", {"path": "s3://shop/photos"})


def test_filters_hold_for_every_item(looked: Page) -> None:
    likely = float(np.quantile(looked.desk.tables.probability, 0.9))
    for query, holds in (
        ({"source": "p"}, lambda one: "p" in (one["left"]["source"], one["right"]["source"])),
        ({"min": likely}, lambda one: one["probability"] >= likely - 1e-4),
        ({"max": round(likely - 0.01, 2)}, lambda one: one["probability"] < likely),
        ({"modality": "image"}, lambda one: one["left"]["picture"] and one["right"]["picture"]),
        ({"other_source": 1}, lambda one: one["left"]["source"] != one["right"]["source"]),
        ({"q": "DESK lamp"}, lambda one: "desk lamp" in (one["left"]["title"] +
                                                         one["right"]["title"])),
        ({"q": "a:copy"}, lambda one: "copy" in one["left"]["id"] + one["right"]["id"]),
        ({"size_min": 5}, lambda one: max(one["cluster"]["sizes"]) >= 5),
    ):  # fmt: skip
        found = looked.get("next", n=20, **query)
        assert found["items"], query
        assert all(map(holds, found["items"])), query
        assert found["left"] < looked.get("state")["counts"]["pairs"], query
    assert looked.get("next", q="nothing has these words")["items"] == []


def test_what_the_page_holds_is_not_sent_again(looked: Page) -> None:
    first = [one["key"] for one in looked.next(n=5, queue="weakest")]
    second = [one["key"] for one in looked.next(n=5, queue="weakest", exclude=first)]
    assert not {*first} & {*second}


def test_the_orders_of_the_queues(looked: Page) -> None:
    weak = [one["probability"] for one in looked.next(n=20, queue="weakest")]
    assert weak == sorted(weak)
    drawn = looked.next(n=10, queue="random")
    assert {one["origin"] for one in drawn} == {"audit"}
    assert {one["decision"] == "duplicate" for one in drawn} == {True, False}
    sizes = [one["size"] for one in looked.get("clusters", queue="largest")["items"]]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[0] >= 13
    doubtful = looked.get("clusters", queue="doubtful")["items"]
    assert {one["status"] for one in doubtful} <= {"review"}


def test_every_member_of_a_cluster_comes_by_pages(looked: Page) -> None:
    largest = looked.get("clusters", queue="largest")["items"][0]
    seen: list[str] = []
    for offset in range(0, largest["size"], 5):
        cluster = looked.get("cluster", id=largest["id"], offset=offset, limit=5)
        assert (cluster["graph"] is None) == (offset > 0)
        seen += [one["record"]["id"] for one in cluster["members"]]
    assert len(seen) == len(set(seen)) == largest["size"]
    first = looked.get("cluster", id=largest["id"])
    assert first["members"][0]["keeper"]
    assert first["members"][0]["record"]["id"] == first["keeper"]["id"]
    distance = [one["probability"] for one in first["members"]]
    assert distance == sorted(distance, reverse=True)
    assert first["weakest"]["probability"] <= min(e["probability"] for e in first["graph"]["edges"])


def test_bridges_are_those_of_networkx() -> None:
    networkx = pytest.importorskip("networkx")
    rng = np.random.default_rng(0)
    for _ in range(30):
        count = int(rng.integers(2, 30))
        ends = np.unique(np.sort(rng.integers(0, count, (count + 3, 2)), axis=1), axis=0)
        ends = ends[ends[:, 0] != ends[:, 1]]
        graph = networkx.Graph(ends.tolist())
        expected = {tuple(sorted(edge)) for edge in networkx.bridges(graph)}
        found = _bridges(ends)
        assert {tuple(ends[place].tolist()) for place, _ in found} == expected
        for place, sides in found:
            one, other = ends[place].tolist()
            cut = graph.copy()
            cut.remove_edge(one, other)
            parts = [len(networkx.node_connected_component(cut, end)) for end in (one, other)]
            assert sorted(sides) == sorted(parts)


def test_a_catalog_without_a_run_says_so(tmp_path: Path, looked: Page) -> None:
    with pytest.raises(CatalogError, match=r"no run to review yet.*gemel run"):
        open_desk(Catalog(tmp_path / "empty"))
    with pytest.raises(CatalogError, match="no run 'x'"):
        open_desk(looked.desk.catalog, run="x")


def test_a_held_run_shows_what_holds_it(root: Path) -> None:
    published = Catalog(root)
    gates = {"max_removed": 1, "max_in_review": 1, "max_cluster": 0.05, "small_cluster": 1,
             "ignore_below": 1}  # fmt: skip
    config = {**published.run().config, "catalog": str(root), "gates": gates}
    assert run(RunConfig.model_validate(config), full=True).status == "held"
    page = open_page(root)
    state = page.get("state")
    assert state["run"]["status"] == "held"
    counts = {one["name"]: one["count"] for one in state["queues"]}
    assert counts["gate"] >= 1
    assert counts["held"] >= 1
    held = page.get("next", queue="gate")["items"]
    assert {one["why"] for one in held} == {"a gate holds it"}
    inside = {one["key"] for one in held}
    for item in page.next(queue="held", n=20):
        assert item["cluster"]["left"] in inside
    page.desk.learner.wait(20)
    page.say(page.next(queue="held")[0], "different")
    page.desk.close()
