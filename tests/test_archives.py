"""ZIP and tar: members as articles, and archives that are hostile, damaged or empty."""

import lzma
import os
import struct
import subprocess
import sys
import tarfile
import time
import zipfile
from pathlib import Path

import pytest
from document_tools import FISH, SALT, one, pdf, read_file, reason, reasons, tarred, texts, zipped

import searchidx
from searchidx.articles import archives, isolation

MEMBERS = {
    "news/fish.txt": FISH,
    "news/salt.md": f"# Salt\n\n{SALT}",
    "report.pdf": pdf(FISH),
    "day.jsonl": '{"id": "j1", "text": "One line."}\n{"text": "Another line."}',
    "page.html": f"<html><title>Fish</title><article><p>{FISH}</p><p>{SALT}</p></article></html>",
}


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.zip", zipped(MEMBERS)),
        ("a.zip", zipped(MEMBERS, zipfile.ZIP_LZMA)),
        ("a.tar", tarred(MEMBERS, "w:")),
        ("a.tar.gz", tarred(MEMBERS)),
        ("a.tgz", tarred(MEMBERS)),
        ("a.tar.bz2", tarred(MEMBERS, "w:bz2")),
        ("a.txz", tarred(MEMBERS, "w:xz")),
    ],
)
def test_members_of_an_archive_are_articles(tmp_path, name, content):
    items = read_file(tmp_path, name, content)
    assert reasons(items) == {}
    assert {doc_id: text[:12] for doc_id, text in texts(items).items()} == {
        f"{name}/news/fish.txt": FISH[:12],
        f"{name}/news/salt.md": "# Salt\n\nSalt",
        f"{name}/report.pdf": FISH[:12],
        "j1": "One line.",
        f"{name}/day.jsonl#L2": "Another line",
        f"{name}/page.html": FISH[:12],
    }
    assert items[0].uri == str(tmp_path / name / "news/fish.txt")
    assert items[2].metadata == {"page_starts": [0]}


@pytest.mark.parametrize(
    ("content", "doc_id"), [(zipped({"a.txt": FISH}), "x/a.txt"), (tarred({"a.txt": FISH}), "x/a.txt")]
)
def test_an_archive_is_known_by_its_first_bytes(tmp_path, content, doc_id):
    assert texts(read_file(tmp_path, "x", content)) == {doc_id: FISH}


def test_archives_in_archives_are_opened_three_deep(tmp_path):
    inner = zipped({"two.tar.gz": tarred({"two.zip": zipped({"deep.txt": FISH})})})
    assert texts(read_file(tmp_path, "a.zip", inner)) == {"a.zip/two.tar.gz/two.zip/deep.txt": FISH}
    items = read_file(tmp_path, "b.zip", zipped({"a.zip": inner, "z.txt": SALT}))
    assert texts(items) == {"b.zip/z.txt": SALT}
    assert "an archive within 3 others" in reasons(items)["two.zip"]


def test_what_a_folder_would_leave_out_is_left_out(tmp_path):
    members = {".hidden.txt": FISH, "a.png": "x", "b.csv": "x", "c.txt": "", "__MACOSX/d.txt": FISH}
    assert reason(read_file(tmp_path, "a.zip", zipped(members))) == (
        "there is no article in this archive (left out: 2 hidden, 1 binary, 1 unsupported, 1 empty)"
    )
    assert texts(read_file(tmp_path, "b.zip", zipped({**members, "e.txt": FISH}))) == {"b.zip/e.txt": FISH}
    assert "no article" in reason(read_file(tmp_path, "c.tar", tarred({}, "w:")))


# hostile names and kinds


def special(name, kind, link=""):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    return info, None


def linked(name):
    info = zipfile.ZipInfo(name)
    info.create_system, info.external_attr = 3, 0o120777 << 16
    return info


OUTSIDE = ["../up.txt", "a/../../up.txt", "/etc/up.txt", "\\up.txt", "C:\\up.txt", "a\\..\\..\\up.txt"]


@pytest.mark.parametrize("make", [zipped, tarred])
@pytest.mark.parametrize("name", OUTSIDE)
def test_a_name_that_leads_out_is_refused_and_nothing_written(tmp_path, make, name):
    folder = tmp_path / "in" / "here"
    folder.mkdir(parents=True)
    items = read_file(folder, "a.zip" if make is zipped else "a.tar.gz", make({name: SALT, "b.txt": FISH}))
    assert list(texts(items).values()) == [FISH]
    assert "leads out of the archive" in reasons(items)["up.txt"]
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == [next(folder.iterdir()).name]


