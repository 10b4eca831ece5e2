"""Fit the relevance of hits on judged queries, and say how far it can be trusted.

Use, from the root of the repository::

    python -m training.calibrate DATA --cache CACHE --write                     # after a new bundled encoder
    python -m training.calibrate DATA --cache CACHE --lookup VECTORS PASSAGES TOKENIZER --write     # transformers

DATA holds a folder per set in BEIR format. Weights and figures are printed; with ``--write`` the weights go into the
package, figures and curve into docs. Every figure of a set comes from weights fitted without it. Sets weigh the same;
within each, queries that have an answer weigh as much as those that have none, each query like the next, and so do its
hits.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize
from scipy.special import expit
from scipy.stats import rankdata

from searchidx.encoders import DEFAULT_ENCODER, load_encoder
from searchidx.ranking.calibration import FILE, evidence, name_of, relevance
from searchidx.types import Mode
from training.foreign import FOREIGN, MODES, Asked, ask_samples, ask_sets
from training.lookup import LookupEncoder

ROOT = Path(__file__).parents[1]
SAMPLES = ROOT / "tests" / "regressions" / "samples"
PAGE = ROOT / "docs" / "calibration.md"
BINS = 10
HIDDEN = 0.02
"""Share of answerable queries, on average over the sets, that the bound of a mode may hide."""

Floats = npt.NDArray[np.float64]
Weights = Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Judged:
    """The hits of one set in one mode, flat, and its queries."""

    inputs: Floats  # [hits, 3]: 1, share, evidence
    relevant: Floats
    weights: Floats
    queries: Sequence[Asked]


@dataclass(frozen=True, slots=True)
class Scored:
    """A set, scored with weights that do not know it; ``best`` is the score of each query's first hit, 0 for none."""

    scores: Floats
    judged: Judged
    best: Floats

    def of(self, answerable: bool, keywords: bool | None = None) -> Floats:
        """Best scores of the queries of one kind."""
        return np.array(
            [
                best
                for best, query in zip(self.best, self.judged.queries, strict=True)
                if query.answerable == answerable and keywords in (None, query.keywords)
            ]
        )


def judged_of(asked: Sequence[Asked], mode: Mode) -> Judged:
    """The hits of a mode."""
    queries = [query for query in asked if query.mode == mode]
    share = {kind: 0.5 / sum(query.answerable == kind for query in queries) for kind in (True, False)}
    weights = [share[query.answerable] / len(query.parts) for query in queries for _ in query.parts]
    inputs = [[1.0, each["share"], evidence(each)] for query in queries for each in query.parts]
    relevant = [float(hit) for query in queries for hit in query.relevant]
    return Judged(np.array(inputs), np.array(relevant), np.array(weights), queries)


def fit(sets: Sequence[Judged]) -> dict[str, float]:
    """Weights by maximum likelihood; but for the bias none is below 0, so that nothing good counts against a hit."""
    inputs, relevant, weights = (
        np.concatenate([getattr(judged, field) for judged in sets]) for field in ("inputs", "relevant", "weights")
    )
    weights = weights / weights.sum()

    def loss(theta: Floats) -> tuple[float, Floats]:
        logits = inputs @ theta
        value = weights @ (np.logaddexp(0, logits) - relevant * logits)
        return float(value), inputs.T @ (weights * (expit(logits) - relevant))

    bounds = [(None, None), (0, None), (0, None)]
    found = minimize(loss, np.zeros(3), jac=True, bounds=bounds, method="L-BFGS-B", tol=1e-12)
    return dict(zip(("bias", "share", "evidence"), np.round(found.x, 3).tolist(), strict=True))


def score(judged: Judged, weights: Weights) -> Scored:
    """Scores as a search gives them."""
    scores = [relevance(query.parts, weights) for query in judged.queries]
    best = np.array([each[0] if each else 0.0 for each in scores])
    return Scored(np.array([value for each in scores for value in each]), judged, best)


def leave_one_out(sets: Mapping[str, Judged]) -> dict[str, tuple[Scored, float]]:
    """Each set scored by weights, and with a bound, that the others gave."""
    found = {}
    for name, judged in sets.items():
        others = [other for key, other in sets.items() if key != name]
        weights = fit(others)
        found[name] = score(judged, weights), bound([score(other, weights) for other in others])
    return found


