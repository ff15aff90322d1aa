"""Watching as a person meets it: real files, the system's own reports, a real index."""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from contextlib import contextmanager
from pathlib import Path

import pytest

from qa import watch as watching
from qa.errors import CorpusError, IndexBusy, IndexMissing
from qa.index.build import Built
from qa.index.catalog import Catalog
from qa.index.store import IndexFolder
from qa.update import update
from qa.watch import watch

ROOT = Path(__file__).parents[1]


@pytest.fixture(autouse=True)
def limit():
    """Interrupts a test in which what is waited for does not come."""
    before = signal.signal(signal.SIGALRM, signal.default_int_handler)
    signal.alarm(180)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    for name, value in {"QUIET": 0.2, "_TICK": 100, "_POLL": 100}.items():
        monkeypatch.setattr(watching, name, value)


@pytest.fixture
def corpus(tmp_path):
    folder = tmp_path / "文章"
    folder.mkdir()
    write(folder / "甲.txt", "甲县2023年修路56公里。")
    return folder


@pytest.fixture
def index(corpus, prepared):
    """An index in the folder of its articles, as it was before the last change to them."""
    folder = corpus / "索引"
    folder.mkdir()
    (folder / "models").symlink_to(prepared.parent)
    update(folder, [corpus])
    write(corpus / "始.txt", "始县2023年修路1公里。")
    return folder


def write(file, text):
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, "utf-8")


def texts(index):
    """What the index holds of each file."""
    catalog = Catalog(IndexFolder(index).current()[0] / "catalog.sqlite")
    try:
        return {
            Path(file.path).name: document.text
            for file in catalog.files()
            for document in map(catalog.document, catalog.ids_at(file.path))
        }
    finally:
        catalog.close()


def came(updates):
    """What comes next."""
    try:
        return next(updates)
    except KeyboardInterrupt:
        if signal.alarm(0):
            raise  # A person interrupted it.
        pytest.fail("nothing came in three minutes")


def changes(built):
    assert isinstance(built, Built)
    return tuple(built.manifest.changes[what] for what in ("added", "changed", "removed"))


def test_what_happens_to_files_and_folders_is_in_the_index(index, corpus, tmp_path):
    updates = watch(index)
    assert changes(came(updates)) == (1, 0, 0)  # Since the last run.
    write(corpus / "里" / "深" / "乙.txt", "乙县2023年修路7公里。")
    assert changes(came(updates)) == (1, 0, 0)
    # As editors save: another file takes the place.
    write(corpus / ".甲.txt.swp", "甲县2023年修路65公里。")
    (corpus / ".甲.txt.swp").rename(corpus / "甲.txt")
    assert changes(came(updates)) == (0, 1, 0)
    assert texts(index)["甲.txt"] == "甲县2023年修路65公里。"
    (corpus / "里").rename(corpus / "外")
    write(tmp_path / "来" / "丙.txt", "丙县2023年修路9公里。")
    (tmp_path / "来").rename(corpus / "来")
    assert changes(came(updates)) == (2, 0, 1)
    write(corpus / "外" / "深" / "乙.txt", "乙县2023年修路8公里。")
    shutil.rmtree(corpus / "来")
    assert changes(came(updates)) == (0, 1, 1)
    assert set(texts(index)) == {"始.txt", "甲.txt", "乙.txt"}


def test_where_the_system_reports_nothing_files_are_looked_at(index, corpus, monkeypatch):
    monkeypatch.setenv("WATCHFILES_FORCE_POLLING", "1")
    updates = watch(index)
    came(updates)
    write(corpus / "里" / "乙.txt", "乙县2023年修路7公里。")
    assert changes(came(updates)) == (1, 0, 0)


def test_a_burst_is_one_update_and_the_index_itself_is_none(index, corpus):
    opened = []

    @contextmanager
    def progress():
        opened.append(1)
        yield None

    updates = watch(index, progress=progress)
    came(updates)
    for number in range(50):
        write(corpus / f"{number}.txt", f"第{number}村2023年修路{number}米。")
    assert changes(came(updates)) == (50, 0, 0)
    # By then the files that the updates wrote have long been reported.
    later = threading.Timer(1.5, write, (corpus / "乙.txt", "乙县2023年修路7公里。"))
    later.start()
    assert changes(came(updates)) == (1, 0, 0)
    later.join()
    assert len(opened) == 3


