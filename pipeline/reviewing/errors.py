"""Refusals of the review page, each with a code that the page knows and a sentence for a person."""

from __future__ import annotations

from typing import Any

from pipeline.errors import PipelineError


class ReviewError(PipelineError):
    """What a person asked for cannot be done.

    Attributes:
        status: of HTTP. code: one word for the page. facts: what the page needs beside it.
    """

    def __init__(self, status: int, code: str, message: str, **facts: Any) -> None:
        super().__init__(message)
        self.status, self.code, self.facts = status, code, facts


def not_found(what: str) -> ReviewError:
    """Something that this run does not have."""
    return ReviewError(404, "not_found", f"there is no {what} in this run")


def bad_request(message: str) -> ReviewError:
    """A value that cannot be used."""
    return ReviewError(400, "bad_request", message)
