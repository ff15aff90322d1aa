"""What a sentence says beyond the passages that it cites; wrong numbers planted in real ones."""

import re
import time
from functools import cache
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from opencc import OpenCC

from qa.corpus.chunk import passages
from qa.corpus.load import find, load
from qa.reader.grounding import numbers, problems
from qa.text import fold, sentences

SEEDS = Path(__file__).parents[2] / "seeds"
WORK = (
    "2024年,巫溪县环保支队以专项执法为突破口。全年共出动执法人员1400余人次,检查企业700家次,"
    "实施行政处罚28起,处罚金额35.8万元,拆除非法沙场5家,清理河道2.1公里。"
    "9月8日,整改工程如期完工,办结率达99.42%,未发现新增污染。支队长肖波介绍了情况。"
)
ROAD = "丹兴路全长56公里,10月24日恢复公交线路,方便群众出行。"
WRONG_NUMBER = "原文没有这个数"
WRONG_NAME = "原文没有这个名称"
DIGITS = re.compile(r"\d+(?:\.\d+)?")


@cache
def quoted():
    """Each sentence of the seeds, with the passage that it stands in."""
    found = [p for file in find([SEEDS]) for page in load(file) for p in passages(page)]
    return [(p.text[a:b], p.text) for p in found for a, b in sentences(p.text)]


@cache
def counted():
    """Those with a number in digits."""
    return [pair for pair in quoted() if DIGITS.search(pair[0])]


def said_of(sentence, *cited, question=""):
    return problems(sentence, question, cited or (WORK,))


def wrong_numbers(sentence, *cited):
    return [one for one in said_of(sentence, *cited) if one.startswith(WRONG_NUMBER)]


def chinese(number):
    """A number below 10^12 in Chinese numerals: 10203 is 一万零二百零三."""
    for scale, name in ((10**8, "亿"), (10**4, "万"), (1000, "千"), (100, "百"), (10, "十")):
        if number >= scale:
            high, low = divmod(number, scale)
            head = "" if scale == 10 and high == 1 else chinese(high)
            gap = "零" if low and low * 10 < scale else ""
            return head + name + gap + (chinese(low) if low else "")
    return "零一二三四五六七八九"[number]


def is_new(number, passage):
    """No number of the passage is this one, whatever 万 or 亿 stand behind either.

    Nor is it short for one of its years: 21年.
    """
    steps = (0, 3, 4, 7, 8) if re.search("[千万亿萬億]", passage) else (0,)
    others = [float(other) for other in DIGITS.findall(fold(passage))]
    return not (
        chinese(int(number)) in fold(passage).replace("两", "二")
        or any(number == other % 100 for other in others if 1900 < other < 2100)
        or any(
            number == pytest.approx(other * 10.0**power)
            for other in others
            for step in steps
            for power in (step, -step)
        )
    )


@st.composite
def planted(draw):
    """A sentence of the seeds in which one number is another, that its passage has not."""
    sentence, passage = draw(st.sampled_from(counted()))
    match = draw(st.sampled_from(list(DIGITS.finditer(sentence))))
    right = match.group()
    wrong = draw(
        st.one_of(
            st.integers(1, 31).map(str),
            st.integers(2, 99_999).map(str),
            st.just(right + "0"),
            st.just(right.replace(".", "")),
            st.integers(-3, 3).map(lambda step: f"{float(right) + step:g}"),
            st.permutations(right).map("".join),
        )
    )
    assume(re.fullmatch(r"[1-9]\d{0,6}(?:\.\d{1,4})?", wrong))
    assume(is_new(float(wrong), passage))
    return sentence[: match.start()] + wrong + sentence[match.end() :], passage


