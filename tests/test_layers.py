"""Imports point down only, and a file without a layer fails."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "searchidx"
LAYERS = [
    {"searchidx.errors"},
    {"searchidx.types", "searchidx.children"},
    {"searchidx.articles", "searchidx.encoders"},
    {"searchidx.storage", "searchidx.ranking"},
    {"searchidx.preparing", "searchidx.sites"},
    {"searchidx.ingest", "searchidx.search", "searchidx.rerank", "searchidx.inspection"},
    {"searchidx.reencode", "searchidx.legs"},
    {"searchidx.reader"},
    {"searchidx.index"},
    {"searchidx.evaluation"},
    {"searchidx.measuring"},
    {"searchidx"},
    {"searchidx.samples"},
    {"searchidx.integrations", "searchidx.serving"},
    {"searchidx.cli"},
    {"searchidx.__main__"},
]
HEAVY = [
    "faiss", "tantivy", "torch", "sentence_transformers", "lxml", "trafilatura", "numpy", "tokenizers",
    "ir_measures", "matplotlib", "scipy", "fastapi", "starlette", "pydantic", "uvicorn", "mcp", "openai", "jinja2",
    "pypdf", "mammoth", "warcio", "rensa",
]  # fmt: skip
FILES = sorted(path for path in PACKAGE.rglob("*.py"))


def module_of(path):
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def unit_of(module):
    """The thing that has a layer: a folder of the package or a file at its top."""
    return ".".join(module.split(".")[:2])


def layer_of(module):
    for height, layer in enumerate(LAYERS):
        if unit_of(module) in layer:
            return height
    pytest.fail(f"{module} has no layer: give it a place in LAYERS, or another home")


def imports_of(path):
    """Modules of the package that a file imports, inside functions too."""
    modules = {module_of(file) for file in FILES}
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("searchidx"):
            assert node.level == 0
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                yield inner if inner in modules else node.module
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.startswith("searchidx"))


@pytest.mark.parametrize("path", FILES, ids=module_of)
def test_imports_point_down_only(path):
    module = module_of(path)
    for imported in imports_of(path):
        if unit_of(imported) != unit_of(module):
            assert layer_of(imported) < layer_of(module), f"{module} imports {imported}"
    layer_of(module)


def test_there_are_no_import_cycles():
    graph = {module_of(path): set(imports_of(path)) - {module_of(path)} for path in FILES}

    def visit(module, above):
        assert module not in above, f"cycle: {' > '.join([*above, module])}"
        if module not in done:
            for imported in graph.get(module, ()):
                visit(imported, [*above, module])
            done.add(module)

    done: set[str] = set()
    for module in graph:
        visit(module, [])


@pytest.mark.parametrize("code", ["import searchidx", "from searchidx.cli import main; main(['--help'])"])
def test_importing_and_helping_load_no_heavy_library(code):
    script = f"import sys\ntry:\n  {code}\nexcept SystemExit: pass\nprint([m for m in {HEAVY} if m in sys.modules])"
    out = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert out.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize("path", FILES, ids=module_of)
def test_files_stay_readable_in_one_sitting(path):
    assert len(path.read_text().splitlines()) <= 460, "split it: a file is read in one sitting"
