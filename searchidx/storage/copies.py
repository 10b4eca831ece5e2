"""Groups of articles that are copies of one another, kept right while articles come, change and go.

Two articles are copies where their fingerprints say so (``searchidx.articles.fingerprints.alike``); a group, or story,
is whoever is connected by copies. It is called by the row of one of its members, and an article without a copy is in
none. A newcomer is compared only with those that share a band with it, which SQLite finds among any number. Where one
leaves, the others of its group are compared again before the transaction ends: it may have held them together.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Sequence

from searchidx.articles.fingerprints import BANDS, alike, bands, fingerprint, method

MOST = 100
"""Articles of a band at most that a newcomer is compared with: a group that is larger is found through any of them."""

REMEDY = "find the copies anew with: searchidx sync --rebuild"
_MEMBERS = "SELECT document, signature FROM fingerprints WHERE story = ? ORDER BY document"


class Copies:
    """Groups of one store, changed within its transactions.

    Args:
        connection: of the store, whose tables ``fingerprints`` and ``bands`` are changed here only.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._new: dict[int, bytes] = {}  # articles that came in this transaction, with their fingerprints
        self._torn: set[int] = set()  # groups that lost a member in it
        self._reached = 0  # the last row that catch_up looked at

    def begin(self) -> None:
        """Forget what a transaction before left undone: it was rolled back."""
        self._new.clear()
        self._torn.clear()

    def add(self, document: int, signature: bytes) -> None:
        """Note an article that came; one that is too short for a fingerprint has no copies."""
        self._new[document] = signature

    def drop(self, document: int) -> None:
        """Forget an article."""
        self._new.pop(document, None)
        row = self._connection.execute("SELECT story, signature FROM fingerprints WHERE document = ?", (document,))
        for story, signature in row.fetchall():
            rows = ((band, document) for band in bands(signature)) if signature else ()
            self._connection.executemany("DELETE FROM bands WHERE band = ? AND document = ?", rows)
            self._connection.execute("DELETE FROM fingerprints WHERE document = ?", (document,))
            if story is not None:
                self._torn.add(story)

    def settle(self) -> None:
        """Group those who came, and group again those whom a member has left; the transaction ends with it.

        All at once and in the order of the bands, as these lie scattered: one by one it took twice as long.
        """
        new = sorted(self._new.items())
        self._connection.executemany("INSERT INTO fingerprints VALUES (?, NULL, ?)", new)
        keys = sorted((band, document) for document, signature in new if signature for band in bands(signature))
        near = self._sharing(keys)
        self._connection.executemany("INSERT INTO bands VALUES (?, ?)", keys)
        for document in sorted(near):
            self._group(document, sorted(near[document]))
        self._regroup()
        self._new.clear()

    def _sharing(self, keys: Sequence[tuple[int, int]]) -> dict[int, set[int]]:
        """Of each newcomer the articles, older ones and newcomers before it, that share a band with it."""
        holders: dict[int, list[int]] = {band: [] for band, _ in keys}
        asked = list(holders)
        for first in range(0, len(asked), 500):
            some = asked[first : first + 500]
            sql = f"SELECT band, document FROM bands WHERE band IN ({','.join('?' * len(some))})"
            for band, other in self._connection.execute(sql, some):
                if len(holders[band]) < MOST:
                    holders[band].append(other)
        near: dict[int, set[int]] = {}
        for band, document in keys:
            if holders[band]:
                near.setdefault(document, set()).update(holders[band])
            if len(holders[band]) < MOST:
                holders[band].append(document)
        return near

    def _group(self, document: int, others: Sequence[int]) -> None:
        """Take a newcomer into the groups of its copies among some articles."""
        sql = f"SELECT document, story, signature FROM fingerprints WHERE document IN ({','.join('?' * len(others))})"
        rows = self._connection.execute(sql, others).fetchall()
        found = alike(self._new[document], [signature for _, _, signature in rows])
        copies = [(other, story) for (other, story, _), copy in zip(rows, found, strict=True) if copy]
        if copies:
            members = {document, *(other for other, _ in copies)}
            self._join(members, {story for _, story in copies if story is not None})

    def _join(self, members: set[int], groups: set[int]) -> None:
        """Make one group of some articles and the groups they are in."""
        story = min(groups or members)
        moved = [(story, other) for other in groups - {story}]
        self._connection.executemany("UPDATE fingerprints SET story = ? WHERE story = ?", moved)
        rows = ((story, member) for member in members)
        self._connection.executemany("UPDATE fingerprints SET story = ? WHERE document = ?", rows)
        if self._torn & groups:
            self._torn.add(story)

    def _regroup(self) -> None:
        """Group again those whom a member has left."""
        for story in sorted(self._torn):
            members = self._connection.execute(_MEMBERS, (story,)).fetchall()
            for group in connected([signature for _, signature in members]):
                name = members[group[0]][0] if len(group) > 1 else None
                rows = ((name, members[place][0]) for place in group)
                self._connection.executemany("UPDATE fingerprints SET story = ? WHERE document = ?", rows)
        self._torn.clear()

    def forget(self) -> None:
        """Drop all groups and fingerprints: they were made in another way."""
        for table in ("fingerprints", "bands"):
            self._connection.execute(f"DELETE FROM {table}")
        self._reached = 0

    def catch_up(self, limit: int) -> int:
        """Take in some articles that an older version stored; returns how many there were."""
        sql = (
            "SELECT document, text FROM documents JOIN texts USING (document) "
            "WHERE document > ? AND document NOT IN (SELECT document FROM fingerprints) ORDER BY document LIMIT ?"
        )
        rows = self._connection.execute(sql, (self._reached, limit)).fetchall()
        for document, text in rows:
            self.add(document, fingerprint(text))
            self._reached = document
        return len(rows)

    # what is wrong

    def problems(self) -> Iterator[str]:
        """One sentence for each article whose fingerprint or group is not what its text asks for; changes nothing."""
        current = self._connection.execute("SELECT value FROM settings WHERE key = 'fingerprints'").fetchone()
        known = current is not None and json.loads(current[0]) == method()
        sql = (
            "SELECT f.document, d.doc_id, f.story, f.signature, t.text FROM fingerprints f "
            "LEFT JOIN documents d USING (document) LEFT JOIN texts t USING (document) "
            "WHERE f.document > ? ORDER BY f.document LIMIT 200"
        )
        last, marked = 0, 0
        while rows := self._connection.execute(sql, (last,)).fetchall():
            last = rows[-1][0]
            marked += sum(bool(signature) for _, _, _, signature, _ in rows)
            for document, doc_id, story, signature, text in rows:
                if doc_id is None:
                    yield f"a fingerprint has no article: {REMEDY}"
                elif known and signature != fingerprint(text or ""):
                    yield f"the fingerprint of article {doc_id!r} is not that of its text: {REMEDY}"
                elif signature and not self._placed(document, story, signature):
                    yield f"article {doc_id!r} is not in the group of its copies: {REMEDY}"
        if self._connection.execute("SELECT count(*) FROM bands").fetchone()[0] != marked * BANDS:
            yield f"the bands of fingerprints are incomplete: {REMEDY}"
        for (story,) in self._connection.execute("SELECT DISTINCT story FROM fingerprints WHERE story IS NOT NULL"):
            members = self._connection.execute(_MEMBERS, (story,)).fetchall()
            if len(members) < 2 or sum(1 for _ in connected([signature for _, signature in members])) > 1:
                yield f"a group of {len(members)} copies does not belong together: {REMEDY}"

    def _near(self, signature: bytes) -> list[tuple[int, int | None, bytes]]:
        """Row, group and fingerprint of articles that share a band."""
        keys = bands(signature)
        sql = (
            "SELECT document, story, signature FROM fingerprints WHERE document IN "
            f"(SELECT document FROM bands WHERE band IN ({','.join('?' * len(keys))}) LIMIT {MOST})"
        )
        return self._connection.execute(sql, keys).fetchall()

    def _placed(self, document: int, story: int | None, signature: bytes) -> bool:
        """Whether an article is found by its bands, and in one group with its copies."""
        near = self._near(signature)
        found = alike(signature, [other for _, _, other in near]) if near else []
        groups = {group for (_, group, _), copy in zip(near, found, strict=True) if copy}
        return groups == {story} and (len(near) == MOST or document in {row for row, _, _ in near})


def connected(signatures: Sequence[bytes]) -> Iterator[list[int]]:
    """Places of fingerprints that are connected by copies, group by group, each in order."""
    left = list(range(len(signatures)))
    while left:
        group, frontier = [left[0]], [left[0]]
        del left[0]
        while frontier and left:
            found = alike(signatures[frontier.pop()], [signatures[place] for place in left])
            reached = [place for place, copy in zip(left, found, strict=True) if copy]
            left = [place for place, copy in zip(left, found, strict=True) if not copy]
            group += reached
            frontier += reached
        yield sorted(group)
