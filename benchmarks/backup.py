"""What a backup costs: SQLite's backup against VACUUM INTO, arrangements copied against made anew.

Usage: python benchmarks/backup.py INDEX FOLDER   (FOLDER: where the copies are made, and removed again)
"""

import shutil
import sqlite3
import sys
import time
from contextlib import closing
from pathlib import Path

from searchidx import Index
from searchidx.storage import dense, lexical_files
from searchidx.storage.backup import _copy_arrangement
from searchidx.storage.store import Store


def timed(what, work):
    began, processor = time.perf_counter(), time.process_time()
    work()
    print(f"{what:<44} {time.perf_counter() - began:8.2f} s {time.process_time() - processor:8.2f} s of processor")


def vacuum(source, target):
    with closing(sqlite3.connect(f"file:{source}?mode=ro", uri=True)) as connection:
        connection.execute("VACUUM INTO ?", (str(target),))


def rebuild(copy):
    with Index.open(copy) as index, index._writing():
        index._legs.rebuild()


def main(folder, scratch):
    scratch.mkdir(parents=True)
    with closing(Store(folder)) as store:
        counts = store.counts()
        size = (folder / "store.db").stat().st_size / 1e6
        print(f"{counts['documents']:,} articles, {counts['passages']:,} passages, store {size:,.0f} MB")
        timed("store, SQLite's backup", lambda: store.copy_to(scratch / "backup.db", lambda *_: None))
    timed("store, VACUUM INTO", lambda: vacuum(folder / "store.db", scratch / "vacuum.db"))
    timed("dense, copied", lambda: _copy_arrangement(folder / "dense", scratch / "dense", dense.MANIFEST))
    timed("lexical, copied", lambda: _copy_arrangement(folder / "lexical", scratch / "lexical", lexical_files.META))
    with Index.open(folder) as index:
        timed("the whole, with its syncs", lambda: index.backup(scratch / "copy"))
    timed("both arrangements made anew", lambda: rebuild(scratch / "copy"))
    shutil.rmtree(scratch)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
