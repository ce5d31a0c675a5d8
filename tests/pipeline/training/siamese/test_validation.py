"""What is measured on the validation pairs."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.config.finetune import Objective
from pipeline.training.siamese.objectives import build_objective
from pipeline.training.siamese.pairs import TrainingPairs
from pipeline.training.siamese.validation import Monitor, measure_validation, monitored_metric


@pytest.mark.parametrize(
    ("grades", "objective", "monitor"),
    [
        ([], "cosent", "none"),
        ([1.0, 0.6], "cosent", "valid_loss"),
        ([1.0, 0.0], "cosent", "valid_average_precision"),
        ([0.9, 0.1], "cosine", "valid_loss"),
        ([], "cosine", "none"),
    ],
)
def test_what_decides_when_to_stop(
    grades: list[float], objective: Objective, monitor: Monitor
) -> None:
    rows = np.arange(len(grades))
    assert monitored_metric(TrainingPairs(rows, rows + 10, np.array(grades)), objective) == monitor


def test_average_precision_by_hand_and_the_mean_loss_of_the_steps() -> None:
    degrees = np.radians([0, 10, 60, 30])
    vectors = np.stack([np.cos(degrees), np.sin(degrees)], axis=1).astype(np.float32)
    # By cosine: a duplicate at 10 degrees, a different pair at 30, a duplicate at 60.
    rows = [(0, 1, 1.0), (0, 3, 0.0), (0, 2, 1.0)]
    left, right, grade = (np.array(x) for x in zip(*rows, strict=True))
    pairs, entity = TrainingPairs(left, right, grade), np.array([0, 0, 0, 1])
    loss = build_objective("contrastive", margin=0.5, temperature=1.0)
    result = measure_validation(
        vectors, entity, pairs, loss=loss, batch_size=2, monitor="valid_average_precision"
    )
    alone = measure_validation(
        vectors, entity, pairs, loss=loss, batch_size=2, monitor="valid_loss"
    )
    assert alone == {"valid_loss": result["valid_loss"]}
    assert result["valid_average_precision"] == pytest.approx((1 + 2 / 3) / 2)
    distance = 1 - np.cos(np.radians([10, 30, 60]))
    terms = [distance[0] ** 2 / 2, (0.5 - distance[1]) ** 2 / 2, distance[2] ** 2 / 2]
    expected = ((terms[0] + terms[1]) / 2 + terms[2]) / 2
    assert result["valid_loss"] == pytest.approx(expected, rel=1e-5)
