"""How to merge the two legs: fusions, a learned combination, sums of passages and rules for the weight, by nDCG@10.

    python benchmarks/fusion.py DATA/beir/* --cache CACHE [--encoder NAME]

What has parameters is judged with one set left out at a time: they are those with the best mean over the other sets.
Candidates are kept in the cache by encoder, so a second run takes a minute or two. Vectors that a transformer made
before (see ``training/lookup.py``) are played back with ``--vectors``. Needs: pip install ".[eval]"
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from fusion_features import (
    FEATURES,
    NORMALISATIONS,
    Candidates,
    Floats,
    Ints,
    blend,
    by_query,
    candidates,
    design,
    each_leg,
    lexical_alone,
    rrf,
    shares,
)
from scipy.optimize import minimize

from searchidx.encoders import load_encoder
from searchidx.encoders.static import BUNDLED
from searchidx.evaluation import calculate, parse_measures, read_collection
from searchidx.search import LEXICAL_WEIGHT
from searchidx.types import Encoder

WEIGHTS = tuple(weight / 100 for weight in range(30, 95, 5))
RRF = (10, 30, 60, 100)
BASES = tuple(weight / 10 for weight in range(1, 11))
SLOPES = (0.0, -1.0, -0.5, -0.25, 0.25, 0.5, 1.0)
"""What a sign is multiplied by to move the weight; the first makes it a constant."""
TAUGHT = 50
"""Best documents of each query, by the default, that a combination is learned from."""
RIDGE = 1e-3
MODELS: dict[str, tuple[str, ...]] = {
    "two legs": (),
    **{f"+ {name}": (name,) for name in (*FEATURES, "lexical*dense", "covered*dense")},
    "+ covered, early": ("covered", "early"),
    "+ all": FEATURES,
    "+ all, products": (*FEATURES, "lexical*dense", "title*dense", "covered*dense", "near*lexical"),
}


# from scores of passages to nDCG@10


def best_passage(scores: Floats, found: Candidates) -> Floats:
    return np.maximum.reduceat(scores, found.start)


def sum_of(*shares: float) -> Callable[[Floats, Candidates], Floats]:
    """A document's score as its best passage's times the first share, the second best's times the second, and so on."""

    def combine(scores: Floats, found: Candidates) -> Floats:
        pair = found.row_pair
        order = np.lexsort((-scores, pair))
        place = np.arange(len(pair)) - found.start[pair]
        return sum(
            np.bincount(pair[place == i], share * scores[order][place == i], len(found.start))
            for i, share in enumerate(shares)
        )

    return combine


def ranked(documents: Floats, found: Candidates) -> tuple[Ints, Floats]:
    """By query, the numbers of its ten best pairs, and their scores (-inf: there are fewer)."""
    begin = np.flatnonzero(np.diff(found.query, prepend=-1))
    sizes = np.diff(begin, append=len(found.query))
    grid = np.full((len(sizes), max(10, sizes.max())), -np.inf)
    grid[found.query, np.arange(len(found.query)) - begin[found.query]] = documents
    top = np.argsort(-grid, axis=1, kind="stable")[:, :10]
    return np.minimum(begin[:, None] + top, len(found.query) - 1), np.take_along_axis(grid, top, axis=1)


def ndcg(scores: Floats, found: Candidates, combine: Callable[[Floats, Candidates], Floats] = best_passage) -> float:
    """Mean nDCG@10 with linear gains; ``check`` holds it against ir_measures."""
    pairs, values = ranked(combine(scores, found), found)
    gains = np.where(np.isfinite(values), found.gain[pairs], 0) @ (1 / np.log2(np.arange(2, 12)))
    return float(np.mean(gains / found.ideal))


def check(scores: Floats, found: Candidates, folder: Path) -> None:
    """Stop where ir_measures says something else."""
    pairs, values = ranked(best_passage(scores, found), found)
    documents, finite = found.documents[pairs], np.isfinite(values)
    rankings = {str(q): [(str(d), 0.0) for d in documents[i][finite[i]]] for i, q in enumerate(found.queries)}
    judged = read_collection(folder).qrels
    measured = calculate(parse_measures("nDCG@10"), {q: judged[q] for q in rankings}, rankings).mean["nDCG@10"]
    if abs(measured - (ours := ndcg(scores, found))) > 1e-6:
        raise SystemExit(f"{folder.name}: ir_measures says {measured}, this script {ours}")


