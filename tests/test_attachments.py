"""What is attached to a letter: documents become articles of their own, within the bounds of archives."""

import email.message
import email.policy
import tarfile

import pytest
from document_tools import (
    FISH,
    SALT,
    docx,
    eml,
    paragraph,
    pdf,
    read_file,
    reasons,
    tarred,
    texts,
    zipped,
)  # fmt: skip

from searchidx import Index
from searchidx.articles import archives
from searchidx.types import Document, Failure


def letter(*attached, text=FISH, subject="Fish"):
    """A letter with attachments: names with contents, or letters; made by Python's own library."""
    message = email.message.EmailMessage(policy=email.policy.SMTP)
    message["From"], message["Subject"], message["Date"] = (
        "Ada <a@example.org>",
        subject,
        "Thu, 2 May 2019 10:11:12 +0200",
    )
    if text:
        message.set_content(text)
    for one in attached:
        if isinstance(one, tuple):
            name, content = one
            content = content.encode() if isinstance(content, str) else content
            message.add_attachment(content, "application", "octet-stream", filename=name)
        else:
            message.add_attachment(one)
    return message


def read(tmp_path, message, name="a.eml"):
    return read_file(tmp_path, name, message if isinstance(message, bytes) else message.as_bytes())


def test_documents_attached_to_a_letter_are_articles_of_their_own(tmp_path):
    attached = [
        ("fleet.pdf", pdf(SALT)),
        ("smoke.docx", docx(paragraph(SALT))),
        ("page.html", f"<html><body><p>{SALT} {FISH}</p></body></html>"),
        ("note.txt", SALT),
        ("list.md", f"# List\n\n{SALT}"),
        ("more.zip", zipped({"b.txt": SALT})),
        ("boat.jpg", b"\xff\xd8\xff"),
    ]
    items = read(tmp_path, letter(*attached))
    found = {item.doc_id: item for item in items if isinstance(item, Document)}
    assert list(found) == [
        "a.eml", "a.eml/fleet.pdf", "a.eml/smoke.docx", "a.eml/page.html", "a.eml/note.txt", "a.eml/list.md",
        "a.eml/more.zip/b.txt",
    ]  # fmt: skip
    assert not [item for item in items if isinstance(item, Failure)]
    assert all(SALT[:40] in found[name].text for name in found if name != "a.eml")
    assert found["a.eml"].text == FISH
    assert found["a.eml"].metadata["attachments"] == [name for name, _ in attached]
    assert found["a.eml/note.txt"].metadata["attached_to"] == "a.eml"
    assert "attached_to" not in found["a.eml"].metadata


def test_a_letter_in_a_letter_is_an_article_with_what_is_attached_to_it(tmp_path):
    inner = letter(("note.txt", SALT), text=f"Inside: {SALT}", subject="Inner")
    items = read(tmp_path, letter(inner, inner))
    assert texts(items).keys() == {
        "a.eml", "a.eml/message.eml", "a.eml/message.eml/note.txt", "a.eml/2/message.eml",
        "a.eml/2/message.eml/note.txt",
    }  # fmt: skip
    found = {item.doc_id: item for item in items}
    assert (found["a.eml/message.eml"].title, found["a.eml"].title) == ("Inner", "Fish")
    assert found["a.eml"].text == FISH


def test_letters_in_letters_end_where_archives_in_archives_do(tmp_path):
    message = letter(text="The innermost letter of all.")
    for depth in range(5):
        message = letter(message, text=f"Letter {depth} says: {FISH}")
    items = read(tmp_path, message)
    assert len(texts(items)) == archives.MAX_DEPTH + 1
    (refused,) = reasons(items).values()
    assert "an archive within 3 others" in refused
    assert texts(read_file(tmp_path, "a.zip", zipped({"b.zip": zipped({"c.zip": zipped({"d.eml": eml(FISH)})})}))) == {
        "a.zip/b.zip/c.zip/d.eml": FISH
    }


def test_a_letter_with_nothing_but_a_document_is_that_document(tmp_path):
    items = read(tmp_path, letter(("fleet.pdf", pdf(SALT)), text=""))
    assert [item.doc_id for item in items] == ["a.eml/fleet.pdf"]
    (failure,) = read(tmp_path, letter(("boat.jpg", b"\xff\xd8"), text=""), "b.eml")
    assert "no text in this message" in failure.reason


