"""A search that is narrowed by date or source finds all that fits, and nothing else."""

import json

import numpy as np
import pytest

from qa import QA
from qa.errors import InputError
from qa.index import sparse
from qa.index.rows import Rows
from qa.index.tokens import bigrams

MONTHS = [f"{year}-{month:02}" for year in (2023, 2024) for month in range(1, 13)]
PAPERS = ("邻水日报", "鄰水晚報", "巫溪周刊")


@pytest.fixture(scope="module")
def qa(prepared, tmp_path_factory):
    """Of each month and paper a note on a bridge; one without a date, two with dates of no day."""
    folder = tmp_path_factory.mktemp("narrowed")
    (folder / "index").mkdir()
    (folder / "index" / "models").symlink_to(prepared.parent)
    records = [
        {
            "id": f"{paper}{month}",
            "text": f"青龙镇第{number}号桥完工,长{number * 3 + place}米。",
            "date": f"{month}-15",
            "publisher": paper,
        }
        for number, month in enumerate(MONTHS, 1)
        for place, paper in enumerate(PAPERS)
    ]
    records.append({"id": "无日期", "text": "青龙镇第99号桥完工,长999米。"})
    records += [
        {"id": day, "text": f"青龙镇的桥{day}通车。", "date": day}
        for day in ("1天前", "昨天 10:30")
    ]
    corpus = folder / "桥.jsonl"
    corpus.write_text("\n".join(json.dumps(r, ensure_ascii=False) for r in records), "utf-8")
    return QA.build([corpus], index=folder / "index")


def dates(hits):
    return {hit.passage.article.date for hit in hits}


def papers(hits):
    return {hit.passage.article.publisher for hit in hits}


QUESTION = "青龙镇的桥有多长?"


@pytest.mark.parametrize(
    ("since", "until", "first", "last", "count"),
    [
        ("2024", "", "2024-01-15", "2024-12-15", 36),
        ("", "2023", "2023-01-15", "2023-12-15", 36),
        ("2023-11", "2024-02", "2023-11-15", "2024-02-15", 12),
        ("2023-05-15", "2023-05-15", "2023-05-15", "2023-05-15", 3),
        ("2023-05-16", "2023-06-14", None, None, 0),
    ],
)
def test_all_texts_of_the_time_and_no_others_are_found(qa, since, until, first, last, count):
    if not count:
        with pytest.raises(InputError, match=f"{since}.*{until}"):
            qa.narrowed(since=since, until=until)
        return
    hits = qa.narrowed(since=since, until=until).search(QUESTION, 200)
    assert len(hits) == count
    assert (min(dates(hits)), max(dates(hits))) == (first, last)


def test_a_text_without_a_date_is_in_no_time_but_in_the_whole(qa):
    assert "" in dates(qa.search(QUESTION, 200))
    assert {"1天前", "昨天 10:30"} <= dates(qa.search(QUESTION, 200))
    for part in (qa.narrowed(until="2999"), qa.narrowed(since="1000")):
        assert not {"", "1天前", "昨天 10:30"} & dates(part.search(QUESTION, 200))


@pytest.mark.parametrize("name", ["邻水", "鄰水"])
def test_a_source_is_found_in_either_script(qa, name):
    assert papers(qa.narrowed(source=name).search(QUESTION, 200)) == {"邻水日报", "鄰水晚報"}


def test_a_source_may_be_part_of_the_path(qa):
    assert len(qa.narrowed(source="桥.jsonl").search(QUESTION, 200)) == 75


def test_time_and_source_narrow_together_and_answers_are_from_there(qa):
    part = qa.narrowed(since="2024-03", until="2024-03", source="巫溪")
    answer = part.ask(QUESTION)
    assert answer.text == "47米"
    assert {hit.passage.article.date for hit in answer.hits} == {"2024-03-15"}
    assert answer.citations[0].publisher == "巫溪周刊"


def test_the_whole_is_as_before(qa):
    before = qa.search(QUESTION, 5)
    qa.narrowed(source="巫溪")
    assert qa.search(QUESTION, 5) == before
    assert qa.narrowed().search(QUESTION, 5) == before


@pytest.mark.parametrize("day", ["去年", "2024-1", "2024/01", "24", "2024-01-01T00", "-2024"])
def test_a_date_in_another_form_is_refused_with_how_to_write_it(qa, day):
    with pytest.raises(InputError) as caught:
        qa.narrowed(since=day)
    assert day in caught.value.message
    assert "2025-07" in caught.value.advice


def test_nothing_that_fits_is_said_at_once(qa):
    with pytest.raises(InputError, match="来源 人民"):
        qa.narrowed(source="人民")


@pytest.mark.parametrize("named", [0, 2000])
def test_words_narrowed_score_as_in_the_whole(qa, monkeypatch, named):
    monkeypatch.setattr(sparse, "_NAMED", named)
    leg, terms = qa.retriever.sparse, bigrams("青龙镇第5号桥")
    whole = leg.search("bigrams", terms, 1000)
    allowed = Rows(range(0, 73, 5))
    inside = {row: score for row, score in whole.items() if row in allowed}
    assert leg.search("bigrams", terms, 1000, allowed) == pytest.approx(inside)
    few = leg.search("bigrams", terms, 3, allowed)
    assert list(few.values()) == pytest.approx(sorted(inside.values(), reverse=True)[:3])
    assert set(few) <= set(inside)


def test_rows_say_what_is_among_them():
    rows = Rows([9, 2, 2, 17])
    assert rows.numbers.tolist() == [2, 9, 17]
    assert [row for row in range(30) if row in rows] == [2, 9, 17]
    assert np.flatnonzero(np.unpackbits(rows.bits, bitorder="little")).tolist() == [2, 9, 17]
    assert len(Rows([])) == 0
    assert 0 not in Rows([])