def bound(sets: Sequence[Scored]) -> float:
    """The highest bound, in hundredths, that hides no more than HIDDEN of the answerable queries of the mean set."""
    for hundredths in range(99, 0, -1):
        if np.mean([np.mean(scored.of(True) < hundredths / 100) for scored in sets]) <= HIDDEN:
            return hundredths / 100
    return 0.0


def curve(sets: Sequence[Scored]) -> list[tuple[float, float, float]]:
    """Mean score, share of relevant hits, and weight of each tenth of the scale."""
    scores, relevant, weights = (
        np.concatenate([values(scored) for scored in sets])
        for values in (lambda s: s.scores, lambda s: s.judged.relevant, lambda s: s.judged.weights / len(sets))
    )
    tenth = np.minimum((scores * BINS).astype(int), BINS - 1)
    points = []
    for number in range(BINS):
        inside = weights * (tenth == number)
        if inside.sum():
            total = inside.sum()
            points.append((float(inside @ scores / total), float(inside @ relevant / total), float(total)))
    return points


def calibration_error(points: Sequence[tuple[float, float, float]]) -> float:
    """Expected calibration error: mean distance of score and share of relevant hits."""
    return sum(weight * abs(score - share) for score, share, weight in points)


def auc(scored: Scored) -> float:
    """Probability that the best score of an answerable query is above that of one that is not."""
    yes, no = scored.of(True), scored.of(False)
    ranks = rankdata(np.concatenate([yes, no]))
    return float((ranks[: len(yes)].sum() - len(yes) * (len(yes) + 1) / 2) / (len(yes) * len(no)))


# report


def measures(scored: Scored, limit: float) -> list[float]:
    """Calibration error, AUC, the bound that other sets gave, then the shares of both kinds below it.

    The last two are those of the keywords alone.
    """
    below = [
        float(np.mean(best < limit)) if len(best := scored.of(answerable, keywords)) else np.nan
        for keywords in (None, True)
        for answerable in (True, False)
    ]
    return [calibration_error(curve([scored])), auc(scored), limit, *below]


def tables(modes: Mapping[str, Mapping[str, tuple[Scored, float]]]) -> list[str]:
    """A row per set for the first mode, and the means of each mode."""
    head = "| queries | calibration error | AUC | bound | hidden | caught | keywords hidden | caught |"
    first = next(iter(modes))
    lines = [f"| {first}: set {head}", "|---" * 9 + "|"]
    for name, (one, limit) in modes[first].items():
        count = f"{len(one.of(True))} + {len(one.of(False))}"
        lines.append(f"| {name} | {count} | {_cells(measures(one, limit))} |")
    lines += ["", f"| mean {head}", "|---" * 9 + "|"]
    for mode, scored in modes.items():
        means = np.mean([measures(*each) for each in scored.values()], axis=0)
        lines.append(f"| {mode} | {len(scored)} sets | {_cells(means.tolist())} |")
    return lines


def _cells(values: Sequence[float]) -> str:
    cells = [f"{value:.3f}" for value in values[:2]] + [f"{values[2]:.2f}"]
    cells += ["-" if np.isnan(value) else f"{100 * value:.1f}%" for value in values[3:]]
    return " | ".join(cells)


def curve_lines(curves: Mapping[str, Sequence[tuple[float, float, float]]]) -> list[str]:
    """The curves as text, one line for each mode."""
    return [
        f"- {name}, all sets together: error {calibration_error(points):.3f}; score and share relevant by tenths "
        + ", ".join(f"{score:.2f} {share:.2f}" for score, share, _ in points)
        for name, points in curves.items()
    ]


def sample_lines(asked: Sequence[Asked], fitted: Mapping[str, Weights]) -> list[str]:
    """The rates on the samples, which nothing was fitted to; the first 12 queries without answer are far off."""
    lines = []
    for mode in MODES:
        one = score(judged_of(asked, mode), fitted[name_of(mode, "static")])
        limit = fitted[name_of(mode, "static")]["bound"]
        yes, no = (one.of(answerable) < limit for answerable in (True, False))
        far, near = no[:12], no[12:]
        lines.append(
            f"- samples, {mode}: AUC {auc(one):.3f}; below {limit}: {yes.sum()} of {len(yes)} answerable queries, "
            f"of the others {far.sum()} of {len(far)} far from every article and {near.sum()} of {len(near)} near one"
        )
    return lines


