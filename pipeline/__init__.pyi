from .config import load_config as load_config
from .nightly import run as run

__all__ = ["load_config", "run"]
