"""Copies of an article: found whatever was edited, folded into one hit, never lost, grouped rightly at all times."""

import json
import random
import shutil
import sqlite3
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from copies_tools import PAPERS, QUERY, story, wire
from hypothesis import given, settings
from hypothesis import strategies as st
from test_index import in_read_only

from searchidx import Document, Index
from searchidx.articles import fingerprints
from searchidx.articles.fingerprints import SHORTEST, alike, bands, fingerprint, method
from searchidx.evaluation import evaluate
from searchidx.ranking.grouping import without_copies
from searchidx.storage import schema
from searchidx.storage.copies import connected
from searchidx.storage.writer import StoreWriter

FIXTURES = Path(__file__).parent / "fixtures"


def sentences_of(text):
    return text.split(". ")


EDITS = {
    "another headline above": lambda text: f"Port at a standstill, again\n\n{text}",
    "typographic quotes and dashes": lambda text: "\u201cIt\u2019s late\u201d \u2014 " + text.replace(". ", ".\u00a0"),
    "upper case": str.upper,
    "other line breaks": lambda text: text.replace(" ", "\n", 40),
    "a tenth cut off": lambda text: text[: int(0.9 * len(text))],
    "a fifth cut off": lambda text: text[: int(0.8 * len(text))],
    "a notice below": lambda text: f"{text}\n\n{story('moon', 'notice', 60)}",
    "a sentence exchanged": lambda text: text.replace(sentences_of(text)[3], story("moon", 9, 12)),
    "a date line and an agency": lambda text: f"ROTTERDAM, May 3 (Agency) - {text} (Reporting by the desk)",
}


@pytest.mark.parametrize("edit", EDITS.values(), ids=EDITS)
def test_an_edited_copy_is_a_copy(edit):
    text = story("port")
    assert alike(fingerprint(text), [fingerprint(edit(text))]) == [True]


def test_another_article_on_the_same_topic_is_none():
    marks = [fingerprint(story("port", seed)) for seed in range(200)]
    assert not any(any(alike(mark, marks[:number])) for number, mark in enumerate(marks) if number)