def test_links_devices_and_pipes_are_refused(tmp_path):
    members = [
        special("link.txt", tarfile.SYMTYPE, "/etc/passwd"),
        special("hard.txt", tarfile.LNKTYPE, "b.txt"),
        special("device.txt", tarfile.CHRTYPE),
        special("disk.txt", tarfile.BLKTYPE),
        special("pipe.txt", tarfile.FIFOTYPE),
        ("b.txt", FISH),
    ]
    items = read_file(tmp_path, "a.tar.gz", tarred(members))
    assert list(texts(items).values()) == [FISH]
    told = reasons(items)
    assert {name: reason.partition(",")[0] for name, reason in told.items()} == {
        "link.txt": "a link",
        "hard.txt": "a link",
        "device.txt": "a device or pipe",
        "disk.txt": "a device or pipe",
        "pipe.txt": "a device or pipe",
    }
    items = read_file(tmp_path, "a.zip", zipped([(linked("link.txt"), "/etc/passwd"), ("b.txt", FISH)]))
    assert list(texts(items).values()) == [FISH]
    assert reasons(items)["link.txt"].startswith("a link, not a file")


def test_members_with_a_password_are_told_once(tmp_path):
    content = bytearray(zipped({"a.txt": FISH, "b.txt": SALT, "c.txt": FISH}))
    central = content.find(b"PK\1\2")
    for place in (central, content.find(b"PK\1\2", central + 4)):
        content[place + 8] |= 1
    items = read_file(tmp_path, "a.zip", bytes(content))
    assert texts(items) == {"a.zip/c.txt": FISH}
    assert reasons(items) == {"a.zip": "2 of its files are protected by a password: unpack it and add the folder"}


# bombs


def test_a_member_that_unpacks_to_a_thousand_times_its_size_is_refused(tmp_path):
    items = read_file(tmp_path, "a.zip", zipped({"bomb.txt": b"0" * 30_000_000, "b.txt": FISH}))
    assert texts(items) == {"a.zip/b.txt": FISH}
    assert "times its size, as bombs do: unpack what you trust of it" in reasons(items)["bomb.txt"]


def flat_bomb():
    """A ZIP whose 40 members of 256 MiB, 10 GiB in all, share one stream of zeros."""
    whole = zipped({"bomb-00.jsonl": b"0" * 2**28})
    start, end = whole.index(b"PK\1\2"), whole.index(b"PK\5\6")
    entries = b"".join(whole[start:end].replace(b"bomb-00", b"bomb-%02d" % number) for number in range(40))
    return whole[:start] + entries + struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 40, 40, len(entries), start, 0)


def tar_bomb():
    """Members of 512 MiB, 10 GiB in all: packed headers and zeros one after another."""
    info = tarfile.TarInfo("bomb.png")
    info.size = 2**29
    return (lzma.compress(info.tobuf()) + lzma.compress(b"\0" * 2**26) * 8) * 20


def nested_bomb():
    inner = zipped({"0.jsonl": b"0" * 2**28})
    for _ in range(3):
        inner = zipped([(f"{number}.zip", inner) for number in range(16)])
    return inner


@pytest.mark.parametrize(("name", "make"), [("a.zip", flat_bomb), ("a.tar.xz", tar_bomb), ("b.zip", nested_bomb)])
def test_bombs_of_ten_gigabytes_and_more_are_refused_in_little_memory_and_time(tmp_path, name, make):
    content = make()
    isolation.close_workers()
    began = time.monotonic()
    items = read_file(tmp_path, name, content)
    assert texts(items) == {}
    assert items
    assert any("bombs do" in item.reason or "within 3 others" in item.reason for item in items)
    assert time.monotonic() - began < 30
    status = Path(f"/proc/{isolation._idle[0]._process.pid}/status").read_text()
    assert int(status.partition("VmHWM:")[2].split()[0]) < 500 * 1024


@pytest.mark.parametrize("count", [201_000, pytest.param(10**6, marks=pytest.mark.slow)])
def test_an_archive_of_too_many_files_is_refused(tmp_path, count):
    central = b"".join(
        struct.pack("<4s4B4HL2L5H2L", b"PK\1\2", 20, 3, 20, 0, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0)
        + b"%07d" % number
        for number in range(count)
    )
    end = struct.pack("<4sQHHLLQQQQ", b"PK\6\6", 44, 45, 45, 0, 0, count, count, len(central), 0)
    locator = struct.pack("<4sLQL", b"PK\6\7", 0, len(central), 1)
    tail = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 65535, 65535, 2**32 - 1, 2**32 - 1, 0)
    began = time.monotonic()
    said = reason(read_file(tmp_path, "a.zip", central + end + locator + tail))
    assert "more than 200,000 files" in said or "GiB of memory" in said
    assert time.monotonic() - began < 40


