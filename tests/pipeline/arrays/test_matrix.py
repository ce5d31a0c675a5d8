"""Matrices in files: the same rows, nothing mapped, nothing left behind."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from pipeline.arrays import matrix
from pipeline.arrays.matrix import SelectedRows, StoredMatrix, has_room, in_memory, tail

ROWS = np.random.default_rng(0).standard_normal((900, 8)).astype(np.float32)


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> StoredMatrix:
    path = tmp_path_factory.mktemp("rows") / "rows.npy"
    np.save(path, ROWS)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(matrix, "MAPPED", 1000)
        opened = in_memory(np.asarray(np.load(path, mmap_mode="r")))
    assert isinstance(opened, StoredMatrix)
    return opened


places = st.lists(st.integers(0, 899), max_size=40) | st.integers(0, 880).map(
    lambda first: list(range(first, first + 20))
)


@given(rows=places, first=st.integers(0, 950), last=st.integers(0, 950))
@settings(max_examples=200, deadline=None)
def test_rows_of_a_file_are_those_of_the_array(
    stored: StoredMatrix, rows: list[int], first: int, last: int
) -> None:
    at = np.array(rows, np.int64)
    assert (len(stored), stored.shape) == (900, (900, 8))
    assert (stored[at] == ROWS[at]).all()
    assert (stored[first:last] == ROWS[first:last]).all()
    assert stored[first:last].shape == ROWS[first:last].shape
    assert (tail(stored, min(first, 900))[:] == ROWS[first:]).all()


@given(rows=st.lists(st.integers(0, 899), max_size=40, unique=True))
@settings(max_examples=50, deadline=None)
def test_rows_are_chosen_without_a_copy(stored: StoredMatrix, rows: list[int]) -> None:
    for vectors in (ROWS, stored):
        chosen = SelectedRows(vectors, np.array(rows, np.int64))
        assert (len(chosen), chosen.shape) == (len(rows), (len(rows), 8))
        assert (chosen[3:20] == ROWS[rows][3:20]).all()
        assert (tail(chosen, 2)[:] == ROWS[rows][2:]).all()


def test_what_is_small_or_no_files_stays_as_it_is(tmp_path: Path) -> None:
    np.save(tmp_path / "rows.npy", ROWS)
    mapped = np.load(tmp_path / "rows.npy", mmap_mode="r")
    assert in_memory(mapped) is mapped
    assert in_memory(ROWS) is ROWS


def test_a_part_of_a_mapped_file_is_not_taken_for_the_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(matrix, "MAPPED", 1000)
    np.save(tmp_path / "rows.npy", ROWS)
    part = np.load(tmp_path / "rows.npy", mmap_mode="r")[100:]
    assert (in_memory(part)[:] == ROWS[100:]).all()


def test_a_file_that_is_cut_short_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "rows"
    path.write_bytes(ROWS.tobytes()[:-4])
    with path.open("rb", buffering=0) as file:
        assert (StoredMatrix(file, ROWS.shape, np.float32)[:899] == ROWS[:899]).all()
        with pytest.raises(EOFError, match="ends before its 900 rows"):
            StoredMatrix(file, ROWS.shape, np.float32)[890:]


def test_a_matrix_without_room_in_memory_is_in_a_file_without_a_name(
    stored: StoredMatrix, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = Path(stored._file.name).parent
    assert isinstance(has_room((90, 8), "i2", stored), np.ndarray), "there is room"
    monkeypatch.setattr(matrix, "ROOM", 1000)
    assert isinstance(has_room((90, 8), "i2", ROWS), np.ndarray), "no file to be beside"
    made = has_room((90, 8), "i2", SelectedRows(stored, np.arange(90)))
    assert isinstance(made, StoredMatrix)
    values = np.arange(720, dtype=np.int16).reshape(90, 8)
    order = np.random.default_rng(1).permutation(90)
    made[order[:50]] = values[order[:50]]
    made[order[50:]] = values[order[50:]]
    assert (made[:] == values).all()
    assert [path.name for path in folder.iterdir()] == ["rows.npy"]
