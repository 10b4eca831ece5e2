"""PDFs: text with its pages, properties, and files that are protected, scanned, damaged or hostile."""

import json
import os
import signal
import time

import pytest
from document_tools import FISH, SALT, assembled, one, pdf, read_file, reason, stream

import searchidx
from searchidx.articles import isolation
from searchidx.articles.pages import join_pages, pages_of
from searchidx.articles.pdf import flow
from searchidx.cli import main
from searchidx.types import Citation, Failure


def test_the_text_of_a_pdf_knows_where_its_pages_start(tmp_path):
    document = one(read_file(tmp_path, "a.pdf", pdf(FISH, None, SALT)))
    assert document.text == f"{FISH}\n\n{SALT}"
    starts = document.metadata["page_starts"]
    assert starts == [0, len(FISH) + 2, len(FISH) + 2]
    assert document.text[starts[2] :] == SALT
    assert (document.doc_id, document.uri) == ("a.pdf", str(tmp_path / "a.pdf"))


@pytest.mark.parametrize(
    ("start", "end", "pages"),
    [(0, 5, "1"), (0, 10, "1"), (5, 12, "1-2"), (10, 12, "2"), (15, 25, "2-4"), (20, 25, "4"), (29, 30, "4")],
)
def test_a_span_stands_on_the_pages_that_it_touches(start, end, pages):
    assert pages_of({"page_starts": [0, 10, 20, 20]}, start, end) == pages


@pytest.mark.parametrize("starts", [None, "0", 3, [], [1, 2], [0, "9"], [0, True], {"0": 1}])
def test_what_is_no_list_of_page_starts_gives_no_pages(starts):
    assert pages_of({"page_starts": starts}, 0, 5) == ""


def test_pages_start_where_they_do_after_cleaning_too():
    text, starts = join_pages(["\u200bcafe\u0301\r\n", "", " two \n", "\n"])
    assert (text, starts) == ("café\n\ntwo", [0, 6, 6, 11])


def test_title_author_date_and_language_come_from_the_properties(tmp_path):
    info = "/Title (Herring Days) /Author (Ada Bo) /CreationDate (D:20190502101112+02'00')"
    document = one(read_file(tmp_path, "a.pdf", pdf(FISH, info=info, catalog="/Lang (en-GB)")))
    assert (document.title, document.author) == ("Herring Days", "Ada Bo")
    assert (document.published, document.language) == ("2019-05-02T08:11:12Z", "en")


@pytest.mark.parametrize("title", ["Untitled 3", "Microsoft Word - draft.doc", "report.indd", ""])
def test_a_title_that_a_program_made_up_is_none(tmp_path, title):
    assert one(read_file(tmp_path, "a.pdf", pdf(FISH, info=f"/Title ({title})"))).title == ""


def test_broken_lines_are_joined_and_divided_words_put_together():
    text = (
        "Heading\nThe herring returned to the bay after many lean and hun-\n"
        "gry years, and the fleet of forty boats went out to meet it\nat dawn.\nSalt was dear."
    )
    assert flow(text) == (
        "Heading\nThe herring returned to the bay after many lean and hungry years, and the fleet of forty boats went"
        " out to meet it at dawn.\nSalt was dear.\n"
    )
    assert flow("") == flow(" \n ") == ""


def test_a_scan_is_told_with_the_remedy(tmp_path):
    assert "no text in its 2 pages: it is a scan; give it a text layer with OCR" in reason(
        read_file(tmp_path, "a.pdf", pdf(None, None))
    )


def encrypted(password, owner="owner"):
    import io

    from pypdf import PdfReader, PdfWriter

    writer = PdfWriter(clone_from=PdfReader(io.BytesIO(pdf(FISH))))
    writer.encrypt(password, owner, algorithm="RC4-128")
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


def test_a_pdf_with_a_password_is_told_and_one_that_merely_forbids_printing_is_read(tmp_path):
    assert "protected by a password" in reason(read_file(tmp_path, "a.pdf", encrypted("secret")))
    assert one(read_file(tmp_path, "b.pdf", encrypted(""))).text == FISH


