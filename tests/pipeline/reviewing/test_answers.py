"""Answers: saved at once, undone to the beginning, edited, contradicted, given by two persons."""

from __future__ import annotations

from threading import Thread
from typing import Any

import pytest

from pipeline import run
from pipeline.catalog import Catalog
from pipeline.config import RunConfig
from tests.worlds.review_page import Opener, Page, labels_of, latest


def test_an_answer_is_in_the_catalog_at_once(page: Page) -> None:
    item = page.next()[0]
    told = page.say(item, "same", note="seen both")
    assert told["contradiction"] is None
    (row,) = labels_of(page)
    ends = item["left"]["id"], item["right"]["id"]
    assert (row["left_id"], row["right_id"]) == ends
    assert (row["label"], row["by"], row["note"]) == ("same", "ann", "seen both")
    assert row["run"] == page.desk.run.run
    assert row["model"] == page.desk.run.summary.models.judge
    assert told["progress"]["answers"] == 1
    assert item["key"] not in [one["key"] for one in page.next(n=20)]
    assert page.pair(*ends)["mine"] == "same"


def test_blind_answers_name_no_judge(page: Page) -> None:
    page.say(page.next()[0], "different", blind=True)
    assert labels_of(page)[0]["model"] is None


@pytest.mark.parametrize("body", [{"label": "maybe"}, {"label": "same", "extra": 1}])
def test_what_is_no_answer_is_refused(page: Page, body: dict[str, object]) -> None:
    answer = page.client.post("/api/answer", json={"left": "a:1", "right": "b:1", **body})
    assert answer.status_code in (400, 422)
    page.post("answer", 404, left="a:1", right="a:none", label="same")
    page.post("answer", 400, left="a:1", right="a:1", label="same")
    assert labels_of(page) == []


def test_undo_and_redo_reach_the_beginning(open_pages: Opener) -> None:
    page = open_pages()
    given = []
    for label in ("same", "different", "related", "unsure"):
        item = page.next(queue="weakest")[0]
        page.say(item, label)
        given.append((item["left"]["id"], item["right"]["id"]))
    before = latest(page)
    again = open_pages()  # another session undoes what this one did
    for pair in reversed(given):
        told = again.post("undo")
        assert (told["undone"]["left"], told["undone"]["right"]) == pair
        assert told["pair"]["mine"] is None
    assert again.post("undo", 409)["error"] == "nothing"
    assert latest(page) == {}
    assert len(labels_of(page)) == 8, "the table only grows"
    assert again.next(queue="weakest")[0]["left"]["id"] == given[0][0]
    for _ in given:
        told = again.post("redo")
    assert again.post("redo", 409)["error"] == "nothing"
    assert latest(page) == before
    assert told["progress"]["undo"] == 4
    page.post("undo")
    page.say(page.next()[0], "same")
    assert page.post("redo", 409)["error"] == "nothing", "what is new ends what was undone"


def test_an_old_answer_is_edited_and_the_edit_undone(page: Page) -> None:
    item = page.next()[0]
    pair = item["left"]["id"], item["right"]["id"]
    page.say(item, "same")
    page.say(page.pair(*pair), "different")
    assert latest(page)[pair] == "different"
    told = page.post("undo")
    assert (told["undone"]["was"], told["undone"]["label"]) == ("different", "same")
    assert latest(page)[pair] == "same"
    rows = page.get("answers", pair_left=pair[0], pair_right=pair[1])["items"]
    assert [row["label"] for row in rows] == ["same", "different", "same"]
    assert [row["current"] for row in rows] == [True, False, False]


def test_past_answers_are_found(page: Page) -> None:
    for label in ("same", "different", "related"):
        page.say(page.next(queue="weakest", q="desk lamp")[0], label, note=f"why {label}")
    assert page.get("answers")["total"] == 3
    assert page.get("answers", label="related")["total"] == 1
    assert page.get("answers", q="desk lamp")["total"] == 3
    assert page.get("answers", q="WHY diff")["items"][0]["label"] == "different"
    assert page.get("answers", by="bob")["total"] == 0
    assert len(page.get("answers", limit=2, offset=2)["items"]) == 1


def answer(page: Page, left: str, right: str, label: str, **body: Any) -> dict[str, Any]:
    told: dict[str, Any] = page.say(page.pair(left, right), label, **body)
    return told


