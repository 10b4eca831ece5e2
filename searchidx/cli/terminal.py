"""How hits and articles look to a person: on a terminal, or the same as plain text in a pipe.

What comes from articles is printed as it is and never as markup, without the control characters that could move the
cursor, rename the window or turn the text around. rich is imported when something is printed for a person, so that
``--json`` does not pay for it.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from searchidx.ranking.highlight import past_headings, window
from searchidx.types import Copy, Document, Hit

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

Span = tuple[int, int]
LINES = 4
"""Lines of a passage around its best sentences, unless the whole is asked for."""
WIDTH = 100
"""Columns of running text at most: longer lines are hard to read."""
COPIES = 3
"""Outlets with the same story that are named below a hit."""
INDENT = 5
"""Columns before the text of a hit, which its rank takes on the first line."""
_JUNK = re.compile(
    r"(?P<gone>\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|.)?"  # escape sequences
    r"|[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff])|\s+",
    re.DOTALL,
)
_NO_BREAK = re.compile(r"[^\n]")


def console() -> Console:
    """Standard output for people: colours and links on a terminal, plain text elsewhere and where NO_COLOR is set."""
    from rich.console import Console

    return Console(
        highlight=False, markup=False, emoji=False, color_system=None if os.environ.get("NO_COLOR") else "auto"
    )


def clean(text: str, spans: Sequence[Span] = (), *, lines: bool = False) -> tuple[str, list[Span]]:
    """Make text harmless and compact: control characters go, blanks shrink to one.

    Args:
        text: anything.
        spans: character spans within it.
        lines: keep line breaks and indents.

    Returns:
        The text, and the spans where they are now.
    """
    kept: list[str] = []
    places: list[int] = []  # the new place of each old character
    length = last = 0
    for match in _JUNK.finditer(text):
        start, end = match.span()
        kept.append(text[last:start])
        places.extend(range(length, length + start - last))
        length += start - last
        blank = "" if match["gone"] else _NO_BREAK.sub(" ", match[0].replace("\t", "    ")) if lines else " "
        kept.append(blank)
        places.extend([length] * (end - start))
        length, last = length + len(blank), end
    kept.append(text[last:])
    places.extend(range(length, length + len(text) - last + 1))
    return "".join(kept), [(places[start], places[end]) for start, end in spans]


def line(text: str) -> str:
    """Text as one harmless line."""
    return clean(text)[0].strip()


def note(text: str) -> None:
    """Tell a person something that is no result: one line on standard error."""
    sys.stderr.write(line(text) + "\n")
    sys.stderr.flush()


# hits


def print_hits(hits: Sequence[Hit], *, full: bool = False, explain: bool = False, scored: bool = True) -> None:
    """Print hits as blocks: title, where and when, the best sentences in their surroundings, the citation."""
    from rich.text import Text

    out = console()
    width = max(20, min(out.width, WIDTH) - INDENT)
    for hit in hits:
        parts = [_title(hit.document), _origin(hit, scored=scored), _quoted(hit, width, full=full)]
        if explain:
            parts += [Text(told, "cyan") for told in _explained(hit)]
        parts.append(_citation(hit))
        if hit.copies:
            parts.append(Text(_also_in(hit.copies), "dim"))
        print_indented(out, parts[0], INDENT, Text(f"{hit.rank:>3}  ", "bold"))
        for part in parts[1:]:
            print_indented(out, part, INDENT)
        out.print()


def print_indented(out: Console, text: Text, indent: int, first: Text | None = None) -> None:
    """Print text in lines of at most WIDTH columns behind an indent; ``first`` stands in the indent of the first."""
    from rich.text import Text

    for wrapped in text.wrap(out, max(20, min(out.width, WIDTH) - indent)):
        shown = Text.assemble(first or " " * indent, wrapped)
        shown.rstrip()
        out.print(shown, soft_wrap=True)
        first = None


def _title(document: Document) -> Text:
    from rich.style import Style
    from rich.text import Text

    return Text(line(document.title) or line(document.doc_id), Style(bold=True, link=link(document.uri)))


def link(uri: str) -> str | None:
    """What a terminal may open: a web address, or a file that exists."""
    if re.match(r"https?://[^\s/]", uri):
        return quote(uri, safe="%/:?#[]@!$&'()*+,;=~")  # nothing left that could end the escape sequence
    try:
        return Path(uri).resolve().as_uri() if uri and Path(uri).is_file() else None
    except (OSError, ValueError):
        return None


def _origin(hit: Hit, *, scored: bool) -> Text:
    from rich.text import Text

    document = hit.document
    heading = f"§ {hit.passage.heading}" if hit.passage.heading else ""
    score = f"score {hit.score:.3f}" if scored else ""
    parts = [document.source, document.published[:10], score, heading]
    return Text(" · ".join(line(part) for part in parts if part.strip()), "cyan")


def _quoted(hit: Hit, width: int, *, full: bool) -> Text:
    """The passage, or the part of it around the best sentences: these bright, the rest dim, the query's words bold."""
    from rich.cells import cell_len
    from rich.text import Text

    skip = 0 if full or not hit.passage.heading else past_headings(hit.passage.text)  # the line above tells them
    highlights, words = ([(a - skip, b - skip) for a, b in spans if a >= skip] for spans in (hit.highlights, hit.terms))
    text, moved = clean(hit.passage.text[skip:], [*highlights, *words], lines=full)
    best, terms = moved[: len(highlights)], moved[len(highlights) :]
    start, end = 0, len(text)
    if not full:
        narrow = len(text) / max(1, cell_len(text))  # Chinese characters take two columns
        room = int((LINES - 0.3) * width * narrow)  # lines are not full to the last column
        start, end = window(text, best or terms[:1], room)
    styled = Text(text, "dim" if best else "")
    for span in best:
        styled.stylize("not dim", *span)
    for span in terms:
        styled.stylize("bold red not dim", *span)
    shown = styled[start:end]
    shown.rstrip()
    return Text.assemble(("… " if start else "", "dim"), shown, (" …" if end < len(text) else "", "dim"))


