"""Messages: letters (EML), and web pages that browsers saved as one (MHTML)."""

from __future__ import annotations

import email
import email.policy
import re
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from email.message import EmailMessage
from email.policy import compat32
from email.utils import getaddresses
from pathlib import Path
from typing import cast

from searchidx.articles.archives import Budget, Part, judge
from searchidx.articles.dates import parse_date
from searchidx.articles.decoding import decode
from searchidx.articles.prose import parse_html, to_markdown
from searchidx.articles.sniffing import EML
from searchidx.articles.webpage import read_page
from searchidx.errors import ExtractError
from searchidx.types import Document, Failure, Source

_POLICY = email.policy.default
_WEB = re.compile(r"https?://", re.IGNORECASE)
_ENOUGH = 0.5
"""A plain part with this share of the characters of the HTML part says the same; a shorter one says "see the HTML"."""


def read_mail(source: Source, progress: Callable[[int], None]) -> Document:
    """A letter: its subject, sender, date, and text with what it quotes; attachments are named.

    Raises:
        ExtractError: there is no text in it.
    """
    message = _message(source)
    progress(0)
    plain, marked = _plain(message, source), _marked(message, source)
    if len(plain) >= _ENOUGH * len(marked):
        text, media_type = plain, "text/plain"
    else:
        text, media_type = marked, "text/markdown"
    if not text.strip():
        raise ExtractError(source.uri, "there is no text in this message: save its attachments and add them")
    senders = [name or address for name, address in getaddresses([_header(message, "From")])]
    attached = [name for part in message.walk() if (name := _filename(part))]
    return Document(
        doc_id=source.label,
        text=text,
        title=_header(message, "Subject"),
        uri=source.uri,
        published=parse_date(_header(message, "Date")),
        author=", ".join(filter(None, senders)),
        metadata={"attachments": attached} if attached else {},
        media_type=media_type,
    )


def letter_parts(source: Source, place: Path, budget: Budget) -> Iterator[Part]:
    """A letter itself, and the documents and letters attached to it, each copied to ``place`` when its turn comes.

    One that has no text of its own is left out where something is attached that can be read.
    """
    message = _message(source)
    met, names = _has_text(message), Counter[str]()
    if met:
        yield Part(source)
    for part in _attached(message):
        budget.entry()
        name = _filename(part)
        if part.get_content_type() == EML and not name.lower().endswith(".eml"):
            name = f"{name or 'message'}.eml"
        names[name] += 1
        if names[name] > 1:
            name = f"{names[name]}/{name}"
        try:
            content = _content(part)
        except Exception as error:  # what mail programs write cannot always be written again
            yield Part(Failure(f"{source.uri}/{name}", f"cannot be read: {type(error).__name__}: {error}"))
            continue
        item = judge(source, place, name, len(content), "")
        if isinstance(item, str):  # named with the letter, as files of that kind are not read
            continue
        met = True
        if isinstance(item, Source):
            budget.spend(len(content), source, 0)
            place.write_bytes(content)
        yield Part(item, metadata={"attached_to": source.label})
    if not met:
        yield Part(source)


def _has_text(message: EmailMessage) -> bool:
    return any(part.get_payload(decode=True) for part in _bodies(message))


def _bodies(message: EmailMessage) -> list[EmailMessage]:
    """The parts that are the letter itself."""
    found = list[EmailMessage]()
    for kind in ("plain", "html"):
        with suppress(Exception):
            part = message.get_body((kind,))
            found += [cast(EmailMessage, part)] if part is not None else []
    return found


def _attached(message: EmailMessage) -> Iterator[EmailMessage]:
    """The files and letters in a letter, those in an attached letter left to that one."""
    bodies = [id(part) for part in _bodies(message)]
    waiting = [message]
    while waiting:
        part = waiting.pop()
        if part.get_content_type() == EML:
            yield part
        elif part.is_multipart():
            waiting += reversed(cast(list[EmailMessage], part.get_payload()))
        elif id(part) not in bodies and _filename(part):
            yield part


def _content(part: EmailMessage) -> bytes:
    """The bytes of an attached file, or letter."""
    if part.is_multipart():
        (letter,) = cast(list[EmailMessage], part.get_payload())
        return letter.as_bytes(policy=compat32)
    raw = part.get_payload(decode=True)
    return raw if isinstance(raw, bytes) else b""


def read_mhtml(source: Source, progress: Callable[[int], None]) -> Document:
    """The article of a web page that a browser saved, with its address.

    Raises:
        ExtractError: there is no page in it, or no article in the page.
    """
    message = _message(source)
    progress(0)
    pages = [part for part in message.walk() if part.get_content_type() in ("text/html", "application/xhtml+xml")]
    if not pages:
        raise ExtractError(source.uri, "there is no web page in this file: save the page anew")
    wanted = _header(message, "Snapshot-Content-Location")
    page = next((part for part in pages if wanted and _header(part, "Content-Location") == wanted), pages[0])
    document = read_page(_text(page, source).encode(), source)
    address = next((uri for uri in (_header(page, "Content-Location"), wanted) if _WEB.match(uri)), "")
    saved = parse_date(_header(message, "Date"))
    metadata = {**document.metadata, **({"saved": saved} if saved else {})}
    return replace(document, uri=document.uri if _WEB.match(document.uri) else address or source.uri, metadata=metadata)


def _message(source: Source) -> EmailMessage:
    with open(source.path, "rb") as file:
        return email.message_from_binary_file(file, policy=_POLICY)


def _header(message: EmailMessage, name: str) -> str:
    """A header, decoded; as it stands where it cannot be, since mail programs write anything."""
    try:
        return str(message.get(name, "")).strip()
    except Exception:
        return next((str(value).strip() for key, value in message.raw_items() if key.lower() == name.lower()), "")


def _filename(part: EmailMessage) -> str:
    with suppress(Exception):
        return str(part.get_filename() or "")
    return ""


def _body(message: EmailMessage, kind: str, source: Source) -> str:
    part = message.get_body((kind,))
    return _text(cast(EmailMessage, part), source) if part is not None else ""


def _plain(message: EmailMessage, source: Source) -> str:
    return _body(message, "plain", source)


def _marked(message: EmailMessage, source: Source) -> str:
    page = _body(message, "html", source)
    tree = parse_html(page, source.uri) if page.strip() else None
    return to_markdown(tree) if tree is not None else ""


def _text(part: EmailMessage, source: Source) -> str:
    """The text of a part, whatever its charset says."""
    raw = part.get_payload(decode=True)
    content = raw if isinstance(raw, bytes) else b""
    declared = ""
    with suppress(Exception):
        declared = part.get_content_charset() or ""
    content = content.replace(b"\0", b"")
    try:
        return decode(content, source.uri, declared) if content else ""
    except ExtractError:  # one wrong byte, in a letter that cannot be saved anew
        return content.decode("utf-8", "replace")
