"""Evaluation: collections in every form, runs, measures, significance, plots."""

import gzip
import json
import lzma
import math
import struct
import subprocess
import sys
from itertools import pairwise, product
from pathlib import Path

import ir_measures
import pytest
from conftest import SHARED

import searchidx
from searchidx import BadCollection, BadMeasure, Index, MissingExtra, SearchIdxError
from searchidx.evaluation import (
    Collection,
    Scores,
    build_index,
    calculate,
    compare,
    evaluate,
    parse_measures,
    read_collection,
    read_run,
    write_run,
)
from searchidx.evaluation.plot import Point, check_plot, plot

ARTICLES = {
    "ferry": ("Ferries", "The ferry to the island sails twice a day in winter, and never in a storm."),
    "bridge": ("A bridge", "The new bridge over the strait replaces the old ferry and cost nine million."),
    "bread": ("Bread", "Rye bread rises slowly. The baker kneads the dough at four in the morning."),
    "wheat": ("Harvest", "Farmers expect a poor wheat harvest after a dry spring."),
    "vaccine": ("Smallpox", "A vaccine ended smallpox: the disease is gone since 1980."),
    "flu": ("Influenza", "The flu vaccine must be made anew each year, since the virus changes."),
    "telecoms": ("Telecoms", "A committee warned of Chinese telecoms firms and their network equipment."),
    "satellite": ("Orbit", "A satellite was launched to watch the ice of Greenland melt."),
    "chess": ("Chess", "The champion lost his queen and resigned after forty moves."),
    "opera": ("Opera", "The soprano sang in three operas within a week."),
    "court": ("A verdict", "The court found the minister guilty of taking bribes."),
    "spaced id": ("Tides", "The tide turns every six hours, and the harbour with it."),
}
QUERIES = {
    "q1": "ferry to the island",
    "q2": "which disease no longer exists",
    "q3": "warning about network equipment from China",
    "q4": "when does the tide turn",
}
QRELS = {
    "q1": {"ferry": 2, "bridge": 1, "bread": 0},
    "q2": {"vaccine": 1},
    "q3": {"telecoms": 1},
    "q4": {"spaced id": 1},
}


def lines_of(*rows):
    return "".join(json.dumps(row) + "\n" for row in rows)


def qrels_lines(qrels=QRELS, form="{}\t{}\t{}\n"):
    return "".join(form.format(q, d, grade) for q, grades in qrels.items() for d, grade in grades.items())


CORPUS = lines_of(*({"_id": name, "title": title, "text": text} for name, (title, text) in ARTICLES.items()))
BEIR_QUERIES = lines_of(*({"_id": query_id, "text": text} for query_id, text in QUERIES.items()))


