"""Static encoders: one vector per token, a text is the mean of its tokens. No torch, no copy of the table.

The files are those that sentence-transformers saves for a ``StaticEmbedding`` model, and the vectors are the ones it
computes from them. Tables of model2vec folders (tensor ``embeddings``) are read as sentence-transformers reads them.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from searchidx.encoders.folder import CONFIG, MODULES, hash_files, read_config, read_modules, read_prompts
from searchidx.encoders.tokens import read_tokenizer
from searchidx.errors import EncoderNotFound

if TYPE_CHECKING:
    import numpy.typing as npt

    from searchidx.types import Matrix

    Ids = npt.NDArray[np.intp]

BUNDLED = Path(__file__).parent / "bundled"
FINGERPRINT = "fingerprint.txt"
TOKENIZER = "tokenizer.json"
WORDS = "words.txt"
"""The words of the bundled model's ``tokenizer.json`` as lines."""
WEIGHTS = "model.safetensors"

BLOCK = 4_096
"""Tokens gathered at once: bounds the rows copied for one long text (4 MiB at 256 dimensions)."""
KEPT, LONGEST_KEPT = 16_384, 4_000
"""Texts whose token ids are kept after ``count_tokens``: about 20 MB at 150 tokens each. Longer ones (in characters)
are no passages, and are not kept, so that nobody can fill the memory of a server with them."""

NUMBERS = {"F16": "<f2", "F32": "<f4", "F64": "<f8", "I64": "<i8", "I32": "<i4"}


