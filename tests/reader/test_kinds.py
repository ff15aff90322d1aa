"""What a question asks for, and what in a sentence is of that kind."""

import pytest

from qa.reader.kinds import Kind, asked, asks_several, candidates, choose, clauses
from qa.text import fold


def chosen(question, sentence):
    question, sentence = fold(question), fold(sentence)
    return [sentence[a:b] for a, b in choose(asked(question), question, sentence)]


@pytest.mark.parametrize(
    ("question", "kinds"),
    [
        ("2024年受理了多少件环境投诉?", [Kind.NUMBER]),
        ("出動執法人員多少人次,檢查企業多少家次?", [Kind.NUMBER, Kind.NUMBER]),
        ("工程什么时候完工?", [Kind.DATE]),
        ("约在什么时间什么地点调解?", [Kind.DATE, Kind.PLACE]),
        ("公司的总经理是谁?", [Kind.PERSON]),
        ("机制是哪个区建立的?", [Kind.PLACE]),
        ("工作理念是什么?", []),
        ("结对的是哪几个社区?", []),
        ("近几年这几个村建了什么?", []),
        ("前几天来了几个人?", [Kind.NUMBER]),
        ("那是第几天?", []),
        ("狄托於西元幾年的時候過世?", [Kind.DATE]),
    ],
)
def test_what_is_asked_for(question, kinds):
    assert [one.kind for one in asked(fold(question))] == kinds


@pytest.mark.parametrize(
    ("question", "sentence", "answers"),
    [
        ("处罚了多少起?", "检查企业700家次,实施行政处罚28起,金额35.8万元。", ["28起"]),
        ("清理了多长的管道?", "預製路緣石3800余平方米,清理排污管道2.1公里。", ["2.1公里"]),
        (
            "组织部门排查了多少家次,覆盖多少家企业?",
            "企业自查1985家次,组织部门排查295家次,覆盖195家风险企业。",
            ["295家次", "195家"],
        ),
        (
            "有多少个城市社区党组织和多少个贫困村党组织结对?",
            "统筹15个城市社区党组织与72个贫困村党组织“结对联建”。",
            ["15个", "72个"],
        ),
        ("保洁率要达到多少?", "城區道路清掃率達100%,保潔率96%以上,機械化作業率達65%。", ["96%"]),
        ("有多少人失踪?", "确认94名女学生失踪,另有28人受伤。", ["94名"]),
        ("有多少个小标兵?", "除了2个先进的集体以外,全年还评选出小标兵1024名。", ["1024名"]),
        ("增速比全国高多少?", "同比增长6.7%,增速比全国高2.8个百分点。", ["2.8个百分点"]),
        ("被限制自由多久?", "7月4日被带走,限制自由达6个小时。", ["6个小时"]),
        ("判了几年?", "2016年9月判处有期徒刑三年。", ["三年"]),
        ("还欠多少货款?", "尚欠货款玖万肆仟元,约定2014年付清。", ["玖万肆仟元"]),
        ("票价是多少?", "方便3000多名群众,单程8元。", ["8元"]),
        ("讨回多少补偿金?", "帮助2416名村民讨回占地补偿金250余万元。", ["250余万元"]),
        ("办结率是百分之几?", "办结率百分之九十五,共办结20件。", ["百分之九十五"]),
        ("工程什么时候完工?", "9月8日,丹兴路81号污水管网整改工程如期完工。", ["9月8日"]),
        ("总经理是谁?", "让我们少走了很多弯路。”公司总经理张文利说。", ["张文利"]),
        ("机制是哪个区建立的?", "万州区坚持以党建为引领,建立“楼栋工作日”机制。", ["万州区"]),
    ],
)
def test_the_range_that_gives_it(question, sentence, answers):
    assert chosen(question, sentence) == answers


def test_what_the_question_says_itself_is_no_answer():
    assert chosen("2024年处罚了多少?", "2024年没有处罚。") == []


def test_nothing_of_the_kind_gives_nothing():
    assert chosen("总经理是谁?", "该公司生产阀门。") == []


def test_a_candidate_with_the_unit_fits_better():
    (one,) = asked("处罚了多少起?")
    fits = {
        "实施处罚28起,金额35万元"[a:b]: fit
        for (a, b), fit in candidates(one, "实施处罚28起,金额35万元")
    }
    assert fits["28起"] > fits["35万元"]


@pytest.mark.parametrize("question", ["是哪“四不”?", "都减什么?", "有些什么?", "甲乙各增设多少个?"])
def test_a_question_for_several(question):
    assert asks_several(question)


@pytest.mark.parametrize("question", ["是哪一个?", "首都是什么?", "各级组织有多少个?"])
def test_a_question_for_one(question):
    assert not asks_several(question)


@pytest.mark.parametrize(
    ("question", "found"),
    [
        ("检查了多少家,出动多少人次?", ["检查了多少家", "出动多少人次"]),
        ("新增了多少个摊位和几个车位?", ["新增了多少个摊位", "几个车位"]),
        ("新增的摊位和车位各有多少个?", ["新增的摊位有多少个", "车位有多少个"]),
        ("甲县和乙县各级干部有多少人?", []),
        ("谁和谁去了?", []),
    ],
)
def test_what_asks_by_itself(question, found):
    assert clauses(question) == found
