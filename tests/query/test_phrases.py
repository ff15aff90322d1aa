"""A question taken apart: what it is about, what it asks for, what is left."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qa.query.phrases import Phrases


@pytest.fixture(scope="module")
def phrases():
    return Phrases()


@pytest.mark.parametrize(
    ("question", "subject"),
    [
        ("巫溪支队2024年处罚了多少起?", "巫溪支队2024年"),
        ("丹兴路81号的整改工程什么时候完工?", "丹兴路81号的整改工程"),
        ("青龙村整合了多少涉农资金?", "青龙村"),
        ("鄰水縣綜合行政執法局的局長是誰?", "鄰水縣綜合行政執法局的局長"),
        ("“双融行动”是什么?", "“双融行动”"),
        ("阿里·梅周是哪天被打死的?", "阿里·梅周"),
        ("加尼和阿卜杜拉为什么都要办典礼?", "加尼和阿卜杜拉"),
        ("清理了多长的排污管道?", ""),
        ("谁提出了双融行动?", ""),
        ("为什么?", ""),
        ("", ""),
    ],
)
def test_the_subject_stands_before_the_verb_and_what_is_asked(phrases, question, subject):
    assert phrases.subject(question) == subject


def test_the_owner_of_what_is_asked_is_the_thing_itself(phrases):
    assert phrases.owner("青岛精锐机械的总经理是谁?") == "青岛精锐机械"
    assert phrases.owner("丹兴路81号的整改工程什么时候完工?") == "丹兴路81号的整改工程"


@pytest.mark.parametrize(
    ("question", "stem"),
    [
        ("巫溪支队2024年处罚了多少起?", "巫溪支队2024年处罚"),
        ("青龙村整合了多少涉农资金?", "青龙村整合涉农资金"),
        ("花溪河绿道多长?", "花溪河绿道"),
        ("他是谁吗", "他"),
        ("谁?", ""),
    ],
)
def test_the_stem_is_the_question_without_what_it_asks_for(phrases, question, stem):
    assert phrases.stem(question) == stem


def test_what_is_counted_is_found_behind_the_asking_words(phrases):
    question = "通济街道改造了多少个老旧小区?"
    assert question[slice(*phrases.object(question))] == "老旧小区"
    assert phrases.object("处罚了多少起?") is None
    assert phrases.object("谁来了?") is None


def test_people_are_named_in_both_scripts_and_with_dots(phrases):
    assert phrases.persons("陪同的是张文利和阿里·梅周在会上") == ["张文利", "阿里·梅周"]


@given(st.text(alphabet="他们的公司是谁多少“”《》·张文利2024年?,。 \n ab了呢", max_size=40))
def test_words_joined_are_the_text_and_every_part_stands_in_the_question(text):
    phrases = Phrases()
    words = phrases.words(text)
    assert "".join(word.text for word in words) == text.lower()
    for part in (phrases.subject(text), phrases.owner(text), *phrases.runs(text)):
        assert part in text
