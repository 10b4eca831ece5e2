"""Scores that mean something: how likely a person would judge a hit relevant, from 0 to 1.

Neither BM25 nor a cosine tells that. What the legs say becomes a few parts between 0 and 1, and a logistic function of
them, with weights fitted on judged queries, becomes the relevance::

    relevance = logistic(bias + a * share + b * evidence)
    evidence  = 1 - (1 - cosine) * (1 - words)

``share`` tells a hit from those before it; ``evidence`` belongs to the query, so that hits keep their order, and either
leg can give it. ``calibration.json`` holds the weights by mode and kind of encoder, and a ``bound``: of the queries
with an answer 2% have no hit that reaches it, so where none does, there probably is no answer. It is written by::

    python -m training.calibrate DATA --cache CACHE --write

docs/decisions/010-calibrated-score.md has the figures.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path

from searchidx.types import Leg, Mode

FILE = Path(__file__).with_name("calibration.json")
ENOUGH = 80.0
"""A ceiling of BM25 beyond which a query counts as if it had this one: no passage says all that a long query does."""


def query_parts(legs: Mapping[str, Mapping[int, Leg]], ceiling: float) -> dict[str, float]:
    """What the candidates say of the query as a whole.

    Args:
        legs: the legs that were asked, with what each said of each candidate.
        ceiling: the BM25 that no passage can exceed.

    Returns:
        ``cosine``, where the dense leg was asked: the highest of any candidate. ``words``, where the lexical leg was
        asked: the highest BM25 of any candidate as a share of the ceiling, its root because low shares differ most.
    """
    best = {name: max((leg.score for leg in said.values()), default=0.0) for name, said in legs.items()}
    parts = {}
    if "dense" in best:
        parts["cosine"] = min(1.0, max(0.0, best["dense"]))
    if "lexical" in best:
        parts["words"] = math.sqrt(min(1.0, best["lexical"] / min(ceiling, ENOUGH))) if ceiling > 0 else 0.0
    return parts


def evidence(parts: Mapping[str, float]) -> float:
    """How much speaks for an answer to the query: enough where one leg is sure, whatever the other says."""
    return 1 - (1 - parts.get("cosine", 0.0)) * (1 - parts.get("words", 0.0))


def relevance(parts: Iterable[Mapping[str, float]], weights: Mapping[str, float]) -> list[float]:
    """The relevance of the hits of a query, never more than that of the hit before.

    Args:
        parts: of each hit, best first: ``share``, its score as a share of the best (that of ``fusion.weighted``), and
            ``query_parts``.
        weights: ``bias``, ``share`` and ``evidence``.
    """
    relevances: list[float] = []
    for each in parts:
        logit = weights["bias"] + weights["share"] * each["share"] + weights["evidence"] * evidence(each)
        value = 1 / (1 + math.exp(-logit))
        relevances.append(min(value, relevances[-1]) if relevances else value)
    return relevances


def weights_of(mode: Mode, kind: str) -> Mapping[str, float]:
    """The fitted numbers of a mode and a kind of encoder (how its fingerprint begins); any other is as ``st``."""
    table = _read(FILE)
    return table.get(name_of(mode, kind)) or table[name_of(mode, "st")]


def name_of(mode: Mode, kind: str) -> str:
    """The name of an entry in ``calibration.json``: lexical search knows no encoder."""
    return mode if mode == "lexical" else f"{mode} {kind}"


@cache
def _read(file: Path) -> dict[str, dict[str, float]]:
    table: dict[str, dict[str, float]] = json.loads(file.read_text(encoding="utf-8"))
    return table
