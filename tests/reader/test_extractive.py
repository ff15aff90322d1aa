"""With the real models over the seeds: short answers, their evidence, and honest refusals."""

import math
from dataclasses import replace

import pytest

from qa import QA
from qa.errors import InputError
from qa.reader import extractive
from qa.reader.extractive import ABSTAIN_BELOW, ExtractiveReader, confidence_features, read_alone
from qa.reader.model import ReaderModel
from qa.text import fold, squeeze


@pytest.fixture(scope="module")
def qa(seeds_index):
    return QA.open(seeds_index)


def test_the_reader_is_in_use(qa):
    assert isinstance(qa.reader, ExtractiveReader)


@pytest.mark.parametrize(
    ("question", "answer", "evidence"),
    [
        # The same passage and the one beside it have the same figure of other times.
        ("2024年巫溪支队全年受理了多少件环境投诉?", "129件", "2024年全年共受理环境投诉129件"),
        ("巫溪支队2024年拆除了几家非法沙场?", "5家", "拆除非法沙场5家"),
        ("通济街道改造了多少个老旧小区?", "55个", "对辖区内55个老旧小区进行改造"),
        ("城市绿道一共完成了多少条?", "23条", "城市绿道已完成23条"),
        ("大足区应急救助基金总额是多少万元?", "1000万元", "总额为1000万元"),
        ("下庄村党支部书记是谁?", "毛相林", "下庄村党支部书记、村委会主任毛相林"),
        ("2025年上半年巫溪支队共抽查了多少家企业?", "44家", "共抽查企业44家"),
        ("清理了多长的排污管道?", "2.1公里", "清理排污管道2.1公里"),
    ],
)
def test_a_short_answer_stands_in_its_sentence(qa, question, answer, evidence):
    found = qa.ask(question)
    assert found.text == answer
    assert evidence in found.evidence
    assert [found.evidence[a:b] for a, b in found.spans] == [answer]
    assert found.hits[0].passage.document_id == found.citations[0].document_id


@pytest.mark.parametrize(
    ("question", "both"),
    [
        (
            "2024年巫溪支队全年出动执法人员多少人次,检查企业多少家次?",
            ["1400余人次", "700家次"],
        ),
        ("忠县有多少个城市社区党组织和多少个贫困村党组织结对?", ["15个", "72个"]),
    ],
)
def test_a_question_of_two_parts_gets_both(qa, question, both):
    found = qa.ask(question)
    assert [found.evidence[a:b] for a, b in found.spans] == both
    assert found.text == "；".join(both)


@pytest.mark.parametrize(
    ("question", "items"),
    [
        ("邻水市容环境“四化”指哪四化?", ["美化", "亮化", "凈化", "序化"]),
        (
            "巴南区政府的“五减”减的是哪五样?",
            ["减事项", "减环节", "减资料", "减时间", "减跑动"],
        ),
        ("巴南区的“五减”都减些什么?", ["减事项", "减环节", "减资料", "减时间", "减跑动"]),
        ("小車停車位和摩托車位各增設了多少個?", ["700余個", "2100余個"]),
    ],
)
def test_of_a_list_every_item_is_given(qa, question, items):
    found = qa.ask(question, min_confidence=0)
    assert all(item in found.text for item in items), found.text


def test_levels_are_given_whole(qa):
    found = qa.ask("四级网格体系由哪四级构成?")
    for level in ("社区党委", "网格党支部", "居民小组党小组", "党员中心户"):
        assert level in found.text, found.text


def test_each_script_gets_the_same_place(qa):
    simplified = qa.ask("邻水县综合行政执法局的工作理念是什么?")
    traditional = qa.ask("鄰水縣綜合行政執法局的工作理念是什麼?")
    assert simplified.evidence == traditional.evidence
    assert simplified.text == traditional.text
    assert "陽光執法" in simplified.text  # The original is shown, not what was searched.


def test_a_torn_sentence_is_quoted_whole_with_a_citation_for_each_piece(qa):
    found = qa.ask("肖波对辖区居民说小区共同性的老大难问题怎么提?", min_confidence=0)
    assert len(found.citations) == 2
    assert squeeze("".join(c.quote for c in found.citations)) == squeeze(found.evidence)
    assert [qa.verify(c) for c in found.citations] == ["holds", "holds"]


