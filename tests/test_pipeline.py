"""QA as a programmer uses it: ask, look up, verify, and share it between threads."""

import json
import os
import shlex
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qa import QA
from qa.conversation import LONGEST_QUESTION, checked
from qa.corpus.chunk import passages
from qa.errors import CitationError, IndexMissing, InputError, ModelError, QAError
from qa.index.catalog import Catalog, CatalogWriter
from qa.index.store import IndexFolder
from qa.pipeline import locate
from qa.reader.citations import Standing, cite
from qa.render import show_command
from qa.text import spelled, squeeze
from qa.types import Document, Hit

SEEDS = Path(__file__).parents[1] / "seeds"
PAGE = "沙湖镇年鉴\r\n\r\n沙湖镇有四座水厂。\r\n全镇有两所小学,\r\n一所中学。\r\n"
FILES = ("dense.faiss", "catalog.sqlite")
RECORDS = [
    {
        "id": "白马",
        "title": "白马镇",
        "text": "白马镇有五座桥。\n桥都是石头的。",
        "date": "2024-5-6",
    },
    {"id": "青龙", "title": "青龙镇", "text": "青龙镇有七座塔。"},
]


def index(folder, prepared):
    """An empty folder for an index, in which the model is ready."""
    if not folder.exists():
        folder.mkdir()
        (folder / "models").symlink_to(prepared.parent)
    return folder


@pytest.fixture(scope="module")
def qa(prepared, tmp_path_factory):
    """The seeds; tests/query opens the same index."""
    place = tmp_path_factory.getbasetemp() / "seeds-index"
    return QA.build([SEEDS], index=index(place, prepared))


@pytest.fixture(scope="module")
def folder(prepared, tmp_path_factory):
    """A page with Windows' line ends and a file of records, with the index of both."""
    folder = tmp_path_factory.mktemp("small")
    (folder / "库").mkdir()
    (folder / "库" / "年鉴.txt").write_bytes(PAGE.encode())
    lines = [json.dumps(record, ensure_ascii=False) for record in RECORDS]
    (folder / "库" / "镇.jsonl").write_text("\n".join(["", *lines]), "utf-8")
    QA.build([folder / "库"], index=index(folder / "index", prepared))
    return folder


@pytest.fixture(scope="module")
def small(folder):
    return QA.open(folder / "index")


class TestAsking:
    def test_an_answer_stands_in_its_evidence_and_the_evidence_in_the_file(self, qa):
        answer = qa.ask("2024年受理了多少件环境投诉?")
        assert (answer.text, answer.abstained) == ("129件", False)
        assert answer.text in answer.evidence
        assert squeeze("".join(c.quote for c in answer.citations)) == squeeze(answer.evidence)
        for citation in answer.citations:
            page = Path(citation.path).read_text("utf-8")
            assert squeeze(page[slice(*citation.span)]) == squeeze(citation.quote)
            rows = page.split("\n")[citation.lines[0] - 1 : citation.lines[1]]
            assert squeeze(citation.quote) in squeeze("".join(rows))
            assert qa.verify(citation) is Standing.HOLDS

    def test_the_question_is_kept_as_it_was_asked(self, qa):
        assert qa.ask("  柏子橋路全長多少公里?\n").question.strip() == "柏子橋路全長多少公里?"

    def test_not_found_is_an_answer(self, qa):
        answer = qa.ask("苹果公司的股价是多少美元?")
        assert answer.abstained
        assert answer.text == ""
        assert 0 <= answer.confidence < 0.5
        assert len(answer.hits) == 5

    def test_k_is_how_many_passages_are_looked_at(self, qa):
        assert len(qa.ask("下庄村党支部书记是谁?", k=2).hits) == 2
        assert len(qa.search("下庄村党支部书记是谁?", k=9)) == 9

    @pytest.mark.parametrize("k", [-1, -20])
    def test_less_than_one_passage_is_refused(self, qa, k):
        with pytest.raises(InputError):
            qa.search("下庄村党支部书记是谁?", k)

    def test_eight_threads_get_the_answers_that_one_gets(self, qa):
        questions = [
            "2024年受理了多少件环境投诉?",
            "鄰水縣綜合行政執法局的工作理念是什麼?",
            "Who is the general manager of the valve company in Qingdao?",
            "下庄村党支部书记是谁?",
            "柏子桥路全长多少公里?",
            "GDP 是多少?",
            "青岛精锐机械制造有限公司总经理是谁?",
            "火星上有水吗?",
        ] * 4
        # A fresh one, whose whole vocabulary is not read yet.
        fresh = QA.open(qa.generation.parent)
        with ThreadPoolExecutor(8) as threads:
            together = list(threads.map(fresh.ask, questions))
        assert together == [qa.ask(question) for question in questions]

    def test_a_question_loads_neither_torch_nor_jieba_s_dictionary(self, folder):
        program = """
import json, sys
from qa import QA
qa = QA.open(sys.argv[1])
print(qa.ask("沙湖镇有几座水厂?").text, qa.ask("How many bridges are there?").question)
from qa.text import segmenter
print(json.dumps([[name for name in sys.modules if "." not in name], segmenter.cache_info()[3]]))
"""
        run = subprocess.run(
            [sys.executable, "-c", program, folder / "index"],
            cwd=SEEDS.parent,
            env={**os.environ, "PYTHONIOENCODING": "utf-8"},
            capture_output=True,
            encoding="utf-8",
            check=True,
        )
        answer, loaded = run.stdout.splitlines()
        modules, dictionaries = json.loads(loaded)
        assert answer == "四座 How many bridges are there?"
        assert not {"torch", "transformers", "sentence_transformers"} & set(modules)
        assert dictionaries == 0
        assert run.stderr == ""


