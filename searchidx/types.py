"""The nouns of searchidx: frozen values without behaviour beyond ``to_dict``, and the two protocols."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Matrix: TypeAlias = npt.NDArray[np.float32]
    """float32, shape [n, dim], C-contiguous, rows of unit length."""
    IdSet: TypeAlias = npt.NDArray[np.int64]
    """Passage ids, int64, sorted, each once."""

Ranking: TypeAlias = list[tuple[int, float]]
"""Passage ids with scores, best first."""
Mode: TypeAlias = Literal["hybrid", "dense", "lexical"]
Sort: TypeAlias = Literal["relevance", "date"]
"""What hits are sorted by."""
Furniture: TypeAlias = Literal["drop", "everywhere", "keep"]
"""What becomes of furniture: it is dropped from scraped texts and pages, from all there is, or from nothing."""
Where: TypeAlias = Sequence[str | Mapping[str, Any]]
"""Filters that must all hold: ``"topic=law"``, or nested ones as mappings (see ``searchidx.ranking.filters``)."""


def _plain(value: Any) -> dict[str, Any]:
    """The fields of a flat value by name; ``asdict`` copies each, which took 0.5 ms of a search over HTTP."""
    return {name: getattr(value, name) for name in value.__slots__}


@dataclass(frozen=True, slots=True)
class Fetched:
    """What a server, and the feed that led to it, said of a web address.

    Attributes:
        address: where it was found in the end, after redirects.
        etag: validator for the next time, as the server sent it; ``""`` where it sent none.
        modified: its Last-Modified, as sent.
        stamp: when it changed last, by the feed that lists it.
        title: by the feed, for a page that does not say; so are ``published`` and ``author``.
        published: ISO 8601.
        author: as printed.
        content: what a feed has of its text, as HTML, where the page was never read.
        unread: why the page itself was not read this time; ``""`` where it was.

    """

    address: str
    etag: str = ""
    modified: str = ""
    stamp: str = ""
    title: str = ""
    published: str = ""
    author: str = ""
    content: str = ""
    unread: str = ""


@dataclass(frozen=True, slots=True)
class Source:
    """An address with articles behind it.

    Attributes:
        uri: where it lies: an absolute path, a web address, or ``stdin``.
        root: what the user named and ``sync`` visits again: an absolute path, a glob pattern, or a web address.
        label: short path for people, relative to the folder that holds the root; the doc_id of an article without one.
        media_type: of the file: ``text/plain``, ``application/pdf``... (see ``searchidx.articles.sniffing``).
        path: the file to read; for stdin and the web a temporary copy.
        web: of a web address, what is known beyond its body.

    """

    uri: str
    root: str
    label: str
    media_type: str
    path: Path
    web: Fetched | None = None


@dataclass(frozen=True, slots=True)
class Failure:
    """A source, or one line of it, that could not be read. ``reason`` is one sentence with the remedy."""

    uri: str
    reason: str


@dataclass(frozen=True, slots=True)
class Document:
    r"""One article.

    Attributes:
        doc_id: unique within an index.
        title: may be empty.
        text: the body; NFC, newlines as ``\n``, no NUL and no lone surrogates. All offsets count its characters.
        uri: where a person can read it: a web address or a file path.
        published: ISO 8601 in UTC with the precision that is known (``2018``, ``2018-05``, ``2018-05-03``,
            ``2018-05-03T10:00:00Z``), or ``""``.
        author: as printed; several are joined by ``", "``.
        source: the outlet or site.
        language: ISO 639 code, or ``""`` when unknown.
        metadata: anything else, JSON values only.
        media_type: how ``text`` marks headings: ``text/plain`` or ``text/markdown``.

    """

    doc_id: str
    text: str
    title: str = ""
    uri: str = ""
    published: str = ""
    author: str = ""
    source: str = ""
    language: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    media_type: str = "text/plain"

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        return {**_plain(self), "metadata": dict(self.metadata)}


@dataclass(frozen=True, slots=True)
class Passage:
    """A stretch of a document: ``document.text[start:end] == text``.

    Attributes:
        passage_id: given by the store and never reused; 0 before it is stored.
        doc_id: the document it belongs to.
        ordinal: its place within the document, from 0.
        heading: the headings above it, outermost first, joined by ``" > "``.
        start: first character in ``document.text``.
        end: one past the last character.
        text: the characters themselves.

    """

    passage_id: int
    doc_id: str
    ordinal: int
    heading: str
    start: int
    end: int
    text: str

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        return _plain(self)


@dataclass(frozen=True, slots=True)
class Query:
    """A question on its way through the legs; ``vector`` has shape [dim] and is None where no dense leg is asked."""

    text: str
    vector: npt.NDArray[np.float32] | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """One entry of the numbered list of changes: ``put`` is False where the passage was dropped."""

    seq: int
    passage_id: int
    put: bool


@dataclass(frozen=True, slots=True)
class Citation:
    """Where exactly a hit stands: ``text[start:end]`` of document ``doc_id``, which a person finds at ``uri``.

    ``pages`` are those of the passage, ``"3"`` or ``"3-4"``, where the document has pages.
    """

    doc_id: str
    title: str
    source: str
    published: str
    uri: str
    start: int
    end: int
    pages: str = ""

    def __str__(self) -> str:
        name = f"“{self.title}”" if self.title else self.doc_id
        place = f"characters {self.start}-{self.end}"
        parts = [name, self.source, self.published[:10], self.uri, _on_pages(self.pages), place]
        return ", ".join(part for part in parts if part)


def _on_pages(pages: str) -> str:
    """``page 3`` or ``pages 3-4``, as citations write it."""
    return f"page{'s' if '-' in pages else ''} {pages}" if pages else ""


@dataclass(frozen=True, slots=True)
class Leg:
    """What one leg said of a passage: its rank from 1, and the leg's own score (cosine, or BM25).

    The rank is None where the passage was a candidate of the other leg only, and this one was asked for its score.
    """

    rank: int | None
    score: float


@dataclass(frozen=True, slots=True)
class Copy:
    """An article that says what a hit's article says, nearly word for word: the same wire story in another paper.

    Fields as those of a ``Document``; ``Index.get(doc_id)`` returns it whole.
    """

    doc_id: str
    title: str
    source: str
    published: str
    uri: str

    def __str__(self) -> str:
        name = f"“{self.title}”" if self.title else self.doc_id
        return ", ".join(part for part in (name, self.source, self.published[:10], self.uri) if part)


@dataclass(frozen=True, slots=True)
class Hit:
    """One answer to a query.

    Attributes:
        rank: from 1.
        score: relevance from 0 to 1, with the same meaning for every mode and encoder: how likely a person would judge
            the hit relevant.
        merged: what hits are sorted by: the merged score of hybrid search, or the leg's own in the other modes; where
            relevance halves with age, ``score`` so lessened. Sorted by date, hits have it and do not follow it.
        passage: the best passage of its article.
        document: the article; ``text`` is left empty here, ``Index.get`` returns it.
        legs: ``dense`` and ``lexical``, each where that leg found the passage.
        citation: the exact place.
        highlights: character spans within ``passage.text`` of the sentences that answer best.
        terms: character spans within ``passage.text`` of the words of the query.
        others: further passages of the same article that were found, best first.
        parts: what ``score`` was calculated from, by name (see ``searchidx.ranking.calibration``).
        copies: other articles that tell the same story and pass the filters, in the order they were added; none where a
            search asks for all copies as hits.

    """

    rank: int
    score: float
    merged: float
    passage: Passage
    document: Document
    legs: Mapping[str, Leg]
    citation: Citation
    highlights: tuple[tuple[int, int], ...] = ()
    terms: tuple[tuple[int, int], ...] = ()
    others: tuple[Passage, ...] = ()
    parts: Mapping[str, float] = field(default_factory=dict)
    copies: tuple[Copy, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON; the same from every door."""
        document = self.document.to_dict()
        del document["text"]
        return {
            "rank": self.rank,
            "score": self.score,
            "merged": self.merged,
            "parts": dict(self.parts),
            "document": document,
            "passage": self.passage.to_dict(),
            "citation": {**_plain(self.citation), "text": str(self.citation)},
            "legs": {name: _plain(leg) for name, leg in self.legs.items()},
            "highlights": [list(span) for span in self.highlights],
            "terms": [list(span) for span in self.terms],
            "others": [passage.to_dict() for passage in self.others],
            "copies": [_plain(copy) for copy in self.copies],
        }


