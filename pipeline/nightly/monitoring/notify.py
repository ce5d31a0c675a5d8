"""Tell people how a run ended: a webhook, an e-mail, a command of their own.

Secrets are read from environment variables that the configuration names; none is kept. Nothing
here fails a run: what could not be told is returned with its reason.
"""

from __future__ import annotations

import json
import os
import smtplib
import socket
import ssl
import subprocess
from dataclasses import asdict
from email.message import EmailMessage
from typing import Any, assert_never

from pipeline.catalog import RunSummary
from pipeline.config import CommandHook, Email, Notify, Outcome, RunConfig, Webhook
from pipeline.errors import ConfigError
from pipeline.outputs import in_short

Message = dict[str, Any]


def message_outcome(summary: RunSummary) -> Outcome:
    """How a run ended; *unwritten* is published with a report or an export that is missing."""
    status = summary.status
    if status == "published":
        return "unwritten" if in_short(summary) else "published"
    return "held" if status == "held" else "failed"


def message_of(summary: RunSummary, config: RunConfig) -> Message:
    """What is told of a run: a sentence for people (`text`), and the facts."""
    outcome, reason = message_outcome(summary), in_short(summary)
    name = f"{summary.name}: run {summary.run or '(not started)'}"
    return {
        "text": f"{name} {_say(outcome)}{f': {reason}' if reason else ''}",
        "outcome": outcome,
        "name": summary.name,
        "run": summary.run,
        "status": summary.status,
        "reason": reason,
        "failed_gates": [asdict(gate) for gate in summary.failed_gates],
        "counts": summary.told_counts,
        "started": summary.started or None,
        "finished": summary.finished or None,
        "seconds": summary.seconds,
        "report": summary.report,
        "catalog": config.catalog,
        "host": socket.gethostname(),
    }


def _say(outcome: Outcome) -> str:
    match outcome:
        case "published":
            return "is published"
        case "unwritten":
            return "is published, not all written"
        case "held":
            return "is held, the last published run stays"
        case "failed":
            return "failed, the last published run stays"
    assert_never(outcome)


def notify(summary: RunSummary, config: RunConfig) -> dict[str, str]:
    """Send what `notify` asks for; what could not be sent, by its place, with the reason."""
    message = message_of(summary, config)
    failed: dict[str, str] = {}
    for number, to in enumerate(config.notify):
        if message["outcome"] not in to.when:
            continue
        try:
            send_message(message, to)
        except Exception as error:  # noqa: BLE001 - whatever it is, the run's result stands
            failed[f"notify.{number} ({to.type})"] = _reason(error, to)
    return failed


def send_message(message: Message, to: Notify) -> None:
    """Send one message.

    Raises:
        ConfigError: an environment variable that it needs is not set.
        OSError, httpx.HTTPError, smtplib.SMTPException, subprocess.SubprocessError: not delivered.
    """
    match to:
        case Webhook():
            _post(message, to)
        case Email():
            _mail(message, to)
        case CommandHook():
            _call(message, to)
        case _:
            assert_never(to)


def unset_variables(to: Notify) -> list[str]:
    """The environment variables that `to` names and this process does not have."""
    named = (getattr(to, field, None) for field in ("url_env", "token_env", "password_env"))
    return [name for name in named if name and not os.environ.get(name)]


def _secret(name: str) -> str:
    value = os.environ.get(name)
    if not value:
        raise ConfigError(f"the environment variable {name} is not set where the run runs; set it")
    return value


def _reason(error: Exception, to: Notify) -> str:
    """What went wrong, without any secret that the message of a library may repeat."""
    said = str(error) if isinstance(error, ConfigError) else f"{type(error).__name__}: {error}"
    for field in ("url_env", "token_env", "password_env"):
        name = getattr(to, field, None)
        value = os.environ.get(name) if name else None
        if value:
            said = said.replace(value, f"${name}")
    return said[:500]


def _post(message: Message, to: Webhook) -> None:
    import httpx

    url = to.url or _secret(to.url_env or "")
    headers = {"Authorization": f"Bearer {_secret(to.token_env)}"} if to.token_env else {}
    with httpx.Client(timeout=to.timeout, transport=httpx.HTTPTransport(retries=2)) as client:
        client.post(url, json=message, headers=headers).raise_for_status()


def _mail(message: Message, to: Email) -> None:
    mail = EmailMessage()
    mail["Subject"] = f"[gemel] {message['name']}: {message['outcome']}"
    mail["From"], mail["To"] = to.sender, ", ".join(to.to)
    whole = json.dumps(message, indent=2)
    mail.set_content(f"{message['text']}\n\nReport: {message['report'] or 'none'}\n\n{whole}\n")
    context = ssl.create_default_context()
    with (
        smtplib.SMTP_SSL(to.host, to.port, timeout=to.timeout, context=context)
        if to.security == "tls"
        else smtplib.SMTP(to.host, to.port, timeout=to.timeout)
    ) as server:
        if to.security == "starttls":
            server.starttls(context=context)
        if to.user and to.password_env:
            server.login(to.user, _secret(to.password_env))
        server.send_message(mail)


def _call(message: Message, to: CommandHook) -> None:
    done = subprocess.run(
        list(to.command),
        input=json.dumps(message),
        capture_output=True,
        text=True,
        timeout=to.timeout,
        check=False,
    )
    if done.returncode:
        said = (done.stderr or done.stdout).strip()[-300:]
        raise OSError(f"{to.command[0]} ended with exit code {done.returncode}: {said}")
