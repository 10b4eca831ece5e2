"""Writes the index that later versions must still read; run once per format."""

from pathlib import Path

from conftest import DIM, entry, put

from searchidx.storage.dense import DenseIndex
from searchidx.storage.lexical import LexicalIndex
from searchidx.storage.schema import FORMAT
from searchidx.storage.writer import StoreWriter

ENCODER = {"name": "test", "fingerprint": "static:test", "dim": DIM}


def main():
    folder = Path(__file__).parent / "fixtures" / f"format-{FORMAT}"
    folder.mkdir()
    settings = {"encoder": ENCODER, "max_tokens": 200, "created": "2026-11-23T12:00:00+00:00"}
    writer = StoreWriter.create(folder, settings)
    put(
        writer,
        entry(
            "a", "the first part of a", "the second part of a", title="First", published="2020-01-01", source="Paper"
        ),
        entry("b", "a zebra in the first part of b", "the second part of b", heading="Heading", metadata={"n": 1}),
        entry("c", "the first part of c", "the second part of c", language="en"),
    )
    DenseIndex(folder / "dense", writer, writable=True).rebuild()
    LexicalIndex(folder / "lexical", writer, writable=True).apply(writer.changes(0))
    writer.close()
    for left in folder.glob("lexical/.*.lock"):
        left.unlink()


if __name__ == "__main__":
    main()
