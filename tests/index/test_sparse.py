"""BM25 by Tantivy: what is found, in which order, and what a damaged folder says."""

import math
import os
import shutil
import sys
import tempfile
import traceback
from pathlib import Path

import pytest

from qa.errors import IndexDamaged
from qa.index.sparse import Sparse, SparseWriter
from qa.index.store import take_over
from qa.index.tokens import bigrams


def write(folder, rows):
    """Write rows of (words, bigrams), each terms separated by spaces."""
    writer = SparseWriter(folder)
    for row, (words, pairs) in enumerate(rows):
        writer.add(row, words, pairs)
    writer.commit()
    writer.close()
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    rows = [
        ("环境 投诉 受理", "环境 境投"),
        ("环境 保护 监督 管理 条例 全文", "环境"),
        ("投诉 投诉 投诉", "投诉"),
        ("图书馆", "图书 书馆"),
        ("pm2 2024", "pm2 2024"),
    ]
    return write(tmp_path_factory.mktemp("sparse") / "sparse", rows)


def test_best_first_and_only_what_has_a_term(folder):
    found = Sparse(folder).search("words", ["环境", "投诉"], 10)
    assert list(found) == [0, 2, 1]
    assert list(found.values()) == sorted(found.values(), reverse=True)
    assert all(score > 0 for score in found.values())


def test_k_cuts_the_tail(folder):
    assert list(Sparse(folder).search("words", ["环境", "投诉"], 1)) == [0]


def test_the_legs_do_not_see_each_others_terms(folder):
    sparse = Sparse(folder)
    assert list(sparse.search("bigrams", ["境投"], 5)) == [0]
    assert sparse.search("words", ["境投"], 5) == {}
    assert list(sparse.search("words", ["受理"], 5)) == [0]
    assert sparse.search("bigrams", ["受理"], 5) == {}


@pytest.mark.parametrize("terms", [[], ["火星"], ["环 境"], ["", "*", "环*", "words:环境", "AND"]])
def test_unknown_terms_find_nothing(folder, terms):
    assert Sparse(folder).search("words", terms, 5) == {}


def test_unknown_terms_do_not_disturb_known_ones(folder):
    sparse = Sparse(folder)
    assert sparse.search("words", ["图书馆", "火星"], 5) == sparse.search("words", ["图书馆"], 5)


def test_a_term_said_twice_counts_once(folder):
    sparse = Sparse(folder)
    assert sparse.search("words", ["环境"] * 3, 5) == sparse.search("words", ["环境"], 5)


def test_scores_are_bm25_with_the_constants_that_are_documented(folder):
    lengths = [3, 6, 3, 1, 2]
    mean = sum(lengths) / 5
    idf = math.log(1 + (5 - 2 + 0.5) / (2 + 0.5))

    def bm25(count, length):
        return idf * count * 2.2 / (count + 1.2 * (0.25 + 0.75 * length / mean))

    found = Sparse(folder).search("words", ["投诉"], 5)
    assert found == pytest.approx({2: bm25(3, 3), 0: bm25(1, 3)}, rel=1e-5)


def test_idf_by_hand(folder):
    sparse = Sparse(folder)
    found = sparse.idf("words", ["环境", "受理", "火星"])
    assert found == pytest.approx(
        {"环境": math.log(2.4), "受理": math.log(4), "火星": math.log(12)}
    )
    assert sparse.idf("bigrams", ["受理"]) == pytest.approx({"受理": math.log(12)})
    assert sparse.idf("words", []) == {}


def test_equal_passages_come_in_their_order(tmp_path):
    sparse = Sparse(write(tmp_path / "s", [("同样 的 话", "同样")] * 300))
    assert list(sparse.search("words", ["同样"], 100)) == list(range(100))


def test_a_question_of_thousands_of_terms(tmp_path):
    terms = [chr(0x4E00 + i) + chr(0x4E00 + j) for i in range(100) for j in range(60)]
    sparse = Sparse(write(tmp_path / "s", [("", term) for term in terms[:50]]))
    assert set(sparse.search("bigrams", terms, 100)) == set(range(50))
    assert len(sparse.idf("bigrams", terms)) == 6000


def test_thousands_of_passages_and_terms_keep_their_rows(tmp_path):
    texts = [f"第{n}号文件由{n * 7}人签署" for n in range(3000)]
    writer = SparseWriter(tmp_path / "s")
    for row, text in enumerate(texts):
        writer.add(row, "", " ".join(bigrams(text)))
    writer.commit()
    writer.close()
    sparse = Sparse(tmp_path / "s")
    assert len(sparse) == 3000
    assert [list(sparse.search("bigrams", [str(n)], 3)) for n in (1, 2999)] == [[1], [2999]]


