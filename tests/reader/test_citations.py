"""Every quotation stands at its place in the file, and is missed when it no longer does."""

import json
from pathlib import Path

import pytest

from qa.corpus.chunk import passages
from qa.corpus.load import SourceFile, load
from qa.errors import FileError
from qa.reader.citations import Standing, cite, standing
from qa.text import sentences, squeeze
from qa.types import Article, Document, Hit, Passage

SEEDS = sorted((Path(__file__).parents[2] / "seeds").glob("*.txt"))


def hit(passage, path="a.txt"):
    return Hit(passage, path, (1, 1), 1.0, 1, {}, {})


def loaded(path):
    return load(SourceFile(path.name, path))


def lines(document, span):
    first, last = (document.text[:place].count("\n") + 1 for place in (span[0], span[1] - 1))
    return first, last


@pytest.mark.parametrize("path", SEEDS, ids=lambda path: path.name[:3])
def test_every_sentence_of_every_passage_stands_where_its_citations_say(path):
    (document,) = loaded(path)
    count = 0
    for passage in passages(document):
        for start, end in sentences(passage.text):
            cited = cite(document, hit(passage, "库/a.txt"), [(start, end)])
            assert [one.marker for one in cited] == list(range(1, len(cited) + 1))
            assert squeeze("".join(one.quote for one in cited)) == squeeze(passage.text[start:end])
            for one in cited:
                assert squeeze(document.text[slice(*one.span)]) == squeeze(one.quote)
                assert not document.text[one.span[0]].isspace()
                assert not document.text[one.span[1] - 1].isspace()
                assert one.lines == lines(document, one.span)
                assert "\n" not in one.quote
                assert (one.document_id, one.path) == (document.id, "库/a.txt")
                assert standing(one, [document]) is Standing.HOLDS
            count += len(cited)
    assert count > 30


def torn():
    """The passage of a real page in which a caption stands in the middle of a sentence."""
    (document,) = loaded(SEEDS[0])
    (passage,) = (part for part in passages(document) if "实求是提出来" in part.text)
    (span,) = ((a, b) for a, b in sentences(passage.text) if "提出来" in passage.text[a:b])
    return document, passage, span


def test_a_torn_sentence_has_a_citation_for_each_piece():
    document, passage, span = torn()
    before, after = cite(document, hit(passage), [span])
    assert (before.marker, after.marker) == (1, 2)
    assert before.quote.endswith("实求是提")
    assert after.quote.startswith("出来……")
    assert after.quote.endswith("对辖区居民说。")
    assert "资料图" not in before.quote + after.quote
    assert "资料图" in document.text[before.span[1] : after.span[0]]
    rows = document.text.split("\n")
    assert rows[before.lines[1] - 1].endswith("实求是提")
    assert rows[after.lines[0] - 1].startswith("出来……")


def test_a_part_of_a_torn_sentence_cites_only_where_it_stands():
    document, passage, _ = torn()
    start = passage.text.index("网格员肖波")
    (one,) = cite(document, hit(passage), [(start, start + 5)])
    assert one.quote == document.text[slice(*one.span)] == "网格员肖波"


def test_every_quote_of_a_passage_has_its_own_marker():
    (document,) = loaded(SEEDS[4])
    passage = passages(document)[2]
    first, second, *_ = sentences(passage.text)
    cited = cite(document, hit(passage), [second, first])
    assert [one.marker for one in cited] == [1, 2]
    assert [one.quote for one in cited] == [passage.text[slice(*s)] for s in (second, first)]


def test_a_sentence_that_comes_twice_is_cited_where_it_was_found():
    text = "同一句话。\n别的话在中间。\n同一句话。"
    document = Document("a.txt", "a.txt", "", text, "utf-8")
    passage = Passage("a.txt@0", "a.txt", Article(), (), "body", text, ((0, len(text)),))
    (one,) = cite(document, hit(passage), [(len(text) - 5, len(text))])
    assert one.span == (len(text) - 5, len(text))
    assert one.lines == (3, 3)


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_a_hard_wrapped_sentence_is_one_quote_over_its_lines(newline):
    text = newline.join(
        ["开头。", "　　这句话很长,在版面上", "断成了两行 in two", "lines 然后结束。", ""]
    )
    document = Document("a.txt", "a.txt", "", text, "utf-8")
    spans = ((text.index("这句"), text.index("束。") + 2),)
    read = "这句话很长,在版面上断成了两行 in two lines 然后结束。"
    passage = Passage("a.txt@0", "a.txt", Article(), (), "body", read, spans)
    (one,) = cite(document, hit(passage), [(0, len(read))])
    assert one.lines == (2, 4)
    assert one.span == spans[0]
    assert one.quote == read


