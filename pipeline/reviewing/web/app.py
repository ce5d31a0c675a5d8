"""The page's server as an application: static files and the API beside them."""

from __future__ import annotations

import mimetypes
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, PlainTextResponse
from starlette.exceptions import HTTPException

from pipeline.errors import PipelineError
from pipeline.reviewing.errors import ReviewError
from pipeline.reviewing.web import acting, reading
from pipeline.reviewing.web.guard import HEADERS, Guard, refuse

if TYPE_CHECKING:
    from pipeline.reviewing.desk import Desk

PAGE = Path(str(files("pipeline.reviewing") / "page"))
ENDINGS = {".html", ".css", ".js", ".svg", ".png", ".woff2", ".ico", ".txt"}
MISSING = "The page's files are not installed; its API answers below /api.\n"


def make_app(desk: Desk, *, token: str, port: int) -> FastAPI:
    """The review page of a desk.

    Args:
        token: that the owner's link ends with. port: that it will listen on.
    """
    app = FastAPI(
        title="Gemel review",
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
    )
    app.middleware("http")(Guard(token, port))
    app.include_router(reading.routes(desk), prefix="/api")
    app.include_router(acting.routes(desk), prefix="/api")
    app.add_exception_handler(PipelineError, _refused)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(Exception, _unexpected)
    app.add_api_route("/", _static("index.html"), methods=["GET"])
    app.add_api_route("/page/{name:path}", _page, methods=["GET"])
    return app


def _static(name: str) -> Callable[[], Response]:
    def send() -> Response:
        return _file(name)

    return send


def _page(name: str) -> Response:
    return _file(name)


def _file(name: str) -> Response:
    """One of the page's own files; nothing else on the disk has a name here."""
    path = (PAGE / name).resolve()
    inside = path.is_relative_to(PAGE.resolve()) and path.suffix in ENDINGS and path.is_file()
    if not inside:
        if name == "index.html":
            return PlainTextResponse(MISSING)
        return refuse(404, "not_found", "the page has no such file")
    kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    kind = "text/javascript" if path.suffix == ".js" else kind
    return Response(path.read_bytes(), media_type=kind)


def _refused(_: Request, error: Exception) -> JSONResponse:
    if isinstance(error, ReviewError):
        return refuse(error.status, error.code, str(error), **error.facts)
    return refuse(409, "failed", str(error))


def _http(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    code = "not_found" if error.status_code == 404 else "bad_request"
    return refuse(error.status_code, code, str(error.detail))


def _invalid(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"] if part not in ("body", "query"))
    return refuse(422, "bad_request", f"{where or 'the request'}: {first['msg']}")


def _unexpected(_: Request, error: Exception) -> JSONResponse:
    words = f"unexpected {type(error).__name__}: {error}"[:300]
    response = refuse(500, "failed", words)
    # The outermost handler answers beyond the guard.
    response.headers.update(HEADERS)
    return response
