"""How many articles of a site share each block of text: counts that grow with the sites, not with their articles.

Everything is written in the transaction of the documents that it is about. A block is counted once for each article
that is new, that is whose other blocks are: versions and copies of one article count once. Per site at most ``MOST``
blocks are kept; beyond it those that were met least are forgotten, so a count may be too low, never too high.
"""

from __future__ import annotations

import json
import sqlite3
from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import xxhash

MOST = 5_000
"""Blocks of a site that are remembered."""
LEVELS = ((5, 0.01), (8, 0.04), (8, 0.10))
"""Articles, and share of the site's articles, from which on a block has level 1, 2 and 3 (``articles.recurring``)."""
LOYALTY = 0.75
"""Part of that share below which a block loses its level again, so that it does not come and go with every article."""
FRESH = 1 / 3
"""Part of an article that no other of its site may hold, furniture apart, for it to count as another article."""


class Seen(NamedTuple):
    """An article as it is counted: its site, and the lengths of its blocks by their numbers, which are above 0."""

    doc_id: str
    site: str
    blocks: Mapping[int, int]


class Share(NamedTuple):
    """How often a block was met: in ``articles`` of the ``total`` of its site, which gives it a level."""

    articles: int
    total: int
    level: int


class Row(NamedTuple):
    """What is kept of an article: what was known of its blocks when it was stored, and what was taken out of it."""

    doc_id: str
    known: int
    removed: Sequence[tuple[int, str]]


def level_of(articles: int, total: int, before: int = 0) -> int:
    """The level of a block that ``articles`` of ``total`` share, and that had the level ``before``."""
    level = 0
    for number, (least, share) in enumerate(LEVELS, 1):
        if articles >= least and articles >= share * total * (LOYALTY if before >= number else 1):
            level = number
    return level


def known_of(blocks: Iterable[int], levels: Mapping[int, int]) -> int:
    """One number for the levels that some blocks have: another where any of them changed, 0 where none has one."""
    found = sorted((block, levels[block]) for block in blocks if block in levels)
    return xxhash.xxh3_64_intdigest(json.dumps(found).encode()) >> 1 if found else 0


