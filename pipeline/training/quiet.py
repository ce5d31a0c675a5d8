"""A Lightning trainer that prints nothing and leaves no files of its own."""

from __future__ import annotations

import logging
import warnings
from typing import Any

import pytorch_lightning as lightning

# Lightning's advice on workers and devices; what concerns the user is in our own facts.
for _name in ("pytorch_lightning", "lightning.pytorch", "lightning_fabric", "lightning.fabric"):
    logging.getLogger(_name).setLevel(logging.ERROR)
warnings.filterwarnings("ignore", module=r"(pytorch_lightning|lightning).*")


def quiet_trainer(**options: Any) -> lightning.Trainer:
    """Make a deterministic trainer without logger, bars, summaries or checkpoints of its own."""
    settings: dict[str, Any] = {
        "logger": False,
        "enable_checkpointing": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
        "deterministic": True,
        **options,
    }
    return lightning.Trainer(**settings)
