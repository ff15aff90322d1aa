"""With the real model: an index follows its files, and embeds only what is new."""

import json
import os
import random
import shutil
import subprocess
import sys
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from qa import QA
from qa.corpus import chunk, layout
from qa.corpus.chunk import passages
from qa.corpus.load import SourceFile, load, read
from qa.errors import CorpusError, IndexDamaged
from qa.index import build, seal
from qa.index.build import Built, context, searched_text
from qa.index.catalog import Catalog
from qa.index.dense import Dense
from qa.index.store import IndexFolder
from qa.reader import prepared as reader_prepared
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
        return max(
            (total for stage, _, total in self.stages if stage.startswith("编码")), default=0
        )

    def qa(self):
        return QA.open(self.index)

    def found(self, question, k=5):
        return {Path(hit.path).name for hit in self.qa().search(question, k)}

    def passages(self):
        """The passages in the index by row, and the vectors of all rows."""
        generation = IndexFolder(self.index).current()[0]
        index = Dense(generation)
        located = Catalog(generation / "catalog.sqlite").passages(range(len(index)))
        passages = {row: found.passage for row, found in located.items()}
        return passages, index.vectors(range(len(index)))

    def vectors(self):
        """The vector of each text in the index."""
        passages, vectors = self.passages()
        return {searched_text(passage): vectors[row] for row, passage in passages.items()}

    def write(self, **pages):
        for name, page in pages.items():
            (self.articles / f"{name}.txt").write_text(page, "utf-8")

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


