"""registry.json: which version is the champion of each purpose, and how it came to be.

The history only grows. A promotion puts a version on top of its purpose's champions, a rollback
takes the top one off, so that each further rollback goes one step further back.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pipeline.catalog.registry.version import digest, read_object
from pipeline.errors import ModelError
from pipeline.storage import from_json, replace_file, to_plain

CURRENT, PREVIOUS = "registry.json", "registry.previous.json"
FORMAT = 1


@dataclass(frozen=True)
class GateCheck:
    """One condition of a promotion: its value, the limit in the config, and what it means."""

    name: str
    passed: bool
    value: float
    limit: float
    message: str


@dataclass(frozen=True)
class ChampionChange:
    """One promotion or rollback.

    Attributes:
        at: when, ISO 8601 in UTC.
        before, after: references such as 'products/v0003'; None: no champion.
        fingerprint: of `after`, so that a champion's folder cannot be exchanged.
        gate: the checks it passed or was promoted in spite of.
    """

    at: str
    action: Literal["promote", "rollback"]
    purpose: str
    before: str | None
    after: str | None
    fingerprint: str | None
    by: str
    reason: str
    gate: tuple[GateCheck, ...] = ()


@dataclass(frozen=True)
class _Stored:
    """What registry.json says that is read back."""

    history: tuple[ChampionChange, ...]


def current_champions(history: Sequence[ChampionChange]) -> dict[str, list[ChampionChange]]:
    """The promotions still in force per purpose, the champion's last."""
    stacks: dict[str, list[ChampionChange]] = {}
    for change in history:
        stack = stacks.setdefault(change.purpose, [])
        if change.action == "promote":
            stack.append(change)
        else:
            stack.pop()
    return stacks


def read_history(root: Path) -> list[ChampionChange]:
    """Every change, the oldest first; none where nothing was ever promoted.

    Raises:
        ModelError: registry.json is damaged or gone; says what is intact and how to repair it.
    """
    current, previous = root / CURRENT, root / PREVIOUS
    if not current.exists() and not previous.exists():
        return []
    try:
        return _read(current)
    except ModelError as error:
        raise ModelError(f"{error}. {_repair(current, previous)}") from error


def write_history(root: Path, history: Sequence[ChampionChange]) -> None:
    """Make `history` the registry in one step; the registry before it is kept beside it."""
    current = root / CURRENT
    if current.exists():
        replace_file(root / PREVIOUS, read_object(current))
    stacks = current_champions(history)
    facts = {
        "format": FORMAT,
        "champions": {purpose: stack[-1].after for purpose, stack in stacks.items() if stack},
        "history": [to_plain(change) for change in history],
    }
    replace_file(current, {**facts, "sha256": digest(facts)})


def _read(path: Path) -> list[ChampionChange]:
    facts = read_object(path)
    seal = facts.pop("sha256", None)
    if seal != digest(facts):
        raise ModelError(f"{path} was altered: its content does not have the sha256 it states")
    if facts["format"] != FORMAT:
        raise ModelError(
            f"{path} has format {facts['format']}, this version of Gemel reads {FORMAT}"
        )
    try:
        return list(from_json(_Stored, path.read_bytes()).history)
    except ValueError as error:
        raise ModelError(f"{path} cannot be read: {error}") from error


def _repair(current: Path, previous: Path) -> str:
    """What is left of the registry and what to do, for the error's reader."""
    versions = sorted(
        f"{path.parent.parent.name}/{path.parent.name}"
        for path in current.parent.glob("[!.]*/v*/model.json")
    )
    intact = f"The {len(versions)} versions are separate files, not touched by this"
    if versions:
        intact += f" (newest of each name: {', '.join(_newest(versions))})"
    try:
        kept = current_champions(_read(previous))
    except ModelError:
        return (
            f"{intact}. {previous.name} cannot be read either: move both files away and promote "
            "the champion again with `gemel models promote`"
        )
    named = ", ".join(f"{s[-1].after} for {purpose}" for purpose, s in kept.items() if s)
    return (
        f"{intact}. {previous.name} is intact and has the state before the last change "
        f"(champion: {named or 'none'}): copy it to {current.name}, then repeat that change"
    )


def _newest(versions: list[str]) -> list[str]:
    newest = {reference.split("/")[0]: reference for reference in versions}
    return list(newest.values())