def test_a_file_that_is_being_written_waits_and_others_do_not_wait_for_it(
    index, corpus, monkeypatch
):
    monkeypatch.setattr(watching, "QUIET", 1.0)
    monkeypatch.setattr(watching, "LONGEST", 1.0)
    updates = watch(index)
    came(updates)
    before = texts(index)["甲.txt"]
    program = (
        "import sys, time\n"
        "files = [open(name, 'a') for name in sys.argv[1:]]\n"
        "while True:\n"
        "    for file in files: print('慢县修路了。', file=file, flush=True)\n"
        "    time.sleep(0.05)\n"
    )
    names = (corpus / "甲.txt", corpus / "慢.txt")
    environment = {**os.environ, "PYTHONUTF8": "1"}
    writer = subprocess.Popen([sys.executable, "-c", program, *names], env=environment)
    try:
        while not (corpus / "慢.txt").exists():
            assert writer.poll() is None
        write(corpus / "乙.txt", "乙县2023年修路7公里。")
        built = came(updates)
    finally:
        writer.kill()
        writer.wait()
    assert [file.problem for file in built.problems] == ["还在写,写完就收入"]
    assert texts(index)["甲.txt"] == before
    assert "乙.txt" in texts(index)
    assert came(updates).problems == ()
    assert {name: text for name, text in texts(index).items() if "慢" in text} == {
        name.name: name.read_text("utf-8") for name in names
    }


def test_a_folder_that_is_away_empties_nothing(index, corpus, tmp_path):
    place = tmp_path / "索引"
    index.rename(place)
    write(tmp_path / "又" / "丁.txt", "丁县2023年修路2公里。")
    update(place, [tmp_path / "又"], add=True)
    write(corpus / "丙.txt", "丙县2023年修路9公里。")
    updates = watch(place)
    came(updates)
    held = texts(place)
    corpus.rename(tmp_path / "别处")
    wrong = came(updates)
    assert isinstance(wrong, CorpusError)
    assert corpus.name in wrong.message
    (tmp_path / "别处").rename(corpus)
    assert not came(updates).changed  # All is well again.
    # What is left where a drive was mounted.
    corpus.rename(tmp_path / "别处")
    corpus.mkdir()
    assert isinstance(came(updates), CorpusError)
    assert texts(place) == held
    write(tmp_path / "别处" / "乙.txt", "乙县2023年修路7公里。")
    corpus.rmdir()
    (tmp_path / "别处").rename(corpus)
    assert changes(came(updates)) == (1, 0, 0)
    # The same folder, emptied, is what its owner wants.
    for file in corpus.glob("*.txt"):
        file.unlink()
    assert changes(came(updates)) == (0, 0, 4)
    assert set(texts(place)) == {"丁.txt"}


def test_an_update_that_fails_is_told_once_and_made_with_the_next_change(index, corpus):
    updates = watch(index)
    came(updates)
    with IndexFolder(index).writing():
        write(corpus / "乙.txt", "乙县2023年修路7公里。")
        assert isinstance(came(updates), IndexBusy)
        write(corpus / "丙.txt", "丙县2023年修路9公里。")
        later = threading.Timer(1, write, (corpus / "丁.txt", "丁县2023年修路2公里。"))
        later.start()
    assert changes(came(updates)) in {(2, 0, 0), (3, 0, 0)}
    later.join()


def test_a_name_that_is_not_utf_8_ends_nothing(index, corpus):
    updates = watch(index)
    came(updates)
    Path(os.fsdecode(bytes(corpus) + b"/" + "乙.txt".encode("gbk"))).write_text("乙", "utf-8")
    assert changes(came(updates)) == (1, 0, 0)
    write(corpus / "丙.txt", "丙县2023年修路9公里。")
    assert changes(came(updates)) == (1, 0, 0)