class TestChanging:
    @pytest.fixture
    def next_folder(self, folder, tmp_path):
        """The folder again, its files linked, as an update takes them over."""
        take_over(folder, tmp_path / "next")
        return tmp_path / "next"

    def change(self, folder):
        writer = SparseWriter(folder)
        writer.remove([2, 4])
        writer.add(7, "投诉 电话", "投诉 电话")
        writer.commit()
        writer.close()
        return Sparse(folder)

    def test_what_was_removed_is_not_found_and_what_was_added_is(self, next_folder):
        changed = self.change(next_folder)
        assert len(changed) == 4
        assert set(changed.search("words", ["投诉"], 9)) == {0, 7}
        assert set(changed.search("bigrams", ["电话", "pm2"], 9)) == {7}
        assert list(changed.search("words", ["图书馆"], 9)) == [3]

    def test_the_generation_before_stays_as_it_was(self, folder, next_folder):
        def content():
            return {file.name: file.read_bytes() for file in folder.iterdir()}

        before, opened = content(), Sparse(folder)
        found = opened.search("words", ["环境", "投诉", "pm2"], 9)
        self.change(next_folder)
        assert content() == before
        for one in (opened, Sparse(folder)):
            assert one.search("words", ["环境", "投诉", "pm2"], 9) == found

    def test_a_row_can_be_used_again(self, next_folder):
        self.change(next_folder)
        writer = SparseWriter(next_folder)
        writer.remove([0])
        writer.add(0, "图书馆 馆长", "图书")
        writer.commit()
        writer.close()
        sparse = Sparse(next_folder)
        assert set(sparse.search("words", ["图书馆"], 9)) == {0, 3}
        assert set(sparse.search("words", ["受理", "投诉"], 9)) == {7}

    def test_nothing_stays_of_what_was_not_committed(self, next_folder):
        writer = SparseWriter(next_folder)
        writer.remove([0, 1, 2])
        writer.add(8, "火星", "火星")
        writer.close()
        sparse = Sparse(next_folder)
        assert len(sparse) == 5
        assert sparse.search("words", ["火星"], 9) == {}
        assert set(sparse.search("words", ["投诉"], 9)) == {0, 2}

    def test_rows_that_are_not_there_can_be_removed(self, next_folder):
        writer = SparseWriter(next_folder)
        writer.remove([99, 2**40])
        writer.commit()
        writer.close()
        assert len(Sparse(next_folder)) == 5

    def test_many_changes_one_after_another_leave_what_a_new_index_would_hold(self, tmp_path):
        there = {}
        for run in range(12):
            take_over(tmp_path / f"{run}", tmp_path / f"{run + 1}")
            writer = SparseWriter(tmp_path / f"{run + 1}")
            gone = [row for row in there if (row * 7 + run) % 5 == 0]
            writer.remove(gone)
            there = {row: text for row, text in there.items() if row not in gone}
            for row in range(run * 20, run * 20 + 20):
                there[row] = f"第{row}号 文件{row % 3}"
                writer.add(row, there[row], "")
            writer.commit()
            writer.close()
        sparse = Sparse(tmp_path / "12")
        assert len(sparse) == len(there) > 50
        for kind in range(3):
            expected = {row for row, text in there.items() if text.endswith(f"文件{kind}")}
            assert set(sparse.search("words", [f"文件{kind}"], 1000)) == expected


class TestDamage:
    @pytest.fixture
    def copy(self, tmp_path):
        return write(tmp_path / "sparse", [("环境 投诉", "环境 投诉")] * 20)

    def refused(self, folder):
        with pytest.raises(IndexDamaged) as caught:
            Sparse(folder)
        assert str(folder) in caught.value.message
        assert "qa index" in caught.value.advice

    def test_no_folder(self, tmp_path):
        self.refused(tmp_path / "sparse")

    def test_an_empty_folder(self, tmp_path):
        (tmp_path / "sparse").mkdir()
        self.refused(tmp_path / "sparse")

    def test_a_file_in_its_place(self, tmp_path):
        (tmp_path / "sparse").write_text("环境")
        self.refused(tmp_path / "sparse")

    @pytest.mark.parametrize("name", ["meta.json", "*.term", "*.idx", "*.fast", "*.fieldnorm"])
    def test_a_file_is_missing(self, copy, name):
        for file in copy.glob(name):
            file.unlink()
        self.refused(copy)

    @pytest.mark.parametrize("name", ["meta.json", "*.term", "*.idx", "*.fast", "*.fieldnorm"])
    @pytest.mark.parametrize("left", [0, 0.5])
    def test_a_file_is_cut_short(self, copy, name, left):
        for file in copy.glob(name):
            content = file.read_bytes()
            file.write_bytes(content[: int(len(content) * left)])
        self.refused(copy)

    @pytest.mark.parametrize("name", ["meta.json", "*.term", "*.idx", "*.fast", "*.fieldnorm"])
    def test_a_file_is_overwritten(self, copy, name):
        for file in copy.glob(name):
            file.write_bytes(b"\xa5" * file.stat().st_size)
        self.refused(copy)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="rights are dropped in a forked process")
def test_a_folder_that_cannot_be_written_can_be_searched(folder):
    shared = Path(tempfile.mkdtemp())  # Not below tmp_path, which is its owner's alone.
    try:
        copy = Path(shutil.copytree(folder, shared / "sparse"))
        for file in copy.glob("*.lock"):
            file.unlink()
        temporary = Path(tempfile.mkdtemp(dir=shared))
        temporary.chmod(0o777)
        for path in [*copy.iterdir(), copy, shared]:
            path.chmod(0o555)
        child = os.fork()
        if child == 0:
            try:
                if os.geteuid() == 0:
                    os.setuid(65534)
                tempfile.tempdir = str(temporary)
                for _ in range(200):  # Tantivy looks at what is removed just then, now and again.
                    assert list(Sparse(copy).search("words", ["图书馆"], 5)) == [3]
                assert not list(copy.glob("*.lock"))
                assert not list(temporary.iterdir())
                os._exit(0)
            except BaseException:  # noqa: BLE001
                traceback.print_exc()
                sys.stderr.flush()
            finally:
                os._exit(2)
        assert os.waitpid(child, 0)[1] == 0
    finally:
        shared.chmod(0o755)
        (shared / "sparse").chmod(0o755)
        shutil.rmtree(shared)
