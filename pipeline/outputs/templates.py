"""Templates: one Jinja environment for every report, which makes all it prints visible."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from pipeline.outputs import formats
from pipeline.outputs.visible import make_visible

FOLDER = Path(__file__).parent / "assets"


@cache
def asset(name: str) -> str:
    """The text of a style sheet or script of this package."""
    return (FOLDER / name).read_text(encoding="utf-8").strip()


@cache
def environment() -> Environment:
    """Opens the templates of this package; they escape every string and refuse unknown names."""
    made = Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_shown,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters.update(
        count=formats.count,
        share=formats.share,
        duration=formats.duration,
        bytesize=formats.size,
        moment=formats.moment,
        number=formats.number,
    )
    return made


def _shown(value: Any) -> Any:
    """Spell out hidden characters in whatever a template prints."""
    return (
        make_visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value
    )
