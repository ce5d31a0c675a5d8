"""Dense products of unit vectors, in the precision that the machine multiplies fastest.

A product in bfloat16 is only a sieve: it is read a stated slack below the floor, and whoever asks
looks at the exact cosine afterwards. So the pairs found do not depend on the kernel.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from pipeline.arrays.aliases import Scores

if TYPE_CHECKING:
    from torch import Tensor

Positions = npt.NDArray[np.int64]
Vectors = npt.NDArray[np.float32]
# Cosine down to which rows are searched: one for all or each row's own, of a matrix and of the two
# sides of a product. A pair has to reach the lower of its two.
Floors = float | Scores
Floor = float | tuple[Scores, Scores]


@dataclass(frozen=True)
class Hits:
    """Scores found.

    Attributes:
        row, column: (p,) where.
        floor: (p,) cosine that the pair has to reach.
        sure: (p,) whether the exact one surely does.
    """

    row: Positions
    column: Positions
    floor: Scores
    sure: npt.NDArray[np.bool_]

    def take(self, kept: Positions | npt.NDArray[np.bool_]) -> Hits:
        """Some of them."""
        return Hits(self.row[kept], self.column[kept], self.floor[kept], self.sure[kept])


_TRIAL = 1024  # rows and columns of the products that are timed
_TRIALS = 5


@dataclass(frozen=True)
class Kernel:
    """One way to multiply.

    Attributes:
        name: torch's name of the type; "numpy": numpy multiplies, in float32, and torch stays
            unloaded.
        slack: how far a score may lie below the exact inner product of two unit vectors.
    """

    name: str
    slack: float

    def of(self, vectors: Vectors) -> Any:
        """(n, d) float32, copied in this kernel's type: a tensor, or an array of numpy's."""
        if self.name == "numpy":
            return np.asarray(vectors, np.float32)
        import torch

        return _tensor(vectors).to(getattr(torch, self.name))

    def hits(self, queries: Any, base: Any, floor: Floor) -> Hits:
        """All scores that may reach the floor, by row.

        Args:
            queries, base: (m, d) and (n, d), of this kernel's type.
            floor: one cosine, or (m,) and (n,).
        """
        scores = queries @ base.T
        width = max(scores.shape[1], 1)
        rows, columns = sides(floor, *scores.shape)
        lowest = min(rows.min(initial=np.inf), columns.min(initial=np.inf))
        plain, level = _comparable(scores, lowest - self.slack)
        if lowest == max(rows.max(initial=lowest), columns.max(initial=lowest)):
            near = plain >= level(lowest - self.slack)
        else:
            near = plain >= level(rows - self.slack)[:, None]
            near |= plain >= level(columns - self.slack)
        found = np.flatnonzero(near)
        row = found // width  # numpy's divmod is many times slower
        column = found - row * width
        wanted = np.minimum(rows[row], columns[column])
        # A bound that was cut to bfloat16 lies below.
        sure = plain.ravel()[found] > level(wanted + self.slack)
        return Hits(row, column, wanted, sure)

    def counts(self, queries: Any, base: Any, floor: float) -> Positions:
        """(m,) how many scores of each row may reach the floor."""
        plain, level = _comparable(queries @ base.T, floor - self.slack)
        return np.asarray(np.count_nonzero(plain >= level(floor - self.slack), axis=1), np.int64)


def _comparable(
    scores: Any, lowest: float
) -> tuple[npt.NDArray[Any], Callable[[Any], npt.NDArray[Any]]]:
    """Scores as numbers that numpy compares fast, and what makes such numbers of bounds >= lowest.

    The bits of positive floats are in their order, and integers are compared faster.
    """
    if isinstance(scores, np.ndarray):
        return scores, np.asarray
    import torch

    if scores.dtype is torch.bfloat16 and lowest > 0:
        return scores.view(torch.int16).numpy(), _leading_bits
    return scores.float().numpy(), np.asarray


def sides(floor: Floor, rows: int, columns: int) -> tuple[Scores, Scores]:
    """(rows,) and (columns,) floors; one for all takes no room."""
    if isinstance(floor, tuple):
        return floor
    return each(floor, rows), each(floor, columns)


def each(floor: Floors, count: int) -> Scores:
    """(count,) floor of each row."""
    return np.broadcast_to(np.asarray(floor, np.float32), count)


def _leading_bits(values: npt.ArrayLike) -> npt.NDArray[Any]:
    """Positive numbers cut to bfloat16, as integers in the same order."""
    bits = np.asarray(values, np.float32).view(np.int32) >> 16
    return bits.astype(np.int16)


# Blocks of other shapes sum in another order, which float32 shows in its last digits.
FLOAT32 = Kernel("float32", 1e-5)
# Each vector's rounding moves a score by at most 2⁻⁹ (Cauchy and Schwarz), the score's own by 2⁻⁹,
# since it is below 1; products of these are summed in float32.
BFLOAT16 = Kernel("bfloat16", 3 * 2**-9 + 2e-5)


NUMPY = Kernel("numpy", 1e-5)
# Products that take less time than loading torch and timing its kernels.
FEW = 16_384**2


def fastest(products: int | None = None) -> Kernel:
    """The kernel that is faster here: bfloat16 only where the machine multiplies it natively.

    Args:
        products: how many inner products there will be; None: many.
    """
    return NUMPY if products is not None and products < FEW else _fastest_of_torch()


@lru_cache
def _fastest_of_torch() -> Kernel:
    return min((FLOAT32, BFLOAT16), key=seconds)


@lru_cache
def seconds(kernel: Kernel) -> float:
    """The least time of a few products of `_TRIAL` by `_TRIAL` vectors with their hits."""
    block = np.eye(_TRIAL, 256, dtype=np.float32)
    tensor = kernel.of(block)
    return min(_timed(lambda: kernel.hits(tensor, tensor, 0.9)) for _ in range(_TRIALS))


def _timed(work: Callable[[], Any]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def _tensor(vectors: Vectors) -> Tensor:
    import torch

    block = np.ascontiguousarray(vectors, np.float32)
    # Torch warns of memory that may not be written to, which a mapped file's is.
    return torch.from_numpy(block if block.flags.writeable else block.copy())
