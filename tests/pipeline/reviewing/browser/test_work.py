"""Whole pieces of work: old answers, rules, clusters split and of thousands, two persons."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

pytestmark = pytest.mark.slow

ASKED = "[...document.querySelectorAll('.pair .side code')].map(code => code.innerText).join(' ')"
IDS = "[...document.querySelectorAll('.pair .side code')].map(code => code.innerText)"
PAIR = "/pair/p%3Acopy.png/p%3Aone.png"


def written(seen: Any) -> list[tuple[str, str, str]]:
    """The answers in the catalog, oldest first."""
    table = seen.served.desk.catalog.tables.labels()
    rows = [] if table is None else table.to_pylist()
    return [(row["left_id"], row["right_id"], row["label"]) for row in rows]


def test_two_persons_at_once_lose_no_answer(look: Callable[..., Any]) -> None:
    seen = look()
    seen.go(PAIR)
    seen.page.wait_for_selector(".pictures img")
    ends = seen.page.evaluate(IDS)
    bob = {"left": ends[0], "right": ends[1], "label": "different", "by": "bob", "origin": "review"}
    told = seen.page.request.post(
        f"http://127.0.0.1:{seen.served.port}/api/answer", data={**bob, "seen": None},
        headers={"Origin": f"http://127.0.0.1:{seen.served.port}"})  # fmt: skip
    assert told.ok, told.text()
    seen.press("1")
    seen.page.wait_for_selector("text=Keep mine")
    assert "bob" in seen.page.inner_text("#notices")
    assert [label for _, _, label in written(seen)] == ["different"], (
        "nothing is overwritten unasked"
    )
    seen.page.click("text=Keep mine")
    seen.until("() => !document.querySelector('.notice')")
    seen.until_answers(1)
    assert [label for _, _, label in written(seen)][-1] == "same"
    seen.complaints.clear()  # the browser tells of the 409


def test_an_old_answer_is_found_and_changed(look: Callable[..., Any]) -> None:
    seen = look()
    for key in "123":
        before = seen.question()
        seen.press(key)
        seen.until(f"before => ({ASKED}) !== before", before)
    seen.until_answers(3)
    seen.go("/answers")
    seen.page.wait_for_selector("tbody tr >> nth=2")
    seen.page.select_option("article select", "different")
    seen.until("() => document.querySelectorAll('tbody tr').length === 1")
    ends = seen.page.locator("tbody code").all_inner_texts()
    seen.page.click("text=Change")
    seen.until(
        "ends => ends.every(e => document.querySelector('.pair')?.innerText.includes(e))", ends
    )
    pressed = seen.page.locator("#bar button[aria-pressed=true]").inner_text()
    assert pressed.endswith("different"), "what was said is told"
    seen.press("4")
    seen.until("() => location.hash === '#/decide'")
    seen.until("() => /1 not sure/.test(document.querySelector('#side').innerText)")
    assert written(seen)[-1] == (*sorted(ends), "unsure")


def test_a_rule_shows_a_sample_before_it_acts_and_is_taken_back(look: Callable[..., Any]) -> None:
    seen = look()
    seen.go("/rules")
    seen.page.wait_for_selector("section.card")
    for show in seen.page.locator("section.card button").all():
        show.click()
    seen.page.wait_for_selector("text=Answer these >> nth=0")
    assert seen.page.locator("section.card ol li").count() > 0
    assert written(seen) == [], "a look answers nothing"
    seen.page.click("text=Answer these >> nth=0")
    seen.page.wait_for_selector("text=Take back")
    done = written(seen)
    assert done
    assert {label for *_, label in done} == {"same"}
    seen.page.click("text=Take back")
    seen.until(
        "() => ![...document.querySelectorAll('button')].some(b => b.innerText === 'Take back')"
    )
    seen.until_answers(0)


def test_a_cluster_is_split_and_put_together_again_by_keys(look: Callable[..., Any]) -> None:
    seen = look()
    seen.page.select_option("select[aria-label=Queue]", "largest")
    seen.page.click(".cards a >> nth=0")
    seen.page.wait_for_selector(".member input")
    total = int(seen.page.locator("[role=listbox]").get_attribute("aria-label").split()[0])
    seen.press("ArrowDown", " ", "ArrowDown", " ")
    seen.until("() => document.querySelectorAll('.member[aria-selected=true]').length === 2")
    assert f"({total - 2})" in seen.page.inner_text("#bar"), "the bar says what accept would do"
    seen.press("p")
    seen.page.wait_for_selector(".notice.good")
    assert {label for *_, label in written(seen)} >= {"same", "different"}
    before = len(written(seen))
    seen.press("u")
    seen.until_answers(0)
    assert len(written(seen)) > before, "an undo is written down too"


def test_every_member_of_five_thousand_is_reached(look: Callable[..., Any]) -> None:
    """The server's own answer, made 5,000 members long: rows come as they are scrolled to."""
    seen = look()
    asked = []

    def many(route: Any) -> None:
        found = route.fetch().json()
        start = int(
            dict(part.split("=") for part in route.request.url.split("?")[1].split("&"))["offset"]
        )
        asked.append(start)
        first = found["members"][0] if found["members"] else many.first  # type: ignore[attr-defined]
        many.first = first  # type: ignore[attr-defined]
        members = [
            {**first, "place": n, "keeper": n == 0, "rows": [],
             "record": {**first["record"], "id": f"m{n}", "picture": None, "title": f"member {n}"}}
            for n in range(start, min(start + 100, 5000))
        ]  # fmt: skip
        route.fulfill(
            json={**found, "total": 5000, "size": 5000, "members": members, "offset": start}
        )

    seen.page.select_option("select[aria-label=Queue]", "largest")
    seen.page.wait_for_selector(".cards a")
    seen.page.route("**/api/cluster?*", many)
    seen.page.click(".cards a >> nth=0")
    seen.page.wait_for_selector("text=member 3")
    seen.page.evaluate("() => { document.querySelector('.members').scrollTop = 1e9 }")
    seen.page.wait_for_selector("text=member 4999")
    assert seen.page.locator(".member").count() < 60, "only what is seen is drawn"
    assert len(asked) <= 3, "only what is looked at is asked for"
