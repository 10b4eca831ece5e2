"""An encoder that looks its vectors up: those that a transformer made once of the texts of some collections.

A folder of vectors has a ``NAME.npz`` for each collection, with unit vectors ``p`` [passages, dim] and ``q`` [queries,
dim] in float16. The texts in the same order are in ``NAME.pkl`` of a folder of passages: a dict with ``passages``, a list
of (doc_id, title, heading, text, ordinal), and ``queries``, texts by id. The pickles are one's own: no others are read.
"""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from searchidx.articles.chunking import DEFAULT_MAX_TOKENS, encoder_input
from searchidx.encoders.tokens import read_tokenizer

Floats = npt.NDArray[np.float32]


class LookupEncoder:
    """An ``Encoder`` over vectors made before.

    Args:
        vectors: folder of the vectors.
        passages: folder of the texts.
        tokenizer: ``tokenizer.json`` of the encoder that made them, which decides where passages are cut.
        name: of that encoder.
    """

    def __init__(self, vectors: Path, passages: Path, tokenizer: Path, name: str) -> None:
        self.name, self.max_tokens = name, 0
        self._tokenizer = read_tokenizer(tokenizer)
        self._passages: dict[str, npt.NDArray[np.float16]] = {}
        self._queries: dict[str, npt.NDArray[np.float16]] = {}
        digest = hashlib.blake2b(tokenizer.read_bytes(), digest_size=8)
        for file in sorted(vectors.glob("*.npz")):
            texts = pickle.loads((passages / f"{file.stem}.pkl").read_bytes())
            with np.load(file) as arrays:
                known, asked = arrays["p"], arrays["q"]
            inputs = (encoder_input(title, heading, text) for _, title, heading, text, _ in texts["passages"])
            self._passages.update(zip(inputs, known, strict=True))
            self._queries.update(zip(texts["queries"].values(), asked, strict=True))
            digest.update(known.tobytes() + asked.tobytes())
        if not self._passages:
            raise ValueError(f"{vectors}: no vectors are there: expected NAME.npz")
        self.dim = len(next(iter(self._passages.values())))
        self.fingerprint = f"st:lookup-{digest.hexdigest()}"

    def encode_passages(self, texts: Sequence[str]) -> Floats:
        """Vectors of passages of these collections, cut at 200 tokens; a KeyError for any other text."""
        return self._rows(self._passages, texts)

    def encode_queries(self, texts: Sequence[str]) -> Floats:
        """Vectors of queries of these collections; a KeyError for any other text."""
        return self._rows(self._queries, texts)

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Length of each text in tokens."""
        return [len(ids) for ids in self._tokenizer.tokenise(texts)]

    def _rows(self, known: dict[str, npt.NDArray[np.float16]], texts: Sequence[str]) -> Floats:
        rows = np.array([known[text] for text in texts], dtype=np.float32).reshape(len(texts), self.dim)
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        return rows