def _explained(hit: Hit) -> list[str]:
    """Where the score comes from: what each leg said, what hits are sorted by, and the parts of the relevance."""
    legs = [_leg(name, hit) for name in ("dense", "lexical")]
    merged = f"{'merged':<8} rank {hit.rank:>4}  score {hit.merged:>8.4f}"
    parts = ", ".join(f"{name} {value:.4f}" for name, value in hit.parts.items())
    return [*legs, merged, f"{'score':<8} {hit.score:.4f} from {parts}"]


def _leg(name: str, hit: Hit) -> str:
    leg = hit.legs.get(name)
    if leg is None:
        return f"{name:<8} not found"
    rank = f"rank {leg.rank:>4}" if leg.rank else "rank    -"
    return f"{name:<8} {rank}  score {leg.score:>8.4f}"


def _citation(hit: Hit) -> Text:
    from rich.text import Text

    text = f"{line(hit.citation.doc_id)} [{hit.citation.start}-{hit.citation.end}]"
    if hit.citation.pages:
        text += f" page{'s' if '-' in hit.citation.pages else ''} {hit.citation.pages}"
    if hit.others:
        more = len(hit.others)
        text += f" · also in this article: {more} more passage{'s' if more > 1 else ''}"
    return Text(text, "dim")


def _also_in(copies: Sequence[Copy]) -> str:
    """Who else has the story: the first few outlets by name, or titles where an article names none."""
    names = dict.fromkeys(line(copy.source or copy.title or copy.doc_id) for copy in copies)
    shown = list(names)[:COPIES]
    more = len(copies) - len(shown)
    return f"also in: {', '.join(shown)}{f' and {more} more' if more else ''}"


def print_document(document: Document) -> None:
    """Print an article: title, where and when, address, text."""
    origin = " · ".join(line(part) for part in (document.source, document.published, document.author) if part)
    head = [line(document.title) or line(document.doc_id), origin, line(document.uri)]
    body = clean(document.text, lines=True)[0]
    sys.stdout.write("\n".join(part for part in head if part) + f"\n\n{body}\n")
