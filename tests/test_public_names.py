"""What `import searchidx` gives, and what it costs."""

import subprocess
import sys

import pytest

import searchidx
from searchidx import errors

PUBLIC = {
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
}


def test_the_public_names_are_these_and_no_others():
    assert set(searchidx.__all__) == PUBLIC


@pytest.mark.parametrize("name", sorted(PUBLIC))
def test_every_public_name_is_there_and_listed(name):
    assert getattr(searchidx, name).__name__ == name
    assert name in dir(searchidx)


def test_every_error_is_public():
    raised = {name for name, value in vars(errors).items() if isinstance(value, type) and issubclass(value, Exception)}
    assert raised == {name for name in PUBLIC if name in vars(errors)}
    assert all(issubclass(getattr(searchidx, name), searchidx.SearchIdxError) for name in raised)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'Indx'"):
        _ = searchidx.Indx
    with pytest.raises(ImportError):
        from searchidx import Indx  # noqa: F401


def test_importing_loads_nothing_but_the_standard_library():
    code = (
        "import sys; before = set(sys.modules); import searchidx; searchidx.__version__\n"
        "names = {name.partition('.')[0] for name in set(sys.modules) - before}\n"
        "print(sorted(names - set(sys.stdlib_module_names)))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "['searchidx']"