def draw(curves: Mapping[str, Sequence[tuple[float, float, float]]], path: Path) -> None:
    """Draw reliability curves; the same curves give the same bytes."""
    from matplotlib import rc_context
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    with rc_context({"svg.hashsalt": "searchidx", "svg.fonttype": "none"}):
        figure = Figure(figsize=(5.2, 4.6), layout="constrained")
        FigureCanvasSVG(figure)
        axes = figure.add_subplot()
        axes.plot([0, 1], [0, 1], color="#aaaaaa", linewidth=1)
        for name, points in curves.items():
            axes.plot([point[0] for point in points], [point[1] for point in points], "o-", markersize=4, label=name)
        axes.set_xlabel("score")
        axes.set_ylabel("share of hits that were judged relevant")
        axes.set_aspect("equal")
        axes.grid(True, color="#e4e4e4")
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False, fontsize=9)
        figure.savefig(path, metadata={"Date": None, "Creator": None})


def main() -> None:
    """Ask, fit, report; with ``--write`` keep the weights."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data", type=Path, help="folder of folders in BEIR format")
    parser.add_argument("--cache", type=Path, required=True, help="folder for indexes and answers")
    parser.add_argument("--sets", nargs="+", default=list(FOREIGN), help="names of folders in it")
    parser.add_argument("--lookup", nargs=3, type=Path, metavar=("VECTORS", "PASSAGES", "TOKENIZER"))
    parser.add_argument("--write", action="store_true", help=f"update {FILE.name}, {PAGE.name} and its curve")
    options = parser.parse_args()
    options.cache.mkdir(parents=True, exist_ok=True)
    names = set(options.sets)
    if options.lookup:
        encoder = LookupEncoder(*options.lookup, "all-MiniLM-L6-v2")
        names &= {file.stem for file in options.lookup[0].glob("*.npz")}
    else:
        encoder = load_encoder(DEFAULT_ENCODER)
    kind = encoder.fingerprint.partition(":")[0]
    asked = dict(ask_sets(options.data, options.cache, encoder, names, keywords=not options.lookup))
    fitted, scored = json.loads(FILE.read_text(encoding="utf-8")), {}
    for mode in MODES[:2] if options.lookup else MODES:
        sets = {name: judged_of(each, mode) for name, each in asked.items()}
        scored[name_of(mode, kind)] = leave_one_out(sets)
        weights = fit(list(sets.values()))
        fitted[name_of(mode, kind)] = weights | {"bound": bound([score(judged, weights) for judged in sets.values()])}
    curves = {name: curve([one for one, _ in each.values()]) for name, each in scored.items()}
    lines = [f"Encoder {encoder.name} (`{encoder.fingerprint}`), {len(asked)} sets:", "", *tables(scored), ""]
    lines += curve_lines(curves)
    if not options.lookup:
        lines += sample_lines(ask_samples(SAMPLES, options.cache), fitted)
    lines += [f"- weights of {name}: {json.dumps(fitted[name])}" for name in scored]
    print("\n".join(lines))
    if options.write:
        rows = ",\n".join(f" {json.dumps(name)}: {json.dumps(weights)}" for name, weights in sorted(fitted.items()))
        FILE.write_text(f"{{\n{rows}\n}}\n", encoding="utf-8")
        draw(curves, PAGE.with_name(f"calibration-{kind}.svg"))
        write_page(kind, lines)


def write_page(kind: str, lines: Sequence[str]) -> None:
    """Put the lines between the marks of a kind of encoder."""
    opening, closing = f"<!-- calibration {kind} -->\n", f"<!-- /calibration {kind} -->"
    before, found, rest = PAGE.read_text(encoding="utf-8").partition(opening)
    if not found or closing not in rest:
        raise SystemExit(f"{PAGE} has no {opening.strip()} and {closing}: add both, each on a line of its own")
    after = rest[rest.index(closing) :]
    PAGE.write_text(before + opening + "\n".join(lines) + "\n" + after, encoding="utf-8")


if __name__ == "__main__":
    main()
