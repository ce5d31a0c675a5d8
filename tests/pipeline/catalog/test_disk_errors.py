"""A disk that is full or read-only: a clear error, and last night's result as it was."""

import resource
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline import run
from pipeline.catalog import Catalog
from pipeline.catalog.health import check_catalog
from pipeline.config.run import RunConfig
from pipeline.errors import CatalogError
from pipeline.storage.disk_errors import explain_disk_errors

pytestmark = pytest.mark.slow

SCRIPT = """
import json, sys
from pipeline import run
from pipeline.config import RunConfig
from pipeline.errors import CatalogError
try:
    run(RunConfig.model_validate_json(sys.stdin.read()))
except CatalogError as error:
    print(error, *getattr(error, "__notes__", []), sep="\\n")
"""


def limited(size: int) -> Callable[[], None]:
    """Refuse files beyond a size, as a full disk does: whoever writes them, Python, C++ or Rust."""

    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

    return limit


# Each size is refused at another stage.
@pytest.mark.parametrize("size", [300, 4000, 9000])
def test_no_room_leaves_last_night_published(
    size: int, nights: Catalog, configured: Callable[..., RunConfig]
) -> None:
    before = nights.run()
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        check=False,  # what it printed says more
        input=configured(40).model_dump_json(),
        capture_output=True,
        text=True,
        preexec_fn=limited(size),
    )
    assert "there is no room left" in done.stdout, done.stderr
    assert "what was published before is untouched" in done.stdout
    assert nights.run() == before
    assert not [found for found in check_catalog(nights) if not found.ok]
    assert run(configured(15)).status == "published"


def test_an_error_of_the_disk_is_told_by_whoever_raises_it(tmp_path: Path) -> None:
    (tmp_path / "scratch").write_bytes(bytes(3_000_000))
    for error, words in (
        (OSError(28, "No space left on device"), "scratch has 3 MB"),
        (RuntimeError("Generic error: No space left on device (os error 28)"), "no room left"),
        (OSError(30, "Read-only file system"), "the file system is read-only"),
        (OSError(5, "Input/output error"), "input/output error"),
    ):
        with pytest.raises(CatalogError, match=words), explain_disk_errors(tmp_path, tmp_path):
            raise error
    with pytest.raises(ZeroDivisionError), explain_disk_errors(tmp_path, tmp_path):
        raise ZeroDivisionError
