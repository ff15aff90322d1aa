"""Follow-up questions become questions that stand alone, over the real seeds."""

from dataclasses import replace

import pytest

from qa import QA
from qa.query.dialogue import Dialogue, topic_of
from qa.types import Answer, Citation


@pytest.fixture(scope="module")
def qa(seeds_index):
    with QA.open(seeds_index) as opened:
        yield opened


@pytest.fixture(scope="module")
def dialogue(qa):
    return Dialogue(qa.retriever)


@pytest.fixture(scope="module")
def turn(qa):
    def made(question, text, file):
        """A question as if it had been answered from a seed."""
        path = next(f.path for f in qa.catalog.files() if file in f.path)
        passages = qa.catalog.passages_of(path)
        found = next((p for p in passages if text and text in p.text), passages[0])
        citation = Citation(1, path, path, found.article.title, "", "", (1, 1), (0, 1), "")
        return Answer(question, question, text, (), text, 0.9, not text, (citation,), ())

    return made


FINES = ("巫溪支队2024年处罚了多少起?", "28起", "000")
MANAGER = ("青岛精锐机械的总经理是谁?", "张文利", "001")
PATH = ("花溪河绿道多长?", "16公里", "003")
VILLAGE = ("青龙村整合了多少涉农资金?", "1257万元", "004")
FLATS = ("通济街道改造了多少个老旧小区?", "55个", "001")
BUREAU = ("鄰水縣綜合行政執法局的局長是誰?", "蒲雙銀", "002")


@pytest.mark.parametrize(
    ("before", "question", "understood"),
    [
        (FINES, "金额呢?", "巫溪支队2024年处罚的金额是多少?"),
        (FINES, "那2025年上半年呢?", "巫溪支队2025年上半年处罚了多少起?"),
        (FINES, "去年呢", "巫溪支队去年处罚了多少起?"),
        (FINES, "同比减少了多少?", "巫溪支队2024年处罚,同比减少了多少?"),
        (FINES, "其中多少起是刑事的?", "巫溪支队2024年处罚,其中多少起是刑事的?"),
        (FINES, "为什么?", "为什么巫溪支队2024年处罚了28起?"),
        (FINES, "结果呢?", "巫溪支队2024年处罚,结果呢?"),
        (MANAGER, "他说了什么?", "张文利说了什么?"),
        (MANAGER, "他们公司是做什么的?", "青岛精锐机械公司是做什么的?"),
        (MANAGER, "它是做什么的?", "青岛精锐机械是做什么的?"),
        (PATH, "多远有一个休闲椅?", "花溪河绿道多远有一个休闲椅?"),
        (PATH, "什么时候建成的?", "花溪河绿道什么时候建成的?"),
        (VILLAGE, "种了什么?", "青龙村种了什么?"),
        (VILLAGE, "那下庄村呢?", "下庄村整合了多少涉农资金?"),
        (VILLAGE, "那里种了什么", "青龙村种了什么"),
        (FLATS, "充电棚呢?", "通济街道改造了多少充电棚?"),
        (BUREAU, "該局得過什麼榮譽", "鄰水縣綜合行政執法局得過什麼榮譽"),
        (BUREAU, "他說下一步做什麼?", "蒲雙銀說下一步做什麼?"),
    ],
)
def test_what_is_left_out_is_taken_from_the_turn_before(
    dialogue, turn, before, question, understood
):
    found = dialogue.understood(question, [turn(*before)])
    assert found.question == understood
    assert found.topic == topic_of(turn(*before))


@pytest.mark.parametrize(
    "question",
    [
        "大足应急救助基金第一个领到的人是谁?",
        "鄰水縣綜合行政執法局的局長是誰?",
        "清理了多长的排污管道?",
        "汪某等三人一共拿到了多少钱?",
        "王宗明说他在网上卖了多少斤柑橘?",
        "谁在“开学第一课”上讲了自己采核酸的故事?",
        "为断头路苦不堪言的那家公司,其负责人叫什么?",
        "本来要10天的施工许可,这次几天就办好了?",
    ],
)
def test_a_question_that_stands_alone_stays_as_it_is(dialogue, turn, question):
    found = dialogue.understood(question, [turn(*FINES)])
    assert found.question == question
    assert found.topic is None


@pytest.mark.parametrize("question", ["他是谁?", "金额呢?", "为什么?", "还有呢?", "那2025年呢?"])
def test_with_nothing_before_it_a_question_stays_as_it_is(dialogue, question):
    assert dialogue.understood(question, []).question == question


def test_more_is_the_same_question_without_what_was_said(dialogue, turn):
    first = turn(*VILLAGE)
    found = dialogue.understood("还有呢?", [first])
    assert found.question == first.understood
    assert found.said == (first.evidence,)


def test_what_was_not_found_is_asked_on(dialogue, turn):
    nothing = replace(turn(*FINES), text="", abstained=True)
    assert dialogue.understood("那2025年呢?", [nothing]).question == ("巫溪支队2025年处罚了多少起?")


def test_a_pronoun_means_what_was_spoken_of_last(dialogue, turn):
    turns = [turn(*MANAGER), turn(*BUREAU)]
    assert dialogue.understood("他是哪里人?", turns).question == "蒲雙銀是哪里人?"


def test_an_answer_without_citations_has_no_topic(turn):
    assert topic_of(replace(turn(*FINES), citations=())) is None
