"""Small documents of every format, written by hand, so that each byte of them can be wrong on purpose."""

from __future__ import annotations

import io
import tarfile
import zipfile
import zlib
from collections import Counter

from searchidx.articles.formats import read
from searchidx.articles.sources import find
from searchidx.types import Document, Failure

FISH = "The herring returned to the bay after eleven years, and the fleet of forty boats went out to meet it."
SALT = "Salt was dearer than silver that winter, so the catch was smoked over alder and juniper instead."


def pdf(*pages, info="", catalog="", extra=(), encrypt=""):
    """A PDF with a page for each text, lines as given; ``None`` is a page without text."""
    count = len(pages)
    kids = " ".join(f"{4 + 2 * number} 0 R" for number in range(count))
    objects = {
        1: f"<< /Type /Catalog /Pages 2 0 R {catalog} >>".encode(),
        2: f"<< /Type /Pages /Kids [{kids}] /Count {count} >>".encode(),
        3: b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>",
    }
    for number, text in enumerate(pages):
        place = 4 + 2 * number
        objects[place] = (
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents {place + 1} 0 R"
            " /Resources << /Font << /F1 3 0 R >> >> >>"
        ).encode()
        objects[place + 1] = stream(b"" if text is None else shown(text))
    if info:
        objects[max(objects) + 1] = f"<< {info} >>".encode()
    trailer = f"/Info {max(objects)} 0 R" if info else ""
    objects.update(extra)
    return assembled(objects, f"/Root 1 0 R {trailer} {encrypt}")


def shown(text):
    """The operators that draw a text, line by line."""
    lines = [line.replace("\\", "\\\\").replace("(", "\\(").replace(")", "\\)") for line in text.splitlines()]
    drawn = " ".join(f"({line}) Tj T*" for line in lines)
    return f"BT /F1 11 Tf 14 TL 50 740 Td {drawn} ET".encode("cp1252")


def stream(content, about=""):
    packed = zlib.compress(content)
    return f"<< /Length {len(packed)} /Filter /FlateDecode {about} >>\nstream\n".encode() + packed + b"\nendstream"


def assembled(objects, trailer):
    out, places = io.BytesIO(), {}
    out.write(b"%PDF-1.7\n")
    for number, content in sorted(objects.items()):
        places[number] = out.tell()
        out.write(f"{number} 0 obj\n".encode() + content + b"\nendobj\n")
    start, size = out.tell(), max(objects) + 1
    out.write(f"xref\n0 {size}\n0000000000 65535 f \n".encode())
    for number in range(1, size):
        out.write(f"{places.get(number, 0):010d} 00000 {'n' if number in places else 'f'} \n".encode())
    out.write(f"trailer\n<< /Size {size} {trailer} >>\nstartxref\n{start}\n%%EOF\n".encode())
    return out.getvalue()


def zipped(members, compression=zipfile.ZIP_DEFLATED):
    """A ZIP file of names (or ZipInfo) and contents."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", compression) as archive:
        for name, content in members.items() if isinstance(members, dict) else members:
            archive.writestr(name, content)
    return out.getvalue()


def tarred(members, mode="w:gz"):
    """A tar file of names and contents, or TarInfo and None."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode) as archive:
        for name, content in members.items() if isinstance(members, dict) else members:
            info = name if isinstance(name, tarfile.TarInfo) else tarfile.TarInfo(name)
            content = content.encode() if isinstance(content, str) else content
            info.size = len(content or b"")
            archive.addfile(info, io.BytesIO(content or b""))
    return out.getvalue()


def read_file(folder, name, content):
    """What searchidx reads of a file of that name, found as any file is; the file stays in ``folder``."""
    path = folder / name
    path.write_bytes(content)
    items = []
    for found in find(str(path), Counter()):
        items += [found] if isinstance(found, Failure) else list(read(found))
    return items


def one(items):
    (document,) = items
    assert isinstance(document, Document), document
    return document


def reason(items):
    (failure,) = items
    assert isinstance(failure, Failure), failure
    return failure.reason


def texts(items):
    return {item.doc_id: item.text for item in items if isinstance(item, Document)}


def reasons(items):
    return {item.uri.rpartition("/")[2]: item.reason for item in items if isinstance(item, Failure)}


W = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
CONTENT_TYPES = (
    '<?xml version="1.0"?><Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
    '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
    '<Override PartName="/word/document.xml" ContentType="application/vnd.openxmlformats-officedocument'
    '.wordprocessingml.document.main+xml"/></Types>'
)
RELATIONS = (
    '<?xml version="1.0"?><Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
    '<Relationship Id="r1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument"'
    ' Target="word/document.xml"/></Relationships>'
)
STYLES = (
    f'<?xml version="1.0"?><w:styles {W}>'
    + "".join(
        f'<w:style w:type="paragraph" w:styleId="{style}"><w:name w:val="{name}"/></w:style>'
        for style, name in (("Heading1", "heading 1"), ("Heading2", "heading 2"), ("Title", "Title"))
    )
    + "</w:styles>"
)


def paragraph(text, style=""):
    styled = f'<w:pPr><w:pStyle w:val="{style}"/></w:pPr>' if style else ""
    return f"<w:p>{styled}<w:r><w:t>{text}</w:t></w:r></w:p>"


