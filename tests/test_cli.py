"""The command line as people and programs use it."""

# ruff: noqa: F811 - the fixtures of cli_tools are arguments of tests

import io
import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest
import typer
from cli_tools import ROOT, cold, demo_index, run, somewhere_else  # noqa: F401
from typer.main import get_command

import searchidx
from searchidx import Index
from searchidx.cli import _needed, app, arguments, main
from searchidx.storage.lock import writer_lock
from searchidx.types import Report

COMMANDS = [
    "add",
    "inspect",
    "search",
    "context",
    "ask",
    "get",
    "list",
    "remove",
    "sync",
    "status",
    "export",
    "check",
    "backup",
    "encoders",
    "judge",
    "eval",
    "bench",
    "demo",
    "serve",
    "mcp",
]
SAMPLES = len(list((ROOT / "searchidx" / "samples").glob("*.md")))
HUAWEI = "samples/house-panel-huawei-zte.md"
# the frame


def test_the_commands_are_these_and_every_one_is_explained_with_an_example():
    group = get_command(app)
    assert list(group.commands) == COMMANDS
    for name, command in group.commands.items():
        assert re.match(r"[A-Z].+\.\n", command.help), name
        assert f"Example: searchidx {name}" in command.help


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_has_help_and_is_shown(name, run):
    command = get_command(app).commands[name]
    assert all(parameter.help and parameter.help.endswith(".") for parameter in command.params)
    status, out, err = run(name, "-h")
    assert (status, err) == (0, "")
    for parameter in command.params:
        assert all(option in out for option in parameter.opts if option.startswith("-"))


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_in_the_readme(name):
    assert f"searchidx {name}" in (ROOT / "README.md").read_text(encoding="utf-8")


def test_no_arguments_print_the_help_and_version_prints_the_version(run):
    assert run() == run("--help")
    assert run("--version") == (0, f"searchidx {searchidx.__version__}\n", "")


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        (["serch", "x"], "Did you mean 'search'"),
        (["search", "--indx", "a", "x"], "Did you mean --index?"),
        (["search", "--topk", "3", "x"], "--top-k"),
        (["search"], "Missing argument 'QUERY'"),
        (["search", "-k", "0", "x"], "Invalid value for '--top-k' / '-k'"),
        (["search", "-k", "many", "x"], "'-k'"),
        (["search", "--lexical-weight", "2", "x"], "Invalid value for '--lexical-weight'"),
        (["search", "--mode", "fuzzy", "x"], "'hybrid', 'dense', 'lexical'"),
        (["search", "--json", "--trec", "x"], "choose one of them"),
        (["search", "-5 degrees"], "goes after --"),
        (["status", "-i", "a*b"], "no name for an index"),
        (["status", "surplus"], "surplus"),
    ],
)
def test_wrong_usage_is_one_line_with_the_way_out_and_status_2(run, typed, message):
    status, out, err = run(*typed)
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert err.startswith("error: ")
    assert message in err
    assert "--help)" in err


def test_options_come_from_the_environment_only_when_a_command_runs(run, demo_index, monkeypatch):
    monkeypatch.setenv("SEARCHIDX_INDEX", demo_index)
    assert json.loads(run("status", "--json")[1])["documents"] == SAMPLES


@pytest.mark.parametrize(
    ("typed", "wanted"),
    [
        (["-k", "3", "--lexical-weight", "0.25", "--where", "a=1", "--where", "b=2"], (3, 0.25, ["a=1", "b=2"])),
        ([], (10, None, [])),
    ],
)
def test_values_converted_without_pydantic_are_those_that_typer_makes(typed, wanted):
    ours = get_command(app).commands["search"]
    theirs = get_command(_plain_app()).commands["search"]
    for command in (ours, theirs):
        values = command.make_context("search", [*typed, "two", "words"]).params
        assert (values["top_k"], values["lexical_weight"], list(values["where"] or [])) == wanted
        assert list(values["query"]) == ["two", "words"]
        assert (values["mode"], values["explain"], values["index"]) == ("hybrid", False, "default")


def _plain_app():
    from searchidx.cli import reading

    plain = typer.Typer()
    plain.command("search")(reading.search)
    plain.command("get")(reading.get)
    return plain


# names of indexes


