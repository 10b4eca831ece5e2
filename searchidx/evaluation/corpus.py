"""The documents of a collection as an index; those in TREC form are rewritten as JSONL on the way."""

from __future__ import annotations

import html
import json
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import xxhash

from searchidx.articles.decoding import decode
from searchidx.encoders import DEFAULT_ENCODER, load_encoder
from searchidx.errors import BadCollection
from searchidx.evaluation.collection import Collection
from searchidx.evaluation.lines import head, opened
from searchidx.index import Index
from searchidx.storage.database import FILE
from searchidx.storage.files import HashingFile, replace_durably
from searchidx.types import Encoder, Failure

if TYPE_CHECKING:
    from searchidx.ingest import Progress

_DOCNO = re.compile(r"<docno>(.*?)</docno>", re.IGNORECASE | re.DOTALL)
_TITLE = re.compile(r"<(headline|head|title|ttl|hl)>(.*?)</\1>", re.IGNORECASE | re.DOTALL)
_TEXT = re.compile(r"<text>(.*?)</text>", re.IGNORECASE | re.DOTALL)
_NO_TEXT = re.compile(r"<(docno|docid|dochdr|docoldno)>.*?</\1>", re.IGNORECASE | re.DOTALL)
_TAG = re.compile(r"</?[a-z][^<>]*>", re.IGNORECASE)


def build_index(
    collection: Collection,
    folder: str | Path,
    *,
    encoder: str | Encoder = DEFAULT_ENCODER,
    device: str | None = None,
    max_tokens: int | None = None,
    progress: Callable[[Progress], None] | None = None,
) -> Index:
    """Open the index of a collection's corpus, or make it; what changed in the corpus since is read again.

    Args:
        collection: with a corpus.
        folder: where indexes of collections are kept; each corpus, encoder and length gets one of its own in it.
        encoder: a name, a folder with a model, or an object.
        device: for transformer encoders.
        max_tokens: longest passage in the encoder's tokens.
        progress: as for ``Index.add``.

    Raises:
        BadCollection: there is no corpus, or nothing in it can be read.
    """
    if collection.corpus is None:
        raise BadCollection(f"{collection.name}: there is no corpus to index: name an index that holds the documents")
    loaded = load_encoder(encoder, device) if isinstance(encoder, str) else encoder
    corpus = collection.corpus.resolve()
    place = Path(folder) / _name(collection, loaded, max_tokens)
    place.parent.mkdir(parents=True, exist_ok=True)
    if is_sgml(corpus):
        corpus = _as_jsonl(corpus, place.with_name(f"{place.name}.jsonl"))
    known = (place / FILE).is_file()
    index = Index.open(place, encoder=loaded) if known else Index.create(place, encoder=loaded, max_tokens=max_tokens)
    try:
        report = index.add(corpus, progress=progress)
        if known:
            index.sync(progress=progress)  # and what is gone from the corpus is gone from the index
        if not index.status()["documents"]:
            reason = report.failed[0] if report.failed else Failure(str(corpus), "nothing in it can be read")
            raise BadCollection(f"{reason.uri}: {reason.reason}")
    except BaseException:
        index.close()
        raise
    return index


def _name(collection: Collection, encoder: Encoder, max_tokens: int | None) -> str:
    """A name for the index that anything which changes it changes."""
    parts = f"{collection.corpus and collection.corpus.resolve()}\0{encoder.fingerprint}\0{max_tokens}"
    digest = xxhash.xxh3_64_hexdigest(parts.encode("utf-8", "surrogateescape"))[:8]
    return f"{collection.name}-{os.path.basename(encoder.name.rstrip('/'))}-{digest}"


def is_sgml(corpus: Path) -> bool:
    """Whether a file, or the first file of a folder, holds documents in TREC form."""
    first = next(_files(corpus), None)
    return first is not None and re.match(rb"<doc>\s*<docno>", head(first), re.IGNORECASE) is not None


def read_sgml(corpus: Path) -> Iterator[dict[str, str]]:
    """Documents of TREC files: ``<DOC>`` with ``<DOCNO>``, a headline or title, and ``<TEXT>`` (else all there is).

    Raises:
        BadCollection: a document has no ``<DOCNO>``, or does not end.
    """
    for path in _files(corpus):
        with opened(path) as file:
            lines: list[bytes] = []
            for number, line in enumerate(file, 1):
                if line.lstrip()[:5].upper() == b"<DOC>":
                    if lines:
                        break
                    start = number
                    lines = [line]
                elif lines:
                    lines.append(line)
                if lines and b"</DOC>" in line.upper():
                    yield _record(b"".join(lines), f"{path}:{start}")
                    lines = []
            if lines:
                raise BadCollection(f"{path}:{start}: this document has no </DOC>: fetch the file anew, or mend it")


def _record(raw: bytes, place: str) -> dict[str, str]:
    text = decode(raw, place)
    docno = _DOCNO.search(text)
    if docno is None or not docno[1].strip():
        raise BadCollection(f"{place}: this document has no <DOCNO>: add it, or remove the document")
    title = _TITLE.search(text)
    bodies = _TEXT.findall(text)
    if not bodies:
        rest = text.replace(title[0], "") if title else text
        bodies = [_NO_TEXT.sub("", rest)]
    return {
        "_id": docno[1].strip(),
        "title": " ".join(_plain(title[2]).split()) if title else "",
        "text": "\n\n".join(map(_plain, bodies)),
    }


def _plain(text: str) -> str:
    return html.unescape(_TAG.sub("", text)).strip()


def _files(corpus: Path) -> Iterator[Path]:
    """The file itself, or the files below a folder, without hidden ones."""
    if corpus.is_file():
        yield corpus
        return
    for path in sorted(corpus.rglob("*")):
        if path.is_file() and not any(part.startswith(".") for part in path.relative_to(corpus).parts):
            yield path


def _as_jsonl(corpus: Path, target: Path) -> Path:
    """The documents as JSONL beside the index, where ``add`` and ``sync`` read them again."""

    def write(file: HashingFile) -> None:
        for record in read_sgml(corpus):
            file.write(json.dumps(record, ensure_ascii=False).encode("utf-8", "surrogatepass") + b"\n")

    replace_durably(target, write)
    return target