def test_files_named_by_themselves_and_what_others_add(index, corpus, tmp_path):
    one, other = tmp_path / "一.txt", tmp_path / "别的"
    write(one, "一县2023年修路3公里。")
    update(index, [one])
    updates = watch(index)
    write(one, "一县2023年修路4公里。")
    assert changes(came(updates)) == (0, 1, 0)
    write(tmp_path / "新的.txt", "一县2023年修路5公里。")
    (tmp_path / "新的.txt").replace(one)
    assert changes(came(updates)) == (0, 1, 0)
    write(other / "二.txt", "二县2023年修路6公里。")
    update(index, [other], add=True)
    write(other / "三.txt", "三县2023年修路7公里。")
    assert changes(came(updates)) == (1, 0, 0)
    assert set(texts(index)) == {"一.txt", "二.txt", "三.txt"}


def test_only_files_that_look_different_are_read(index, corpus, monkeypatch):
    read = []

    def record(file):
        read.append(file.absolute.name)
        return record_of(file)

    record_of = watching.record_of
    monkeypatch.setattr(watching, "record_of", record)
    monkeypatch.setattr(watching, "_RACY", 0)
    updates = watch(index)
    came(updates)
    assert sorted(read) == ["始.txt", "甲.txt"]
    read.clear()
    # The same size, and the same time of change.
    time = (corpus / "甲.txt").stat().st_mtime_ns
    write(corpus / "甲.txt", "甲县2023年修路65公里。")
    os.utime(corpus / "甲.txt", ns=(time, time))
    assert changes(came(updates)) == (0, 1, 0)
    assert read == ["甲.txt"]


def test_a_file_read_right_after_it_changed_is_read_again(index, corpus, monkeypatch):
    monkeypatch.setattr(watching, "_RACY", 10**15)
    look = watching._look(corpus / "甲.txt")
    monkeypatch.setattr(watching, "_look", lambda path: look)  # A clock that stands still.
    recorder = watching._Recorder({}, set())
    file = watching.SourceFile("甲.txt", corpus / "甲.txt")
    before = recorder(file)
    write(corpus / "甲.txt", "甲县2023年修路65公里。")
    assert watching._Recorder(recorder.made, set())(file) != before


def test_there_must_be_an_index(tmp_path):
    with pytest.raises(IndexMissing):
        next(watch(tmp_path / "无"))


@contextmanager
def command(*arguments):
    """``qa`` as a process of its own."""
    with subprocess.Popen(
        [sys.executable, "-c", "from qa.cli import main; main()", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=ROOT,
        env={**os.environ, "PYTHONUTF8": "1"},
        encoding="utf-8",
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def test_the_command_says_each_update_and_ends_with_ctrl_c(index, corpus):
    with command("index", corpus, "--index", index, "--watch") as process:
        assert "新增 1" in process.stdout.readline()
        assert process.stdout.readline() == f"正在留意 {corpus},Ctrl-C 结束\n"
        (corpus / "坏\x1b.txt").write_bytes("好的文字".encode() + b"\xff\xfe\x80")
        assert "+1 ~0 −0 个文件" in process.stdout.readline()
        assert "没有收入" in (line := process.stdout.readline())
        assert r"坏\x1b.txt:" in line
        write(corpus / "甲.txt", "甲县2023年修路65公里。")
        assert "+0 ~1 −0 个文件" in process.stdout.readline()
        process.send_signal(signal.SIGINT)
        out, err = process.communicate()
    assert process.returncode == 130
    assert out == ""  # The file that is bad still was told once.
    assert "索引没有损坏" in err


def test_the_command_writes_a_line_of_json_for_each_update_and_ends_with_sigterm(index, corpus):
    with command("index", "--index", index, "--watch", "--json") as process:
        assert json.loads(process.stdout.readline())["changes"]["added"] == 1
        with IndexFolder(index).writing():
            write(corpus / "甲.txt", "甲县2023年修路65公里。")
            assert "另一个进程" in json.loads(process.stdout.readline())["error"]
        write(corpus / "乙.txt", "乙县2023年修路7公里。")
        assert json.loads(process.stdout.readline())["changes"]["changed"] == 1
        process.terminate()
        out, err = process.communicate()
    assert (process.returncode, out) == (130, "")
    assert "索引没有损坏" in err
