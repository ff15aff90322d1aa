"""An index is swapped in whole, or not at all; what cannot be used says so and what to do."""

import json
import os
import signal
import subprocess
import sys
import threading
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from qa.errors import IndexBusy, IndexDamaged, IndexMissing
from qa.index import seal
from qa.index.store import FORMAT, IndexFolder, Manifest, as_json, take_over

ROOT = Path(__file__).parents[2]
MANIFEST = Manifest(
    number=1,
    created="2026-01-02T03:04:05+00:00",
    base="/",
    roots=("文章/", "/别处/一.txt"),
    model="model-1234",
    model_name="",
    model_folder="model-1234",
    documents=2,
    passages=3,
    seconds=1.5,
    changes={"added": 2, "changed": 0, "removed": 0, "same": 0},
    vectors=3,
    dense={"kind": "Flat", "probes": 0, "recall": 1.0},
    memory=32,
)


def publish(folder, content="一", vectors=3):
    with folder.writing(), folder.new_generation() as aside:
        (aside / "sparse").mkdir()
        (aside / "sparse" / "meta.json").write_text(content)
        (aside / "catalog.sqlite").write_text(content * 2)
        manifest = replace(MANIFEST, number=folder.next_number(), vectors=vectors)
        return folder.publish(aside, manifest)


def content(folder):
    """What a reader gets, and whether it is told of damage."""
    found, damage = folder.opened(lambda generation, _: read(generation))
    assert not damage
    return found


def read(generation):
    return (generation / "catalog.sqlite").read_text()


def numbers(folder):
    """The generations that are kept."""
    return [int(generation.name.partition("-")[2]) for generation in folder.generations()]


PUBLISH_AND_DIE = """
import os, sys
from dataclasses import replace
from pathlib import Path
from qa.index.store import IndexFolder

folder = IndexFolder(Path(sys.argv[1]))
steps, fsync = iter(range(int(sys.argv[2]))), os.fsync

def sync_or_die(handle):
    if next(steps, None) is None:
        os._exit(9)
    fsync(handle)

os.fsync = sync_or_die
with folder.writing(), folder.new_generation() as aside:
    (aside / "sparse").mkdir()
    (aside / "sparse" / "meta.json").write_text("二")
    (aside / "catalog.sqlite").write_text("二二")
    folder.publish(aside, replace(folder.last(), number=folder.next_number()))
"""


def names(folder):
    return {path.name for path in folder.path.iterdir()}


@pytest.fixture
def folder(tmp_path):
    return IndexFolder(tmp_path / "索引" / "embeddings")


@pytest.fixture
def published(folder):
    publish(folder)
    return folder


