"""Any model of sentence-transformers, by its name on the Hugging Face hub or its folder; needs the extra and torch."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np

from searchidx.encoders.folder import MODULES, Prompts, foreign_modules, hash_files, read_modules, read_prompts
from searchidx.errors import EncoderNotFound

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

    from searchidx.types import Matrix

BATCH = 32
"""Texts in one forward pass, sorted by length before; on two cores no size from 16 to 128 stood out."""

HUB_TIMEOUT = 10
"""Seconds to wait for the hub to say whether it has a model."""

WEIGHTS = (".safetensors", ".bin")
"""Endings of weight files, in the order in which they are preferred where a model has both."""
TOKENIZERS = ("tokenizer.json", "vocab.txt", "sentencepiece.bpe.model", "spiece.model", "tokenizer.model", "vocab.json")
"""Files that hold a vocabulary; the first that a model has describes it fully."""
SETTINGS = ("config.json", "sentence_bert_config.json")


class TransformerEncoder:
    """An ``Encoder`` that runs a model with sentence-transformers. One text or batch at a time, whatever the threads.

    Args:
        name: a folder, or a name of the hub; the copy in the cache is used where there is one, without the network.
        device: ``"cpu"``, ``"cuda"``...; None takes the best there is.

    Raises:
        EncoderNotFound: the model cannot be found, downloaded or loaded. Code that comes with a model is never run.
    """

    def __init__(self, name: str, device: str | None = None) -> None:
        self.name = name
        self._model, folder = _load(name, device)
        self._prompts = read_prompts(self._model.prompts)
        # A tokenizer of transformers keeps its truncation as state, and fails ("Already borrowed") where two threads
        # change it at once.
        self._lock = Lock()
        self.dim = _dimension(self._model)
        self.max_tokens = self._limit()
        self.fingerprint = _fingerprint(folder, self._model, self._prompts)

    def encode_passages(self, texts: Sequence[str]) -> Matrix:
        """Vectors of passages, with the model's own prompt for documents: float32 [n, dim], unit length."""
        return self._encode(self._model.encode_document, texts, self._prompts.document)

    def encode_queries(self, texts: Sequence[str]) -> Matrix:
        """Vectors of queries, with the model's own prompt for queries: float32 [n, dim], unit length."""
        return self._encode(self._model.encode_query, texts, self._prompts.query)

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Length of each text in the model's own tokens, without special ones and without the limit."""
        if not texts:
            return []
        tokenizer = self._model.tokenizer
        with self._lock:
            if hasattr(tokenizer, "encode_batch_fast"):  # a static model carries a bare tokenizer
                found = tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)
            else:
                plain = {"add_special_tokens": False, "truncation": False, "return_attention_mask": False}
                found = tokenizer(list(texts), **plain, verbose=False)["input_ids"]
        return [len(tokens) for tokens in found]

    def _encode(self, encode: Any, texts: Sequence[str], prompt: str) -> Matrix:
        """Run the model; length 1 is set here, in float32, as a model may compute in half precision."""
        if not texts:
            return np.zeros((0, self.dim), dtype=np.float32)
        with self._lock:
            encoded = encode(list(texts), prompt=prompt, batch_size=BATCH, show_progress_bar=False)
        vectors: Matrix = np.array(encoded, dtype=np.float32, order="C")
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        np.divide(vectors, lengths, out=vectors, where=lengths > 0)
        return vectors

    def _limit(self) -> int:
        """Tokens of a passage that fit beside the special ones and the prompt; 0 where there is no limit."""
        longest = self._model.max_seq_length
        if not longest or longest > 1_000_000:  # transformers says "no limit" with 10**30, static models with infinity
            return 0
        special = getattr(self._model.tokenizer, "num_special_tokens_to_add", lambda: 0)()
        prompt = self._prompts.document
        return max(1, int(longest) - special - (self.count_tokens([prompt])[0] if prompt else 0))


def _load(name: str, device: str | None) -> tuple[SentenceTransformer, Path]:
    """Load a model from its folder, the hub's cache, or else the hub; return it with the folder of its files.

    The cache comes first, so that a stored model answers without a network and a new revision on the hub never changes
    the vectors of an index behind its back. The hub is asked whether it has the model before torch is imported: a
    wrong name fails in a third of a second, not in ten (or in 75 without a network, where every file is tried anew).
    """
    if Path(name).is_dir():
        if foreign := foreign_modules(read_modules(Path(name))):  # before version 6, those of a folder were trusted
            raise EncoderNotFound(f"{name} wants code of its own to be run ({foreign[0]}), which is never done")
        return _open(name, device, stored=True), Path(name)
    # A name without an owner is first one of the models of sentence-transformers itself.
    repositories = [name] if "/" in name else [f"sentence-transformers/{name}", name]
    for repository in repositories:
        if folder := _snapshot(repository):
            try:
                return _open(repository, device, stored=True), folder
            except EncoderNotFound:
                break  # a download that was cut short: the hub has the rest
    repository = _ask_hub(name, repositories)
    model = _open(repository, device, stored=False)
    folder = _snapshot(repository)
    if folder is None:
        raise EncoderNotFound(f"{name} was loaded and is not in the cache of the hub: give the path of its folder")
    return model, folder


