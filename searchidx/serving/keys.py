"""Who may ask: API keys, each for reading or for writing too, and for all indexes or some."""

from __future__ import annotations

import hashlib
import hmac
import os
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from searchidx.errors import BadKeys

SHORTEST = 16
"""Characters of a key at least: shorter ones can be guessed."""
READ_VARIABLE, WRITE_VARIABLE = "SEARCHIDX_API_KEY", "SEARCHIDX_WRITE_KEY"
_RIGHTS = ("read", "write")


@dataclass(frozen=True, slots=True)
class Key:
    """A key, or whoever asks a server that has none.

    Attributes:
        name: for logs; never the key itself.
        writes: whether it may add and delete articles.
        indexes: names of the indexes it may see; None for all.
        digest: SHA-256 of the key; empty for a caller without one.
    """

    name: str
    writes: bool = False
    indexes: frozenset[str] | None = None
    digest: bytes = b""

    def sees(self, index: str) -> bool:
        """Whether it may read an index of this name."""
        return self.indexes is None or index in self.indexes


ANYONE = Key("anyone")
"""Who asks a server without keys: reads everything, writes nothing."""
OWNER = Key("owner", writes=True)
"""Who runs searchidx on his own machine, over standard input and output."""


def find_key(keys: Sequence[Key], typed: str) -> Key | None:
    """The key with this secret, or None; every key is compared, in time that tells nothing of it."""
    digest, found = _digest(typed), None
    for key in keys:
        if hmac.compare_digest(key.digest, digest):
            found = key
    return found


def read_keys(file: Path | None, environment: Mapping[str, str] = os.environ) -> list[Key]:
    """The keys of a server.

    Args:
        file: TOML with a table ``[[key]]`` for each: ``name``, ``key``, ``rights`` (``read`` or ``write``; by default
            ``read``), ``indexes`` (a list of names; by default all). Nobody but its owner may read the file.
        environment: where ``SEARCHIDX_API_KEY`` (to read) and ``SEARCHIDX_WRITE_KEY`` (to write too) may hold one each.

    Raises:
        BadKeys: the file cannot be read, others may read it, or a key is too short, twice there or badly written.
    """
    tables = _tables(file) if file else []
    for variable, rights in ((READ_VARIABLE, "read"), (WRITE_VARIABLE, "write")):
        if environment.get(variable):
            tables.append({"name": variable, "key": environment[variable], "rights": rights})
    keys = [
        _key(table, f"{file}" if number < len(tables) and file else "the environment")
        for number, table in enumerate(tables)
    ]
    if len({key.digest for key in keys}) < len(keys) or len({key.name for key in keys}) < len(keys):
        raise BadKeys("two keys have the same name or the same secret: give each its own")
    return keys


def _tables(file: Path) -> list[dict[str, Any]]:
    try:
        if file.stat().st_mode & 0o077:
            raise BadKeys(f"{file} can be read by others: keep it to yourself with: chmod 600 {file}")
        content = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise BadKeys(f"{file} cannot be read: {getattr(error, 'strerror', None) or error}") from None
    except tomllib.TOMLDecodeError:  # its message can quote a key
        raise BadKeys(f"{file} is no TOML: expected [[key]] tables with name and key in quotes") from None
    tables = content.pop("key", [])
    if content or not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables) or not tables:
        raise BadKeys(f"{file}: expected one or more tables [[key]], and nothing else")
    return tables


def _key(table: Mapping[str, Any], place: str) -> Key:
    name, secret, rights, indexes = (table.get(part) for part in ("name", "key", "rights", "indexes"))
    if unknown := sorted(table.keys() - {"name", "key", "rights", "indexes"}):
        raise BadKeys(f"{place}: a key has no {unknown[0]!r}, only name, key, rights and indexes")
    if not isinstance(name, str) or not name.isprintable() or not name:
        raise BadKeys(f"{place}: every key needs a name on one line")
    if not isinstance(secret, str) or len(secret) < SHORTEST or not secret.isascii() or not secret.isprintable():
        raise BadKeys(
            f"{place}: the key {name!r} needs {SHORTEST} printable ASCII characters or more: make one with: "
            "openssl rand -hex 32"
        )
    if rights is not None and rights not in _RIGHTS:
        raise BadKeys(f"{place}: rights of the key {name!r} are read or write")
    if indexes is not None and not (isinstance(indexes, list) and all(isinstance(each, str) for each in indexes)):
        raise BadKeys(f"{place}: indexes of the key {name!r} must be a list of names")
    seen = None if indexes is None else frozenset(indexes)
    return Key(name, writes=rights == "write", indexes=seen, digest=_digest(secret))


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()