def test_a_bare_name_lives_under_indexes_unless_only_the_folder_beside_is_an_index(tmp_path):
    assert arguments.locate("news") == Path("indexes/news")
    (tmp_path / "news").mkdir()
    assert arguments.locate("news") == Path("indexes/news")
    (tmp_path / "news" / "store.db").touch()
    assert arguments.locate("news") == Path("news")
    (tmp_path / "indexes" / "news").mkdir(parents=True)
    assert arguments.locate("news") == Path("indexes/news")


def test_anything_with_a_slash_is_a_path_and_home_is_expanded(monkeypatch):
    monkeypatch.setenv("HOME", "/home/someone")
    assert arguments.locate("./news") == Path("news")
    assert arguments.locate("/var/x") == Path("/var/x")
    assert arguments.locate("~/x") == Path("/home/someone/x")


@pytest.mark.parametrize("name", ["a b", "", "-x", "a*b", "a;b", "a\nb", "a\\b", "~"])
def test_odd_names_are_refused_with_the_remedy(name):
    with pytest.raises(typer.BadParameter, match="or a path with a / in it"):
        arguments.locate(name)


def test_a_mistyped_index_is_an_error_with_a_guess_and_makes_nothing(run, tmp_path):
    assert run("demo", "-q", "-i", "news")[0] == 0
    for typed in (["search", "x"], ["status"], ["sync"], ["list"], ["export"], ["get", "x"], ["remove", "x"]):
        status, out, err = run(*typed, "-i", "nws")
        assert (status, out) == (1, "")
        assert err.startswith("error: no index at indexes/nws")
        assert "did you mean indexes/news?" in err
    assert [path.name for path in (tmp_path / "indexes").iterdir()] == ["news"]


@pytest.mark.parametrize("source", ["nowhere.md", "nothing/*.md", "empty", "https://example.org/a"])
def test_adding_what_is_not_there_makes_no_index(run, tmp_path, source):
    (tmp_path / "empty").mkdir()
    status, out, err = run("add", source)
    assert (status, out) == (1, "")
    assert err.startswith("error: ")
    assert "no index was made" in err
    assert not (tmp_path / "indexes").exists()


def test_shells_complete_names_of_indexes_commands_and_encoders(tmp_path):
    for name in ("news", "notes", "papers"):
        (tmp_path / "indexes" / name).mkdir(parents=True)
        (tmp_path / "indexes" / name / "store.db").touch()
    for words, wanted in {
        "searchidx search -i n": ["news", "notes"],
        "searchidx sea": ["search"],
        "searchidx add x --encoder b": ["bundled-en"],
    }.items():
        place = str(len(words.split()) - 1)
        out = cold(env={"_SEARCHIDX_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": place})
        assert out.stdout.decode().split() == wanted


# writing


@pytest.fixture
def articles(tmp_path):
    folder = tmp_path / "articles"
    folder.mkdir()
    (folder / "ferry.md").write_text("# The ferry\n\nThe ferry to the island was late.\n")
    (folder / "wheat.md").write_text("---\ntopic: food\n---\n# Wheat\n\nHarvests failed in two provinces.\n")
    return folder


def test_add_makes_the_index_and_says_what_it_did(run, articles):
    status, out, err = run("add", articles, "-i", "news")
    assert status == 0
    assert re.fullmatch(r"indexes/news: 2 added; 2 passages encoded in \d+\.\d s\n", out)
    assert err == ""
    assert run("add", articles, "-i", "news")[1].startswith("indexes/news: 2 unchanged in ")


def test_add_reports_in_json_what_the_index_reports(run, articles):
    status, out, err = run("add", articles, "--json")
    report = json.loads(out)
    assert (status, err, report["added"], report["failed"]) == (0, "", 2, [])
    assert report.keys() == Report().to_dict().keys()


def test_quiet_says_nothing_but_what_failed(run, articles):
    assert run("add", articles, "-q") == (0, "", "")
    assert run("add", articles, "gone.md", "-q")[2].startswith("failed: ")


