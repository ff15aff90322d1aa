"""Files, documents and passages come back from SQLite as they went in, with their lines."""

import json
import threading
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from qa.corpus.chunk import passages
from qa.corpus.load import SourceFile, load
from qa.errors import IndexDamaged
from qa.index.catalog import Catalog, CatalogWriter, digest_of, line_range
from qa.index.store import FileRecord
from qa.types import Article, Document, Passage

# No decoder gives unpaired surrogates; all else may stand in a file.
TEXT = st.text(alphabet=st.characters(exclude_categories=["Cs"]))
PAGE = st.text(alphabet="文章很长。\n\r \t\0\u2028\x85a😀", min_size=1, max_size=80)


def written(path, *documents, files=()):
    """A catalog of (document, passages), rows numbered on, with made-up digests."""
    path.unlink(missing_ok=True)
    writer = CatalogWriter(path)
    writer.set_files(files)
    for document, parts in documents:
        writer.add_document(document, parts, [part.id.encode() for part in parts])
    writer.commit()
    writer.close()
    return Catalog(path)


def passage(document, number, *spans, **given):
    default = {"article": Article(), "headings": (), "kind": "body", "text": "文"}
    return Passage(f"{document.id}@{number}", document.id, spans=spans, **{**default, **given})


def plain(text, path="a.txt", **given):
    return Document(given.pop("id", path), path, "", text, "utf-8", **given)


@st.composite
def documents(draw):
    document = Document(
        id=draw(TEXT),
        path=draw(TEXT),
        title=draw(TEXT),
        text=draw(PAGE),
        encoding=draw(st.sampled_from(["utf-8", "gb18030", "big5"])),
        metadata=draw(st.dictionaries(st.sampled_from(["date", "publisher", "author"]), TEXT)),
        record=draw(st.just(0) | st.integers(1, 10**6)),
        markup=draw(st.booleans()),
    )
    places = st.integers(0, len(document.text) - 1)
    span = st.tuples(places, places).map(lambda pair: (min(pair), max(pair) + 1))
    parts = [
        passage(
            document,
            number,
            *draw(st.lists(span, min_size=1, max_size=4)),
            article=Article(*(draw(TEXT) for _ in range(4))),
            headings=tuple(draw(st.lists(TEXT, max_size=3))),
            kind=draw(st.sampled_from(["body", "caption"])),
            text=draw(TEXT),
        )
        for number in range(draw(st.integers(0, 4)))
    ]
    return document, parts


@settings(
    deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(documents(), max_size=4, unique_by=lambda pair: pair[0].id))
def test_what_went_in_comes_out(tmp_path, pairs):
    catalog = written(tmp_path / "catalog.sqlite", *pairs)
    expected = [(document, part) for document, parts in pairs for part in parts]
    located = catalog.passages(range(len(expected) + 5))
    assert [located[row].passage for row in sorted(located)] == [part for _, part in expected]
    assert [located[row].path for row in sorted(located)] == [doc.path for doc, _ in expected]
    for document, parts in pairs:
        assert catalog.document(document.id) == document
        assert catalog.passages_of(document.id) == parts
        assert document in catalog.documents_at(document.path)
    digests = [part.id.encode() for _, part in expected]
    assert list(catalog.digests()) == list(enumerate(digests))
    assert [catalog.row_with(digest) for digest in digests] == list(range(len(digests)))
    assert catalog.last_row() == len(digests) - 1
    catalog.close()


