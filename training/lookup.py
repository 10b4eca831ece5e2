"""An encoder that looks its vectors up: those that a transformer made once of the texts of some collections.

A folder of vectors has a ``NAME.npz`` for each collection, with unit vectors ``p`` [passages, dim] and ``q`` [queries,
dim] in float16. The texts in the same order are in ``NAME.pkl`` of a folder of passages: a dict with ``passages``,
tuples (doc_id, title, heading, text, ordinal), and ``queries``, texts by id. Unpickling runs code: read what you made.

To make both with all-MiniLM-L6-v2 (about an hour for 15 sets on two cores; what is there is not made again)::

    python -m training.lookup DATA/beir/time DATA/beir/adi --vectors VECTORS --passages PASSAGES
"""

from __future__ import annotations

import argparse
import hashlib
import pickle
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import numpy.typing as npt

from searchidx.articles.chunking import encoder_input
from searchidx.encoders import load_encoder
from searchidx.encoders.tokens import read_tokenizer
from searchidx.evaluation import build_index, read_collection
from training.make_bundled import teacher_folder

Floats = npt.NDArray[np.float32]


class LookupEncoder:
    """An ``Encoder`` over vectors made before.

    Args:
        vectors: folder of the vectors.
        passages: folder of the texts.
        tokenizer: ``tokenizer.json`` of the encoder by whose tokens the passages were cut.
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


def texts_of(folder: Path) -> dict[str, Any]:
    """Passages, as an index of the bundled encoder cuts them, and judged queries of one collection."""
    collection = read_collection(folder)
    with TemporaryDirectory() as path, build_index(collection, path) as index:
        stored = index._store.passages(index._store.passage_ids(0, 1 << 60)).values()
        passages = [(each.doc_id, article.title, each.heading, each.text, each.ordinal) for each, article in stored]
    return {"passages": passages, "queries": dict(collection.queries), "qrels": dict(collection.qrels)}


def main() -> None:
    """Make what is missing."""
    parser = argparse.ArgumentParser(description="Encode collections once with all-MiniLM-L6-v2.")
    parser.add_argument("folders", type=Path, nargs="+", help="collections in BEIR form")
    parser.add_argument("--vectors", type=Path, required=True, help="folder for the vectors")
    parser.add_argument("--passages", type=Path, required=True, help="folder for the texts")
    options = parser.parse_args()
    encoder = load_encoder(str(teacher_folder()))
    for path in (options.vectors, options.passages):
        path.mkdir(parents=True, exist_ok=True)
    for folder in options.folders:
        file = options.vectors / f"{folder.name}.npz"
        if not file.exists():
            texts = texts_of(folder)
            (options.passages / f"{folder.name}.pkl").write_bytes(pickle.dumps(texts))
            inputs = [encoder_input(title, heading, text) for _, title, heading, text, _ in texts["passages"]]
            known, asked = encoder.encode_passages(inputs), encoder.encode_queries(list(texts["queries"].values()))
            np.savez(file, p=known.astype(np.float16), q=asked.astype(np.float16))
        print(f"have {file.name}", flush=True)


if __name__ == "__main__":
    main()
