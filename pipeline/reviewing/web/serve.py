"""Serving: the page on loopback until it is stopped."""

from __future__ import annotations

import secrets
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING

from pipeline.errors import ConfigError

if TYPE_CHECKING:
    from pipeline.reviewing.desk import Desk

ADDRESS = "127.0.0.1"


def serve(
    opened: Callable[[], Desk], *, port: int = 0, ready: Callable[[str], None] = print
) -> None:
    """Serve the page until Ctrl-C.

    Args:
        opened: opens the desk, once the link is told: who follows it waits for the first answer.
        port: 0: any that is free. ready: is told the link.

    Raises:
        ConfigError: the port is taken, or may not be used.
    """
    listening = _listen(port)
    port = listening.getsockname()[1]
    token = secrets.token_urlsafe(24)
    ready(f"http://{ADDRESS}:{port}/?token={token}")
    import uvicorn

    from pipeline.reviewing.web.app import make_app

    desk = opened()
    app = make_app(desk, token=token, port=port)
    config = uvicorn.Config(
        app, log_level="warning", access_log=False, lifespan="off", server_header=False,
        timeout_graceful_shutdown=2,
    )  # fmt: skip
    try:
        uvicorn.Server(config).run(sockets=[listening])
    except KeyboardInterrupt:
        pass  # that is how it ends
    finally:
        desk.close()
        listening.close()


def _listen(port: int) -> socket.socket:
    found = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        found.bind((ADDRESS, port))
        found.listen(64)
    except (OSError, OverflowError) as error:
        found.close()
        words = getattr(error, "strerror", None) or str(error)
        raise ConfigError(
            f"--port {port} cannot be used: {words}; leave it out for one that is free"
        ) from error
    return found
