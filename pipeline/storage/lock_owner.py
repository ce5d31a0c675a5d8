"""The note of a lock: who holds it, for the one it keeps waiting."""

from __future__ import annotations

import json
import os
import socket
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

Note = dict[str, Any]  # host, pid, command, started, and the run once it has a name


def current_owner() -> Note:
    """Who this process is, for the one it keeps waiting."""
    return {
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "command": " ".join([Path(sys.argv[0]).name, *sys.argv[1:]])[:200],
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def owner_words(note: Note) -> str:
    """The owner of a lock in a few words; empty when it left no note."""
    if not note.get("pid"):
        return ""
    run = f"run {note['run']}, " if note.get("run") else ""
    return f" ({run}process {note['pid']} on {note.get('host')}, since {note.get('started')})"


def note_of(path: Path) -> Path:
    """Where the holder of a local lock says who it is."""
    return path.with_suffix(".owner.json")


def read_note(path: Path) -> Note:
    """A note; empty while it is being written or when it is damaged, for it only informs."""
    try:
        return dict(json.loads(path.read_bytes()))
    except (OSError, ValueError, TypeError):
        return {}