class TestPublish:
    def test_what_was_written_is_what_is_read(self, published):
        _, manifest = published.current()
        assert replace(manifest, files={}, seal="") == MANIFEST
        assert {name: size for name, (size, _) in manifest.files.items()} == {
            "sparse/meta.json": 3,
            "catalog.sqlite": 6,
        }
        assert content(published) == "一一"

    def test_the_next_one_takes_its_place_and_the_last_stays(self, published):
        publish(published, "二")
        assert content(published) == "二二"
        assert published.current()[1].number == 2
        publish(published, "三")
        assert content(published) == "三三"
        assert names(published) == {"CURRENT", "generation-3", "generation-2", ".lock"}

    def test_one_without_its_vectors_is_not_kept_for_one_that_has_them(self, published):
        publish(published, "二", vectors=0)
        publish(published, "三")
        assert numbers(published) == [3, 1]

    def test_nor_is_a_damaged_one(self, published):
        publish(published, "二")
        (published.current()[0] / "catalog.sqlite").write_text("二三")
        publish(published, "三")
        assert numbers(published) == [3, 1]

    @pytest.mark.skipif(sys.platform == "win32", reason="an open file cannot be removed there")
    def test_who_reads_one_that_goes_reads_on(self, published):
        with (published.current()[0] / "catalog.sqlite").open() as reading:
            publish(published, "二")
            publish(published, "三")
            assert numbers(published) == [3, 2]
            assert reading.read() == "一一"

    @pytest.mark.skipif(sys.platform == "win32", reason="an open file cannot be replaced there")
    def test_a_reader_never_sees_half_of_a_name(self, published):
        with (published.path / "CURRENT").open() as reading:
            publish(published, "二")
            assert reading.read().startswith("generation-1 ")

    def test_models_stay(self, published):
        published.models.mkdir()
        (published.models / "weights").write_text("w")
        publish(published)
        assert (published.models / "weights").read_text() == "w"

    def test_an_error_while_writing_leaves_the_last_one(self, published):
        with (
            pytest.raises(KeyboardInterrupt),
            published.writing(),
            published.new_generation() as aside,
        ):
            (aside / "catalog.sqlite").write_text("半")
            raise KeyboardInterrupt
        assert content(published) == "一一"
        assert names(published) == {"CURRENT", "generation-1", ".lock"}
        publish(published, "二")
        assert content(published) == "二二"

    def test_what_a_killed_process_left_is_cleared_away(self, published):
        (published.path / "unfinished-4242" / "sparse").mkdir(parents=True)
        (published.path / "unfinished-4242" / "sparse" / "x").write_text("x")
        (published.path / "generation-2").mkdir()
        assert content(published) == "一一"
        publish(published, "二")
        assert content(published) == "二二"
        assert names(published) == {"CURRENT", "generation-3", "generation-1", ".lock"}

    @pytest.mark.parametrize("step", range(10))
    def test_a_process_killed_while_it_publishes_leaves_one_or_the_other(self, published, step):
        ended = subprocess.run(
            [sys.executable, "-c", PUBLISH_AND_DIE, published.path, str(step)],
            cwd=ROOT,
            check=False,
        )
        # Four files and two folders of the new generation, the folder that it is in, then
        # CURRENT.new, then the folder again.
        assert ended.returncode == (9 if step < 9 else 0)
        assert content(published) == ("一一" if step < 8 else "二二")
        generation = publish(published, "三")
        assert content(published) == "三三"
        assert {"CURRENT", generation.name, ".lock"} < names(published)
        assert len(numbers(published)) == 2
        assert not list(published.path.glob("unfinished-*"))

    @pytest.mark.skipif(sys.platform == "win32", reason="folders cannot be synced there")
    def test_where_the_disk_fails_after_the_swap_it_has_been_done(self, published, monkeypatch):
        fsync, done = os.fsync, []

        def fail_at_last(handle):
            done.append(handle)
            if len(done) == 9:
                raise OSError
            fsync(handle)

        monkeypatch.setattr(os, "fsync", fail_at_last)
        publish(published, "二")
        assert len(done) == 9
        assert content(published) == "二二"

    def test_a_folder_that_someone_copied_by_hand_does_not_stop_it(self, published):
        (published.path / "generation-1-备份").mkdir()
        publish(published, "二")
        assert content(published) == "二二"

    def test_nor_does_one_whose_name_ends_in_a_digit(self, published):
        (published.path / "generation-backup-2").mkdir()
        publish(published, "二")
        assert content(published) == "二二"


class TestTakingOver:
    @pytest.fixture
    def source(self, tmp_path):
        (tmp_path / "source" / "sparse").mkdir(parents=True)
        (tmp_path / "source" / "sparse" / "meta.json").write_text("一")
        (tmp_path / "source" / "sparse" / ".tantivy-writer.lock").write_text("")
        (tmp_path / "source" / "catalog.sqlite").write_text("二")
        return tmp_path / "source"

    @pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")
    def test_what_does_not_change_is_there_twice_on_the_disk_once(self, source, tmp_path):
        take_over(source / "sparse", tmp_path / "next" / "sparse")
        taken = tmp_path / "next" / "sparse" / "meta.json"
        assert taken.samefile(source / "sparse" / "meta.json")

    def test_what_will_change_is_copied(self, source, tmp_path):
        take_over(source / "catalog.sqlite", tmp_path / "next" / "catalog.sqlite", changes=True)
        (tmp_path / "next" / "catalog.sqlite").write_text("三")
        assert (source / "catalog.sqlite").read_text() == "二"

    def test_locks_stay_where_they_are(self, source, tmp_path):
        take_over(source / "sparse", tmp_path / "next" / "sparse")
        assert [file.name for file in (tmp_path / "next" / "sparse").iterdir()] == ["meta.json"]

    def test_where_a_link_cannot_be_made_it_is_copied(self, source, tmp_path, monkeypatch):
        def refuse(*_):
            raise PermissionError("links need rights here")

        monkeypatch.setattr("os.link", refuse)
        take_over(source / "sparse", tmp_path / "next" / "sparse")
        assert (tmp_path / "next" / "sparse" / "meta.json").read_text() == "一"

    def test_nothing_is_taken_over_of_what_is_not_there(self, source, tmp_path):
        take_over(source / "dense.faiss", tmp_path / "next")
        assert not (tmp_path / "next").exists()


class TestMissing:
    def test_no_folder(self, folder):
        assert not folder.exists()
        with pytest.raises(IndexMissing) as caught:
            folder.current()
        assert str(folder.path) in caught.value.message
        assert "qa index" in caught.value.advice

    def test_a_folder_with_models_only(self, folder):
        folder.models.mkdir(parents=True)
        assert not folder.exists()
        with pytest.raises(IndexMissing):
            folder.current()


