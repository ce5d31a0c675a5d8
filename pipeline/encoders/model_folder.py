"""Opening sentence-transformers folders: offline, without code of theirs, safe against texts."""

from __future__ import annotations

import json
import os
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.encoders.windows import WindowCutter
from pipeline.errors import EncoderError

if TYPE_CHECKING:
    from pipeline.encoders.character_cnn import CharacterCutter

_NO_LIMIT = 1_000_000  # tokenizers say "no limit" with a huge number
_OWN = {
    f"{module}.{name}"
    for module, name in (
        ("pipeline.encoders.character_cnn", "CharacterCnn"),
        ("pipeline.encoders.copy_network", "CopyNetwork"),
    )
}


def load_model(folder: Path) -> Any:
    """Load a sentence-transformers folder for the CPU, offline and silently."""
    if not (folder / "modules.json").is_file():
        raise EncoderError(f"{folder} is no sentence-transformers folder: it has no modules.json")
    for variable in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_HUB_DISABLE_TELEMETRY"):
        os.environ[variable] = "1"
    from safetensors import SafetensorError
    from sentence_transformers import SentenceTransformer
    from transformers.utils import logging

    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        types = _module_types(folder)
        if len(types) == 1 and types[0] in _OWN:
            # Our own class, out of this package: named by a folder it would need the permission
            # to run any code (trust_remote_code), so it is put in place by hand.
            module, _, name = types[0].rpartition(".")
            own = getattr(import_module(module), name).load(str(folder))
            return SentenceTransformer(modules=[own], device="cpu").eval()
        model = SentenceTransformer(
            str(folder), device="cpu", trust_remote_code=False, local_files_only=True
        )
    except (
        OSError, ValueError, ImportError, KeyError, TypeError, RuntimeError, SafetensorError,
    ) as error:  # fmt: skip
        raise EncoderError(f"cannot open the model in {folder}: {error}") from error
    return model.eval()


def _module_types(folder: Path) -> list[str]:
    """Return the classes that modules.json names, in order."""
    modules = json.loads((folder / "modules.json").read_text(encoding="utf-8"))
    return [module["type"] for module in modules]


def text_cutter(model: Any, folder: Path) -> tuple[WindowCutter | CharacterCutter | None, int]:
    """Return what cuts texts for the model's text module, and the tokens added to a window."""
    from sentence_transformers.base.modules import Transformer
    from sentence_transformers.sentence_transformer.modules import StaticEmbedding

    from pipeline.encoders.character_cnn import CharacterCnn, CharacterCutter

    module = text_module(model)
    if isinstance(module, CharacterCnn):
        return CharacterCutter(module.max_characters), 0
    if isinstance(module, StaticEmbedding):
        return None, 0
    if not isinstance(module, Transformer) or "text" not in module.modalities:
        raise EncoderError(f"{folder} does not take texts: it starts with {type(module).__name__}")
    # A model that also takes pictures would otherwise open a text that looks like a file name;
    # only a router accepts `modality=`, a Transformer fails on it (sentence-transformers 6.2).
    module.input_formatter.supported_modalities = ["text"]
    tokenizer, prompt = module.tokenizer, default_prompt(model) or ""
    overhead = tokenizer.num_special_tokens_to_add()
    if prompt:  # and one token more for what may split where prompt and text meet
        overhead += len(tokenizer(prompt, add_special_tokens=False)["input_ids"]) + 1
    window = module.max_seq_length or tokenizer.model_max_length
    limit = int(window) - overhead if window < _NO_LIMIT else None
    if limit is not None and limit < 1:
        raise EncoderError(f"the window of {folder} ({window} tokens) leaves no room for text")
    return WindowCutter(tokenizer, limit), overhead


def text_module(model: Any) -> Any:
    """Return the module that reads texts: the first, or the first of a router's text route."""
    from sentence_transformers.base.modules import Router

    module: Any = model[0]
    if not isinstance(module, Router):
        return module
    route = module.route_mappings.get((None, "text"), "text")
    if route not in module.sub_modules:
        raise EncoderError(f"the model has no route for texts, only {list(module.sub_modules)}")
    submodules: Any = module.sub_modules
    return submodules[route][0]


def default_prompt(model: Any) -> str | None:
    """Return the prompt the model puts before every text by default."""
    name = model.default_prompt_name
    return model.prompts.get(name) if name else None
