"""Checks of `gemel doctor`, each with what was found."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from pipeline.catalog import Finding
from pipeline.config import CopyDetection, ImageSettings, MiniLmEncoder
from pipeline.errors import CatalogError, PipelineError
from pipeline.storage import Place

PROVED = ("prefect", "fastapi", "sqlalchemy", "torch", "sentence-transformers", "faiss-cpu",
          "pyarrow", "deltalake", "pillow", "onnx", "onnxruntime")  # fmt: skip
# Versions that install and then fail; see the comments in pyproject.toml.
CEILINGS = {"fastapi": (0, 151), "sqlalchemy": (2, 1)}


def examine(catalog: str) -> list[Finding]:
    """Run every check."""
    checks = [Finding("python", True, f"{platform.python_version()} on {platform.platform()}")]
    checks += [_package(name) for name in PROVED]
    checks += [_encoder(MiniLmEncoder()), _encoder(CopyDetection())]
    checks += [_writable(catalog), _cores(), _bfloat16(), *_formats()]
    checks += _catalog(catalog)
    return checks


def _package(name: str) -> Finding:
    try:
        found = version(name)
    except PackageNotFoundError:
        return Finding(name, False, "not installed: run `make install`")
    numbers = tuple(int(part) for part in found.split(".")[:2] if part.isdigit())
    ceiling = CEILINGS.get(name)
    if ceiling and numbers >= ceiling:
        wanted = ".".join(map(str, ceiling))
        return Finding(name, False, f"{found} breaks Prefect 3.8; install {name}<{wanted}")
    return Finding(name, True, found)


def _encoder(config: MiniLmEncoder | CopyDetection) -> Finding:
    from pipeline.encoders import open_encoder

    try:
        encoder = open_encoder(config, images=ImageSettings(), threads=None)
    except PipelineError as error:
        return Finding(f"encoder {config.type}", False, str(error))
    return Finding(
        f"encoder {config.type}",
        True,
        f"{encoder.name}, {encoder.dimension} dimensions, fingerprint {encoder.fingerprint}, "
        "file hash verified",
    )


def _catalog(catalog: str) -> list[Finding]:
    """Every file of a catalog that is there, compared with what was written."""
    from pipeline.catalog import Catalog, check_catalog

    try:
        kept = Catalog(catalog, create=False)
        return list(check_catalog(kept))
    except CatalogError as error:
        absent = str(error).startswith("there is no catalog")
        return [] if absent else [Finding("catalog", False, str(error))]


def _writable(catalog: str) -> Finding:
    if "://" in catalog:
        local = Place.of(catalog).local()
        return Finding("catalog", True, f"{catalog}; its scratch and indexes are in {local}")
    folder = Path(catalog).absolute()
    while not folder.exists():
        folder = folder.parent
    return Finding("catalog", os.access(folder, os.W_OK), f"{catalog} (below {folder})")


def _cores() -> Finding:
    return Finding("cores", True, f"{os.cpu_count()}; embedding text takes the most of a first run")


def _bfloat16() -> Finding:
    from pipeline.encoders import has_native_bfloat16

    native = has_native_bfloat16()
    slow = "not native here: texts are embedded in float32, about half as fast"
    return Finding("bfloat16", True, "native" if native else slow)


def _formats() -> list[Finding]:
    from PIL import features

    from pipeline.ingestion import FORMATS

    found = "JPEG, PNG, GIF, BMP, TIFF"
    for name in ("WEBP", "AVIF"):
        found += f", {name}" if features.check(name.lower()) else f" (not {name})"
    heif = "not readable: such pictures go to quarantine; pip install 'gemel[heif]'"
    return [
        Finding("picture formats", True, found),
        Finding("HEIF pictures", True, "readable" if "HEIF" in FORMATS else heif),
    ]