# comparisons


@dataclass
class Sets:
    """All sets, and what the tables compare with."""

    found: dict[str, Candidates]
    weight: float
    tables: list[str] = field(default_factory=list)
    short: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.lexical = self.each(lambda some: ndcg(lexical_alone(some), some))
        self.dense = self.each(lambda some: ndcg(some.dense, some))
        self.default = self.each(lambda some: ndcg(blend(shares(some), self.weight), some))

    def each(self, measure: Callable[..., float | list[float]], *options: Any) -> Floats:
        """What is measured of each set: [sets] or [sets, choices]."""
        return np.array([measure(some, *options) for some in self.found.values()])

    def table(self, title: str, columns: Mapping[str, Floats], notes: Mapping[str, str] | None = None) -> None:
        """Sets as rows; under them what sums each column up, and the chosen parameters. In short: the means."""
        notes, best = notes or {}, np.maximum(self.lexical, self.dense)
        others = {"BM25": self.lexical, "the better leg": best, "the default": self.default}
        ends: dict[str, Callable[[Floats], str]] = {
            "**mean**": lambda values: f"**{shown(values.mean())}**",
            "sets above both legs": lambda values: f"{(values > best).sum()}",
            **{f"largest loss against {name}": partial(worst, other) for name, other in others.items()},
        }
        rows = {name: [shown(values[row]) for values in columns.values()] for row, name in enumerate(self.found)}
        rows |= {name: [tell(values) for values in columns.values()] for name, tell in ends.items()}
        if notes:
            rows["chosen over all sets"] = [notes.get(name, "") for name in columns]
        self.tables.append(f"### {title}\n\n{markdown('set', list(columns), rows)}")
        means = (f"{name} {shown(values.mean())} ({worst(self.default, values)})" for name, values in columns.items())
        self.short.append(f"- *{title}*: {', '.join(means)}.")


def markdown(corner: str, heads: Sequence[str], rows: Mapping[str, Sequence[str]]) -> str:
    lines = [f"| {corner} | {' | '.join(heads)} |", f"|---|{'---:|' * len(heads)}"]
    return "\n".join([*lines, *(f"| {name} | {' | '.join(cells)} |" for name, cells in rows.items())])


def shown(value: float) -> str:
    return f"{value:.4f}".removeprefix("0")


def worst(other: Floats, values: Floats) -> str:
    loss = (other - values).max()
    return f"-{shown(loss)}" if loss >= 0.00005 else "none"


def left_out(figures: Floats) -> Floats:
    """Each set's figure [sets, choices] with the choice that has the best mean over the other sets."""
    others = figures.sum(axis=0) - figures
    return figures[np.arange(len(figures)), others.argmax(axis=1)]


def by_weight(found: Candidates, normalise: Callable[[Candidates], list[Floats]]) -> list[float]:
    legs = normalise(found)
    return [ndcg(blend(legs, weight), found) for weight in WEIGHTS]


def compare_fusions(sets: Sets) -> None:
    columns, notes, grids = {"BM25": sets.lexical, "dense": sets.dense}, {}, {}
    for name, normalise in NORMALISATIONS.items():
        grids[name] = sets.each(by_weight, normalise)
        columns[name] = left_out(grids[name])
        notes[name] = f"{WEIGHTS[grids[name].mean(axis=0).argmax()]:.2f}"
    columns |= {f"RRF {k}": sets.each(lambda some, k: ndcg(rrf(some, k), some), k) for k in RRF}
    sets.table("Fusions, the weight chosen on the other sets", columns, notes)
    rows = {name: [shown(mean) for mean in grid.mean(axis=0)] for name, grid in grids.items()}
    sets.tables.append(f"### Mean by weight of BM25\n\n{markdown('fusion', list(map(str, WEIGHTS)), rows)}")
    sets.short.append(f"- Shares with each set's own best weight: {shown(grids['shares'].max(axis=1).mean())}.")


def compare_documents(sets: Sets) -> None:
    ways = {f"+ .{tenths} second": (1.0, tenths / 10) for tenths in (1, 2, 3)} | {"sum of 3": (1.0, 1.0, 1.0)}
    columns = {"best passage": sets.default}
    columns |= {name: sets.each(summed, parts, sets.weight) for name, parts in ways.items()}
    sets.table("A document by its passages", columns)


