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

if TYPE_CHECKING:
    from torch import Tensor

Positions = npt.NDArray[np.int64]
Vectors = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Hits:
    """Scores found: (p,) their rows and columns, and whether the exact one is surely as high."""

    row: Positions
    column: Positions
    sure: npt.NDArray[np.bool_]


_TRIAL = 1024  # rows and columns of the products that are timed
_TRIALS = 5


@dataclass(frozen=True)
class Kernel:
    """One way to multiply.

    Attributes:
        name: torch's name of the type.
        slack: how far a score may lie below the exact inner product of two unit vectors.
    """

    name: str
    slack: float

    def of(self, vectors: Vectors) -> Tensor:
        """(n, d) float32, copied in this kernel's type."""
        import torch

        return _tensor(vectors).to(getattr(torch, self.name))

    def hits(self, queries: Tensor, base: Tensor, floor: float) -> Hits:
        """All scores that may reach `floor`, by row.

        Args:
            queries, base: (m, d) and (n, d), of this kernel's type.
            floor: cosine.
        """
        import torch

        scores = torch.mm(queries, base.T)
        low, high = floor - self.slack, floor + self.slack
        if scores.dtype is torch.bfloat16 and low > 0:
            # The bits of positive floats are in their order, and integers are compared faster.
            plain = scores.view(torch.int16).numpy().ravel()
            least, sure = (int(np.float32(at).view(np.int32) >> 16) for at in (low, high))
            sure += 1  # a bound that was cut to bfloat16 lies below
        else:
            plain = scores.float().numpy().ravel()
            least, sure = np.float32(low), np.float32(high)  # type: ignore[assignment]
        found = np.flatnonzero(plain >= least)
        row = found // max(scores.shape[1], 1)  # numpy's divmod is many times slower
        return Hits(row, found - row * scores.shape[1], plain[found] >= sure)


# Blocks of other shapes sum in another order, which float32 shows in its last digits.
FLOAT32 = Kernel("float32", 1e-5)
# Each vector's rounding moves a score by at most 2⁻⁹ (Cauchy and Schwarz), the score's own by 2⁻⁹,
# since it is below 1; products of these are summed in float32.
BFLOAT16 = Kernel("bfloat16", 3 * 2**-9 + 2e-5)


@lru_cache
def fastest() -> Kernel:
    """The kernel that is faster here: bfloat16 only where the machine multiplies it natively."""
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
