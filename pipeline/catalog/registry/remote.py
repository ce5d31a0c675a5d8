"""The registry of a catalog on an object store: the store's is the truth, a copy here is worked on.

Versions never change: each is fetched once, when it is opened, and verified like any other; the
history is read anew at every question. A version exists in the store once its model.json does,
which is sent last, and a promotion is the one object registry.json. Whoever changes something holds
a lock in the store and asks it once more before that last object is sent.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_fixed

from pipeline.catalog.registry.champions import CURRENT, PREVIOUS, ChampionChange, write_history
from pipeline.catalog.registry.registry import Registry
from pipeline.catalog.registry.staging import LOCK_SECONDS, lock_version
from pipeline.catalog.registry.version import (
    MANIFEST,
    NAME,
    VERSION,
    ModelVersion,
    files_of,
    load_version,
)
from pipeline.errors import HeldLockError, ModelError
from pipeline.storage import STALE_SECONDS, Place, check_held, hold


class SharedRegistry(Registry):
    """A registry below a prefix of an object store.

    Args:
        root: this machine's copy.
        store: where the versions and the history are kept.

    Every method raises CatalogError besides, when the store does not answer.
    """

    def __init__(self, root: Path, store: Place) -> None:
        super().__init__(root)
        self.store = store

    def problems(self) -> dict[str, str]:
        """See `Registry.problems`; every version is fetched for it."""
        for model in self.list():
            self._complete(model)
        return super().problems()

    def _load(self, folder: Path) -> ModelVersion:
        self._complete(load_version(folder))
        try:
            return super()._load(folder)
        except ModelError:
            # What the store lost or altered is asked of it again next time.
            shutil.rmtree(folder, ignore_errors=True)
            raise

    @property
    def _lock(self) -> Place:
        return self.store / "registry.lock"

    @contextmanager
    def _reading(self) -> Iterator[None]:
        self._follow()
        yield

    @contextmanager
    def _changing(self) -> Iterator[None]:
        """Hold the store's lock; one whose holder died is waited for until it may be taken over."""
        taken = f"another process is changing the registry {self.store}{{owner}}; try again later"
        attempts = Retrying(
            retry=retry_if_exception_type(HeldLockError),
            stop=stop_after_delay(LOCK_SECONDS + STALE_SECONDS),
            wait=wait_fixed(1.0),
            reraise=True,
        )
        with ExitStack() as stack:
            for attempt in attempts:
                with attempt:
                    stack.enter_context(hold(self._lock, taken=taken))
            stack.enter_context(self._reading())
            yield

    def _record(self, history: Sequence[ChampionChange]) -> None:
        with tempfile.TemporaryDirectory(dir=self.root) as folder:
            new = Path(folder)
            if (self.root / CURRENT).exists():
                shutil.copyfile(self.root / CURRENT, new / CURRENT)
            write_history(new, history)
            if (new / PREVIOUS).exists():
                (self.store / PREVIOUS).write((new / PREVIOUS).read_bytes())
            check_held(self._lock)
            (self.store / CURRENT).write((new / CURRENT).read_bytes())
        self._follow()

    def _install(self, staging: Path, folder: Path) -> None:
        place = self.store / folder.parent.name / folder.name
        place.remove()  # of one that was killed before it sent its model.json
        for path in files_of(staging):
            if path != MANIFEST:
                with place.errors():
                    place.fs.put_file(str(staging / path), (place / path).key)
        check_held(self._lock)
        (place / MANIFEST).write((staging / MANIFEST).read_bytes())
        with lock_version(self.root):
            shutil.rmtree(folder, ignore_errors=True)  # another process here has seen it already
            super()._install(staging, folder)

    def _follow(self) -> None:
        """Make the copy here have the store's history and versions, each without its files."""
        with lock_version(self.root):
            there = self._small_files()
            for name in self._names():
                for version in self._versions(name):
                    path = f"{name}/{version}/{MANIFEST}"
                    kept = self.root / path
                    if not kept.exists() or kept.read_bytes() != there.get(path):
                        shutil.rmtree(kept.parent)
            for path in {CURRENT, PREVIOUS, *there}:
                if path not in there:
                    (self.root / path).unlink(missing_ok=True)
                elif not (self.root / path).exists() or path in (CURRENT, PREVIOUS):
                    Place(str(self.root / path)).write(there[path])

    def _small_files(self) -> dict[str, bytes]:
        """The store's history and every model.json, by their paths."""
        with self.store.errors():
            found = [
                key.removeprefix(f"{self.store.key}/") for key in self.store.fs.find(self.store.key)
            ]
            wanted = [path for path in found if path in (CURRENT, PREVIOUS) or _manifest(path)]
            keys = [(self.store / path).key for path in wanted]
            content = self.store.fs.cat(keys) if keys else {}
        return {path: bytes(content[key]) for path, key in zip(wanted, keys, strict=True)}

    def _complete(self, model: ModelVersion) -> None:
        """Fetch the files that model.json names and are not here; what the store lacks stays so."""
        place = self.store / model.name / model.version
        for path in model.facts.files:
            target = model.folder / path
            if target.exists() or not target.resolve().is_relative_to(model.folder.resolve()):
                continue
            with place.scratch(target.name) as partial:
                try:
                    with place.errors():
                        place.fs.get_file((place / path).key, str(partial))
                except FileNotFoundError:
                    continue
                Place(str(target)).take(partial)


def _manifest(path: str) -> bool:
    match path.split("/"):
        case [name, version, last]:
            return bool(NAME.fullmatch(name) and VERSION.fullmatch(version) and last == MANIFEST)
        case _:
            return False
