"""Files that are there and cannot be read are never left out silently, and storage says why."""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fsspec.registry import _registry
from PIL import Image
from pydantic import TypeAdapter

from pipeline.catalog import Catalog
from pipeline.config.sources import SourceConfig
from pipeline.errors import PipelineError, SourceError
from pipeline.ingestion.sources import Source, open_source
from pipeline.storage.hints import hint

COLUMNS = {"id": "id", "text": "text"}
TABULAR = ["csv", "jsonl", "parquet"]


def source(kind: str, path: Path | str, **options: Any) -> Source:
    if kind != "image_folder":
        options.setdefault("columns", COLUMNS)
    config = {"type": kind, "name": "s", "path": str(path), **options}
    return open_source(TypeAdapter(SourceConfig).validate_python(config))


def write(kind: str, path: Path, key: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    match kind:
        case "csv":
            path.write_text(f"id,text\n{key},some text\n")
        case "jsonl":
            path.write_text(json.dumps({"id": key, "text": "some text"}) + "\n")
        case "parquet":
            pq.write_table(pa.table({"id": [key], "text": ["some text"]}), path)
        case _:
            Image.new("RGB", (4, 4)).save(path, "PNG")


def read(of: Source) -> tuple[list[str], dict[str, str]]:
    """Keys of the rows, and reasons by location."""
    of.check()
    batches = list(of.batches(rows=100))
    keys = [key for batch in batches for key in batch.rows["key"].to_pylist()]
    bad = [row for batch in batches for row in batch.rejected.to_pylist()]
    assert len(keys) + len(bad) == sum(batch.rows_in for batch in batches)
    return keys, {row["location"]: row["reason"] for row in bad}


# --- links, pipes, folders ------------------------------------------------------------------------


@pytest.mark.parametrize("kind", TABULAR)
@pytest.mark.parametrize("pattern", ["", "/*", "/**"])
def test_broken_links_and_pipes_are_rows_of_the_quarantine(
    kind: str, pattern: str, tmp_path: Path
) -> None:
    write(kind, tmp_path / f"a.{kind}", "a")
    (tmp_path / f"gone.{kind}").symlink_to(tmp_path / "nowhere")
    os.mkfifo(tmp_path / f"pipe.{kind}")
    keys, reasons = read(source(kind, f"{tmp_path}{pattern}"))
    assert keys == ["a"]
    assert set(reasons) == {f"gone.{kind}", f"pipe.{kind}"}
    assert "broken symbolic link" in reasons[f"gone.{kind}"]
    assert "not a regular file" in reasons[f"pipe.{kind}"]


@pytest.mark.parametrize("kind", TABULAR)
def test_a_broken_link_alone_is_an_error(kind: str, tmp_path: Path) -> None:
    path = tmp_path / f"gone.{kind}"
    path.symlink_to(tmp_path / "nowhere")
    with pytest.raises(SourceError, match=r"gone\..*: broken symbolic link"):
        source(kind, path).check()


@pytest.mark.parametrize("kind", TABULAR)
def test_linked_folders_of_files_are_read_once(kind: str, tmp_path: Path) -> None:
    root = tmp_path / "in"
    write(kind, root / "2024" / f"x.{kind}", "inside")
    write(kind, tmp_path / "elsewhere" / f"y.{kind}", "outside")
    (root / "latest").symlink_to(root / "2024")
    (root / "more").symlink_to(tmp_path / "elsewhere")
    (root / "lost").symlink_to(tmp_path / "nowhere")
    (root / "notes.txt").symlink_to(tmp_path / "nowhere")
    keys, reasons = read(source(kind, root))
    assert sorted(keys) == ["inside", "outside"]
    assert reasons == {"lost": "broken symbolic link"}


# --- permissions: to root nothing is forbidden, so a child process of another user looks ----------

Looked = Callable[[Callable[[], Any]], Any]


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that other users may enter, which pytest's own are not."""
    made = Path(tempfile.mkdtemp())
    made.chmod(0o755)
    yield made
    for path in [made, *made.rglob("*")]:
        if not path.is_symlink():
            path.chmod(0o755)
    shutil.rmtree(made)


@pytest.fixture
def as_nobody() -> Looked:
    """Call a function as a user who owns nothing; directly when this is not root."""

    def call(look: Callable[[], Any]) -> Any:
        if os.geteuid() != 0:
            return look()
        look()  # as root first: the child may not be able to read what is imported late
        out, into = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                os.setgroups([])
                os.setgid(65534)
                os.setuid(65534)
                os.write(into, json.dumps(look()).encode())
            except BaseException as error:  # noqa: BLE001 - the parent tells
                os.write(into, json.dumps(f"{type(error).__name__}: {error}").encode())
            finally:
                os._exit(0)
        os.close(into)
        with os.fdopen(out, "rb") as pipe:
            answer = json.loads(pipe.read())
        os.waitpid(child, 0)
        return answer

    return call


def tried(look: Callable[[], Any]) -> Callable[[], Any]:
    """Answer a pipeline's own error by its words."""

    def answer() -> Any:
        try:
            return look()
        except PipelineError as error:
            return f"{type(error).__name__}: {error}"

    return answer


@pytest.mark.parametrize("kind", [*TABULAR, "image_folder"])
def test_a_forbidden_file_is_a_row_of_the_quarantine(
    kind: str, folder: Path, as_nobody: Looked
) -> None:
    suffix = {"image_folder": "bin"}.get(kind, kind)
    for name in ("a", "b"):
        write(kind, folder / f"{name}.{suffix}", name)
    (folder / f"b.{suffix}").chmod(0)
    keys, reasons = as_nobody(lambda: read(source(kind, folder)))
    assert [Path(key).stem for key in keys] == ["a"]
    assert list(reasons) == [f"b.{suffix}"]
    assert reasons[f"b.{suffix}"].endswith("cannot be read: Permission denied")


@pytest.mark.parametrize(
    ("kind", "pattern"),
    [*((kind, pattern) for kind in TABULAR for pattern in ("", "/*/*", "/**/*/*")),
     ("image_folder", "")],
)  # fmt: skip
def test_a_forbidden_folder_is_a_row_of_the_quarantine(
    kind: str, pattern: str, folder: Path, as_nobody: Looked
) -> None:
    suffix = {"image_folder": "png"}.get(kind, kind)
    write(kind, folder / "open" / f"a.{suffix}", "a")
    write(kind, folder / "shut" / f"b.{suffix}", "b")
    (folder / "shut").chmod(0)
    keys, reasons = as_nobody(lambda: read(source(kind, f"{folder}{pattern}")))
    assert [Path(key).stem for key in keys] == ["a"]
    assert reasons == {"shut": "folder cannot be read: Permission denied"}


@pytest.mark.parametrize("kind", [*TABULAR, "image_folder"])
@pytest.mark.parametrize("inside", [False, True])
def test_a_forbidden_source_is_one_error(
    kind: str, inside: bool, folder: Path, as_nobody: Looked
) -> None:
    suffix = {"image_folder": "png"}.get(kind, kind)
    write(kind, folder / "shut" / "in" / f"a.{suffix}", "a")
    (folder / "shut").chmod(0)
    path = folder / "shut" / "in" if inside else folder / "shut"
    answer = as_nobody(tried(lambda: source(kind, path).check()))
    assert answer.startswith("SourceError: source s: ")
    assert answer.endswith("Permission denied") or kind == "image_folder"
    assert "Permission denied" in answer
    assert str(folder / "shut") in answer


@pytest.mark.parametrize("mode", [0, 0o555])
def test_a_forbidden_catalog_is_one_error(mode: int, folder: Path, as_nobody: Looked) -> None:
    (folder / "catalog").mkdir()
    (folder / "catalog").chmod(mode)
    answer = as_nobody(tried(lambda: str(Catalog(folder / "catalog").root)))
    assert answer.startswith("CatalogError")
    assert "not writable" in answer
    # A name of its own for each process: the look as root makes the folder.
    new = folder / "catalog" / "new"
    below = as_nobody(tried(lambda: str(Catalog(f"{new}-{os.getpid()}").root)))
    assert "cannot make the catalog folder" in below
    assert "Permission denied" in below


# --- storage --------------------------------------------------------------------------------------


def said(of: Source) -> str:
    with pytest.raises(SourceError) as error:
        of.check()
    words = str(error.value)
    assert "\n" not in words
    return words


@pytest.mark.parametrize("kind", [*TABULAR, "image_folder"])
def test_an_unknown_protocol_and_a_missing_package_are_named(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    unknown = said(source(kind, "foo://bucket/in"))
    assert "foo://bucket/in: Protocol not known: foo; use a local path or a URL" in unknown
    monkeypatch.setitem(sys.modules, "s3fs", None)
    monkeypatch.delitem(_registry, "s3", raising=False)
    missing = said(source(kind, "s3://bucket/in"))
    assert "source s: cannot look at s3://bucket/in" in missing
    assert missing.endswith("; pip install 'gemel[s3]'")


class NoCredentialsError(Exception):
    """As botocore's, which is no OSError."""


class EndpointConnectionError(Exception):
    """As botocore's."""


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (NoCredentialsError("Unable to locate credentials"), "set AWS_PROFILE, or AWS_ACCESS"),
        (PermissionError(13, "Forbidden"), "storage_options: {anon: true}"),
        (FileNotFoundError("The specified bucket does not exist"), "check the bucket's name"),
        (EndpointConnectionError("Could not connect"), "{client_kwargs: {endpoint_url: …}}"),
        (TypeError("f() got an unexpected keyword argument 'kee'"), "no key 'kee' here"),
        (ValueError("something else"), ""),
    ],
)
def test_the_next_step_is_said(error: Exception, words: str) -> None:
    step = hint(error, path="s3://bucket/key")
    assert step.startswith("; ") == bool(words)
    assert words in step
    assert hint(PermissionError(13, "Permission denied"), path="/local") == ""


