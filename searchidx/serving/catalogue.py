"""The indexes that are served: opened when first asked for, kept warm, opened anew where their folder was replaced."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from searchidx.errors import AccessDenied, IndexCorrupted, IndexNotFound, SearchIdxError, StorageError
from searchidx.serving.keys import Key
from searchidx.storage.database import FILE

if TYPE_CHECKING:
    from searchidx.index import Index

_NAME = re.compile(r"\w[\w.+-]{0,63}", re.ASCII)
_FOLDERS = re.compile(r"(?<![\w:/.])/(?:[^\s/'\"]+/)+")
"""The folders of an absolute path: those of an encoder, say, which an error may name."""
WAIT = 10.0
"""Seconds that a write waits for another writer."""


@dataclass(frozen=True, slots=True)
class _Opened:
    index: Index
    identity: tuple[int, int]


class Catalogue:
    """Names and the indexes behind them; safe from several threads.

    An index that another process changes needs no attention: ``Index`` takes changes over by itself. One that is
    deleted or damaged fails alone, and works again as soon as it is back.

    Args:
        root: a folder whose folders are served by their names, ``indexes/``; what is put there later is served too.
        places: indexes by name, wherever they lie. Where there are some, ``root`` is not looked at.
    """

    def __init__(self, root: Path | None = None, places: Mapping[str, Path] | None = None) -> None:
        self._root, self._places = root, dict(places or {})
        self._opened: dict[str, _Opened] = {}
        self._lost: set[str] = set()
        self._mutex = threading.Lock()

    def names(self, key: Key) -> list[str]:
        """Names of the indexes that a key may see, sorted."""
        found = list(self._places)
        if not found and self._root and self._root.is_dir():
            found = [folder.name for folder in self._root.iterdir() if self._folder(folder.name)]
        return sorted(name for name in found if key.sees(name))

    def default(self, key: Key) -> str:
        """The index that is meant where none is named: the only one, or ``default``.

        Raises:
            IndexNotFound: there are several, or none.
        """
        names = self.names(key)
        if len(names) == 1 or "default" in names:
            return names[0] if len(names) == 1 else "default"
        raise IndexNotFound(f"say which index: {', '.join(names)}" if names else _NONE)

    @contextmanager
    def reading(self, name: str, key: Key) -> Iterator[Index]:
        """The index of a name, for reading.

        Raises:
            AccessDenied: the key is not for this index.
            IndexNotFound: there is none; the message names those there are.
            StorageError, IndexCorrupted: it was deleted or damaged while it was served.
        """
        index = self._index(name, key)
        try:
            yield index
        except (IndexCorrupted, StorageError):  # opened anew when next asked for: it may have been mended
            with self._mutex:
                if (held := self._opened.get(name)) and held.index is index:
                    del self._opened[name]
            raise

    @contextmanager
    def writing(self, name: str, key: Key) -> Iterator[Index]:
        """The index of a name, for writing: an object of its own, which waits for others no longer than it is told.

        Raises:
            AccessDenied: the key may not write, or is not for this index.
        """
        if not key.writes:
            raise AccessDenied("this needs a key with the right to write")
        from searchidx.index import Index

        reader = self._index(name, key)
        with Index.open(reader.folder, encoder=reader.encoder) as index:
            yield index

    def hide(self, message: str) -> str:
        """A message without paths of this machine, which are nobody's business: of each the last part stays."""
        for name, folder in [*self._places.items(), *((name, held.index.folder) for name, held in self._held())]:
            for place in {str(folder), str(folder.absolute())}:
                message = message.replace(place, name)
        if self._root:
            message = message.replace(str(self._root.absolute()), "indexes")
        return _FOLDERS.sub("", message)

    def close(self) -> None:
        """Let go of all indexes."""
        for _, held in self._held():
            held.index.close()
        with self._mutex:
            self._opened.clear()

    def _held(self) -> list[tuple[str, _Opened]]:
        with self._mutex:
            return list(self._opened.items())

    def _folder(self, name: str) -> Path | None:
        """Where the index of a name lies, or None where there is none."""
        if self._places:
            folder = self._places.get(name)
        else:
            folder = self._root / name if self._root and _NAME.fullmatch(name) else None
            if folder and folder.is_symlink():
                folder = None  # nothing outside the root is served unless it is named
        return folder if folder and (folder / FILE).is_file() else None

    def _index(self, name: str, key: Key) -> Index:
        from searchidx.index import Index  # with the first question: nothing heavy is loaded to say hello

        if not key.sees(name):
            raise AccessDenied(f"this key is not for the index {name!r}"[:200])
        with self._mutex:
            folder, held = self._folder(name), self._opened.get(name)
            if folder is None:
                if held:
                    del self._opened[name]
                    self._lost.add(name)
                raise self._missing(name, key)
            status = (folder / FILE).stat()
            identity = (status.st_dev, status.st_ino)
            if held is None or held.identity != identity:  # who still reads the old one keeps it alive until he is done
                held = self._opened[name] = _Opened(Index.open(folder), identity)
                self._lost.discard(name)
            return held.index

    def _missing(self, name: str, key: Key) -> SearchIdxError:
        if name in self._lost:
            return StorageError(f"the index {name} was deleted while it was served: put it back, or make it anew")
        names = self.names(key)
        return IndexNotFound(f"no index is called {name[:100]!r}; there are: {', '.join(names)}" if names else _NONE)


_NONE = "there is no index yet: make one with: searchidx add SOURCE"
