"""What is wrong with an index is found and named; what is right is not called wrong."""

import os
import shutil
import sqlite3

import numpy as np
import pytest

from qa.index import seal
from qa.index.store import IndexFolder
from qa.update import update
from qa.verify import verify

PAGE = (
    "青石镇有{}座桥\n\n本报讯 青石镇今年修了{}座桥,最长的一座长九十二米。"
    "\n\n镇长周石头介绍,明年再修一座。\n"
)


@pytest.fixture(scope="module")
def made(prepared, tmp_path_factory):
    """An index of two generations, not to be changed."""
    folder = tmp_path_factory.mktemp("made")
    (folder / "articles").mkdir()
    (folder / "index").mkdir()
    (folder / "index" / "models").symlink_to(prepared.parent)
    for number in (3, 4):
        (folder / "articles" / "桥.txt").write_text(PAGE.format(number, number), "utf-8")
        update(folder / "index", [folder / "articles"])
    return folder


@pytest.fixture
def index(made, tmp_path):
    shutil.copytree(made / "index", tmp_path / "index", symlinks=True)
    return tmp_path / "index"


def current(index):
    return IndexFolder(index).current()[0]


def sealed_again(index):
    """Seal what was changed, as a fault in the program would have."""
    generation = current(index)
    content, _ = seal.read(generation)
    files = [file for file in generation.rglob("*") if file.is_file() and file.suffix != ".lock"]
    names = {file.relative_to(generation).as_posix() for file in files}
    names -= {"manifest.json", "times.json"}
    sealed = seal.write(generation, content | {"files": seal.files(generation, sorted(names))})
    (index / "CURRENT").write_text(f"{generation.name} {sealed}\n")


def change(index, sql):
    connection = sqlite3.connect(current(index) / "catalog.sqlite", isolation_level=None)
    connection.execute(sql)
    connection.close()
    sealed_again(index)


def test_all_is_well(index):
    found = verify(index)
    assert found.problems == ()
    assert found.outdated == ()
    assert (found.number, found.passages) == (2, 1)
    assert "相符" in found.text()


def test_a_changed_file_is_told_and_no_fault_of_the_index(made, index, tmp_path):
    page = made / "articles" / "桥.txt"
    kept = page.read_bytes()
    page.write_bytes(kept + b"\n")
    found = verify(index)
    page.write_bytes(kept)
    assert found.problems == ()
    assert found.outdated == (page.as_posix(),)


@pytest.mark.parametrize("number", [1, 2])
def test_one_byte_of_any_file_of_any_generation(index, number):
    generation = index / f"generation-{number}"
    for file in sorted(generation.rglob("*")):
        if not file.is_file() or file.name == "times.json" or not file.stat().st_size:
            continue
        kept, times = file.read_bytes(), file.stat()
        harmed = bytearray(kept)
        harmed[len(harmed) // 2] ^= 0x10
        file.write_bytes(harmed)
        # A disk that forgets leaves the time of a file as it was.
        os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))
        problems = verify(index).problems
        file.write_bytes(kept)
        assert any(file.name in problem for problem in problems), file


def test_a_model_that_is_damaged(index, prepared, tmp_path):
    models = tmp_path / "models"
    shutil.copytree(prepared.parent, models)
    (index / "models").unlink()
    models.rename(index / "models")
    weights = index / "models" / prepared.name / "model.onnx.data"
    times = weights.stat()
    with weights.open("r+b") as file:
        file.seek(30_000_000)
        file.write(b"\xff\xff")
    os.utime(weights, ns=(times.st_atime_ns, times.st_mtime_ns))
    (problem,) = verify(index).problems
    assert prepared.name in problem


@pytest.mark.parametrize(
    ("sql", "told"),
    [
        ("UPDATE passages SET text = replace(text, '4', '5')", "原文不同"),
        ("UPDATE passages SET spans = '[[0, 5]]'", "原文不同"),
        ("UPDATE passages SET title = '别的'", "校验和"),
        ("UPDATE documents SET text = replace(text, '九十二', '九十三')", "文件的不同"),
        ("DELETE FROM passages", "文章库里有 0 段"),
        ("DELETE FROM documents", "文章库里有 0 篇"),
        ("UPDATE passages SET row = 7", "不是同一些"),
    ],
)
def test_parts_that_do_not_say_the_same(index, sql, told):
    change(index, sql)
    assert any(told in problem for problem in verify(index).problems)


def test_vectors_of_another_text(index):
    path = current(index) / "dense.faiss"
    stored = np.memmap(path, np.float16, "r+", offset=path.stat().st_size - 2 * 384)
    stored[:] = stored[::-1].copy()
    stored.flush()
    sealed_again(index)
    assert any("向量与段落不符" in problem for problem in verify(index).problems)


def test_postings_of_another_text(made, index, tmp_path):
    page = tmp_path / "别的.txt"
    page.write_text(
        "白马镇的集市\n\n本报讯 白马镇的集市逢五开市,卖的是粮食和布匹,有三百多个摊位。\n", "utf-8"
    )
    other = tmp_path / "other"
    other.mkdir()
    (other / "models").symlink_to((index / "models").resolve())
    update(other, [page])
    shutil.rmtree(current(index) / "sparse")
    shutil.copytree(current(other) / "sparse", current(index) / "sparse")
    sealed_again(index)
    assert any("词项与段落不符" in problem for problem in verify(index).problems)


def test_the_cure_is_qa_index(made, index):
    (index / "generation-1" / "catalog.sqlite").write_bytes(b"\0" * 9)
    assert len(verify(index).problems) == 1
    update(index)
    assert verify(index).problems == ()
    (current(index) / "dense.faiss").unlink()
    update(index)
    assert verify(index).problems == ()