def test_failures_and_what_was_skipped_go_to_standard_error(run, articles):
    (articles / ".hidden.md").write_text("secret")
    (articles / "photo.png").write_bytes(b"\x89PNG\r\n")
    (articles / "bad.jsonl").write_text("{broken\n" * 25)
    status, out, err = run("add", articles)
    assert status == 0
    assert out.startswith("indexes/default: 2 added, 25 failed")
    assert err.count("failed: ") == 20
    assert "... and 5 more; searchidx status -i default lists all" in err
    assert re.search(r"skipped: .*1 hidden", err)
    assert "bad.jsonl" in run("status")[1]


def test_adding_fails_only_where_all_of_it_failed(run, articles):
    run("add", articles)
    assert run("add", "gone.md")[0] == 1
    assert run("add", "gone.md", articles)[0] == 0


def test_standard_input_is_a_source(articles):
    lines = "".join(json.dumps({"id": name, "text": f"An article on {name}."}) + "\n" for name in ("tea", "cocoa"))
    out = cold("add", "-", "-i", "piped", input=lines.encode())
    assert (out.returncode, out.stderr) == (0, b"")
    out = cold("search", "cocoa", "-i", "piped", "--jsonl", "-k", "1")
    assert json.loads(out.stdout)["document"]["doc_id"] == "cocoa"


def test_another_length_of_passages_for_an_index_that_exists_is_refused(run, articles):
    assert run("add", articles, "--max-tokens", "50")[0] == 0
    assert run("add", articles, "--max-tokens", "50")[0] == 0
    status, _, err = run("add", articles, "--max-tokens", "60")
    assert status == 2
    assert "passages of at most 50 tokens" in err


def test_the_language_is_chosen_with_add_and_changed_with_sync(run, articles):
    assert run("add", articles, "--language", "de")[0] == 0
    assert run("add", articles, "--language", "de")[0] == 0
    status, _, err = run("add", articles, "--language", "fr")
    assert (status, "change it with: searchidx sync --language fr" in " ".join(err.split())) == (2, True)
    assert run("sync", "--language", "fr")[0] == 0
    assert json.loads(run("status", "--json")[1])["language"] == "fr"
    status, _, err = run("sync", "--language", "french")
    assert (status, "'french' is no language" in err) == (2, True)


def test_another_encoder_than_that_of_the_index_is_an_error_with_the_remedy(run, articles):
    run("add", articles)
    status, _, err = run("add", articles, "--encoder", "all-MiniLM-L6-v2")
    assert status == 1
    assert "searchidx sync --encoder all-MiniLM-L6-v2" in err


def test_remove_takes_articles_out_for_good_and_unknown_ids_fail(run, articles):
    run("add", articles)
    status, out, err = run("remove", "articles/ferry.md", "articles/fery.md")
    assert status == 1
    assert out.startswith("indexes/default: 1 removed, 1 failed")
    assert "failed: articles/fery.md: " in err
    assert run("sync")[0] == 0
    assert "ferry" not in run("list")[1]


def test_sync_follows_the_folder(run, articles):
    run("add", articles)
    (articles / "wheat.md").unlink()
    (articles / "barley.md").write_text("# Barley\n\nA dry spring.\n")
    status, out, _ = run("sync")
    assert status == 0
    assert out.startswith("indexes/default: 1 added, 1 removed, 1 unchanged")
    assert run("sync", "--rebuild")[1].startswith("indexes/default: 2 unchanged")


def test_an_index_that_is_being_written_says_by_whom(run, articles):
    run("add", articles)
    with writer_lock(Path("indexes/default")):
        status, out, err = run("add", articles)
    assert (status, out) == (1, "")
    assert f"another process is writing to indexes/default (pid {os.getpid()}" in err


def test_what_is_exported_makes_the_same_index(run, articles, tmp_path):
    (articles / "dated.jsonl").write_text(
        '{"id": "ü 1", "title": "T", "text": "One.\\n\\nTwo.", "date": "2018-05", "authors": ["A", "B"], '
        '"source": "S", "url": "https://example.org/1", "language": "en", "topic": ["law", "trade"], '
        '"views": 3, "open": true}\n'
    )
    run("add", articles, "-i", "one")
    status, out, err = run("export", "-i", "one", "-o", "all.jsonl")
    assert (status, out, err) == (0, "", "all.jsonl: 3 articles written\n")
    assert Path("all.jsonl").read_text(encoding="utf-8") == run("export", "-i", "one")[1]
    assert run("add", "all.jsonl", "-i", "two")[0] == 0
    with Index.open("indexes/one") as one, Index.open("indexes/two") as two:
        assert list(one.export()) == list(two.export())
        assert len(list(two.export())) == 3
        assert [hit.merged for hit in one.search("law")] == [hit.merged for hit in two.search("law")]