class TestDamage:
    @contextmanager
    def refused(self, *told):
        with pytest.raises(IndexDamaged) as caught:
            yield
        assert all(part in caught.value.message for part in told)
        assert "重建" in caught.value.advice

    def opened(self, folder):
        return folder.opened(lambda generation, _: read(generation))

    @pytest.mark.parametrize(
        "written",
        [
            b"generation-9 1",
            b"",
            b"generation-",
            b"models",
            b"..",
            b"generation-1/../generation-1",
            b"/usr",
            b"\0" * 13,
            b"\xff\xfe\x00",
            b"generation-\0",
            b"generation-" + b"1" * 300,
            b"generation-1",
            b"generation-1 " + b"0" * 64,
        ],
    )
    def test_what_is_in_use_cannot_be_told(self, published, written):
        (published.path / "CURRENT").write_bytes(written)
        with self.refused(str(published.path)):
            published.current()
        found, damage = self.opened(published)
        assert found == "一一"
        assert "第 1 代" in damage
        assert "qa index" in damage

    @pytest.mark.parametrize("how", ["gone", "a folder"])
    def test_current_is_no_file(self, published, how):
        (published.path / "CURRENT").unlink()
        if how == "a folder":
            (published.path / "CURRENT").mkdir()
        assert published.exists()
        with self.refused(str(published.path)):
            published.current()
        assert self.opened(published)[0] == "一一"

    def test_a_bit_of_current_that_makes_it_the_generation_before_is_noticed(self, published):
        publish(published, "二")
        pointer = published.path / "CURRENT"
        pointer.write_bytes(pointer.read_bytes().replace(b"generation-2", b"generation-1"))
        found, damage = self.opened(published)
        assert found == "二二"
        assert "CURRENT" in damage

    def test_manifest_is_cut_short_anywhere(self, published):
        generation, _ = published.current()
        path = generation / "manifest.json"
        written = path.read_bytes()
        for length in range(len(written) - 1):
            path.write_bytes(written[:length])
            with self.refused(str(path)):
                published.manifest(generation)

    def test_any_bit_of_a_manifest_may_flip(self, published):
        generation, manifest = published.current()
        path = generation / "manifest.json"
        written = path.read_bytes()
        for place in range(8 * len(written)):
            harmed = bytearray(written)
            harmed[place // 8] ^= 1 << place % 8
            path.write_bytes(harmed)
            try:
                assert published.manifest(generation) == manifest  # White space between.
            except IndexDamaged as error:
                assert str(path) in error.message

    @pytest.mark.parametrize(
        "written",
        [b"null", b"[]", b'"format"', b"{}", b'{"format": 2}', b"\x80", b"\0" * 300, b"[" * 10**5],
    )
    def test_manifest_is_garbage(self, published, written):
        generation, _ = published.current()
        (generation / "manifest.json").write_bytes(written)
        with self.refused("manifest.json"):
            published.manifest(generation)

    @pytest.mark.parametrize(
        "change",
        [
            {"files": None},
            {"files": {"catalog.sqlite": 6}},
            {"files": {"catalog.sqlite": [6]}},
            {"roots": None},
            {"vectors": ...},
            {"surprise": 1},
        ],
    )
    def test_manifest_has_another_form(self, published, change):
        generation, _ = published.current()
        content, _ = seal.read(generation)
        content = {name: value for name, value in (content | change).items() if value is not ...}
        seal.write(generation, content)
        with self.refused("manifest.json"):
            published.manifest(generation)

    def test_manifest_is_missing(self, published):
        generation, _ = published.current()
        (generation / "manifest.json").unlink()
        with self.refused("manifest.json"):
            published.manifest(generation)

    @pytest.mark.parametrize("version", [0, FORMAT + 1, "2", None])
    def test_another_version_is_named(self, published, version):
        generation, _ = published.current()
        content, _ = seal.read(generation)
        seal.write(generation, content | {"format": version})
        with self.refused("版本", str(version), str(FORMAT)):
            published.manifest(generation)

    @pytest.mark.parametrize("name", ["catalog.sqlite", "sparse/meta.json"])
    @pytest.mark.parametrize("how", ["shorter", "longer", "empty", "gone", "folder", "other"])
    def test_a_file_that_is_not_as_it_was_is_named(self, published, name, how):
        generation, manifest = published.current()
        file = generation / name
        if how in ("gone", "folder"):
            file.unlink()
        if how == "folder":
            file.mkdir()
        if how in ("shorter", "longer", "empty", "other"):
            written = file.read_bytes()
            harmed = {"shorter": written[:-1], "longer": written * 2, "empty": b""}
            file.write_bytes(harmed.get(how, b"\0" * len(written)))
        with self.refused(str(file)):
            published.check(generation, manifest)
        with self.refused(str(file)):
            self.opened(published)
        assert not list(published.usable())

    def test_the_last_whole_one_is_used_and_the_user_is_told(self, published):
        publish(published, "二")
        (published.current()[0] / "catalog.sqlite").write_text("二三")
        found, damage = self.opened(published)
        assert found == "一一"
        assert all(
            part in damage for part in ("generation-2/catalog.sqlite", "第 1 代", "qa index")
        )
        assert published.last().number == 2  # What it was told, it is told again.

    def test_a_generation_that_cannot_be_opened_is_as_good_as_damaged(self, published):
        publish(published, "二")

        def use(generation, manifest):
            if manifest.number == 2:
                raise IndexDamaged("打不开")
            return read(generation)

        found, damage = published.opened(use)
        assert found == "一一"
        assert "打不开" in damage


class TestRollingBack:
    def test_the_generation_before_is_in_use_again_and_a_second_time_undoes_it(self, published):
        publish(published, "二")
        manifest, left = published.roll_back()
        assert (manifest.number, left) == (1, 2)
        assert content(published) == "一一"
        manifest, left = published.roll_back()
        assert (manifest.number, left) == (2, 1)
        assert content(published) == "二二"

    def test_the_next_one_keeps_what_was_in_use(self, published):
        publish(published, "二")
        published.roll_back()
        publish(published, "三")
        assert numbers(published) == [3, 1]

    def test_there_is_nothing_to_go_back_to(self, published):
        with pytest.raises(IndexMissing):
            published.roll_back()
        assert content(published) == "一一"

    def test_a_damaged_one_is_not_brought_back(self, published):
        publish(published, "二")
        (published.path / "generation-1" / "catalog.sqlite").write_text("一二")
        with pytest.raises(IndexMissing):
            published.roll_back()
        assert content(published) == "二二"

    def test_from_a_damaged_one_it_goes_back_to_the_whole_one(self, published):
        publish(published, "二")
        (published.path / "CURRENT").write_bytes(b"\0")
        (published.path / "generation-2" / "catalog.sqlite").unlink()
        manifest, left = published.roll_back()
        assert (manifest.number, left) == (1, -1)
        assert content(published) == "一一"


HOLD = """
import sys, time
from pathlib import Path
from qa.index.store import IndexFolder
with IndexFolder(Path(sys.argv[1])).writing():
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def other(folder):
    """Another process that holds the folder."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, folder.path], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.communicate()


class TestWriting:
    def test_two_processes_do_not_write_at_once(self, folder, other):
        with pytest.raises(IndexBusy) as caught, folder.writing():
            pass
        assert str(folder.path) in caught.value.message
        assert f"进程 {other.pid}" in caught.value.message
        assert caught.value.advice

    @pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL")
    def test_the_lock_of_a_killed_process_is_free(self, folder, other):
        other.send_signal(signal.SIGKILL)
        other.wait()
        publish(folder)
        assert content(folder) == "一一"

    def test_reading_does_not_wait_for_a_writer(self, published):
        with published.writing():
            assert content(published) == "一一"

    def test_two_threads_do_not_write_at_once(self, folder):
        refused = []

        def write():
            try:
                publish(folder)
            except IndexBusy as error:
                refused.append(error)

        with folder.writing():
            thread = threading.Thread(target=write)
            thread.start()
            thread.join(30)
        assert len(refused) == 1
        publish(folder)

    def test_an_error_gives_the_folder_free(self, folder):
        with pytest.raises(ZeroDivisionError), folder.writing():
            raise ZeroDivisionError
        publish(folder)
        assert content(folder) == "一一"

    # Permissions do not bind root; these bind everyone.
    def test_a_place_below_a_file(self, tmp_path):
        (tmp_path / "file").write_text("")
        folder = IndexFolder(tmp_path / "file" / "embeddings")
        with pytest.raises(IndexBusy, match="不能写") as caught, folder.writing():
            pass
        assert "--index" in caught.value.advice

    def test_a_folder_where_no_file_can_be_made(self, folder):
        (folder.path / ".lock").mkdir(parents=True)
        with pytest.raises(IndexBusy, match="不能写") as caught, folder.writing():
            pass
        assert str(folder.path) in caught.value.message


def test_a_manifest_for_people_leaves_the_list_of_files_out(published):
    shown = as_json(published.current()[1])
    assert shown["passages"] == 3
    assert not shown.keys() & {"files", "seal"}
    json.dumps(shown)