class StaticEncoder:
    """An ``Encoder`` that looks its tokens up in a table.

    Args:
        folder: the model: ``modules.json``, ``tokenizer.json``, ``model.safetensors``, and where it has prompts
            ``config_sentence_transformers.json``.
        name: what the user calls it.

    Raises:
        EncoderNotFound: a file is missing or is not what it should be; the message names it.
    """

    def __init__(self, folder: Path, name: str) -> None:
        module = _module(folder)
        config = read_config(folder)
        self.name = name
        self._tokenizer = read_tokenizer(module / TOKENIZER, folder / WORDS if folder == BUNDLED else None)
        self._table = _load_table(module / WEIGHTS, config.get("truncate_dim"))
        self.dim = self._table.shape[1]
        self._prompts = read_prompts(config.get("prompts"))
        self.max_tokens = self._tokenizer.max_tokens
        if folder == BUNDLED:
            # Hashing 31 MB and listing the vocabulary cost each query from the command line 15 ms; here tests do both.
            self.fingerprint = (folder / FINGERPRINT).read_text().strip()
        else:
            _check_vocabulary(self._tokenizer.vocabulary, self._table, module)
            self.fingerprint = fingerprint(folder)
        # Chunking counts the tokens of the passages that are encoded next, and tokenising is most of the work of a
        # static encoder, so the ids of the last counts are kept. The
        # dict is replaced and never changed: another thread sees the old or the new one, and both are right.
        self._counted: dict[str, Ids] = {}

    def encode_passages(self, texts: Sequence[str]) -> Matrix:
        """Vectors of passages: float32 [n, dim], unit length; a text without a known token gets a zero row."""
        return self._encode(texts, self._prompts.document)

    def encode_queries(self, texts: Sequence[str]) -> Matrix:
        """Vectors of queries: float32 [n, dim], unit length; a text without a known token gets a zero row."""
        return self._encode(texts, self._prompts.query)

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Length of each text in tokens of this model, the limit aside."""
        counted: dict[str, Ids] = {}
        lengths = []
        for text, ids in zip(texts, self._tokenizer.tokenise(texts), strict=True):
            lengths.append(len(ids))
            if len(counted) < KEPT and len(text) <= LONGEST_KEPT:
                counted[text] = ids
        # Passages over the budget are cut and counted in a second call, which must not cost the ids of the first.
        kept = self._counted if len(self._counted) + len(counted) <= KEPT else {}
        self._counted = {**kept, **counted}
        return lengths

    def _encode(self, texts: Sequence[str], prompt: str) -> Matrix:
        """Unit vectors of ``prompt + text``: float32 [n, dim]."""
        prompted = [prompt + text for text in texts] if prompt else texts
        counted = self._counted
        known = [counted.get(text) for text in prompted]
        fresh = self._tokenizer.tokenise([text for text, ids in zip(prompted, known, strict=True) if ids is None])
        vectors = np.zeros((len(texts), self.dim), dtype=np.float32)
        self._add_rows(vectors, (next(fresh) if ids is None else ids for ids in known))
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        np.divide(vectors, lengths, out=vectors, where=lengths > 0)
        return vectors

    def _add_rows(self, vectors: Matrix, token_ids: Iterable[Ids]) -> None:
        """Add to each of ``vectors`` [n, dim] the rows of its tokens (the sum has the direction of the mean)."""
        rows = np.empty((BLOCK, self.dim), dtype=np.float32)
        ones = np.ones(BLOCK, dtype=np.float32)
        for vector, ids in zip(vectors, token_ids, strict=True):
            for block in self._blocks(ids):
                n = len(block)
                # "clip" lets take() write to the buffer directly; no id is out of range, see _check_vocabulary.
                self._table.take(block, axis=0, out=rows[:n], mode="clip")
                vector += ones[:n] @ rows[:n]

    def _blocks(self, ids: Ids) -> Iterator[Ids]:
        """``ids`` within the limit of the model, in stretches of ``BLOCK``."""
        if 0 < self.max_tokens < len(ids):
            ids = ids[-self.max_tokens :] if self._tokenizer.keep_end else ids[: self.max_tokens]
        return (ids[start : start + BLOCK] for start in range(0, len(ids), BLOCK))


def fingerprint(folder: Path) -> str:
    """Name of the vectors that the static model in ``folder`` makes: a hash over every file that changes them.

    Raises:
        EncoderNotFound: a file cannot be read.
    """
    files = [folder / MODULES, folder / CONFIG, *(_module(folder) / name for name in (TOKENIZER, WEIGHTS))]
    return "static:" + hash_files((path.name, path) for path in files if path.is_file())


def _module(folder: Path) -> Path:
    """Where the table and the tokenizer lie: the folder itself, or the one its first module names."""
    modules = read_modules(folder)
    if not modules:
        raise EncoderNotFound(f"{folder / MODULES} is missing or empty; the model is not complete")
    return folder / str(modules[0]["path"])


def _load_table(path: Path, dim: int | None) -> Matrix:
    """Map the table of ``model.safetensors``: float32 [tokens, dim], read from the disk row by row as it is used.

    Args:
        path: the file.
        dim: keep the first ``dim`` columns only (``truncate_dim`` of the configuration); None keeps all.
    """
    start, header = _read_header(path)
    name = "embedding.weight" if "embedding.weight" in header else "embeddings"
    table = _map_tensor(path, start, header, name)
    if table is None or table.ndim != 2 or table.dtype != np.float32 or 0 in table.shape:
        found = "missing" if table is None else f"{table.dtype} {list(table.shape)}"
        raise EncoderNotFound(f'{path}: expected the tensor "{name}" as float32 [tokens, dim], it is {found}')
    if name == "embeddings":
        mapping, weights = (_map_tensor(path, start, header, other) for other in ("mapping", "weights"))
        table = _fold(path, table, mapping, weights)
    return table[:, :dim]


def _fold(path: Path, table: Matrix, mapping: npt.NDArray[Any] | None, weights: npt.NDArray[Any] | None) -> Matrix:
    """The table of a model2vec model with one row per token: ``table[mapping] * weights``, where it has them."""
    try:
        table = table if mapping is None else table[mapping]
        return table if weights is None else (table * weights[:, None]).astype(np.float32)
    except (IndexError, ValueError) as error:
        raise EncoderNotFound(f"{path}: embeddings, mapping and weights do not fit together ({error})") from error


def _read_header(path: Path) -> tuple[int, dict[str, Any]]:
    """Where the data of a safetensors file begin, and its tensors by name: ``dtype``, ``shape``, ``data_offsets``."""
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if length > path.stat().st_size:
                raise ValueError("its header is longer than the file")
            return 8 + length, dict(json.loads(file.read(length)))
    except OSError as error:
        raise EncoderNotFound(
            f"{path} cannot be read ({error.strerror}); the folder is not a complete model"
        ) from error
    except (TypeError, ValueError) as error:
        raise EncoderNotFound(f"{path} is damaged or no safetensors file ({error}); copy the model again") from error


def _map_tensor(path: Path, start: int, header: dict[str, Any], name: str) -> npt.NDArray[Any] | None:
    """Map one tensor, None where the file has none of that name.

    The safetensors package copies a tensor, 30 MB for the sake of the ten rows that a query needs.
    """
    if name not in header:
        return None
    try:
        entry = header[name]
        kind, shape, (begin, end) = entry["dtype"], tuple(entry["shape"]), entry["data_offsets"]
        if kind not in NUMBERS:
            raise EncoderNotFound(f'{path}: tensor "{name}" is {kind}; save the model in float32')
        dtype = np.dtype(NUMBERS[kind])
        if end - begin != math.prod(shape) * dtype.itemsize or start + end > path.stat().st_size:
            raise ValueError(f"{name} is cut short")
        return np.asarray(np.memmap(path, dtype=dtype, mode="r", offset=start + begin, shape=shape))
    except (KeyError, TypeError, ValueError) as error:
        raise EncoderNotFound(f"{path} is damaged or no safetensors file ({error}); copy the model again") from error


def _check_vocabulary(vocabulary: Mapping[str, int], table: Matrix, module: Path) -> None:
    """Raise EncoderNotFound where the tokenizer knows a token that the table has no row for."""
    highest = max(vocabulary.values(), default=-1)
    if highest >= len(table):
        raise EncoderNotFound(
            f"{module / TOKENIZER} has token {highest} and {module / WEIGHTS} only {len(table)} rows; "
            "the two files belong to different models"
        )