@dataclass(frozen=True, slots=True)
class Undated:
    """What a filter by date left out of a search because it has none.

    Attributes:
        articles: those without a date that pass every other filter.
        hits: those of them that would be among the hits, if dates let them pass.

    """

    articles: int = 0
    hits: int = 0

    def to_dict(self) -> dict[str, int]:
        """Plain values, ready for JSON."""
        return _plain(self)


@dataclass(frozen=True, slots=True)
class Context:
    """Passages for a language model.

    Attributes:
        query: the question.
        text: the passages in one text, numbered ``[1]``, ``[2]``...; with instructions around them where asked for.
        tokens: length of ``text``.
        tokenizer: what counted the tokens: the name of an encoder, or a ``tokenizer.json``.
        max_tokens: the budget that ``tokens`` keeps to.
        fence: the code that marks where quoted text begins and ends; it occurs in none of the passages.
        citations: the place of each passage, in the order of their numbers.
        passages: the text of each: ``document.text[start:end]`` of its citation.
        scores: the relevance of each, from 0 to 1: that of its best part where several were joined.

    """

    query: str
    text: str
    tokens: int
    tokenizer: str
    max_tokens: int
    fence: str
    citations: tuple[Citation, ...]
    passages: tuple[str, ...]
    scores: tuple[float, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON; ``passages`` has number, score, citation and text of each."""
        citations = [{**_plain(citation), "text": str(citation)} for citation in self.citations]
        numbered = enumerate(zip(self.scores, citations, self.passages, strict=True), 1)
        return {
            "query": self.query,
            "text": self.text,
            "tokens": self.tokens,
            "tokenizer": self.tokenizer,
            "max_tokens": self.max_tokens,
            "fence": self.fence,
            "citations": citations,
            "passages": [
                {"number": number, "score": score, "citation": citation, "text": text}
                for number, (score, citation, text) in numbered
            ],
        }


@dataclass(frozen=True, slots=True)
class Report:
    """What an ``add``, ``sync`` or ``remove`` did.

    Attributes:
        added: articles that are new.
        updated: articles whose content changed.
        unchanged: articles that were there already.
        removed: articles that are gone.
        passages: passages encoded.
        seconds: time taken.
        failed: sources that could not be read, with the reason; the next ``sync`` tries them again.
        skipped: files left out, counted by reason (``hidden``, ``binary``, ...).

    """

    added: int = 0
    updated: int = 0
    unchanged: int = 0
    removed: int = 0
    passages: int = 0
    seconds: float = 0.0
    failed: tuple[Failure, ...] = ()
    skipped: Mapping[str, int] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        return asdict(self)


class Encoder(Protocol):
    """Turns text into vectors. Two encoders with the same fingerprint give the same vectors.

    Attributes:
        name: what ``load_encoder`` was asked for.
        fingerprint: changes with anything that changes a vector: weights, tokenizer, prompts, length limit.
        dim: length of a vector.
        max_tokens: longest input in the encoder's own tokens; more is cut off. 0 where there is no limit.

    """

    name: str
    fingerprint: str
    dim: int
    max_tokens: int

    def encode_passages(self, texts: Sequence[str]) -> Matrix:
        """Vectors of passages: float32 [n, dim], unit length (a text without a known token gets a zero row)."""
        ...

    def encode_queries(self, texts: Sequence[str]) -> Matrix:
        """Vectors of queries: float32 [n, dim], unit length; where prompts differ, they differ here."""
        ...

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Length of each text in the encoder's own tokens, without special ones."""
        ...


class PassageIndex(Protocol):
    """An arrangement of the passages for one leg: it can be deleted and rebuilt from the store at any time."""

    def position(self) -> int:
        """Number of the last change that it contains."""
        ...

    def apply(self, changes: Iterable[Change]) -> None:
        """Put and drop passages in the order given; applying the same changes twice is a no-op."""
        ...

    def search(self, query: Query, k: int, allowed: IdSet | None) -> Ranking:
        """The best ``k`` passages among ``allowed`` (None: all), ties by passage id."""
        ...

    def scores(self, query: Query, ids: IdSet) -> Ranking:
        """The scores that ``search`` gives or would give these passages; one without a score is left out."""
        ...

    def ceiling(self, query: Query) -> float:
        """A score that no passage can exceed for this query, whatever it says; 0 where the query has none."""
        ...
