"""Steps on whole clusters, and rules: as verdicts, seen before they act, taken back."""

from __future__ import annotations

from typing import Any

import pytest

from tests.worlds.review_page import Page, labels_of, latest


@pytest.fixture
def largest(page: Page) -> dict[str, Any]:
    name = page.get("clusters", queue="largest")["items"][0]["id"]
    found: dict[str, Any] = page.get("cluster", id=name, limit=200)
    return found


def ids(cluster: dict[str, Any]) -> list[str]:
    return [one["record"]["id"] for one in cluster["members"]]


def joined(page: Page) -> dict[str, set[str]]:
    """What persons tied to each record."""
    found: dict[str, set[str]] = {}
    for (one, other), label in latest(page).items():
        if label == "same":
            group = found.get(one, {one}) | found.get(other, {other})
            found |= dict.fromkeys(group, group)
    return found


def test_accept_the_rest(page: Page, largest: dict[str, Any]) -> None:
    every = ids(largest)
    out = every[-2:]
    told = page.post("cluster/act", id=largest["id"], act="accept", **{"except": out})
    assert told["answers"] == len(every) - 1
    assert told["cluster"]["reviewed"]
    assert joined(page)[every[0]] == {*every[:-2]}
    for one in out:
        assert latest(page)[min(every[0], one), max(every[0], one)] == "different"
    left = [one["id"] for one in page.get("next", queue="largest", n=20)["items"]]
    assert largest["id"] not in left
    page.post("undo")
    assert latest(page) == {}
    assert largest["id"] in [one["id"] for one in page.get("next", queue="largest", n=20)["items"]]


def test_the_kept_record_itself_may_be_drawn_out(page: Page, largest: dict[str, Any]) -> None:
    every = ids(largest)
    page.post("cluster/act", id=largest["id"], act="accept", **{"except": every[:1]})
    assert joined(page)[every[1]] == {*every[1:]}


def test_members_are_drawn_out_without_tying_the_others(
    page: Page, largest: dict[str, Any]
) -> None:
    every = ids(largest)
    page.post("cluster/act", id=largest["id"], act="draw_out", records=every[-1:])
    assert set(latest(page).values()) == {"different"}
    assert all(every[-1] in pair for pair in latest(page))


def test_a_split_makes_parts_that_stay_apart(page: Page, largest: dict[str, Any]) -> None:
    every = ids(largest)
    parts = [every[2:5], every[5:7]]
    page.post("cluster/act", id=largest["id"], act="split", parts=parts)
    tied = joined(page)
    assert tied[every[0]] == {every[0], every[1], *every[7:]}
    assert tied[every[2]] == {*parts[0]}
    assert tied[every[5]] == {*parts[1]}
    assert list(latest(page).values()).count("different") == 3


def test_another_record_is_kept_and_only_one(page: Page, largest: dict[str, Any]) -> None:
    every = ids(largest)
    for wanted in (every[2], every[3]):
        told = page.post("cluster/act", id=largest["id"], act="keep", record=wanted)
        assert "1 keep" in told["words"]
        keeper = page.get("cluster", id=largest["id"])["keeper"]
        assert (keeper["chosen"], keeper["chosen_by"]) == (wanted, "ann")
    words = page.post("undo")["words"]
    assert "answers of one step" in words
    assert page.get("cluster", id=largest["id"])["keeper"]["chosen"] == every[2]


@pytest.mark.parametrize(
    "body",
    [
        {"act": "accept", "except": ["a:none"]},
        {"act": "draw_out", "records": []},
        {"act": "split", "parts": []},
        {"act": "keep"},
        {"act": "burn"},
    ],
)
def test_a_step_that_says_nothing_is_refused(
    page: Page, largest: dict[str, Any], body: dict[str, Any]
) -> None:
    assert page.post("cluster/act", 400, id=largest["id"], **body)["error"] == "bad_request"
    every = ids(largest)
    body = {"act": "draw_out", "records": every}
    assert page.post("cluster/act", 400, id=largest["id"], **body)["message"]
    assert labels_of(page) == []


def test_a_rule_is_seen_before_it_acts_and_taken_back(page: Page) -> None:
    settings = {"above": 0.9}
    seen = page.post("rules/preview", name="score_above", settings=settings)
    assert seen["pairs"] >= 12
    assert 0 < len(seen["sample"]) <= 10
    assert all(one["probability"] >= 0.9 and one["decision"] == "duplicate"
               for one in seen["sample"])  # fmt: skip
    assert labels_of(page) == [], "looking changes nothing"
    page.post("rules/apply", 404, key="never seen")
    told = page.post("rules/apply", key=seen["key"])
    assert told["rule"]["standing"] == seen["pairs"] == len(latest(page))
    assert {row["origin"] for row in labels_of(page)} == {"rule"}
    page.post("rules/apply", 404, key=seen["key"])
    # What a person says afterwards stays when the rule is taken back.
    pair = next(iter(latest(page)))
    page.say(page.pair(*pair), "different")
    (listed,) = page.get("rules")["applied"]
    assert (listed["pairs"], listed["standing"]) == (seen["pairs"], seen["pairs"] - 1)
    told = page.post("rules/withdraw", id=listed["id"], by="bob")
    assert told["rule"]["withdrawn"]
    assert latest(page) == {pair: "different"}
    assert page.post("rules/withdraw", 409, id=listed["id"])["error"] == "nothing"


def test_a_rule_that_is_out_of_date_is_looked_at_again(page: Page) -> None:
    seen = page.post("rules/preview", name="score_above", settings={"above": 0.9})
    page.say(seen["sample"][0], "different")
    assert page.post("rules/apply", 409, key=seen["key"])["error"] == "changed"


def test_rules_of_equal_contents(page: Page) -> None:
    pixels = page.post("rules/preview", name="exact_pixels")
    pairs = [(one["left"]["id"], one["right"]["id"]) for one in pixels["sample"]]
    assert pairs == [("p:copy.png", "p:one.png")]
    assert page.post("rules/preview", name="same_text_and_picture")["pairs"] == 0
    only = page.post("rules/preview", name="exact_pixels", filters={"source": "a"})
    assert only["pairs"] == 0
    assert "source a" in only["words"]
    page.post("rules/preview", 400, name="score_above", settings={"above": 0.1})
    page.post("rules/preview", 400, name="none")
