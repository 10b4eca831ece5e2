"""Damages copies of an index, asks them, and says for each what came out: one JSON line.

Usage: python damage_worker.py INDEX SCRATCH < CASES, one JSON line [file, kind, number] each.

A process of its own, so that a crash is one of the things that can come out.
"""

import json
import shutil
import sys
from pathlib import Path

import searchidx
from searchidx import Document, Index
from searchidx.storage import lexical_files

QUERIES = [
    "the harbour closed by storm",
    "word7y1",
    "grain exports of the year 2021",
    "word12y0 ministers",
    "court ruling",
]


def shown(hits):
    """What a search shows, without the scores."""
    told = []
    for hit in hits:
        document = hit.document
        fields = document.doc_id, document.title, document.published, document.source, dict(document.metadata)
        told.append((*fields, hit.citation.title, hit.passage.start, hit.passage.text))
        told += [(*fields, other.start, other.text) for other in hit.others]
    return told


def asked(index, names):
    """Answers by question; an error of ours stands for the answer."""
    questions = [(f"{mode} {query}", lambda q=query, m=mode: shown(index.search(q, k=40, mode=m)))
                 for query in QUERIES for mode in ("dense", "lexical", "hybrid")]  # fmt: skip
    questions += [("after", lambda: shown(index.search("harbour", k=40, after="2021")))]
    questions += [(f"get {name}", lambda n=name: index.get(n)) for name in names]
    questions += [("list", lambda: [(d.doc_id, d.title, d.published) for d in index.list()])]
    for name, question in questions:
        try:
            yield name, question()
        except searchidx.SearchIdxError as error:
            yield name, error


def examine(folder, encoder, names):
    """All answers, and the problems that a check finds."""
    try:
        with Index.open(folder, encoder=encoder) as index:
            answers = dict(asked(index, names))
            try:
                return answers, index.status(check=True)["problems"]
            except searchidx.SearchIdxError as error:
                return answers, [str(error)]
    except searchidx.SearchIdxError as error:
        return {"open": error}, [str(error)]


def parts(answers):
    """Everything that was shown, each thing once."""
    for answer in answers.values():
        for item in answer if isinstance(answer, list) else [answer]:
            if not isinstance(item, searchidx.SearchIdxError):
                yield repr(item)


def judge(answers, problems, sound):
    """``sound`` are the answers of the whole index, as it is and with its arrangements made anew."""
    if not set(parts(answers)) <= set(parts(sound[0])) | set(parts(sound[1])) | {"None"}:
        return "wrong"
    if any(isinstance(answer, Exception) for answer in answers.values()):
        return "refused" if problems else "refused, and the check finds nothing"
    if answers not in sound:
        return "less, and the check says so" if problems else "less, without a word"
    return "same, and the check says so" if problems else "same"


def damage(path, kind, number):
    if kind == "cut":
        with open(path, "r+b") as file:
            file.truncate(number)
    elif kind == "missing":
        path.unlink()
    else:
        with open(path, "r+b") as file:
            file.seek(number // 8)
            (byte,) = file.read(1)
            file.seek(number // 8)
            file.write(bytes([byte ^ 1 << number % 8]))


def salvaged(folder, truth):
    """What a salvage brings: (articles as they were, others, lost)."""
    right = others = lost = 0
    for item in Index.salvage(folder):
        if isinstance(item, Document):
            right, others = (right + 1, others) if truth.get(item.doc_id) == item else (right, others + 1)
        else:
            lost += 1
    return right, others, lost


def main(whole, scratch):
    lexical_files._PATIENCE = 0.02  # nobody else is writing
    encoder = searchidx.load_encoder("bundled-en")
    copy = scratch / "copy"
    shutil.copytree(whole, copy)
    with Index.open(copy, encoder=encoder) as index:
        truth = {document.doc_id: document for document in index.export()}
    sound = [examine(copy, encoder, truth)]
    for name in ("dense", "lexical"):
        shutil.rmtree(copy / name, ignore_errors=True)
    sound.append(examine(copy, encoder, truth))
    assert [problems for _, problems in sound] == [[], []]
    for line in sys.stdin:
        name, kind, number = json.loads(line)
        shutil.rmtree(copy)
        shutil.copytree(whole, copy)
        damage(copy / name, kind, number)
        rescued = salvaged(copy, truth) if name.startswith("store.db") and kind != "missing" else None
        outcome = judge(*examine(copy, encoder, truth), [answers for answers, _ in sound])
        sys.stdout.write(json.dumps([name, kind, number, outcome, rescued]) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