# damage


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("name", ["a.zip", "a.tar", "a.tar.gz", "a.tar.xz"])
def test_an_archive_that_is_cut_off_is_told_and_what_came_before_is_kept(tmp_path, name, share):
    noise = {f"{number}.txt": FISH + os.urandom(3000).hex() for number in range(10)}
    whole = zipped(noise) if name == "a.zip" else tarred(noise, f"w:{name[6:]}")
    items = read_file(tmp_path, name, whole[: int(len(whole) * share)])
    assert any("damaged or cut off" in told for told in reasons(items).values())
    if name in ("a.tar", "a.tar.gz") and share == 0.9:
        assert len(texts(items)) >= 5


def test_a_damaged_member_leaves_the_others(tmp_path):
    content = bytearray(zipped({"a.txt": FISH, "b.txt": SALT}, zipfile.ZIP_STORED))
    content[content.index(b"herring")] ^= 1
    items = read_file(tmp_path, "a.zip", bytes(content))
    assert texts(items) == {"a.zip/b.txt": SALT}
    assert "damaged or cut off (Bad CRC-32" in reasons(items)["a.txt"]


KILLER = (
    "from searchidx.articles import pdf, worker; import os;"
    "read = pdf.read_pdf; pdf.read_pdf = lambda s, p: os.abort() if s.uri.endswith('bad.pdf') else read(s, p);"
    "worker.main()"
)


def test_a_member_that_kills_its_process_leaves_the_others(tmp_path, monkeypatch):
    isolation.close_workers()
    monkeypatch.setattr(isolation, "_START", KILLER)
    members = {"a.txt": FISH, "in.zip": zipped({"bad.pdf": pdf(SALT), "good.pdf": pdf(SALT)}), "z.txt": FISH}
    items = read_file(tmp_path, "a.zip", zipped(members))
    assert texts(items) == {"a.zip/a.txt": FISH, "a.zip/in.zip/good.pdf": SALT, "a.zip/z.txt": FISH}
    assert reasons(items)["bad.pdf"].startswith("it crashed its parser (SIGABRT): save it anew")
    many = {f"{number:02}bad.pdf": pdf(SALT) for number in range(20)}
    items = read_file(tmp_path, "b.zip", zipped(many))
    assert len(items) == isolation.MAX_DEATHS + 1
    assert "10 of its articles could not be parsed; the rest is left out" in items[-1].reason
    isolation.close_workers()


# in an index


def test_sync_follows_the_files_of_an_archive_and_add_loses_none(tmp_path):
    path = tmp_path / "news.zip"
    path.write_bytes(zipped({"a.txt": FISH, "b.txt": SALT}))
    with searchidx.Index.create(tmp_path / "index") as index:
        assert index.add(path).added == 2
        assert index.add(path).unchanged == 2
        path.write_bytes(zipped({"a.txt": SALT}))
        report = index.add(path)
        assert (report.updated, report.removed) == (1, 0)
        report = index.sync()
        assert (report.removed, report.failed) == (1, ())
        assert [document.doc_id for document in index.list()] == ["news.zip/a.txt"]
        path.write_bytes(zipped({"c.txt": FISH})[:-30])
        report = index.sync()
        assert (report.removed, len(report.failed)) == (0, 1)
        path.unlink()
        assert index.sync().removed == 1


def test_archives_in_a_folder_are_found_with_their_own_bytes_only(tmp_path):
    folder = tmp_path / "news"
    folder.mkdir()
    (folder / "a.zip").write_bytes(zipped({"x.txt": FISH}))
    (folder / "b.txt").write_text(SALT)
    with searchidx.Index.create(tmp_path / "index") as index:
        assert index.add(folder).added == 2
        assert {document.doc_id for document in index.list()} == {"news/a.zip/x.txt", "news/b.txt"}


def test_nothing_is_left_in_the_temporary_folder(tmp_path):
    script = (
        "import sys; sys.path.insert(0, sys.argv[2]); from document_tools import *; from pathlib import Path;"
        "print(len(read_file(Path(sys.argv[1]), 'a.zip', zipped({'x.txt': FISH, 'y.txt': SALT}))))"
    )
    (tmp_path / "temp").mkdir()
    environment = {**os.environ, "TMPDIR": str(tmp_path / "temp")}
    command = [sys.executable, "-W", "error", "-c", script, str(tmp_path), str(Path(__file__).parent)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
    assert (done.stdout, done.stderr) == ("2\n", "")
    assert list((tmp_path / "temp").iterdir()) == []


def test_limits_are_those_that_the_documentation_names():
    text = (Path(__file__).parents[1] / "docs" / "formats.md").read_text()
    for said in (f"{archives.MAX_RATIO} times", f"{archives.MAX_ENTRIES:,} files", f"{archives.MAX_DEPTH} deep"):
        assert said in text


def test_one_pdf_in_an_archive_is_read_as_outside(tmp_path):
    inside = one(read_file(tmp_path, "a.zip", zipped({"a.pdf": pdf(FISH, SALT)})))
    outside = one(read_file(tmp_path, "a.pdf", pdf(FISH, SALT)))
    assert (inside.text, inside.metadata) == (outside.text, outside.metadata)
