"""Mutations of small documents of every format: each is a text or a reason, in time, and the parent lives."""

import io
import random
import time
import zipfile

import pytest
from document_tools import (
    FISH,
    PAGE,
    SALT,
    docx,
    eml,
    epub,
    mhtml,
    paragraph,
    pdf,
    read_file,
    tarred,
    warc,
    zipped,
)  # fmt: skip

from searchidx.articles import isolation
from searchidx.types import Document, Failure

BODY = [paragraph("Fish", "Heading1"), paragraph(FISH), paragraph(SALT)]
PAGES = [("https://example.org/a", "text/html", f"<html><body><p>{FISH} {SALT}</p></body></html>")] * 3
SEEDS = {
    "pdf": [pdf(FISH, SALT, info="/Title (Fish)")],
    "docx": [docx(*BODY)],
    "epub": [epub(f"<h2>Fish</h2><p>{FISH}</p>", SALT)],
    "eml": [
        eml(FISH),
        eml(f"--B\r\nContent-Type: text/html\r\n\r\n<p>{FISH}\r\n--B--", "", "multipart/mixed; boundary=B"),
    ],
    "mhtml": [mhtml()],
    "warc": [warc(*PAGES)],
    "warc.gz": [warc(*PAGES, packed=True)],
    "zip": [zipped({"a.txt": FISH, "b.md": SALT, "c.zip": zipped({"d.txt": SALT})})],
    "tar": [tarred({"a.txt": FISH, "b.md": SALT}, "w:")],
    "tar.gz": [tarred({"a.txt": FISH, "b.md": SALT})],
    "html": [PAGE.encode()],
}
TOKENS = [
    b"\0",
    b"\xff" * 8,
    b"<",
    b">",
    b"<<",
    b"(",
    b"99999999999",
    b"-1",
    b"0 R",
    b"\r\n\r\n",
    b"&a;",
    b"PK\1\2",
    b"%",
]


def unpacked(content):
    """The same ZIP without compression, so that a mutation meets the XML in it and not its checksum only."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return zipped({name: archive.read(name) for name in archive.namelist()}, zipfile.ZIP_STORED)


def mutated(seed, chance):
    """A few bytes flipped, cut, doubled, or replaced by what parsers look for."""
    content = bytearray(seed)
    for _ in range(chance.randint(1, 8)):
        place = chance.randrange(len(content) + 1)
        length = chance.choice((1, 1, 4, 40, 400))
        kind = chance.randrange(5)
        if kind == 0 and place < len(content):
            content[place] ^= 1 << chance.randrange(8)
        elif kind == 1:
            del content[place : place + length]
        elif kind == 2:
            content[place:place] = content[place : place + length] * chance.choice((1, 2, 50))
        elif kind == 3:
            content[place:place] = chance.choice(TOKENS)
        else:
            content[place : place + length] = chance.randbytes(length)
    return bytes(content)


def rezipped(seed, chance):
    """A document whose parts are sound as a ZIP file, and one of them mutated."""
    with zipfile.ZipFile(io.BytesIO(seed)) as archive:
        members = {member: archive.read(member) for member in archive.namelist()}
    victim = chance.choice([member for member in members if members[member]])
    members[victim] = mutated(members[victim], chance)
    return zipped(members)


def variants(suffix, count):
    chance = random.Random(f"{suffix} 5")
    for number in range(count):
        seed = chance.choice(SEEDS[suffix])
        if suffix in ("docx", "epub") and number % 4:
            yield rezipped(seed, chance)
        else:
            yield mutated(unpacked(seed) if suffix in ("docx", "epub") and number % 8 else seed, chance)


def check(tmp_path, suffix, count):
    read, failed, slowest = 0, 0, 0.0
    for content in variants(suffix, count):
        began = time.monotonic()
        items = read_file(tmp_path, f"a.{suffix}", content)
        slowest = max(slowest, time.monotonic() - began)
        assert items or suffix == "html"
        assert all(isinstance(item, Document | Failure) for item in items)
        assert not any(isinstance(item, Failure) and not item.reason.strip() for item in items)
        read += any(isinstance(item, Document) for item in items)
        failed += any(isinstance(item, Failure) for item in items)
    assert slowest < isolation.SILENCE_SECONDS + 5
    assert read >= count * 0.05, "the mutations are too wild to test anything beyond the first check"
    assert failed >= count * 0.02


@pytest.mark.parametrize("suffix", SEEDS)
def test_fuzzed_documents_are_a_text_or_a_reason(tmp_path, suffix):
    check(tmp_path, suffix, 60)


@pytest.mark.slow
@pytest.mark.parametrize("suffix", SEEDS)
def test_a_thousand_fuzzed_documents_are_a_text_or_a_reason(tmp_path, suffix):
    check(tmp_path, suffix, 1000)
