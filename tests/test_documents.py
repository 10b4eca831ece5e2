"""The documents stay true: blocks run, files exist, the version is told."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

import searchidx

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


@pytest.mark.parametrize("block", blocks("python"))
def test_python_blocks_of_the_readme_run(block, tmp_path):
    run = subprocess.run([sys.executable, "-c", block], capture_output=True, text=True, cwd=tmp_path, check=False)
    assert run.returncode == 0, run.stderr
    assert "Commerce Department blacklists phone maker" in run.stdout


def test_command_blocks_of_the_readme_run(tmp_path):
    (tmp_path / "articles").mkdir()
    (tmp_path / "articles" / "a.md").write_text(
        "---\ntitle: Wheat\ndate: 2023-01-01\nsource: Reuters\ntopic: food\n---\nWheat prices rose."
    )
    (block,) = (block for block in blocks("") if "searchidx add articles/" in block)
    for line in block.strip().splitlines():
        command = line.split("#")[0].strip()
        program = f"{sys.executable} -m {command}"
        run = subprocess.run(program, shell=True, capture_output=True, text=True, cwd=tmp_path, check=False)
        assert run.returncode == 0, (command, run.stderr)
    assert "Wheat prices rose." in run.stdout


def test_the_first_two_blocks_of_the_readme_are_the_whole_set_up():
    first, second = blocks("")[:2]
    assert first == "pip install . && searchidx demo\n"
    assert second.startswith("pip install torch==")
    assert second.endswith("&& pytest\n")


@pytest.mark.parametrize("name", ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "indexes/README.md"])
def test_files_that_documents_name_exist(name):
    text = (ROOT / name).read_text()
    for link in re.findall(r"\]\(([^)#:]+)\)", text):
        assert (ROOT / name).parent.joinpath(link).exists(), link
    if name == "ARCHITECTURE.md":
        for path in re.findall(r"`((?:searchidx|tests|docs|benchmarks|training)/[\w/.]*)`", text):
            assert (ROOT / path).exists(), path
        section = ROOT / "searchidx"
        for line in text.splitlines():
            if match := re.match(r"### `(searchidx/[\w/.]+)`", line):
                section = (ROOT / match[1]) if match[1].endswith("/") else (ROOT / match[1]).parent
            for file in re.findall(r"`(\w+\.py)`", line):
                assert (section / file).exists() or (ROOT / "searchidx" / file).exists(), file


def test_every_folder_of_the_package_has_a_section_in_the_architecture():
    text = (ROOT / "ARCHITECTURE.md").read_text()
    for folder in (ROOT / "searchidx").iterdir():
        if (folder / "__init__.py").exists() and folder.name != "samples":
            assert f"### `searchidx/{folder.name}/`" in text


def test_the_version_is_in_the_changelog():
    assert f"## {searchidx.__version__}" in (ROOT / "CHANGELOG.md").read_text()


def test_decisions_are_numbered_without_gaps_and_short():
    pages = sorted((ROOT / "docs" / "decisions").glob("*.md"))
    assert [int(page.name[:3]) for page in pages] == list(range(1, len(pages) + 1))
    assert all(len(page.read_text().splitlines()) <= 60 for page in pages)