class Recurrence:
    """The counts of one store; what writes is for the holder of the index's lock, within a transaction.

    Args:
        connection: to the store.
        rows: what a statement finds there.
        by_ids: what a statement finds for any number of ids, which take the place of its ``{}``.
        has_format: whether the store has the tables of a format.
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        rows: Callable[[str, Sequence[Any]], list[Any]],
        by_ids: Callable[[str, Sequence[Any]], list[Any]],
        has_format: Callable[[int], bool],
    ) -> None:
        self._connection = connection
        self._rows = rows
        self._by_ids = by_ids
        self._has_format = has_format

    # reading

    def shares(self, site: str) -> dict[int, Share]:
        """The blocks of a site that have a level, by their numbers."""
        if not self._has_format(3):
            return {}
        sql = (
            "SELECT block, r.articles, s.articles, level FROM recurring r JOIN sites s USING (site) "
            "WHERE name = ? AND r.articles >= 5 AND level > 0"
        )
        return {block: Share(*share) for block, *share in self._rows(sql, (site,))}

    def status(self) -> dict[str, int]:
        """How many blocks recur, on how many sites, and on how many sites earlier articles wait for ``sync``."""
        if not self._has_format(3):
            return {"blocks": 0, "sites": 0, "waiting": 0}
        sql = (
            "SELECT count(*), count(DISTINCT site), (SELECT count(*) FROM sites WHERE changed) FROM recurring "
            "WHERE articles >= 5 AND level > 0"
        )
        return dict(zip(("blocks", "sites", "waiting"), self._rows(sql, ())[0], strict=True))

    def changed_sites(self) -> list[str]:
        """Sites on which a block was found, or was found wrong, since their articles were last looked at."""
        return [name for (name,) in self._rows("SELECT name FROM sites WHERE changed ORDER BY name", ())]

    def outdated(self, site: str) -> Iterator[Row]:
        """Articles of a site of whose blocks something else is known than when they were stored."""
        levels = {block: share.level for block, share in self.shares(site).items()}
        sql = (
            "SELECT doc_id, c.blocks, known, removed FROM counted c JOIN sites USING (site) "
            "WHERE name = ? AND doc_id > ? ORDER BY doc_id LIMIT 1000"
        )
        last = ""
        while rows := self._rows(sql, (site, last)):
            last = rows[-1][0]
            for doc_id, blocks, known, removed in rows:
                if known_of(_unpacked(blocks), levels) != known:
                    yield Row(doc_id, known, [(at, text) for at, text in json.loads(removed)])

    # writing

    def count(self, articles: Sequence[Seen]) -> dict[str, dict[int, int]]:
        """Count the blocks of articles that are new or changed; returns the levels of the blocks of their sites."""
        before = self._noted([article.doc_id for article in articles])
        new = [article for article in articles if before.get(article.doc_id) != _key(article)]
        self.forget([article.doc_id for article in new])
        names = sorted({article.site for article in articles})
        for name in names:
            of_site = [article for article in new if article.site == name]
            if of_site:
                self._count(of_site, site := self._site(name))
                self._prune(site)
                self._weigh(site)
        return {name: {block: share.level for block, share in self.shares(name).items()} for name in names}

    def _noted(self, doc_ids: Sequence[str]) -> dict[str, tuple[str, bytes]]:
        sql = "SELECT doc_id, name, c.blocks FROM counted c JOIN sites USING (site) WHERE doc_id IN ({})"
        return {doc_id: (name, blocks) for doc_id, name, blocks in self._by_ids(sql, doc_ids)}

    def _site(self, name: str) -> int:
        self._execute("INSERT OR IGNORE INTO sites (name) VALUES (?)", [(name,)])
        return int(self._rows("SELECT site FROM sites WHERE name = ?", (name,))[0][0])

    def _count(self, articles: Sequence[Seen], site: int) -> None:
        """Count those articles of a site that are others than those before; the blocks of any are noted as met."""
        sql = f"SELECT block, level FROM recurring WHERE site = {site} AND block IN ({{}})"
        met = dict(self._by_ids(sql, list({block for article in articles for block in article.blocks})))
        known, counts, rows = len(met), Counter[int](), list[tuple[str, int, bool, bytes]]()
        for doc_id, _, blocks in articles:
            own = sum(size for block, size in blocks.items() if not met.get(block))
            fresh = sum(size for block, size in blocks.items() if block not in met)
            another = fresh > 0 and fresh >= FRESH * own
            counts.update(dict.fromkeys(blocks, int(another)))
            met.update((block, 0) for block in blocks if block not in met)
            rows.append((doc_id, site, another, _packed(blocks)))
        self._execute(
            "INSERT INTO recurring (site, block, articles) VALUES (?, ?, ?) "
            "ON CONFLICT DO UPDATE SET articles = articles + excluded.articles",
            [(site, block, count) for block, count in counts.items()],
        )
        self._execute("INSERT INTO counted (doc_id, site, another, blocks) VALUES (?, ?, ?, ?)", rows)
        sql = "UPDATE sites SET articles = articles + ?, blocks = blocks + ? WHERE site = ?"
        self._execute(sql, [(sum(row[2] for row in rows), len(met) - known, site)])

    def _prune(self, site: int) -> None:
        """Forget what a site with very many blocks has shown least."""
        if self._rows("SELECT blocks FROM sites WHERE site = ?", (site,))[0][0] <= MOST:
            return
        sql = "SELECT articles FROM recurring WHERE site = ? ORDER BY articles DESC LIMIT 1 OFFSET ?"
        ((least,),) = self._rows(sql, (site, MOST // 2)) or [(0,)]
        self._execute("DELETE FROM recurring WHERE site = ? AND articles <= ? AND level = 0", [(site, max(least, 1))])
        self._execute(
            "UPDATE sites SET blocks = (SELECT count(*) FROM recurring WHERE site = ?1) WHERE site = ?1", [(site,)]
        )

    def _weigh(self, site: int) -> None:
        """Give the blocks of a site the levels that their counts have earned."""
        sql = (
            "SELECT block, r.articles, s.articles, level, block IN (SELECT block FROM bodies) "
            "FROM recurring r JOIN sites s USING (site) WHERE site = ? AND r.articles >= 5"
        )
        found = [
            (0 if body else level_of(articles, total, level), block, level)
            for block, articles, total, level, body in self._rows(sql, (site,))
        ]
        changed = [(level, site, block) for level, block, before in found if level != before]
        self._execute("UPDATE recurring SET level = ? WHERE site = ? AND block = ?", changed)
        self._execute("UPDATE sites SET changed = 1 WHERE site = ?", [(site,)] if changed else [])

    def note(self, rows: Iterable[Row]) -> None:
        """Remember what was known of the blocks of articles that were counted, and what was taken out of them."""
        values = [(row.known, json.dumps(row.removed, ensure_ascii=False), row.doc_id) for row in rows]
        self._execute("UPDATE counted SET known = ?, removed = ? WHERE doc_id = ?", values)

    def forget(self, doc_ids: Sequence[str]) -> None:
        """Take articles out of the counts."""
        sql = "SELECT doc_id, site, another, blocks FROM counted WHERE doc_id IN ({})"
        for doc_id, site, another, blocks in self._by_ids(sql, doc_ids):
            of_site = [(site, block) for block in _unpacked(blocks)]
            if another:
                self._execute(
                    "UPDATE recurring SET articles = articles - 1, level = iif(articles > 5, level, 0) "
                    "WHERE site = ? AND block = ?",
                    of_site,
                )
                self._execute("DELETE FROM recurring WHERE site = ? AND block = ? AND articles <= 0", of_site)
                # a level may have gone with the article
                self._execute("UPDATE sites SET articles = articles - 1, changed = 1 WHERE site = ?", [(site,)])
            self._execute("DELETE FROM counted WHERE doc_id = ?", [(doc_id,)])

    def settle(self, site: str) -> None:
        """Note that all articles of a site are as its blocks are known."""
        self._execute("UPDATE sites SET changed = 0 WHERE name = ?", [(site,)])

    def unsettle(self) -> None:
        """Have all articles looked at again that something was taken out of."""
        self._execute("UPDATE sites SET changed = 1", [()])
        self._execute("UPDATE counted SET known = -1 WHERE removed != '[]'", [()])

    def keep(self, blocks: Iterable[int]) -> None:
        """Note blocks that the user says are no furniture, on no site."""
        rows = [(block,) for block in blocks]
        self._execute("INSERT OR IGNORE INTO bodies VALUES (?)", rows)
        sql = "UPDATE sites SET changed = 1 WHERE site IN (SELECT site FROM recurring WHERE block = ?)"
        self._execute(sql, rows)
        self._execute("UPDATE recurring SET level = 0 WHERE block = ?", rows)

    def clear(self) -> None:
        """Forget all counts; what the user said stays."""
        for table in ("recurring", "counted", "sites"):
            self._execute(f"DELETE FROM {table}", [()])

    def _execute(self, sql: str, rows: Sequence[tuple[object, ...]]) -> None:
        if rows:
            self._connection.executemany(sql, rows)


def _key(article: Seen) -> tuple[str, bytes]:
    return article.site, _packed(article.blocks)


def _packed(blocks: Iterable[int]) -> bytes:
    return array("q", blocks).tobytes()


def _unpacked(blocks: bytes) -> array[int]:
    found = array("q")
    found.frombytes(blocks)
    return found
