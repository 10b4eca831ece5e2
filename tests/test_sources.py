"""From what a user names to files: what is found, in which order, what is left out, and what is said of the rest."""

from __future__ import annotations

import gzip
import io
import os
import socket
import tracemalloc
from collections import Counter
from pathlib import Path

import pytest

from searchidx.articles import sources
from searchidx.articles.sources import MAX_ARTICLE_BYTES, STDIN, digest, exists, find, root, size
from searchidx.types import Failure, Source

PAGE = "<!DOCTYPE html><html><body><p>text</p></body></html>"


def found(spec: str | Path, stdin: bytes | None = None) -> tuple[list[Source], list[Failure], dict[str, int]]:
    skipped = Counter[str]()
    items = list(find(str(spec), skipped, stdin=None if stdin is None else io.BytesIO(stdin)))
    good = [item for item in items if isinstance(item, Source)]
    return good, [item for item in items if isinstance(item, Failure)], dict(skipped)


def only_failure(spec: str | Path, stdin: bytes | None = None) -> str:
    good, (failure,), _ = found(spec, stdin)
    assert good == []
    return failure.reason


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A folder ``news`` with articles, and with everything that is none."""
    news = tmp_path / "news"
    (news / "2024").mkdir(parents=True)
    (news / "2024" / "b.md").write_text("b")
    (news / "2024" / "a.TXT").write_text("a")
    (news / "z.jsonl").write_text("{}")
    (news / "page.html").write_text(PAGE)
    (news / ".hidden.md").write_text("x")
    (news / ".git").mkdir()
    (news / ".git" / "c.md").write_text("x")
    (news / "image.png").write_bytes(b"\x89PNG")
    (news / "fake.txt").write_bytes(b"PK\x03\x04\0\0")
    (news / "empty.md").touch()
    (news / "script.py").write_text("x")
    return news


def test_a_folder_is_read_in_the_order_of_names_and_what_is_left_out_is_counted(tree):
    good, failed, skipped = found(tree)
    assert [source.label for source in good] == ["news/2024/a.TXT", "news/2024/b.md", "news/page.html", "news/z.jsonl"]
    assert [source.media_type for source in good] == ["text/plain", "text/markdown", "text/html", "application/jsonl"]
    assert {source.root for source in good} == {str(tree)}
    assert all(source.uri == str(source.path) and os.path.isabs(source.uri) for source in good)
    assert failed == []
    assert skipped == {"hidden": 2, "binary": 2, "empty": 1, "unsupported": 1}


def test_a_relative_path_gives_absolute_addresses(tree, monkeypatch):
    monkeypatch.chdir(tree)
    good, _, _ = found(".")
    assert good == found(tree)[0]
    (one,), _, _ = found("2024/../2024/b.md")
    assert (one.uri, one.root, one.label) == (f"{tree}/2024/b.md", f"{tree}/2024/b.md", "b.md")


@pytest.mark.parametrize(
    "name", ["with space.md", 'o\'clock "x".md', "日本語 é.md", "new\nline.md", "[draft].md", "-.md", "a*.md"]
)
def test_any_file_name_is_found_by_itself_in_its_folder_and_by_a_pattern(tmp_path, name):
    (tmp_path / name).write_text("text")
    assert [source.label for source in found(tmp_path / name)[0]] == [name]
    assert [source.uri for source in found(tmp_path)[0]] == [str(tmp_path / name)]
    assert [source.uri for source in found(tmp_path / "*.md")[0]] == [str(tmp_path / name)]


def test_a_name_that_is_no_utf8_gets_an_address_that_can_be_stored(tmp_path):
    name = os.fsdecode(b"caf\xe9.md")
    (tmp_path / name).write_text("text")
    (source,), _, _ = found(tmp_path)
    assert source.uri == f"{tmp_path}/caf\\xe9.md"
    assert source.label.encode()
    assert len(digest(source)) == 32
    assert "not valid UTF-8" in only_failure(tmp_path / name)


@pytest.mark.parametrize(
    ("pattern", "labels"),
    [
        ("*.md", []),
        ("2024/*.md", ["2024/b.md"]),
        ("**/*.md", ["news/2024/b.md"]),
        ("**", ["news/2024/a.TXT", "news/2024/b.md", "news/page.html", "news/z.jsonl"]),
        ("20*", ["news/2024/a.TXT", "news/2024/b.md"]),
        ("[0-9]*/?.md", ["news/2024/b.md"]),
        ("*.py", ["news/script.py"]),
        ("**/2024/**/*", ["news/2024/a.TXT", "news/2024/b.md"]),
    ],
)
def test_patterns_match_below_their_fixed_part(tree, pattern, labels):
    good, failed, _ = found(tree / pattern)
    assert [source.label for source in good] == labels
    assert bool(failed) == (not labels)
    assert all(source.root == str(tree / pattern) for source in good)


def test_an_existing_path_is_no_pattern(tmp_path):
    for name in ("[ab]", "a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "x.md").write_text("text")
    assert [source.label for source in found(tmp_path / "[ab]")[0]] == ["[ab]/x.md"]
    assert [source.label for source in found(tmp_path / "[ab]" / "*.md")[0]] == ["[ab]/x.md"]


def test_a_named_file_is_read_whatever_its_suffix(tmp_path):
    contents = {
        "text/plain": "Just text.",
        "text/markdown": "---\ntitle: x\n---\nText",
        "text/html": f"<!-- saved -->\n{PAGE}",
        "application/jsonl": '{"text": "x"}\n{"text": "y"}\n',
        "application/json": '[\n {"text": "x"}\n]',
    }
    for media_type, content in contents.items():
        path = tmp_path / f"{media_type.partition('/')[2]}.log"
        path.write_text(content)
        assert [source.media_type for source in found(path)[0]] == [media_type]
        assert [source.media_type for source in found("-", content.encode())[0]] == [media_type]
    assert [source.media_type for source in found("-", gzip.compress(b'{"text": "x"}'))[0]] == ["application/jsonl"]
    assert [source.media_type for source in found("-", b'{"text": "' + b"x" * 100_000)[0]] == ["application/jsonl"]
    assert [source.media_type for source in found("-", b'{\n"text": "x"\n}')[0]] == ["application/json"]
    assert [source.media_type for source in found("-", b"{draft} of a text\nmore")[0]] == ["text/plain"]


def test_every_bad_path_is_told_with_the_reason(tmp_path, tree):
    assert f"did you mean {tree}/page.html?" in only_failure(tree / "pag.html")
    assert f"there is no folder {tmp_path}/nowhere" in only_failure(tmp_path / "nowhere" / "x.md")
    assert "no such file" in only_failure(tmp_path / "quite different")
    assert "web addresses" in only_failure("https://example.org/feed.xml")
    assert "no file matches this pattern" in only_failure(tree / "*.rst")
    assert "not a path" in only_failure("")
    assert "not a path" in only_failure("a\0b")
    assert "binary" in only_failure(tree / "fake.txt")
    assert "empty" in only_failure(tree / "empty.md")
    empty = tmp_path / "empty"
    empty.mkdir()
    assert only_failure(empty).startswith("there is no article in this folder; files that are read: .txt")
    (empty / "x.png").touch()
    assert "(left out: 1 binary)" in only_failure(empty)
    assert "cannot be opened" in only_failure(tmp_path / "nowhere" / "*.md")


def test_a_text_file_of_a_gigabyte_is_refused_unread(tmp_path):
    path = tmp_path / "big.txt"
    with open(path, "wb") as file:
        file.write(b"text " * SAMPLE_WORDS)
        file.truncate(2**30)
    tracemalloc.start()
    try:
        assert only_failure(path) == (
            "1,024 MiB, where an article has 64 MiB at most: split it, or write it as JSONL, one article a line"
        )
        assert [failure.uri for failure in found(tmp_path)[1]] == [str(path)]
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()
    path.rename(tmp_path / "big.jsonl")
    assert len(found(tmp_path)[0]) == 1
    assert MAX_ARTICLE_BYTES == 2**26


SAMPLE_WORDS = 20_000


def test_links_pipes_and_sockets_neither_hang_nor_stop_the_rest(tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "a.md").write_text("text")
    (folder / "link.md").symlink_to(folder / "a.md")
    (folder / "loop").symlink_to(folder)
    (folder / "round.md").symlink_to("round.md")
    (folder / "broken.md").symlink_to("nowhere.md")
    os.mkfifo(folder / "pipe.md")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(folder / "s.md"))
    good, failed, skipped = found(folder)
    assert [source.label for source in good] == ["folder/a.md", "folder/link.md"]
    assert [failure.uri for failure in failed] == [f"{folder}/broken.md", f"{folder}/round.md"]
    assert all("a broken link to " in failure.reason for failure in failed)
    assert skipped == {"linked": 1, "special": 2}
    assert [source.label for source in found(folder / "**" / "*.md")[0]] == ["folder/a.md", "folder/link.md"]
    assert "a pipe, socket or device" in only_failure(folder / "pipe.md")
    assert "a broken link to 'nowhere.md'" in only_failure(folder / "broken.md")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_what_may_not_be_read_leaves_the_rest(tree):
    (tree / "2024").chmod(0)
    (tree / "page.html").chmod(0)
    try:
        good, failed, _ = found(tree)
    finally:
        (tree / "2024").chmod(0o700)
    assert [source.label for source in good] == ["news/z.jsonl"]
    assert "this folder cannot be opened: Permission denied" in failed[0].reason
    assert "cannot be read: Permission denied" in failed[1].reason


def test_what_cannot_be_opened_leaves_the_rest(tree, monkeypatch):
    real_scandir, real_open = os.scandir, open

    def scandir(path):
        if str(path).endswith("2024"):
            raise PermissionError(13, "Permission denied", path)
        return real_scandir(path)

    def open_(path, *args, **kwargs):
        if str(path).endswith("page.html"):
            raise PermissionError(13, "Permission denied", path)
        return real_open(path, *args, **kwargs)

    monkeypatch.setattr(os, "scandir", scandir)
    monkeypatch.setattr(sources, "open", open_, raising=False)
    good, failed, _ = found(tree)
    assert [source.label for source in good] == ["news/z.jsonl"]
    assert [failure.reason for failure in failed] == [
        "this folder cannot be opened: Permission denied",
        "cannot be read: Permission denied",
    ]


def test_standard_input_is_copied_to_disk_and_the_copy_deleted():
    iterator = find("-", Counter(), stdin=io.BytesIO(b"A text.\n" * 9))
    source = next(iterator)
    assert isinstance(source, Source)
    assert (source.uri, source.root, source.label, source.media_type) == (STDIN, STDIN, STDIN, "text/plain")
    assert source.path.read_bytes() == b"A text.\n" * 9
    assert list(iterator) == []
    assert not source.path.exists()
    assert only_failure("-", b"") == "it is empty"
    assert "binary" in only_failure("-", b"\x7fELF\0\0")


def test_a_deep_tree_is_walked_without_recursion(tmp_path):
    deep = tmp_path
    for _ in range(300):
        deep /= "d"
    deep.mkdir(parents=True)
    (deep / "x.md").write_text("text")
    assert len(found(tmp_path)[0]) == 1


def test_files_come_one_at_a_time(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "x.md").write_text("text")
    iterator = find(str(tmp_path), Counter())
    first = next(iterator)
    (tmp_path / "b" / "new.md").write_text("text")
    assert [item.uri for item in (first, *iterator)] == [
        f"{tmp_path}/{name}" for name in ("a/x.md", "b/new.md", "b/x.md")
    ]


def test_the_digest_follows_the_bytes(tmp_path):
    path = tmp_path / "a.md"
    path.write_bytes(b"x" * 3_000_000)
    (source,), _, _ = found(path)
    before = digest(source)
    assert before == digest(source)
    path.write_bytes(b"x" * 2_999_999 + b"y")
    assert digest(source) != before
    path.unlink()
    with pytest.raises(OSError, match="No such file"):
        digest(source)


def test_roots_can_be_found_again(tree, monkeypatch):
    monkeypatch.chdir(tree)
    assert root("2024") == str(tree / "2024")
    assert root("**/*.md") == f"{tree}/**/*.md"
    assert root("-") == STDIN
    assert exists(root("2024"))
    assert exists(root("**/*.md"))
    assert exists(root("*.rst"))
    assert not exists(root("2025"))
    assert not exists(root("2025/*.md"))
    assert not exists(root("-"))


def test_the_size_is_that_of_the_files_that_may_be_read(tree):
    assert size(str(tree)) == sum(
        os.stat(tree / name).st_size for name in ("2024/a.TXT", "2024/b.md", "z.jsonl", "page.html", "fake.txt")
    )
    assert size(str(tree / "script.py")) == 1
    assert size(str(tree / "**/*.html")) == len(PAGE)
    assert [size(spec) for spec in ("-", "https://example.org", str(tree / "nothing"), "a\0b")] == [0, 0, 0, 0]
