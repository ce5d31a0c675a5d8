"""The bundled sample: a small, deterministic world to try the pipeline on, offline.

Three sources about an invented network of shops: product records as several vendors would write
them (`shop`), support tickets and articles (`support`), and a folder of pictures (`photos`). The
texts are written for this sample; the photographs are the ones that scikit-image and scikit-learn
ship, edited by code. Duplicates and near misses are labelled, and bad rows are there on purpose.
Apart from these, and in no run: names of invented people and firms (`names`) to train on.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import SourceError


@dataclass(frozen=True)
class Expected:
    """What a correct reading of one source finds: rows in = records + quarantined."""

    rows: int
    quarantined: Mapping[str, int]
    in_another_encoding: int = 0  # records whose line is Latin-1 in a UTF-8 file

    @property
    def records(self) -> int:
        """Rows that become records."""
        return self.rows - sum(self.quarantined.values())


EXPECTED: Mapping[str, Expected] = {
    "shop": Expected(
        rows=246,
        quarantined={
            "missing id": 1,
            "duplicate id": 1,
            "wrong number of columns": 2,
            "no content": 1,
        },
        in_another_encoding=1,
    ),
    "support": Expected(
        rows=163,
        quarantined={
            "missing id": 1,
            "duplicate id": 1,
            "malformed JSON": 1,
            "not an object": 1,
            "no content": 1,
        },
        in_another_encoding=1,
    ),
    "photos": Expected(rows=62, quarantined={"unreadable picture": 3}),
}


def write_sample(folder: Path) -> Path:
    """Write the sample into `folder` and return it; the same bytes every time.

    Files that are already right keep their time stamp, so a nightly run sees nothing new; files
    that are not part of the sample are left alone.

    Raises:
        SourceError: the folder cannot be written, or a photograph is not installed.
    """
    folder = Path(folder)
    try:
        for name, content in sample_files():
            _put(folder / name, content)
    except OSError as error:
        raise SourceError(f"cannot write the sample to {folder}: {error}") from error
    return folder


def sample_files() -> Iterator[tuple[str, bytes]]:
    """Yield relative path and content of every file of the sample.

    Raises:
        SourceError: a photograph is not installed.
    """
    # Imported late: these need Pillow, and `import pipeline.sample` is to stay light.
    from pipeline.sample import labels, names, pictures, texts

    yield "catalogue.csv", texts.catalogue_file()
    yield "tickets.jsonl", texts.tickets_file()
    yield "labels.csv", labels.labels_file()
    yield "names.csv", names.names_file()
    yield "name_clusters.csv", names.clusters_file()
    yield from pictures.pictures()


def _put(path: Path, content: bytes) -> None:
    if path.is_file() and path.read_bytes() == content:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
