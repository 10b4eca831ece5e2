"""searchidx: local semantic search for articles.

The public names below are fetched when first used, so that ``import searchidx`` loads no heavy library.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from searchidx.encoders import load_encoder
    from searchidx.errors import (
        AccessDenied,
        BadCollection,
        BadFilter,
        BadKeys,
        BadMeasure,
        EncoderMismatch,
        EncoderNotFound,
        ExtractError,
        FetchError,
        IndexCorrupted,
        IndexIncompatible,
        IndexLocked,
        IndexNotFound,
        MissingExtra,
        SearchIdxError,
        SourceError,
        StorageError,
        Unreachable,
    )
    from searchidx.evaluation import evaluate
    from searchidx.index import Index
    from searchidx.ingest import Progress
    from searchidx.types import Citation, Context, Copy, Document, Failure, Hit, Leg, Passage, Report, Undated

__version__ = "0.1.0"

__all__ = [
    "AccessDenied",
    "BadCollection",
    "BadFilter",
    "BadKeys",
    "BadMeasure",
    "Citation",
    "Context",
    "Copy",
    "Document",
    "EncoderMismatch",
    "EncoderNotFound",
    "ExtractError",
    "Failure",
    "FetchError",
    "Hit",
    "Index",
    "IndexCorrupted",
    "IndexIncompatible",
    "IndexLocked",
    "IndexNotFound",
    "Leg",
    "MissingExtra",
    "Passage",
    "Progress",
    "Report",
    "SearchIdxError",
    "SourceError",
    "StorageError",
    "Undated",
    "Unreachable",
    "evaluate",
    "load_encoder",
]

_HOMES = {"Index": "index", "Progress": "ingest", "load_encoder": "encoders", "evaluate": "evaluation"} | dict.fromkeys(
    ("Citation", "Context", "Copy", "Document", "Failure", "Hit", "Leg", "Passage", "Report", "Undated"), "types"
)


def __getattr__(name: str) -> Any:
    """Fetch a public name from the file it lives in (PEP 562); the errors live in ``errors``."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOMES.get(name, 'errors')}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
