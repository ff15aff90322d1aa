"""Without the reader model, over the seeds: the closest sentence, and honest refusals."""

import pytest

from qa import QA
from qa.reader.closest import ABSTAIN_BELOW
from qa.text import squeeze


@pytest.fixture(scope="module")
def qa(seeds_index):
    return QA.open(seeds_index)


@pytest.mark.parametrize(
    ("question", "answer", "evidence"),
    [
        ("巫溪支队2024年拆除了几家非法沙场?", "5家", "拆除非法沙场5家"),
        ("2025年上半年巫溪支队共抽查了多少家企业?", "44家", "共抽查企业44家"),
        ("通济街道改造了多少个老旧小区?", "55个", "对辖区内55个老旧小区进行改造"),
        ("城市绿道一共完成了多少条?", "23条", "城市绿道已完成23条"),
        ("大足区应急救助基金总额是多少万元?", "1000万元", "总额为1000万元"),
        ("下庄村党支部书记是谁?", "毛相林", "下庄村党支部书记、村委会主任毛相林"),
        ("2020年度鄰水縣設立了幾個黨員先鋒崗?", "6個", "設立6個黨員先鋒崗"),
    ],
)
def test_a_short_answer_stands_in_its_sentence(qa, question, answer, evidence):
    found = qa.ask(question, fast=True)
    assert found.text == answer
    assert evidence in found.evidence
    assert found.text in found.evidence


def test_a_question_of_two_parts_gets_both(qa):
    found = qa.ask("忠县有多少个城市社区党组织和多少个贫困村党组织结对?", fast=True)
    assert "15个" in found.text
    assert "72个" in found.text


def test_a_question_of_no_known_kind_gets_the_sentence(qa):
    found = qa.ask("巫溪县是什么功能区的重要组成部分?", fast=True)
    assert found.text == found.evidence
    assert "国家重点生态功能区" in found.text


def test_a_torn_sentence_is_quoted_whole_with_a_citation_for_each_piece(qa):
    found = qa.ask("肖波对辖区居民说小区共同性的老大难问题怎么提?", fast=True)
    assert "实事实求是提出来……" in found.evidence
    assert len(found.citations) == 2
    assert squeeze("".join(c.quote for c in found.citations)) == squeeze(found.evidence)
    assert [qa.verify(c) for c in found.citations] == ["holds", "holds"]


@pytest.mark.parametrize(
    "question",
    ["上海迪士尼的门票多少钱?", "Python的列表推导式怎么写?", "巫溪县有多少所中学?"],
)
def test_what_is_not_in_the_text_is_not_found(qa, question):
    found = qa.ask(question, fast=True)
    assert found.abstained
    assert found.text == ""
    assert found.confidence < ABSTAIN_BELOW
    assert found.evidence  # The nearest, shown as such.
    assert found.citations


def test_no_hits_is_not_found(qa):
    found = qa.fast_reader.read("什么?", [], None)
    assert found.abstained
    assert (found.text, found.evidence, found.citations) == ("", "", ())


def test_headings_are_no_evidence(qa):
    for hit in qa.search("做好协调跟进落实", 5):
        found = qa.fast_reader.read("做好协调跟进落实", [hit], None)
        assert found.evidence not in {hit.passage.article.title, *hit.passage.headings}


@pytest.mark.parametrize(
    ("question", "wrong"),
    [
        ("巫溪支队2023年受理了多少件环境投诉?", "58件"),  # The text has 2024 and 2025 only.
        ("石壕镇村民讨回了多少补偿金?", "2416名"),
    ],
)
def test_a_figure_of_another_year_or_another_thing_is_not_given(qa, question, wrong):
    assert wrong not in qa.ask(question, fast=True).text


def test_jump_lines_are_no_evidence(qa):
    for question in ("你好", "What is the number of complaints?"):
        assert "上接" not in qa.ask(question, fast=True).evidence


def test_the_second_part_of_an_answer_may_stand_in_the_next_sentence(prepared, tmp_path):
    page = tmp_path / "大桥.txt"
    page.write_text("沙湖大桥全长1200米。大桥于2021年5月6日通车。", "utf-8")
    (tmp_path / "index").mkdir()
    (tmp_path / "index" / "models").symlink_to(prepared.parent)
    with QA.build([page], index=tmp_path / "index") as qa:
        found = qa.ask("沙湖大桥全长多少米,什么时候通车?", fast=True)
    assert not found.abstained
    assert found.text == "1200米；2021年5月6日"
    assert [found.evidence[a:b] for a, b in found.spans] == ["1200米", "2021年5月6日"]
    assert found.evidence == "沙湖大桥全长1200米。大桥于2021年5月6日通车。"