def test_an_export_that_fails_leaves_the_old_file(run, demo_index, tmp_path, monkeypatch):
    (tmp_path / "all.jsonl").write_text("old")

    def fail(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    status, _, err = run("export", "-i", demo_index, "-o", "all.jsonl")
    assert status == 1
    assert err == "error: No space left on device\n"
    assert [path.name for path in tmp_path.iterdir()] == ["all.jsonl"]
    assert (tmp_path / "all.jsonl").read_text() == "old"


def test_the_demo_answers_and_runs_again(run):
    for counts in (f"{SAMPLES} added", f"{SAMPLES} unchanged"):
        status, out, err = run("demo")
        assert (status, err) == (0, "")
        assert out.startswith(f"indexes/demo: {counts}")
        assert "  5  " in out
        assert "Huawei" in out
        assert 'searchidx search "a disease that no longer exists" -i demo' in out


def test_what_the_demo_suggests_works(run):
    steps = run("demo")[1].partition("Try next:\n")[2].splitlines()
    import shlex

    typed = [shlex.split(step, comments=True)[1:] for step in steps]
    assert [words[0] for words in typed] == ["search", "search", "context", "serve", "add"]
    first, second, third = (run(*words) for words in typed[:3])
    assert "Smallpox" in first[1].partition("\n")[0].title()
    assert "Sample Desk" in second[1]
    assert third[1].startswith("[1] ")
    assert {first[0], second[0], third[0]} == {0}


# asking


def test_json_is_pure_and_the_same_as_from_python(demo_index):
    query = "US restrictions on Chinese telecoms"
    out = cold("search", *query.split(), "-i", demo_index, "-k", "3", "--json")
    assert (out.returncode, out.stderr) == (0, b"")
    with Index.open(demo_index) as index:
        assert json.loads(out.stdout) == json.loads(json.dumps([hit.to_dict() for hit in index.search(query, 3)]))


def test_json_lines_hold_a_hit_each_and_trec_lines_a_run(run, demo_index):
    hits = json.loads(run("search", "huawei", "-i", demo_index, "--json")[1])
    lines = run("search", "huawei", "-i", demo_index, "--jsonl")[1].splitlines()
    assert [json.loads(line) for line in lines] == hits
    runs = [line.split(" ") for line in run("search", "huawei", "-i", demo_index, "--trec")[1].splitlines()]
    assert [(row[0], row[1], row[2], row[3], row[5]) for row in runs] == [
        ("1", "Q0", hit["document"]["doc_id"], str(hit["rank"]), "searchidx") for hit in hits
    ]
    assert [float(row[4]) for row in runs] == pytest.approx([hit["merged"] for hit in hits], abs=1e-6)


def test_an_id_with_blanks_stays_one_column_of_a_trec_run(run, tmp_path):
    (tmp_path / "a b.md").write_text("Ferries and tides.")
    run("add", "a b.md")
    assert run("search", "ferries", "--trec")[1].split()[2] == "a%20b.md"


@pytest.mark.parametrize(("option", "empty"), [("--json", "[]\n"), ("--jsonl", ""), ("--trec", ""), ("--full", "")])
@pytest.mark.parametrize(
    ("typed", "hint"),
    [
        ([""], "the query is empty"),
        (["ferry", "--after", "2090"], "the same filters"),
        (["xyzzyq", "--mode", "lexical"], "--mode hybrid"),
    ],
)
def test_no_results_are_told_on_standard_error_with_a_hint(run, demo_index, option, empty, typed, hint):
    status, out, err = run("search", *typed, option, "-i", demo_index)
    assert (status, out) == (0, empty)
    assert err.startswith("no results: ")
    assert hint in err


ODD = [
    "AT&T",
    '"5G"',
    "C++",
    "co-op",
    "2.0.1",
    "中国 电信",
    "x" * 10_000,
    "((((",
    "a\\",
    "*",
    "NOT",
    "title:x",
    "\u202e",
    " ",
]


@pytest.mark.parametrize("mode", ["hybrid", "lexical", "dense"])
@pytest.mark.parametrize("query", ODD, ids=range(len(ODD)))
def test_odd_queries_are_answered(run, demo_index, query, mode):
    status, out, err = run("search", "-i", demo_index, "--mode", mode, "--json", "--", query)
    assert status == 0
    assert isinstance(json.loads(out), list)
    assert "error" not in err


@pytest.mark.parametrize("query", ["-5 degrees", "--", "-", "-k"])
def test_a_query_may_begin_with_a_dash_after_a_double_dash(run, demo_index, query, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"huawei")))
    status, out, _ = run("search", "--json", "-i", demo_index, "--", query)
    assert status == 0
    assert isinstance(json.loads(out), list)