def test_errors_of_a_storage_client_are_read_errors(monkeypatch: pytest.MonkeyPatch) -> None:
    """A client's own exception half-way costs the rest of its file, never the run."""
    memory = fsspec.filesystem("memory")
    memory.pipe("/client/a.csv", b"id,text\n" + b"".join(b"%d,t\n" % n for n in range(50_000)))
    memory.pipe("/client/b.csv", b"id,text\nlast,t\n")
    opened = type(memory)._open
    rows: list[int] = []

    class Flaky:
        def __init__(self, stream: Any) -> None:
            self.stream = stream
            self.reads = 0

        def read(self, size: int) -> bytes:
            self.reads += 1
            if self.reads > 3:
                raise EndpointConnectionError("lost")
            return bytes(self.stream.read(size))

        def __getattr__(self, name: str) -> Any:
            return getattr(self.stream, name)

        def __enter__(self) -> Flaky:
            return self

        def __exit__(self, *_: object) -> None:
            rows.append(self.reads)

    monkeypatch.setattr(
        type(memory), "_open",
        lambda self, path, **options: Flaky(opened(self, path, **options)),
    )  # fmt: skip
    keys, reasons = read(source("csv", "memory://client"))
    assert keys[0] == "0"
    assert keys[-1] == "last"
    assert list(reasons) == ["a.csv"]
    assert reasons["a.csv"].startswith(f"file ends early after row {len(keys) - 1}: lost")