@pytest.mark.parametrize(
    "question",
    [
        "上海迪士尼的门票多少钱?",
        "Python的列表推导式怎么写?",
        "巫溪县有多少所中学?",
        "巫溪县法院院长是谁?",  # Another court's vice-president.
        "巫山县县长是谁?",  # A village head of that county.
        # The passage is about it, and no sentence answers.
        "塘坝村的应急饮水水源工程花了多少资金?",
        "申请大足应急救助基金要交什么材料?",
        "煌盛集团重庆管业的负责人叫什么名字?",
    ],
)
def test_what_is_not_in_the_text_is_not_found(qa, question):
    found = qa.ask(question)
    assert found.abstained
    assert (found.text, found.spans) == ("", ())
    assert found.confidence < ABSTAIN_BELOW
    assert found.evidence  # The nearest, shown as such.
    assert found.citations


def test_confidence_decides_and_its_bar_can_be_moved(qa):
    question = "下庄村党支部书记是谁?"
    surely, never = qa.ask(question), qa.ask(question, min_confidence=1.0)
    assert 0 < surely.confidence < 1
    assert never.abstained
    assert never.confidence == surely.confidence
    always = qa.ask("上海迪士尼的门票多少钱?", min_confidence=0.0)
    assert not always.abstained
    assert always.text in always.evidence


def test_the_score_of_what_was_read_is_the_sum_of_its_shares(qa):
    found = qa.ask("柏子桥路的修补由哪个部门负责?")
    read = [hit for hit in found.hits if "reader" in hit.shares]
    assert read
    for hit in found.hits:
        assert hit.score == pytest.approx(sum(hit.shares.values()))
    assert all(hit.shares["reader"] <= 0 for hit in read)
    others = [hit.score for hit in found.hits[1:]]
    assert others == sorted(others, reverse=True)
    assert found.hits[0].score == max(hit.score for hit in read)
    assert [hit.rank for hit in found.hits] == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("cores", [1, 2, 3])
def test_it_reads_until_the_rest_cannot_win(qa, monkeypatch, cores):
    read = []
    whole = ReaderModel.read

    def counted(model, question, passage, *rest):
        read.append(passage)
        return whole(model, question, passage, *rest)

    monkeypatch.setattr(ReaderModel, "read", counted)
    monkeypatch.setattr(extractive, "cores", lambda: cores)
    for question in ("城市绿道一共完成了多少条?", "上海迪士尼的门票多少钱?"):
        read.clear()
        hits = qa.search(question, 20)
        found = qa.reader.read(question, hits, None)
        # The sentence of the answer, alone, at the end.
        alone, best = read.pop(), found.hits[0].passage
        assert alone.id == best.id
        assert squeeze(found.evidence) in squeeze(alone.text)
        assert len(alone.text) < len(best.text)
        # The first alone, then as many at once as there are cores.
        last = 1 if len(read) == 1 else (len(read) - 2) % cores + 1
        ids = [passage.id for passage in read]
        assert sorted(ids) == sorted(hit.passage.id for hit in hits[: len(read)])
        scores = {hit.passage.id: hit.score for hit in found.hits}
        before = [scores[hit.passage.id] for hit in hits[: len(read) - last]]
        # The last ones could have won,
        assert max(before, default=-math.inf) < hits[len(read) - 1].score
        if len(read) < len(hits):
            assert found.hits[0].score >= hits[len(read)].score  # the next one could not.


def test_a_passage_of_scraps_only_is_no_error(prepared, tmp_path):
    page = tmp_path / "目录.md"
    page.write_text("# 目录\n\n第一章\n\n第二章\n\n第三章\n", "utf-8")
    (tmp_path / "index").mkdir()
    (tmp_path / "index" / "models").symlink_to(prepared.parent)
    with QA.build([page], index=tmp_path / "index") as qa:
        for question in ("目录里有第几章?", "第一章 第二章"):
            assert qa.ask(question, min_confidence=0).hits


@pytest.mark.parametrize("wrong", [-0.1, 1.5, 50, math.nan])
def test_a_bar_that_is_no_probability_is_refused(qa, wrong):
    with pytest.raises(InputError, match="0 到 1"):
        qa.ask("下庄村党支部书记是谁?", min_confidence=wrong)


def confidence_of(qa, question, read, hits):
    passage = read[0].passage
    reading = qa.reader._model.read(question, passage, 1)
    alone = read_alone(qa.reader._model, question, passage, reading)
    return confidence_features(qa.reader._sparse, question, reading, alone, read, hits)


def test_the_lead_is_over_what_others_have_at_most(qa):
    question = "2024年巫溪支队全年受理了多少件环境投诉?"
    found = qa.search(question, 4)
    first, second, third, last = (
        replace(hit, score=score) for hit, score in zip(found, (9, 8, 7, 5), strict=True)
    )

    def lead(read, hits):
        return confidence_of(qa, question, read, hits)["lead"]

    # Unread or read, one that was found with less than the best has counts with that.
    best = replace(first, score=7.5)
    read = [best, replace(second, score=1.0)]
    hits = [first, second, third, last]
    assert lead(read, hits) == 0.5
    assert lead([*read, replace(third, score=-9.0)], hits) == 0.5
    # One that was found with more counts with what reading left, or not at all.
    assert lead(read, [first, second]) == 6.0
    assert lead([best, replace(second, score=7.25)], hits) == 0.25
    assert lead([best], [first, second]) == lead([best], [first]) == 3.0


