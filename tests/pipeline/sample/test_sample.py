"""The bundled sample: deterministic, complete in its labels, and bad only where it means to be."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
import unicodedata
from collections import Counter
from collections.abc import Iterable
from io import BytesIO
from pathlib import Path

import networkx as nx
import pytest
from PIL import Image, ImageChops, ImageOps

from pipeline.config.run import load_config
from pipeline.errors import SourceError
from pipeline.sample import EXPECTED, edits, sample_files, texts, write_sample
from pipeline.sample.labels import known_records, labelled_pairs
from pipeline.sample.pictures import bad_files, manifest, photograph

CONFIG = Path(__file__).parents[3] / "configs" / "sample.yaml"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_sample(tmp_path_factory.mktemp("sample"))


@pytest.mark.slow
def test_writing_again_gives_the_same_bytes_and_touches_nothing(folder: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}
    stray = folder / "mine.txt"
    stray.write_text("kept")
    written = dict(sample_files())
    assert {str(path.relative_to(folder)) for path in before} == set(written)
    assert all((folder / name).read_bytes() == content for name, content in written.items())
    write_sample(folder)
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert stray.read_text() == "kept"
    stray.unlink()


def test_csv_holds_the_expected_rows_and_faults(folder: Path) -> None:
    raw = (folder / "catalogue.csv").read_bytes()
    header, *rows = csv.reader(raw.decode("utf-8", "surrogateescape").splitlines(keepends=True))
    assert "entity" not in header
    assert "family" not in header
    assert len(rows) == EXPECTED["shop"].rows
    faults = [_csv_fault(row, header) for row in rows]
    assert _count(faults, [row[0] for row in rows]) == planted("shop")
    assert any("\n" in cell for row in rows for cell in row)


def test_jsonl_holds_the_expected_lines_and_faults(folder: Path) -> None:
    lines = (folder / "tickets.jsonl").read_bytes().splitlines()
    assert len(lines) == EXPECTED["support"].rows
    faults, keys = zip(*map(_json_fault, lines), strict=True)
    assert _count(faults, keys) == planted("support")


def test_duplicate_ids_come_after_the_row_they_repeat(folder: Path) -> None:
    ids = [row.split(b",")[0] for row in (folder / "catalogue.csv").read_bytes().splitlines()]
    repeated = texts.products()[0]["sku"].encode()
    assert ids.index(repeated) == 1
    assert ids.count(repeated) == 2


def test_photos_decode_except_the_planted_bad_ones(folder: Path) -> None:
    names = [path for path in (folder / "photos").rglob("*") if path.is_file()]
    broken = {str(path.relative_to(folder)) for path in names if not _decodes(path)}
    assert len(names) == EXPECTED["photos"].rows
    assert broken == {name for name, _ in bad_files()}
    assert len(broken) == EXPECTED["photos"].quarantined["unreadable picture"]


def test_every_picture_named_in_a_row_is_there_and_used(folder: Path) -> None:
    named = {row["photo"] for row in texts.products()} - {""}
    named |= {row["attachment"] for row in texts.tickets()} - {None}
    made = {row["path"] for row in manifest() if not row["path"].startswith("photos/")}
    assert named == made
    assert all(_decodes(folder / name) for name in made)


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("astronaut.png", "astronaut.bmp"),
        ("cat.png", "cat.tiff"),
        ("horse.png", "horse_white.png"),
        ("holiday/temple.jpg", "holiday/temple copy.jpg"),
    ],
)
def test_exact_copies_have_equal_pixels(folder: Path, left: str, right: str) -> None:
    shown = [edits.flatten(Image.open(folder / "photos" / name)) for name in (left, right)]
    assert ImageChops.difference(*shown).getbbox() is None


def test_the_telephone_copy_is_upright_only_with_its_exif_tag(folder: Path) -> None:
    with Image.open(folder / "photos/phone/IMG_0012.jpg") as image:
        assert image.height > image.width
        upright = ImageOps.exif_transpose(image)
    assert upright.width > upright.height


def test_record_ids_are_unique_and_labels_name_only_them() -> None:
    ids = Counter(known.record_id for known in known_records())
    assert set(ids.values()) == {1}
    assert len(ids) == sum(e.records - e.in_another_encoding for e in EXPECTED.values())
    assert {side for left, right, _ in labelled_pairs() for side in (left, right)} <= set(ids)


def test_each_pair_is_labelled_once_and_in_order() -> None:
    pairs = [(left, right) for left, right, _ in labelled_pairs()]
    assert len(set(pairs)) == len(pairs)
    assert all(left < right for left, right in pairs)


def test_positives_are_closed_and_negatives_never_inside() -> None:
    labels = {(left, right): label for left, right, label in labelled_pairs()}
    graph = nx.Graph(pair for pair, label in labels.items() if label == 1)
    size = 0
    for component in nx.connected_components(graph):
        size += len(component) * (len(component) - 1) // 2
    assert size == graph.number_of_edges()
    where = {node: n for n, group in enumerate(nx.connected_components(graph)) for node in group}
    crossing = [pair for pair, label in labels.items() if label == 0]
    assert not [pair for pair in crossing if where.get(pair[0], -1) == where.get(pair[1], -2)]
    assert graph.number_of_edges() > 200
    assert len(crossing) > 200


def test_equal_texts_are_labelled_as_duplicates() -> None:
    seen: dict[str, str] = {}
    for row in texts.tickets():
        text = " ".join(unicodedata.normalize("NFKC", row["subject"] + " " + row["body"]).split())
        assert seen.setdefault(text, row["entity"]) == row["entity"]
    assert len(seen) < len(texts.tickets()) - 5


def test_the_two_motorcycles_stay_unlabelled() -> None:
    pairs = [(left, right) for left, right, _ in labelled_pairs() if "motorcycle" in left + right]
    assert pairs
    assert all(("motorcycle_1" in left) == ("motorcycle_1" in right) for left, right in pairs)


def test_the_configuration_names_what_is_written(folder: Path) -> None:
    config = load_config(CONFIG)
    assert [source.name for source in config.sources] == list(EXPECTED)
    for path in [*(source.path for source in config.sources), config.labels]:
        assert path is not None
        assert (folder / Path(path).name).exists()


def test_unknown_photographs_packages_and_edits_are_named() -> None:
    with pytest.raises(SourceError, match="no_such"):
        photograph("skimage/no_such.png")
    with pytest.raises(SourceError, match="sharpen"):
        edits.apply(Image.new("RGB", (2, 2)), "sharpen 3")


def test_an_unwritable_folder_is_an_error_of_ours(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(SourceError, match="cannot write the sample"):
        write_sample(tmp_path / "file")


def test_the_package_imports_without_pillow() -> None:
    code = "import sys, pipeline.sample; sys.exit('PIL' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def planted(source: str) -> dict[str, int]:
    """Count what is wrong with rows of a source, those of another encoding that are read too."""
    expected = EXPECTED[source]
    return {**expected.quarantined, "not UTF-8": expected.in_another_encoding}


def _count(faults: Iterable[str | None], keys: Iterable[str]) -> dict[str, int]:
    """Count faults; a sound row whose key was seen on a sound row before is a duplicate id."""
    seen: set[str] = set()
    counts: Counter[str] = Counter()
    for fault, key in zip(faults, keys, strict=True):
        fault = fault or ("duplicate id" if key in seen else None)
        if fault:
            counts[fault] += 1
        else:
            seen.add(key)
    return dict(counts)


def _csv_fault(row: list[str], header: list[str]) -> str | None:
    if any("\udc80" <= character <= "\udcff" for character in "".join(row)):
        return "not UTF-8"
    if len(row) != len(header):
        return "wrong number of columns"
    if not row[0]:
        return "missing id"
    return None if any(row[1:4]) or row[-1] else "no content"


def _json_fault(line: bytes) -> tuple[str | None, str]:
    try:
        row = json.loads(line.decode("utf-8"))
    except UnicodeDecodeError:
        return "not UTF-8", ""
    except json.JSONDecodeError:
        return "malformed JSON", ""
    if not isinstance(row, dict):
        return "not an object", ""
    if not row["id"]:
        return "missing id", ""
    blank = not (row["subject"] + row["body"]).strip() and not row["attachment"]
    return ("no content" if blank else None), row["id"]


def _decodes(path: Path) -> bool:
    try:
        with Image.open(BytesIO(path.read_bytes())) as image:
            image.load()
    except OSError:
        return False
    return True
