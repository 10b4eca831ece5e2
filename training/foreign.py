"""What an index says of queries that it answers and of queries that it cannot answer.

Answerable are the judged queries of a set; foreign are those of sets on plainly other topics, asked of this one. Hits
of the former are relevant where they were judged so: what nobody judged counts as not relevant. Hits of the latter
never are. People type fewer words than the queries of most sets have, so every third query is also asked as its longest
words.
"""

from __future__ import annotations

import hashlib
import json
import random
import string
from collections.abc import Collection as Container
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import searchidx
from searchidx import Index
from searchidx.encoders import load_encoder
from searchidx.evaluation import Collection, build_index, read_collection
from searchidx.storage.analysis import analysis
from searchidx.types import Encoder, Mode

FOREIGN = {
    "adi": ("time", "xquad_en", "scifact", "cranfield"),
    "basil_events": ("scifact", "cacm", "cranfield", "lisa"),
    "bbc_headline": ("cranfield", "npl", "cacm", "lisa"),
    "cacm": ("basil_events", "xquad_en", "scifact", "time"),
    "checkthat2020": ("cranfield", "lisa", "cacm", "npl"),
    "covidfact_sent": ("cacm", "time", "cranfield", "lisa"),
    "cranfield": ("bbc_headline", "rtqa_evidence_dev", "time", "scifact"),
    "lisa": ("cranfield", "checkthat2020", "time", "basil_events"),
    "npl": ("scifact", "xquad_en", "time", "rtqa_evidence_dev"),
    "rtqa_evidence_dev": ("cranfield", "npl", "lisa", "cacm"),
    "scifact": ("time", "squadshifts_wiki", "cacm", "usgov_posts"),
    "squadshifts_wiki": ("npl", "cacm", "cranfield", "scifact"),
    "time": ("scifact", "usgov_posts", "cacm", "cranfield"),
    "usgov_posts": ("cranfield", "covidfact_sent", "scifact", "time"),
    "xquad_en": ("adi", "npl", "cacm", "scifact"),
}
"""For each set those whose queries it cannot answer; the first two that are there are asked."""
MODES: tuple[Mode, ...] = ("hybrid", "dense", "lexical")
JUDGED, ASKED = 300, 75
"""Queries of a set at most, of its own and of each foreign one; drawn with a fixed seed."""
DEPTH = 10
EVERY, KEYWORDS = 3, 3
"""Which queries are also asked as keywords, and how many words that are."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A query, and the hits of one mode.

    Attributes:
        mode: of the search.
        keywords: whether only its longest words were asked.
        answerable: whether it belongs to the set.
        parts: of each hit, best first.
        relevant: whether each hit was judged relevant.
    """

    mode: Mode
    keywords: bool
    answerable: bool
    parts: Sequence[Mapping[str, float]]
    relevant: Sequence[bool]


def ask_sets(
    data: Path, cache: Path, encoder: Encoder, names: Container[str] = FOREIGN.keys(), *, keywords: bool = True
) -> Iterator[tuple[str, list[Asked]]]:
    """Ask each set its own queries and foreign ones; what was asked before comes from the cache.

    Args:
        data: folder of folders in BEIR format.
        cache: where indexes and answers are kept.
        encoder: of the indexes.
        names: sets that may be asked, and whose queries may.
        keywords: whether the encoder knows other texts than whole queries.
    """
    sets = {name: read_collection(data / name) for name in FOREIGN if name in names and (data / name).is_dir()}
    for name, collection in sets.items():
        foreign = [other for other in FOREIGN[name] if other in sets][:2]
        if not foreign:  # a set alone says nothing of queries without an answer
            continue
        file = cache / f"asked-{name}-{_digest(encoder.fingerprint, name, foreign, keywords)}.json"
        if not file.exists():
            with build_index(collection, cache, encoder=encoder) as index:
                asked = [asdict(one) for one in _ask(index, collection, [sets[f] for f in foreign], keywords)]
            file.write_text(json.dumps(asked), encoding="utf-8")
        yield name, [Asked(**values) for values in json.loads(file.read_text(encoding="utf-8"))]


def ask_samples(folder: Path, cache: Path) -> list[Asked]:
    """Ask the sample articles with the default encoder; ``queries.none.jsonl`` has the queries they do not answer."""
    lines = (folder / "queries.none.jsonl").read_text(encoding="utf-8").splitlines()
    none = Collection("none", None, {row["_id"]: row["text"] for row in map(json.loads, lines)}, {})
    samples = Path(searchidx.__file__).parent / "samples"
    judged = read_collection(folder)
    collection = Collection("samples", samples, judged.queries, judged.qrels)
    with build_index(collection, cache, encoder=load_encoder("bundled-en")) as index:
        return list(_ask(index, collection, [none], keywords=False))


def _ask(index: Index, own: Collection, foreign: Sequence[Collection], keywords: bool) -> Iterator[Asked]:
    for other in (own, *foreign):
        drawn = sorted(other.queries)
        random.Random(0).shuffle(drawn)
        for number, query_id in enumerate(drawn[: JUDGED if other is own else ASKED]):
            relevant = {doc_id for doc_id, grade in own.qrels[query_id].items() if grade > 0} if other is own else set()
            text = other.queries[query_id]
            texts = {text: False} | ({longest_words(text): True} if keywords and number % EVERY == 0 else {})
            for query, short in texts.items():
                yield from (_hits(index, query, mode, relevant, short, other is own) for mode in MODES)


def _hits(index: Index, query: str, mode: Mode, relevant: Container[str], short: bool, answerable: bool) -> Asked:
    hits = index.search(query, DEPTH, mode=mode)
    judged = [hit.document.doc_id in relevant for hit in hits]
    return Asked(mode, short, answerable, [dict(hit.parts) for hit in hits], judged)


def longest_words(text: str) -> str:
    """The longest words of a text that say something, in their order; no numbers, names of users or addresses."""
    words = [word for word in (each.strip(string.punctuation) for each in text.split()) if word.isalpha()]
    words = [word for word in words if analysis().content_words(word)]
    kept = sorted(range(len(words)), key=lambda place: (-len(words[place]), place))[:KEYWORDS]
    return " ".join(words[place] for place in sorted(kept)) or text


def _digest(*parts: object) -> str:
    """Changes with the parts, the constants above, and the code that cuts, analyses, searches and merges."""
    root = Path(searchidx.__file__).parent
    constants = JUDGED, ASKED, DEPTH, EVERY, KEYWORDS
    files = [*root.glob("storage/*.py"), *root.glob("ranking/*.py"), *root.glob("articles/*.py"), root / "search.py"]
    code = b"".join(path.read_bytes() for path in sorted(files))
    return hashlib.blake2b(repr((parts, constants)).encode() + code, digest_size=6).hexdigest()
