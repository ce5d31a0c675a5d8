"""The registry: immutable versions of models, and the champion of each purpose.

<root>/<name>/<version>/   one version; model.json has the sha256 of every other file
<root>/registry.json       promotions and rollbacks; registry.previous.json: before the last one
<root>/.staging/           versions being filled; those whose process died are removed later
<root>/registry.lock       held for moments, by whoever changes something

Each change is one rename, so a process killed at any moment leaves the state before or after it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime
from pathlib import Path

from pipeline.catalog.registry.champions import (
    ChampionChange,
    GateCheck,
    current_champions,
    read_history,
    write_history,
)
from pipeline.catalog.registry.staging import lock_version, stage_version
from pipeline.catalog.registry.version import (
    FORMAT,
    MANIFEST,
    NAME,
    VERSION,
    Manifest,
    ModelFacts,
    ModelVersion,
    check_facts,
    check_name,
    digest,
    files_of,
    load_version,
)
from pipeline.errors import ModelError
from pipeline.storage import file_digest, sync_folder, sync_tree, to_plain, write_json


class Registry:
    """The models below one folder; nothing is made before something is registered."""

    def __init__(self, root: Path) -> None:
        self.root = Path(root)

    def register(
        self,
        name: str,
        fill: Callable[[Path], ModelFacts],
        *,
        tell: Callable[[Path, str], None] | None = None,
    ) -> ModelVersion:
        """Make the next version of `name` out of what `fill` writes.

        Args:
            fill: writes the version's files into the empty folder it is given and says what they
                are. When it raises, nothing is registered.
            tell: writes the files that name the version, which is given to it: its number is known
                only under the lock, so it must be quick and touch no file of `fill`.

        Raises:
            ModelError: the name, the purpose, the facts or the files cannot be registered.
        """
        check_name(name)
        with stage_version(self.root) as staging:
            facts = fill(staging)
            check_facts(facts, staging)
            files = {
                path: file_digest(staging / path, error=ModelError) for path in files_of(staging)
            }
            sync_tree(staging)
            with self._changing():
                version = self._next(name)
                if tell is not None:
                    tell(staging, version)
                    sync_tree(staging)
                later = [path for path in files_of(staging) if path not in files]
                files |= {path: file_digest(staging / path, error=ModelError) for path in later}
                manifest = Manifest(
                    **vars(facts),
                    format=FORMAT,
                    name=name,
                    version=version,
                    created=_now(),
                    files=files,
                )
                folder = self._settle(staging, manifest)
        return load_version(folder)

    def open(self, name: str, version: str | None = None) -> ModelVersion:
        """Open a version, the newest by default, and verify every file of it.

        Raises:
            ModelError: there is none, or a file is altered, missing or not of this version.
        """
        check_name(name)
        with self._reading():
            known = self._versions(name)
        if not known or (version is not None and version not in known):
            wanted = name if version is None else f"{name}/{version}"
            there = ", ".join(f"{name}/{v}" for v in known[-5:]) or ", ".join(self._names())
            raise ModelError(
                f"the registry {self.root} has no model {wanted}; it has: {there or 'none'}"
            )
        return self._load(self.root / name / (version or known[-1]))

    def find(self, reference: str) -> ModelVersion:
        """Open 'name/v0003', or the newest version of 'name'.

        Raises:
            ModelError: as `open`.
        """
        name, _, version = reference.partition("/")
        return self.open(name, version or None)

    def list(self) -> Sequence[ModelVersion]:
        """Every version with a sound model.json, by name and version; `problems` has the others."""
        models, _ = self._survey()
        return models

    def problems(self) -> dict[str, str]:
        """Verify every version; return what is wrong, by reference."""
        models, problems = self._survey()
        for model in models:
            try:
                model.verify()
            except ModelError as error:
                problems[model.reference] = str(error)
        return problems

    def champion(self, purpose: str = "deduplication") -> ModelVersion | None:
        """Open the version in use for `purpose`; None before the first promotion.

        Raises:
            ModelError: the registry or the version is damaged.
        """
        with self._reading():
            stack = current_champions(read_history(self.root)).get(purpose)
        return self._promoted(stack[-1]) if stack else None

    def history(self, purpose: str | None = None) -> Sequence[ChampionChange]:
        """Every promotion and rollback, the oldest first."""
        with self._reading():
            changes = read_history(self.root)
        return [change for change in changes if purpose in (None, change.purpose)]

    def promote(
        self,
        name: str,
        version: str,
        *,
        purpose: str | None = None,
        by: str,
        reason: str,
        gate: Sequence[GateCheck] = (),
    ) -> ModelVersion:
        """Make a version the champion of its purpose, in one step; the present one stays below.

        Promoting the champion again changes nothing.

        Args:
            purpose: must be the one the model was registered for; default: that one.
            gate: its checks, kept with the promotion.

        Raises:
            ModelError: the version is not sound, or was registered for another purpose.
        """
        model = self.open(name, version)
        purpose = model.purpose if purpose is None else purpose
        if purpose != model.purpose:
            raise ModelError(
                f"{model.reference} was registered for {model.purpose!r}, not for {purpose!r}; "
                "fine-tune a model for that purpose"
            )
        with self._changing():
            history = read_history(self.root)
            stack = current_champions(history).get(purpose, [])
            before = stack[-1].after if stack else None
            if before != model.reference:
                change = ChampionChange(
                    at=_now(),
                    action="promote",
                    purpose=purpose,
                    before=before,
                    after=model.reference,
                    fingerprint=model.fingerprint,
                    by=by,
                    reason=reason,
                    gate=tuple(gate),
                )
                self._record([*history, change])
        return model

    def rollback(
        self, purpose: str = "deduplication", *, by: str = "", reason: str = ""
    ) -> ModelVersion | None:
        """Go back one champion, in one step; None when the first promotion was taken back.

        Raises:
            ModelError: there is no champion, or the one before is not sound.
        """
        with self._changing():
            history = read_history(self.root)
            stack = current_champions(history).get(purpose)
            if not stack:
                raise ModelError(f"there is no champion for {purpose!r} to roll back from")
            below = stack[-2] if len(stack) > 1 else None
            model = self._promoted(below) if below else None
            change = ChampionChange(
                at=_now(),
                action="rollback",
                purpose=purpose,
                before=stack[-1].after,
                after=below.after if below else None,
                fingerprint=below.fingerprint if below else None,
                by=by,
                reason=reason,
            )
            self._record([*history, change])
        return model

    def _promoted(self, change: ChampionChange) -> ModelVersion:
        model = self.find(str(change.after))
        if model.fingerprint != change.fingerprint:
            raise ModelError(
                f"{model.reference} has the fingerprint {model.fingerprint}, but "
                f"{change.fingerprint} was promoted on {change.at}: its folder was exchanged; put "
                "the promoted one back, or promote another version"
            )
        return model

    # What a registry that lies elsewhere does in another way.

    def _reading(self) -> AbstractContextManager[None]:
        """Before a question: nothing has to be brought here."""
        return nullcontext()

    def _changing(self) -> AbstractContextManager[None]:
        """Hold the only right to change something."""
        return lock_version(self.root)

    def _record(self, history: Sequence[ChampionChange]) -> None:
        """Make `history` the registry's, in one step."""
        write_history(self.root, history)

    def _load(self, folder: Path) -> ModelVersion:
        """Open and verify a version."""
        model = load_version(folder)
        model.verify()
        return model

    def _install(self, staging: Path, folder: Path) -> None:
        """Make a filled folder the version at `folder`, in one step."""
        folder.parent.mkdir(exist_ok=True)
        # A folder that is not empty is never replaced: with a lock that does not hold (some
        # network file systems) the slower process gets an error, not the other's place.
        os.rename(staging, folder)
        sync_folder(folder.parent)
        sync_folder(self.root)

    def _survey(self) -> tuple[Sequence[ModelVersion], dict[str, str]]:
        models, problems = [], {}
        with self._reading():
            names = self._names()
        for name in names:
            for version in self._versions(name):
                try:
                    models.append(load_version(self.root / name / version))
                except ModelError as error:
                    problems[f"{name}/{version}"] = str(error)
        return models, problems

    def _names(self) -> Sequence[str]:
        return sorted(path.name for path in self.root.glob("*") if NAME.fullmatch(path.name))

    def _versions(self, name: str) -> Sequence[str]:
        found = (path.name for path in (self.root / name).glob("v*"))
        return sorted(
            (version for version in found if VERSION.fullmatch(version)),
            key=lambda version: int(version[1:]),
        )

    def _next(self, name: str) -> str:
        """The next free number of a version."""
        last = max((int(version[1:]) for version in self._versions(name)), default=0)
        return f"v{last + 1:04d}"

    def _settle(self, staging: Path, manifest: Manifest) -> Path:
        """Seal a staged version and move it to its place."""
        facts = to_plain(manifest)
        write_json(staging / MANIFEST, {**facts, "sha256": digest(facts)})
        sync_folder(staging)
        folder = self.root / manifest.name / manifest.version
        self._install(staging, folder)
        return folder


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
