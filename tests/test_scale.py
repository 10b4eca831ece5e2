"""What a large index needs, shown on a small one: filters that are remembered, damage that is met while searching."""

import json

import pytest

from searchidx import Document, Index
from searchidx.storage import dense, segments


def article(number, topic):
    text = "\n\n".join(
        f"Paragraph {part} of story {number} tells of {topic} and of the harbour. " * 9 for part in range(4)
    )
    return Document(f"story-{number}", text, title=f"{topic} {number}", metadata={"topic": topic, "number": number})


@pytest.fixture
def index(tmp_path):
    with Index.create(tmp_path / "index") as index:
        index.add(*(article(i, "trade" if i % 3 else "weather") for i in range(30)))
        yield index


def test_a_filter_asked_again_is_remembered_and_follows_every_change(index):
    where = {"where": ["topic=weather"], "k": 100}
    store = index._store
    found = {hit.document.doc_id for hit in index.search("harbour", **where)}
    assert found == {f"story-{i}" for i in range(0, 30, 3)}
    (remembered,) = store._matched.values()
    assert not remembered.flags.writeable
    index.search("paragraph", **where)
    assert next(iter(store._matched.values())) is remembered
    index.add(article(4, "weather"), article(99, "weather"))
    index.remove("story-0")
    found = {hit.document.doc_id for hit in index.search("harbour", **where)}
    assert found == {*(f"story-{i}" for i in range(3, 30, 3)), "story-4", "story-99"}


def test_what_a_filter_lets_pass_is_every_passage_of_its_articles_in_order(index):
    index.add(article(5, "weather"), Document("empty", "", title="nothing", metadata={"topic": "weather"}))
    found = index._store.matching("d.metadata LIKE ?", ("%weather%",)).tolist()
    every = index._store.passage_ids(0, 10_000)
    expected = [
        i for i, (_, document) in index._store.passages(every).items() if document.metadata["topic"] == "weather"
    ]
    assert found == sorted(expected)
    assert index._store.matching("d.doc_id = ?", ("no such article",)).tolist() == []


@pytest.mark.parametrize("mode", ["dense", "hybrid"])
def test_damage_met_while_searching_changes_no_answer_and_is_mended(index, monkeypatch, mode):
    monkeypatch.setattr(segments, "SMALL", 0)
    monkeypatch.setattr(dense, "TAIL_LIMIT", 10)
    index.add(article(50, "sport"))
    expected = index.search("harbour sport", mode=mode)
    (path,) = (index.folder / "dense").glob("*.faiss")
    record = json.loads((index.folder / "dense" / dense.MANIFEST).read_text())["segments"][0]
    with open(path, "r+b") as file:
        file.seek(record["head"] + 100)
        file.write(bytes(100))
    with Index.open(index.folder) as reader:
        for _ in range(3):
            found = reader.search("harbour sport", mode=mode)
            assert [hit.passage for hit in found] == [hit.passage for hit in expected]
            assert [hit.score for hit in found] == pytest.approx([hit.score for hit in expected], abs=1e-5)
        assert reader.status(check=True)["problems"] == []
        assert reader.status()["dense"]["position"] == reader.status()["position"]


def test_status_tells_how_the_vectors_are_searched_and_how_well(index, monkeypatch):
    monkeypatch.setattr(dense, "TAIL_LIMIT", 10)
    index.add(article(50, "sport"))
    assert index.status()["dense"]["kind"] == "flat"
    assert index.status()["dense"]["recall@10"] == 1.0
    assert index.status()["dense"]["files"] == 1
