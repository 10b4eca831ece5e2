"""Contrastive training of a table of token vectors on the CPU or a GPU.

A batch holds pairs of a query and its passage; every other passage of the batch is a negative (InfoNCE: van den Oord,
Li and Vinyals, 2018), and likewise every other query, at half the weight. Half of a batch is news: a title and a
passage of its article, and a sentence and the passage it was taken from (inverse cloze task: Lee, Chang and Toutanova,
ACL 2019). The other half are pairs of several files, in groups of one file, so that many negatives are alike. With
``dims`` of several sizes the first coordinates are trained to serve alone (Matryoshka: Kusupati et al., NeurIPS 2022).

Each step is a function of the seed and its number, so a run that was interrupted goes on from its last checkpoint to
the same table; equal bytes need the same machine and number of threads.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from training.data import Ids, News, Pairs

if TYPE_CHECKING:
    import torch

Floats = npt.NDArray[np.float32]

MAX_QUERY, MAX_PASSAGE = 64, 256
"""Tokens of a text that are used."""
GROUP = 512
"""Pairs of one file that stand together in a batch."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What a run is made of.

    Attributes:
        steps: batches seen.
        batch: pairs in each.
        rate: Adam's step size at its highest; it rises over 50 steps and then falls in a straight line.
        scale: what cosines are multiplied by before the softmax.
        news: share of a batch that is news.
        dims: sizes of the vectors that are trained, the largest first.
        seed: of everything random.
        save_every: steps between checkpoints.
    """

    steps: int = 900
    batch: int = 2048
    rate: float = 0.02
    scale: float = 20.0
    news: float = 0.5
    dims: tuple[int, ...] = (256,)
    seed: int = 1
    save_every: int = 100


@dataclass(frozen=True, slots=True)
class Batch:
    """``passages[i]`` answers ``queries[i]``; texts with the same ``keys`` have the same passage."""

    queries: list[Ids]
    passages: list[Ids]
    keys: list[int]


class Sampler:
    """Batches of pairs and news, each a function of the seed and the number of the step."""

    def __init__(self, pairs: Pairs, news: News, settings: Settings) -> None:
        self._pairs, self._news, self._settings = pairs, news, settings
        self._groups = [np.flatnonzero(pairs.sources == source) for source in np.unique(pairs.sources)]
        weights = np.array([len(group) for group in self._groups]) ** 0.7
        self._weights = weights / weights.sum()
        lengths, firsts = news.sentences.starts[news.first_sentence], news.first_sentence
        self._long = np.flatnonzero((np.diff(firsts) >= 3) & (np.diff(lengths) >= 40))
        self._titled = np.flatnonzero((news.titles.lengths() >= 3) & (np.diff(news.first_passage) > 0))
        self._article = np.repeat(np.arange(len(news.titles)), np.diff(news.first_passage))

    def batch(self, step: int) -> Batch:
        """The batch of one step."""
        random = np.random.default_rng((self._settings.seed, step))
        count = int(self._settings.batch * self._settings.news)
        texts = self._titles(random, count // 2) + self._sentences(random, count - count // 2)
        texts += self._judged(random, self._settings.batch - count)
        queries = [query[:MAX_QUERY] for query, _ in texts]
        passages = [passage[:MAX_PASSAGE] for _, passage in texts]
        return Batch(queries, passages, [hash(passage.tobytes()) for passage in passages])

    def _titles(self, random: np.random.Generator, count: int) -> list[tuple[Ids, Ids]]:
        """A title, and a passage of its article: the first one more often."""
        chosen = random.choice(self._titled, count, replace=False)
        found = []
        for article in chosen:
            first, end = self._news.first_passage[article : article + 2]
            passage = first if random.random() < 0.4 else random.integers(first, end)
            found.append((self._news.titles[article], self._passage(passage)))
        return found

    def _sentences(self, random: np.random.Generator, count: int) -> list[tuple[Ids, Ids]]:
        """A sentence, and the passage it was taken from: mostly without it, and often after the title."""
        found = []
        for passage in random.choice(self._long, count, replace=False):
            first, end = self._news.first_sentence[passage : passage + 2]
            fitting = [i for i in range(first, end) if 6 <= len(self._news.sentences[i]) <= 40]
            sentence = random.choice(fitting) if fitting else random.integers(first, end)
            body = self._passage(passage, -1 if random.random() < 0.15 else int(sentence))
            if random.random() < 0.6:
                body = np.concatenate([self._news.titles[self._article[passage]], body])
            found.append((self._news.sentences[sentence], body))
        return found

    def _judged(self, random: np.random.Generator, count: int) -> list[tuple[Ids, Ids]]:
        chosen = list[int]()
        while len(chosen) < count:
            group = self._groups[random.choice(len(self._groups), p=self._weights)]
            size = min(len(group), GROUP, count - len(chosen))
            chosen += random.choice(group, size, replace=False).tolist()
        return [(self._pairs.queries[i], self._pairs.positives[i]) for i in chosen]

    def _passage(self, passage: int, without: int = -1) -> Ids:
        first, end = self._news.first_sentence[passage : passage + 2]
        return np.concatenate([self._news.sentences[i] for i in range(first, end) if i != without])


def train(table: Floats, sampler: Sampler, settings: Settings, checkpoint: Path, device: str) -> Floats:
    """The table after training: float32 [tokens, dim]. ``checkpoint`` is written on the way and continued from."""
    import torch

    torch.manual_seed(settings.seed)
    rows = torch.nn.Parameter(torch.from_numpy(table.copy()).to(device))
    optimizer = torch.optim.Adam([rows], lr=settings.rate, fused=True)
    first = _restore(checkpoint, settings, rows, optimizer)
    losses = []
    for step in range(first + 1, settings.steps + 1):
        rise, fall = step / 50, 1 - step / settings.steps
        for group in optimizer.param_groups:
            group["lr"] = settings.rate * min(1.0, rise) * max(0.02, fall)
        loss = _loss(rows, sampler.batch(step), settings)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
        if step % 50 == 0:
            print(f"step {step} of {settings.steps}: loss {np.mean(losses[-50:]):.4f}", flush=True)
        if step % settings.save_every == 0 or step == settings.steps:
            _save(checkpoint, settings, step, rows, optimizer)
    return np.asarray(rows.detach().cpu().numpy(), dtype=np.float32)


def _loss(rows: torch.Tensor, batch: Batch, settings: Settings) -> torch.Tensor:
    import torch
    from torch.nn.functional import cross_entropy, normalize

    queries, passages = _sums(rows, batch.queries), _sums(rows, batch.passages)
    keys = torch.tensor(batch.keys, device=rows.device)
    same = (keys[:, None] == keys) & ~torch.eye(len(keys), dtype=torch.bool, device=rows.device)
    target = torch.arange(len(keys), device=rows.device)
    loss = torch.zeros((), device=rows.device)
    for dim in settings.dims:
        cosines = normalize(queries[:, :dim], dim=1) @ normalize(passages[:, :dim], dim=1).T
        logits = (cosines * settings.scale).masked_fill(same, -1e4)
        loss = loss + (cross_entropy(logits, target) + 0.5 * cross_entropy(logits.T, target)) / len(settings.dims)
    return loss


def _sums(rows: torch.Tensor, texts: Sequence[Ids]) -> torch.Tensor:
    """The sum of each text's rows, which has the direction of their mean: [texts, dim]."""
    import torch
    from torch.nn.functional import embedding_bag

    starts = np.cumsum([0, *map(len, texts[:-1])])
    ids = torch.from_numpy(np.concatenate(texts).astype(np.int64)).to(rows.device)
    return embedding_bag(ids, rows, torch.from_numpy(starts).to(rows.device), mode="sum")


def _save(path: Path, settings: Settings, step: int, rows: torch.Tensor, optimizer: torch.optim.Optimizer) -> None:
    import torch

    fresh = path.with_suffix(".new")
    state: dict[str, Any] = {"settings": asdict(settings), "step": step, "rows": rows.detach()}
    torch.save({**state, "optimizer": optimizer.state_dict()}, fresh)
    os.replace(fresh, path)


def _restore(path: Path, settings: Settings, rows: torch.Tensor, optimizer: torch.optim.Optimizer) -> int:
    """The step to go on after: 0 where there is no checkpoint of these settings."""
    import torch

    if not path.exists():
        return 0
    state = torch.load(path, map_location=rows.device, weights_only=True)
    if state["settings"] != asdict(settings) or state["rows"].shape != rows.shape:
        return 0
    rows.data.copy_(state["rows"])
    optimizer.load_state_dict(state["optimizer"])
    return int(state["step"])