def test_the_query_may_come_from_standard_input_whatever_the_bytes(demo_index):
    wanted = cold("search", "rare metals", "-i", demo_index, "--trec").stdout
    assert wanted
    assert cold("search", "-", "-i", demo_index, "--trec", input=b"rare metals\n").stdout == wanted
    out = cold("search", "-", "-i", demo_index, "--json", input=b"rare\0 \xff\xfe metals")
    assert out.returncode == 0
    assert json.loads(out.stdout)


def test_bytes_on_the_command_line_that_are_no_text_are_no_traceback(demo_index):
    out = cold("search", b"caf\xe9".decode(errors="surrogateescape"), "-i", demo_index)
    assert out.returncode == 0
    out = cold("search", "x", "-i", b"./caf\xe9".decode(errors="surrogateescape"))
    assert out.returncode == 1
    assert out.stderr.startswith(b"error: no index at caf")


def test_filters_modes_and_grouping_reach_the_index(run, demo_index):
    def ids(*typed):
        return [hit["document"] for hit in json.loads(run("search", "huawei", "-i", demo_index, "--json", *typed)[1])]

    assert {d["metadata"]["topic"] for d in ids("--where", "topic=network security")} == {"network security"}
    assert all("2019" <= d["published"] < "2022" for d in ids("--after", "2019", "--before", "2022"))
    sources = {"Sample Desk: Business", "Sample Desk: World"}
    assert {d["source"] for d in ids("--source", min(sources), "--source", max(sources))} == sources
    assert len(ids("-k", "30", "--no-group")) > len({d["doc_id"] for d in ids("-k", "30", "--no-group")})
    hits = json.loads(run("search", "huawei", "-i", demo_index, "--json", "--mode", "lexical")[1])
    assert all(set(hit["legs"]) == {"lexical"} for hit in hits)
    fused = [json.loads(run("search", "rare metals", "-i", demo_index, "--json", *typed)[1])[0]["merged"] for typed in (
        ["--fusion", "rrf"], ["--lexical-weight", "0"], ["--lexical-weight", "1"])]  # fmt: skip
    assert len(set(fused)) >= 2
    assert fused[0] < 0.1


def test_a_filter_that_cannot_be_read_is_an_error(run, demo_index):
    status, out, err = run("search", "x", "--where", "topc=law", "-i", demo_index)
    assert (status, out) == (1, "")
    assert "did you mean topic?" in err


def test_get_prints_the_whole_article(run, demo_index):
    status, out, _ = run("get", HUAWEI, "-i", demo_index)
    told = json.loads(run("get", HUAWEI, "-i", demo_index, "--json")[1])
    assert status == 0
    assert out.startswith(told["title"] + "\n")
    assert out.endswith(told["text"] + "\n")
    status, out, err = run("get", "nothing.md", "-i", demo_index, "--json")
    assert (status, out) == (1, "")
    assert "searchidx list" in err


def test_list_is_tab_separated_in_a_pipe_and_filtered(run, demo_index):
    _, out, _ = run("list", "-i", demo_index)
    rows = [line.split("\t") for line in out.splitlines()]
    assert len(rows) == SAMPLES
    title = "House intelligence panel warns against Huawei and ZTE equipment"
    assert ["2012-10-08", HUAWEI, title, "Sample Desk: Technology"] in rows
    told = json.loads(run("list", "-i", demo_index, "--json", "--where", "topic=trade")[1])
    assert 0 < len(told) < SAMPLES
    assert all("text" not in document and document["metadata"]["topic"] == "trade" for document in told)
    assert len(run("list", "-i", demo_index, "--jsonl", "--limit", "7")[1].splitlines()) == 7
    assert run("list", "-i", demo_index, "--after", "2090", "--json") == (0, "[]\n", "")