class TestQuestions:
    @pytest.mark.parametrize("question", ["", " ", "\n\t", "\u3000", "\r\n"])
    def test_an_empty_question(self, question):
        with pytest.raises(InputError, match="空") as caught:
            checked(question)
        assert caught.value.advice

    @pytest.mark.parametrize("question", ["😀😀", "???", "……!", "-", "\u200b", "\0", "※★", "“”"])
    def test_a_question_without_any_word(self, question):
        with pytest.raises(InputError, match="没有可以查找的字词"):
            checked(question)

    def test_a_question_that_is_too_long(self):
        assert checked("水" * LONGEST_QUESTION) == "水" * LONGEST_QUESTION
        with pytest.raises(InputError, match=str(LONGEST_QUESTION + 1)):
            checked("水" * (LONGEST_QUESTION + 1))

    def test_white_space_around_it_does_not_count(self):
        assert checked(f"{' ' * 3000}谁?\n") == "谁?"

    @pytest.mark.parametrize("question", ["谁", "a", "7", "𠮷?", "😀a", "Ⅷ", "é"])
    def test_one_letter_or_digit_is_enough(self, question):
        assert checked(question) == question

    def test_asking_and_searching_check_it(self, small):
        for refused in (small.ask, small.search):
            with pytest.raises(InputError):
                refused("😀😀")

    def test_half_a_character_pair_is_refused(self, small):
        with pytest.raises(InputError):
            small.ask("沙湖镇\ud83d有几座水厂?")