def summed(found: Candidates, parts: Sequence[float], weight: float) -> float:
    return ndcg(blend(shares(found), weight), found, sum_of(*parts))


# learned combinations


@dataclass
class Lesson:
    """What is learned from: the best documents of each query by the default, and all relevant ones, one row each."""

    columns: Floats
    begin: Ints
    wanted: Floats  # by row, the document's part of the query's relevance

    @classmethod
    def of(cls, found: Candidates, names: Sequence[str], weight: float) -> Lesson:
        """The best by the default, whose weight is given."""
        fused = blend(shares(found), weight)
        best = np.lexsort((-fused, found.row_pair))[found.start]  # of each pair, the row of its best passage
        order = np.lexsort((-fused[best], found.query))
        place = np.arange(len(order)) - np.searchsorted(found.query, found.query)
        relevant = np.bincount(found.query, found.gain)
        kept = order[((place < TAUGHT) | (found.gain[order] > 0)) & (relevant[found.query] > 0)]
        begin = np.flatnonzero(np.diff(found.query[kept], prepend=-1))
        return cls(design(found, names)[best[kept]], begin, found.gain[kept] / relevant[found.query[kept]])

    def loss(self, parameters: Floats) -> tuple[float, Floats]:
        """Cross entropy between relevance and the softmax of the scores, by query on average; and its gradient."""
        sizes = np.diff(self.begin, append=len(self.wanted))
        scores = self.columns @ parameters
        scores -= np.repeat(np.maximum.reduceat(scores, self.begin), sizes)
        sums = np.repeat(np.add.reduceat(np.exp(scores), self.begin), sizes)
        entropy = -(self.wanted * (scores - np.log(sums))).sum() / len(sizes)
        return float(entropy), self.columns.T @ (np.exp(scores) / sums - self.wanted) / len(sizes)


def learn(lessons: Sequence[Lesson]) -> Floats:
    """Parameters of a multinomial logistic regression in which each set weighs the same."""
    count = lessons[0].columns.shape[1]

    def objective(parameters: Floats) -> tuple[float, Floats]:
        losses, slopes = zip(*(lesson.loss(parameters) for lesson in lessons), strict=True)
        return np.mean(losses) + RIDGE / 2 * parameters @ parameters, np.mean(slopes, axis=0) + RIDGE * parameters

    return minimize(objective, np.zeros(count), jac=True, method="L-BFGS-B").x


def compare_learned(sets: Sets) -> None:
    columns, told = {"default": sets.default, "shares": left_out(sets.each(by_weight, shares))}, []
    for name, more in MODELS.items():
        parts = ("lexical", "dense", *more)
        lessons = [Lesson.of(some, parts, sets.weight) for some in sets.found.values()]
        parameters = [learn(lessons[:number] + lessons[number + 1 :]) for number in range(len(lessons))]
        found = zip(sets.found.values(), parameters, strict=True)
        columns[name] = np.array([ndcg(design(some, parts) @ theirs, some) for some, theirs in found])
        overall = learn(lessons)
        told.append(f"- {name}: " + by_name(parts, overall / overall[:2].sum()))
    sets.table("A linear combination, learned on the other sets", columns)
    sets.tables.append("Learned on all sets, the legs together 1:\n\n" + "\n".join(told))


def by_name(names: Sequence[str], values: Floats) -> str:
    return ", ".join(f"{name} {value:.2f}" for name, value in zip(names, values, strict=True))


# rules for the weight


def signs(found: Candidates) -> dict[str, Floats]:
    """What may tell, without judgements, how far BM25 is to be trusted; by row, the same for all of a query."""
    both = np.ones(len(found.lexical))
    tops, falls = [], []
    for scores, ranks in each_leg(found):
        tops.append(by_query(scores, found))
        falls.append(1 - by_query(np.where(ranks == 10, scores, 0), found) / np.maximum(tops[-1], 1e-9))
        both *= (ranks > 0) & (ranks <= 10)
    return {
        "fall to the tenth": falls[0] - falls[1],
        "agreement of ten": by_query(both, found, np.add) / 10,
        "best of the ceiling": tops[0] / np.maximum(found.ceiling[found.row_query], 1e-9),
        "known items": np.full(len(both), found.known[0] - found.known[1]),
    }