@pytest.fixture
def beir(tmp_path):
    folder = tmp_path / "small"
    (folder / "qrels").mkdir(parents=True)
    (folder / "corpus.jsonl").write_text(CORPUS)
    (folder / "queries.jsonl").write_text(BEIR_QUERIES)
    (folder / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\n" + qrels_lines())
    return folder


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    folder = tmp_path_factory.mktemp("evaluation")
    (folder / "corpus.jsonl").write_text(CORPUS)
    with Index.create(folder / "index") as index:
        index.add(folder / "corpus.jsonl")
        yield index


# collections


def test_a_beir_folder_is_read_with_or_without_a_header_and_compressed(beir):
    read = read_collection(beir)
    assert (read.name, read.corpus) == ("small", beir / "corpus.jsonl")
    assert (dict(read.queries), dict(read.qrels), dict(read.left_out)) == (QUERIES, QRELS, {})
    (beir / "qrels" / "test.tsv").write_text(qrels_lines())
    (beir / "queries.jsonl").unlink()
    (beir / "queries.jsonl.gz").write_bytes(gzip.compress(BEIR_QUERIES.encode()))
    (beir / "corpus.jsonl").unlink()
    (beir / "corpus.jsonl.xz").write_bytes(lzma.compress(CORPUS.encode()))
    again = read_collection(str(beir))
    assert (again.corpus, again.queries, again.qrels) == (beir / "corpus.jsonl.xz", read.queries, read.qrels)


def test_a_split_is_chosen_by_name_and_a_wrong_one_tells_which_there_are(beir):
    (beir / "qrels" / "dev.tsv").write_text("q2\tvaccine\t1\n")
    dev = read_collection(beir, split="dev")
    assert dict(dev.qrels) == {"q2": {"vaccine": 1}}
    assert dict(dev.left_out) == {"without a relevant document": 3}
    with pytest.raises(BadCollection, match=r"no split 'train'; choose one of: dev, test"):
        read_collection(beir, split="train")


TOPICS = """<top>
<num> Number: 301
<title> ferry to
the island
<desc> Description: a ferry
</top>

<top><num>302</num><title>which disease no longer exists</title></top>
"""


@pytest.mark.parametrize("queries", [TOPICS, "301\tferry to the island\n302\twhich disease no longer exists\n"])
def test_a_trec_folder_has_topics_or_tsv_and_qrels_of_four_columns(tmp_path, queries):
    (tmp_path / "queries").mkdir()  # a folder is no file of queries
    (tmp_path / "topics.txt").write_text(queries)
    (tmp_path / "qrels.txt").write_text("301 0 ferry 2\n301\t0\tbridge 1\n\n302  0   vaccine\t1\n302 0 flu -1\n")
    read = read_collection(tmp_path)
    assert dict(read.queries) == {"301": "ferry to the island", "302": "which disease no longer exists"}
    assert dict(read.qrels) == {"301": {"ferry": 2, "bridge": 1}, "302": {"vaccine": 1, "flu": -1}}
    assert read.corpus is None


def test_files_may_be_named_one_by_one(beir, tmp_path):
    (tmp_path / "mine.tsv").write_text("q1\tferry to the island\n")
    (tmp_path / "mine.qrels").write_text("q1 0 ferry 1\n")
    whole = read_collection(beir / "corpus.jsonl", queries=tmp_path / "mine.tsv", qrels=tmp_path / "mine.qrels")
    assert (whole.name, whole.corpus, whole.qrels) == ("corpus", beir / "corpus.jsonl", {"q1": {"ferry": 1}})
    part = read_collection(beir, qrels=tmp_path / "mine.qrels")
    assert (part.corpus, list(part.queries)) == (beir / "corpus.jsonl", ["q1"])
    with pytest.raises(BadCollection, match="needs both its queries and its qrels"):
        read_collection(beir / "corpus.jsonl", qrels=tmp_path / "mine.qrels")


def test_of_several_files_the_one_that_names_the_split_is_taken(tmp_path):
    for split in ("dev", "test"):
        (tmp_path / f"queries.{split}.tsv").write_text(f"{split}\ta text\n")
        (tmp_path / f"qrels.{split}.txt").write_text(f"{split} 0 ferry 1\n")
    assert list(read_collection(tmp_path, split="dev").queries) == ["dev"]
    with pytest.raises(BadCollection, match=r"several files may be the queries .*--queries"):
        read_collection(tmp_path, split="train")


def test_own_judgements_are_ids_or_grades_with_ids_of_their_own_or_running_numbers(tmp_path):
    path = tmp_path / "mine.jsonl"
    path.write_text(
        lines_of(
            {"query": "ferry", "relevant": ["ferry", "bridge"]},
            {"query": "flu", "relevant": {"flu": 2, "vaccine": 0}, "id": "second"},
            {"query": "nothing of it", "relevant": []},
        )
    )
    read = read_collection(path)
    assert (read.name, read.corpus) == ("mine", None)
    assert dict(read.queries) == {"1": "ferry", "second": "flu"}
    assert dict(read.qrels) == {"1": {"ferry": 1, "bridge": 1}, "second": {"flu": 2, "vaccine": 0}}
    assert dict(read.left_out) == {"without a relevant document": 1}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{\n", r"mine.jsonl:1: line 1 is not valid JSON"),
        ('{"query": "a", "relevant": ["x"]}\n[1]\n', r"mine.jsonl:2: this line holds no JSON object"),
        ('{"query": "a"}\n', r"mine.jsonl:1: no judgement: expected \{\"query\""),
        ('{"query": " ", "relevant": ["x"]}\n', r"mine.jsonl:1: no judgement"),
        ('{"query": "a", "relevant": "x"}\n', r"mine.jsonl:1: no judgement"),
        ('{"query": "a", "relevant": [["x"]]}\n', r"mine.jsonl:1: relevant holds something else"),
        ('{"query": "a", "relevant": {"x": 1.5}}\n', r"mine.jsonl:1: relevant holds something else"),
        ('{"query": "a", "relevant": {"x": "high"}}\n', r"mine.jsonl:1: relevant holds something else"),
        ('{"query": "a", "relevant": {"x": true}}\n', r"mine.jsonl:1: relevant holds something else"),
        ('{"query": "a", "relevant": ["x"], "id": {}}\n', r"mine.jsonl:1: the id is no text or number"),
        (
            '{"query": "a", "relevant": ["x"], "id": 2}\n{"query": "b", "relevant": ["x"]}\n',
            r":2: query id '2' is used",
        ),
        ('{"query": "a", "relevant": {"x": 0}}\n', r"none of the 1 queries has a relevant document"),
        ("\n", r"mine.jsonl: there is no judgement in it"),
    ],
)
def test_a_wrong_line_of_own_judgements_is_named_with_the_remedy(tmp_path, text, message):
    path = tmp_path / "mine.jsonl"
    path.write_text(text)
    with pytest.raises(BadCollection, match=message):
        read_collection(path)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("queries.jsonl", '{"_id": "q1"}\n', r'queries.jsonl:1: no query: expected \{"_id"'),
        ("queries.jsonl", BEIR_QUERIES + BEIR_QUERIES, r"queries.jsonl:5: query id 'q1' is used twice"),
        ("queries.jsonl", "q1\tfine\nq2 no tab\n", r"queries.jsonl:2: no query: expected id<TAB>text"),
        ("queries.jsonl", "<top>\n<num>1\n</top>", r"queries.jsonl:1: this topic lacks its <num> or <title>"),
        ("queries.jsonl", "", r"queries.jsonl: there is no query in it"),
        ("queries.jsonl", "a\t\xe9\n".encode("latin-1"), r"queries.jsonl:1: not UTF-8"),
        ("qrels/test.tsv", "q1\tferry\n", r"test.tsv:1: no judgement: expected query_id doc_id relevance"),
        ("qrels/test.tsv", "q1 0 ferry high\n", r"test.tsv:1: no judgement"),
        ("qrels/test.tsv", "q1 ferry 0.5\n", r"test.tsv:1: no judgement"),
        ("qrels/test.tsv", "q1 ferry nan\n", r"test.tsv:1: no judgement"),
        (
            "qrels/test.tsv",
            "q1 ferry 1\nq1 ferry 2\n",
            r"test.tsv:2: document 'ferry' .* was judged 1 above and 2 here",
        ),
        ("qrels/test.tsv", "query-id\tcorpus-id\tscore\n", r"test.tsv: there is no judgement in it"),
        ("qrels/test.tsv", "x 0 ferry 1\n", r"none of the 4 queries has a relevant document"),
        ("qrels/test.tsv", gzip.compress(qrels_lines().encode())[:-9], r"test.tsv: the compressed file is damaged"),
    ],
)
def test_a_wrong_line_of_a_collection_is_named_with_the_remedy(beir, name, text, message):
    (beir / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(BadCollection, match=message):
        read_collection(beir)


def test_what_is_missing_is_said(beir, tmp_path):
    with pytest.raises(BadCollection, match="nowhere: no such file or folder"):
        read_collection(tmp_path / "nowhere")
    (beir / "queries.jsonl").unlink()
    with pytest.raises(BadCollection, match=r"no queries are there: expected one of queries.jsonl"):
        read_collection(beir)


def test_queries_without_a_text_or_a_relevant_document_are_left_out_and_counted(beir):
    (beir / "qrels" / "test.tsv").write_text("q1 ferry 1\nq2 vaccine 0\nunknown flu 1\n")
    read = read_collection(beir)
    assert list(read.queries) == ["q1"]
    assert dict(read.left_out) == {"without a relevant document": 3, "without a text": 1}


# the index of a collection


SGML = "".join(
    f"<DOC>\n<DOCNO> {name} </DOCNO>\n<HEADLINE>{title}</HEADLINE>\n<TEXT>\n<P>{text}</P> &amp; more\n</TEXT>\n</DOC>\n"
    for name, (title, text) in ARTICLES.items()
)


def test_the_index_of_a_collection_is_made_once_and_follows_its_corpus(beir, tmp_path):
    collection = read_collection(beir)
    with build_index(collection, tmp_path / "cache") as index:
        assert index.status()["documents"] == len(ARTICLES)
        folder, before = index.folder, {d.doc_id for d in index.list()}
    assert before == set(ARTICLES)
    assert folder.parent == tmp_path / "cache"
    seen = []
    with build_index(collection, tmp_path / "cache", progress=lambda progress: seen.append(progress.passages)) as index:
        assert (index.folder, max(seen)) == (folder, 0)
    kept = CORPUS.splitlines(keepends=True)[:-1]
    (beir / "corpus.jsonl").write_text("".join(kept))
    with build_index(collection, tmp_path / "cache") as index:
        assert {d.doc_id for d in index.list()} == set(ARTICLES) - {"spaced id"}
    with build_index(collection, tmp_path / "cache", max_tokens=50) as index:
        assert index.folder != folder


@pytest.mark.parametrize("kind", ["file", "folder", "gz"])
def test_a_corpus_in_trec_form_is_read_with_its_titles(tmp_path, kind):
    if kind == "folder":
        (tmp_path / "docs").mkdir()
        half = SGML.index("<DOC>\n<DOCNO> flu")
        (tmp_path / "docs" / "a").write_text(SGML[:half])
        (tmp_path / "docs" / "b").write_text(SGML[half:])
    else:
        raw = SGML.encode()
        (tmp_path / "docs.sgml").write_bytes(gzip.compress(raw) if kind == "gz" else raw)
    (tmp_path / "topics").write_text("q1\tferry\n")
    (tmp_path / "qrels").write_text("q1 0 ferry 1\n")
    with build_index(read_collection(tmp_path), tmp_path / "cache") as index:
        assert {d.doc_id for d in index.list()} == set(ARTICLES)
        ferry = index.get("ferry")
    assert (ferry.title, ferry.text) == ("Ferries", f"{ARTICLES['ferry'][1]} & more")


@pytest.mark.parametrize(
    ("corpus", "message"),
    [
        (SGML[:-8], r"corpus:\d+: this document has no </DOC>"),
        (SGML + "<DOC>\n<TEXT>no number</TEXT>\n</DOC>\n", r"corpus:\d+: this document has no <DOCNO>"),
        ("{}\n", r"corpus:1: .*no text"),
        ("", r"corpus: it is empty"),
    ],
)
def test_a_corpus_that_cannot_be_read_is_an_error_and_not_an_empty_index(tmp_path, corpus, message):
    (tmp_path / "corpus").write_text(corpus)
    collection = Collection("x", tmp_path / "corpus", {"q1": "ferry"}, {"q1": {"ferry": 1}})
    with pytest.raises(BadCollection, match=message):
        build_index(collection, tmp_path / "cache")


def test_own_judgements_have_no_corpus_to_index(tmp_path):
    with pytest.raises(BadCollection, match="no corpus to index"):
        build_index(Collection("mine", None, QUERIES, QRELS), tmp_path)


# ranking and evaluating


@pytest.mark.parametrize("k", [1, 3, 100])
@pytest.mark.parametrize("mode", ["lexical", "dense", "hybrid"])
def test_rank_gives_the_documents_and_scores_of_search_in_the_same_order(demo, mode, k):
    for query in ["US restrictions on Chinese telecoms", "smallpox", "the", "zzz unknown"]:
        hits = demo.search(query, k, mode=mode, fusion="rrf" if k == 3 else "weighted")
        ranked = demo.rank(query, k, mode=mode, fusion="rrf" if k == 3 else "weighted")
        assert ranked == [(hit.document.doc_id, hit.merged) for hit in hits]
        assert len({doc_id for doc_id, _ in ranked}) == len(ranked)


SAMPLES = Path(searchidx.__file__).parent / "samples"


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    with Index.create(tmp_path_factory.mktemp("demo") / "index", max_tokens=60) as index:
        index.add(str(SAMPLES / "*.md"))
        yield index


def test_rank_takes_filters_and_refuses_what_search_refuses(index):
    assert index.rank("ferry", where=["doc_id=bridge"], mode="lexical")[0][0] == "bridge"
    assert index.rank(" ") == []
    for wrong in ({"mode": "both"}, {"fusion": "sum"}, {"k": 0}):
        with pytest.raises(ValueError, match="k must be 1 or more"):
            index.rank("ferry", **wrong)
    with pytest.raises(TypeError):
        index.rank("ferry", group=False)


def test_evaluate_measures_each_mode_and_counts_what_there_is(index):
    qrels = {**QRELS, "q3": {"telecoms": 1, "gone": 1, "gone too": 0}}
    seen = []
    result = searchidx.evaluate(
        index, Collection("small", None, QUERIES, qrels), measures="RR@10 R@200", k=5, progress=seen.append
    )
    assert result.counts == {"documents": 12, "passages": 12, "queries": 4, "judgements": 8, "missing": 1}
    assert (result.collection, result.encoder, result.missing, result.k) == ("small", "bundled-en", ("gone",), 200)
    assert result.fingerprint == index.encoder.fingerprint
    assert list(result.runs) == list(result.scores) == list(result.latency) == ["lexical", "dense", "hybrid"]
    assert all(value > 0 for value in result.latency.values())
    for mode, run in result.runs.items():
        assert run["q1"] == index.rank("ferry to the island", 200, mode=mode)
        assert result.scores[mode].per_query["R@200"]["q3"] == 0.5
    assert [progress.done for progress in seen] == list(range(1, 13))
    assert {(progress.stage, progress.total) for progress in seen} == {("queries", 12)}


def test_an_evaluation_becomes_plain_values_with_each_query_where_wanted(index):
    result = evaluate(index, Collection("small", None, QUERIES, QRELS), modes=["lexical"])
    values = json.loads(json.dumps(result.to_dict()))
    assert values["scores"]["lexical"].keys() == {"nDCG@10", "R@100", "RR@10", "P@5"}
    assert "per_query" not in values
    each = result.to_dict(per_query=True)["per_query"]["lexical"]["P@5"]
    assert each.keys() == QUERIES.keys()
    assert sum(each.values()) / 4 == pytest.approx(values["scores"]["lexical"]["P@5"])


def test_evaluate_reads_the_path_of_own_judgements(index, tmp_path):
    (tmp_path / "mine.jsonl").write_text(lines_of({"query": "smallpox", "relevant": ["vaccine"]}))
    result = evaluate(index, tmp_path / "mine.jsonl", measures=["RR@10"], modes=["lexical"])
    assert result.scores["lexical"].mean == {"RR@10": 1.0}


def test_fusion_options_reach_the_index(index):
    collection = Collection("small", None, QUERIES, QRELS)
    for options in ({"fusion": "rrf"}, {"lexical_weight": 1.0}):
        run = evaluate(index, collection, modes=["hybrid"], **options).runs["hybrid"]
        assert run["q2"] == index.rank(QUERIES["q2"], 100, **options)


# measures


def test_measures_have_the_values_of_their_definitions():
    qrels = {"a": {"x": 3, "y": 1, "z": 0, "w": 2}, "b": {"x": 1}, "c": {"x": 1}}
    run = {
        "a": [("y", 9.0), ("u", 8.0), ("x", 7.0), ("z", 6.0)],
        "b": [("u", 1.0), ("x", 0.5)],
        "unjudged": [("x", 1.0)],
    }
    scores = calculate(parse_measures("nDCG@10 nDCG@2 RR@10 P@2 R@3 AP"), qrels, run)
    ideal = 3 / math.log2(2) + 2 / math.log2(3) + 1 / math.log2(4)
    gained = 1 / math.log2(2) + 3 / math.log2(4)
    expected = {
        "nDCG@10": {"a": gained / ideal, "b": 1 / math.log2(3), "c": 0.0},
        "nDCG@2": {"a": 1 / (3 + 2 / math.log2(3)), "b": 1 / math.log2(3), "c": 0.0},
        "RR@10": {"a": 1.0, "b": 0.5, "c": 0.0},
        "P@2": {"a": 0.5, "b": 0.5, "c": 0.0},
        "R@3": {"a": 2 / 3, "b": 1.0, "c": 0.0},
        "AP": {"a": (1 + 2 / 3) / 3, "b": 0.5, "c": 0.0},
    }
    for measure, values in expected.items():
        assert scores.per_query[measure] == pytest.approx(values, abs=1e-6)
        assert scores.mean[measure] == pytest.approx(sum(values.values()) / 3, abs=1e-6)


def test_the_order_of_a_run_counts_where_scores_are_equal():
    measures = parse_measures("RR@10 nDCG@10")
    for first, second in (("a", "b"), ("b", "a")):
        scores = calculate(measures, {"q": {"a": 1}}, {"q": [(first, 1.0), (second, 1.0)]})
        assert scores.mean["RR@10"] == (1.0 if first == "a" else 0.5)


def test_measures_read_as_they_print_and_each_counts_once():
    typed = "nDCG@10, R@100 MRR@10 nDCG(dcg='exp-log2')@10 P@5,P@5 AP"
    parsed = parse_measures(typed)
    assert [str(m) for m in parsed] == ["nDCG@10", "R@100", "RR@10", "nDCG(dcg='exp-log2')@10", "P@5", "AP"]
    assert parse_measures(map(str, parsed)) == parsed


@pytest.mark.parametrize("name", ["nGCD@10", "nDCG@ten", "P", "nDCG(x=1)@10", "nDCG@", "__import__('os')", "R@10.5"])
def test_an_unknown_measure_is_one_error_with_examples(name):
    with pytest.raises(BadMeasure, match=r"examples: nDCG@10, R@100") as caught:
        parse_measures(["nDCG@10", name])
    assert repr(name) in str(caught.value)


def test_no_measure_at_all_is_an_error():
    with pytest.raises(BadMeasure, match="no measure is named"):
        parse_measures(" ")


@pytest.mark.skipif(not (SHARED / "beir" / "adi").is_dir(), reason="no shared collections")
def test_values_on_a_real_set_are_those_of_ir_measures_from_the_trec_files(tmp_path):
    collection = read_collection(SHARED / "beir" / "adi")
    with build_index(collection, tmp_path / "cache") as index:
        result = evaluate(index, collection)
    (tmp_path / "qrels").write_text(qrels_lines(collection.qrels, "{} 0 {} {}\n"))
    qrels = list(ir_measures.read_trec_qrels(str(tmp_path / "qrels")))
    for mode, run in result.runs.items():
        write_run(tmp_path / mode, run, "searchidx")
        scored = ir_measures.read_trec_run(str(tmp_path / mode))
        outside = ir_measures.calc_aggregate(parse_measures(result.scores[mode].mean), qrels, scored)
        assert {str(m): v for m, v in outside.items()} == pytest.approx(dict(result.scores[mode].mean), abs=1e-6)
    assert result.scores["hybrid"].mean["nDCG@10"] > 0.4


def test_without_the_extra_the_command_to_install_it_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "ir_measures", None)
    monkeypatch.setattr("searchidx.evaluation.measures.find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r'pip install "searchidx\[eval\]"'):
        parse_measures("nDCG@10")
    with pytest.raises(MissingExtra, match=r'pip install "searchidx\[eval\]"'):
        check_plot(SHARED / "x.png")


# runs


def test_a_run_comes_back_as_it_was_written_with_ids_that_hold_blanks(tmp_path):
    run = {
        "q 1": [("a b", 3.5), ("c%20d", 2.25), ("e\u00a0f", 2.25), ("g", -1.0)],
        "q2": [("a b", 1e-30), ("ü", 0.0)],
        "empty": [],
    }
    write_run(tmp_path / "new" / "run.trec", run, "two words")
    lines = (tmp_path / "new" / "run.trec").read_text().splitlines()
    assert all(len(line.split()) == 6 for line in lines)
    assert lines[0] == "q%201 Q0 a%20b 1 3.5 two%20words"
    qrels = {query_id: dict.fromkeys([doc_id for doc_id, _ in ranking], 1) for query_id, ranking in run.items()}
    back = read_run(tmp_path / "new" / "run.trec", qrels)
    assert {q: [d for d, _ in r] for q, r in back.items()} == {q: [d for d, _ in r] for q, r in run.items() if r}
    assert [score for _, score in back["q 1"]] == pytest.approx([score for _, score in run["q 1"]], abs=1e-6)
    assert read_run(tmp_path / "new" / "run.trec")["q%201"][0][0] == "a%20b"


def test_scores_in_a_run_file_fall_as_trec_eval_reads_them(tmp_path):
    write_run(tmp_path / "run", {"q": [(name, 20.000001) for name in "azbycx"]}, "t")
    scores = [struct.unpack("f", struct.pack("f", score))[0] for _, score in read_run(tmp_path / "run")["q"]]
    assert all(a > b for a, b in pairwise(scores))
    measured = ir_measures.calc_aggregate(
        parse_measures("RR"), {"q": {"c": 1}}, ir_measures.read_trec_run(str(tmp_path / "run"))
    )
    assert list(measured.values()) == [pytest.approx(1 / 5)]


def test_a_run_from_elsewhere_is_ranked_by_score(tmp_path):
    (tmp_path / "run.gz").write_bytes(gzip.compress(b"q1 Q0 low 1 0.1 x\n\nq1\tQ0\thigh\t2\t7\tx\nq1 Q0 mid 3 1e0 x\n"))
    assert read_run(tmp_path / "run.gz") == {"q1": [("high", 7.0), ("mid", 1.0), ("low", 0.1)]}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("q1 Q0 a 1 2.0 t\nq1 Q0 b 2 1.0\n", r"run:2: this is no line of a TREC run: expected six columns"),
        ("q1 Q0 a 1 high t\n", r"run:1: this is no line of a TREC run"),
        ("q1 Q0 a 1 nan t\n", r"run:1: this is no line of a TREC run"),
        ("q1 Q0 a 1 2 t\nq1 Q0 a 2 1 t\n", r"run:2: document 'a' is there twice for query 'q1'"),
        ("", r"run: the run is empty"),
    ],
)
def test_a_wrong_line_of_a_run_is_named(tmp_path, text, message):
    (tmp_path / "run").write_text(text)
    with pytest.raises(BadCollection, match=message):
        read_run(tmp_path / "run")
    with pytest.raises(BadCollection, match="cannot be read: No such file"):
        read_run(tmp_path / "nowhere")


