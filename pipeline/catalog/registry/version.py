"""One version of a model: an immutable folder whose every file is named by its hash."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pipeline.config import PURPOSES, ImageEncoderConfig, TextEncoderConfig
from pipeline.errors import ModelError
from pipeline.storage import file_digest, from_json

MANIFEST = "model.json"
NAME = re.compile(r"[a-z0-9][a-z0-9_-]*")
VERSION = re.compile(r"v\d{4,}")
FORMAT = 1  # of a version's JSON files

Encoder = TextEncoderConfig | ImageEncoderConfig
Kind = TypeVar("Kind")


@dataclass(frozen=True, kw_only=True)
class ModelFacts:
    """What a version is, as whoever registers it says.

    Attributes:
        encoder, image_encoder: settings, a path in them relative to the version's folder; the
            latter of the pictures beside the texts, None where the judge does not see them.
        modality: 'text' or 'image'.
        parent: what training started from.
        recalibrated: its thresholds were chosen anew, its encoder and judge are its parent's.
    """

    purpose: str
    encoder: Encoder
    encoder_fingerprint: str = ""
    modality: str = "text"
    parent: str | None = None
    image_encoder: Encoder | None = None
    recalibrated: bool = False


@dataclass(frozen=True, kw_only=True)
class Manifest(ModelFacts):
    """What model.json says of a version.

    Attributes:
        format: of the version's JSON files. created: ISO 8601 in UTC.
        files: relative path -> sha256 of every other file.
    """

    format: int
    name: str
    version: str
    created: str
    files: dict[str, str]


@dataclass(frozen=True)
class ModelVersion:
    """One registered version: its folder, and what model.json says of it."""

    name: str
    version: str
    folder: Path
    facts: Manifest

    @property
    def reference(self) -> str:
        """The name and version together: 'products/v0003'."""
        return f"{self.name}/{self.version}"

    @property
    def fingerprint(self) -> str:
        """16 hex digits over the paths and hashes of all files but model.json itself."""
        return digest(self.facts.files)[:16]

    @property
    def purpose(self) -> str:
        """What the model is for."""
        return self.facts.purpose

    @property
    def encoder(self) -> Encoder:
        """The encoder's settings for a run, its path absolute."""
        return place_encoder(self.facts.encoder, self.folder)

    @property
    def image_encoder(self) -> Encoder | None:
        """The same of the pictures beside the texts; None: the judge does not see them."""
        settings = self.facts.image_encoder
        return settings and place_encoder(settings, self.folder)

    def read(self, file: str, kind: type[Kind]) -> Kind:
        """Read one of the version's JSON files, such as 'metrics.json'.

        Raises:
            ModelError: it is absent, or no JSON of this kind.
        """
        path = self.folder / file
        try:
            return from_json(kind, path.read_bytes())
        except OSError as error:
            raise ModelError(f"cannot read {path}: {error.strerror}") from error
        except ValueError as error:
            raise ModelError(f"{path} cannot be read ({error}); fine-tune again") from error

    def verify(self) -> None:
        """Compare every file with its hash.

        Raises:
            ModelError: a file is altered, missing or not of this version; the message names it.
        """
        known, found = self.facts.files, set(files_of(self.folder)) - {MANIFEST}
        problems = [
            *(f"{path} is missing" for path in sorted(set(known) - found)),
            *(f"{path} does not belong to it" for path in sorted(found - set(known))),
            *(
                f"{path} was altered"
                for path in sorted(found & set(known))
                if file_digest(self.folder / path, error=ModelError) != known[path]
            ),
        ]
        if problems:
            raise ModelError(
                f"the model {self.reference} is not as it was registered: {'; '.join(problems)} "
                f"(below {self.folder}); put the file back from a copy, or use another version"
            )


def load_version(folder: Path) -> ModelVersion:
    """Read a version's model.json, without looking at its other files.

    Raises:
        ModelError: it is absent, unreadable, altered, of another format, name or version.
    """
    facts = read_object(folder / MANIFEST)
    seal = facts.pop("sha256", None)
    if seal != digest(facts):
        raise ModelError(
            f"{folder / MANIFEST} was altered: its sha256 is {digest(facts)}, it states {seal}; "
            "put the file back from a copy, or use another version"
        )
    name, version = folder.parent.name, folder.name
    if facts.get("format") != FORMAT:
        raise ModelError(
            f"the model {name}/{version} has the format {facts.get('format')}, this version of "
            f"Gemel reads {FORMAT}; fine-tune again"
        )
    try:
        manifest = from_json(Manifest, json.dumps(facts))
    except ValueError as error:
        raise ModelError(f"{folder / MANIFEST} is no model of this registry: {error}") from error
    if (manifest.name, manifest.version) != (name, version):
        raise ModelError(
            f"{folder} holds the model {manifest.name}/{manifest.version}; move it to its place"
        )
    return ModelVersion(name, version, folder, manifest)


def check_name(name: str) -> None:
    """Refuse what cannot be the name of a model."""
    if not NAME.fullmatch(name):
        raise ModelError(
            f"{name!r} is no name of a model: lower-case letters, digits, - and _ only"
        )


def check_facts(facts: ModelFacts, folder: Path) -> None:
    """Refuse facts that could not be used later."""
    if facts.purpose.removesuffix(", images") not in PURPOSES:
        raise ModelError(
            f"the purpose {facts.purpose!r} of a model is none of {', '.join(PURPOSES)}"
        )
    if (folder / MANIFEST).exists():
        raise ModelError(f"{MANIFEST} is written by the registry; return the facts instead")
    place_encoder(facts.encoder, folder)
    if facts.image_encoder is not None:
        place_encoder(facts.image_encoder, folder)


def place_encoder(encoder: Encoder, folder: Path) -> Encoder:
    """An encoder's settings; a path in them, which starts from the version's folder, absolute.

    Raises:
        ModelError: the path leaves the folder or does not exist.
    """
    path = getattr(encoder, "path", None)
    if path is None:
        return encoder
    place = (folder / path).resolve()
    if Path(path).is_absolute() or not place.is_relative_to(folder.resolve()):
        raise ModelError(
            f"the encoder's path {path!r} leaves the version's folder; copy the encoder into it "
            "and state the path relative to it, such as 'encoder'"
        )
    if not place.exists():
        raise ModelError(f"the encoder's path {path!r} does not exist below {folder}")
    return encoder.model_copy(update={"path": str(place)})


def files_of(folder: Path) -> list[str]:
    """Relative paths of all files below `folder`, sorted.

    Raises:
        ModelError: the folder holds a link or something that is neither file nor folder.
    """
    found = []
    for path in sorted(folder.rglob("*")):
        if path.is_symlink() or not (path.is_file() or path.is_dir()):
            raise ModelError(f"{path} is a link or a special file; a model holds files only")
        if path.is_file():
            found.append(path.relative_to(folder).as_posix())
    return found


def digest(value: Any) -> str:
    """The sha256 of a JSON-able value in its one canonical form, 64 hex digits."""
    canonical = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(canonical.encode()).hexdigest()


def read_object(path: Path) -> dict[str, Any]:
    """Read a file that holds one JSON object.

    Raises:
        ModelError: it is absent, unreadable, or holds something else.
    """
    try:
        value = json.loads(path.read_bytes())
    except OSError as error:
        raise ModelError(f"cannot read {path}: {error.strerror}") from error
    except ValueError as error:
        raise ModelError(f"{path} is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise ModelError(f"{path} holds no JSON object")
    return value
