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
