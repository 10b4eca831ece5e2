"""The files of the lexical arrangement: whether they are what was written, and a mirror where they cannot be used.

tantivy keeps a CRC of each file and never checks it: one bit flip in nine changes answers without a word. So sizes and
XXH3-128 of all files are recorded after each commit and checked before tantivy opens them (2 ms for 26 MB, the passages
of 100,000). A commit that was killed before it was recorded is accepted where its CRCs hold.
"""

from __future__ import annotations

import json
import mmap
import os
import re
import shutil
import tempfile
import time
import zlib
from contextlib import suppress
from pathlib import Path
from typing import Any

import xxhash

from searchidx.storage.files import is_writable, storage_errors, sync_folder

META = "meta.json"
MANIFEST = "searchidx.json"
LARGE = 1_000_000
"""Bytes of a file from which on it is mapped to be hashed; smaller ones, which are most, are read faster."""
_SEGMENT = re.compile(r"([0-9a-f]{32})\..+")
_MAGIC = 1337
_PATIENCE = 1.0
"""Seconds to wait for a writer that is between its commit and its record."""


class Segments:
    """The folder that tantivy may open, which is a temporary mirror where ``folder`` itself must be left alone."""

    def __init__(self, folder: Path, *, writable: bool) -> None:
        self.folder = folder
        self.mirrored = False
        self.writable = writable
        self._temporary: tempfile.TemporaryDirectory[str] | None = None

    def close(self) -> None:
        """Delete the mirror, if there is one."""
        if self._temporary:
            self._temporary.cleanup()

    def prepare(self) -> Path:
        """The folder to open. tantivy creates lock files even to read, so a read-only folder is mirrored."""
        if self.writable:
            with storage_errors(self.folder):
                self.folder.mkdir(parents=True, exist_ok=True)
        elif not self.mirrored and not is_writable(self.folder):
            self.mirror()
        return self.folder

    def clear(self) -> None:
        """Begin empty: in place with the index's lock, in a mirror without.

        The folder loses its name first, so that readers have it whole or not at all.
        """
        if self.writable:
            with storage_errors(self.folder), suppress(FileNotFoundError):
                shutil.rmtree(self._old, ignore_errors=True)
                self.folder.rename(self._old)
                sync_folder(self.folder.parent)
                shutil.rmtree(self._old)
        else:
            self._mirror(None)

    @property
    def _old(self) -> Path:
        """What the folder is called while it is deleted."""
        return self.folder.with_name(f".{self.folder.name}.old")

    def mirror(self) -> None:
        """Leave the folder for a temporary copy of it."""
        if not self.mirrored:
            self._mirror(self.folder)

    def _mirror(self, source: Path | None) -> None:
        """Links to the segments, which never change, and copies of the few files that do."""
        self.close()
        self._temporary = tempfile.TemporaryDirectory(prefix="searchidx-")
        self.folder, self.mirrored = Path(self._temporary.name), True
        for path in source.iterdir() if source and source.is_dir() else ():
            if _SEGMENT.fullmatch(path.name):
                os.symlink(path.absolute(), self.folder / path.name)
            elif path.name in (META, ".managed.json", MANIFEST):
                shutil.copy(path, self.folder)

    def sweep(self) -> None:
        """Delete what a killed writer left: tantivy neither uses nor deletes it, and fails where a name is taken."""
        shutil.rmtree(self._old, ignore_errors=True)
        with suppress(OSError, ValueError, KeyError, TypeError):
            meta = json.loads((self.folder / META).read_bytes())
            kept = set(self._names(meta))
            for path in self.folder.iterdir():
                if path.name.startswith(".tmp") or (_SEGMENT.fullmatch(path.name) and path.name not in kept):
                    path.unlink(missing_ok=True)

    def size(self) -> int:
        """Bytes of all files."""
        total = 0
        for path in self.folder.iterdir():
            with suppress(FileNotFoundError):  # a writer may merge meanwhile
                total += path.stat().st_size
        return total

    # soundness

    def begun(self) -> bool:
        """Whether tantivy has an index there."""
        return (self.folder / META).exists()

    def record(self) -> None:
        """Note size and hash of every file; files never change, so only new ones are read."""
        known = self._read_manifest().get("files", {})
        meta = (self.folder / META).read_bytes()
        files = {name: known.get(name) or _fingerprint(self.folder / name) for name in self._names(json.loads(meta))}
        value = {"opstamp": json.loads(meta)["opstamp"], "meta": xxhash.xxh3_128_hexdigest(meta), "files": files}
        temporary = self.folder / f"{MANIFEST}.tmp"
        temporary.write_text(json.dumps(value))  # not synced: without it the CRCs are checked
        os.replace(temporary, self.folder / MANIFEST)

    def sound(self) -> bool:
        """Whether every file is as it was written. An empty or absent folder is sound."""
        deadline = time.monotonic() + _PATIENCE
        while True:
            verdict = self._verdict()
            if verdict is not None or self.writable or time.monotonic() > deadline:
                return bool(verdict)
            time.sleep(0.02)

    def _verdict(self) -> bool | None:
        """True or False, or None where a writer may be about to record what it committed."""
        if not self.begun():
            return not self.folder.exists() or not any(self.folder.iterdir())
        manifest = self._read_manifest()
        try:
            raw = (self.folder / META).read_bytes()
            meta = json.loads(raw)
            known = manifest.get("files", {})
            if xxhash.xxh3_128_hexdigest(raw) != manifest.get("meta") and not meta["opstamp"] > manifest.get(
                "opstamp", 0
            ):
                return None
            intact = [_intact(self.folder / name, known.get(name)) for name in self._names(meta)]
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return all(intact) or None

    def _names(self, meta: dict[str, Any]) -> list[str]:
        """The files of the segments of a commit; a segment may have lists of deleted documents of other commits too."""
        alive = {segment["segment_id"].replace("-", ""): segment["deletes"] for segment in meta["segments"]}
        names = []
        for path in self.folder.iterdir():
            match = _SEGMENT.fullmatch(path.name)
            if match and match[1] in alive:
                deletes = alive[match[1]]
                present = f"{match[1]}.{deletes['opstamp']}.del" if deletes else ""
                if not path.name.endswith(".del") or path.name == present:
                    names.append(path.name)
        return names

    def _read_manifest(self) -> dict[str, Any]:
        try:
            value = json.loads((self.folder / MANIFEST).read_bytes())
        except (OSError, ValueError):
            return {}
        return value if isinstance(value, dict) else {}


def _fingerprint(path: Path) -> list[Any]:
    """Size and XXH3-128."""
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        if size < LARGE:
            return [size, xxhash.xxh3_128_hexdigest(file.read())]
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
            return [size, xxhash.xxh3_128_hexdigest(mapped)]


def _intact(path: Path, recorded: list[Any] | None) -> bool:
    return _fingerprint(path) == recorded if recorded else _crc_holds(path)


def _crc_holds(path: Path) -> bool:
    """Check tantivy's own footer: body, JSON with the CRC-32 of the body, length of the JSON, magic number."""
    data = path.read_bytes()
    length = int.from_bytes(data[-8:-4], "little")
    if len(data) < 8 + length or int.from_bytes(data[-4:], "little") != _MAGIC:
        return False
    footer = json.loads(data[-8 - length : -8])
    return bool(footer["crc"] == zlib.crc32(data[: -8 - length]))
