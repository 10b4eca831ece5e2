"""Every error that searchidx raises on purpose, and nothing else.

::

    SearchIdxError
      IndexNotFound        there is no index at that path
      IndexLocked          another process is writing to it
      IndexCorrupted       a file is damaged: what is lost, and the command that repairs it
      IndexIncompatible    its format is not the one this version reads
      EncoderMismatch      its vectors come from another encoder
      EncoderNotFound      no encoder has that name
      BadFilter            a filter that cannot be read
      BadMeasure           a measure of effectiveness that is not known
      BadCollection        queries, judgements or a run that cannot be read
      FetchError           a source that cannot be opened        (uri, reason)
        Unreachable        and that may be opened later
      ExtractError         a source that holds no article        (uri, reason)
      MissingExtra         an optional dependency is not installed
      StorageError         the disk is full, or a file cannot be written
      BadKeys              API keys that cannot be read, or are no secret
      AccessDenied         an API key without the right to do this

A message says what happened, what was expected and what to do. Errors of faiss, tantivy and sqlite3 are mapped to
these before they leave a public call.
"""

from __future__ import annotations


class SearchIdxError(Exception):
    """Base of all errors of this package."""


class IndexNotFound(SearchIdxError):
    """There is no index at the path."""


class IndexLocked(SearchIdxError):
    """Another process is writing to the index."""


class IndexCorrupted(SearchIdxError):
    """A file of the index is damaged and cannot be rebuilt from the others."""


class IndexIncompatible(SearchIdxError):
    """The index was written in a format that this version does not read."""


class EncoderMismatch(SearchIdxError):
    """The index was built with another encoder than the one asked for or installed."""


class EncoderNotFound(SearchIdxError):
    """No encoder goes by the name, and no folder of that name holds one."""


class BadFilter(SearchIdxError):
    """A filter expression cannot be read."""


class BadMeasure(SearchIdxError):
    """A measure of effectiveness is not known, or cannot be read."""


class BadCollection(SearchIdxError):
    """The queries, judgements, documents or run of an evaluation cannot be read."""


class StorageError(SearchIdxError):
    """The disk is full, or a file of the index cannot be written."""


class BadKeys(SearchIdxError):
    """The API keys of a server cannot be read, or are none to rely on."""


class AccessDenied(SearchIdxError):
    """The API key does not have the right to do what was asked."""


class MissingExtra(SearchIdxError):
    """An optional dependency is needed and not installed."""


class SourceError(SearchIdxError):
    """A source could not be turned into articles.

    Args:
        uri: the address of the source.
        reason: what is wrong with it and what to do, one sentence.

    """

    def __init__(self, uri: str, reason: str) -> None:
        super().__init__(f"{uri}: {reason}")
        self.uri = uri
        self.reason = reason


class FetchError(SourceError):
    """The source could not be opened or read."""


class Unreachable(FetchError):
    """The source cannot be opened now, and may be later: ``sync`` tries it again."""


class ExtractError(SourceError):
    """The source was read, and holds no article."""
