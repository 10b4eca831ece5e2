"""Words of other languages: cut, stemmed, found, highlighted; the language of an index, found or chosen."""

# ruff: noqa: RUF001 - letters of other scripts look like Latin ones

import pytest

from searchidx import Document, Index
from searchidx.ranking.highlight import query_terms
from searchidx.storage.analysis import analysis, pieces
from searchidx.storage.language import language_of

TEXTS = {
    "en": "The government said on Monday that bread would cost more, and the shops of the capital were full of people "
    "who wanted to buy it.",
    "de": "Die Regierung hat am Montag gesagt, dass Brot teurer wird, und die Läden in den Häusern der Hauptstadt "
    "waren voll von Menschen, die es noch kaufen wollten.",
    "fr": "Le gouvernement a annoncé lundi que le pain serait plus cher, et les magasins de la capitale étaient pleins "
    "de gens qui voulaient en acheter avant les élections.",
    "es": "El gobierno dijo el lunes que el pan sería más caro, y las tiendas de la capital estaban llenas de gente "
    "que quería comprarlo antes de las elecciones.",
    "ru": "Правительство сообщило в понедельник, что хлеб подорожает, и магазины в столице были полны людей, которые "
    "хотели купить его до конца недели вместе с зелёным чаем.",
    "ar": "قالت الحكومة يوم الاثنين إن سعر الخبز سيرتفع وكانت المتاجر في العاصمة مليئة بالناس",
    "zh": "政府周一表示，面包价格将上涨，首都的商店里挤满了想买面包的人。",
    "ja": "政府は月曜日にパンの値段を上げると発表し、首都の店は買おうとする人々でいっぱいだった。",
    "ko": "정부는 월요일에 빵값을 올리겠다고 밝혔고 수도의 가게들은 사려는 사람들로 가득했다.",
}
WORDS = {
    "en": "shop",
    "de": "Haus Mensch",
    "fr": "élection acheté",
    "es": "elección comprar",
    "ru": "магазин зеленый",
    "ar": "خبز",
    "zh": "面包",
    "ja": "値段",
    "ko": "가게",
}
"""A query for each text, in another form where the language has forms."""


@pytest.mark.parametrize("language", TEXTS)
def test_the_language_of_a_text_is_found(language):
    assert language_of([Document("a", TEXTS[language])]) == language


@pytest.mark.parametrize(
    "text", ["ZTE 5G", "1234", "Rząd powiedział, że podniesie cenę chleba.", "Hükümet ekmek fiyatını artıracak."]
)
def test_a_language_that_cannot_be_told_is_taken_for_english(text):
    assert language_of([Document("a", text)]) == "en"


def test_what_most_articles_declare_is_their_language():
    declared = [Document(str(i), TEXTS["en"], language="nl") for i in range(3)]
    assert language_of([*declared, Document("d", TEXTS["de"])]) == "nl"
    assert language_of([declared[0], Document("d", TEXTS["de"]), Document("e", TEXTS["de"])]) == "de"


@pytest.mark.parametrize("language", TEXTS)
def test_words_are_found_in_their_other_forms(language):
    known = analysis(language)
    assert set(known.content_words(WORDS[language])) <= set(known.words(TEXTS[language]))


@pytest.mark.parametrize("language", ["de", "fr", "es", "ru"])
def test_stop_words_of_the_language_carry_no_meaning(language):
    known = analysis(language)
    assert len(known.content_words(TEXTS[language])) < 0.75 * len(known.words(TEXTS[language]))


def test_a_word_with_digits_of_any_script_is_found_by_its_letters_too():
    digits = [chr(c) for c in range(0x110000) if chr(c).isdecimal()]
    assert len(digits) > 600
    for digit in digits:
        assert "wxyz" in analysis("xx").words(f"the wxyz{digit} one"), hex(ord(digit))


@pytest.mark.parametrize("setting", ["en", "de", "zh"])
@pytest.mark.parametrize("language", ["zh", "ja", "ko"])
def test_scripts_without_spaces_are_found_in_an_index_of_any_language(tmp_path, setting, language):
    with Index.create(tmp_path / "index", language=setting) as index:
        index.add(
            *(Document(name, text) for name, text in TEXTS.items()),
            Document("mixed", "ZTE 在中国的5G网络 grew."),
        )
        assert [hit.document.doc_id for hit in index.search(WORDS[language], mode="lexical")] == [language]
        for query in ("中国", "5G", "网络 grew"):
            assert [hit.document.doc_id for hit in index.search(query, mode="lexical")] == ["mixed"]


@pytest.mark.parametrize(
    ("text", "query", "marked"),
    [
        ("中国电信公司在北京。", "电信公司", ["电信公司"]),
        ("北京的电信和中国公司", "电信公司", ["电信", "公司"]),
        ("東京タワーは高い。", "東京タワー", ["東京タワー"]),
        ("한국어 문장이다.", "한국어", ["한국어"]),
        ("ZTE的5G网络", "5g网络", ["5G", "网络"]),
        ("The U.S. Senate spent 1,000,000 dollars", "US 1000000", ["U.S", "1,000,000"]),
        ("Häuser und Straßen", "haus strasse", ["Häuser", "Straßen"]),
    ],
)
def test_words_of_the_query_are_marked_in_the_text_as_it_is_written(text, query, marked):
    known = analysis("de" if "ä" in text else "en")
    spans = query_terms(set(known.content_words(query)), pieces(text), known.content_words)
    assert [text[a:b] for a, b in spans] == marked


def test_passages_of_other_scripts_are_cited_where_they_stand(tmp_path):
    with Index.create(tmp_path / "index") as index:
        index.add(Document("zh", TEXTS["zh"] * 3, title="面包"))
        (hit,) = index.search("面包价格", mode="lexical")
        assert index.get("zh").text[hit.citation.start : hit.citation.end] == hit.passage.text
        assert {hit.passage.text[a:b] for a, b in hit.terms} == {"面包价格", "面包"}
        assert hit.highlights


def test_an_index_takes_the_language_of_its_first_articles_and_keeps_it(tmp_path):
    with Index.create(tmp_path / "index") as index:
        assert index.status()["language"] == "auto"
        assert index.search("Haus", mode="lexical") == []
        index.add(Document("de", TEXTS["de"]))
        assert index.status()["language"] == "de"
        assert len(index.search("Haus", mode="lexical")) == 1
        index.add(Document("en", TEXTS["en"]), Document("en2", TEXTS["en"]))
        assert index.status()["language"] == "de"


def test_another_language_cuts_the_words_anew_for_every_process(tmp_path):
    with Index.create(tmp_path / "index", language="en") as index, Index.open(tmp_path / "index") as reader:
        index.add(Document("de", TEXTS["de"]), Document("en", TEXTS["en"]))
        for one in (index, reader):
            assert one.search("Haus", mode="lexical") == []
            assert len(one.search("shop", mode="lexical")) == 1
        index.sync(language="de")
        for one in (index, reader):
            (hit,) = one.search("Haus", mode="lexical")
            assert [hit.passage.text[a:b] for a, b in hit.terms] == ["Häusern"]
            assert one.status(check=True)["problems"] == []
        index.sync(language="pl")
        assert index.search("Haus", mode="lexical") == reader.search("Haus", mode="lexical") == []
        assert len(reader.search("Häusern", mode="lexical")) == 1


@pytest.mark.parametrize("code", ["eng", "English", "de-DE", "", "x1"])
def test_what_is_no_language_is_refused(tmp_path, code):
    with pytest.raises(ValueError, match="is no language"):
        Index.create(tmp_path / "index", language=code)
    assert not (tmp_path / "index").exists()