def nested_pages(depth):
    return {number: f"<< /Type /Pages /Kids [{number + 1} 0 R] /Count 1 >>".encode() for number in range(2, depth)}


def page_tree(kids):
    return assembled({1: b"<< /Type /Catalog /Pages 2 0 R >>", 2: kids}, "/Root 1 0 R")


def circular_xref():
    whole = pdf(FISH)
    start = whole.rindex(b"xref\n0")
    return whole.replace(b"trailer\n<<", b"trailer\n<< /Prev %d" % whole.rindex(b"xref\n0", 0, start + 9))


def double_bomb():
    import zlib

    inner = zlib.compress(b"0" * 200_000_000)
    return stream(inner).replace(b"/Filter /FlateDecode", b"/Filter [/FlateDecode /FlateDecode]")


HOSTILE = {
    "truncated in the middle": pdf(FISH, SALT)[:600],
    "the first bytes": b"%PDF-1.7\n",
    "no objects": b"%PDF-1.7\n" + b"\0" * 10_000,
    "flate bomb": pdf(FISH, extra={5: stream(b"0" * 300_000_000)}),
    "double flate bomb": pdf(FISH, extra={5: double_bomb()}),
    "circular xref": circular_xref(),
    "circular pages": page_tree(b"<< /Type /Pages /Kids [2 0 R] /Count 1 >>"),
    "deep pages": assembled({1: b"<< /Type /Catalog /Pages 2 0 R >>", **nested_pages(5000)}, "/Root 1 0 R"),
    "a million pages": page_tree(b"<< /Type /Pages /Kids [" + b"2 0 R " * 100_000 + b"] /Count 1000000 >>"),
    "deep arrays": pdf(FISH, extra={5: stream(b"[" * 1_000_000)}),
    "deep form": pdf(FISH, catalog="/AcroForm " + "<< /A " * 20_000 + ">>" * 20_000),
    "a stream that says it is long": pdf(FISH).replace(b"/Length ", b"/Length 99999999"),
    "contents that draw themselves": pdf(FISH, extra={5: b"[5 0 R 5 0 R]"}),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_pdf_is_a_text_or_a_reason_within_bounds(tmp_path, name):
    began = time.monotonic()
    items = read_file(tmp_path, "a.pdf", HOSTILE[name])
    assert len(items) == 1
    if isinstance(items[0], Failure):
        assert ":" in items[0].reason
    else:
        assert "herring" in items[0].text
    assert time.monotonic() - began < isolation.CPU_SECONDS + 15
    assert one(read_file(tmp_path, "b.pdf", pdf(SALT))).text == SALT


def test_a_page_that_cannot_be_read_leaves_the_others(tmp_path):
    document = one(read_file(tmp_path, "a.pdf", pdf(FISH, SALT, extra={5: stream(b"0" * 300_000_000)})))
    assert document.text == SALT
    assert document.metadata == {"page_starts": [0, 0], "unreadable_pages": [1]}


# the process that parses


def test_one_process_reads_many_files_and_is_replaced_when_it_dies(tmp_path):
    assert one(read_file(tmp_path, "a.pdf", pdf(FISH))).text == FISH
    (worker,) = isolation._idle
    assert one(read_file(tmp_path, "b.pdf", pdf(SALT))).text == SALT
    assert isolation._idle == [worker]
    os.kill(worker._process.pid, signal.SIGKILL)
    worker._process.wait()
    assert one(read_file(tmp_path, "c.pdf", pdf(FISH))).text == FISH
    assert isolation._idle != [worker]


def test_a_process_that_dies_while_it_parses_is_one_failure(tmp_path, monkeypatch):
    monkeypatch.setattr(isolation, "_START", "import os, signal; input(); os.kill(os.getpid(), signal.SIGSEGV)")
    isolation.close_workers()
    assert reason(read_file(tmp_path, "a.pdf", pdf(FISH))).startswith("it crashed its parser (SIGSEGV): save it anew")
    monkeypatch.undo()
    assert one(read_file(tmp_path, "a.pdf", pdf(FISH))).text == FISH


def test_a_process_that_hangs_is_ended(tmp_path, monkeypatch):
    monkeypatch.setattr(isolation, "_START", "import time; input(); time.sleep(60)")
    monkeypatch.setattr(isolation, "SILENCE_SECONDS", 0.5)
    isolation.close_workers()
    began = time.monotonic()
    assert reason(read_file(tmp_path, "a.pdf", pdf(FISH))).startswith("parsing it takes too long: save it anew")
    assert time.monotonic() - began < 5


LIMITED = (
    "from searchidx.articles import pdf, worker, isolation;"
    "isolation.CPU_SECONDS = worker.CPU_SECONDS = 1; pdf.read_pdf = {}; worker.main()"
)


def test_a_parser_that_takes_all_memory_or_time_is_one_failure(tmp_path, monkeypatch):
    for parser, said in (
        ("lambda *_: bytearray(2**31)", "parsing it needs more than 1 GiB of memory: save it anew"),
        ("lambda *_: sum(range(10**12))", "seconds of processor time: save it anew"),
    ):
        isolation.close_workers()
        monkeypatch.setattr(isolation, "_START", LIMITED.format(parser))
        assert said in reason(read_file(tmp_path, "a.pdf", pdf(FISH)))
    isolation.close_workers()


# to the citation


def test_a_citation_names_the_page():
    citation = Citation("a", "Herring", "", "", "/a.pdf", 3, 9, "2-3")
    assert str(citation) == "“Herring”, /a.pdf, pages 2-3, characters 3-9"
    assert str(Citation("a", "", "", "", "/a.pdf", 3, 9, "2")) == "a, /a.pdf, page 2, characters 3-9"
    assert str(Citation("a", "", "", "", "/a.pdf", 3, 9)) == "a, /a.pdf, characters 3-9"


def test_a_hit_and_a_context_cite_the_page_from_python_and_the_command_line(tmp_path, capsys):
    (tmp_path / "fleet.pdf").write_bytes(pdf(FISH, SALT, info="/Title (Winter)"))
    with searchidx.Index.create(tmp_path / "index") as index:
        assert index.add(tmp_path / "fleet.pdf").failed == ()
        (hit,) = index.search("smoked over juniper")
        assert hit.citation.pages == pages_of(hit.document.metadata, hit.citation.start, hit.citation.end)
        assert hit.citation.pages in ("2", "1-2")
        assert f"page{'s' if '-' in hit.citation.pages else ''} {hit.citation.pages}, " in str(hit.citation)
        context = index.context("smoked over juniper", max_tokens=500)
        assert context.citations[0].pages == "1-2"
        assert "pages 1-2, " in context.text.splitlines()[1]
    assert main(["search", "juniper", "-i", str(tmp_path / "index"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["citation"]["pages"] == hit.citation.pages
    assert main(["search", "juniper", "-i", str(tmp_path / "index")]) == 0
    assert f" {hit.citation.pages}" in capsys.readouterr().out


def test_a_process_that_ends_for_lack_of_work_just_then_is_replaced(tmp_path, monkeypatch):
    isolation.close_workers()
    monkeypatch.setattr(isolation, "_START", "input()")
    ended = isolation._Worker()
    monkeypatch.undo()
    isolation._idle.append(ended)
    assert one(read_file(tmp_path, "a.pdf", pdf(FISH))).text == FISH


def test_no_temporary_folder_is_a_reason(tmp_path, monkeypatch):
    monkeypatch.setattr(isolation.tempfile, "tempdir", str(tmp_path / "gone"))
    assert reason(read_file(tmp_path, "a.pdf", pdf(FISH))) == "cannot be parsed: No such file or directory"