def test_half_an_article_is_no_copy_of_it():
    text = story("port", words=800)
    assert alike(fingerprint(text), [fingerprint(text[: len(text) // 2])]) == [False]


def test_texts_that_are_too_short_or_repeat_themselves_have_no_fingerprint():
    assert fingerprint("") == fingerprint("   ") == b""
    assert fingerprint(" ".join(f"w{n}" for n in range(SHORTEST - 1))) == b""
    assert len(fingerprint(" ".join(f"w{n}" for n in range(SHORTEST)))) == fingerprints.SIZE
    assert fingerprint("The court ruled on trade. " * 500) == b""


@pytest.mark.parametrize(
    "text",
    [
        "".join(chr(0x4E00 + random.Random(n).randrange(3000)) for n in range(600)),
        "".join(chr(0x0E01 + random.Random(n).randrange(46)) for n in range(600)),
        " ".join(f"слово{random.Random(n).randrange(500)}" for n in range(300)),
        " ".join(f"{random.Random(n).randrange(500)}\ud800😀" for n in range(300)),
    ],
    ids=["Chinese", "Thai", "Russian", "no characters"],
)
def test_copies_are_found_in_every_script(text):
    mark, cut, other = map(fingerprint, (text, text[: int(0.9 * len(text))], story("port")))
    assert len(mark) == fingerprints.SIZE
    assert alike(mark, [cut, other]) == [True, False]


def test_a_very_long_text_is_looked_at_up_to_a_bound():
    text = " ".join(f"w{n}" for n in range(200_000))
    assert fingerprint(text) == fingerprint(text[:400_000])


def test_fingerprints_agree_as_far_as_texts_do():
    text = story("port", words=1500).split()
    for kept in (0.5, 0.7, 0.9):
        part = text[: int(kept * len(text))]
        runs = [{tuple(words[n : n + 5]) for n in range(len(words) - 4)} for words in (text, part)]
        jaccard = len(runs[0] & runs[1]) / len(runs[0] | runs[1])
        one, other = fingerprint(" ".join(text)), fingerprint(" ".join(part))
        agreed = sum(a == b for a, b in zip(one, other, strict=True)) / len(one)
        assert abs(agreed - jaccard) < 0.13, "three standard deviations of 128 values"


def test_fingerprints_are_what_they_were(tmp_path):
    """A change of the library, or of this file, that makes others must be seen: ``method`` is what tells an index."""
    assert method() == METHOD
    code = "from searchidx.articles.fingerprints import method; print(method())"
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
        == METHOD
    )


METHOD = "minhash-5-80-60-300-200000-10x3-83of128-2e0b7ffc3ef9f12f"


# groups


def indexed(folder, documents):
    index = Index.create(folder)
    index.add(*documents)
    return index


def groups_of(folder):
    """Groups as the database has them, by ids of documents."""
    connection = sqlite3.connect(folder / "store.db")
    rows = connection.execute("SELECT story, doc_id FROM fingerprints JOIN documents USING (document)").fetchall()
    connection.close()
    found = {}
    for group, doc_id in rows:
        if group is not None:
            found.setdefault(group, set()).add(doc_id)
    return sorted(map(sorted, found.values()))


def chain():
    """Two versions that differ, and one between them that is a copy of both."""
    words = story("port", "chain", 1200).split()
    extra = story("moon", "chain", 1200).split()
    first, second = words, words[360:] + extra[:360]
    between = words[180:] + extra[:180]
    texts = {"first": first, "between": between, "second": second}
    marks = {name: fingerprint(" ".join(text)) for name, text in texts.items()}
    assert alike(marks["between"], [marks["first"], marks["second"]]) == [True, True]
    assert alike(marks["first"], [marks["second"]]) == [False]
    return [Document(name, " ".join(text)) for name, text in texts.items()]


def test_what_connects_two_versions_makes_one_story_and_its_removal_two(tmp_path):
    first, between, second = chain()
    with indexed(tmp_path / "index", [first, second]) as index:
        assert groups_of(tmp_path / "index") == []
        index.add(between)
        assert groups_of(tmp_path / "index") == [["between", "first", "second"]]
        index.remove("between")
        assert groups_of(tmp_path / "index") == []
        index.add(between)
        index.add(Document("between", story("wheat")))
        assert groups_of(tmp_path / "index") == []
        assert index.status(check=True)["problems"] == []


POOL = [*wire("abc"), *wire("de", "wheat"), *chain(), *wire("f", "moon"), Document("short", "Too short to tell.")]


@given(st.lists(st.tuples(st.sampled_from(["put", "put", "drop"]), st.sampled_from(range(len(POOL)))), max_size=25))
@settings(max_examples=25, deadline=None)
def test_groups_are_those_of_a_new_index_whatever_came_and_went(tmp_path_factory, steps):
    folder = tmp_path_factory.mktemp("groups")
    writer = StoreWriter.create(folder, {"encoder": {"name": "test", "fingerprint": "static:test", "dim": 32}})
    from conftest import entry

    there = {}
    for kind, number in steps:
        document = POOL[number]
        with writer.transaction():
            if kind == "put":
                writer.put([entry(document.doc_id, document.text)], 1)
                there[document.doc_id] = fingerprint(document.text)
            else:
                writer.drop([document.doc_id])
                there.pop(document.doc_id, None)
    marked = {doc_id: mark for doc_id, mark in there.items() if mark}
    names = list(marked)
    expected = sorted(sorted(names[n] for n in group) for group in connected(list(marked.values())) if len(group) > 1)
    assert groups_of(folder) == expected
    assert writer.copy_problems() == []
    writer.close()


def test_a_transaction_that_fails_leaves_the_groups_as_they_were(tmp_path):
    with indexed(tmp_path / "index", wire("ab")) as index:
        writer = StoreWriter(tmp_path / "index")
        with suppress(RuntimeError), writer.transaction():
            writer.drop(["port0-a"])
            raise RuntimeError
        with writer.transaction():
            writer.set(furniture="keep")
        writer.close()
        assert groups_of(tmp_path / "index") == [["port0-a", "port0-b"]]
        assert index.status(check=True)["problems"] == []


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        ("UPDATE fingerprints SET story = NULL WHERE document = 1", "not in the group of its copies"),
        ("UPDATE fingerprints SET story = 1", "does not belong together"),
        ("DELETE FROM bands WHERE document = 2", "not in the group of its copies"),
        ("INSERT INTO bands VALUES (7, 1)", "bands of fingerprints are incomplete"),
        ("UPDATE fingerprints SET signature = zeroblob(128) WHERE document = 1", "is not that of its text"),
        ("INSERT INTO fingerprints VALUES (99, NULL, x'')", "a fingerprint has no article"),
    ],
)
def test_status_check_sees_wrong_groups_and_rebuild_mends_them(tmp_path, damage, told):
    with indexed(tmp_path / "index", [*wire("ab"), *wire("c", "moon")]) as index:
        assert index.status(check=True)["problems"] == []
        connection = sqlite3.connect(tmp_path / "index" / "store.db")
        connection.execute(damage)
        connection.commit()
        connection.close()
        assert any(told in problem for problem in index.status(check=True)["problems"])
        index.sync(rebuild=True)
        assert index.status(check=True)["problems"] == []
        assert groups_of(tmp_path / "index") == [["port0-a", "port0-b"]]


# search


@pytest.fixture(scope="module")
def papers(tmp_path_factory):
    documents = [
        *wire(PAPERS, published="2020-05-03"),
        *(Document(f"other{n}", story("port", n + 1), title=f"Other {n}", source="Echo") for n in range(4)),
    ]
    with indexed(tmp_path_factory.mktemp("papers") / "index", documents) as index:
        yield index


@pytest.mark.parametrize("mode", ["hybrid", "dense", "lexical"])
def test_ten_papers_with_one_story_are_one_hit_that_names_the_nine_others(papers, mode):
    hits = papers.search(QUERY, k=5, mode=mode)
    assert len(hits) == 5
    (hit,) = [hit for hit in hits if hit.copies]
    assert {hit.document.source, *(copy.source for copy in hit.copies)} == set(PAPERS)
    assert [papers.get(copy.doc_id).title for copy in hit.copies] == [copy.title for copy in hit.copies]
    assert str(hit.copies[0]).startswith(f"“{hit.copies[0].title}”, {hit.copies[0].source}, 2020-05-03")
    told = hit.to_dict()["copies"][0]
    assert list(told) == ["doc_id", "title", "source", "published", "uri"]


def test_the_hit_is_the_copy_that_ranks_first_and_the_order_stays(papers):
    folded = [hit.document.doc_id for hit in papers.search(QUERY, k=5)]
    every = [hit.document.doc_id for hit in papers.search(QUERY, k=14, all_copies=True)]
    seen, best = set(), []
    for doc_id in every:
        name = "port0" if doc_id.startswith("port0-") else doc_id
        best += [doc_id] if name not in seen else []
        seen.add(name)
    assert len(every) == 14
    assert folded == best


def test_all_copies_are_hits_of_their_own_where_asked_for(papers):
    hits = papers.search(QUERY, k=14, all_copies=True)
    assert {hit.document.doc_id for hit in hits} >= {f"port0-{paper}" for paper in PAPERS}
    assert not any(hit.copies for hit in hits)


def test_filters_come_before_folding_and_hold_for_the_copies_too(papers):
    for paper in PAPERS:
        (hit,) = [hit for hit in papers.search(QUERY, sources=[paper]) if hit.document.doc_id.startswith("port0")]
        assert (hit.document.source, hit.copies) == (paper, ())
    hits = papers.search(QUERY, sources=["Post", "Sun"])
    assert [(hit.document.source, *(copy.source for copy in hit.copies)) for hit in hits] in (
        [("Post", "Sun")],
        [("Sun", "Post")],
    )
    assert {document.source for document in papers.list(after="2020")} == set(PAPERS)


def test_hits_for_each_passage_are_of_one_copy_of_a_story(papers):
    hits = papers.search(QUERY, k=30, group=False)
    assert len({hit.document.doc_id for hit in hits if hit.document.doc_id.startswith("port0")}) == 1
    assert len({hit.passage.passage_id for hit in hits}) == len(hits)


def test_a_context_quotes_a_story_once(papers):
    context = papers.context(QUERY, max_tokens=4000)
    cited = {citation.doc_id for citation in context.citations}
    assert len([doc_id for doc_id in cited if doc_id.startswith("port0")]) == 1
    assert {doc_id for doc_id in cited if doc_id.startswith("other")}


def test_k_hits_are_k_stories_even_where_one_story_fills_the_candidates(tmp_path):
    documents = [
        *wire([f"paper {n}" for n in range(150)]),
        *(Document(f"other{n}", story("wheat", n) + " A harbour.") for n in range(5)),
    ]
    with indexed(tmp_path / "index", documents) as index:
        hits = index.search("harbour", k=6, mode="lexical")
    assert [hit.document.doc_id[:5] for hit in hits].count("port0") == 1
    assert len(hits) == 6


def test_rank_and_evaluation_see_every_copy(papers, tmp_path):
    assert {doc_id for doc_id, _ in papers.rank(QUERY)} >= {f"port0-{paper}" for paper in PAPERS}
    assert len([doc_id for doc_id, _ in papers.rank(QUERY, all_copies=False) if doc_id.startswith("port0")]) == 1
    (tmp_path / "queries.jsonl").write_text(json.dumps({"_id": "q", "text": QUERY}))
    (tmp_path / "qrels").mkdir()
    (tmp_path / "qrels" / "test.tsv").write_text("".join(f"q\tport0-{paper}\t1\n" for paper in PAPERS))
    evaluation = evaluate(papers, tmp_path, measures="R@20", modes=["hybrid"])
    assert evaluation.scores["hybrid"].mean["R@20"] == 1.0


def test_of_many_copies_some_are_listed(tmp_path):
    with indexed(tmp_path / "index", wire([f"paper {n:02}" for n in range(60)])) as index:
        (hit,) = index.search(QUERY)
        assert len(hit.copies) == 50
        assert index.status()["copies"] == {"stories": 1, "articles": 60, "pending": 0}


def test_folding_leaves_out_passages_of_other_copies_only():
    ranking = [(1, 0.9), (2, 0.8), (3, 0.7), (4, 0.6), (5, 0.5)]
    documents = {1: 10, 2: 20, 3: 10, 4: 30, 5: 20}
    assert without_copies(ranking, documents, {1: 7, 2: 7, 3: 7, 5: 7}) == [(1, 0.9), (3, 0.7), (4, 0.6)]
    assert without_copies(ranking, documents, {}) == ranking


# older indexes


def aged(folder):
    """Take an index back to format 2."""
    connection = sqlite3.connect(folder / "store.db")
    connection.executescript(
        "DROP TABLE fingerprints; DROP TABLE bands; DROP TABLE sites; DROP TABLE recurring; DROP TABLE counted;"
        "DROP TABLE bodies; PRAGMA user_version = 2;"
        "DELETE FROM settings WHERE key IN ('fingerprints', 'seal'); ALTER TABLE documents DROP COLUMN checksum;"
    )
    connection.close()


def test_an_index_of_format_2_is_read_as_it_is_and_compared_by_the_next_sync(tmp_path):
    folder = tmp_path / "index"
    indexed(folder, wire(PAPERS)).close()
    aged(folder)
    with Index.open(folder) as index:
        assert len(index.search(QUERY)) == len(PAPERS)
        assert index.status(check=True)["problems"] == []
        assert index.status()["copies"] == {"stories": 0, "articles": 0, "pending": 10}
        index.add(Document("new", story("moon")))
        assert index.status()["copies"] == {"stories": 0, "articles": 0, "pending": 10}
        told = []
        index.sync(progress=told.append)
        assert [step.done for step in told if step.stage == "copies"] == [10]
        assert index.status()["copies"] == {"stories": 1, "articles": 10, "pending": 0}
        assert len(index.search(QUERY, k=2)[0].copies) == 9


def test_a_reader_of_format_2_folds_once_another_process_has_compared(tmp_path):
    folder = tmp_path / "index"
    indexed(folder, wire("ab")).close()
    aged(folder)
    with Index.open(folder) as reading, Index.open(folder) as writing:
        assert len(reading.search(QUERY)) == 2
        writing.sync()
        assert len(reading.search(QUERY)) == 1


def test_an_index_of_format_2_is_searched_from_a_read_only_folder(tmp_path):
    folder = tmp_path / "index"
    indexed(folder, wire("ab")).close()
    aged(folder)
    code = f"from searchidx import Index; print(len(Index.open({str(folder)!r}).search({QUERY!r})))"
    told = in_read_only(folder, code)
    assert told.stdout == "2\n", told.stderr


def test_the_fixture_of_format_2_gains_fingerprints(tmp_path):
    shutil.copytree(FIXTURES / "format-2", tmp_path / "old")
    writer = StoreWriter(tmp_path / "old")
    assert schema.format_of(writer._connection) == schema.FORMAT
    assert (writer.compare_pending(2), writer.compare_pending(2), writer.compare_pending(2)) == (2, 1, 0)
    assert writer.copy_problems() == []
    writer.close()


def test_fingerprints_of_another_method_are_made_anew(tmp_path, monkeypatch):
    folder = tmp_path / "index"
    with indexed(folder, wire("ab")) as index:
        writer = StoreWriter(folder)
        with writer.transaction():
            writer.set(fingerprints="of before")
        writer.close()
        assert index.status(check=True)["problems"] == []
        index.add(Document("new", story("moon")))
        assert index.status()["copies"] == {"stories": 0, "articles": 0, "pending": 2}
        index.sync()
        assert groups_of(folder) == [["port0-a", "port0-b"]]


def test_bands_are_small_numbers_and_all_different():
    found = bands(fingerprint(story("port")))
    assert len(set(found)) == fingerprints.BANDS
    assert all(0 <= band < 2**28 for band in found)


def test_a_search_does_not_load_the_library(papers):
    path = str(papers.folder)
    code = f"import sys, searchidx; searchidx.Index.open({path!r}).search('x'); print('rensa' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"
