"""Cosines counted above what a record's neighbourhood has anyway: score normalisation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class NeighbourhoodLevel:
    """A sample of the user's own corpus against which cosines are normalised.

    A record whose neighbourhood is dense has high cosines with strangers; what counts is how far
    a pair stands above that (score normalisation, as in copy detection: Pizzi et al., "A
    Self-Supervised Descriptor for Image Copy Detection", CVPR 2022, section 5).

    Attributes:
        vectors: (b, d) float16 unit-norm sample.
        neighbours: how many nearest of the sample are averaged.
        nearer: cosines from here on are the record's own duplicates and are left out.
        skipped: so many nearest are left out beside those: edited copies of it are less near.
    """

    vectors: npt.NDArray[np.float16]
    neighbours: int
    nearer: float
    skipped: int = 0

    def level(self, vectors: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """(n,) mean cosine of each (n, d) vector to its nearest background neighbours."""
        sample = self.vectors.astype(np.float32)
        out = np.zeros(len(vectors), np.float32)
        step = 4096
        count = min(self.neighbours, len(sample))
        reach = min(count + self.skipped, len(sample))
        for start in range(0, len(vectors), step):
            cosine = np.asarray(vectors[start : start + step]) @ sample.T
            cosine[cosine >= self.nearer] = -1.0
            nearest = np.partition(cosine, len(sample) - reach, axis=1)[:, -reach:]
            nearest = np.partition(nearest, count - 1, axis=1)[:, :count]
            out[start : start + step] = np.round(nearest.mean(axis=1), 4)
        return out
