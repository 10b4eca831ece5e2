"""What kind of file it is: by its suffix, or by how it begins."""

from __future__ import annotations

import bz2
import lzma
import os
import re
import zlib
from contextlib import suppress

from searchidx.articles.decoding import marked_encoding
from searchidx.articles.jsonl import DECODER, is_compressed

SAMPLE = 2**16
"""Bytes from the start of a file by which it is judged."""

PDF = "application/pdf"
DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
EPUB = "application/epub+zip"
EML = "message/rfc822"
MHTML = "multipart/related"
WARC = "application/warc"
ZIP = "application/zip"
TAR = "application/x-tar"
_TYPES = {
    "text/plain": ".txt .text",
    "text/markdown": ".md .markdown",
    "text/html": ".html .htm .xhtml",
    "application/jsonl": ".jsonl .ndjson .jsonl.gz .jsonl.xz .jsonl.bz2",
    PDF: ".pdf",
    DOCX: ".docx",
    EPUB: ".epub",
    EML: ".eml",
    MHTML: ".mhtml .mht",
    WARC: ".warc .warc.gz",
    ZIP: ".zip",
    TAR: ".tar .tar.gz .tgz .tar.bz2 .tbz2 .tar.xz .txz",
}
MEDIA_TYPES = {suffix: media_type for media_type, suffixes in _TYPES.items() for suffix in suffixes.split()}
"""The files of a folder that are read, by suffix."""
NOT_TEXT = frozenset({PDF, DOCX, EPUB, EML, MHTML, WARC, ZIP, TAR})
"""Media types of files that may hold NUL bytes and yet be read."""
_BINARY = """
.7z .avi .bin .bmp .bz2 .db .dll .doc .dylib .eot .exe .faiss .flac .gif .gz .heic .ico .iso .jar .jpeg
.jpg .m4a .mkv .mov .mp3 .mp4 .npy .npz .o .odp .ods .odt .ogg .onnx .otf .parquet .png .ppt .pptx .pyc .rar
.safetensors .so .sqlite .tif .tiff .ttf .wasm .wav .webm .webp .woff .woff2 .xls .xlsx .xz .zst
"""
BINARY_SUFFIXES = frozenset(_BINARY.split())
"""Files of a folder that are counted as binary without being opened."""

_PAGE = re.compile(r"\s*(?:<\?xml[^>]*>\s*)?(?:<!--.*?-->\s*)*<(?:!doctype\s+html|html|head|body)\b", re.I | re.S)
_FRONT_MATTER = re.compile(r"---[ \t]*\r?\n.*?^---[ \t]*$", re.S | re.M)
_MAIL = re.compile(rb"(?:received|return-path|delivered-to|mime-version|message-id|date|from|x-[\w-]+): ", re.I)
_SENDER = re.compile(rb"^from: ", re.IGNORECASE | re.MULTILINE)
_SENT = re.compile(rb"^(?:date|mime-version|subject): ", re.IGNORECASE | re.MULTILINE)
_OBJECTS = re.compile(r"\s*(?:\[\s*)?\{")


def suffix_of(path: str) -> str:
    """The suffix in small letters; that of a compressed file has two parts."""
    stem, last = os.path.splitext(path.lower())
    both = os.path.splitext(stem)[1] + last
    return both if both in MEDIA_TYPES else last


def sniff(head: bytes) -> str:
    """The media type of a file that starts with these bytes, up to ``SAMPLE`` of them; plain text if in doubt."""
    if is_compressed(head):
        return _magic(_unpacked(head)) or "application/jsonl"
    if found := _magic(head):
        return found
    text = head.decode(marked_encoding(head) or "utf-8", "replace")
    if _OBJECTS.match(text):
        return _json_kind(text)
    if _PAGE.match(text[:4096]):
        return "text/html"
    return "text/markdown" if _FRONT_MATTER.match(text) else "text/plain"


def _json_kind(text: str) -> str:
    """``application/jsonl`` where the first line is an object by itself or does not end within the sample."""
    line, rest, _ = text.lstrip().partition("\n")
    if line.startswith("["):
        return "application/json"
    try:
        DECODER.decode(line)
    except (ValueError, RecursionError):
        return "application/jsonl" if not rest else "application/json" if line.strip() == "{" else "text/plain"
    return "application/jsonl"


def _magic(head: bytes) -> str:
    """The media type that the first bytes name, or ``""``."""
    if head.startswith(b"%PDF-"):
        return PDF
    if head.startswith(b"PK\x03\x04"):
        office = b"[Content_Types].xml" in head[:80]
        return DOCX if office else EPUB if b"application/epub+zip" in head[:80] else ZIP
    if head.startswith(b"WARC/"):
        return WARC
    headers = re.split(rb"\r?\n\r?\n", head, maxsplit=1)[0]
    if _MAIL.match(headers) and _SENDER.search(headers) and _SENT.search(headers):
        return MHTML if b"multipart/related" in headers else EML
    return TAR if head[257:262] == b"ustar" else ""


def _unpacked(head: bytes) -> bytes:
    """The first bytes of what is packed in a file that starts with ``head``."""
    unpackers = (zlib.decompressobj(31), bz2.BZ2Decompressor(), lzma.LZMADecompressor(memlimit=2**28))
    for unpacker in unpackers:
        with suppress(zlib.error, lzma.LZMAError, OSError, ValueError):
            return unpacker.decompress(head, 1024)
    return b""
