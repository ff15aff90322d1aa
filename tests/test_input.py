"""What is found in a folder, how it is read, and what is remembered of it from run to run."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from qa import QA
from qa.errors import InputError
from qa.pipeline import locate, open_catalog, verify
from qa.reader.citations import Standing
from qa.status import Status
from qa.update import update

PAGE = "沙湖镇有四座水厂,最大的一座在河边。"


@pytest.fixture
def folder(tmp_path, prepared, monkeypatch):
    """An empty folder of articles, beside the folder for an index, where one stands."""
    (tmp_path / "文").mkdir()
    (tmp_path / "index").mkdir()
    (tmp_path / "index" / "models").symlink_to(prepared.parent)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "文"


def problems(built):
    return {Path(file.path).name: file.problem for file in built.problems}


def files():
    return {Path(file.path).name: file for file in Status.of(Path("index")).files}


class TestLinks:
    def test_what_leads_out_is_told_until_it_is_followed_and_that_is_remembered(self, folder):
        (folder.parent / "外").mkdir()
        (folder.parent / "外" / "厂.txt").write_text(PAGE, "utf-8")
        (folder / "本.txt").write_text("白马镇有五座水厂。", "utf-8")
        (folder / "外").symlink_to(folder.parent / "外")
        assert "--follow-links" in problems(update("index", ["文"]))["外"]
        followed = update("index", follow_links=True)
        assert (followed.problems, followed.manifest.documents) == ((), 2)
        (folder.parent / "外" / "新.txt").write_text("青龙镇有六座水厂。", "utf-8")
        assert Status.of(Path("index")).outdated == ("文/外/新.txt",)
        again = update("index")
        assert (again.problems, again.manifest.documents) == ((), 3)
        assert update("index", follow_links=False).manifest.documents == 1

    @pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
    def test_a_file_that_became_a_pipe_is_told_and_not_waited_for(self, folder):
        (folder / "本.txt").write_text(PAGE, "utf-8")
        (folder / "管.txt").write_text("白马镇有五座水厂。", "utf-8")
        update("index", ["文"])
        (folder / "管.txt").unlink()
        os.mkfifo(folder / "管.txt")
        catalog = open_catalog("index")
        assert verify(catalog, locate(catalog, "文/管.txt:1")) is Standing.GONE
        assert Status.of(Path("index")).outdated == ("文/管.txt",)
        assert "不是普通文件" in problems(update("index"))["管.txt"]
        assert not update("index").changed


class TestNames:
    NAMES = (b"\xcb\xc9\xb3\xa7.txt", b"a\nb \x1b[31m.txt", b"lit\\xb3.txt", b"two  spaces.txt")

    def test_any_name_works_from_the_index_to_the_citation(self, folder):
        for number, name in enumerate(self.NAMES):
            try:
                Path(os.fsdecode(bytes(folder) + b"/" + name)).write_text(
                    f"{PAGE}{number}", "utf-8"
                )
            except OSError:
                pytest.skip("the file system takes UTF-8 only")
        assert update("index", ["文"]).problems == ()
        assert not update("index").changed
        qa = QA.open("index")
        paths = {hit.path for hit in qa.search("水厂", k=9)}
        assert paths == {
            "文/\\xcb\u0273\\xa7.txt",
            "文/a\\x0ab \\x1b[31m.txt",
            "文/lit\\x5cxb3.txt",
            "文/two  spaces.txt",
        }
        for name in self.NAMES:
            for written in (f"文/{os.fsdecode(name)}:1", f"{folder}/{os.fsdecode(name)}:1"):
                assert qa.verify(qa.locate(written)) is Standing.HOLDS
        for path in paths:
            citation = qa.locate(f"{path}@0-5")
            assert (citation.path, qa.verify(citation)) == (path, Standing.HOLDS)
        values = json.dumps(Status.of(Path("index")).values(files=True), ensure_ascii=False)
        assert {file["path"] for file in json.loads(values.encode())["files"]} == paths

    def test_a_folder_may_have_any_name_too(self, folder, monkeypatch):
        strange = Path(os.fsdecode(bytes(folder) + b"/\xb3\xa7\n"))
        try:
            strange.mkdir()
        except OSError:
            pytest.skip("the file system takes UTF-8 only")
        (strange / "a.txt").write_text(PAGE, "utf-8")
        update("index", [strange])
        (strange / "b.txt").write_text("白马镇有五座水厂。", "utf-8")
        assert update("index").manifest.documents == 2
        index = Path("index").resolve()
        monkeypatch.chdir(strange)
        assert update(index).manifest.documents == 2


class TestEncoding:
    def test_a_doubtful_one_is_told_and_one_that_is_given_is_kept(self, folder):
        (folder / "本.txt").write_text(PAGE, "utf-8")
        (folder / "短.txt").write_bytes("付工程材料".encode("gbk"))
        built = update("index", ["文"])
        (doubtful,) = built.doubtful
        assert (doubtful.encoding, doubtful.alternatives) == ("big5", ("gb18030",))
        text = Status.of(Path("index")).text(files=True)
        assert "big5 把握 " in text
        assert "%(也可能是 gb18030)" in text
        given = update("index", ["文/短.txt"], add=True, encoding="gbk")
        assert (given.doubtful, given.manifest.roots) == ((), ("文",))
        assert QA.open("index").locate("文/短.txt:1").quote == "付工程材料"
        assert "gb18030 指定的" in Status.of(Path("index")).text(files=True)
        # Remembered when the file changes, and when it is cited.
        (folder / "短.txt").write_bytes("付工程材料甲".encode("gbk"))
        assert update("index").doubtful == ()
        qa = QA.open("index")
        citation = qa.locate("文/短.txt:1")
        assert (citation.quote, qa.verify(citation)) == ("付工程材料甲", Standing.HOLDS)
        assert files()["本.txt"].given == ""
        assert update("index", encoding="auto").manifest.documents == 2
        assert files()["短.txt"].given == ""

    def test_a_file_that_it_does_not_fit_is_refused_with_the_place(self, folder):
        (folder / "本.txt").write_text(PAGE, "utf-8")
        (folder / "错.txt").write_bytes("第一行\n石桥镇有八座水厂。".encode("gbk"))
        built = update("index", ["文"], encoding="utf-8")
        assert problems(built) == {"错.txt": "指定的编码是 utf-8,但第 1 字节(第 1 行)起解不出来"}
        assert update("index").problems == built.problems

    def test_an_unknown_one_is_refused_before_anything_is_made(self, folder):
        (folder / "本.txt").write_text(PAGE, "utf-8")
        with pytest.raises(InputError, match="latin-1"):
            update("index", ["文"], encoding="latin-1")
        assert not Path("index/CURRENT").exists()
