"""Who is told: what arrives at a webhook, a mail server, a command; secrets stay in place."""

from __future__ import annotations

import json
import socketserver
import threading
from collections.abc import Iterator
from dataclasses import replace
from email import message_from_bytes
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest

from pipeline.catalog import Gate, RunCounts, RunSummary
from pipeline.catalog.summary.run_summary import Status
from pipeline.config.run import RunConfig, load_config
from pipeline.errors import ConfigError
from pipeline.nightly.monitoring.notify import notify, unset_variables
from tests.worlds.runs import rows_in, run_config

SUMMARY = RunSummary(
    run="20260101T020000.000000Z",
    name="products",
    status="held",
    started="2026-01-01T02:00:00+00:00",
    finished="2026-01-01T02:10:00+00:00",
    seconds=600.0,
    counts=RunCounts(records=10),
    gates=(
        Gate("largest-cluster", "largest cluster", False, 900.0, 100.0, "900 records"),
        Gate("rows", "rows", True, 10.0, 10.0, ""),
    ),
    report="/data/report.html",
)


def config(*notify: dict[str, Any]) -> RunConfig:
    return run_config(Path("c"), rows_in(Path("a.csv"), "csv"), notify=notify)


class Hook(BaseHTTPRequestHandler):
    """Keeps what is posted; answers with the status in the path."""

    got: ClassVar[list[tuple[str, dict[str, str], dict[str, Any]]]] = []

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.got.append((self.path, dict(self.headers.items()), body))
        self.send_response(int(self.path.split("/")[1]))
        self.send_header("Location", "/200/elsewhere")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Stay quiet."""


class Mailbox(socketserver.StreamRequestHandler):
    """As much of SMTP as one mail takes."""

    got: ClassVar[list[bytes]] = []

    def handle(self) -> None:
        self.wfile.write(b"220 sink\r\n")
        while line := self.rfile.readline():
            word = line.split()[0].upper()
            if word == b"DATA":
                self.wfile.write(b"354 go on\r\n")
                rows = []
                while (row := self.rfile.readline()) != b".\r\n":
                    rows.append(row)
                self.got.append(b"".join(rows))
            self.wfile.write(b"221 bye\r\n" if word == b"QUIT" else b"250 ok\r\n")


@pytest.fixture
def served() -> Iterator[Any]:
    """Serve a handler on loopback; its port."""
    servers: list[socketserver.TCPServer] = []

    def serve(handler: Any) -> int:
        handler.got.clear()
        kind = HTTPServer if handler is Hook else socketserver.ThreadingTCPServer
        server = kind(("127.0.0.1", 0), handler)
        servers.append(server)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return int(server.server_address[1])

    yield serve
    for server in servers:
        server.shutdown()
        server.server_close()


def test_a_webhook_gets_the_facts(served: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    port = served(Hook)
    monkeypatch.setenv("HOOK", f"http://127.0.0.1:{port}/200/s3cret")
    monkeypatch.setenv("TOKEN", "t0ken")
    to = {"type": "webhook", "url_env": "HOOK", "token_env": "TOKEN"}
    assert notify(SUMMARY, config(to)) == {}
    ((path, headers, body),) = Hook.got
    assert path == "/200/s3cret"
    assert headers["Authorization"] == "Bearer t0ken"
    assert body["text"] == (
        "products: run 20260101T020000.000000Z is held, the last published run stays: "
        "largest cluster"
    )
    assert (body["run"], body["status"], body["outcome"]) == (SUMMARY.run, "held", "held")
    (failed,) = body["failed_gates"]
    assert (failed["id"], failed["title"], failed["value"]) == (
        "largest-cluster", "largest cluster", 900.0,
    )  # fmt: skip
    assert (body["counts"], body["report"]) == (SUMMARY.told_counts, SUMMARY.report)


@pytest.mark.parametrize(
    ("status", "change", "outcome"),
    [
        ("published", {"gates": ()}, "published"),
        ("published", {"gates": (), "report_failed": "full"}, "unwritten"),
        ("held", {}, "held"),
        ("failed", {"stage": "score", "error": "broke"}, "failed"),
    ],
)
def test_only_what_is_asked_for_is_told(
    served: Any, status: Status, change: dict[str, Any], outcome: str
) -> None:
    port = served(Hook)
    every = ["published", "unwritten", "held", "failed"]
    url = f"http://127.0.0.1:{port}/200"
    others = [one for one in every if one != outcome]
    wanted = config(
        {"type": "webhook", "url": f"{url}/others", "when": others},
        {"type": "webhook", "url": f"{url}/this", "when": [outcome]},
    )
    assert notify(replace(SUMMARY, status=status, **change), wanted) == {}
    assert [(path, body["outcome"]) for path, _, body in Hook.got] == [("/200/this", outcome)]


def test_what_fails_is_returned_without_secrets_and_the_others_are_told(
    served: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = served(Hook)
    address = f"http://127.0.0.1:{port}/500/s3cret"
    monkeypatch.setenv("HOOK", address)
    monkeypatch.delenv("ABSENT", raising=False)
    failed = notify(
        SUMMARY,
        config(
            {"type": "webhook", "url_env": "HOOK"},
            {"type": "webhook", "url_env": "ABSENT"},
            {"type": "webhook", "url": f"http://127.0.0.1:{port}/302"},
            {"type": "command", "command": ["no-such-program"]},
            {"type": "command", "command": ["sleep", "9"], "timeout": 0.2},
            {"type": "webhook", "url": f"http://127.0.0.1:{port}/200"},
        ),
    )
    assert [name.split()[0] for name in failed] == [f"notify.{n}" for n in range(5)]
    reasons = list(failed.values())
    assert "500" in reasons[0]
    assert "$HOOK" in reasons[0]
    assert "s3cret" not in reasons[0]
    assert "ABSENT is not set" in reasons[1]
    assert "302" in reasons[2]  # a redirect would turn the POST into a GET
    assert "no-such-program" in reasons[3]
    assert "TimeoutExpired" in reasons[4]
    assert [path for path, _, _ in Hook.got] == ["/500/s3cret", "/302", "/200"]


def test_a_webhook_that_does_not_answer_is_given_up(served: Any) -> None:
    release = threading.Event()

    class Silent(socketserver.BaseRequestHandler):
        got: ClassVar[list[Any]] = []

        def handle(self) -> None:
            release.wait(60)

    port = served(Silent)
    to = {"type": "webhook", "url": f"http://127.0.0.1:{port}/", "timeout": 0.3}
    (reason,) = notify(SUMMARY, config(to)).values()
    release.set()
    assert "ReadTimeout" in reason


def test_a_mail_has_the_facts_in_it(served: Any) -> None:
    port = served(Mailbox)
    to = {"type": "email", "to": ["a@example.org", "b@example.org"], "sender": "g@example.org",
          "host": "127.0.0.1", "port": port, "security": "none"}  # fmt: skip
    assert notify(SUMMARY, config(to)) == {}
    (raw,) = Mailbox.got
    mail = message_from_bytes(raw)
    assert mail["Subject"] == "[gemel] products: held"
    assert mail["To"] == "a@example.org, b@example.org"
    body = mail.get_payload(decode=True).decode()  # type: ignore[union-attr]
    assert "largest cluster" in body.splitlines()[0]
    assert json.loads(body[body.index("{") :])["run"] == SUMMARY.run


def test_a_mail_server_without_tls_is_not_given_the_message(served: Any) -> None:
    port = served(Mailbox)
    to = {"type": "email", "to": ["a@example.org"], "sender": "g@example.org",
          "host": "127.0.0.1", "port": port}  # fmt: skip
    (reason,) = notify(SUMMARY, config(to)).values()
    assert "STARTTLS" in reason
    assert Mailbox.got == []


def test_a_command_gets_the_facts_on_its_input(tmp_path: Path) -> None:
    out = tmp_path / "told.json"
    to = {"type": "command", "command": ["sh", "-c", 'cat > "$0"', str(out)]}
    assert notify(SUMMARY, config(to)) == {}
    assert json.loads(out.read_text())["run"] == SUMMARY.run


@pytest.mark.parametrize(
    ("to", "said"),
    [
        ({"type": "webhook"}, "one of url and url_env"),
        ({"type": "webhook", "url": "https://h/", "url_env": "U"}, "one of url and url_env"),
        ({"type": "webhook", "url": "https://me:pw@h/"}, "url_env"),
        ({"type": "webhook", "url": "ftp://h/"}, "http"),
        ({"type": "email", "to": ["a@b"], "sender": "c@d", "host": "h", "user": "u"},
         "user and password_env go together"),
        ({"type": "email", "to": ["a@b"], "sender": "c@d", "host": "h", "user": "u",
          "password_env": "P", "security": "none"}, "starttls or tls"),
        ({"type": "command", "command": []}, "needs 1 or more"),
        ({"type": "command", "command": ["true"], "when": ["always"]}, "always"),
    ],
)  # fmt: skip
def test_settings_that_cannot_work_are_refused(
    tmp_path: Path, to: dict[str, Any], said: str
) -> None:
    path = tmp_path / "config.yaml"
    source = {"name": "a", "type": "csv", "path": "a.csv", "columns": {"id": "id", "text": "t"}}
    path.write_text(json.dumps({"catalog": "c", "sources": [source], "notify": [to]}))
    with pytest.raises(ConfigError) as error:
        load_config(path)
    assert said in str(error.value)


def test_the_variables_that_are_missing_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOOK", "x")
    monkeypatch.delenv("TOKEN", raising=False)
    (to,) = config({"type": "webhook", "url_env": "HOOK", "token_env": "TOKEN"}).notify
    assert unset_variables(to) == ["TOKEN"]
