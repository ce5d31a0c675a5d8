"""A disk that is full, read-only or failing, in words: what is intact and what to do."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.errors import CatalogError, PipelineError

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_WORDS = {
    **dict.fromkeys(_FULL, "there is no room left"),
    errno.EROFS: "the file system is read-only",
    errno.EACCES: "writing is not permitted",
    errno.EPERM: "writing is not permitted",
    errno.EIO: "the disk reports an input/output error",
}


@contextmanager
def explain_disk_errors(root: Path, work: Path) -> Iterator[None]:
    """Say what a failing disk means for a run.

    Args:
        root: folder that the run writes to. work: the run's scratch.

    Raises:
        CatalogError: in the place of an error of the disk; any other goes on as it is.
    """
    try:
        yield
    except PipelineError:
        raise
    except Exception as error:
        number = _number(error)
        if number is None:
            raise
        raise CatalogError(_explain(error, number, root=root, work=work)) from error


def _number(error: BaseException) -> int | None:
    """The system's number of a disk's error; Rust and Arrow tell it in their words alone."""
    if isinstance(error, OSError) and error.errno in _WORDS:
        return error.errno
    said = str(error)
    return next(
        (n for n in _WORDS if f"(os error {n})" in said or f"[errno {n}]" in said.lower()), None
    )


def _explain(error: BaseException, number: int, *, root: Path, work: Path) -> str:
    where = getattr(error, "filename", None) or root
    said = (
        f"cannot write to {where}: {_WORDS[number]}. Nothing of this run is published; what was "
        "published before is untouched"
    )
    if number not in _FULL:
        return f"{said}. Check the disk and its permissions, then start the run again"
    free = shutil.disk_usage(root).free / 1e6
    # Blocks of 512 bytes: a matrix that was only begun has a size and no content.
    scratch = sum(path.stat().st_blocks * 512 for path in work.rglob("*") if path.is_file()) / 1e6
    return (
        f"{said}. {free:,.0f} MB are free; its scratch has {scratch:,.0f} MB, and {work} may "
        "be deleted. Make room, then start the run again"
    )