@pytest.mark.parametrize("name", ["../../up.txt", "/etc/passwd.txt", "C:\\up.txt", "..\\up.txt", "a/../../up.txt"])
def test_a_name_that_leads_out_is_refused_and_nothing_is_written(tmp_path, name):
    (tmp_path / "in").mkdir()
    before = set(tmp_path.rglob("*"))
    items = read(tmp_path / "in", letter((name, SALT)))
    assert list(texts(items)) == ["a.eml"]
    (refused,) = reasons(items).values()
    assert "leads out" in refused
    assert set(tmp_path.rglob("*")) - before == {tmp_path / "in" / "a.eml"}


def test_bombs_and_damage_attached_to_a_letter_are_reasons_and_the_rest_is_read(tmp_path):
    bomb = zipped({"zeros.txt": b"0" * (40 * 2**20)})
    link = tarfile.TarInfo("link.txt")
    link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
    items = read(
        tmp_path,
        letter(
            ("bomb.zip", bomb), ("link.tar", tarred([(link, None)], "w:")), ("broken.pdf", b"%PDF-1.7"), ("a.txt", SALT)
        ),
    )
    assert texts(items).keys() == {"a.eml", "a.eml/a.txt"}
    told = " ".join(item.reason for item in items if isinstance(item, Failure))
    assert "as bombs do" in told
    assert "a link, not a file" in told
    assert len([item for item in items if isinstance(item, Failure)]) >= 3


def test_two_attachments_of_one_name_are_two_articles_and_empty_ones_none(tmp_path):
    items = read(tmp_path, letter(("a.txt", FISH), ("a.txt", SALT), ("b.txt", "")))
    assert texts(items) == {"a.eml": FISH, "a.eml/a.txt": FISH, "a.eml/2/a.txt": SALT}


def test_a_part_that_is_the_letter_is_not_attached_to_it_though_it_has_a_name(tmp_path):
    head = 'Content-Type: text/plain; name="body.txt"\r\nContent-Disposition: inline; filename="body.txt"'
    content = eml(f"--B\r\n{head}\r\n\r\n{FISH}\r\n--B--", content_type="multipart/mixed; boundary=B")
    assert texts(read(tmp_path, content)) == {"a.eml": FISH}


@pytest.mark.parametrize(
    "part",
    [
        "Content-Type: message/rfc822\r\n\r\nno headers at all",
        "Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\nAAAA",
        "Content-Type: message/rfc822\r\n\r\nContent-Type: multipart/mixed; boundary=B\r\n\r\n--B\r\n",
        "Content-Type: message/rfc822\r\n\r\nSubject: \xff\r\nFrom: @@<>;\r\n\r\n\xff\xfe",
        "Content-Type: text/plain; name*=utf-8''%FF%00.txt\r\n\r\nx",
        "Content-Disposition: attachment; filename=\"\x01\x02.txt\"\r\n\r\nx",
        "Content-Disposition: attachment; filename*0*=no-such''a; filename*1=.txt\r\n\r\nx",
    ],
)  # fmt: skip
def test_attachments_that_make_no_sense_leave_the_letter(tmp_path, part):
    content = eml(
        f"--B\r\nContent-Type: text/plain\r\n\r\n{FISH}\r\n--B\r\n{part}\r\n--B--",
        content_type="multipart/mixed; boundary=B",
    )
    items = read(tmp_path, content)
    assert items[0].doc_id == "a.eml"
    assert items[0].text.startswith(FISH)
    assert all(isinstance(item, Document | Failure) for item in items)


def test_sync_follows_what_is_attached(tmp_path):
    mail = tmp_path / "mail"
    mail.mkdir()
    (mail / "a.eml").write_bytes(letter(("a.txt", SALT), ("b.txt", FISH)).as_bytes())
    with Index.create(tmp_path / "index") as index:
        assert index.add(str(mail)).added == 3
        assert index.search("salt dearer than silver", where=["attached_to=mail/a.eml"])[0].document.doc_id == (
            "mail/a.eml/a.txt"
        )
        (mail / "a.eml").write_bytes(letter(("a.txt", SALT)).as_bytes())
        report = index.sync()
        assert (report.removed, report.failed) == (1, ())
        assert {document.doc_id for document in index.list()} == {"mail/a.eml", "mail/a.eml/a.txt"}
