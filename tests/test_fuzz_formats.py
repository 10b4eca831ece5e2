"""Mutations of small documents of every format: each is a text or a reason, in time, and the parent lives."""

import bz2
import gzip
import io
import json
import lzma
import random
import sys
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
from searchidx.articles.feeds import SITEMAP, kind_of, read_feed, read_sitemap
from searchidx.errors import ExtractError
from searchidx.types import Document, Failure

BODY = [paragraph("Fish", "Heading1"), paragraph(FISH), paragraph(SALT)]
PAGES = [("https://example.org/a", "text/html", f"<html><body><p>{FISH} {SALT}</p></body></html>")] * 3
ROWS = b"".join(
    json.dumps({"id": number, "title": "Fish", "text": FISH, "date": "2019-05-02", "tags": ["a"]}).encode() + b"\n"
    for number in range(3)
)
SEEDS = {
    "pdf": [pdf(FISH, SALT, info="/Title (Fish)")],
    "docx": [docx(*BODY)],
    "epub": [epub(f"<h2>Fish</h2><p>{FISH}</p>", SALT)],
    "eml": [
        eml(FISH),
        eml(f"--B\r\nContent-Type: text/html\r\n\r\n<p>{FISH}\r\n--B--", "", "multipart/mixed; boundary=B"),
        eml(
            f"--B\r\n\r\n{FISH}\r\n--B\r\nContent-Type: text/plain; name=a.txt\r\n\r\n{SALT}\r\n"
            f"--B\r\nContent-Type: message/rfc822\r\n\r\n{eml(SALT).decode()}\r\n--B--",
            "",
            "multipart/mixed; boundary=B",
        ),
    ],
    "mhtml": [mhtml()],
    "warc": [warc(*PAGES)],
    "warc.gz": [warc(*PAGES, packed=True)],
    "zip": [zipped({"a.txt": FISH, "b.md": SALT, "c.zip": zipped({"d.txt": SALT})})],
    "tar": [tarred({"a.txt": FISH, "b.md": SALT}, "w:")],
    "tar.gz": [tarred({"a.txt": FISH, "b.md": SALT})],
    "html": [PAGE.encode()],
    "txt": [f"Fish\n\n{FISH}\n\n{SALT}\n\nRead more: boats\n\nRecent Posts".encode()],
    "md": [f"---\ntitle: Fish\ndate: 2019-05-02\ntags: [a, b]\n---\n# Fish\n\n{FISH}\n\n```\n{SALT}\n```\n".encode()],
    "jsonl": [ROWS],
    "jsonl.gz": [gzip.compress(ROWS, mtime=0)],
    "json": [b"[" + ROWS.strip().replace(b"\n", b",") + b"]"],
    "tar.bz2": [tarred({"a.txt": FISH, "b.md": SALT}, "w:bz2")],
    "tar.xz": [tarred({"a.txt": FISH, "b.md": SALT}, "w:xz")],
}
PACKERS = {"jsonl.gz": gzip, "tar.bz2": bz2, "tar.xz": lzma}
HARDLY_EVER_WRONG = {"txt", "md", "html"}
"""Formats that say something whatever becomes of their bytes."""
ITEM = "<item><title>Fish</title><link>https://example.org/a</link><pubDate>Thu, 2 May 2019 10:11:12 +0200</pubDate>"
FEEDS = {
    "rss": f'<?xml version="1.0"?><rss version="2.0" xmlns:content="http://purl.org/rss/1.0/modules/content/"><channel>'
    f"<title>T</title>{f'{ITEM}<content:encoded><![CDATA[<p>{FISH}]]></content:encoded></item>' * 3}</channel></rss>",
    "atom": '<feed xmlns="http://www.w3.org/2005/Atom"><title>T</title>'
    + f'<entry><title>A</title><link href="/a"/><updated>2019-05-02</updated><content>{FISH}</content></entry>' * 3
    + "</feed>",
    "rdf": '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns="http://purl.org/rss/1.0/">'
    f"<channel><title>T</title></channel>{f'{ITEM}</item>' * 3}</rdf:RDF>",
    "json feed": json.dumps(
        {
            "version": "https://jsonfeed.org/version/1.1",
            "title": "T",
            "items": [{"id": "1", "url": "/a", "title": "A", "content_html": FISH, "date_published": "2019-05-02"}] * 3,
        }
    ),
    "sitemap": '<?xml version="1.0"?><urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">'
    + "<url><loc>https://example.org/a</loc><lastmod>2019-05-02</lastmod></url>" * 3
    + "</urlset>",
    "sitemap index": "<sitemapindex>" + "<sitemap><loc>/a.xml</loc></sitemap>" * 3 + "</sitemapindex>",
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
        elif suffix in PACKERS and number % 4:  # what is packed is wrong, and not its checksum
            yield PACKERS[suffix].compress(mutated(PACKERS[suffix].decompress(seed), chance))
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
    assert failed >= count * 0.02 or suffix in HARDLY_EVER_WRONG
    return f"{suffix}: {count} documents, {read} gave a text, {failed} a reason; the slowest took {slowest:.2f} s\n"


@pytest.mark.parametrize("suffix", SEEDS)
def test_fuzzed_documents_are_a_text_or_a_reason(tmp_path, suffix):
    check(tmp_path, suffix, 60)


@pytest.mark.slow
@pytest.mark.parametrize("suffix", SEEDS)
def test_a_thousand_fuzzed_documents_are_a_text_or_a_reason(tmp_path, suffix):
    sys.stdout.write(check(tmp_path, suffix, 1000))


def check_feeds(kind, count):
    """Mutations of a feed: entries or a reason, in time."""
    chance, read, failed, slowest = random.Random(f"{kind} 5"), 0, 0, 0.0
    for _ in range(count):
        content = mutated(FEEDS[kind].encode(), chance)
        began = time.monotonic()
        reader = read_sitemap if kind_of(content) == SITEMAP else read_feed
        try:
            entries = list(reader(content, "https://example.org/feed"))
        except ExtractError as error:
            failed += bool(error.reason.strip())
        else:
            assert all(isinstance(value, str | bool) for entry in entries for value in entry)
            read += bool(entries)
        slowest = max(slowest, time.monotonic() - began)
    assert slowest < 10
    assert read >= count * 0.05
    return f"{kind}: {count} feeds, {read} gave entries, {failed} a reason; the slowest took {slowest:.2f} s\n"


@pytest.mark.parametrize("kind", FEEDS)
def test_fuzzed_feeds_are_entries_or_a_reason(kind):
    check_feeds(kind, 60)


@pytest.mark.slow
@pytest.mark.parametrize("kind", FEEDS)
def test_a_thousand_fuzzed_feeds_are_entries_or_a_reason(kind):
    sys.stdout.write(check_feeds(kind, 1000))