class TestLocate:
    @pytest.fixture
    def page(self, folder):
        return f"{folder.as_posix()}/库/年鉴.txt"

    @pytest.fixture
    def records(self, folder):
        return f"{folder.as_posix()}/库/镇.jsonl"

    def test_a_line(self, small, page):
        found = small.locate(f"{page}:3")
        assert found.quote.strip() == "沙湖镇有四座水厂。"
        assert found.lines == (3, 3)
        assert (found.path, found.title) == (page, "沙湖镇年鉴")
        assert PAGE[slice(*found.span)] == found.quote
        assert small.verify(found) is Standing.HOLDS

    def test_several_lines(self, small, page):
        found = small.locate(f" {page}:3-5\n")
        assert squeeze(found.quote) == "沙湖镇有四座水厂。全镇有两所小学,一所中学。"
        assert found.lines == (3, 5)

    def test_the_whole_file(self, small, page):
        assert small.locate(f"{page}:1-6").span == (0, len(PAGE))

    def test_characters(self, small, page):
        start = PAGE.index("两所")
        found = small.locate(f"{page}@{start}-{start + 4}")
        assert (found.quote, found.span, found.lines) == ("两所小学", (start, start + 4), (4, 4))

    def test_what_an_answer_cites_can_be_looked_up(self, small):
        (cited, *_) = small.ask("沙湖镇有几座水厂?").citations
        start, end = cited.span
        assert small.locate(f"{cited.path}@{start}-{end}").quote == cited.quote
        assert cited.quote in small.locate(f"{cited.path}:{cited.lines[0]}").quote

    def test_a_record_by_its_line(self, small, records):
        found = small.locate(f"{records}:3")
        assert found.document_id == f"{records}#青龙"
        assert (found.quote, found.title, found.lines) == ("青龙镇有七座塔。", "青龙镇", (3, 3))
        assert small.locate(f"{records}:2").date == "2024-05-06"
        assert small.verify(found) is Standing.HOLDS

    def test_what_an_answer_cites_of_a_record_can_be_looked_up(self, small):
        (cited, *_) = small.ask("青龙镇有几座塔?").citations
        assert cited.quote == "青龙镇有七座塔。"
        start, end = cited.span
        places = [f"{cited.path}@{start}-{end}", f"{cited.document_id}@{start}-{end}"]
        assert cited.quote in [small.locate(place).quote for place in places]

    @pytest.mark.parametrize(
        "place",
        ["", "年鉴.txt", "年鉴.txt:", "年鉴.txt:三", "年鉴.txt@3", "年鉴.txt:1-", ":3", "@1-2"],
    )
    def test_what_is_no_place(self, small, place):
        with pytest.raises(CitationError, match="看不懂") as caught:
            small.locate(place)
        assert place in caught.value.message
        assert "文件:行" in caught.value.advice

    def test_a_file_that_is_not_in_the_index(self, small):
        with pytest.raises(CitationError, match=r"别的\.txt") as caught:
            small.locate("别的.txt:1")
        assert caught.value.advice

    @pytest.mark.parametrize("place", [":7", ":3-9", ":5-3", ":2", ":999999999999"])
    def test_lines_that_are_not_there(self, small, page, place):
        with pytest.raises(CitationError) as caught:
            small.locate(page + place)
        assert caught.value.message
        assert caught.value.advice

    def test_lines_count_from_one(self, small, page):
        with pytest.raises(CitationError):
            small.locate(f"{page}:0")

    @pytest.mark.parametrize(
        "place",
        [
            ":1",
            ":4",
            pytest.param(
                ":2-4",
            ),
        ],
    )
    def test_records_that_are_not_there(self, small, records, place):
        with pytest.raises(CitationError):
            small.locate(records + place)

    @pytest.mark.parametrize("place", ["@0-0", "@5-4", "@0-999", "@999-1000"])
    def test_characters_that_are_not_there(self, small, page, place):
        with pytest.raises(CitationError, match=place) as caught:
            small.locate(page + place)
        assert str(len(PAGE)) in caught.value.advice

    @settings(deadline=None, max_examples=60)
    @given(
        name=st.text(st.sampled_from("甲 -@:#1'\"$`\\\t"), min_size=1),
        lines=st.lists(
            st.sampled_from(["沙湖镇有四座水厂。", "图为水厂。", "全镇有两所", "小学。", ""])
        ),
        record=st.integers(0, 3),
    )
    def test_the_command_that_is_shown_for_a_citation_finds_it(
        self, tmp_path_factory, name, lines, record
    ):
        written = "\r\n".join(["沙湖镇年鉴", "沙湖镇有山。", *lines])
        path = spelled(name)
        document = Document(f"{path}#1" if record else path, path, "", written, "utf-8", {}, record)
        found = passages(document)
        place = tmp_path_factory.mktemp("catalog") / "catalog.sqlite"
        writer = CatalogWriter(place)
        writer.add_document(document, found, [b""] * len(found))
        writer.commit()
        writer.close()
        catalog = Catalog(place)
        for passage in found:
            whole = [(0, len(passage.text))]
            for cited in cite(document, Hit(passage, path, (1, 1), 1.0, 1, {}, {}), whole):
                *_, where = shlex.split(show_command(cited, ""))
                shown = locate(catalog, where)
                assert (shown.document_id, shown.span, shown.lines, shown.title) == (
                    cited.document_id,
                    cited.span,
                    cited.lines,
                    cited.title,
                )
                assert squeeze(shown.quote) == squeeze(cited.quote)
        catalog.close()

    def test_a_number_of_thousands_of_digits(self, small, page):
        with pytest.raises(CitationError):
            small.locate(f"{page}:{'9' * 5000}")