# significance


def scores_of(*values):
    per_query = {str(number): value for number, value in enumerate(values)}
    return Scores({"m": sum(values) / len(values)}, {"m": per_query})


def test_the_p_value_is_the_share_of_sign_patterns_as_extreme_as_what_was_seen():
    ours, theirs = [0.9, 0.8, 0.4, 0.7, 0.5, 0.6], [0.5, 0.6, 0.5, 0.1, 0.2, 0.6]
    differences = [a - b for a, b in zip(ours, theirs, strict=True) if a != b]
    sums = [
        abs(sum(sign * d for sign, d in zip(signs, differences, strict=True))) for signs in product((1, -1), repeat=5)
    ]
    exact = sum(value >= abs(sum(differences)) - 1e-12 for value in sums) / len(sums)
    result = compare(scores_of(*ours), scores_of(*theirs), "m")
    assert result.p_value == pytest.approx(exact) == pytest.approx(4 / 32)
    assert (result.wins, result.losses, result.ties, result.n) == (4, 1, 1, 6)
    assert result.difference == pytest.approx(sum(differences) / 6)
    turned = compare(scores_of(*theirs), scores_of(*ours), "m")
    assert (turned.p_value, turned.difference) == (result.p_value, pytest.approx(-result.difference))


def test_ten_wins_of_ten_have_a_p_value_of_two_in_1024():
    assert compare(scores_of(*[0.75] * 10), scores_of(*[0.25] * 10), "m").p_value == pytest.approx(2 / 1024)


