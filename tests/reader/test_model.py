"""The reader model that ships, prepared and opened as at a user's."""

import shutil
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from qa import QA
from qa.errors import ModelError
from qa.index import seal
from qa.index.prepared import MODEL_FILE, PIECES_FILE
from qa.index.seal import MANIFEST, sha256
from qa.reader import prepared as reader_prepared
from qa.reader.model import ReaderModel
from qa.reader.prepare import MAX_DIFFERENCE, prepare
from qa.reader.widen import widened
from qa.text import fold
from qa.types import Article, Passage

BRIDGE = "沙湖大桥全长1200米,由市交通局建设,总投资3.5亿元。大桥于2021年5月6日通车。"


def passage(text, title="", *headings):
    return Passage("a@0", "a", Article(title), headings, "body", text, ((0, len(text)),))


@pytest.fixture(scope="session")
def folder(prepared):
    return reader_prepared.folder(prepared.parent)


@pytest.fixture(scope="session")
def model(folder):
    return ReaderModel.open(folder)


def said(model, question, text, *above):
    reading = model.read(question, passage(text, *above), 1)
    start, end = reading.found[0].span
    start, end = widened(fold(text), (start, end))
    return text[start:end], reading


class TestReading:
    @pytest.mark.parametrize(
        ("question", "answer"),
        [
            ("沙湖大桥有多长?", "全长1200米"),
            ("沙湖大橋是哪個部門建設的?", "市交通局"),
            ("大桥什么时候通车?", "2021年5月6日"),
            ("大桥总投资多少?", "3.5亿元"),
        ],
    )
    def test_it_finds_what_is_asked_for(self, model, question, answer):
        found, reading = said(model, question, BRIDGE)
        assert found == answer
        assert reading.answers > 0

    def test_it_knows_what_is_not_there(self, model):
        there = said(model, "沙湖大桥全长多少米?", BRIDGE)[1]
        absent = said(model, "沙湖大桥的设计师是谁?", BRIDGE)[1]
        far = said(model, "上海迪士尼的门票多少钱?", BRIDGE)[1]
        assert there.answers > absent.answers
        assert there.answers > far.answers
        assert far.answers < 0

    def test_a_title_is_read_where_it_has_words_of_the_question_that_the_text_has_not(self, model):
        text = "全年共受理投诉129件,办结率100%。"
        question = "巫溪县受理了多少件投诉?"
        without = said(model, question, text)
        assert said(model, question, text, "石柱县信访工作年报") == without
        found, own = said(model, question, text, "巫溪县信访工作年报")
        assert found == without[0] == "129件"
        assert own != without[1]

    def test_both_scripts_read_alike(self, model):
        simplified = said(model, "下庄村的党支部书记是谁?", "下庄村党支部书记毛相林带领村民修路。")
        traditional = said(model, "下莊村的黨支部書記是誰?", "下莊村黨支部書記毛相林帶領村民修路。")
        assert simplified == traditional

    def test_a_long_passage_is_read_to_its_end(self, model):
        text = "这一段讲的是别的事情,与问题没有关系。" * 250 + BRIDGE
        assert len(text) > 4500
        found, _ = said(model, "沙湖大桥全长多少米?", text)
        assert found == "1200米"

    @pytest.mark.parametrize("text", ["水", "\x00\x1b[31m\x07", " ", "\u200b\u202e", "?", "\ud800"])
    def test_a_passage_of_nothing_much(self, model, text):
        reading = model.read("沙湖大桥全长多少米?", passage(text), 3)
        assert all(0 <= a.span[0] < a.span[1] <= len(text) for a in reading.found)
        assert np.isfinite(reading.answers)

    @pytest.mark.parametrize(
        "question",
        ["长" * 2000, "How long is the Shahu bridge?", BRIDGE + "对吗?", "\ud800座桥?", "1"],
    )
    def test_a_strange_question(self, model, question):
        found, reading = said(model, question, BRIDGE)
        assert found.strip()
        assert np.isfinite(reading.answers)

    @settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(st.text(max_size=300), st.text(min_size=1, max_size=80))
    def test_whatever_the_text_spans_are_in_it_and_apart(self, model, text, question):
        reading = model.read(question, passage(text, text[:9]), 3)
        spans = sorted(one.span for one in reading.found)
        assert all(0 <= start < end <= len(text) for start, end in spans)
        assert all(a[1] <= b[0] for a, b in pairwise(spans))

    def test_nothing_is_said_of_a_barred_stretch(self, model):
        start = BRIDGE.index("大桥于")
        barred = [(start, len(BRIDGE))]
        reading = model.read("大桥什么时候通车?", passage(BRIDGE), 1, barred)
        assert reading.found[0].span[1] <= start
        everything = [(0, len(BRIDGE))]
        assert model.read("大桥什么时候通车?", passage(BRIDGE), 1, everything).found == ()

    def test_a_barred_stretch_of_a_later_piece_is_found_there(self, model):
        text = "这一段讲的是别的事情,与问题没有关系。" * 50 + BRIDGE
        start = text.index("沙湖大桥全长")
        barred = [(start, start + 11)]
        reading = model.read("沙湖大桥全长多少米?", passage(text), 1, barred)
        assert "1200" not in text[slice(*reading.found[0].span)]


