"""Checks of `gemel doctor`, each with what was found."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from pipeline.config import CopyDetection, ImageSettings, MiniLmEncoder
from pipeline.errors import CatalogError, PipelineError
from pipeline.storage import Place

PROVED = ("prefect", "fastapi", "sqlalchemy", "torch", "sentence-transformers", "faiss-cpu",
          "pyarrow", "deltalake", "pillow", "onnx", "onnxruntime")  # fmt: skip
# Versions that install and then fail; see the comments in pyproject.toml.
CEILINGS = {"fastapi": (0, 151), "sqlalchemy": (2, 1)}


def examine(catalog: str) -> list[dict[str, Any]]:
    """Run every check; each is {check, ok, found}."""
    checks = [_check("python", True, f"{platform.python_version()} on {platform.platform()}")]
    checks += [_package(name) for name in PROVED]
    checks += [_encoder(MiniLmEncoder()), _encoder(CopyDetection())]
    checks += [_writable(catalog), _cores(), _bfloat16(), *_formats()]
    checks += _catalog(catalog)
    return checks


def _check(name: str, ok: bool, found: str) -> dict[str, Any]:
    return {"check": name, "ok": ok, "found": found}


def _package(name: str) -> dict[str, Any]:
    try:
        found = version(name)
    except PackageNotFoundError:
        return _check(name, False, "not installed: run `make install`")
    numbers = tuple(int(part) for part in found.split(".")[:2] if part.isdigit())
    ceiling = CEILINGS.get(name)
    if ceiling and numbers >= ceiling:
        wanted = ".".join(map(str, ceiling))
        return _check(name, False, f"{found} breaks Prefect 3.8; install {name}<{wanted}")
    return _check(name, True, found)


def _encoder(config: MiniLmEncoder | CopyDetection) -> dict[str, Any]:
    from pipeline.encoders import open_encoder

    try:
        encoder = open_encoder(config, images=ImageSettings(), threads=None)
    except PipelineError as error:
        return _check(f"encoder {config.type}", False, str(error))
    return _check(
        f"encoder {config.type}",
        True,
        f"{encoder.name}, {encoder.dimension} dimensions, fingerprint {encoder.fingerprint}, "
        "file hash verified",
    )


def _catalog(catalog: str) -> list[dict[str, Any]]:
    """Every file of a catalog that is there, compared with what was written."""
    from pipeline.catalog import Catalog, check_catalog

    try:
        kept = Catalog(catalog, create=False)
        return [_check(found.what, found.ok, found.found) for found in check_catalog(kept)]
    except CatalogError as error:
        absent = str(error).startswith("there is no catalog")
        return [] if absent else [_check("catalog", False, str(error))]


def _writable(catalog: str) -> dict[str, Any]:
    if "://" in catalog:
        local = Place.of(catalog).local()
        return _check("catalog", True, f"{catalog}; its scratch and indexes are in {local}")
    folder = Path(catalog).absolute()
    while not folder.exists():
        folder = folder.parent
    return _check("catalog", os.access(folder, os.W_OK), f"{catalog} (below {folder})")


def _cores() -> dict[str, Any]:
    return _check("cores", True, f"{os.cpu_count()}; embedding text takes the most of a first run")


def _bfloat16() -> dict[str, Any]:
    from pipeline.encoders import has_native_bfloat16

    native = has_native_bfloat16()
    slow = "not native here: texts are embedded in float32, about half as fast"
    return _check("bfloat16", True, "native" if native else slow)


def _formats() -> list[dict[str, Any]]:
    from PIL import features

    from pipeline.ingestion import FORMATS

    found = "JPEG, PNG, GIF, BMP, TIFF"
    for name in ("WEBP", "AVIF"):
        found += f", {name}" if features.check(name.lower()) else f" (not {name})"
    heif = "not readable: such pictures go to quarantine; pip install 'gemel[heif]'"
    return [
        _check("picture formats", True, found),
        _check("HEIF pictures", True, "readable" if "HEIF" in FORMATS else heif),
    ]
