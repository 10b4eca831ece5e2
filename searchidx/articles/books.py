"""DOCX and EPUB: a ZIP file with a text in XML; mammoth is imported here only."""

from __future__ import annotations

import posixpath
import re
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import unquote

from searchidx.articles.archives import opened_zip, read_member
from searchidx.articles.decoding import decode
from searchidx.articles.headings import first_title
from searchidx.articles.prose import parse_html, parse_xhtml, to_markdown
from searchidx.errors import ExtractError
from searchidx.types import Document, Source

MAX_XML_BYTES = 256 * 2**20
"""Bytes of XML in one file."""
_OLE = b"\xd0\xcf\x11\xe0"
_DC = "{http://purl.org/dc/elements/1.1/}"
_TERMS = "{http://purl.org/dc/terms/}"
_STYLES = (
    "p[style-name='Title'] => h1:fresh\np[style-name='Subtitle'] => p:fresh\np[style-name='Quote'] => blockquote:fresh"
)
_CHARSET = re.compile(rb"<\?xml[^>]{0,200}?encoding\s*=\s*[\"']([\w.-]+)")


def read_docx(source: Source, progress: Callable[[int], None]) -> Document:
    """The text of a DOCX file as Markdown; title, author, date and language from its properties.

    Raises:
        ExtractError: it is damaged, protected by a password, an old ``.doc``, or a bomb.
    """
    import mammoth  # type: ignore[import-untyped]

    with open(source.path, "rb") as file:
        if file.read(4) == _OLE:
            reason = "protected by a password, or in the old format .doc: save it as .docx without password"
            raise ExtractError(source.uri, reason)
        with opened_zip(source) as archive:
            _check_xml(archive, source)
            about = _tree(archive, "docProps/core.xml", source)
        try:
            converted = mammoth.convert_to_html(
                file, style_map=_STYLES, include_embedded_style_map=False, convert_image=lambda _: []
            )
        except MemoryError:
            raise
        except Exception as error:  # mammoth lets pass what zipfile, expat and its own code raise
            raise _broken(source, error) from None
    progress(0)
    root = parse_html(f"<html><body>{converted.value}</body></html>", source.uri)
    for link in root.xpath("//a[starts-with(@href, '#footnote-ref') or starts-with(@href, '#endnote-ref')]"):
        link.text = ""
    text = to_markdown(root)
    found = _fields(about, {"title": "title", "author": "creator", "language": "language"}) if about is not None else {}
    created = about.findtext(f"{_TERMS}created") if about is not None else ""
    found["title"] = found.get("title") or first_title(text)
    return _document(source, text, {**found, "published": created or ""})


def read_epub(source: Source, progress: Callable[[int], None]) -> Document:
    """The chapters of an EPUB in the order of reading, as Markdown, with the fields of its package.

    Raises:
        ExtractError: it is damaged, protected, a bomb, or has no chapter.
    """
    with opened_zip(source) as archive:
        place = _package(archive, source)
        package = _tree(archive, place, source)
        if package is None:
            raise _broken(source, f"there is no {place}")
        chapters, left = [], MAX_XML_BYTES
        locked = _locked(archive, source)
        for name in _spine(package, posixpath.dirname(place)):
            if name in locked:
                raise ExtractError(source.uri, "protected against copying: add a copy without protection")
            if (raw := read_member(archive, name, source)) is None:
                continue
            left -= len(raw)
            if left < 0:
                raise ExtractError(source.uri, f"more than {MAX_XML_BYTES >> 20} MiB of text: split it")
            declared = _CHARSET.match(raw)
            tree = parse_xhtml(decode(raw, source.uri, declared[1].decode() if declared else ""), source.uri)
            chapters.append("" if tree is None else to_markdown(tree))
            progress(0)
    names = {"title": "title", "author": "creator", "language": "language", "published": "date", "source": "publisher"}
    return _document(source, "\n\n".join(filter(None, chapters)), _fields(package, names))


def _document(source: Source, text: str, fields: dict[str, Any]) -> Document:
    if not text.strip():
        raise ExtractError(source.uri, "there is no text in it: it may consist of pictures")
    return replace(Document(source.label, text, uri=source.uri, media_type="text/markdown"), **fields)


def _fields(about: Any, names: dict[str, str]) -> dict[str, str]:
    """Fields from Dublin Core elements, several values joined, of dates the first."""
    found = {}
    for field, name in names.items():
        values = ["".join(element.itertext()).strip() for element in about.iter(_DC + name)]
        values = list(dict.fromkeys(filter(None, values)))
        found[field] = ", ".join(values if field == "author" else values[:1])
    return found


def _check_xml(archive: zipfile.ZipFile, source: Source) -> None:
    """Refuse a DOCX whose XML is too large or declares entities; no word processor writes a DOCTYPE."""
    left = MAX_XML_BYTES
    for info in archive.infolist():
        if info.filename.lower().endswith((".xml", ".rels")):
            left -= info.file_size
            if left < 0:
                raise ExtractError(source.uri, f"more than {MAX_XML_BYTES >> 20} MiB of XML: split it")
            content = read_member(archive, info.filename, source) or b""
            if b"<!DOCTYPE" in content.replace(b"\0", b""):
                raise ExtractError(source.uri, "its XML has a DOCTYPE, as bombs have: save it anew")


def _tree(archive: zipfile.ZipFile, name: str, source: Source) -> Any:
    """A parsed XML member, or None where there is none."""
    from lxml import etree

    raw = read_member(archive, name, source)
    parser = etree.XMLParser(recover=True, resolve_entities=False, no_network=True, load_dtd=False)
    return None if raw is None else etree.fromstring(raw, parser)


def _package(archive: zipfile.ZipFile, source: Source) -> str:
    """Name of the package file of an EPUB."""
    container = _tree(archive, "META-INF/container.xml", source)
    found = container.xpath("//*[local-name() = 'rootfile']/@full-path") if container is not None else []
    named = [name for name in archive.namelist() if name.lower().endswith(".opf")]
    if not found and not named:
        raise _broken(source, "it names no package")
    return str((found or named)[0])


def _spine(package: Any, folder: str) -> Iterator[str]:
    """Names of the chapters in the order of reading, without the table of contents."""
    items = {item.get("id"): item for item in package.xpath("//*[local-name() = 'manifest']/*[local-name() = 'item']")}
    for reference in package.xpath("//*[local-name() = 'spine']/*[local-name() = 'itemref']/@idref"):
        item = items.get(reference)
        if item is None or "nav" in (item.get("properties") or "").split():
            continue
        if "html" in (item.get("media-type") or "") and item.get("href"):
            yield posixpath.normpath(posixpath.join(folder, unquote(item.get("href"))))


def _locked(archive: zipfile.ZipFile, source: Source) -> set[str]:
    """Names of encrypted members; fonts often are."""
    tree = _tree(archive, "META-INF/encryption.xml", source)
    if tree is None:
        return set()
    return {unquote(str(name)) for name in tree.xpath("//*[local-name() = 'CipherReference']/@URI")}


def _broken(source: Source, error: object) -> ExtractError:
    return ExtractError(source.uri, f"it is damaged ({str(error)[:80]}): save or download it again")
