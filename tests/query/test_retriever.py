"""With the real model over the seeds: what a question finds, in either script, and why."""

from pathlib import Path

import numpy as np
import pytest

from qa import QA
from qa.index.tokens import content_bigrams
from qa.query.retriever import SENTENCE_WEIGHT
from qa.text import coverage, fold, sentences, squeeze

SEEDS = Path(__file__).parents[2] / "seeds"


@pytest.fixture(scope="module")
def qa(prepared, tmp_path_factory):
    """The seeds; tests/test_pipeline.py opens the same index."""
    index = tmp_path_factory.getbasetemp() / "seeds-index"
    if not index.exists():
        index.mkdir()
        (index / "models").symlink_to(prepared.parent)
    return QA.build([SEEDS], index=index)


def file(hit):
    return Path(hit.path).name[:3]


QUESTIONS = [
    ("2024年受理了多少件环境投诉?", "2024年受理了多少件環境投訴?", "000", "受理"),
    ("城东街道的污水管网堵塞怎么解决?", "城東街道的污水管網堵塞怎麼解決?", "000", "污水管网"),
    ("青岛精锐机械公司的总经理是谁?", "青島精銳機械公司的總經理是誰?", "001", "张文利"),
    ("邻水县综合行政执法局的工作理念", "鄰水縣綜合行政執法局的工作理念", "002", "工作理念"),
    ("下庄村党支部书记是谁?", "下莊村黨支部書記是誰?", "003", "毛相林"),
    ("柏子桥路全长多少公里?", "柏子橋路全長多少公里?", "004", "2.35公里"),
]


@pytest.mark.parametrize(("simplified", "traditional", "page", "there"), QUESTIONS)
class TestBothScripts:
    def test_the_passage_that_answers_comes_first(self, qa, simplified, traditional, page, there):
        for question in (simplified, traditional):
            best = qa.search(question)[0]
            assert file(best) == page
            assert there in best.passage.text

    def test_the_script_makes_no_difference(self, qa, simplified, traditional, page, there):
        assert qa.search(traditional, 10) == qa.search(simplified, 10)


def test_traditional_text_is_shown_as_it_stands(qa):
    text = qa.search("邻水县综合行政执法局")[0].passage.text
    assert "鄰水縣綜合行政執法局" in text


def test_full_width_and_upper_case_make_no_difference(qa):
    assert qa.search("ＡＰＰ有哪些?２０２４年") == qa.search("app有哪些?2024年")


@pytest.mark.parametrize("question", [q for pair in QUESTIONS for q in pair[:2]] + ["水", "GDP 5"])
class TestEachHit:
    def test_shares_add_up_to_the_score(self, qa, question):
        for hit in qa.search(question, 20):
            assert hit.score == pytest.approx(sum(hit.shares.values()), abs=1e-9)
            assert set(hit.shares) <= {"dense", "words", "bigrams", "sentence"}
            assert {"dense", "sentence"} <= set(hit.shares)

    def test_ranks_count_from_one_down_the_scores(self, qa, question):
        hits = qa.search(question, 20)
        assert [hit.rank for hit in hits] == list(range(1, 21))
        assert [hit.score for hit in hits] == sorted((h.score for h in hits), reverse=True)
        assert len({hit.passage.id for hit in hits}) == 20

    def test_fewer_are_the_first_of_more(self, qa, question):
        assert qa.search(question, 3) == qa.search(question, 20)[:3]

    def test_the_cosine_is_that_of_the_model(self, qa, question):
        vectors = qa.retriever.dense.vectors(range(len(qa.retriever.dense)))
        rows = {part.id: row for row, part in enumerate(every_passage(qa))}
        vector = qa.retriever.embedder.encode_queries([fold(question)])[0]
        for hit in qa.search(question, 20):
            cosine = np.dot(vector, vectors[rows[hit.passage.id]])
            assert hit.raw["dense"] == pytest.approx(cosine, abs=1e-5)

    def test_what_a_leg_measured_is_told_only_where_it_found(self, qa, question):
        words = set(qa.retriever.words(fold(question)))
        for hit in qa.search(question, 20):
            seen = fold(" ".join((hit.passage.article.title, *hit.passage.headings)))
            seen += fold(hit.passage.text)
            assert ("words" in hit.raw) == (hit.raw.get("words", 0) > 0)
            if not any(word in seen for word in words):
                assert "words" not in hit.raw

    def test_the_place_is_where_the_passage_stands(self, qa, question):
        for hit in qa.search(question, 20):
            rows = Path(hit.path).read_text("utf-8").split("\n")[hit.lines[0] - 1 : hit.lines[1]]
            there, text = squeeze("".join(rows)), squeeze(hit.passage.text)
            assert text[:8] in there
            assert text[-8:] in there

    def test_the_sentence_share_is_the_best_coverage_by_one_sentence(self, qa, question):
        weights = qa.retriever.sparse.idf("bigrams", content_bigrams(fold(question)))
        for hit in qa.search(question, 20):
            text = hit.passage.text
            best = max(coverage(weights, fold(text[a:b])) for a, b in sentences(text))
            assert hit.shares["sentence"] == pytest.approx(SENTENCE_WEIGHT * best)


