"""An index is swapped in whole, or not at all; what cannot be used says so and what to do."""

import json
import signal
import subprocess
import sys
import threading
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from qa.errors import IndexBusy, IndexDamaged, IndexMissing
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


def publish(folder, content="一"):
    with folder.writing(), folder.new_generation() as aside:
        (aside / "sparse").mkdir()
        (aside / "sparse" / "meta.json").write_text(content)
        (aside / "catalog.sqlite").write_text(content * 2)
        return folder.publish(aside, replace(MANIFEST, number=folder.next_number()))


def content(folder):
    generation = folder.current()
    folder.manifest(generation)
    return (generation / "catalog.sqlite").read_text()


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
    folder.publish(aside, replace(folder.manifest(folder.current()), number=folder.next_number()))
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
        manifest = published.manifest(published.current())
        assert replace(manifest, files={}) == MANIFEST
        assert {name: size for name, (size, _) in manifest.files.items()} == {
            "sparse/meta.json": 3,
            "catalog.sqlite": 6,
        }
        assert content(published) == "一一"

    def test_the_next_one_takes_its_place_and_the_last_goes(self, published):
        publish(published, "二")
        assert content(published) == "二二"
        assert published.manifest(published.current()).number == 2
        assert names(published) == {"CURRENT", "generation-2", ".lock"}

    @pytest.mark.skipif(sys.platform == "win32", reason="an open file cannot be replaced there")
    def test_a_reader_never_sees_half_of_a_name(self, published):
        with (published.path / "CURRENT").open() as reading:
            publish(published, "二")
            assert reading.read() == "generation-1\n"

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
        assert names(published) == {"CURRENT", "generation-3", ".lock"}

    @pytest.mark.parametrize("step", range(8))
    def test_a_process_killed_while_it_publishes_leaves_one_or_the_other(self, published, step):
        ended = subprocess.run(
            [sys.executable, "-c", PUBLISH_AND_DIE, published.path, str(step)],
            cwd=ROOT,
            check=False,
        )
        # Three files and two folders of the new generation, then CURRENT.new, then the folder.
        assert ended.returncode == (9 if step < 7 else 0)
        assert content(published) == ("一一" if step < 6 else "二二")
        generation = publish(published, "三")
        assert content(published) == "三三"
        assert names(published) == {"CURRENT", generation.name, ".lock"}

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

    @pytest.mark.parametrize(
        "name",
        ["generation-9", "", "generation-", "models", "..", "generation-1/../generation-1", "/usr"],
    )
    def test_current_names_what_is_no_generation(self, published, name):
        (published.path / "CURRENT").write_text(name + "\n")
        with self.refused(str(published.path)):
            published.current()

    @pytest.mark.parametrize("written", [b"", b"\0" * 13, b"\xff\xfe\x00", b"generation-\0"])
    def test_current_is_garbage(self, published, written):
        (published.path / "CURRENT").write_bytes(written)
        with self.refused(str(published.path)):
            published.current()

    def test_current_is_longer_than_any_name(self, published):
        (published.path / "CURRENT").write_text("generation-" + "1" * 300)
        with self.refused(str(published.path)):
            published.current()

    def test_current_is_a_folder(self, published):
        (published.path / "CURRENT").unlink()
        (published.path / "CURRENT").mkdir()
        with self.refused(str(published.path)):
            published.current()

    def test_manifest_is_cut_short_anywhere(self, published):
        generation = published.current()
        path = generation / "manifest.json"
        written = path.read_bytes()
        for length in range(len(written)):
            path.write_bytes(written[:length])
            with self.refused(str(path)):
                published.manifest(generation)

    @pytest.mark.parametrize(
        "written", [b"null", b"[]", b'"format"', b"{}", b'{"format": 2}', b"\x80", b"\0" * 300]
    )
    def test_manifest_is_garbage(self, published, written):
        generation = published.current()
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
        generation = published.current()
        path = generation / "manifest.json"
        written = json.loads(path.read_text()) | change
        written = {name: value for name, value in written.items() if value is not ...}
        path.write_text(json.dumps(written))
        with self.refused("manifest.json"):
            published.manifest(generation)

    def test_manifest_is_missing(self, published):
        generation = published.current()
        (generation / "manifest.json").unlink()
        with self.refused("manifest.json"):
            published.manifest(generation)

    @pytest.mark.parametrize("version", [0, FORMAT + 1, "2", None])
    def test_another_version_is_named(self, published, version):
        generation = published.current()
        path = generation / "manifest.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | {"format": version}))
        with self.refused("版本", str(version), str(FORMAT)):
            published.manifest(generation)

    @pytest.mark.parametrize("name", ["catalog.sqlite", "sparse/meta.json"])
    @pytest.mark.parametrize("how", ["shorter", "longer", "empty", "gone", "folder"])
    def test_a_file_of_another_size_is_named(self, published, name, how):
        generation = published.current()
        file = generation / name
        if how in ("gone", "folder"):
            file.unlink()
        if how == "folder":
            file.mkdir()
        if how in ("shorter", "longer", "empty"):
            written = file.read_bytes()
            file.write_bytes({"shorter": written[:-1], "longer": written * 2, "empty": b""}[how])
        with self.refused(str(file)):
            published.manifest(generation)


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
    shown = as_json(published.manifest(published.current()))
    assert shown["passages"] == 3
    assert "files" not in shown
    json.dumps(shown)