def by_rule(found: Candidates, sign: str) -> list[float]:
    legs, told = shares(found), signs(found)[sign]
    return [ndcg(blend(legs, np.clip(weight + slope * told, 0, 1)), found) for slope in SLOPES for weight in BASES]


def compare_rules(sets: Sets) -> None:
    columns, notes = {}, {}
    for sign in signs(next(iter(sets.found.values()))):
        grid = sets.each(by_rule, sign)
        columns |= {"constant": left_out(grid[:, : len(BASES)]), sign: left_out(grid)}
        slope, base = divmod(int(grid.mean(axis=0).argmax()), len(BASES))
        notes[sign] = f"{BASES[base]:.1f} {SLOPES[slope]:+.2f}x"
    sets.table("Rules for the weight of BM25, both numbers chosen on the other sets", columns, notes)


def weaker(found: Candidates, noise: float) -> Candidates:
    """The same with a dense leg that errs: noise of so many deviations of a query's cosines is added."""
    mean = by_query(found.dense, found, np.add) / by_query(np.ones_like(found.dense), found, np.add)
    spread = np.sqrt(np.mean((found.dense - mean) ** 2))
    return replace(found, dense=found.dense + noise * spread * np.random.default_rng(0).normal(size=len(found.dense)))


def compare_weak(sets: Sets) -> None:
    weights, rows = (0.4, 0.5, 0.6, 0.7, 0.8, 0.9), {}
    for noise in (0.0, 0.5, 1.0, 2.0):
        weak = Sets({name: weaker(some, noise) for name, some in sets.found.items()}, sets.weight)
        best, grid = np.maximum(weak.lexical, weak.dense), weak.each(by_weight, shares)
        figures = [grid[:, WEIGHTS.index(weight)] for weight in weights]
        cells = [f"{shown(values.mean())} ({worst(best, values)})" for values in figures]
        rows[str(noise)] = [shown(weak.lexical.mean()), shown(weak.dense.mean()), *cells]
    title = "A dense leg made worse by noise: mean (largest loss against the better leg) by weight of BM25"
    sets.tables.append(f"### {title}\n\n{markdown('noise', ['BM25', 'dense', *map(str, weights)], rows)}")


def main(
    folders: Annotated[list[Path], typer.Argument(help="BEIR folders.")],
    cache: Annotated[Path, typer.Option(help="Where indexes and candidates are kept.")],
    encoder: Annotated[str, typer.Option(help="Encoder of the indexes.")] = "bundled-en",
    queries: Annotated[int, typer.Option(help="Queries of a set at most.")] = 400,
    vectors: Annotated[Path | None, typer.Option(help="Folder of vectors made before, to play back.")] = None,
    passages: Annotated[Path | None, typer.Option(help="Folder of the texts of these vectors.")] = None,
    tokenizer: Annotated[Path | None, typer.Option(help="tokenizer.json that cut these texts.")] = None,
) -> None:
    """Print tables in Markdown."""
    loaded = load_encoder(encoder) if vectors is None else play_back(vectors, passages, tokenizer, encoder)
    found = {folder.name: candidates(folder, cache, loaded, queries) for folder in folders}
    weight = LEXICAL_WEIGHT[loaded.fingerprint.partition(":")[0]]
    for folder in folders:
        some = found[folder.name]
        for scores in (lexical_alone(some), some.dense, blend(shares(some), weight)):
            check(scores, some, folder)
    asked = sum(len(some.queries) for some in found.values())
    sets = Sets(found, weight)
    for compare in (compare_fusions, compare_documents, compare_learned, compare_rules, compare_weak):
        compare(sets)
    encoded = f"Encoder {loaded.name} (`{loaded.fingerprint}`), {len(found)} sets, {asked} queries"
    print(f"{encoded}; the default: shares, BM25 weighing {weight}.\n\n{sets.tables[0]}\n")
    print("In short, mean (largest loss against the default):\n", *sets.short, sep="\n")
    print("", *sets.tables[1:], sep="\n\n")


def play_back(vectors: Path, passages: Path | None, tokenizer: Path | None, name: str) -> Encoder:
    from training.lookup import LookupEncoder

    return LookupEncoder(vectors, passages or vectors, tokenizer or BUNDLED / "tokenizer.json", name)


if __name__ == "__main__":
    typer.run(main)
