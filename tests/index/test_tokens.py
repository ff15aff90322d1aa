"""Terms are cut the same way from a question and from the text that it asks about."""

import re
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from qa.index.tokens import Words, bigrams, content_bigrams, frequencies
from qa.text import fold, sentences

SEEDS = sorted((Path(__file__).parents[2] / "seeds").glob("*.txt"))
HAN = re.compile("[一-鿿㐀-䶿\U00020000-\U000323af]")


@pytest.fixture(scope="module")
def pages():
    return [fold(path.read_text("utf-8")) for path in SEEDS]


@pytest.fixture(scope="module")
def indexed(pages):
    """The terms of the seeds, and what indexing them leaves for questions."""
    cut = Words.of_dictionary()
    terms = {term for page in pages for term in cut(page)}
    known = frequencies(terms)
    return terms, Words.of_index(
        lambda candidates: {word: known[word] for word in candidates if word in known}
    )


@pytest.mark.parametrize(
    ("folded", "terms"),
    [
        ("邻水县", ["邻水", "水县"]),
        ("邻水县 pm2", ["邻水", "水县", "pm2"]),
        ("水", ["水"]),
        ("2024年受理", ["2024", "年受", "受理"]),
        ("k线图a股", ["k", "线图", "a", "股"]),
        ("打好“执法+服务”组合拳", ["打好", "执法", "服务", "组合", "合拳"]),
        ("甲。乙", ["甲", "乙"]),
        ("covid-19 v1.5", ["covid", "19", "v1", "5"]),
        ("a_b", ["a", "b"]),
        ("𠮷野家", ["𠮷野", "野家"]),
        ("コロナ", ["コロ", "ロナ"]),
        ("😀!?", []),
        ("", []),
    ],
)
def test_neighbouring_han_make_pairs_and_other_runs_stay_whole(folded, terms):
    assert bigrams(folded) == terms


@given(st.text(alphabet="邻水县综a1Z_ 。\n𠮷é", max_size=40))
def test_bigrams_hold_every_han_character_and_nothing_that_is_not_there(text):
    terms = bigrams(text)
    assert all(term in text for term in terms)
    assert set(HAN.findall(text)) <= set("".join(terms))


@settings(deadline=None)  # The first call reads jieba's dictionary.
@given(st.text(max_size=60))
@example("　鄰水縣　ＡＢＣ")
def test_no_term_is_blank_or_holds_white_space(text):
    cut = Words.of_dictionary()
    for term in bigrams(fold(text)) + cut(fold(text)):
        assert term.split() == [term]


def test_an_endless_run_of_digits_becomes_one_short_term():
    assert [len(term) for term in bigrams("7" * 10_000)] == [60]
    assert max(len(term) for term in Words.of_dictionary()("7" * 10_000)) == 60


def test_traditional_and_simplified_give_the_same_terms():
    cut = Words.of_dictionary()
    simplified, traditional = fold("邻水县综合行政执法局"), fold("鄰水縣綜合行政執法局")
    assert bigrams(traditional) == bigrams(simplified)
    assert cut(traditional) == cut(simplified)
    assert {"邻水县", "执法", "执法局"} <= set(cut(traditional))


def test_a_long_word_is_found_by_its_parts():
    assert {"重庆", "重庆市", "政协", "重庆市政协"} <= set(Words.of_dictionary()("重庆市政协"))


def test_words_keep_latin_words_and_numbers_and_drop_punctuation():
    terms = Words.of_dictionary()("gdp增速5.2%,较2023年“持平”。")
    assert {"gdp", "增速", "2023", "持平"} <= set(terms)
    assert not {",", "。", "“", "”", "%"} & set(terms)


def test_a_question_to_the_index_names_the_words_that_stand_in_it(pages, indexed):
    terms, own = indexed
    whole = Words.of_dictionary()
    lost = sought = 0
    for page in pages:
        for start, end in sentences(page):
            wanted = set(whole(page[start:end])) & terms
            sought += len(wanted)
            lost += len(wanted - set(own(page[start:end])))
    # jieba joins single characters to words that it does not know; that differs now and then.
    assert sought > 5000
    assert lost / sought < 0.005


@pytest.mark.parametrize(
    ("question", "wanted"),
    [
        ("2024年受理了多少件环境投诉?", {"2024", "年", "受理", "环境", "投诉"}),
        ("鄰水縣綜合行政執法局榮獲了哪些稱號?", {"邻水县", "综合", "行政", "执法局", "荣获"}),
        ("巫山县竹贤乡下庄村的党支部书记是谁?", {"巫山县", "党支部", "书记"}),
        ("火星上的黔江区城东街道有外星人吗?", {"黔江", "黔江区", "城东", "街道"}),
    ],
)
def test_words_of_a_question_are_found_among_words_that_are_not(indexed, question, wanted):
    terms, own = indexed
    assert wanted <= terms
    assert wanted <= set(own(fold(question)))


def test_an_index_knows_the_frequencies_of_its_own_words(pages):
    terms = {term for page in pages for term in Words.of_dictionary()(page)}
    known = frequencies(terms)
    assert known["邻水县"] > 0
    assert "外星人" not in known
    assert known[""] > sum(n for word, n in known.items() if word)
    assert set(known) - {""} <= terms


@pytest.mark.parametrize(
    "text", ["卡拉ok厅", "侵华日军南京大屠杀遇难同胞纪念馆", "c++与t恤", "甲 乙\n丙"]
)
def test_with_every_word_of_a_text_known_it_is_cut_as_with_the_dictionary(text):
    own = Words.of_index(frequencies)
    assert own(text) == Words.of_dictionary()(text)


@settings(deadline=None)
@given(st.text(alphabet="重庆市政协邻水县大屠杀纪念馆ok+a1 。", max_size=40))
def test_any_text_is_cut_as_with_the_dictionary_where_all_its_words_are_known(text):
    assert Words.of_index(frequencies)(text) == Words.of_dictionary()(text)


@pytest.mark.parametrize(
    ("question", "content"),
    [
        ("充电桩完成了多少把的选址?", ["充电", "电桩", "桩完", "完成", "把", "选址"]),
        ("谁是校长?", ["校长"]),
        ("请问gdp增速是多少?", ["gdp", "增速"]),
        ("校长校长校长", ["校长", "长校"]),
        ("什么是什么?", []),
    ],
)
def test_asking_words_do_not_count_as_content(question, content):
    assert content_bigrams(question) == content
