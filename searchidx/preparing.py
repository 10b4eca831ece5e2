"""Documents into passages, vectors, fingerprints: here, or for a long run in a second process, while this one stores.

Cutting and encoding is a third of the work of indexing with a static encoder, and Python lets one process use one core.
The second process has the same code, and is started only once a run has lasted as long as its start takes. It may die
at any time: what it was asked is then prepared here.
"""

from __future__ import annotations

import json
import select
import sys
from collections.abc import Sequence
from contextlib import suppress
from functools import cached_property
from io import StringIO
from typing import TYPE_CHECKING

import numpy as np

from searchidx import children
from searchidx.articles import chunking
from searchidx.articles.fingerprints import fingerprint
from searchidx.types import Document, Encoder, Passage

if TYPE_CHECKING:
    from subprocess import Popen

    from searchidx.types import Matrix

    Prepared = list[tuple[list[Passage], Matrix, bytes]]

LONG_RUN = 1_000_000
"""Characters from which on a second process is worth its start: as many as are prepared in the time of one."""
_START = "from searchidx.preparing import main; main()"


def prepare(documents: Sequence[Document], encoder: Encoder, max_tokens: int) -> Prepared:
    """Passages of each document, their vectors, float32 [n, dim], and its fingerprint; all are encoded at once."""
    cut = chunking.split(documents, max_tokens, encoder.count_tokens) if documents else []
    inputs = [
        chunking.encoder_input(document.title, passage.heading, passage.text, max_tokens)
        for document, passages in zip(documents, cut, strict=True)
        for passage in passages
    ]
    signatures = [fingerprint(document.text) for document in documents]
    return _shared(cut, encoder.encode_passages(inputs), signatures) if inputs else []


def _shared(cut: Sequence[list[Passage]], vectors: Matrix, signatures: Sequence[bytes]) -> Prepared:
    """Each document's part of the vectors."""
    prepared, first = [], 0
    for passages, signature in zip(cut, signatures, strict=True):
        prepared.append((passages, vectors[first : first + len(passages)], signature))
        first += len(passages)
    return prepared


class Preparation:
    """Prepares one batch at a time: ``begin`` it, do something else, take its ``result``.

    Args:
        encoder: makes the vectors.
        max_tokens: budget of a passage.
        cores: processors that this process may use; with one there is no second process.

    Attributes:
        helped: batches that the second process prepared.
    """

    def __init__(self, encoder: Encoder, max_tokens: int, cores: int | None = None) -> None:
        self._encoder, self._max_tokens = encoder, max_tokens
        # a transformer uses all cores by itself, and an object of the user's own cannot be had twice
        alone = (cores or children.cores()) < 2 or not encoder.fingerprint.startswith("static:")
        self._patience = float("inf") if alone else float(LONG_RUN)
        self.helped = 0
        self._documents: Sequence[Document] = ()
        self._asked = False

    def begin(self, documents: Sequence[Document]) -> None:
        """Take a batch; the one before must have been fetched by ``result``."""
        self._documents, self._asked = documents, False
        self._patience -= sum(len(document.text) for document in documents)
        if documents and self._patience < 0 and self._helper.ready():
            self._asked = self._helper.ask(documents)

    def result(self) -> Prepared:
        """The batch, prepared."""
        documents, self._documents = self._documents, ()
        if self._asked:
            with suppress(EOFError, OSError, ValueError):
                prepared = self._helper.answer(documents)
                self.helped += 1
                return prepared
            self._patience = float("inf")  # it died: go on without
        return prepare(documents, self._encoder, self._max_tokens)

    def close(self) -> None:
        """End the second process, if there is one."""
        self._patience = float("inf")
        if "_helper" in self.__dict__:
            self._helper.close()
            del self._helper

    @cached_property
    def _helper(self) -> _Helper:
        return _Helper(self._encoder, self._max_tokens)


class _Helper:
    """The second process, seen from the first: lines of JSON, which texts and vectors follow as bytes."""

    def __init__(self, encoder: Encoder, max_tokens: int) -> None:
        import subprocess

        self._dim, self._fingerprint, self._said = encoder.dim, encoder.fingerprint, ""
        command = children.command(_START, encoder.name, str(max_tokens))
        pipe = subprocess.PIPE
        self._process: Popen[bytes] = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL)

    def ready(self) -> bool:
        """Whether it has started, with the same encoder; never waits."""
        assert self._process.stdout
        if not self._said and select.select([self._process.stdout], [], [], 0)[0]:
            self._said = self._process.stdout.readline().decode().strip() or "nothing"
        return self._said == self._fingerprint

    def ask(self, documents: Sequence[Document]) -> bool:
        """Send a batch; False where nobody takes it."""
        text = "".join(document.text for document in documents).encode()
        fields = [(document.title, len(document.text), document.media_type) for document in documents]
        assert self._process.stdin
        try:
            self._process.stdin.write(json.dumps([len(text), fields]).encode() + b"\n" + text)
            self._process.stdin.flush()
        except OSError:
            return False
        return True

    def answer(self, documents: Sequence[Document]) -> Prepared:
        """Wait for the answer.

        Raises:
            EOFError, OSError, ValueError: it died, or said something else.
        """
        assert self._process.stdout
        spans, signatures = json.loads(self._process.stdout.readline() or b"null") or ((), ())
        if len(spans) != len(documents):
            raise EOFError
        size = 4 * self._dim * sum(map(len, spans))
        raw = self._process.stdout.read(size)
        if len(raw) != size:
            raise EOFError
        cut = [
            [
                Passage(0, document.doc_id, ordinal, heading, start, end, document.text[start:end])
                for ordinal, (heading, start, end) in enumerate(some)
            ]
            for document, some in zip(documents, spans, strict=True)
        ]
        vectors = np.frombuffer(raw, np.float32).reshape(-1, self._dim)
        return _shared(cut, vectors, [bytes.fromhex(signature) for signature in signatures])

    def close(self) -> None:
        self._process.kill()
        for stream in (self._process.stdin, self._process.stdout):
            with suppress(OSError):
                if stream:
                    stream.close()
        self._process.wait()


def main() -> None:
    """What runs in the second process, until its standard input ends."""
    from searchidx.encoders import load_encoder

    answers = children.answering()
    encoder, max_tokens = load_encoder(sys.argv[1]), int(sys.argv[2])
    children.say(answers, f"{encoder.fingerprint}\n".encode())
    for line in sys.stdin.buffer:
        size, fields = json.loads(line)
        texts = StringIO(sys.stdin.buffer.read(size).decode(), newline="")
        documents = [Document("", texts.read(size), title, media_type=kind) for title, size, kind in fields]
        prepared = prepare(documents, encoder, max_tokens)
        spans = [[(p.heading, p.start, p.end) for p in passages] for passages, _, _ in prepared]
        about = json.dumps([spans, [signature.hex() for _, _, signature in prepared]])
        vectors = np.concatenate([vectors for _, vectors, _ in prepared])
        children.say(answers, about.encode() + b"\n", np.ascontiguousarray(vectors, np.float32).tobytes())
