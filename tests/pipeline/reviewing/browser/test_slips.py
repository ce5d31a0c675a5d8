"""What keeps a wrong answer out: keys that slip, a slow or a dead server, a blind answer."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.worlds.review_page import TOKEN as NEW_TOKEN

pytestmark = pytest.mark.slow

ASKED = "[...document.querySelectorAll('.pair .side code')].map(code => code.innerText).join(' ')"


def written(seen: Any) -> list[tuple[str, str, str]]:
    """The answers in the catalog, oldest first."""
    table = seen.served.desk.catalog.tables.labels()
    rows = [] if table is None else table.to_pylist()
    return [(row["left_id"], row["right_id"], row["label"]) for row in rows]


def test_a_key_held_down_answers_one_pair_and_no_more(look: Callable[..., Any]) -> None:
    seen = look()
    asked = seen.question()
    seen.page.keyboard.down("1")
    for _ in range(5):
        seen.page.keyboard.down("1")  # what a held key sends again and again
    seen.page.keyboard.up("1")
    seen.until(f"before => ({ASKED}) !== before", asked)
    seen.until_answers(1)
    time.sleep(0.3)
    assert len(written(seen)) == 1


def test_a_second_key_before_the_next_pair_is_there_answers_nothing(look: Any) -> None:
    seen = look()
    held: list[Any] = []
    seen.page.route("**/api/next?*", lambda route: held.append(route))  # the next pairs never come
    for _ in range(12):
        seen.press("3")
        seen.page.wait_for_timeout(30)
    seen.until("() => document.querySelector('#side b').innerText !== '0'")
    time.sleep(0.5)
    pairs = [(left, right) for left, right, _ in written(seen)]
    assert len(pairs) == len(set(pairs)), "no pair is answered twice by a key too many"


def test_what_is_blind_is_written_down_as_blind(look: Callable[..., Any]) -> None:
    seen = look()
    sent: list[Any] = []
    seen.page.on("request", lambda r: sent.append(r.post_data_json) if "/answer" in r.url else None)
    seen.press("b", "1")
    seen.until_answers(1)
    assert sent[0]["blind"] is True


def test_an_answer_outlives_a_server_started_anew(look: Callable[..., Any]) -> None:
    """A new start has a new token: the answer waits until the new link is opened."""
    seen = look()
    seen.served.stop()
    seen.press("1")
    seen.page.wait_for_selector(".notice.bad")
    seen.served.start(token=NEW_TOKEN)
    seen.page.wait_for_selector("text=link")
    seen.page.goto(seen.served.link.split("=")[0] + "=" + NEW_TOKEN)
    seen.page.wait_for_selector(".pair")
    seen.until_answers(1)
    assert len(written(seen)) == 1
    seen.complaints.clear()


def test_a_dead_server_is_told_in_a_sentence_in_every_view(look: Callable[..., Any]) -> None:
    seen = look()
    seen.served.stop()
    seen.page.select_option("select[aria-label=Queue]", "largest")
    seen.page.wait_for_selector(".notice.bad")
    assert not [words for words in seen.complaints if "ERR_CONNECTION" not in words]
    seen.served.start()
    seen.complaints.clear()
