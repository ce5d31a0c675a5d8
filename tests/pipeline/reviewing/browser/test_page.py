"""Deciding in the browser: by keys, back and forth, over clusters, on a telephone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pipeline import run
from pipeline.catalog import Catalog
from pipeline.config.run import RunConfig

pytestmark = pytest.mark.slow

# What `Seen.question` tells, in the browser.
ASKED = "[...document.querySelectorAll('.pair .side code')].map(code => code.innerText).join(' ')"
VIEWS = (("/answers", "Past answers"), ("/rules", "Show what"), ("/model", "Make it"))


def clusters(root: Path) -> dict[str, set[str]]:
    """Members by cluster, of the newest run."""
    catalog = Catalog(root, create=False)
    table = catalog.read("clusters", run=catalog.runs()[0])
    found: dict[str, set[str]] = {}
    for record, cluster in zip(
        table["record_id"].to_pylist(), table["cluster_id"].to_pylist(), strict=True
    ):
        found.setdefault(cluster, set()).add(record)
    return found


def test_thirty_pairs_by_keys_and_back_to_the_beginning(look: Any) -> None:
    seen = look()
    asked = []
    for number in range(30):
        asked.append(seen.question())
        seen.press(str(1 + number % 4))
        seen.until(f"before => ({ASKED}) !== before", asked[-1])
    assert len(set(asked)) == 30, "nothing is asked twice"
    seen.until_answers(30)
    seen.press("u")
    seen.until_answers(29)
    assert seen.question() == asked[-1], "what is taken back is asked again"
    seen.press("u")
    seen.until_answers(28)
    assert seen.question() == asked[-2]
    seen.press("r")
    seen.until_answers(29)
    seen.press("r")
    seen.until_answers(30)
    for left in range(29, -1, -1):
        seen.press("u")
        seen.until_answers(left)
    assert seen.question() == asked[0]
    seen.press("u")
    seen.page.wait_for_selector("text=othing")
    seen.complaints.clear()  # the browser tells of the refusal
    assert seen.answers() == 0


def test_a_cluster_is_drawn_apart_and_the_next_run_obeys(look: Any, root: Path) -> None:
    seen = look()
    before = max(clusters(root).values(), key=len)
    assert len(before) > 10
    seen.page.select_option("select[aria-label=Queue]", "largest")
    seen.page.click(".cards a >> nth=0")
    seen.page.wait_for_selector(".member input")
    seen.press("ArrowDown", "ArrowDown", " ")
    seen.page.wait_for_selector(".member[aria-selected=true]")
    drawn = seen.page.locator(".member[aria-selected=true] code").inner_text()
    assert drawn in before
    seen.press("d")
    seen.page.wait_for_selector(".notice.good")
    catalog = Catalog(root, create=False)
    config = RunConfig.model_validate(catalog.runs()[0].config)
    assert run(config.model_copy(update={"catalog": str(root)})).status == "published"
    of = {record: members for members in clusters(root).values() for record in members}
    assert not of[drawn] & (before - {drawn}), "it shares no cluster with what it was drawn out of"
    assert before - {drawn} <= of[sorted(before - {drawn})[0]], "the others stay together"


def test_what_is_answered_while_the_server_is_away_is_sent_when_it_is_back(look: Any) -> None:
    seen = look()
    first = seen.question()
    seen.served.stop()
    seen.press("1")
    seen.page.wait_for_selector(".notice.bad")
    assert "nothing is lost" in seen.page.inner_text("#notices")
    assert seen.question() != first, "the next one was there already"
    seen.served.start()
    seen.until_answers(1)
    assert seen.page.locator(".notice.bad").count() == 0
    seen.complaints.clear()  # the browser tells of each try


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_telephone_shows_every_view_without_scrolling_sideways(look: Any, scheme: str) -> None:
    seen = look(color_scheme=scheme)
    seen.page.set_viewport_size({"width": 390, "height": 844})
    assert not seen.overflows()
    seen.page.select_option("select[aria-label=Queue]", "largest")
    seen.page.click(".cards a >> nth=0")
    seen.page.wait_for_selector(".member")
    assert not seen.overflows()
    for route, words in (
        ("/answers", "Past answers"),
        ("/rules", "Show what"),
        ("/model", "Make it"),
    ):
        seen.go(route)
        seen.page.wait_for_selector(f"text={words}")
        assert not seen.overflows(), route
    ground = seen.page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert ground == ("rgb(246, 247, 249)" if scheme == "light" else "rgb(20, 24, 30)")


def test_pictures_flip_in_place_and_scores_hide(look: Any) -> None:
    seen = look()
    seen.go("/pair/p%3Acopy.png/p%3Aone.png")
    seen.page.wait_for_selector(".pictures img")
    seen.until("() => [...document.querySelectorAll('.pictures img')].every(i => i.naturalWidth)")
    assert seen.page.locator(".stage.side img").count() == 2
    seen.press("f")
    seen.page.wait_for_selector(".stage.flip")
    caption, upper = seen.page.locator(".stage figcaption"), seen.page.locator("img.over")
    assert caption.inner_text().startswith("B")
    assert upper.is_visible()
    seen.press("f")
    assert caption.inner_text() == "A"
    assert not upper.is_visible(), "what is called A is A"
    assert "probability" in seen.page.inner_text(".pair header")
    seen.press("b")
    assert "probability" not in seen.page.inner_text(".pair header")


def test_what_a_record_says_is_only_text_and_the_keyboard_reaches_everything(look: Any) -> None:
    seen = look()
    seen.page.locator(".filters summary").click()
    seen.page.fill("#find", "script")
    seen.press("Tab")
    seen.page.wait_for_selector("text=<script>alert(1)</script>")
    assert seen.page.locator(".pair script").count() == 0
    seen.press("Escape", "?")
    seen.page.wait_for_selector("dialog[open]")
    seen.press("Escape")
    reached = set()
    for _ in range(60):
        seen.press("Tab")
        reached.add(
            seen.page.evaluate("document.activeElement.innerText || document.activeElement.tagName")
        )
    assert any("same thing" in words for words in reached)
    assert any("Undo" not in words and "Skip" in words for words in reached)
    outline = seen.page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline != "none", "who walks by Tab sees where they are"
