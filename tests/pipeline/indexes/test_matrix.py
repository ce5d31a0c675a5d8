"""Matrices larger than memory should be: the same rows, no copies, no pages that stay."""

from pathlib import Path

import numpy as np
import pytest

from pipeline.indexes import matrix
from pipeline.indexes.matrix import Chosen, forget, gathered, let_go, spacious, tail


@pytest.fixture
def rows() -> np.ndarray:
    return np.random.default_rng(0).standard_normal((9000, 8)).astype(np.float32)


def test_chosen_rows_are_those_of_a_copy(rows: np.ndarray) -> None:
    kept = np.arange(1, 9000, 3)
    chosen, copy = Chosen(rows, kept), rows[kept]
    assert (len(chosen), chosen.shape) == (3000, (3000, 8))
    assert (chosen[10:2000] == copy[10:2000]).all()
    assert (chosen[np.array([5, 2, 2])] == copy[[5, 2, 2]]).all()
    assert (tail(chosen, 100)[:] == copy[100:]).all()
    assert (tail(rows, 100)[:] == rows[100:]).all()
    spread = np.arange(0, 3000, 2)
    assert (gathered(chosen, spread) == copy[spread]).all()


def resident(path: Path) -> int:
    """KB of a mapped file that are in this process."""
    maps = Path("/proc/self/smaps").read_text().split(str(path))[1]
    return int(next(line for line in maps.splitlines() if line.startswith("Rss")).split()[1])


@pytest.mark.skipif(not Path("/proc/self/smaps").exists(), reason="Linux tells")
def test_pages_of_a_large_mapped_file_are_let_go(
    rows: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "rows.npy"
    np.save(path, rows)
    mapped = np.asarray(np.load(path, mmap_mode="r"))
    assert (mapped == rows).all()
    assert resident(path) > 200
    forget(mapped)
    assert resident(path) > 200, "a small one may stay"
    monkeypatch.setattr(matrix, "MAPPED", 1000)
    forget(Chosen(mapped, np.arange(5)))
    assert resident(path) < 50
    assert (mapped == rows).all()
    forget(rows)  # what is no file's stays
    assert (mapped == rows).all()


def test_an_array_without_room_in_memory_is_in_a_file_without_a_name(
    rows: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    np.save(tmp_path / "rows.npy", rows)
    mapped = np.asarray(np.load(tmp_path / "rows.npy", mmap_mode="r"))
    assert not isinstance(spacious((90, 8), "i2", mapped), np.memmap), "there is room"
    monkeypatch.setattr(matrix, "ROOM", 1000)
    assert not isinstance(spacious((90, 8), "i2", rows), np.memmap), "no file to be beside"
    made = spacious((90, 8), "i2", Chosen(mapped, np.arange(90)))
    assert isinstance(made, np.memmap)
    made[:] = np.arange(720).reshape(90, 8)
    let_go(made)
    assert (made.ravel() == np.arange(720)).all(), "what was written is there"
    assert [path.name for path in tmp_path.iterdir()] == ["rows.npy"]
