"""Figures against what is worked out by hand and by brute force; the three forms, really asked."""

import gzip
import json
import math
import subprocess
import sys
from dataclasses import replace
from itertools import groupby, permutations
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qa import QA, metrics
from qa.errors import FileError, IndexMissing, InputError, QAError
from qa.evaluate import evaluate, read
from qa.metrics import Latency, Share
from qa.render import write_json
from qa.text import width

ARTICLES = {
    "修路.txt": "甲县修路\n甲县去年修建农村公路56公里,投资7亿元。\n今年还将修建乡村桥梁12座。\n",
    "环保.txt": "环境投诉\n2024年全年,乙市共受理环境投诉129件。\n办结率达到100%。\n",
    "图书馆.txt": "丙鎮圖書館\n丙鎮圖書館於1987年建成,藏書3萬冊。\n館長是王建國。\n",
}
OWN = [
    {"question": "甲县去年修建农村公路多少公里?", "answers": ["56公里"], "source": "修路.txt",
     "evidence": "修建农村公路56公里"},
    {"question": "乙市受理了多少件环境投诉?", "answers": ["129件", "129"], "source": "环保.txt"},
    {"question": "丙镇图书馆哪一年建成?", "answers": ["1987年"]},
    {"question": "乙市环境投诉的办结率", "source": "文章/环保.txt"},
    {"question": "上海迪士尼的门票多少钱?", "answers": [], "source": "", "evidence": ""},
]  # fmt: skip


class TestShortAnswers:
    @pytest.mark.parametrize(
        ("answer", "gold", "exact", "f1"),
        [
            ("129件", "129件", True, 1),
            ("129件", "129", False, 2 / 3),  # 129 of 129·件 and of 129: 2·1 / (2 + 1).
            ("《魂斗罗》。", "魂斗罗", True, 1),
            ("《魂鬥羅》", "魂斗罗", True, 1),  # Traditional.
            ("1987年", "1987年在NES上", False, 4 / 7),  # 1987·年 of 1987·年·在·nes·上.
            # The longest common substring is 丙丁; the subsequence 甲丙丁 would give 6 / 7.
            ("甲乙丙丁", "甲丙丁", False, 4 / 7),
            ("3.5%", "3.5", False, 2 / 3),  # The point stays inside a number.
            ("Play Station", "PLAY-STATION", False, 0),  # play·station, but playstation.
            ("甲,乙", "甲，乙", True, 1),  # Both widths of the comma go.
            ("乙", "甲", False, 0),
            ("", "甲", False, 0),
        ],
    )
    def test_em_and_f1_by_hand(self, answer, gold, exact, f1):
        assert metrics.exact_match(answer, [gold]) is exact
        assert metrics.f1(answer, [gold]) == pytest.approx(f1)

    def test_the_best_gold_counts(self):
        assert metrics.exact_match("甲乙", ["丙", "甲乙"])
        assert metrics.f1("甲乙", ["丙", "甲乙丙丁", "甲乙丙"]) == pytest.approx(4 / 5)
        assert not metrics.exact_match("甲", [])
        assert metrics.f1("甲", []) == 0

    def test_tokens_are_characters_words_and_numbers(self):
        assert metrics.tokens("于1987年,在NES上卖1,000份(3.5%)") == [
            *("于", "1987", "年", "在", "nes", "上", "卖", "1000", "份", "3.5", "%")
        ]

    @given(st.text("甲乙丙a1 ,", max_size=8), st.text("甲乙丙a1 ,", max_size=8))
    def test_f1_against_every_substring(self, answer, gold):
        said, right = metrics.tokens(answer), metrics.tokens(gold)
        common = max(
            (
                end - start
                for start in range(len(said))
                for end in range(start + 1, len(said) + 1)
                for at in range(len(right))
                if right[at : at + end - start] == said[start:end]
            ),
            default=0,
        )
        expected = 0
        if common:
            precision, recall = common / len(said), common / len(right)
            expected = 2 * precision * recall / (precision + recall)
        assert metrics.f1(answer, [gold]) == pytest.approx(expected)
        assert metrics.f1(gold, [answer]) == pytest.approx(expected)

    def test_holding_sees_through_script_width_and_white_space(self):
        assert metrics.holds("鄰水縣共 ＡＢＣ\n三處", "邻水县共abc三处")
        assert not metrics.holds("邻水", "邻水县")


