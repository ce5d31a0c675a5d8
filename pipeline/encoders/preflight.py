"""Checks of an encoder without loading it."""

from __future__ import annotations

import json
import zipfile
from importlib.util import find_spec
from pathlib import Path

from pipeline.config import (
    CopyDetection,
    ImageEncoderConfig,
    OnnxImage,
    SentenceTransformersImage,
    SentenceTransformersText,
    StaticText,
    TextEncoderConfig,
    TorchScriptImage,
)
from pipeline.errors import EncoderError

# First bytes of a serialised ONNX model: the tags of its fields, `ir_version` as a rule.
_ONNX_STARTS = frozenset({0x08, 0x12, 0x1A, 0x22, 0x28, 0x32, 0x3A, 0x42, 0x72})


def check_encoder(config: TextEncoderConfig | ImageEncoderConfig, *, field: str) -> None:
    """Look whether an encoder's files are there and of the kind its type says.

    Args:
        field: the encoder's setting, for the message.

    Raises:
        EncoderError: they are not, or a library is missing.
    """
    match config:
        case StaticText():
            check_encoder(config.teacher, field=f"{field}.teacher")
            return
        case CopyDetection():
            problem = _folder_problem(Path(config.path)) if config.path else None
            wanted = "a folder that `gemel finetune` made of pictures"
        case SentenceTransformersText() | SentenceTransformersImage():
            problem = _folder_problem(Path(config.path))
            wanted = "a local folder that SentenceTransformer.save_pretrained wrote"
        case TorchScriptImage():
            problem = _torchscript_problem(Path(config.path))
            wanted = "a file that torch.jit.save wrote"
        case OnnxImage():
            problem = _onnx_problem(Path(config.path))
            wanted = "an ONNX file"
        case _:
            return
    if problem:
        raise EncoderError(
            f"{field}.path: {config.path} {problem}; type {config.type} needs {wanted}"
        )


def _folder_problem(folder: Path) -> str | None:
    if not folder.is_dir():
        return "is not a folder" if folder.exists() else "is not there (nothing is fetched)"
    try:
        modules = json.loads((folder / "modules.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return "has no modules.json"
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    except ValueError:
        return "has a modules.json that is not JSON"
    named = isinstance(modules, list) and all(isinstance(m, dict) and "type" in m for m in modules)
    return None if modules and named else "has a modules.json that names no modules"


def _torchscript_problem(file: Path) -> str | None:
    if problem := _file_problem(file):
        return problem
    if not zipfile.is_zipfile(file):
        return "is not TorchScript"
    with zipfile.ZipFile(file) as archive:
        parts = {part for name in archive.namelist() for part in name.split("/")}
    if "code" not in parts and "constants.pkl" not in parts:
        return "holds weights without their network"
    return None


def _onnx_problem(file: Path) -> str | None:
    if find_spec("onnxruntime") is None:
        raise EncoderError("the encoder 'onnx' needs onnxruntime; pip install onnxruntime")
    if problem := _file_problem(file):
        return problem
    with file.open("rb") as stream:
        start = stream.read(1)
    return None if start and start[0] in _ONNX_STARTS else "is not ONNX"


def _file_problem(file: Path) -> str | None:
    if not file.is_file():
        return "is a folder" if file.is_dir() else "is not there"
    try:
        file.open("rb").close()
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    return None