def test_status_tells_people_and_programs_the_same(run, demo_index):
    told = json.loads(run("status", "-i", demo_index, "--json", "--check")[1])
    assert (told["documents"], told["problems"]) == (SAMPLES, [])
    _, out, _ = run("status", "-i", demo_index, "--check")
    assert re.search(rf"^articles +{SAMPLES}$", out, re.M)
    assert re.search(rf"^passages +{told['passages']}, of at most {told['max_tokens']} tokens$", out, re.M)
    assert re.search(r"^problems +none", out, re.M)


def test_status_fails_where_a_check_finds_problems(run, articles):
    run("add", articles)
    database = sqlite3.connect("indexes/default/store.db")
    database.execute("UPDATE texts SET text = 'other words'")
    database.commit()
    database.close()
    assert run("status")[0] == 0
    status, out, _ = run("status", "--check")
    assert status == 1
    assert "damaged" in out
    status, out, _ = run("status", "--check", "--json")
    assert status == 1
    assert json.loads(out)["problems"]


def test_encoders_are_listed_with_what_they_need(run):
    _, out, _ = run("encoders")
    assert out.startswith("bundled-en\n")
    assert 'pip install "searchidx[transformers]"' in out
    assert json.loads(run("encoders", "--json")[1])[0]["name"] == "bundled-en"


# how it ends


def test_an_error_is_one_line_unless_asked_for_more(run, monkeypatch):
    assert run("status", "-i", "gone")[2].count("\n") == 1
    monkeypatch.setenv("SEARCHIDX_DEBUG", "1")
    with pytest.raises(searchidx.IndexNotFound):
        main(["status", "-i", "gone"])


def test_a_fault_of_our_own_says_so_in_one_line(run, demo_index, monkeypatch):
    monkeypatch.setattr(Index, "status", lambda *_, **__: 1 / 0)
    status, out, err = run("status", "-i", demo_index)
    assert (status, out) == (1, "")
    assert err.startswith("error: unexpected ZeroDivisionError: division by zero")
    assert "SEARCHIDX_DEBUG=1" in err


def test_an_interruption_anywhere_ends_with_130(run, demo_index, monkeypatch):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(Index, "search", interrupt)
    assert run("search", "x", "-i", demo_index) == (130, "", "interrupted\n")


def test_ctrl_c_while_adding_says_what_is_finished_and_it_is(tmp_path):
    words = ["harbour", "ferry", "wheat", "senate", "licence", "glacier", "orchid", "tariff"]
    with open("many.jsonl", "w") as file:
        for number in range(40_000):
            text = " ".join(f"{words[(number * k) % 8]} {number * k % 977}" for k in range(1, 120))
            file.write(json.dumps({"id": f"a{number}", "text": text}) + "\n")
    command = [sys.executable, "-m", "searchidx", "add", "many.jsonl", "-i", "big"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(ROOT)}, text=True)
    store = tmp_path / "indexes/big/store.db"
    deadline = time.monotonic() + 50
    while not (store.is_file() and _documents(store)) and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=50)
    assert process.returncode == 130, err
    told = re.search(r"interrupted: ([\d,]+) articles were finished and stay", err)
    assert told, err
    assert 0 < _documents(store) < 40_000
    assert 0 <= int(told[1].replace(",", "")) <= _documents(store)
    assert "Traceback" not in err
    assert cold("search", "glacier", "-i", "big", "--trec").stdout


def _documents(store):
    connection = sqlite3.connect(f"file:{store}?mode=ro", uri=True)
    try:
        return connection.execute("SELECT count(*) FROM documents").fetchone()[0]
    except sqlite3.OperationalError:
        return 0
    finally:
        connection.close()


@pytest.mark.parametrize(
    "typed", [["search", "huawei", "--json"], ["search", "huawei"], ["export"], ["list"], ["--help"]]
)
def test_a_reader_that_leaves_ends_the_command_in_silence(demo_index, typed):
    ours, theirs = os.pipe()
    os.close(ours)
    options = [] if typed == ["--help"] else ["-i", demo_index]
    out = subprocess.run(
        [sys.executable, "-m", "searchidx", *typed, *options],
        stdout=theirs, stderr=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(ROOT)}, timeout=60,
    )  # fmt: skip
    os.close(theirs)
    assert (out.returncode, out.stderr) == (0, b"")