def docx(*body, core="", **replaced):
    """A DOCX of these paragraphs; ``replaced`` puts other bytes in place of a part, or None for none."""
    document = f'<?xml version="1.0"?><w:document {W}><w:body>{"".join(body)}</w:body></w:document>'
    parts = {
        "[Content_Types].xml": CONTENT_TYPES,
        "_rels/.rels": RELATIONS,
        "word/document.xml": document,
        "word/styles.xml": STYLES,
        "word/_rels/document.xml.rels": RELATIONS.replace("word/document.xml", "styles.xml").replace(
            '/officeDocument"', '/styles"'
        ),
    }
    if core:
        parts["docProps/core.xml"] = (
            '<?xml version="1.0"?><cp:coreProperties'
            ' xmlns:cp="http://schemas.openxmlformats.org/package/2006/metadata/core-properties"'
            ' xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:dcterms="http://purl.org/dc/terms/">'
            f"{core}</cp:coreProperties>"
        )
    parts.update({{"document": "word/document.xml"}.get(name, name): content for name, content in replaced.items()})
    return zipped({name: content for name, content in parts.items() if content is not None})


CONTAINER = (
    '<?xml version="1.0"?><container xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles>'
    '<rootfile full-path="OEBPS/book.opf" media-type="application/oebps-package+xml"/></rootfiles></container>'
)


def epub(*chapters, about="<dc:title>Tides</dc:title>", **parts):
    """An EPUB with these XHTML bodies, or whole pages where they begin with ``<?xml``."""
    items = "".join(
        f'<item id="c{number}" href="c%20{number}.xhtml" media-type="application/xhtml+xml"/>'
        for number in range(len(chapters))
    )
    package = (
        '<?xml version="1.0"?><package xmlns="http://www.idpf.org/2007/opf" version="3.0">'
        f'<metadata xmlns:dc="http://purl.org/dc/elements/1.1/">{about}</metadata>'
        f'<manifest>{items}<item id="nav" href="nav.xhtml" properties="nav" media-type="application/xhtml+xml"/>'
        f'<item id="lost" href="lost.xhtml" media-type="application/xhtml+xml"/></manifest>'
        '<spine><itemref idref="nav"/><itemref idref="lost"/>'
        + "".join(f'<itemref idref="c{number}"/>' for number in reversed(range(len(chapters))))
        + "</spine></package>"
    )
    members = {"mimetype": "application/epub+zip", "META-INF/container.xml": CONTAINER, "OEBPS/book.opf": package}
    members["OEBPS/nav.xhtml"] = xhtml("<p>Contents</p>")
    for number, chapter in enumerate(chapters):
        members[f"OEBPS/c {number}.xhtml"] = chapter if chapter.startswith("<?xml") else xhtml(chapter)
    members.update(parts)
    stored = {"mimetype": zipfile.ZipInfo("mimetype")}
    return zipped([(stored.get(name, name), content) for name, content in members.items() if content is not None])


def xhtml(body):
    return (
        '<?xml version="1.0" encoding="utf-8"?><!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.1//EN"'
        ' "http://www.w3.org/TR/xhtml11/DTD/xhtml11.dtd"><html xmlns="http://www.w3.org/1999/xhtml">'
        f"<head><title/></head><body>{body}</body></html>"
    )


LAUGHS = '<?xml version="1.0"?><!DOCTYPE lolz [<!ENTITY a0 "ha">' + "".join(
    f'<!ENTITY a{level} "{f"&a{level - 1};" * 10}">' for level in range(1, 12)
)

PAGE = (
    "<html><head><title>Herring</title><meta name=author content='Ada Bo'><meta property='article:published_time'"
    f" content='2019-05-02'></head><body><article><h1>Herring</h1><p>{FISH} {SALT}</p><p>{SALT} {FISH}</p></article>"
    "</body></html>"
)


def warc(*records, packed=False):
    """A WARC file of (address, content type, page), or whole records as bytes."""
    import gzip

    out = b""
    for record in [record if isinstance(record, bytes) else response(*record) for record in records]:
        out += gzip.compress(record) if packed else record
    return out


def response(address, content_type, page, status="200 OK"):
    page = page.encode() if isinstance(page, str) else page
    http = f"HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\nContent-Length: {len(page)}\r\n\r\n".encode() + page
    head = (
        f"WARC/1.0\r\nWARC-Type: response\r\nWARC-Target-URI: {address}\r\nWARC-Date: 2020-01-02T03:04:05Z\r\n"
        "WARC-Record-ID: <urn:uuid:00000000-0000-0000-0000-000000000001>\r\n"
        f"Content-Type: application/http; msgtype=response\r\nContent-Length: {len(http)}\r\n\r\n"
    )
    return head.encode() + http + b"\r\n\r\n"


def mhtml(page=PAGE, location="https://example.org/herring"):
    return (
        "From: <Saved by Blink>\r\nSnapshot-Content-Location: https://example.org/herring\r\nSubject: Herring\r\n"
        "Date: Thu, 2 Jan 2020 03:04:05 -0000\r\nMIME-Version: 1.0\r\n"
        'Content-Type: multipart/related; type="text/html"; boundary="--B"\r\n\r\n'
        "----B\r\nContent-Type: text/html\r\nContent-Location: https://ads.example/frame\r\n\r\n<p>Buy</p>\r\n"
        f"----B\r\nContent-Type: text/html\r\nContent-Location: {location}\r\n\r\n{page}\r\n"
        "----B\r\nContent-Type: image/png\r\nContent-Transfer-Encoding: base64\r\n\r\nAAAA\r\n----B--\r\n"
    ).encode()


def eml(body=FISH, head="", content_type="text/plain; charset=utf-8"):
    return (
        "From: Ada Bo <ada@example.org>\r\nTo: crew@example.org\r\nSubject: =?utf-8?q?Herring_caf=C3=A9?=\r\n"
        f"Date: Thu, 2 May 2019 10:11:12 +0200\r\nMIME-Version: 1.0\r\n"
        f"Content-Type: {content_type}\r\n{head}\r\n{body}\r\n"
    ).encode()