def test_runs_that_are_equal_or_differ_once_are_not_significant():
    assert compare(scores_of(0.5, 0.5), scores_of(0.5, 0.5), "m").p_value == 1.0
    assert compare(scores_of(0.5, 1.0), scores_of(0.5, 0.0), "m").p_value == 1.0


def test_a_p_value_of_many_queries_is_near_that_of_the_t_test_and_the_same_each_time():
    import numpy as np
    from scipy.stats import ttest_rel

    random = np.random.default_rng(5)
    ours = random.uniform(size=300)
    theirs = ours - random.normal(0.012, 0.1, size=300)
    first = compare(scores_of(*ours), scores_of(*theirs), "m")
    assert first == compare(scores_of(*ours), scores_of(*theirs), "m")
    assert first.p_value == pytest.approx(ttest_rel(ours, theirs).pvalue, abs=0.01)
    assert 0.001 < first.p_value < 0.2


def test_runs_over_different_queries_or_measures_are_not_compared():
    with pytest.raises(ValueError, match="for the same queries"):
        compare(scores_of(1.0), scores_of(1.0, 0.5), "m")
    with pytest.raises(ValueError, match="need values of other"):
        compare(scores_of(1.0), scores_of(1.0), "other")


# plots

CROWD = [Point(f"encoder-{n}", mode, 5 + n / 10, 0.5 + n / 1000) for n in range(4) for mode in ("lexical", "hybrid")]