class TestSeeds:
    @settings(deadline=None, max_examples=400)
    @given(planted())
    def test_a_wrong_number_is_found_every_time(self, case):
        sentence, passage = case
        assert wrong_numbers(sentence, passage)

    @pytest.mark.parametrize("form", ["as it stands", "s2t", "s2hk", "full width"])
    def test_a_sentence_that_stands_there_has_no_problem(self, form):
        wide = {ord(char): ord(char) + 0xFEE0 for char in "0123456789%.,"}
        converter = OpenCC(form) if form.startswith("s2") else None
        for sentence, passage in quoted():
            said = converter.convert(sentence) if converter else sentence
            if form == "full width":
                said = sentence.translate(wide)
            assert problems(said, "", [passage]) == [], said

    def test_the_sentences_have_numbers_to_change(self):
        assert len(counted()) > 80


class TestNumbers:
    @pytest.mark.parametrize(
        ("text", "value", "unit"),
        [
            ("129件", 129, "件"),
            ("1,985家次", 1985, "家次"),
            ("１４００余人次", 1400, "人次"),
            ("約1400多人次", 1400, "人次"),
            ("35.8万元", 358_000, "元"),
            ("35.8億元", 3_580_000_000, "元"),
            ("3.05萬平方米", 30_500, "平方米"),
            ("610余萬元", 6_100_000, "元"),
            ("5千万元", 50_000_000, "元"),
            ("三十五人", 35, "人"),
            ("两千五百余人", 2500, "人"),
            ("兩萬三千戶", 23_000, "户"),
            ("一百零五件", 105, "件"),
            ("两亿三千万元", 230_000_000, "元"),
            ("一点五万元", 15_000, "元"),
            ("三百多万元", 3_000_000, "元"),
            ("12％", 12, "%"),
            ("百分之十二", 12, "%"),
            ("百分之三点五", 3.5, "%"),
            ("百分之99.42", 99.42, "%"),
            ("12个百分点", 12, "百分点"),
            ("第十二届", 12, "届"),
        ],
    )
    def test_a_number_is_its_value_and_its_unit(self, text, value, unit):
        (found,) = numbers(fold(text))
        assert (float(found.value), found.unit) == (value, unit)

    @pytest.mark.parametrize(
        ("text", "date"),
        [
            ("2024年9月8日", (2024, 9, 8)),
            ("９月８日", (0, 9, 8)),
            ("9月8号", (0, 9, 8)),
            ("28日", (0, 0, 28)),
            ("2024年", (2024, 0, 0)),
            ("2024年5月", (2024, 5, 0)),
            ("二〇二四年九月八日", (2024, 9, 8)),
            ("二○二四年十一月二十八日", (2024, 11, 28)),
            ("十月", (0, 10, 0)),
            ("2021-09-09", (2021, 9, 9)),
        ],
    )
    def test_a_date_is_its_parts(self, text, date):
        (found,) = numbers(fold(text))
        assert (found.value, found.unit) == (date, "date")

    @given(st.integers(2, 10**12 - 1))
    def test_chinese_numerals_are_read(self, number):
        (found,) = numbers(f"共{chinese(number)}人")
        assert (found.value, found.unit) == (number, "人")

    @given(st.integers(1, 99_999_999), st.sampled_from([1, 2, 3]))
    def test_a_fraction_of_ten_thousand_is_the_number_written_out(self, number, places):
        assume(number % 10**places)
        cited = f"项目投入资金{number * 10 ** (4 - places)}元。"
        assert wrong_numbers(f"项目投入资金{number / 10**places:.{places}f}万元。", cited) == []

    def test_a_comma_between_two_numbers_keeps_them_apart(self):
        assert [one.value for one in numbers("得分为12,35和60")] == [12, 35, 60]

    @pytest.mark.parametrize("text", ["", "一个村", "没有数", "第一", "十分重要", "一次次", "万一"])
    def test_what_counts_nothing_is_no_number(self, text):
        assert numbers(text) == []

    @settings(deadline=None)
    @given(st.text("〇零一二两十百千万亿点第百分之0123456789.,年月日号人个%余 -/", max_size=60))
    def test_no_text_is_too_odd(self, text):
        numbers(text)

    @pytest.mark.parametrize("text", ["亿" * 60 + "人", "9" * 500 + "人", "1" + "0" * 400 + "亿元"])
    def test_no_number_is_too_large(self, text):
        assert wrong_numbers(f"{text}参加了工程。", "五人参加了工程。")

    def test_numbers_too_large_to_tell_are_not_taken_for_the_same(self):
        assert wrong_numbers("共" + "9" * 500 + "人。", "共" + "8" * 500 + "人。")

    @pytest.mark.parametrize("run", ["一", "9", "9,", "万", "百分之", "1月", "1年", "九月", "点"])
    def test_a_long_run_is_read_in_time_that_grows_with_it(self, run):
        began = time.monotonic()
        numbers(run * (10_000 // len(run)))
        assert time.monotonic() - began < 2


class TestWrongNumbers:
    @pytest.mark.parametrize(
        "sentence",
        [
            "8月9日,整改工程如期完工。",
            "9月9日,整改工程如期完工。",
            "2023年9月8日,整改工程如期完工。",
            "八月九日,整改工程如期完工。",
            "2023年,支队出动执法人员1400余人次。",
            "处罚金额35.8亿元。",
            "处罚金额3.58万元。",
            "处罚金额35.8元。",
            "处罚金额358万元。",
            "处罚金额三十五万元。",
            "处罚金额35.8万美元。",
            "支队实施行政处罚28人。",
            "支队实施行政处罚28万起。",
            "支队实施行政处罚28%。",
            "支队实施行政处罚二十九起。",
            "支隊實施行政處罰２９起。",
            "支队实施行政处罚约29起。",
            "支队实施行政处罚28余万起。",
            "支队出动执法人员1400万人次。",
            "支队出动执法人员1500余人次。",
            "办结率达99.24%。",
            "办结率达百分之九十九。",
            "办结率达99.42个。",
            "拆除非法沙场6家。",
            "拆除非法沙场六家。",
            "拆除非法沙场五百家。",
            "清理河道2.1米。",
            "清理河道2.1千克。",
            "清理河道21公里。",
            "清理河道2.1里。",
        ],
    )
    def test_are_found(self, sentence):
        assert wrong_numbers(sentence)

    @pytest.mark.parametrize(
        ("sentence", "cited"),
        [
            ("该市荣获第六届文明城市称号。", "该市荣获第五届文明城市称号。"),
            ("街道推行六步议事。", "街道推行五步议事。"),
            ("一期有三大工程。", "一期有两大工程。"),
            ("村里有十余条路。", "村里有二十余条路。"),
            ("十一月二十八日开工。", "十一月二十七日开工。"),
            ("会议在12024年召开。", "2024年,1个会议召开。"),
            ("109月开学。", "9月开学。(上接1版)"),
            ("会议在2025年召开。", "2024年召开会议,25人参加。"),
            ("会议8月召开。", "9月召开会议,8人参加。"),
            ("会议有9人参加。", "9月召开会议,8人参加。"),
        ],
    )
    def test_are_found_in_few_words(self, sentence, cited):
        assert wrong_numbers(sentence, cited)

    def test_are_named(self):
        assert said_of("支队检查企业700家次,处罚29起,罚款36万元。") == [
            "原文没有这个数:29起",
            "原文没有这个数:36万元",
        ]

    def test_are_wrong_even_where_the_question_has_them(self):
        assert problems("处罚29起。", "是处罚了29起吗?", [WORK])


class TestRightNumbers:
    @pytest.mark.parametrize(
        "sentence",
        [
            "支队出动执法人员1400余人次,检查企业700家次。",
            "支队出动执法人员约1400人次。",
            "支队出动执法人员１４００余人次。",
            "支队出动执法人员一千四百余人次。",
            "支隊出動執法人員1400餘人次,檢查企業700家次。",
            "处罚金额35.8万元。",
            "处罚金额358000元。",
            "处罚金额358,000元。",
            "支队实施行政处罚28件。",
            "支队实施行政处罚二十八起。",
            "拆除非法沙场五家。",
            "清理河道2.1公里。",
            "清理河道2.1千米。",
            "9月8日,整改工程如期完工。",
            "9月8号,整改工程如期完工。",
            "九月八日,整改工程如期完工。",
            "办结率达９９.42％。",
            "整改工程如期完工,办结率达百分之九十九点四二。",
        ],
    )
    def test_may_be_written_otherwise(self, sentence):
        assert said_of(sentence) == []

    @pytest.mark.parametrize(
        ("sentence", "cited"),
        [
            ("24年5月6日校区揭牌。", "2024年5月6日校区揭牌。"),
            ("校区5月6日揭牌。", "2024年5月6日校区揭牌。"),
            ("文章于2021年9月9日发布。", "城管局 中国网 2021-09-09\n文章介绍城市管理,由网站发布。"),
            ("文章发布于2021年。", "城管局 中国网 2021-09-09\n文章介绍城市管理,由网站发布。"),
            ("会议于二○二四年召开。", "2024年召开会议。"),
            ("2013年起实施规划。", "规划实施期为2013-2016年。"),
            ("活动到9月10日结束。", "活动9月8日至10日举行,10日结束。"),
            ("投入300多万元。", "投入三百多万元。"),
            ("停水6小时。", "停水时间为6个小时。"),
            ("两队得分是12和35。", "两队得分为12,35,相差很多。"),
        ],
    )
    def test_may_stand_in_other_words(self, sentence, cited):
        assert wrong_numbers(sentence, cited) == []


class TestNames:
    @pytest.mark.parametrize(
        "name", ["张伟", "王江平", "何春阳", "杨应苹", "欧阳锋", "麦努斯·奥斯曼", "張偉"]
    )
    def test_of_people_must_stand_there(self, name):
        said = f"支队长{name}介绍,全年拆除非法沙场5家。"
        assert any(one.startswith(WRONG_NAME) for one in said_of(said))

    @pytest.mark.parametrize(
        "name", ["重庆市", "奉节县", "邻水县", "即墨区", "通济街道", "青岛", "大坡村", "奉節縣"]
    )
    def test_of_places_must_stand_there(self, name):
        said = f"支队在{name}拆除非法沙场5家。"
        assert any(one.startswith(WRONG_NAME) for one in said_of(said))

    @pytest.mark.parametrize("name", ["华为公司", "清华大学", "OpenAI", "ＡＣＭＥ"])
    def test_of_organisations_must_stand_there(self, name):
        said = f"{name}拆除非法沙场5家。"
        assert any(one.startswith(WRONG_NAME) for one in said_of(said))

    @pytest.mark.parametrize(
        "sentence",
        [
            "支队长肖波介绍了情况。",
            "支隊長肖波介紹了情況。",
            "巫溪县环保支队拆除非法沙场5家。",
            "中国的巫溪县环保支队拆除非法沙场5家。",
        ],
    )
    def test_that_stand_there_may_be_said(self, sentence):
        assert said_of(sentence) == []

    @pytest.mark.parametrize(
        "sentence",
        [
            "大一新生麦努斯·奥斯曼担心自己的语言沟通问题。",
            "学生麦努斯·奥斯曼反映,授课教师语速过快。",
            "麦努斯·奥斯曼反映授课教师语速过快。",
        ],
    )
    def test_foreign_ones_may_have_other_words_beside_them(self, sentence):
        cited = (
            "麦努斯·奥斯曼是该院的大一新生,来校学习前十分担心自己语言沟通等问题。"
            "这名学生向老师反映授课教师语速过快。"
        )
        assert said_of(sentence, cited) == []
        assert said_of(sentence.replace("奥斯曼", "奥斯汀"), cited)

    def test_in_the_question_do_not_count(self):
        said = "张伟带队拆除非法沙场5家。"
        assert said_of(said, question="张伟带队拆除了几家沙场?")


class TestNegation:
    @pytest.mark.parametrize(
        "sentence",
        [
            "支队没有拆除非法沙场。",
            "支队未拆除非法沙场。",
            "支隊沒有拆除非法沙場。",
            "支队并非全年检查企业。",
            "支队长肖波没介绍情况。",
            "整改工程没有如期完工。",
            "支队不检查企业。",
        ],
    )
    def test_that_is_added_is_found(self, sentence):
        cited = WORK.replace(",未发现新增污染", "")
        assert said_of(sentence, cited)

    @pytest.mark.parametrize(
        ("sentence", "cited"),
        [
            ("全县发现新增腐败问题。", "全县扶贫领域未发现新增腐败问题。"),
            ("该厂已停产,有力支付工资。", "该厂已停产,无力支付工资。"),
            ("小区污水管网问题得到解决。", "小区污水管网问题一直没有得到解决。"),
            ("双方在支付时间上达成一致。", "双方在支付时间上未能达成一致。"),
            ("此举属于强制要求。", "此举不属于强制要求。"),
        ],
    )
    def test_that_is_left_out_is_found(self, sentence, cited):
        assert said_of(sentence, cited)

    @pytest.mark.parametrize(
        ("sentence", "cited"),
        [
            ("全县未发现新增腐败问题。", "全县扶贫领域未发现新增腐败问题。"),
            ("全县没有发现新增腐败问题。", "全县扶贫领域未发现新增腐败问题。"),
            ("该厂无法支付工资。", "该厂已停产,无力支付工资。"),
            ("未来三年将建设公园。", "三年内将建设公园。"),
            ("街道不断优化办件效率。", "街道持续优化办件效率。"),
            ("街道不仅优化效率,还加强督导。", "街道优化办件效率,并加强督导。"),
            ("街道无论大小事都办。", "街道大小事都办。"),
        ],
    )
    def test_that_stands_there_or_denies_nothing_may_be_said(self, sentence, cited):
        assert said_of(sentence, cited) == []


class TestSupport:
    def test_a_sentence_without_a_source(self):
        assert problems("支队拆除非法沙场5家。", "", []) == ["没有出处"]

    def test_one_that_cites_the_wrong_passage(self):
        assert said_of("支队拆除非法沙场5家。", ROAD)
        assert said_of("丹兴路恢复公交线路。", WORK)
        assert said_of("支队拆除非法沙场5家。", ROAD, WORK) == []

    def test_what_no_passage_says(self):
        assert "所引的段落没有这样说" in said_of("当地葡萄酒口感醇厚,畅销海外。")

    def test_the_words_of_the_question_need_no_support(self):
        said = "支队一年里总共强行关停取缔掉的非法沙场是5家。"
        assert said_of(said)
        assert said_of(said, question="支队一年里总共强行关停取缔掉的非法沙场是几家?") == []

    def test_another_script_is_the_same_text(self):
        said = "支隊全年共出動執法人員1400餘人次,實施行政處罰28起。"
        assert said_of(said) == []
        assert said_of("支队实施行政处罚28起。", OpenCC("s2t").convert(WORK)) == []
        assert said_of(said.replace("28", "82")) == ["原文没有这个数:82起"]

    @pytest.mark.parametrize("sentence", ["", "。", "……", "\ud800", "😀", "\x00\x1b[31m"])
    def test_what_says_nothing_is_not_borne_out(self, sentence):
        assert said_of(sentence)

    @settings(deadline=None)
    @given(st.text(max_size=40), st.text(max_size=40), st.lists(st.text(max_size=40), max_size=2))
    def test_no_text_is_too_odd(self, sentence, question, cited):
        assert all(problems(sentence, question, cited))