def another_model(made, prepared, folder):
    """Put another model in the place of the one that an index was made with."""
    other = folder / "models2" / prepared.name
    other.mkdir(parents=True)
    for file in prepared.iterdir():
        os.link(file, other / file.name)
    manifest, _ = seal.read(prepared)
    (other / "manifest.json").unlink()
    seal.write(other, manifest | {"key": "another"})
    reader = reader_prepared.folder(prepared.parent)
    (other.parent / reader.name).symlink_to(reader)
    (made.index / "models").unlink()
    (made.index / "models").symlink_to(other.parent)


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
        assert (built.manifest.vectors, built.manifest.dense["kind"]) == (len(texts), "Flat")
        assert made.vectors().keys() == set(texts)

    def test_vectors_stand_in_the_rows_of_their_passages(self, first):
        made, _ = first
        texts, embedder = made.searched(), made.qa().retriever.embedder
        passages, vectors = made.passages()
        assert [searched_text(passages[row]) for row in range(len(passages))] == texts
        for row in (0, 30, len(texts) - 1):
            alone = embedder.encode_passages([texts[row]])[0]
            assert np.argmax(vectors @ alone) == row

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
        old = seeds.vectors()
        next(seeds.articles.glob("000*")).unlink()
        (seeds.articles / "图书馆.txt").write_text(NEWS, "utf-8")
        seeds.update()
        kept = [
            np.array_equal(vector, old[text])
            for text, vector in seeds.vectors().items()
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


@pytest.fixture
def loaded(monkeypatch):
    """Names of the files that are read."""
    names = []

    def counting(file, told):
        names.append(file.absolute.name)
        return read(file, told)

    monkeypatch.setattr("qa.update.read", counting)
    return names


TOWNS = ["白马", "青龙", "沙湖", "月牙", "石桥", "柳河", "松坪", "杏林", "麦田", "竹溪"]


def page(number, town=""):
    """A page of one passage."""
    town = town or TOWNS[number]
    return f"{town}镇简介\n\n{town}镇有{number + 3}座桥,镇长是{town[0]}小{town[1]}。\n"


@pytest.fixture
def unindexed(prepared, tmp_path):
    """Ten articles of a passage each, with no index yet."""
    made = library(tmp_path, prepared.parent)
    made.write(**{town: page(number) for number, town in enumerate(TOWNS)})
    return made


@pytest.fixture
def towns(unindexed):
    """Ten articles of a passage each, indexed."""
    assert unindexed.update().manifest.passages == 10
    return unindexed


class TestWritingWhatChanged:
    def test_only_what_changed_is_read(self, towns, loaded):
        loaded.clear()
        towns.write(青龙=page(11, "青龙"), 新桥=page(12, "新桥"))
        (towns.articles / "白马.txt").unlink()
        towns.update()
        assert sorted(loaded) == ["新桥.txt", "青龙.txt"]
        assert towns.qa().ask("青龙镇有几座桥?").text == "14座"

    def test_where_nothing_changed_nothing_is_read(self, towns, loaded):
        loaded.clear()
        towns.update()
        assert loaded == []

    def test_what_stays_stays_in_its_row(self, towns):
        before, _ = towns.passages()
        towns.write(青龙=page(11, "青龙"))
        (towns.articles / "白马.txt").unlink()
        towns.update()
        after, vectors = towns.passages()
        gone = {row for row, passage in before.items() if passage.article.title[:2] in "青龙白马"}
        assert len(gone) == 2
        assert {row: p for row, p in after.items() if row in before} == {
            row: p for row, p in before.items() if row not in gone
        }
        assert not vectors[list(gone)].any()

    def test_rows_are_numbered_anew_once_a_fifth_are_empty(self, towns, loaded):
        loaded.clear()
        for town in TOWNS[2:5]:
            (towns.articles / f"{town}.txt").unlink()
        towns.update()
        assert (len(towns.passages()[0]), len(towns.passages()[1]), loaded) == (7, 10, [])
        before = towns.vectors()
        towns.write(新桥=page(12, "新桥"))
        built = towns.update()
        assert len(loaded) == 8
        assert built.embedded == towns.embedded() == 1
        assert sorted(towns.passages()[0]) == list(range(8))
        after = towns.vectors()
        assert all(np.array_equal(after[text], vector) for text, vector in before.items())
        assert towns.qa().ask("竹溪镇有几座桥?").text == "12座"
        assert towns.qa().ask("新桥镇有几座桥?").text == "15座"

    def test_what_is_gone_is_not_found_by_any_leg(self, towns):
        (towns.articles / "竹溪.txt").unlink()
        (towns.articles / "沙湖.txt").unlink()
        towns.update()
        hits = towns.qa().search("竹溪镇和沙湖镇有几座桥?", 100)
        assert {Path(hit.path).stem for hit in hits} == set(TOWNS) - {"竹溪", "沙湖"}

    @pytest.mark.skipif(os.name == "nt", reason="links need rights there")
    def test_the_generation_in_use_is_never_written_to(self, towns, tmp_path):
        generation = IndexFolder(towns.index).current()[0]
        kept = shutil.copytree(generation, tmp_path / "kept", copy_function=os.link)

        def content():
            return {file: file.read_bytes() for file in kept.rglob("*") if file.is_file()}

        before = content()
        towns.write(青龙=page(11, "青龙"), 新桥=page(12, "新桥"))
        (towns.articles / "白马.txt").unlink()
        towns.update()
        towns.write(青龙=page(13, "青龙"))
        towns.update()
        assert not generation.exists()
        assert content() == before

    def test_an_index_in_use_goes_on_finding_what_it_held(self, towns):
        qa = towns.qa()
        questions = [f"{town}镇有几座桥?" for town in TOWNS]
        before = [qa.search(question) for question in questions]
        for run in range(3):
            towns.write(青龙=page(run, "青龙"), 新桥=page(12 + run, "新桥"))
            (towns.articles / f"{TOWNS[5 + run]}.txt").unlink()
            towns.update()
            assert [qa.search(question) for question in questions] == before

    def test_words_of_new_passages_are_known_to_questions(self, towns):
        assert not towns.qa().catalog.frequencies(["图书馆"])
        towns.write(图书馆=NEWS)
        towns.update()
        assert set(towns.qa().catalog.frequencies(["图书馆", "白马"])) == {"图书馆", "白马"}
        assert "words" in towns.qa().search("图书馆")[0].raw

    def test_a_change_of_models_reads_nothing_again(self, towns, loaded, prepared, tmp_path):
        loaded.clear()
        another_model(towns, prepared, tmp_path)
        assert towns.update().embedded == 10
        assert loaded == []


class Changes:
    """Random changes to a folder of pages and a file of records; the same for the same seed."""

    def __init__(self, folder, seed):
        self.folder = folder
        self.random = random.Random(seed)  # noqa: S311 - nothing secret
        self.number = 0
        self.records = []
        for _ in range(4):
            self.add()
        for _ in range(5):
            self.add_record()

    def fact(self):
        """A name, and a page about it that says what no other says."""
        self.number += 1
        name = (
            f"{self.random.choice('东西南北上下')}{self.random.choice('山河湖桥林')}{self.number}村"
        )
        crop = self.random.choice(["水稻", "茶叶", "柑橘", "油菜", "花生"])
        return name, f"{name}今年种{crop}{self.number * 37}亩,村支书是{crop[0]}大{name[0]}。"

    def pages(self):
        return sorted(self.folder.glob("*.txt"))

    def add(self):
        name, text = self.fact()
        filler = "".join(f"{name}的第{n}条路修好了,村民出行方便。" for n in range(30))
        (self.folder / f"{name}.txt").write_text(f"{name}\n\n{text}\n\n{filler}\n", "utf-8")

    def edit(self):
        page = self.random.choice(self.pages())
        lines = page.read_text("utf-8").split("\n")
        lines.insert(self.random.randrange(2, len(lines)), self.fact()[1])
        page.write_text("\n".join(lines), "utf-8")

    def delete(self):
        self.random.choice(self.pages()).unlink()

    def rename(self):
        page = self.random.choice(self.pages())
        page.rename(page.with_name(f"改名{self.number}-{page.name}"))

    def add_record(self):
        name, text = self.fact()
        self.records.insert(
            self.random.randint(0, len(self.records)), {"id": name, "title": name, "text": text}
        )

    def change_record(self):
        self.random.choice(self.records)["text"] = self.fact()[1]

    def remove_record(self):
        self.records.pop(self.random.randrange(len(self.records)))

    def reorder_records(self):
        self.random.shuffle(self.records)

    def some(self):
        """Make a few changes of any kind."""
        kinds = [self.add, self.edit, self.delete, self.rename, self.add_record]
        kinds += [self.change_record, self.remove_record, self.reorder_records]
        for change in self.random.sample(kinds, 3):
            if len(self.pages()) > 1 and len(self.records) > 1:
                change()
            else:
                self.add()
                self.add_record()
        self.save()

    def save(self):
        lines = [json.dumps(record, ensure_ascii=False) for record in self.records]
        (self.folder / "记录.jsonl").write_text("\n".join(lines), "utf-8")

    def questions(self):
        """About some of what the pages say, and of what they do not."""
        texts = [page.read_text("utf-8").split("\n")[2] for page in self.pages()]
        texts += [record["text"] for record in self.records]
        asked = [text.partition("今年")[0] for text in self.random.sample(sorted(texts), 4)]
        return [f"{name}的村支书是谁?" for name in asked] + ["柑橘种了多少亩?", "火星上有水吗?"]


def place(hit):
    return hit.passage.id, hit.passage.text, hit.lines, hit.also


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_an_updated_index_answers_like_one_that_is_built_from_nothing(prepared, tmp_path, seed):
    updated = library(tmp_path, prepared.parent)
    changes = Changes(updated.articles, seed)
    changes.save()
    updated.update()
    for run in range(6):
        changes.some()
        updated.update()
        if run % 3 < 2:
            continue
        (tmp_path / f"{run}").mkdir()
        new = Library(updated.articles, tmp_path / f"{run}", [])
        (new.index / "models").symlink_to(prepared.parent)
        new.update()
        one, other = updated.qa(), new.qa()
        for question in changes.questions():
            found, expected = one.search(question, 1000), other.search(question, 1000)
            assert sorted(map(place, found)) == sorted(map(place, expected))
            assert place(found[0]) == place(expected[0])
            # Removed passages count in how rare a term is until they are cleared away, so that
            # scores, and the confidence with them, differ somewhat.
            order = {place(hit): hit.rank for hit in found}
            for better, worse in product(expected, repeat=2):
                if better.score > worse.score + 2:
                    assert order[place(better)] < order[place(worse)]
            given, wanted = (qa.ask(question, min_confidence=0) for qa in (one, other))
            assert given.text == wanted.text
            assert given.confidence == pytest.approx(wanted.confidence, abs=0.15)
        assert one.catalog.files() == other.catalog.files()
        for file in one.catalog.files():
            assert one.catalog.documents_at(file.path) == other.catalog.documents_at(file.path)
        kept, made = updated.vectors(), new.vectors()
        assert kept.keys() == made.keys()
        assert all(kept[text] @ made[text] > 0.99 for text in kept)
        numbers = {
            name: getattr(one.manifest, name) for name in ("documents", "passages", "vectors")
        }
        assert numbers == {name: getattr(other.manifest, name) for name in numbers}


LATER = "编码(已可按词提问)"


class TestWordsFirst:
    @pytest.fixture(autouse=True)
    def slow(self, monkeypatch):
        """Any vector takes long to make; two are made at once."""
        monkeypatch.setattr(build, "SOON", 0)
        monkeypatch.setattr(build, "_BLOCK", 2)
        monkeypatch.setattr(build, "card_encoder", lambda _: None)

    @pytest.fixture
    def pages(self, unindexed):
        return unindexed

    def interrupted(self, pages, done=2):
        """An update that is interrupted once vectors of so many passages, or more, are kept."""

        def interrupt(stage, now, total):
            if stage.startswith("编码") and now > done:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            pages.update(interrupt)

    def logs(self, pages):
        return list(pages.index.glob("vectors-*.log"))

    def test_while_vectors_are_made_questions_are_answered_by_words(self, pages):
        seen = []

        def look(stage, done, total):
            if stage == LATER and done == 4:
                seen.append(pages.qa())
                seen.append(seen[0].search("沙湖镇有几座桥?"))
                seen.append(seen[0].ask("沙湖镇有几座桥?").text)

        built = pages.update(look)
        early, hits, answer = seen
        assert (early.manifest.vectors, early.manifest.passages) == (0, 10)
        assert early.retriever.dense is None
        assert Path(hits[0].path).name == "沙湖.txt"
        assert all(set(hit.raw) <= {"words", "bigrams"} for hit in hits)
        assert answer == "5座"
        assert (built.embedded, built.kept, built.manifest.vectors) == (10, 0, 10)
        late = pages.qa()
        assert late.manifest.number > early.manifest.number
        assert all("dense" in hit.raw for hit in late.search("沙湖镇有几座桥?"))
        # Who opened it before goes on without.
        assert early.search("沙湖镇有几座桥?") == hits

    def test_the_user_is_told_while_there_are_no_vectors(self, pages):
        self.interrupted(pages)
        assert "0/10" in pages.qa().notice
        pages.update()
        assert pages.qa().notice == ""

    def test_progress_counts_on_over_the_blocks(self, pages):
        pages.update()
        told = [(done, total) for stage, done, total in pages.stages if stage == LATER]
        assert told == sorted(told)
        assert told[-1] == (10, 10)
        assert {total for _, total in told} == {10}

    @pytest.mark.parametrize("soon", [0, 2000])
    def test_a_run_that_is_stopped_goes_on_where_it_was(self, pages, monkeypatch, soon):
        monkeypatch.setattr(build, "SOON", soon)
        self.interrupted(pages, done=6)
        assert len(self.logs(pages)) == 1
        assert not list(pages.index.glob("unfinished-*"))
        built = pages.update()
        assert built.changed
        assert (built.embedded, pages.embedded()) == (4, 4)
        assert built.manifest.vectors == 10
        assert self.logs(pages) == []
        assert len(list(pages.index.glob("generation-*"))) == 1
        made, texts = pages.vectors(), pages.searched()
        alone = pages.qa().retriever.embedder.encode_passages(texts)
        assert all(made[text] @ vector > 0.99 for text, vector in zip(texts, alone, strict=True))
        assert not pages.update().changed

    def test_it_may_be_stopped_again_and_again(self, pages):
        for done in (0, 2, 2, 4):
            self.interrupted(pages, done)
            assert pages.found("沙湖镇有几座桥?", 1) == {"沙湖.txt"}
        assert pages.update().embedded == 2
        assert self.logs(pages) == []

    def test_nothing_is_read_again_when_it_goes_on(self, pages, loaded):
        self.interrupted(pages)
        assert len(loaded) == 10
        pages.update()
        assert len(loaded) == 10

    def test_files_may_change_before_it_goes_on(self, pages):
        self.interrupted(pages, done=6)
        pages.write(竹溪=page(20, "竹溪"), 新桥=page(30, "新桥"))
        (pages.articles / "白马.txt").unlink()
        built = pages.update()
        made = set(pages.searched())
        assert built.manifest.vectors == built.manifest.passages == len(made) == 10
        assert 2 <= built.embedded <= 6
        assert pages.vectors().keys() == made
        assert pages.qa().ask("竹溪镇有几座桥?").text == "23座"
        assert self.logs(pages) == []

    def test_vectors_that_there_are_are_searched_meanwhile(self, towns):
        towns.write(新桥=page(30, "新桥"), 老桥=page(31, "老桥"))
        self.interrupted(towns, done=0)
        qa = towns.qa()
        assert (qa.manifest.vectors, qa.manifest.passages) == (10, 12)
        hits = {Path(hit.path).stem: set(hit.raw) for hit in qa.search("新桥镇有几座桥?", 12)}
        assert "dense" not in hits["新桥"]
        assert all("dense" in hits[town] for town in TOWNS)
        assert qa.ask("新桥镇有几座桥?").text == "33座"
        assert towns.update().embedded == 2
        assert "dense" in towns.qa().search("新桥镇有几座桥?", 1)[0].raw

    def test_what_a_killed_process_cut_off_is_made_again(self, pages):
        self.interrupted(pages, done=6)
        (log,) = self.logs(pages)
        log.write_bytes(log.read_bytes()[:-5])
        assert pages.update().embedded == 5
        assert all(vector.any() for vector in pages.vectors().values())

    def test_vectors_of_another_model_are_not_taken(self, pages, prepared, tmp_path):
        self.interrupted(pages, done=6)
        another_model(pages, prepared, tmp_path)
        assert pages.update().embedded == 10
        assert self.logs(pages) == []


class TestLongDocuments:
    """A file may take minutes of which nothing would be heard, and its parts make one document."""

    LONG = "\n".join(
        f"第{number}号桥在沙湖镇{number}村,长{number + 50}米,由{number}村的村民集资修建。" * 4
        for number in range(60)
    )

    @pytest.fixture
    def long(self, small, monkeypatch):
        """The short article, a long one and a short one again; the last two are not indexed."""
        monkeypatch.setattr(build, "_PART", 7)
        monkeypatch.setattr(layout, "LONG", 25)
        monkeypatch.setattr(chunk, "LONG", 25)
        small.write(沙湖=self.LONG, 竹溪=page(20, "竹溪"))
        return small

    def test_it_is_told_how_far_it_has_come(self, long):
        long.update()
        cut = [(done, total) for stage, done, total in long.stages if stage == "切分长文档"]
        assert cut == [(done, 180) for done in (25, 50, 85, 110, 180)]
        written = [(done, total) for stage, done, total in long.stages if stage == "收入长文档"]
        (total,) = {total for _, total in written}
        assert written == [(min(done, total), total) for done in range(7, total + 7, 7)]
        assert len(long.passages()[0]) == total + 2

    def test_of_many_records_it_is_told_how_many_are_in(self, long):
        lines = [json.dumps({"text": page(number % 10, f"甲{number}")}) for number in range(20)]
        (long.articles / "记录.jsonl").write_text("\n".join(lines), "utf-8")
        long.update()
        told = [(done, total) for stage, done, total in long.stages if stage == "收入记录"]
        assert told == [(7, 20), (14, 20), (20, 20)]

    def test_all_of_it_is_found_in_its_place(self, long):
        long.update()
        passages, _ = long.passages()
        assert [searched_text(passages[row]) for row in sorted(passages)] == sorted(
            long.searched(), key=lambda text: "沙湖" in text or "竹溪" in text
        )
        assert "107米" in long.qa().ask("第57号桥长多少米?").text
        long.write(沙湖=self.LONG.replace("107米", "99米"))
        long.update()
        assert "99米" in long.qa().ask("第57号桥长多少米?").text
        assert {searched_text(passage) for passage in long.passages()[0].values()} == set(
            long.searched()
        )


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
    def test_a_name_in_another_encoding_is_no_problem(self, small):
        Path(os.fsdecode(bytes(small.articles) + "/水厂.txt".encode("gbk"))).write_text(
            "沙湖镇有四座水厂。", "utf-8"
        )
        assert small.update().problems == ()
        assert small.found("沙湖镇有几座水厂?") >= {"ˮ\\xb3\\xa7.txt"}  # Two bytes pass for UTF-8.
        assert small.update().changed is False

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
        (IndexFolder(small.index).current()[0] / name).write_bytes(b"")
        with pytest.raises(IndexDamaged):
            small.qa()
        built = small.update()
        assert built.changed
        assert built.embedded == built.manifest.passages
        assert small.qa().ask("图书馆馆长是谁?").text == "钱小满"

    @pytest.mark.parametrize("place", [3, 11, 20, -2])
    def test_what_points_to_the_generation_in_use_is_mended(self, small, place):
        small.update()  # The articles are in a place of their own.
        pointer = small.index / "CURRENT"
        written = bytearray(pointer.read_bytes())
        written[place] ^= 1
        pointer.write_bytes(written)
        assert small.qa().notice
        built = small.update()
        assert built.changed
        assert built.embedded == 0
        assert not small.qa().notice
        assert small.qa().ask("图书馆馆长是谁?").text == "钱小满"


class TestVectors:
    def test_passages_that_say_the_same_are_embedded_once(self, small):
        for name in ("甲.txt", "乙.txt"):
            (small.articles / name).write_text("沙湖镇有四座水厂。", "utf-8")
        built = small.update()
        assert built.embedded == 2
        assert small.embedded() == 1
        passages, vectors = small.passages()
        one, other = (row for row, passage in passages.items() if "沙湖" in passage.text)
        assert vectors[one].any()
        assert np.array_equal(vectors[one], vectors[other])
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
        another_model(small, prepared, tmp_path)
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