def test_a_plot_is_a_png_or_svg_by_its_suffix(tmp_path):
    points = [Point("bundled-en", "lexical", 0.4, 0.48), Point("bundled-en", "hybrid", 0.7, 0.5)]
    plot(points, "nDCG@10", tmp_path / "a.png", "adi")
    plot(points, "nDCG@10", tmp_path / "a.SVG")
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    assert "<svg" in (tmp_path / "a.SVG").read_text()
    with pytest.raises(SearchIdxError, match=r"written as .png or .svg"):
        plot(points, "nDCG@10", tmp_path / "a.pdf")


def test_names_in_a_crowd_cover_neither_each_other_nor_the_edge(tmp_path, monkeypatch):
    from matplotlib.figure import Figure

    drawn = []
    save = Figure.savefig
    monkeypatch.setattr(Figure, "savefig", lambda self, path: (drawn.append(self), save(self, path)))
    plot(CROWD, "nDCG@10", tmp_path / "crowd.png")
    axes = drawn[0].axes[0]
    renderer = drawn[0].canvas.get_renderer()
    boxes = [text.get_window_extent(renderer) for text in axes.texts if text.get_text()]
    assert len(boxes) == len(CROWD)
    frame = axes.get_window_extent()
    assert all(frame.contains(box.x0, box.y0) and frame.contains(box.x1, box.y1) for box in boxes)
    assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])


def test_importing_evaluation_loads_no_library_of_the_extra():
    code = "import sys, searchidx.evaluation, searchidx.evaluation.plot\n"
    code += "print([name for name in ('ir_measures', 'scipy', 'matplotlib') if name in sys.modules])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"
