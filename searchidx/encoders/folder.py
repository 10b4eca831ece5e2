"""What the folder of a sentence-transformers model says of itself: modules, prompts, and a hash over its files."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from searchidx.errors import EncoderNotFound

MODULES = "modules.json"
CONFIG = "config_sentence_transformers.json"

# Names that sentence-transformers gives the prompt for documents. It too asks for them in this order, yet always finds
# an empty "document" of its own first; a model that stores only "passage" means it to be used.
DOCUMENT_PROMPTS = ("document", "passage", "corpus")


@dataclass(frozen=True, slots=True)
class Prompts:
    """Text put before every query and before every passage; empty where there is none."""

    query: str = ""
    document: str = ""


def read_prompts(prompts: Mapping[str, Any] | None) -> Prompts:
    """Choose the two prompts that searching needs among all those of a model (``prompts`` of its configuration)."""
    prompts = prompts or {}
    documents = (prompts.get(name) for name in DOCUMENT_PROMPTS)
    return Prompts(prompts.get("query") or "", next((text for text in documents if text), ""))


def read_json(path: Path) -> Any:
    """Return the JSON value of a file of a model.

    Raises:
        EncoderNotFound: the file is missing, or is no JSON.
    """
    try:
        return json.loads(path.read_bytes())
    except OSError as error:
        raise EncoderNotFound(
            f"{path} cannot be read ({error.strerror}); the folder is not a complete model"
        ) from error
    except ValueError as error:
        raise EncoderNotFound(f"{path} is not valid JSON ({error}); copy the model again") from error


def read_modules(folder: Path) -> list[Mapping[str, Any]]:
    """Return the modules a model is made of, in order: each has at least ``type`` and ``path``. [] without a list.

    Raises:
        EncoderNotFound: ``modules.json`` is there and cannot be understood.
    """
    path = folder / MODULES
    if not path.is_file():
        return []
    modules = read_json(path)
    if not isinstance(modules, list) or not all(isinstance(m, dict) and {"type", "path"} <= m.keys() for m in modules):
        raise EncoderNotFound(f'{path}: expected a list of modules with "type" and "path"; copy the model again')
    return cast("list[Mapping[str, Any]]", modules)


def read_config(folder: Path) -> Mapping[str, Any]:
    """Return what ``config_sentence_transformers.json`` holds; {} without one.

    Raises:
        EncoderNotFound: the file is there and cannot be understood.
    """
    path = folder / CONFIG
    config = read_json(path) if path.is_file() else {}
    if not isinstance(config, dict):
        raise EncoderNotFound(f"{path}: expected a JSON object; copy the model again")
    return config


def is_static(folder: Path) -> bool:
    """Whether the model is a table of token vectors and nothing more, so that it needs no torch.

    Raises:
        EncoderNotFound: ``modules.json`` is there and cannot be understood.
    """
    modules = read_modules(folder)
    kinds = [str(module["type"]).rpartition(".")[2] for module in modules]
    return kinds in (["StaticEmbedding"], ["StaticEmbedding", "Normalize"]) and not foreign_modules(modules)


def foreign_modules(modules: Iterable[Mapping[str, Any]]) -> list[str]:
    """Classes in a list of modules that sentence-transformers does not bring: code that came with the model."""
    kinds = (str(module["type"]) for module in modules)
    return [kind for kind in kinds if not kind.startswith("sentence_transformers.")]


def hash_files(files: Iterable[tuple[str, Path]], *extra: str) -> str:
    """128 bits over names and bytes of files, and over further words, as 32 hexadecimal digits.

    Args:
        files: (name that enters the hash, where the file lies).
        extra: anything else that tells two encoders apart.

    Raises:
        EncoderNotFound: a file cannot be read.
    """
    import xxhash

    digest = xxhash.xxh3_128()
    for name, path in files:
        try:
            digest.update(f"{name}\0{path.stat().st_size}\0".encode())
            with path.open("rb") as file:
                while block := file.read(1 << 20):
                    digest.update(block)
        except OSError as error:
            raise EncoderNotFound(f"{path} cannot be read ({error.strerror}); copy the model again") from error
    for word in extra:
        digest.update(f"{len(word)}\0{word}\0".encode())
    return digest.hexdigest()
