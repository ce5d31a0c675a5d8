"""A Lightning trainer that prints nothing and leaves no files of its own."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

import pytorch_lightning as lightning

from pipeline.encoders import has_native_bfloat16

# Lightning's advice on workers and devices; what concerns the user is in our own facts.
for _name in ("pytorch_lightning", "lightning.pytorch", "lightning_fabric", "lightning.fabric"):
    logging.getLogger(_name).setLevel(logging.ERROR)
warnings.filterwarnings("ignore", module=r"(pytorch_lightning|lightning).*")


def quiet_trainer(**options: Any) -> lightning.Trainer:
    """Make a deterministic trainer without logger, bars, summaries or checkpoints of its own."""
    return lightning.Trainer(
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        deterministic=True,
        **options,
    )


def hardware(wanted: Literal["auto", "32", "bf16"]) -> tuple[str, Any]:
    """Return the accelerator that Lightning would choose, and the precision for it."""
    import torch

    if torch.cuda.is_available():
        device, native = "cuda", torch.cuda.is_bf16_supported()
    elif torch.backends.mps.is_available():
        device, native = "mps", False
    else:
        device, native = "cpu", has_native_bfloat16()
    bf16 = wanted == "bf16" or (wanted == "auto" and native)
    return device, "bf16-mixed" if bf16 else "32-true"


@contextmanager
def silence() -> Iterator[None]:
    """Silence Lightning's tips and warnings."""
    import pytorch_lightning  # noqa: F401 - sets the levels that are changed here

    loggers = [
        logging.getLogger(name)
        for name in ("pytorch_lightning", "lightning.fabric", "lightning_fabric", "lightning")
    ]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


@contextmanager
def torch_settings(threads: int, *, seed: int) -> Iterator[None]:
    """Seed everything and set threads; leave torch and all random states as they were after."""
    import torch
    from pytorch_lightning import seed_everything
    from pytorch_lightning.utilities.seed import isolate_rng

    before = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    deterministic: Any = torch.utils.deterministic
    filled = deterministic.fill_uninitialized_memory
    named = {name: os.environ.get(name) for name in ("PL_GLOBAL_SEED", "PL_SEED_WORKERS")}
    try:
        with isolate_rng():
            torch.set_num_threads(threads)
            # Determinism needs no memory cleared that is then written; it took a quarter of a step.
            deterministic.fill_uninitialized_memory = False
            seed_everything(seed, workers=True, verbose=False)
            yield
    finally:
        torch.set_num_threads(before[0])
        torch.use_deterministic_algorithms(before[1])
        deterministic.fill_uninitialized_memory = filled
        for name, value in named.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value


def library_versions() -> dict[str, str]:
    from importlib.metadata import version

    packages = ("torch", "pytorch-lightning", "sentence-transformers", "transformers", "numpy")
    return {package: version(package) for package in packages}