def test_a_passage_that_the_dense_leg_did_not_find_has_its_cosine_too(qa, monkeypatch):
    cosines = {h.passage.id: h.raw["dense"] for h in qa.search("环境投诉受理129件", 1000)}
    monkeypatch.setattr("qa.query.retriever.POOL", 5)
    hits = qa.search("环境投诉受理129件", 5)
    found = sorted(cosines, key=cosines.get)[-5:]
    assert {hit.passage.id for hit in hits} - set(found)
    assert {hit.passage.id: hit.raw["dense"] for hit in hits} == pytest.approx(
        {hit.passage.id: cosines[hit.passage.id] for hit in hits}, abs=1e-6
    )


def every_passage(qa):
    return [
        part
        for file in qa.catalog.files()
        for document in qa.catalog.documents_at(file.path)
        for part in qa.catalog.passages_of(document.id)
    ]


def test_a_sentence_of_a_page_finds_its_own_passage_first(qa):
    sought = [
        (part.id, part.text[start:end])
        for part in every_passage(qa)
        for start, end in sentences(part.text)
        if end - start >= 12
    ][::4]
    missed = [text for own, text in sought if qa.search(text, 1)[0].passage.id != own]
    assert len(sought) > 80
    assert len(missed) <= 0.03 * len(sought), missed


def test_english_finds_nothing_by_words_but_is_answered_by_the_dense_leg(qa):
    hits = qa.search("How was the blocked sewage pipe in the residential area repaired?")
    assert len(hits) == 5
    assert any("污水管网" in hit.passage.text for hit in hits)
    assert all(set(hit.raw) == {"dense"} for hit in hits)


def test_a_question_about_nothing_there_scores_lower_than_one_that_is_answered(qa):
    there = qa.search("下庄村党支部书记是谁?")[0].score
    assert qa.search("苹果公司的股价是多少美元?")[0].score < there / 2


def test_more_than_there_is_gives_everything_once(qa):
    hits = qa.search("环境投诉", 1000)
    assert sorted(hit.passage.id for hit in hits) == sorted(part.id for part in every_passage(qa))
    assert all("dense" in hit.raw for hit in hits)


def test_only_asking_words(qa):
    assert len(qa.search("是什么?")) == 5


@pytest.mark.parametrize(
    "question", ["a", "7", "水" * 2000, "水\0坝", "\u200b黔江\ufeff", "𠮷野家"]
)
def test_odd_questions_find_something_or_other(qa, question):
    hits = qa.search(question)
    assert len(hits) == 5
    assert all(np.isfinite(hit.score) for hit in hits)
