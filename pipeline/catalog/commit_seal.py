"""Seals of commits: what files a commit leaves, so that a damaged log is noticed.

Delta's log has no checksums: a commit file that was emptied or cut at the end of a line reads as
one that changed less.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

from pipeline.storage import DamageError, Place

if TYPE_CHECKING:
    from deltalake import CommitProperties

SEAL = "gemel.files"  # in the commit's own metadata
# Small tables that several processes append to have no seal: which files there are is not known
# before the commit.
SHARED = {"runs", "labels"}


def seal(table: str, files: list[Place]) -> CommitProperties | None:
    """What a commit says of the files that make the table after it."""
    from deltalake import CommitProperties

    return None if table in SHARED else CommitProperties(custom_metadata={SEAL: _digest(files)})


def check_seal(table: Place, version: int, files: list[Place]) -> None:
    """Compare the files of a table at a version with what that commit says.

    Raises:
        DamageError: they differ, or the commit says nothing at all.
    """
    commit = table / "_delta_log" / f"{version:020d}.json"
    try:
        actions = [json.loads(line) for line in commit.read().splitlines()]
    except FileNotFoundError:
        return  # cleaned away behind a checkpoint
    said = next((action["commitInfo"] for action in actions if "commitInfo" in action), None)
    if said is None:
        raise DamageError(f"{commit} is empty or cut short")
    if said.get(SEAL, _digest(files)) != _digest(files):
        raise DamageError(f"{commit} or one before it was altered: it names other files")


def _digest(files: list[Place]) -> str:
    names = "\n".join(sorted(file.name for file in files))
    return hashlib.sha256(names.encode()).hexdigest()[:32]