def test_an_answer_is_disputed_where_another_article_has_the_question_and_not_the_answer(
    prepared, tmp_path
):
    told = {"石泉": 40, "云溪": 41, "白鹤": 42, "白鹤又": 42}
    (tmp_path / "index").mkdir()
    (tmp_path / "index" / "models").symlink_to(prepared.parent)
    for name, number in told.items():
        text = f"{name[:2]}镇便民服务中心去年共受理群众来信{number}件,办结率98%。"
        (tmp_path / f"{name}.txt").write_text(text + name[2:], "utf-8")
    with QA.build([tmp_path / f"{name}.txt" for name in told], index=tmp_path / "index") as qa:
        for question, disputed in (
            ("云溪镇便民服务中心去年受理群众来信多少件?", 0.0),
            ("白鹤镇便民服务中心去年受理群众来信多少件?", 0.0),
            ("便民服务中心去年受理群众来信多少件?", 1.0),
        ):
            hits = qa.search(question, 4)
            assert len(hits) == 4
            assert confidence_of(qa, question, hits, hits)["disputed"] == disputed
            assert confidence_of(qa, question, hits, hits[:1])["disputed"] == 0.0


@pytest.mark.parametrize(
    ("question", "answers"),
    [
        ("鄰水做了多少個市政工程,總共花了多少錢?", ["165個", "610余萬元"]),
        ("2024年巫溪收到多少件环境投诉,办结了百分之多少?", ["129件", "100%"]),
        ("被巫溪支队查出开假检测报告的是什么机构,共几家?", ["机动车检验机构", "2家"]),
    ],
)
def test_a_part_that_names_less_is_answered_from_the_same_sentence(qa, question, answers):
    found = qa.ask(question)
    assert not found.abstained
    parts = found.text.split("；")
    assert len(parts) == len(answers)
    assert all(any(answer in part for part in parts) for answer in answers)


def test_which_ones_is_not_how_many(qa):
    found = qa.ask("与邻水综合执法局党支部结对的是哪几个社区?")
    assert "烏龜碑社區、西辰社區" in found.text  # Not 8個 of the same sentence.


def test_no_hits_is_not_found(qa):
    found = qa.reader.read("什么?", [], None)
    assert found.abstained
    assert (found.text, found.evidence, found.citations) == ("", "", ())


def test_headings_and_jump_lines_are_no_evidence(qa):
    for hit in qa.search("做好协调跟进落实", 5):
        found = qa.reader.read("做好协调跟进落实", [hit], 0.0)
        assert found.evidence not in {hit.passage.article.title, *hit.passage.headings}
    for question in ("你好", "What is the number of complaints?"):
        assert "上接" not in qa.ask(question, min_confidence=0).evidence


def test_a_question_may_hold_the_answer(qa):
    found = qa.ask("2024年巫溪支队全年受理环境投诉129件,是吗?")
    assert "129件" in found.evidence


def test_the_second_part_of_an_answer_may_stand_in_the_next_sentence(prepared, tmp_path):
    page = tmp_path / "大桥.txt"
    page.write_text("沙湖大桥全长1200米。大桥于2021年5月6日通车。", "utf-8")
    (tmp_path / "index").mkdir()
    (tmp_path / "index" / "models").symlink_to(prepared.parent)
    with QA.build([page], index=tmp_path / "index") as qa:
        found = qa.ask("沙湖大桥全长多少米,什么时候通车?")
    assert not found.abstained
    assert found.text.split("；")[0] == "1200米"
    assert "2021年5月6日" in found.text.split("；")[1]
    assert found.evidence == "沙湖大桥全长1200米。大桥于2021年5月6日通车。"


def test_answers_stand_in_the_text_whatever_is_asked(qa):
    for question in (
        "为什么?",
        "怎么办",
        "巫溪 黔江 即墨",
        "1",
        "How many?",
        "是不是",
        "的 a",
    ):
        found = qa.ask(question, min_confidence=0)
        parts = [found.evidence[start:end] for start, end in found.spans]
        assert found.text == "；".join(parts)
        assert squeeze(fold(found.text)) != ""
        cited = squeeze("".join(citation.quote for citation in found.citations))
        assert all(squeeze(part) in cited for part in parts)