def _open(model: str, device: str | None, stored: bool) -> SentenceTransformer:
    """Load with sentence-transformers, without the network where the model is ``stored``."""
    with _quiet():
        from sentence_transformers import SentenceTransformer

        try:
            return SentenceTransformer(model, device=device, local_files_only=stored)
        except Exception as error:  # a bad model makes the libraries raise nearly every kind there is
            raise EncoderNotFound(f"{model} cannot be loaded by sentence-transformers: {_first_line(error)}") from error


def _first_line(error: Exception) -> str:
    """The first line of a message, or the kind of an error that has none."""
    lines = (line.strip() for line in str(error).splitlines())
    return next((line for line in lines if line), type(error).__name__)


def _snapshot(repository: str) -> Path | None:
    """The folder in the hub's cache that holds a model, None where it was never downloaded."""
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    cache = os.environ.get("SENTENCE_TRANSFORMERS_HOME")  # where sentence-transformers looks too
    try:
        found = [try_to_load_from_cache(repository, file, cache_dir=cache) for file in (MODULES, "config.json")]
    except HFValidationError as error:
        name = repository.removeprefix("sentence-transformers/")
        raise EncoderNotFound(f'"{name}" is no folder, and no model of the hub can be called so') from error
    return next((Path(path).parent for path in found if isinstance(path, str)), None)


def _ask_hub(name: str, repositories: Sequence[str]) -> str:
    """Which of the repositories exists on the hub.

    Raises:
        EncoderNotFound: none does, or the hub cannot be reached.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.errors import RepositoryNotFoundError

    for repository in repositories:
        try:
            return str(HfApi().model_info(repository, timeout=HUB_TIMEOUT).id)
        except RepositoryNotFoundError:
            continue
        except Exception as error:  # the kinds of a failed connection differ between versions of the library
            raise EncoderNotFound(
                f"{name} is not in the cache, and the hub does not answer: {_first_line(error)}"
            ) from error
    raise EncoderNotFound(f'no encoder is called "{name}", and the Hugging Face hub has no model of that name')


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep progress bars and remarks on weights off stderr while a model loads; the former settings come back."""
    import transformers.utils.logging
    from huggingface_hub import utils

    bars: Any = transformers.utils.logging
    hub: Any = utils
    loggers = [logging.getLogger(name) for name in ("transformers", "sentence_transformers", "huggingface_hub")]
    levels = [logger.level for logger in loggers]
    shown = bars.is_progress_bar_enabled() and not hub.are_progress_bars_disabled()
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    bars.disable_progress_bar()  # those of the hub too
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
        if shown:
            bars.enable_progress_bar()


def _dimension(model: SentenceTransformer) -> int:
    """Length of a vector; the method was renamed in sentence-transformers 6."""
    ask = getattr(model, "get_embedding_dimension", None) or model.get_sentence_embedding_dimension
    return int(ask() or 0) or int(model.encode(["a"], show_progress_bar=False).shape[1])


def _fingerprint(folder: Path, model: SentenceTransformer, prompts: Prompts) -> str:
    """Name of the vectors: a hash over weights, vocabulary, settings, prompts and length limit.

    The same files give the same fingerprint, whether they lie in a folder or in the cache of the hub, and whatever the
    version of the libraries that read them.
    """
    words = (prompts.query, prompts.document, str(model.max_seq_length), str(model.truncate_dim))
    return "st:" + hash_files(_files(folder), *words)


def _files(folder: Path) -> list[tuple[str, Path]]:
    """The files of a model that change its vectors, with their names within it: list of modules, then by module."""
    modules = [str(module["path"]) for module in read_modules(folder)] or [""]
    names = [MODULES]
    for module in dict.fromkeys(["", *modules]):
        present = sorted(path.name for path in (folder / module).glob("*") if path.is_file())
        weights = ([name for name in present if name.endswith(ending)] for ending in WEIGHTS)
        vocabulary = [name for name in TOKENIZERS if name in present][:1]
        chosen = [*next((found for found in weights if found), []), *vocabulary, *(s for s in SETTINGS if s in present)]
        names += [str(Path(module) / name) for name in chosen]
    return [(name, folder / name) for name in names if (folder / name).is_file()]