@settings(
    deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(documents())
def test_lines_are_those_that_an_editor_shows(tmp_path, pair):
    document, parts = pair
    catalog = written(tmp_path / "catalog.sqlite", pair)
    for row, found in catalog.passages(range(len(parts))).items():
        first = min(start for start, _ in parts[row].spans)
        last = max(end for _, end in parts[row].spans)
        lines = document.text[:first].count("\n") + 1, document.text[: last - 1].count("\n") + 1
        assert found.lines == ((document.record,) * 2 if document.record else lines)
        assert line_range(document, first, last) == found.lines
    catalog.close()


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_lines_of_a_page_in_both_kinds_of_newline(tmp_path, newline):
    page = newline.join(["标题很短", "", "第三行说了一件事。", "第四行说了另一件事。", "", "完。"])
    (tmp_path / "a.txt").write_bytes(page.encode())
    (document,) = load(SourceFile("a.txt", tmp_path / "a.txt"))
    parts = passages(document, size=5)
    lines = written(tmp_path / "catalog.sqlite", (document, parts)).passages(range(len(parts)))
    found = {part.text: lines[row].lines for row, part in enumerate(parts)}
    assert {text.splitlines()[-1]: last for text, (_, last) in found.items()} == {
        "标题很短": 1,
        "第三行说了一件事。": 3,
        "第四行说了另一件事。": 4,
        "完。": 6,
    }
    third, fourth = page.index("第三行"), page.index("另一件事")
    assert line_range(document, third, fourth) == (3, 4)
    assert line_range(document, third, page.index("第四行")) == (3, 3)


def test_lines_of_records_are_those_of_the_file(tmp_path):
    records = [{"id": "甲", "text": "甲县有三万人。\n\n甲县在山里。"}, {"text": "乙县有五万人。"}]
    lines = ["", *(json.dumps(record, ensure_ascii=False) for record in records)]
    (tmp_path / "a.jsonl").write_text("\n".join(lines), "utf-8")
    loaded = load(SourceFile("a.jsonl", tmp_path / "a.jsonl"))
    pairs = [(document, passages(document)) for document in loaded]
    catalog = written(tmp_path / "catalog.sqlite", *pairs)
    assert [document.id for document in catalog.documents_at("a.jsonl")] == [
        "a.jsonl#甲",
        "a.jsonl#3",
    ]
    found = catalog.passages(range(9)).values()
    assert [(place.passage.document_id, place.lines) for place in found] == [
        ("a.jsonl#甲", (2, 2)),
        ("a.jsonl#3", (3, 3)),
    ]


def test_files_are_listed_by_path_with_their_problems(tmp_path):
    good = FileRecord("库/乙.txt", "/库/乙.txt", 12, "ab" * 32, encoding="gb18030")
    bad = FileRecord("库/甲.pdf", "/库/甲.pdf", 9, "cd" * 32, problem="扫描件")
    catalog = written(tmp_path / "catalog.sqlite", files=[bad, good])
    assert catalog.files() == [good, bad]
    assert catalog.file("库/甲.pdf") == bad
    assert catalog.file("库/丙.txt") is None


def test_what_is_not_there(tmp_path):
    catalog = written(tmp_path / "catalog.sqlite", (plain("文"), []))
    assert catalog.passages([]) == {}
    assert catalog.passages([7]) == {}
    assert catalog.passages_of("b.txt") == []
    assert catalog.documents_at("b.txt") == []
    with pytest.raises(IndexDamaged, match=r"b\.txt"):
        catalog.document("b.txt")


@pytest.mark.parametrize("path", ["100%.txt", "a?b#c.txt", "文章 二.txt", "';--.txt"])
def test_paths_that_mean_something_to_a_database(tmp_path, path):
    document = plain("文", path=path)
    folder = tmp_path / path
    folder.mkdir()
    catalog = written(folder / "catalog.sqlite", (document, [passage(document, 0, (0, 1))]))
    assert catalog.documents_at(path) == [document]
    assert catalog.passages([0])[0].path == path


def test_many_threads_read_at_once(tmp_path):
    document = plain("文" * 500)
    parts = [passage(document, n, (n, n + 1), text=f"第{n}段") for n in range(500)]
    catalog = written(tmp_path / "catalog.sqlite", (document, parts))
    wrong = []

    def look(offset):
        for n in range(offset, 500, 8):
            if catalog.passages([n])[n].passage != parts[n] or catalog.document("a.txt").record:
                wrong.append(n)

    threads = [threading.Thread(target=look, args=(offset,)) for offset in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_more_rows_than_a_statement_takes(tmp_path):
    document = plain("文")
    catalog = written(tmp_path / "catalog.sqlite", (document, [passage(document, 0, (0, 1))]))
    assert list(catalog.passages(range(300_000))) == [0]


class TestChanging:
    """A generation's catalog is a copy of the one before, changed."""

    @pytest.fixture
    def path(self, tmp_path):
        """Three documents of two passages each; the files' names are those of the documents."""
        pairs = []
        for name in ("甲.txt", "乙.txt", "丙.txt"):
            document = plain(f"{name}的文", path=name)
            texts = [f"{name}上", f"{name}下"]
            pairs.append(
                (document, [passage(document, n, (n, n + 1), text=t) for n, t in enumerate(texts)])
            )
        files = [FileRecord(doc.path, f"/{doc.path}", 1, "ab") for doc, _ in pairs]
        written(tmp_path / "catalog.sqlite", *pairs, files=files).close()
        return tmp_path / "catalog.sqlite"

    @pytest.fixture
    def writer(self, path):
        writer = CatalogWriter(path)
        yield writer
        writer.close()

    def add(self, writer, name, *texts):
        document = plain("文" * len(texts), path=name)
        parts = [passage(document, n, (n, n + 1), text=text) for n, text in enumerate(texts)]
        writer.add_document(document, parts, [text.encode() for text in texts])

    def test_a_new_one_is_empty(self, tmp_path):
        writer = CatalogWriter(tmp_path / "new.sqlite")
        assert (writer.documents, writer.passages, writer.next_row) == (0, 0, 0)
        assert writer.entries() == {}
        writer.commit()
        writer.close()
        catalog = Catalog(tmp_path / "new.sqlite")
        assert catalog.last_row() == -1
        assert list(catalog.digests()) == []
        assert catalog.row_with(b"") is None

    def test_it_is_told_what_there_is(self, writer):
        assert (writer.documents, writer.passages, writer.next_row) == (3, 6, 6)
        entries = writer.entries()
        assert {name: (one.path, one.record) for name, one in entries.items()} == {
            name: (name, 0) for name in ("甲.txt", "乙.txt", "丙.txt")
        }
        assert entries["甲.txt"].digest == digest_of(plain("甲.txt的文", path="甲.txt"))

    def test_a_removed_document_leaves_its_rows_empty_and_all_others_where_they_are(
        self, path, writer
    ):
        assert writer.remove_document("乙.txt") == [2, 3]
        self.add(writer, "丁.txt", "丁上")
        assert (writer.documents, writer.passages, writer.next_row) == (3, 5, 7)
        writer.commit()
        catalog = Catalog(path)
        texts = {row: place.passage.text for row, place in catalog.passages(range(9)).items()}
        assert texts == {
            0: "甲.txt上",
            1: "甲.txt下",
            4: "丙.txt上",
            5: "丙.txt下",
            6: "丁上",
        }
        assert [row for row, _ in catalog.digests()] == sorted(texts)
        assert catalog.last_row() == 6
        assert catalog.documents_with("乙.txt") == []
        assert catalog.row_with("乙.txt@0".encode()) is None
        assert catalog.row_with("丁上".encode()) == 6

    def test_a_document_that_is_not_there_can_be_removed(self, writer):
        assert writer.remove_document("火星.txt") == []
        assert writer.documents == 3

    def test_a_document_can_be_put_in_the_place_of_itself(self, path, writer):
        writer.remove_document("甲.txt")
        self.add(writer, "甲.txt", "新")
        writer.commit()
        assert [part.text for part in Catalog(path).passages_of("甲.txt")] == ["新"]
        assert Catalog(path).rows_of("甲.txt") == {6}

    def test_files_take_the_place_of_those_before(self, path, writer):
        files = [FileRecord("丁.txt", "/丁.txt", 2, "cd"), FileRecord("甲.txt", "/甲.txt", 2, "ef")]
        writer.set_files(files)
        writer.commit()
        assert Catalog(path).files() == files

    def test_nothing_stays_of_what_was_not_committed(self, path):
        before = path.read_bytes()
        writer = CatalogWriter(path)
        writer.set_files([])
        writer.close()
        assert len(Catalog(path).files()) == 3
        assert path.read_bytes() == before

    def test_a_record_that_moved_is_cited_by_its_new_line(self, tmp_path):
        document = plain("文章", path="a.jsonl", id="a.jsonl#甲", record=3)
        path = tmp_path / "catalog.sqlite"
        written(path, (document, [passage(document, 0, (0, 2))])).close()
        writer = CatalogWriter(path)
        writer.move("a.jsonl#甲", 8)
        writer.commit()
        writer.close()
        catalog = Catalog(path)
        assert catalog.passages([0])[0].lines == (8, 8)
        assert catalog.document("a.jsonl#甲").record == 8

    def test_the_ids_at_a_path(self, tmp_path):
        pairs = [(plain("文", path="a.jsonl", id=f"a.jsonl#{n}", record=n), []) for n in (1, 2)]
        catalog = written(tmp_path / "catalog.sqlite", *pairs, (plain("文", path="b.txt"), []))
        assert sorted(catalog.ids_at("a.jsonl")) == ["a.jsonl#1", "a.jsonl#2"]
        assert catalog.ids_at("b.txt") == ["b.txt"]
        assert catalog.ids_at("c.txt") == []

    def test_words_are_added_to_those_before(self, path, writer):
        writer.add_words({"": 100, "图书馆": 7})
        writer.add_words({"": 100, "馆长": 5, "图书馆": 7})
        writer.commit()
        catalog = Catalog(path)
        assert catalog.frequencies(["图书馆", "馆长", "火星", "';--"]) == {"图书馆": 7, "馆长": 5}
        assert catalog.frequencies({""}) == {"": 100}
        assert catalog.frequencies([]) == {}

    def test_passages_that_say_the_same_share_a_digest(self, path, writer):
        self.add(writer, "丁.txt", "同样")
        self.add(writer, "戊.txt", "同样")
        writer.commit()
        assert Catalog(path).row_with("同样".encode()) in (6, 7)
        assert [row for row, digest in Catalog(path).digests() if digest == "同样".encode()] == [
            6,
            7,
        ]


class TestDigest:
    """Documents of one digest have the same passages."""

    RECORD = plain("文章", path="a.jsonl", id="a.jsonl#甲", record=3)

    def test_it_does_not_matter_in_which_line_a_record_stands(self):
        assert digest_of(replace(self.RECORD, record=9)) == digest_of(self.RECORD)

    @pytest.mark.parametrize(
        "change",
        [
            {"text": "文"},
            {"title": "题"},
            {"path": "b.jsonl"},
            {"id": "a.jsonl#乙"},
            {"metadata": {"date": "2024"}},
            {"markup": True},
            {"record": 0},
            {"encoding": "gb18030"},
        ],
    )
    def test_all_else_matters(self, change):
        assert digest_of(replace(self.RECORD, **change)) != digest_of(self.RECORD)

    def test_the_order_of_what_is_told_of_a_document_does_not(self):
        one, other = {"date": "2024", "author": "甲"}, {"author": "甲", "date": "2024"}
        assert digest_of(replace(self.RECORD, metadata=one)) == digest_of(
            replace(self.RECORD, metadata=other)
        )


class TestDamage:
    @pytest.fixture
    def file(self, tmp_path):
        documents = [plain("文章。" * 300, path=f"{n}.txt") for n in range(50)]
        path = tmp_path / "catalog.sqlite"
        written(path, *((d, [passage(d, 0, (0, 3))]) for d in documents)).close()
        return path

    def read(self, file):
        catalog = Catalog(file)
        try:
            return [catalog.document(f"{n}.txt").text for n in range(50)]
        finally:
            catalog.close()

    @pytest.mark.parametrize("damage", ["missing", "empty", "garbage", "folder", "other"])
    def test_no_catalog_there(self, file, damage):
        file.unlink()
        if damage == "folder":
            file.mkdir()
        elif damage != "missing":
            content = {"empty": b"", "garbage": b"\xa5" * 9000, "other": b"SQLite format 3\0"}
            file.write_bytes(content[damage])
        with pytest.raises(IndexDamaged) as caught:
            Catalog(file)
        assert str(file) in caught.value.message
        assert "qa index" in caught.value.advice

    @pytest.mark.parametrize("left", [0.1, 0.5, 0.9])
    def test_cut_short(self, file, left):
        content = file.read_bytes()
        file.write_bytes(content[: int(len(content) * left)])
        with pytest.raises(IndexDamaged):
            self.read(file)

    def test_overwritten_inside(self, file):
        content = file.read_bytes()
        file.write_bytes(content[:4096] + b"\xa5" * (len(content) - 4096))
        with pytest.raises(IndexDamaged):
            self.read(file)

    def test_it_is_opened_for_reading_only(self, file):
        before = file.read_bytes()
        self.read(file)
        assert file.read_bytes() == before
        assert [path.name for path in file.parent.iterdir()] == ["catalog.sqlite"]
