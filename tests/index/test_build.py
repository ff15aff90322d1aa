"""With the real model: an index follows its files, and embeds only what is new."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from qa import QA
from qa.corpus.chunk import passages
from qa.corpus.load import SourceFile, load
from qa.errors import CorpusError, IndexDamaged
from qa.index.build import Built, context, searched_text
from qa.index.dense import Dense
from qa.index.store import IndexFolder
from qa.types import Article, Passage
from qa.update import update

SEEDS = Path(__file__).parents[2] / "seeds"
NEWS = (
    "月牙泉镇新建图书馆\n\n"
    "本报讯 月牙泉镇图书馆七月一日开馆,藏书三万二千册。\n\n"
    "图书馆馆长钱小满介绍,这里每周开放六天,周一闭馆。\n"
)


@dataclass
class Library:
    """A folder of articles and the index of it."""

    articles: Path
    index: Path
    stages: list[tuple[str, int, int]]

    def update(self, progress=None) -> Built:
        self.stages.clear()
        return update(self.index, [self.articles], progress=progress or self._tell)

    def _tell(self, stage, done, total):
        self.stages.append((stage, done, total))

    def embedded(self):
        """How many texts went through the model."""
        return max((total for stage, _, total in self.stages if stage == "编码"), default=0)

    def qa(self):
        return QA.open(self.index)

    def found(self, question, k=5):
        return {Path(hit.path).name for hit in self.qa().search(question, k)}

    def vectors(self):
        return Dense(IndexFolder(self.index).current() / "dense.faiss").vectors()

    def searched(self):
        """What is embedded of each passage of the folder as it is now."""
        return [
            searched_text(passage)
            for path in sorted(self.articles.iterdir())
            for document in load(SourceFile(path.as_posix(), path))
            for passage in passages(document)
        ]


def library(folder, models):
    (folder / "articles").mkdir()
    (folder / "index").mkdir()
    (folder / "index" / "models").symlink_to(models)
    return Library(folder / "articles", folder / "index", [])


def copied(made, folder):
    """The same articles and index in a folder of their own; nothing has to be embedded again."""
    shutil.copytree(made.articles, folder / "articles")
    shutil.copytree(made.index, folder / "index", symlinks=True)
    return Library(folder / "articles", folder / "index", [])


@pytest.fixture(scope="module")
def first(prepared, tmp_path_factory):
    """The seeds, indexed for the first time, with what the run said; not to be changed."""
    made = library(tmp_path_factory.mktemp("first"), prepared.parent)
    shutil.copytree(SEEDS, made.articles, dirs_exist_ok=True)
    return made, made.update()


@pytest.fixture
def seeds(first, tmp_path):
    """The seeds in a folder of their own, indexed."""
    made = copied(first[0], tmp_path)
    assert made.update().embedded == 0
    return made


@pytest.fixture(scope="module")
def article(prepared, tmp_path_factory):
    """One short article, indexed; not to be changed."""
    made = library(tmp_path_factory.mktemp("article"), prepared.parent)
    (made.articles / "图书馆.txt").write_text(NEWS, "utf-8")
    made.update()
    return made


@pytest.fixture
def small(article, tmp_path):
    """One short article, indexed, in a folder of its own."""
    return copied(article, tmp_path)


class TestFollowing:
    def test_the_first_run_embeds_everything(self, first):
        made, built = first
        texts = made.searched()
        assert built.changed
        assert (built.embedded, built.kept, built.problems) == (len(texts), 0, ())
        assert (built.manifest.documents, built.manifest.passages) == (5, len(texts))
        assert built.manifest.changes == {"added": 5, "changed": 0, "removed": 0, "same": 0}
        assert made.vectors().shape == (len(texts), 384)

    def test_vectors_stand_in_the_rows_of_their_passages(self, first):
        made, _ = first
        qa, texts, vectors = made.qa(), made.searched(), made.vectors()
        for row in (0, 30, len(texts) - 1):
            alone = qa.retriever.embedder.encode_passages([texts[row]])[0]
            assert np.argmax(vectors @ alone) == row
            assert searched_text(qa.catalog.passages([row])[row].passage) == texts[row]

    def test_the_second_run_changes_nothing(self, seeds):
        before = {path: path.stat().st_mtime_ns for path in seeds.index.rglob("*")}
        built = seeds.update()
        assert not built.changed
        assert (built.embedded, built.kept) == (0, built.manifest.passages)
        assert seeds.embedded() == 0
        after = {path: path.stat().st_mtime_ns for path in seeds.index.rglob("*")}
        assert {p: t for p, t in after.items() if p.name != ".lock"} == {
            p: t for p, t in before.items() if p.name != ".lock"
        }

    def test_a_touched_file_has_not_changed(self, seeds):
        for path in seeds.articles.iterdir():
            os.utime(path, (1, 1))
        assert not seeds.update().changed

    def test_an_edited_file_embeds_only_what_is_new_in_it(self, seeds):
        before = set(seeds.searched())
        (path,) = seeds.articles.glob("000*")
        page = path.read_text("utf-8")
        assert page.count("受理环境投诉129件") == 1
        path.write_text(page.replace("受理环境投诉129件", "受理环境投诉731件"), "utf-8")
        texts = seeds.searched()
        built = seeds.update()
        assert built.embedded == seeds.embedded() == len(set(texts) - before) == 1
        assert built.kept == len(texts) - 1
        assert built.manifest.changes == {"added": 0, "changed": 1, "removed": 0, "same": 4}
        assert seeds.qa().ask("2024年巫溪支队受理了多少件环境投诉?").text == "731件"

    def test_kept_vectors_are_those_of_before(self, seeds):
        texts, vectors = seeds.searched(), seeds.vectors()
        old = dict(zip(texts, vectors, strict=True))
        next(seeds.articles.glob("000*")).unlink()
        (seeds.articles / "图书馆.txt").write_text(NEWS, "utf-8")
        seeds.update()
        kept = [
            np.array_equal(vector, old[text])
            for text, vector in zip(seeds.searched(), seeds.vectors(), strict=True)
            if text in old
        ]
        assert len(kept) > 50
        assert all(kept)

    def test_a_deleted_file_leaves_the_answers(self, seeds):
        question = "2024年受理了多少件环境投诉?"
        (path,) = seeds.articles.glob("000*")
        assert path.name in seeds.found(question)
        path.unlink()
        built = seeds.update()
        assert built.embedded == 0
        assert built.manifest.changes == {"added": 0, "changed": 0, "removed": 1, "same": 4}
        assert path.name not in seeds.found(question, k=1000)
        assert "129" not in seeds.qa().ask(question).text

    def test_an_added_file_is_found(self, seeds):
        (seeds.articles / "图书馆.txt").write_text(NEWS, "utf-8")
        built = seeds.update()
        assert 0 < built.embedded < 4
        assert built.manifest.changes == {"added": 1, "changed": 0, "removed": 0, "same": 5}
        assert seeds.qa().ask("图书馆馆长是谁?").text == "钱小满"

    def test_a_renamed_file_is_not_embedded_again(self, seeds):
        (path,) = seeds.articles.glob("000*")
        path.rename(path.with_name("改名.txt"))
        assert seeds.update().embedded == 0
        assert "改名.txt" in seeds.found("2024年受理了多少件环境投诉?")

    def test_another_encoding_of_the_same_text_is_not_embedded_again(self, small):
        (small.articles / "图书馆.txt").write_text(NEWS, "gb18030")
        built = small.update()
        assert built.changed
        assert built.embedded == 0
        assert small.qa().catalog.files()[0].encoding == "gb18030"

    def test_an_open_index_goes_on_answering_when_a_new_one_is_swapped_in(self, small):
        qa = small.qa()
        (small.articles / "图书馆.txt").write_text(NEWS.replace("钱小满", "孙大暑"), "utf-8")
        small.update()
        small.update()
        assert qa.ask("图书馆馆长是谁?").text == "钱小满"
        assert small.qa().ask("图书馆馆长是谁?").text == "孙大暑"

    def test_files_can_be_added_to_what_was_there(self, small, tmp_path):
        small.update()
        (tmp_path / "另一篇.txt").write_text("沙湖镇有四座水厂。", "utf-8")
        built = update(small.index, [tmp_path / "另一篇.txt"], add=True)
        assert built.manifest.roots == (str(small.articles), str(tmp_path / "另一篇.txt"))
        assert small.found("沙湖镇有几座水厂?") == {"另一篇.txt", "图书馆.txt"}

    def test_without_paths_the_corpus_is_the_same_as_before(self, small):
        small.update()
        (small.articles / "水厂.txt").write_text("沙湖镇有四座水厂。", "utf-8")
        assert update(small.index).manifest.documents == 2

    def test_nor_does_it_matter_where_one_stands(self, small, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        update(small.index, ["articles"])
        (tmp_path / "别处" / "articles").mkdir(parents=True)
        (tmp_path / "别处" / "articles" / "水厂.txt").write_text("沙湖镇有四座水厂。", "utf-8")
        monkeypatch.chdir(tmp_path / "别处")
        update(small.index)
        assert small.found("图书馆馆长是谁?") == {"图书馆.txt"}


class TestProblems:
    BAD = (
        ("照片.txt", b"\x89PNG\r\n\x1a\n\0\0\0"),
        ("空的.txt", b""),
        ("坏了.docx", b"PK\x03\x04broken"),
        ("半截.jsonl", b'{"text": "a"}\n{"text"'),
        ("坏字节.md", "好好的一段文字,".encode() * 20 + b"\xff\xfe"),
    )

    def test_files_that_cannot_be_read_are_told_and_the_rest_is_there(self, small):
        for name, content in self.BAD:
            (small.articles / name).write_bytes(content)
        built = small.update()
        problems = {Path(file.path).name: file.problem for file in built.problems}
        assert set(problems) == {name for name, _ in self.BAD}
        assert all(problems.values())
        assert "PNG" in problems["照片.txt"]
        assert built.manifest.documents == 1
        assert small.qa().ask("图书馆馆长是谁?").text == "钱小满"
        assert small.update().problems == built.problems

    def test_a_mended_file_is_read(self, small):
        (small.articles / "水厂.txt").write_bytes(b"\0")
        assert len(small.update().problems) == 1
        (small.articles / "水厂.txt").write_text("沙湖镇有四座水厂。", "utf-8")
        built = small.update()
        assert built.problems == ()
        assert "水厂.txt" in small.found("沙湖镇有几座水厂?")

    def test_a_file_that_broke_leaves_the_answers(self, small):
        (small.articles / "水厂.txt").write_text("沙湖镇有四座水厂。", "utf-8")
        small.update()
        (small.articles / "水厂.txt").write_bytes(b"\0")
        assert [Path(file.path).name for file in small.update().problems] == ["水厂.txt"]
        assert small.found("沙湖镇有几座水厂?") == {"图书馆.txt"}

    @pytest.mark.skipif(os.name == "nt", reason="names are Unicode there")
    def test_a_name_in_another_encoding_is_a_problem_of_that_file_only(self, small):
        Path(os.fsdecode(bytes(small.articles) + "/水厂.txt".encode("gbk"))).write_bytes(b"a")
        built = small.update()
        assert len(built.problems) == 1
        assert small.found("图书馆馆长是谁?") == {"图书馆.txt"}

    def test_a_record_and_a_file_may_go_by_one_name(self, small):
        (small.articles / "a.jsonl").write_text('{"id": "b.txt", "text": "沙湖镇有四座水厂。"}')
        (small.articles / "a.jsonl#b.txt").write_text("白马镇有五座水厂。", "utf-8")
        built = small.update()
        assert built.manifest.documents == 2
        assert [Path(file.path).name for file in built.problems] == ["a.jsonl#b.txt"]
        assert "重复" in built.problems[0].problem

    def test_a_file_is_read_once_its_optional_package_is_there(self, small, monkeypatch):
        import docx

        document = docx.Document()
        document.add_paragraph("沙湖镇有四座水厂。")
        document.save(small.articles / "水厂.docx")
        with monkeypatch.context() as without:
            without.setitem(sys.modules, "docx", None)
            assert [Path(file.path).name for file in small.update().problems] == ["水厂.docx"]
        assert small.update().problems == ()

    def test_an_empty_folder_is_refused_and_the_old_index_answers(self, small):
        generation = small.qa().generation
        (small.articles / "图书馆.txt").rename(small.index.parent / "图书馆.txt")
        with pytest.raises(CorpusError) as caught:
            small.update()
        assert str(small.articles) in caught.value.message
        assert ".txt" in caught.value.advice
        assert small.qa().generation == generation
        assert small.qa().ask("图书馆馆长是谁?").text == "钱小满"
        assert not list(small.index.glob("unfinished-*"))

    def test_nothing_readable_is_refused_with_the_reasons(self, small):
        (small.articles / "图书馆.txt").write_bytes(b"\x89PNG\r\n\x1a\n\0\0\0")
        with pytest.raises(CorpusError, match="PNG"):
            small.update()
        assert small.qa().ask("图书馆馆长是谁?").text == "钱小满"

    def interrupted(self, library, stage, interruption=KeyboardInterrupt):
        def interrupt(now, done, total):
            if now == stage and done:
                raise interruption

        (library.articles / "水厂.txt").write_text("沙湖镇有四座水厂。", "utf-8")
        with pytest.raises(interruption):
            library.update(interrupt)

    @pytest.mark.parametrize("stage", ["核对文件", "读取文章", "编码"])
    @pytest.mark.parametrize("interruption", [KeyboardInterrupt, MemoryError])
    def test_a_run_that_was_interrupted_leaves_the_old_index(self, small, stage, interruption):
        self.interrupted(small, stage, interruption)
        assert small.found("沙湖镇有几座水厂?") == {"图书馆.txt"}
        small.update()
        assert "水厂.txt" in small.found("沙湖镇有几座水厂?")
        assert not list(small.index.glob("unfinished-*"))

    @pytest.mark.parametrize(
        "stage",
        [
            "核对文件",
            pytest.param(
                "读取文章",
            ),
            "编码",
        ],
    )
    def test_nor_does_it_leave_anything_behind(self, small, stage):
        self.interrupted(small, stage)
        assert not list(small.index.glob("unfinished-*"))

    def filled(self, library):
        """Name of the error, and of its base, that a full disk gives."""
        program = """