class TestVerify:
    @pytest.fixture
    def own(self, folder, prepared, tmp_path):
        """An index over files that a test may change."""
        shutil.copytree(folder / "库", tmp_path / "库")
        return QA.build([tmp_path / "库"], index=index(tmp_path / "index", prepared))

    def test_what_became_of_a_quotation(self, own, tmp_path):
        (cited,) = own.ask("沙湖镇有几座水厂?").citations
        page = tmp_path / "库" / "年鉴.txt"
        assert cited.path == page.as_posix()
        assert own.verify(cited) is Standing.HOLDS
        page.write_bytes((PAGE + "后来添的话。").encode("gb18030"))
        assert own.verify(cited) is Standing.HOLDS
        page.write_bytes(PAGE.replace("四座", "六座").encode())
        assert own.verify(cited) is Standing.CHANGED
        page.write_bytes(b"\0\1\2")
        assert own.verify(cited) is Standing.GONE
        page.unlink()
        assert own.verify(cited) is Standing.GONE

    def test_a_file_that_left_the_index(self, own, small, folder):
        (cited,) = small.ask("沙湖镇有几座水厂?").citations
        assert own.verify(cited) is Standing.GONE

    def test_it_does_not_matter_where_one_stands(self, prepared, tmp_path, monkeypatch):
        (tmp_path / "年鉴.txt").write_bytes(PAGE.encode())
        monkeypatch.chdir(tmp_path)
        qa = QA.build(["年鉴.txt"], index=index(tmp_path / "index", prepared))
        (cited,) = qa.ask("沙湖镇有几座水厂?").citations
        assert cited.path == "年鉴.txt"
        monkeypatch.chdir("/")
        assert qa.verify(cited) is Standing.HOLDS
        assert qa.locate("年鉴.txt:3").quote.strip() == "沙湖镇有四座水厂。"


class TestOpening:
    def test_no_index(self, tmp_path):
        with pytest.raises(IndexMissing, match="index"):
            QA.open(tmp_path / "index")

    def test_no_model(self, folder, tmp_path):
        shutil.copytree(folder / "index", tmp_path / "index", symlinks=True)
        (tmp_path / "index" / "models").unlink()
        with pytest.raises(ModelError) as caught:
            QA.open(tmp_path / "index")
        assert caught.value.advice

    def test_a_path_that_does_not_exist_makes_no_index(self, tmp_path):
        with pytest.raises(InputError, match="没有这样的"):
            QA.build([tmp_path / "没有这样的"], index=tmp_path / "index")
        assert not (tmp_path / "index").exists()

    @pytest.mark.parametrize(
        ("name", "damage"),
        [
            *((name, damage) for name in FILES for damage in ("gone", "short")),
            ("dense.faiss", "scrambled"),
            ("catalog.sqlite", "scrambled"),
        ],
    )
    def test_a_damaged_file_gives_an_error_of_ours(self, folder, tmp_path, name, damage):
        shutil.copytree(folder / "index", tmp_path / "index", symlinks=True)
        file = IndexFolder(tmp_path / "index").current()[0] / name
        size = file.stat().st_size
        if damage == "gone":
            file.unlink()
        else:
            file.write_bytes(b"\xa5" * (size if damage == "scrambled" else size // 2))
        with pytest.raises(QAError) as caught:
            QA.open(tmp_path / "index")
        assert caught.value.exit_code == 7
        assert "重建" in caught.value.advice

    def test_an_index_that_is_swapped_while_it_is_opened(self, folder, prepared, tmp_path):
        shutil.copytree(folder / "库", tmp_path / "库")
        place = index(tmp_path / "index", prepared)
        QA.build([tmp_path / "库"], index=place)

        class Swapped(IndexFolder):
            """Another process is done with a new generation right after CURRENT was read."""

            def current(self):
                generation, manifest = super().current()
                if manifest.number == 1:
                    (tmp_path / "库" / "新.txt").write_text("新桥镇有三座塔。", "utf-8")
                    QA.build([tmp_path / "库"], index=place)
                return generation, manifest

        assert QA(Swapped(place)).ask("沙湖镇有几座水厂?").text == "四座"


@pytest.mark.skipif(os.name == "nt", reason="links need rights there")
def test_the_same_file_by_two_names_is_there_once(folder, prepared, tmp_path):
    (tmp_path / "库").symlink_to(folder / "库")
    paths = [folder / "库", tmp_path / "库", folder / "库" / "年鉴.txt"]
    qa = QA.build(paths, index=index(tmp_path / "index", prepared))
    assert qa.manifest.documents == 3  # The almanac, and two records.