def test_a_contradiction_is_explained_where_it_arises(page: Page) -> None:
    assert answer(page, "a:1", "a:2", "same", by="bob")["contradiction"] is None
    assert answer(page, "a:2", "a:3", "same")["contradiction"] is None
    found = answer(page, "a:1", "a:3", "different")["contradiction"]
    assert isinstance(found, dict)
    assert "a:1 ≠ a:3" in found["sentence"]
    assert "a:1 = a:2 (bob" in found["sentence"]
    assert [(one["left"], one["right"]) for one in found["chain"]] == [("a:1", "a:2"),
                                                                      ("a:2", "a:3")]  # fmt: skip
    assert all(one["rests_on"] for one in found["chain"])
    assert [(one["left"], one["right"]) for one in found["dropped"]] == [("a:1", "a:2")]
    rows = {(r["left"]["id"], r["right"]["id"]): r for r in page.get("answers")["items"]}
    assert not rows["a:1", "a:2"]["followed"]
    assert "a:1 ≠ a:3" in rows["a:1", "a:2"]["words"] or "a:2 = a:3" in rows["a:1", "a:2"]["words"]
    # Taken back, nothing is contradicted any more.
    page.post("undo")
    assert all(row["followed"] for row in page.get("answers")["items"])
    # And a *same* against a *different* through the records tied to both.
    answer(page, "a:4", "a:5", "different")
    answer(page, "a:4", "a:6", "same")
    found = answer(page, "a:6", "a:5", "same")["contradiction"]
    assert isinstance(found, dict)
    assert {(one["left"], one["right"]) for one in found["chain"]} == {("a:4", "a:5"),
                                                                      ("a:4", "a:6")}  # fmt: skip


def test_two_pages_lose_no_answer(open_pages: Opener) -> None:
    ann, bob = open_pages(), open_pages()
    item = ann.next()[0]
    theirs = bob.pair(item["left"]["id"], item["right"]["id"], by="bob")
    ann.say(item, "same")
    refused = bob.say(theirs, "different", 409, by="bob")
    assert refused["error"] == "changed"
    assert refused["latest"]["by"] == "ann"
    assert refused["latest"]["label"] == "same"
    bob.say(theirs, "different", by="bob", force=True)
    assert len(labels_of(ann)) == 2
    ann.desk.book.refresh(now=True)
    shown = ann.next(queue="disagreements")
    assert [one["key"] for one in shown] == [item["key"]]
    assert {one["by"] for one in shown[0]["answers"]} == {"ann", "bob"}


def test_answers_at_the_same_moment_are_all_kept(open_pages: Opener) -> None:
    pages = [open_pages(), open_pages()]
    items = pages[0].next(n=12, queue="weakest")
    failed: list[BaseException] = []

    def work(page: Page, mine: list[dict[str, Any]], by: str) -> None:
        try:
            for item in mine:
                page.say(item, "same", by=by)
        except BaseException as error:
            failed.append(error)
            raise

    threads = [
        Thread(target=work, args=(page, items[number::2], f"person{number}"))
        for number, page in enumerate(pages)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not failed
    assert len(labels_of(pages[0])) == 12
    for page in pages:
        page.desk.book.refresh(now=True)
        assert page.get("state")["progress"]["answers"] == 12


def test_some_pairs_are_asked_of_two_persons_blind(open_pages: Opener) -> None:
    page = open_pages()
    for item in page.next(n=12, queue="weakest"):
        page.say(item, "same", by="bob")
    asked = []
    for _ in range(8):
        item = page.next(n=1, queue="teaches")[0]
        asked.append(item)
        page.say(item, "different")
    twice = [one for one in asked if one["asked_twice"]]
    assert len(twice) == 1
    assert twice[0]["answers"] == []
    assert page.get("answers", by="bob", q=twice[0]["left"]["id"])["total"] >= 1
    agreement = page.get("state")["progress"]["agreement"]
    assert (agreement["pairs"], agreement["agreed"]) == (1, 0)


def test_what_is_answered_binds_the_next_run(page: Page) -> None:
    linked = page.next(queue="weakest", min=0.5)[0]
    ends = linked["left"]["id"], linked["right"]["id"]
    page.say(linked, "different")
    largest = page.get("clusters", queue="largest")["items"][0]
    members = page.get("cluster", id=largest["id"])["members"]
    wanted = members[-1]["record"]["id"]
    page.post("cluster/act", id=largest["id"], act="keep", record=wanted)
    config = RunConfig.model_validate(
        {**page.desk.run.config, "catalog": str(page.desk.catalog.root)}
    )
    assert run(config).status == "published"
    later = Catalog(str(page.desk.catalog.root))
    rows = {row["record_id"]: row for row in later.read("clusters", run=later.run()).to_pylist()}
    assert rows[ends[0]]["cluster_id"] != rows[ends[1]]["cluster_id"]
    assert rows[wanted]["representative"] == wanted
    assert rows[wanted]["keeper_reason"] == "a person chose it"