class TestFolder:
    def test_it_says_what_it_was_made_of(self, folder):
        manifest = reader_prepared.Manifest.read(folder)
        assert manifest.weights == reader_prepared.shipped().stem
        assert manifest.difference <= MAX_DIFFERENCE
        for name, (size, digest) in manifest.files.items():
            assert ((folder / name).stat().st_size, sha256(folder / name)) == (size, digest)

    def test_the_weights_that_ship_are_small_and_of_the_checksum_in_their_name(self):
        file = reader_prepared.shipped()
        assert file.stat().st_size <= 30_000_000
        assert sha256(file).startswith(file.stem.removeprefix("reader-"))

    @pytest.mark.parametrize("name", [MODEL_FILE, PIECES_FILE, MANIFEST])
    @pytest.mark.parametrize("harm", ["gone", "cut"])
    def test_a_damaged_folder_is_refused(self, folder, tmp_path, name, harm):
        copy = tmp_path / folder.name
        shutil.copytree(folder, copy)
        if harm == "gone":
            (copy / name).unlink()
        else:
            (copy / name).write_bytes((copy / name).read_bytes()[:-9])
        with pytest.raises(ModelError) as caught:
            ReaderModel.open(copy)
        assert name in caught.value.message
        assert "qa index" in caught.value.advice

    def test_one_of_another_version_is_refused(self, folder, tmp_path):
        content, _ = seal.read(folder)
        seal.write(tmp_path, content | {"format": 0})
        with pytest.raises(ModelError, match="格式是 0"):
            ReaderModel.open(tmp_path)

    @pytest.mark.parametrize("harm", ["gone", "changed"])
    def test_damaged_weights_are_not_prepared(self, folder, tmp_path, monkeypatch, harm):
        shipped = reader_prepared.shipped()
        monkeypatch.setattr(reader_prepared, "_PACKAGE", tmp_path)
        if harm == "changed":
            (tmp_path / shipped.name).write_bytes(shipped.read_bytes()[:-1] + b"\0\0")
        with pytest.raises(ModelError, match="阅读模型的权重"):
            prepare(tmp_path / "models", lambda stage, done, total: None)
        assert not list((tmp_path / "models").glob("reader-*")) or harm == "gone"


class TestFallback:
    @pytest.fixture
    def index(self, seeds_index, prepared, tmp_path):
        """The seeds' index, its models a copy without the reader."""
        index = tmp_path / "index"
        shutil.copytree(seeds_index, index, ignore=shutil.ignore_patterns("models", ".lock"))
        (index / "models").mkdir()
        (index / "models" / prepared.name).symlink_to(prepared)
        return index

    def test_without_the_reader_the_closest_sentence_answers_with_a_notice(self, index):
        qa = QA.open(index)
        assert "阅读模型不可用" in qa.notice
        assert "qa index" in qa.notice
        answer = qa.ask("2024年巫溪支队受理了多少件环境投诉?")
        assert answer == qa.ask("2024年巫溪支队受理了多少件环境投诉?", fast=True)
        assert answer.text == "129件"

    def test_with_it_there_is_no_notice(self, seeds_index):
        assert QA.open(seeds_index).notice == ""