def test_a_full_disk_behind_standard_output_is_an_error(demo_index):
    with open("/dev/full", "wb") as full:
        out = subprocess.run(
            [sys.executable, "-m", "searchidx", "export", "-i", demo_index],
            stdout=full, stderr=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(ROOT)}, timeout=60,
        )  # fmt: skip
    assert out.returncode != 0
    assert b"No space left on device" in out.stderr
    assert b"Traceback" not in out.stderr


# what it costs


HEAVY = {"torch", "sentence_transformers", "transformers", "trafilatura", "lxml", "markdown_it", "pydantic", "click"}
DENSE = {"numpy", "faiss", "tantivy", "tokenizers"}


@pytest.mark.parametrize(
    ("typed", "banned"),
    [
        (["search", "huawei"], HEAVY | {"rich.markdown", "rich.progress", "typer.rich_utils"}),
        (["search", "huawei", "--json"], HEAVY | {"rich"}),
        (["get", HUAWEI], HEAVY | {"rich"}),
        (["--help"], HEAVY | DENSE | {"rich"}),
        (["search", "--help"], HEAVY | DENSE | {"rich"}),
        (["search", "--mood", "x"], HEAVY | DENSE | {"rich"}),
    ],
    ids=" ".join,
)
def test_a_cold_command_imports_no_more_than_it_needs(demo_index, typed, banned):
    code = (
        "import sys; from searchidx.cli import main; main(sys.argv[1:]); sys.stdout.flush()\n"
        f"print(sorted(set(sys.modules) & {banned!r}), file=sys.stderr)"
    )
    options = [] if "--help" in typed else ["-i", demo_index]
    out = subprocess.run(
        [sys.executable, "-c", code, *typed, *options],
        capture_output=True, text=True, check=True, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert out.stderr.splitlines()[-1] == "[]"


def test_of_the_commands_only_the_one_that_was_typed_is_made_and_it_is_the_same():
    every = get_command(app).commands
    for name, command in every.items():
        alone = get_command(_needed(name)).commands
        assert list(alone) == [name]
        assert [parameter.opts for parameter in alone[name].params] == [each.opts for each in command.params]
        assert alone[name].help == command.help
    assert get_command(_needed("serch")).commands.keys() == every.keys()
    assert list(get_command(app).commands) == COMMANDS


def ended(before: str) -> "subprocess.CompletedProcess[str]":
    """A program that fails, after some code in its process."""
    code = f"import atexit, sys, threading, time\n{before}\nfrom searchidx.cli import program\nprogram()"
    return subprocess.run(
        [sys.executable, "-c", code, "status", "-i", "nowhere"],
        capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip


def test_the_program_ends_with_its_status_after_all_that_is_to_be_done_at_the_end(somewhere_else):
    end = ended("sys.stdout.write('shown')\natexit.register(print, 'done at the end')")
    assert (end.returncode, end.stdout) == (1, "showndone at the end\n")
    assert end.stderr.startswith("error: no index at")


def test_the_program_waits_for_its_threads(somewhere_else):
    end = ended("def late():\n    time.sleep(1)\n    print('done late')\nthreading.Thread(target=late).start()")
    assert (end.returncode, end.stdout) == (1, "done late\n")


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="counts threads as Linux shows them")
def test_the_program_starts_no_second_thread_for_the_products_of_a_query():
    code = (
        "import os; from searchidx.cli import main; main(['--version'])\n"
        "import numpy as np; np.ones((2000, 256), np.float32) @ np.ones(256, np.float32)\n"
        "print(len(os.listdir('/proc/self/task')))"
    )
    environment = {name: value for name, value in os.environ.items() if name != "OPENBLAS_NUM_THREADS"}
    out = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True, text=True, check=True, env={**environment, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert out.stdout.splitlines()[-1] == "1"


def test_python_m_searchidx_is_the_same_program():
    assert cold("--version").stdout.decode() == f"searchidx {searchidx.__version__}\n"
