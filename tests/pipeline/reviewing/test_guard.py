"""Who may talk to the page: token, host, origin, headers, paths, read-only."""

from __future__ import annotations

import pytest
from starlette.testclient import TestClient

from pipeline.reviewing import make_app
from tests.worlds.review_page import ADDRESS, PORT, TOKEN, Page

READ = ["state", "next", "pair", "clusters", "cluster", "answers", "rules", "learning", "model",
        "picture", "overlay"]  # fmt: skip
WRITE = ["answer", "undo", "redo", "cluster/act", "rules/preview", "rules/apply", "rules/withdraw",
         "model/start", "model/promote"]  # fmt: skip


@pytest.fixture
def browser(looked: Page) -> TestClient:
    """A browser without anything, on the page's own address."""
    app = make_app(looked.desk, token=TOKEN, port=PORT)
    return TestClient(app, base_url=ADDRESS, follow_redirects=False, raise_server_exceptions=False)


def enter(browser: TestClient) -> None:
    answer = browser.get(f"/?token={TOKEN}")
    assert answer.status_code == 303
    assert answer.headers["location"] == "/"


def test_every_way_in_wants_the_token(browser: TestClient) -> None:
    for path in READ:
        assert browser.get(f"/api/{path}").json()["error"] == "token", path
    for path in WRITE:
        found = browser.post(f"/api/{path}", json={}, headers={"Origin": ADDRESS})
        assert (found.status_code, found.json()["error"]) == (401, "token"), path
    assert browser.get("/page/index.html").status_code == 401
    assert "gemel review" in browser.get("/").text
    assert browser.get("/?token=wrong").status_code == 401
    wrong = {"Authorization": "Bearer wrong"}
    assert browser.get("/api/state", headers=wrong).status_code == 401


def test_the_printed_link_leaves_a_cookie_that_scripts_cannot_read(browser: TestClient) -> None:
    answer = browser.get(f"/?token={TOKEN}")
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert TOKEN not in answer.headers["location"]
    assert browser.get("/api/state").status_code == 200


@pytest.mark.parametrize(
    "host", ["evil.example", f"evil.example:{PORT}", "127.0.0.1", f"127.0.0.1:{PORT + 1}", ""]
)
def test_a_rebound_name_is_refused(browser: TestClient, host: str) -> None:
    enter(browser)
    answer = browser.get("/api/state", headers={"Host": host})
    assert (answer.status_code, answer.json()["error"]) == (403, "host")
    assert browser.get(f"/?token={TOKEN}", headers={"Host": host}).status_code == 403


@pytest.mark.parametrize("name", ["localhost", "[::1]"])
def test_other_names_of_loopback_are_its_own(browser: TestClient, name: str) -> None:
    bearer = {"Host": f"{name}:{PORT}", "Authorization": f"Bearer {TOKEN}"}
    assert browser.get("/api/state", headers=bearer).status_code == 200


@pytest.mark.parametrize(
    "origin",
    [None, "null", "http://evil.example", f"https://127.0.0.1:{PORT}", "http://127.0.0.1:1"],
)
def test_another_page_cannot_write(browser: TestClient, origin: str | None) -> None:
    enter(browser)
    headers = {"Origin": origin} if origin else {}
    for path in WRITE:
        answer = browser.post(f"/api/{path}", json={}, headers=headers)
        assert (answer.status_code, answer.json()["error"]) == (403, "origin"), path


def test_a_form_cannot_write(browser: TestClient) -> None:
    enter(browser)
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data"):
        headers = {"Origin": ADDRESS, "Content-Type": kind}
        assert browser.post("/api/undo", content="{}", headers=headers).status_code == 415, kind


def test_another_page_cannot_embed_what_is_read(browser: TestClient) -> None:
    enter(browser)
    for site in ("cross-site", "same-site"):
        answer = browser.get("/api/state", headers={"Sec-Fetch-Site": site})
        assert answer.json()["error"] == "origin"


def test_every_answer_has_the_headers(browser: TestClient) -> None:
    enter(browser)
    for path in ("/", "/api/state", "/api/none", "/page/none.js", "/api/picture?record=none"):
        headers = browser.get(path).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy, path
        assert "unsafe" not in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
    headers = browser.get("/api/state", headers={"Host": "evil.example"}).headers
    assert "default-src 'none'" in headers["content-security-policy"]


@pytest.mark.parametrize(
    "name",
    ["../desk.py", "..%2fdesk.py", "%2e%2e/desk.py", "/etc/passwd", "..\\desk.py", "", "."],
)
def test_no_file_but_the_pages_own_is_served(browser: TestClient, name: str) -> None:
    enter(browser)
    answer = browser.get(f"/page/{name}")
    assert answer.status_code == 404
    assert "import" not in answer.text


def test_read_only_saves_nothing(looked: Page) -> None:
    item = looked.next()[0]
    assert looked.say(item, "same", 403)["error"] == "read_only"
    cluster = looked.get("clusters")["items"][0]["id"]
    assert looked.post("cluster/act", 403, id=cluster, act="accept")["error"] == "read_only"
    for path in ("undo", "redo", "model/start"):
        assert looked.post(path, 403)["error"] == "read_only"
    assert looked.desk.catalog.tables.labels() is None


@pytest.mark.parametrize(
    ("path", "query", "status"),
    [
        ("next", {"queue": "none"}, 400),
        ("next", {"n": 0}, 422),
        ("next", {"min": 2}, 422),
        ("next", {"modality": "sound"}, 422),
        ("pair", {"left": "a:1", "right": "a:1"}, 400),
        ("pair", {"left": "a:1", "right": "a:none"}, 404),
        ("cluster", {"id": "none"}, 404),
        ("clusters", {"queue": "teaches"}, 400),
        ("picture", {"record": "a:1"}, 404),
        ("overlay", {"left": "a:1", "right": "a:2"}, 404),
        ("none", {}, 404),
    ],
)
def test_what_cannot_be_answered_says_why(
    looked: Page, path: str, query: dict[str, str | int], status: int
) -> None:
    answer = looked.client.get(f"/api/{path}", params=query)
    assert answer.status_code == status
    told = answer.json()
    assert set(told) == {"error", "message"}
    assert told["message"]


def test_what_nobody_foresaw_is_an_answer_too(
    looked: Page, browser: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError("of the test")

    enter(browser)
    monkeypatch.setattr(type(looked.desk), "state", fail)
    answer = browser.get("/api/state")
    assert answer.status_code == 500
    assert answer.json()["error"] == "failed"
    assert "ZeroDivisionError" in answer.json()["message"]
    assert "Traceback" not in answer.text
    assert "default-src 'none'" in answer.headers["content-security-policy"]
