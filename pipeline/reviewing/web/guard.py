"""The guard: who may talk to the page's server, by token, host and origin; headers of all answers.

The server listens on loopback, where every page that the browser has open, and every user of the
machine, can reach it. A token that only the terminal shows keeps others out; the `Host` header
must be loopback's own (DNS rebinding); what changes something must come from the page itself.
"""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

from fastapi import Request, Response
from fastapi.responses import JSONResponse, PlainTextResponse, RedirectResponse

CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; font-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": CSP,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}
NAMES = ("127.0.0.1", "localhost", "[::1]")
OPEN_IT = (
    "This page is open to its owner only. Open the link that `gemel review` printed: it ends with "
    "the token.\n"
)
Next = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True)
class Guard:
    """Lets through what the owner's browser asks of the page.

    Attributes:
        token: shown in the terminal alone. port: that the server listens on.
    """

    token: str
    port: int

    @property
    def cookie(self) -> str:
        """Its name; cookies do not know ports."""
        return f"gemel_review_{self.port}"

    @property
    def hosts(self) -> set[str]:
        """What the `Host` header may be."""
        return {f"{name}:{self.port}" for name in NAMES}

    async def __call__(self, request: Request, call_next: Next) -> Response:
        """Check a request, and give its answer the headers."""
        response = self._refusal(request) or await call_next(request)
        for name, value in HEADERS.items():
            response.headers.setdefault(name, value)
        return response

    def _refusal(self, request: Request) -> Response | None:
        host = request.headers.get("host", "")
        if host not in self.hosts:
            return refuse(403, "host", "this server answers to its own address on loopback only")
        if self._arrives(request):
            response = RedirectResponse("/", status_code=303)
            response.set_cookie(self.cookie, self.token, httponly=True, samesite="strict")
            return response
        if not self._known(request):
            if request.url.path == "/":
                return PlainTextResponse(OPEN_IT, status_code=401)
            return refuse(401, "token", "the token is missing or wrong: open the printed link")
        if request.method not in ("GET", "HEAD"):
            return self._writing(request)
        site = request.headers.get("sec-fetch-site", "same-origin")
        if site not in ("same-origin", "none") and request.url.path != "/":
            return refuse(403, "origin", "only the page itself may ask for this")
        return None

    def _arrives(self, request: Request) -> bool:
        """Whether this is the link of the terminal."""
        given = request.query_params.get("token", "")
        return request.url.path == "/" and request.method == "GET" and self._same(given)

    def _known(self, request: Request) -> bool:
        bearer = request.headers.get("authorization", "").removeprefix("Bearer ")
        return self._same(request.cookies.get(self.cookie, "")) or self._same(bearer)

    def _same(self, given: str) -> bool:
        return hmac.compare_digest(given.encode(), self.token.encode())

    def _writing(self, request: Request) -> Response | None:
        """What changes something comes from the page, or from a script that has the token."""
        origin = request.headers.get("origin")
        if origin is None:
            if not request.headers.get("authorization", "").startswith("Bearer "):
                return refuse(403, "origin", "only the page itself may change something")
        elif urlsplit(origin).scheme != "http" or urlsplit(origin).netloc not in self.hosts:
            return refuse(403, "origin", "only the page itself may change something")
        kind = request.headers.get("content-type", "").partition(";")[0].strip()
        if kind != "application/json":
            return refuse(415, "bad_request", "send JSON, with Content-Type: application/json")
        return None


def refuse(status: int, code: str, message: str, **facts: object) -> JSONResponse:
    """An error as the page reads it."""
    return JSONResponse({"error": code, "message": message, **facts}, status_code=status)
