"""What `gemel doctor` recommends of the backends of the image encoder."""

from __future__ import annotations

from pathlib import Path

import pytest

from flows.cli import image_backends
from pipeline.catalog import Catalog
from pipeline.config.encoders import CopyDetection
from pipeline.config.sources import ImageSettings
from pipeline.encoders.opening import open_encoder


@pytest.mark.parametrize(
    ("rates", "best"),
    [
        ({"int8": 300.0, "float32": 150.0, "torch": 40.0}, "int8"),
        ({"int8": 160.0, "float32": 150.0, "torch": 40.0}, "float32"),
        ({"torch": 40.0}, "torch"),
    ],
)
def test_eight_bits_are_recommended_where_they_pay(rates: dict[str, float], best: str) -> None:
    advice = image_backends.advice(rates)
    assert advice.startswith(f"recommended here: {best};")
    assert f"image_encoder: {{type: copy_detection, backend: {best}}}" in advice


def test_every_backend_is_measured_and_kept_vectors_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(image_backends, "PICTURES", 4)
    monkeypatch.setattr(image_backends, "ROUNDS", 1)
    exact = open_encoder(
        CopyDetection(backend="float32"), images=ImageSettings(), threads=1
    ).fingerprint
    catalog = tmp_path / "catalog"
    Catalog(str(catalog))
    (catalog / "vectors" / exact).mkdir(parents=True)
    lines = image_backends.image_backends(str(catalog))
    assert [name for name, _, _ in lines] == [
        *(f"image backend {backend}" for backend in ("int8", "float32", "torch")),
        "image backend",
    ]
    assert all(works for _, works, _ in lines)
    holds = ["the catalog holds its vectors" in found for _, _, found in lines]
    assert holds == [False, True, True, False]
    assert "(the default)" in lines[0][2]
