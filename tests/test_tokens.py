"""Words of the bundled model: the same ids as the tokenizers library gives."""

import json
from copy import deepcopy
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from searchidx.encoders.static import BUNDLED, WORDS
from searchidx.encoders.tokens import LibraryTokenizer, WordTokenizer, read_tokenizer, tokenizer_json, words_of

SAMPLES = Path(__file__).parents[1] / "searchidx" / "samples"
ODD = st.text(
    st.one_of(
        st.characters(exclude_categories=["Cs", "Cn"]),  # what this Python's Unicode does not know, the library may
        st.sampled_from("UuSsAa.'’-_ \t\n\x1c\x85\u00a0\u2028ΣςσİıßﬁÅé\u0301½²Ⅷ中文한글กा١"),  # noqa: RUF001
    ),
    max_size=60,
)


@pytest.fixture(scope="module")
def pair():
    """The bundled model's tokenizer, ours and the library's."""
    path = BUNDLED / "tokenizer.json"
    ours = read_tokenizer(path, BUNDLED / WORDS)
    assert isinstance(ours, WordTokenizer)
    return ours, LibraryTokenizer(path)


def ids(tokenizer, texts):
    return [found.tolist() for found in tokenizer.tokenise(texts)]


@settings(deadline=None, max_examples=400)
@given(st.lists(ODD, min_size=1, max_size=4))
def test_any_text_has_the_ids_that_the_library_gives_it(pair, texts):
    ours, library = pair
    assert ids(ours, texts) == ids(library, texts)


def test_articles_have_the_ids_that_the_library_gives_them(pair):
    ours, library = pair
    texts = [path.read_text() for path in sorted(SAMPLES.glob("*.md"))]
    assert len(texts) > 40
    assert ids(ours, texts) == ids(library, texts)


def test_the_lines_of_the_bundled_model_say_what_its_tokenizer_json_says(pair):
    vocabulary = pair[0].vocabulary
    assert vocabulary == read_tokenizer(BUNDLED / "tokenizer.json").vocabulary == pair[1].vocabulary
    assert words_of(vocabulary) == (BUNDLED / WORDS).read_text(encoding="utf-8")


def test_the_united_states_are_not_the_pronoun(pair):
    ours, _ = pair
    country, *written, pronoun = ids(ours, ["USA", "US", "U.S.", "U.S.A.", "us"])
    assert all(other == country for other in written)
    assert pronoun != country


def test_unknown_words_become_their_longest_pieces():
    vocabulary = {"[UNK]": 0, "tele": 1, "##com": 2, "##coms": 3, "##s": 4}
    tokenizer = WordTokenizer(vocabulary)
    assert ids(tokenizer, ["Telecoms", "tele-com", "telecomx", "", "tele" + "s" * 97]) == [[1, 3], [1, 0], [0], [], [0]]


def test_a_file_that_says_something_else_is_left_to_the_library(tmp_path):
    described = deepcopy(tokenizer_json({"[UNK]": 0, "a": 1}))
    path = tmp_path / "tokenizer.json"
    path.write_text(json.dumps(described))
    assert isinstance(read_tokenizer(path), WordTokenizer)
    described["normalizer"]["normalizers"].pop()
    path.write_text(json.dumps(described))
    assert isinstance(read_tokenizer(path), LibraryTokenizer)