def test_a_record_is_cited_by_its_line(tmp_path):
    records = [{"id": "一", "text": "甲县在山里。"}, {"id": "二", "text": "乙县\n有五万人。"}]
    path = tmp_path / "a.jsonl"
    path.write_text("\n".join(json.dumps(record) for record in records))
    document = loaded(path)[1]
    (passage,) = passages(document)
    cited = cite(document, hit(passage), [(0, len(passage.text))])
    assert {one.document_id for one in cited} == {"a.jsonl#二"}
    assert {one.lines for one in cited} == {(2, 2)}


def test_title_publisher_and_date_come_from_the_article():
    document = Document("a.txt", "a.txt", "", "甲县在山里。", "utf-8")
    article = Article("甲县", "甲县日报", "2024-01-02", "张三")
    passage = Passage("a.txt@0", "a.txt", article, (), "body", "甲县在山里。", ((0, 6),))
    (one,) = cite(document, hit(passage), [(0, 6)])
    assert (one.title, one.publisher, one.date) == ("甲县", "甲县日报", "2024-01-02")


class TestStanding:
    PAGE = "第一句说明来历。\n第二句说有一百二十九件。\n第三句收尾。\n"

    @pytest.fixture
    def file(self, tmp_path):
        path = tmp_path / "a.txt"
        path.write_bytes(self.PAGE.encode())
        return path

    @pytest.fixture
    def citation(self, file):
        (document,) = loaded(file)
        (passage,) = passages(document)
        start = passage.text.index("第二句")
        (one,) = cite(document, hit(passage), [(start, start + 12)])
        assert one.quote == "第二句说有一百二十九件。"
        return one

    def now(self, citation, file):
        try:
            return standing(citation, loaded(file))
        except FileError:
            return standing(citation, [])

    @pytest.mark.parametrize(
        "content",
        [
            PAGE.encode(),
            (PAGE + "第四句是后来加的。\n").encode(),
            PAGE.replace("收尾", "改了").encode(),
            PAGE.encode("utf-8-sig"),
            PAGE.encode("gb18030"),
            PAGE.encode("utf-16"),
        ],
    )
    def test_holds_while_its_place_says_the_same(self, citation, file, content):
        file.write_bytes(content)
        assert self.now(citation, file) is Standing.HOLDS

    @pytest.mark.parametrize(
        "page",
        [
            PAGE.replace("二十九", "三十九"),
            "前面添了一句。" + PAGE,
            PAGE.replace("第一句", "句"),
            "第一句说明来历。\n",
            PAGE.replace("一百二十九件。", "一百二十九件,"),
        ],
    )
    def test_has_changed_when_it_says_anything_else(self, citation, file, page):
        file.write_text(page, "utf-8")
        assert self.now(citation, file) is Standing.CHANGED

    def test_is_gone_with_the_file(self, citation, file):
        file.unlink()
        assert self.now(citation, file) is Standing.GONE

    @pytest.mark.parametrize("content", [b"", b"\x89PNG\r\n\x1a\n\0\0", PAGE.encode() + b"\xff"])
    def test_is_gone_where_the_file_cannot_be_read_any_more(self, citation, file, content):
        file.write_bytes(content)
        assert self.now(citation, file) is Standing.GONE

    def test_a_record_that_left_its_file_has_changed(self, tmp_path):
        path = tmp_path / "a.jsonl"
        path.write_text(
            '{"id": "一", "text": "甲县在山里。"}\n{"id": "二", "text": "乙县有五万人。"}\n'
        )
        document = loaded(path)[1]
        (one,) = cite(document, hit(passages(document)[0]), [(0, 7)])
        path.write_text('{"id": "二", "text": "乙县有五万人。"}\n')
        assert self.now(one, path) is Standing.HOLDS
        path.write_text('{"id": "一", "text": "乙县有五万人。"}\n')
        assert self.now(one, path) is Standing.CHANGED
