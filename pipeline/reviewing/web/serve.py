"""Serving: the page on loopback until it is stopped."""

from __future__ import annotations

import secrets
import socket
from collections.abc import Callable

from pipeline.errors import ConfigError
from pipeline.reviewing.desk import Desk

ADDRESS = "127.0.0.1"


def serve(desk: Desk, *, port: int = 0, ready: Callable[[str], None] = print) -> None:
    """Serve the page until Ctrl-C.

    Args:
        port: 0: any that is free. ready: is told the link once the server accepts it.

    Raises:
        ConfigError: the port is taken, or may not be used.
    """
    import uvicorn

    from pipeline.reviewing.web.app import make_app

    listening = _listen(port)
    port = listening.getsockname()[1]
    token = secrets.token_urlsafe(24)
    app = make_app(desk, token=token, port=port)
    config = uvicorn.Config(
        app, log_level="warning", access_log=False, lifespan="off", server_header=False,
        timeout_graceful_shutdown=2,
    )  # fmt: skip
    # It listens already: whoever opens the link now waits until the first answer is made.
    ready(f"http://{ADDRESS}:{port}/?token={token}")
    try:
        uvicorn.Server(config).run(sockets=[listening])
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
