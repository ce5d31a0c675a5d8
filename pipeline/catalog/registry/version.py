"""One version of a model: an immutable folder whose every file is named by its hash."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from pipeline.config import PURPOSES, ImageEncoderConfig, TextEncoderConfig
from pipeline.errors import ModelError
from pipeline.storage import file_digest

MANIFEST = "model.json"
NAME = re.compile(r"[a-z0-9][a-z0-9_-]*")
VERSION = re.compile(r"v\d{4,}")
_OWN_FACTS = {"name", "version", "created", "files", "sha256"}
_ENCODER: TypeAdapter[TextEncoderConfig | ImageEncoderConfig] = TypeAdapter(
    TextEncoderConfig | ImageEncoderConfig
)


@dataclass(frozen=True)
class ModelVersion:
    """One registered version.

    Attributes:
        facts: what `model.json` says: name, version, created (ISO 8601), purpose, parent, encoder
            (settings, its path relative to the folder), files (relative path -> sha256), and
            whatever else was registered.
    """

    name: str
    version: str
    folder: Path
    facts: dict[str, Any]

    @property
    def reference(self) -> str:
        """The name and version together: 'products/v0003'."""
        return f"{self.name}/{self.version}"

    @property
    def fingerprint(self) -> str:
        """16 hex digits over the paths and hashes of all files but model.json itself."""
        return digest(self.facts["files"])[:16]

    @property
    def purpose(self) -> str:
        """What the model is for."""
        return str(self.facts["purpose"])

    @property
    def encoder(self) -> TextEncoderConfig | ImageEncoderConfig:
        """The encoder's settings for a run, its path absolute."""
        return encoder_settings(self.facts["encoder"], self.folder)

    def read(self, file: str) -> dict[str, Any]:
        """Read one of the version's JSON files, such as 'calibration.json'.

        Raises:
            ModelError: it is absent, or not a JSON object.
        """
        return read_object(self.folder / file)

    def verify(self) -> None:
        """Compare every file with its hash.

        Raises:
            ModelError: a file is altered, missing or not of this version; the message names it.
        """
        known, found = self.facts["files"], set(files_of(self.folder)) - {MANIFEST}
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
        ModelError: it is absent, unreadable, altered, or of another name or version.
    """
    facts = read_object(folder / MANIFEST)
    seal = facts.pop("sha256", None)
    if seal != digest(facts):
        raise ModelError(
            f"{folder / MANIFEST} was altered: its sha256 is {digest(facts)}, it states {seal}; "
            "put the file back from a copy, or use another version"
        )
    name, version = folder.parent.name, folder.name
    if missing := sorted({"name", "version", "purpose", "encoder", "files"} - set(facts)):
        raise ModelError(f"{folder / MANIFEST} lacks {missing}; it is no model of this registry")
    if (facts["name"], facts["version"]) != (name, version):
        raise ModelError(
            f"{folder} holds the model {facts['name']}/{facts['version']}; move it to its place"
        )
    return ModelVersion(name, version, folder, facts)


def check_name(name: str) -> None:
    """Refuse what cannot be the name of a model."""
    if not NAME.fullmatch(name):
        raise ModelError(
            f"{name!r} is no name of a model: lower-case letters, digits, - and _ only"
        )


def check_facts(facts: dict[str, Any], folder: Path) -> None:
    """Refuse facts that could not be used later."""
    if own := sorted(_OWN_FACTS & set(facts)):
        raise ModelError(f"the facts {own} of a model are the registry's to set; leave them out")
    if missing := sorted({"purpose", "encoder"} - set(facts)):
        raise ModelError(f"a model's facts lack {missing}")
    if str(facts["purpose"]).removesuffix(", images") not in PURPOSES:
        raise ModelError(
            f"the purpose {facts['purpose']!r} of a model is none of {', '.join(PURPOSES)}"
        )
    if (folder / MANIFEST).exists():
        raise ModelError(f"{MANIFEST} is written by the registry; return the facts instead")
    encoder_settings(facts["encoder"], folder)
    try:
        digest(facts)
    except (TypeError, ValueError) as error:
        raise ModelError(f"a model's facts must be JSON without NaN: {error}") from error


def encoder_settings(
    settings: dict[str, Any], folder: Path
) -> TextEncoderConfig | ImageEncoderConfig:
    """Validate an encoder's settings; a path in them starts from the version's folder.

    Raises:
        ModelError: they are no encoder's, or the path leaves the folder or does not exist.
    """
    try:
        encoder = _ENCODER.validate_python(settings)
    except ValidationError as error:
        first = error.errors()[0]
        raise ModelError(
            f"the model's encoder settings {settings} are not usable: {first['msg']}"
        ) from error
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
