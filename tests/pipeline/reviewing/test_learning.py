"""What the page learns while it is answered: order, estimates, clusters to come, a model."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest

from pipeline.reviewing.learning.learner import _in_turn
from tests.worlds.review_page import Page


def truth(item: dict[str, Any]) -> str:
    """Shops number their models alike; the size tells them apart."""
    ids = [item[side]["id"].partition(":")[2] for side in ("left", "right")]
    sources = {item[side]["source"] for side in ("left", "right")}
    copies = [("5" if one.startswith("copy") else one) for one in ids]
    same = copies[0] == copies[1] and (len(sources) == 1 or int(copies[0]) % 2)
    return "same" if same else "different"


def test_it_learns_while_one_answers(page: Page) -> None:
    assert page.desk.learner.wait(60)
    first = page.get("learning")
    assert first["version"] >= 1
    assert first["precision"]["value"] is None
    assert "not known yet" in first["advice"]
    labels = set()
    for number in range(16):
        item = page.next(n=1)[0]
        labels.add(truth(item))
        told = page.say(item, truth(item))
        if number % 4 == 3:
            assert page.desk.learner.wait(30)
    assert labels == {"same", "different"}
    learned = page.get("learning")
    assert learned["state"] == "ready", learned["words"]
    assert learned["answers"] == 16
    assert learned["seconds"] < 2
    assert learned["version"] > first["version"]
    assert len(learned["doubt"]["history"]) >= 4
    assert learned["doubt"]["now"] < learned["doubt"]["start"]
    found = learned["precision"]
    assert found["low"] <= found["value"] <= found["high"]
    assert told["progress"]["sentence"]
    rows = page.desk.catalog.tables.labels().to_pylist()
    assert sum(row["origin"] == "audit" for row in rows) == 4, "every fourth is drawn"
    assert any(one["now"] is not None for one in page.next(n=10))


def test_the_clusters_to_come_follow_the_answers(page: Page) -> None:
    largest = page.get("clusters", queue="largest")["items"][0]
    page.get("learning")
    for _ in range(200):
        if page.desk.learner.ahead is not None:
            break
        time.sleep(0.05)
    before = page.get("learning")["clusters"]
    assert (before["joined"], before["split"]) == (0, 0), "without answers nothing changes"
    members = page.get("cluster", id=largest["id"], limit=200)["members"]
    ids = [one["record"]["id"] for one in members]
    page.post("cluster/act", id=largest["id"], act="split", parts=[ids[1:4]])
    ahead = page.desk.learner._foresight.clusters(
        page.desk.catalog.tables.labels(), page.desk.tables.probability * float("nan")
    )
    assert ahead.split >= 1
    assert largest["id"] in {one.id for one in ahead.examples}
    assert "split" in ahead.sentence


def test_every_fourth_question_is_drawn_whatever_was_answered() -> None:
    drawn = np.array([False] * 9 + [True] * 3)
    asked = []
    for answers in range(12):  # chosen anew after each answer
        asked.append(bool(drawn[_in_turn(drawn, answers)][0]))
    assert asked == [False, False, False, True] * 3
    assert sorted(_in_turn(drawn, 2).tolist()) == list(range(12))


@pytest.mark.slow
def test_the_answers_become_a_model(page: Page) -> None:
    for _ in range(24):
        item = page.next(n=1)[0]
        page.say(item, truth(item))
    assert page.post("model/start")["state"] == "running"
    assert page.post("model/start", 409)["error"] == "busy"
    end = time.monotonic() + 120
    while (made := page.get("model"))["state"] == "running" and time.monotonic() < end:
        assert made["words"]
        time.sleep(0.2)
    assert made["state"] == "done", made["words"]
    assert made["gate"]
    assert made["figures"]
    assert not made["promoted"]
    assert page.desk.catalog.models.champion("deduplication/text") is None
    told = page.post("model/promote", model=made["model"], force=True)
    assert told["promoted"]
