"""A look at some sources or records: run once, or read again where nothing has changed."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from pipeline.config import (
    ImageFolderSource,
    RunConfig,
    SourceConfig,
)
from pipeline.errors import CatalogError, PipelineError
from pipeline.finding.found import Found
from pipeline.finding.records import written_records
from pipeline.finding.settings import find_config
from pipeline.ingestion import Stated, delivered_files, guess_sources
from pipeline.storage import write_json

LOOK = "look.json"  # beside the catalog's tables: what the published run was made from
FORMAT = 1  # of a look; another one is computed anew
Runner = Callable[[RunConfig], object]


def find_in_sources(config: RunConfig, *, run: Runner | None = None) -> Found:
    """Find the duplicates of a configuration's sources, or read them again.

    Args:
        config: see `find_config`; its catalog keeps the result.
        run: runs it; None: `pipeline.nightly.run`.

    Raises:
        PipelineError: it cannot be run; see `pipeline.nightly.run`.
    """
    root = Path(config.catalog)
    key = _key(config)
    if key is not None and _last(root) == key:
        try:
            found = Found.read(root, fresh=False)
        except (PipelineError, OSError):
            pass
        else:
            if all(map(os.path.exists, found.tables)):
                return found
    if run is None:
        from pipeline.nightly import run as run_nightly

        run = run_nightly
    run(config)
    write_json(root / LOOK, {"key": key})
    return Found.read(root)


def find(
    records: Any,
    *,
    text: str | Sequence[str] | None = None,
    image: str | None = None,
    keep: str | Path | None = None,
    thorough: bool = False,
    threads: int | None = None,
) -> Found:
    """Find the duplicates among records of Python, or in files.

    Which columns are compared is guessed where it is not stated, as `gemel find` does.

    Args:
        records: a list of texts or of dicts; a table of pandas, polars or Arrow; or paths: one as
            `str` or `Path`, several as a list of `Path`. A list of `str` is texts, not paths.
        text: columns that are compared. image: column with paths of pictures.
        keep: folder for the result, its table and its report; None: no file is left.
        thorough: texts are searched by MiniLM: slower, and finds rewordings.
        threads: CPU threads; None: all cores.

    Raises:
        PipelineError: there is nothing to compare, a column is not there, or the run failed.
    """
    given = records if not _is_spent(records) else list(records)
    stated = (text,) if isinstance(text, str) else None if text is None else tuple(text)
    with tempfile.TemporaryDirectory(prefix="gemel-") as scratch:
        paths, id_ = written_records(given, Path(scratch))
        guess = guess_sources(paths, Stated(text=stated, id=id_, image=image))
        catalog = Path(keep) if keep is not None else Path(scratch) / "catalog"
        config = find_config(
            _local_pictures(guess.configs, written=id_ is not None),
            catalog=catalog,
            rows=guess.rows,
            formats=("csv",) if keep is not None else (),
            thorough=thorough,
            threads=threads,
        )
        from pipeline.nightly import run

        run(config)
        found = Found.read(catalog, kept=keep is not None)
        return found if id_ is None else found.with_given(given)


def _is_spent(records: Any) -> bool:
    """Whether what was given can be read only once."""
    return isinstance(records, Iterator)


def _local_pictures(sources: Sequence[SourceConfig], *, written: bool) -> tuple[SourceConfig, ...]:
    """Sources of records that were written aside: their picture paths start from here."""
    if not written:
        return tuple(sources)
    return tuple(
        source.model_copy(update={"image_root": os.getcwd()})
        if hasattr(source, "image_root")
        else source
        for source in sources
    )


def _key(config: RunConfig) -> str | None:
    """What a look is made from; None: it cannot be told whether anything has changed."""
    files = delivered_files(config.sources)
    pictures = [s for s in config.sources if not isinstance(s, ImageFolderSource) and s.has_images]
    if files is None or pictures:
        return None
    try:
        release = version("gemel")
    except PackageNotFoundError:
        release = ""
    told = [FORMAT, release, config.model_dump(mode="json"), files]
    return hashlib.sha256(json.dumps(told, default=str).encode()).hexdigest()


def _last(root: Path) -> str | None:
    try:
        return str(json.loads((root / LOOK).read_text(encoding="utf-8"))["key"])
    except (OSError, ValueError, KeyError, CatalogError):
        return None
