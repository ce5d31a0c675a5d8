"""The review page in Chromium, as a person has it before them."""

from __future__ import annotations

import os
import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from pipeline.catalog import Catalog
from pipeline.reviewing import Desk, make_app, open_desk

TOKEN = "the-token-of-the-browser"
CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
# The last three keep it from asking hosts of its maker at every start.
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
         "--disable-background-networking", "--disable-component-update"]  # fmt: skip


class Served:
    """The review page of one catalog on a port of its own, which can be stopped and started."""

    def __init__(self, root: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        self.desk: Desk = open_desk(Catalog(root, create=False), by="ann")
        self.link = f"http://127.0.0.1:{self.port}/?token={TOKEN}"
        self.start()

    def start(self, token: str = TOKEN) -> None:
        app = make_app(self.desk, token=token, port=self.port)
        settings = uvicorn.Config(app, host="127.0.0.1", port=self.port, log_level="error")
        self.server = uvicorn.Server(settings)
        self.thread = threading.Thread(target=self.server.run, daemon=True)
        self.thread.start()
        while not self.server.started:
            time.sleep(0.01)

    def stop(self) -> None:
        self.server.should_exit = True
        self.server.force_exit = True
        self.thread.join(timeout=10)


@dataclass
class Seen:
    """A page in the browser, and what it complained of."""

    page: Any
    served: Served
    complaints: list[str] = field(default_factory=list)

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)

    def question(self) -> str:
        """The ids of the pair on the screen."""
        return " ".join(self.page.locator(".pair .side code").all_inner_texts())

    def answers(self) -> int:
        return int(self.page.locator("#side b").first.inner_text())

    def until(self, words: str, given: Any = None) -> None:
        """Wait until a JavaScript function is true; the page's policy lets no string be run."""
        end = time.monotonic() + 20
        while not self.page.evaluate(words, given):
            assert time.monotonic() < end, f"{words} is never true"
            time.sleep(0.02)

    def until_answers(self, count: int) -> None:
        """Wait until the page tells so many answers."""
        self.until("n => document.querySelector('#side b').innerText === String(n)", count)

    def overflows(self) -> bool:
        return bool(self.page.evaluate("document.documentElement.scrollWidth > innerWidth"))

    def go(self, route: str) -> None:
        self.page.evaluate("route => { location.hash = route }", route)


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    if CHROMIUM is None:
        if os.environ.get("GEMEL_BROWSER_REQUIRED"):
            pytest.fail("Chromium is required here and not installed")
        pytest.skip("Chromium is not installed (Debian: apt-get install chromium)")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def served(root: Path) -> Iterator[Served]:
    server = Served(root)
    yield server
    server.stop()
    server.desk.close()


@pytest.fixture
def look(chromium: Any, served: Served) -> Iterator[Callable[..., Seen]]:
    """Opens the page in a fresh browser; nothing may be complained of in its console."""
    contexts, opened = [], []

    def open_page(**settings: Any) -> Seen:
        contexts.append(chromium.new_context(viewport={"width": 1280, "height": 900}, **settings))
        seen = Seen(contexts[-1].new_page(), served)
        complain = seen.complaints.append
        seen.page.on(
            "console", lambda m: seen.complaints.append(m.text) if m.type == "error" else None
        )
        seen.page.on("pageerror", lambda error: complain(str(error)))
        seen.page.on("dialog", lambda dialog: complain(dialog.message))
        seen.page.goto(served.link)
        seen.page.wait_for_selector(".pair")
        opened.append(seen)
        return seen

    yield open_page
    for context in contexts:
        context.close()
    for seen in opened:
        assert seen.complaints == []