import resource, signal, sys
from qa.update import update
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, resource.RLIM_INFINITY))
try:
    update(sys.argv[1], [sys.argv[2]])
except Exception as error:
    print(*(kind.__name__ for kind in type(error).__mro__))
"""
        (library.articles / "水厂.txt").write_text("沙湖镇有四座水厂。" * 3000, "utf-8")
        run = [sys.executable, "-c", program, library.index, library.articles]
        return subprocess.run(
            run, cwd=SEEDS.parent, capture_output=True, text=True, check=True
        ).stdout.split()

    @pytest.mark.skipif(os.name == "nt", reason="no limits of that kind")
    def test_a_full_disk_leaves_the_old_index(self, small):
        assert "Exception" in self.filled(small)
        assert small.found("沙湖镇有几座水厂?") == {"图书馆.txt"}
        small.update()
        assert "水厂.txt" in small.found("沙湖镇有几座水厂?")

    @pytest.mark.skipif(os.name == "nt", reason="no limits of that kind")
    def test_a_full_disk_gives_an_error_of_ours(self, small):
        assert "QAError" in self.filled(small)

    @pytest.mark.parametrize("name", ["dense.faiss", "catalog.sqlite", "manifest.json"])
    def test_a_damaged_index_is_made_anew(self, small, name):
        (IndexFolder(small.index).current() / name).write_bytes(b"")
        with pytest.raises(IndexDamaged):
            small.qa()
        built = small.update()
        assert built.changed
        assert built.embedded == built.manifest.passages
        assert small.qa().ask("图书馆馆长是谁?").text == "钱小满"


class TestVectors:
    def test_passages_that_say_the_same_are_embedded_once(self, small):
        for name in ("甲.txt", "乙.txt"):
            (small.articles / name).write_text("沙湖镇有四座水厂。", "utf-8")
        built = small.update()
        assert built.embedded == 2
        assert small.embedded() == 1
        rows = [row for row, text in enumerate(small.searched()) if "沙湖" in text]
        one, other = small.vectors()[rows]
        assert np.array_equal(one, other)
        best, *others = small.qa().search("沙湖镇有几座水厂?")
        assert [best.path, *best.also] == [
            str(small.articles / "乙.txt"),
            f"{small.articles / '甲.txt'}:1",
        ]
        assert all("沙湖" not in other.passage.text for other in others)

    def test_passages_that_say_the_same_in_both_scripts_are_embedded_once(self, small):
        (small.articles / "简.txt").write_text("邻水县有四座图书馆。", "utf-8")
        (small.articles / "繁.txt").write_text("鄰水縣有四座圖書館。", "utf-8")
        small.update()
        assert small.embedded() == 1

    def test_the_same_words_under_another_title_are_embedded_again(self, small):
        for title in ("沙湖镇", "白马镇"):
            page = f"# {title}\n\n## 水厂\n\n全镇有四座。\n\n## 学校\n\n全镇有两所。\n"
            (small.articles / f"{title}.md").write_text(page, "utf-8")
        built = small.update()
        assert small.embedded() == built.embedded > 2

    def test_another_model_embeds_everything_again(self, small, prepared, tmp_path):
        other = tmp_path / "index2" / "models" / prepared.name
        other.mkdir(parents=True)
        for file in prepared.iterdir():
            os.link(file, other / file.name)
        manifest = json.loads((prepared / "manifest.json").read_text("utf-8"))
        (other / "manifest.json").unlink()
        (other / "manifest.json").write_text(json.dumps(manifest | {"key": "another"}), "utf-8")
        (small.index / "models").unlink()
        (small.index / "models").symlink_to(other.parent)
        built = small.update()
        assert built.changed
        assert built.embedded == built.manifest.passages == small.embedded()
        assert built.manifest.model == "another"
        assert not small.update().changed


class TestContext:
    def passage(self, text, title="", *headings):
        article = Article(title=title)
        return Passage("a@0", "a", article, headings, "body", text, ((0, len(text)),))

    def test_title_and_headings_are_read_above_a_passage(self):
        passage = self.passage("全鎮有四座。", "沙湖鎮", "民生", "水廠")
        assert context(passage) == "沙湖鎮\n民生\n水廠"
        assert searched_text(passage) == "沙湖镇\n民生\n水厂\n全镇有四座。"

    def test_a_line_that_the_passage_itself_holds_is_not_said_twice(self):
        assert context(self.passage("水厂\n全镇有四座。", "沙湖镇", "沙湖镇", "水厂")) == "沙湖镇"
        assert searched_text(self.passage("全镇有四座。")) == "全镇有四座。"

    def test_a_passage_is_found_by_its_title(self, small):
        page = "# 沙湖镇水厂\n\n## 规模\n\n" + "全镇有四座,日供水八千吨。" * 60 + "\n"
        (small.articles / "a.md").write_text(page, "utf-8")
        small.update()
        best, second = small.qa().search("沙湖镇水厂", 2)
        assert Path(best.path).name == Path(second.path).name == "a.md"
        assert "沙湖" not in second.passage.text
        assert second.raw["words"] > 0