confidences = st.lists(st.sampled_from([0, 0.1, 0.25, 0.5, 0.55, 0.99, 1]), min_size=1, max_size=6)
answered = confidences.flatmap(
    lambda c: st.tuples(st.just(c), st.lists(st.booleans(), min_size=len(c), max_size=len(c)))
)


class TestConfidence:
    def test_auc_by_hand(self):
        # Of six pairs .9 and .6 win two each, .4 loses one and ties one.
        assert metrics.auc([0.9, 0.6, 0.4], [0.5, 0.4]) == pytest.approx(4.5 / 6)
        assert metrics.auc([0.9], [0.1, 0.2]) == 1
        assert metrics.auc([0.5], [0.5]) == 0.5

    @given(confidences, confidences)
    def test_auc_against_all_pairs(self, yes, no):
        wins = sum((a > b) + (a == b) / 2 for a in yes for b in no)
        assert metrics.auc(yes, no) == pytest.approx(wins / len(yes) / len(no))

    def test_calibration_by_hand(self):
        # By bin: .95 said and right, off .05; .85 and wrong, off .85; .15 and .12, one right of
        # two, off .73. Their sum over four.
        said, right = [0.95, 0.85, 0.15, 0.12], [True, False, False, True]
        assert metrics.calibration_error(said, right) == pytest.approx(1.63 / 4)
        assert metrics.calibration_error([1.0, 0.0], [True, False]) == 0

    @given(answered)
    def test_calibration_against_each_bin(self, case):
        total = 0.0
        for number in range(10):
            low, high = number / 10, (number + 1) / 10 if number < 9 else 1.01
            inside = [(c, r) for c, r in zip(*case, strict=True) if low <= c < high]
            if inside:
                said = sum(c for c, _ in inside) / len(inside)
                right = sum(r for _, r in inside) / len(inside)
                total += len(inside) / len(case[0]) * abs(said - right)
        assert metrics.calibration_error(*case) == pytest.approx(total)

    def test_risk_by_coverage_by_hand(self):
        # .9 is right, one of the two at .8 is wrong, .1 is wrong: 0, ½, 1 and 2 of 1, 2, 3 and 4.
        said, right = [0.8, 0.1, 0.9, 0.8], [False, False, True, True]
        assert metrics.risks(said, right) == pytest.approx([0, 1 / 4, 1 / 3, 1 / 2])
        found = metrics.selection(said, right)
        assert found.area == pytest.approx((1 / 4 + 1 / 3 + 1 / 2) / 4)
        assert found.risks == ((0.5, Share(0.5, 2)), (0.8, Share(2, 4)), (1.0, Share(2, 4)))

    @given(answered)
    def test_risk_against_all_orders_of_ties(self, case):
        pairs = list(zip(*case, strict=True))
        curves = [
            [sum(not right for _, right in order[:n]) / n for n in range(1, len(order) + 1)]
            for order in permutations(pairs)
            if list(order) == sorted(order, key=lambda pair: -pair[0])
        ]
        means = [sum(point) / len(curves) for point in zip(*curves, strict=True)]
        assert metrics.risks(*case) == pytest.approx(means)

    @pytest.mark.parametrize("n", [1, 2, 3, 5, 35, 70])
    def test_coverage_is_of_whole_questions(self, n):
        found = metrics.selection([0.5] * n, [True] * n)
        assert [risk.total for _, risk in found.risks] == [-(-n // 2), -(-4 * n // 5), n]


grades = st.lists(st.integers(0, 3), max_size=13)


class TestRanking:
    def test_by_hand(self):
        # First: the one relevant document at rank 2. Second: grades 2 and 1 at ranks 2 and 3,
        # another of grade 1 not found.
        found = metrics.ranking([((0, 1), (1,)), ((0, 2, 1), (1, 1, 2))])
        recall = {cut: share.count for cut, share in found.recall}
        assert recall == pytest.approx({1: 0, 5: 1 + 2 / 3, 10: 1 + 2 / 3})
        assert [share.total for _, share in found.recall] == [2, 2, 2]
        assert found.mrr == pytest.approx(1 / 2)
        log3 = math.log2(3)
        ndcg = (2 / log3 + 1 / 2) / (2 + 1 / log3 + 1 / 2)
        assert found.ndcg == pytest.approx((1 / log3 + ndcg) / 2)

    def test_what_comes_eleventh_is_not_found(self):
        found = metrics.ranking([((0,) * 10 + (1,), (1,)), ((), (1,))])
        assert (found.mrr, found.ndcg) == (0, 0)
        assert all(share.value == 0 for _, share in found.recall)

    @given(st.lists(st.tuples(grades, st.lists(st.integers(1, 3), max_size=3)), min_size=1))
    def test_against_the_definitions(self, cases):
        cases = [
            (found, [g for g in found if g] + missed)
            for found, missed in cases
            if any(found) or missed
        ]
        if not cases:
            return
        recall, reciprocal, ndcg = 0.0, 0.0, 0.0
        for found, wanted in cases:
            first = found[:10]
            recall += sum(g > 0 for g in found[:5]) / len(wanted)
            reciprocal += next((1 / rank for rank, g in enumerate(first, 1) if g), 0)
            best = sorted(wanted, reverse=True)[:10]
            gain, ideal = (
                sum(g / math.log2(rank + 1) for rank, g in enumerate(order, 1))
                for order in (first, best)
            )
            ndcg += gain / ideal
        measured = metrics.ranking(cases)
        assert measured.recall[1][1].count == pytest.approx(recall)
        assert measured.mrr == pytest.approx(reciprocal / len(cases))
        assert measured.ndcg == pytest.approx(ndcg / len(cases))


class TestCounting:
    def test_shares(self):
        assert Share.of([True, False, 0.5]) == Share(1.5, 3)
        assert Share.of([1, 0]).value == 0.5
        assert Share.of([]).value is None

    def test_latency_is_in_milliseconds_and_linear_between_ranks(self):
        found = Latency.of([0.03, 0.01, 0.02])
        assert (found.p50, found.p90, found.p99) == pytest.approx((20, 28, 29.8))


@pytest.fixture(scope="module")
def index(prepared, tmp_path_factory):
    """An index over three articles, in both scripts."""
    folder = tmp_path_factory.mktemp("evaluated")
    (folder / "index").mkdir()
    (folder / "index" / "models").symlink_to(prepared.parent)
    (folder / "文章").mkdir()
    for name, text in ARTICLES.items():
        (folder / "文章" / name).write_text(text, "utf-8")
    QA.build([folder / "文章"], index=folder / "index").close()
    return folder / "index"


@pytest.fixture
def own(tmp_path):
    def write(*questions):
        path = tmp_path / "问题.jsonl"
        lines = [q if isinstance(q, str) else json.dumps(q, ensure_ascii=False) for q in questions]
        path.write_text("\ufeff" + "\n\n".join(lines) + "\n", "utf-8")
        return path

    return write


@pytest.fixture(scope="module")
def report(index, tmp_path_factory):
    """One's own questions, asked."""
    path = tmp_path_factory.mktemp("own") / "问题.jsonl"
    path.write_text("\n".join(json.dumps(q, ensure_ascii=False) for q in OWN), "utf-8")
    stages = []
    found = evaluate(path, index=index, progress=lambda *step: stages.append(step))
    assert stages == [("提问", done, 5) for done in range(6)]
    return found


def squad(path, *paragraphs):
    content = {"version": "2.0", "data": [{"title": "甲", "paragraphs": list(paragraphs)}]}
    path.write_bytes(gzip.compress(json.dumps(content).encode()))
    return path


class TestOwnQuestions:
    def test_documents_and_passages_are_found(self, report):
        assert (report.form, report.documents, report.questions, report.skipped) == (
            *("lines", 3, 5, 0),
        )
        # Three questions name their source, one its evidence.
        assert [(cut, share.total) for cut, share in report.by_document.recall] == [
            *((1, 3), (5, 3), (10, 3))
        ]
        assert report.by_document.recall[1][1].count == 3
        assert report.by_document.mrr == 1
        assert report.by_passage.recall[0][1] == Share(1, 1)

    def test_answers_are_those_of_the_articles(self, report):
        # The question with a source only has no gold: it counts for retrieval.
        assert report.exact == Share(3, 3)
        assert report.f1.value == pytest.approx(1)
        assert report.holding == Share(3, 3)
        assert report.evidence == Share(3, 3)
        assert report.citations.value == 1
        assert report.citations.total >= 5

    def test_refusals_and_confidence(self, report):
        assert report.refused == Share(1, 1)
        assert report.refused_wrongly == Share(0, 4)
        assert report.auc == 1
        # Of four that can be judged, the one without an answer has the least confidence.
        assert report.selection.risks == (
            *((0.5, Share(0, 2)), (0.8, Share(1, 4)), (1.0, Share(1, 4))),
        )
        assert report.selection.area == pytest.approx(1 / 16)
        assert 0 < report.calibration < 1
        assert 0 < report.latency.p50 <= report.latency.p90 <= report.latency.p99
        assert report.missed == ()

    def test_values_are_json(self, report, tmp_path):
        with (tmp_path / "report.json").open("w", encoding="utf-8") as stream:
            write_json(report.values(), stream)
        values = json.loads((tmp_path / "report.json").read_text("utf-8"))
        assert values["exact"] == {"value": 1, "count": 3, "total": 3}
        assert values["by_document"]["R@5"] == {"value": 1, "count": 3, "total": 3}
        assert values["by_document"]["MRR@10"] == 1
        assert values["selection"]["risk@80%"] == {"value": 0.25, "count": 1, "total": 4}
        assert set(values["latency"]) == {"p50", "p90", "p99"}
        assert values["missed"] == []

    def test_text_is_a_table_with_counts(self, report):
        lines = report.text().splitlines()
        assert lines[0].endswith("问题.jsonl(自己的问题):5 问")
        assert lines[1].startswith("3 篇、")
        table = [line for line in lines[3:] if line]
        assert table[0].split() == ["找到文章", "R@1", "100.0%", "3/3"]
        assert any(line.split() == ["与标准答案重合(F1)", "100.0%", "3/3"] for line in table)
        assert any(
            line.split() == ["把握", "分得清有无答案(AUC)", "1.000", "4×1"] for line in table
        )
        counted = [line for line in table if line[-1].isdigit() and ("/" in line or "×" in line)]
        assert len({width(line) for line in counted}) == 1
        assert [heading for heading, _ in groupby(line.split()[0] for line in table)].count(
            "回答"
        ) == 1

    def test_missed_questions_are_told_with_the_reason(self, report):
        several = tuple((f"第{n}问\n?", "原句不对") for n in range(12))
        text = replace(report, missed=several).text()
        assert "没答对的 12 问" in text
        assert "  第0问 ?(原句不对)\n" in text
        assert "第9问" in text
        assert "第10问" not in text

    def test_wrong_answers_are_found_out(self, index, own):
        report = evaluate(
            own(
                {**OWN[0], "answers": ["99公里"], "evidence": "没有这一句"},
                {**OWN[1], "source": "图书馆.txt"},  # The right sentence, the wrong document.
                {"question": OWN[2]["question"]},  # Answered, though it should not be.
                {"question": "上海迪士尼的门票多少钱?", "answers": ["399元"]},
            ),
            index=index,
        )
        assert [why for _, why in report.missed] == [
            *("原句不对", "原句不对", "没有答案却作答", "误答未找到")
        ]
        assert report.by_document.recall[0][1] == Share(1, 2)
        assert report.by_passage.recall[2][1] == Share(0, 1)
        assert report.evidence == Share(0, 3)
        assert report.exact == Share(1, 3)
        assert (report.refused, report.refused_wrongly) == (Share(0, 1), Share(1, 3))
        assert report.auc < 1
        assert report.selection.risks[-1] == (1.0, Share(4, 4))

    @pytest.mark.parametrize("name", ["修路.txt", "./文章/修路.txt", r"文章\修路.txt", "absolute"])
    def test_a_source_goes_by_name_or_path(self, index, own, name):
        name = str(index.parent / "文章" / "修路.txt") if name == "absolute" else name
        report = evaluate(own({**OWN[0], "source": name}), index=index)
        assert report.by_document.recall[0][1] == Share(1, 1)
        assert report.missed == ()

    def test_a_source_may_be_a_record(self, prepared, own, tmp_path):
        records = [{"id": str(n), "text": text} for n, text in enumerate(ARTICLES.values())]
        corpus = tmp_path / "news.jsonl"
        corpus.write_text("\n".join(json.dumps(record) for record in records), "utf-8")
        (tmp_path / "index").mkdir()
        (tmp_path / "index" / "models").symlink_to(prepared.parent)
        QA.build([corpus], index=tmp_path / "index").close()
        file = own({**OWN[0], "source": "news.jsonl#0"}, {**OWN[1], "source": "news.jsonl"})
        report = evaluate(file, index=tmp_path / "index")
        assert report.by_document.recall[0][1] == Share(2, 2)
        assert report.missed == ()
        with pytest.raises(InputError, match=r"第 1 行的 source 不在索引里:news\.jsonl#9"):
            evaluate(own({**OWN[0], "source": "news.jsonl#9"}), index=tmp_path / "index")

    def test_a_sample_is_the_same_every_time(self, index, own):
        wrong = [{**question, "answers": [], "source": ""} for question in OWN[:4]]
        wrong = [{"question": question["question"]} for question in wrong]
        reports = [evaluate(own(*wrong), index=index, limit=2) for _ in range(2)]
        assert reports[0].missed == reports[1].missed
        assert [report.questions for report in reports] == [2, 2]
        assert evaluate(own(*wrong), index=index, limit=9).questions == 4

    def test_only_retrieval_is_told_where_no_answer_is_known(self, index, own):
        report = evaluate(own(OWN[3]), index=index)
        assert report.exact.value is report.evidence.value is report.auc is None
        assert report.selection is report.calibration is report.by_passage is None
        assert "EM" not in report.text()
        assert "AUC" not in report.text()


class TestSquad:
    def test_contexts_become_the_corpus(self, index, tmp_path):
        road, complaints, library = ARTICLES.values()
        path = squad(
            tmp_path / "dev.json.gz",
            {
                "context": road,
                "qas": [
                    {"id": "1", "question": OWN[0]["question"],
                     "answers": [{"text": "56公里", "answer_start": 17}] * 2},
                    {"id": "2", "question": "甲县的县长叫什么名字?", "is_impossible": True,
                     "answers": [], "plausible_answers": [{"text": "王"}]},
                    {"id": "3", "question": " ", "answers": [{"text": "无"}]},
                ],
            },
            {"context": complaints, "qas": [
                {"id": "4", "question": OWN[1]["question"], "answers": [{"text": "129件"}]},
            ]},
            {"context": road, "qas": []},
            {"context": library, "qas": []},
        )  # fmt: skip
        before = sorted(index.rglob("*"))
        stages = []
        report = evaluate(path, index=index, progress=lambda stage, *_: stages.append(stage))
        assert (report.form, report.documents, report.questions, report.skipped) == (
            *("squad", 3, 3, 1),
        )
        assert report.by_document.recall[0][1] == Share(2, 2)
        assert report.by_passage is None
        assert report.exact == report.evidence == report.holding == Share(2, 2)
        assert report.refused.total == 1
        assert report.citations.value == 1
        assert "略过 1 个" in report.text()
        # The prepared model was lent, and nothing else was touched.
        assert "加载模型" not in stages
        assert stages[-1] == "提问"
        assert sorted(index.rglob("*")) == before

    def test_the_corpus_stays_whole_in_a_sample(self, index, tmp_path):
        paragraphs = [
            {"context": text, "qas": [{"question": own["question"], "answers": [{"text": "1"}]}]}
            for text, own in zip(ARTICLES.values(), OWN, strict=False)
        ]
        report = evaluate(squad(tmp_path / "dev.json", *paragraphs), index=index, limit=1)
        assert (report.documents, report.questions) == (3, 1)

    def test_a_model_is_copied_where_no_link_can_be_made(self, prepared, tmp_path, monkeypatch):
        # Without an index, too: the default one may hold no more than a model.
        (tmp_path / "default").mkdir()
        (tmp_path / "default" / "models").symlink_to(prepared.parent)
        paragraph = {"context": ARTICLES["修路.txt"], "qas": [{"question": OWN[0]["question"]}]}
        path = squad(tmp_path / "dev.json", paragraph)

        def refused(*_, **__):
            raise OSError("a privilege is missing")

        monkeypatch.setattr("qa.evaluate.default_index", lambda: tmp_path / "default")
        monkeypatch.setattr(Path, "symlink_to", refused)
        stages = []
        report = evaluate(path, progress=lambda stage, *_: stages.append(stage))
        assert report.missed == ((OWN[0]["question"], "没有答案却作答"),)
        assert "加载模型" not in stages

    def test_an_index_that_is_named_must_be_there(self, tmp_path):
        paragraph = {"context": "甲。", "qas": [{"question": "甲?", "answers": [{"text": "甲"}]}]}
        path = squad(tmp_path / "dev.json", paragraph)
        with pytest.raises(IndexMissing):
            evaluate(path, index=tmp_path / "nothing")


class TestBeir:
    @pytest.fixture
    def folder(self, tmp_path):
        folder = tmp_path / "beir"
        (folder / "qrels").mkdir(parents=True)
        records = [
            {"_id": f"文#{n}", "title": "", "text": text}
            for n, text in enumerate(ARTICLES.values())
        ]
        queries = [
            {"_id": "q1", "text": OWN[0]["question"]},
            {"_id": "q2", "text": OWN[1]["question"]},
            {"_id": "q3", "text": "没有评判的问题"},
        ]
        for name, lines in (("corpus", records), ("queries", queries)):
            text = "\n".join(json.dumps(line) for line in lines)
            (folder / f"{name}.jsonl").write_text(text + "\n", "utf-8")
        (folder / "qrels" / "test.tsv").write_text(
            "query-id\tcorpus-id\tscore\r\nq1\t文#0\t2\r\nq1\t文#2\t0\r\n"
            "q2\t文#1\t1\r\nq2\tgone\t1\r\n",
            "utf-8",
        )
        (folder / "qrels" / "train.tsv").write_text("q3\t文#0\t1\n", "utf-8")
        return folder

    def test_retrieval_is_measured_and_nothing_else(self, index, folder):
        report = evaluate(folder, index=index)
        assert (report.form, report.documents, report.questions) == ("beir", 3, 2)
        # One of the two that answer q2 is not in the corpus.
        recall = [share.count for _, share in report.by_document.recall]
        assert recall == pytest.approx([1.5, 1.5, 1.5])
        assert report.by_document.mrr == 1
        ndcg = 1 / (1 + 1 / math.log2(3))
        assert report.by_document.ndcg == pytest.approx((1 + ndcg) / 2)
        assert report.exact.total == report.citations.total == report.refused.total == 0
        assert report.selection is report.auc is None
        text = report.text()
        assert "(BEIR):2 问" in text
        assert "75.0%  1.5/2" in text
        assert "回答" not in text

    def test_other_judgments_count_where_there_is_no_test_set(self, folder):
        (folder / "qrels" / "test.tsv").unlink()
        assert [question.text for question in read(folder).questions] == ["没有评判的问题"]

    @pytest.mark.parametrize(
        ("name", "content", "message"),
        [
            ("corpus.jsonl", None, "不是 BEIR 文件夹:没有 corpus.jsonl"),
            ("qrels/test.tsv", "q1\t文#0\t多\n", "test.tsv 第 1 行不合用"),
            ("qrels/test.tsv", "query-id\tcorpus-id\tscore\nq1\n", "test.tsv 第 2 行不合用"),
            ("qrels/test.tsv", "q9\t文#0\t1\n", "没有可以提的问题"),
            ("queries.jsonl", '{"_id": "q1", "text": "甲"}\n{"_id": 1}\n', "第 2 行不合用"),
        ],
    )
    def test_what_is_wrong_is_told(self, folder, name, content, message):
        if content is None:
            (folder / name).unlink()
        else:
            (folder / name).write_text(content, "utf-8")
        with pytest.raises(InputError, match=message):
            read(folder)

    def test_a_folder_without_judgments(self, folder):
        for path in folder.glob("qrels/*"):
            path.unlink()
        with pytest.raises(InputError, match=r"没有 qrels/\*\.tsv"):
            read(folder)


class TestBadInput:
    @pytest.mark.parametrize(
        ("content", "message"),
        [
            (b"", "是空的"),
            (b" \n ", "是空的"),
            (b"what?\n", "看不出"),
            (b"[1, 2]", "看不出"),
            (b'{"data": 1}', "看不出"),
            (b"[" * 100_000, "看不出"),
            (b'{"data": []}', "没有可以提的问题"),
            (b'{"data": [{"paragraphs": []}, {"title": 1}]}', "第 2 篇不合 SQuAD"),
            (b'{"data": [{"paragraphs": [{"context": 1, "qas": []}]}]}', "第 1 篇"),
            (b'{"data": [{"paragraphs": [{"context": "a", "qas": [{}]}]}]}', "第 1 篇"),
            ('{"question": "甲?"}\n\n{坏'.encode(), "第 3 行不是合用的 JSON"),
            ('{"question": "甲?"}\n3'.encode(), "第 2 行不是合用的 JSON"),
            ('{"question": "甲?"}\n{"question": ""}'.encode(), "第 2 行:问题是空的"),
            ('{"question": "甲?"}\n{"questoin": "乙?"}'.encode(), "第 2 行:问题是空的"),
            (b'{"question": "?!"}', "第 1 行:问题里没有可以查找的字词"),
            ('{"question": "甲?", "answers": "乙"}'.encode(), "第 1 行有一项不是文字"),
            ('{"question": "甲?", "answers": [1]}'.encode(), "第 1 行有一项不是文字"),
            ('{"question": "甲?", "source": 1}'.encode(), "第 1 行有一项不是文字"),
            (b'{"question": 1}', "第 1 行有一项不是文字"),
        ],
    )  # fmt: skip
    def test_what_is_wrong_is_told(self, tmp_path, content, message):
        path = tmp_path / "questions"
        path.write_bytes(content)
        with pytest.raises(InputError, match=message) as caught:
            read(path)
        assert caught.value.advice

    @pytest.mark.parametrize(
        "content",
        [b"\x1f\x8bbroken", gzip.compress(b"x" * 99, mtime=0)[:-9], b"\x00\xff\x00\x80" * 9],
    )
    def test_a_file_that_cannot_be_read(self, tmp_path, content):
        path = tmp_path / "questions.gz"
        path.write_bytes(content)
        with pytest.raises(FileError, match="读不了"):
            read(path)
        with pytest.raises(FileError, match=r"读不了.*nothing:不存在"):
            read(tmp_path / "nothing")

    def test_a_file_that_is_too_large(self, tmp_path, monkeypatch):
        monkeypatch.setattr("qa.questions.MAX_BYTES", 1 << 20)
        path = tmp_path / "questions.gz"
        path.write_bytes(gzip.compress(bytes(2 << 20)))
        with pytest.raises(FileError, match="超过 1 MB"):
            read(path)

    def test_questions_in_gbk_are_read(self, tmp_path):
        path = tmp_path / "questions.jsonl"
        lines = [json.dumps(question, ensure_ascii=False) for question in OWN]
        path.write_bytes("\r\n".join(lines).encode("gbk"))
        assert [question.text for question in read(path).questions] == [q["question"] for q in OWN]

    def test_a_source_that_is_not_in_the_index(self, index, own):
        with pytest.raises(InputError, match=r"第 3 行的 source 不在索引里:修桥\.txt"):
            evaluate(own(OWN[0], {**OWN[1], "source": "修桥.txt"}), index=index)

    def test_the_extra_is_named_before_the_work(self, monkeypatch):
        monkeypatch.setitem(sys.modules, "ir_measures", None)
        with pytest.raises(QAError, match=r"wenju\[eval\]"):
            evaluate("/nowhere")


def test_importing_it_loads_nothing_heavy():
    script = (
        "import sys, qa.evaluate\n"
        "heavy = {'torch', 'transformers', 'sentence_transformers', 'faiss', 'jieba', 'tantivy',\n"
        "         'onnxruntime', 'opencc', 'rich', 'scipy', 'ir_measures', 'pytrec_eval'}\n"
        "sys.exit(', '.join(heavy & set(sys.modules)) or 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        check=False,
        cwd=Path(__file__).parents[1],
    )
    assert done.returncode == 0, done.stderr.decode()
