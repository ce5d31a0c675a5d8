"""The network's learning rate rises and falls."""

from __future__ import annotations

import pytest

from pipeline.training.siamese.module import learning_rate_share


def test_learning_rate() -> None:
    shares = [learning_rate_share(at, warmup=0.2) for at in (0, 0.1, 0.2, 0.6, 1.0)]
    assert shares == pytest.approx([0, 0.5, 1, 0.5, 0])
    assert learning_rate_share(0.0, warmup=0.0) == 1.0
    assert learning_rate_share(0.5, warmup=1.0) == 0.5
