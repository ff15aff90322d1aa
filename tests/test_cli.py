"""The command as people run it: a process of its own, its output, errors and exit codes."""

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from qa.index import seal

ROOT = Path(__file__).parents[1]
QUESTION = "2024年巫溪支队受理了多少件环境投诉?"


def run(*arguments, stdin="", cwd=ROOT, environment=None, encoding="utf-8"):
    done = subprocess.run(
        [sys.executable, "-c", "from qa.cli import main; main()", *map(str, arguments)],
        input=stdin.encode(encoding),
        capture_output=True,
        cwd=cwd,
        env={**os.environ, **(environment or {})},
        timeout=120,
    )
    assert b"Traceback" not in done.stderr, done.stderr.decode(encoding, "replace")
    return (
        done.returncode,
        done.stdout.decode(encoding, "replace"),
        done.stderr.decode(encoding, "replace"),
    )


@pytest.fixture(scope="module")
def index(seeds_index):
    return seeds_index


@pytest.fixture
def copy(index, tmp_path):
    return Path(shutil.copytree(index, tmp_path / "copy", symlinks=True))


def test_an_answer_with_its_sentence_and_place(index):
    code, out, err = run("ask", QUESTION, "--index", index)
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0] == "129件"
    assert "受理环境投诉129件" in lines[1]
    assert "seeds/000_04fbe818b094871c.txt:82" in lines[2]
    assert "\x1b" not in out  # No colour in a pipe.


def test_the_citation_opens_at_the_quotation(index):
    _, out, _ = run("ask", QUESTION, "--index", index)
    command = shlex.split(out.rpartition("看原文:")[2])
    code, page, _ = run(*command[1:])
    assert code == 0
    cited = next(line for line in page.splitlines() if "▶" in line)
    assert "   82 ▶" in cited
    assert "⟦支队始终将群众环境诉求作为重要工作导向,2024年全年共受理环境投诉129件" in cited


def test_json_of_an_answer_names_a_place_that_holds_the_quotation(index):
    code, out, _ = run("ask", QUESTION, "--index", index, "--json")
    answer = json.loads(out)
    assert code == 0
    assert (answer["answer"], answer["abstained"]) == ("129件", False)
    assert 0 <= answer["confidence"] <= 1
    citation = answer["citations"][0]
    text = (ROOT / citation["path"]).read_text("utf-8")
    start, end = citation["span"]
    assert text[start:end] == citation["quote"]
    assert citation["lines"] == [text.count("\n", 0, start) + 1] * 2
    for hit in answer["hits"]:
        assert sum(hit["scores"].values()) == pytest.approx(hit["score"], abs=1e-3)


def test_nothing_found_is_said_and_exits_with_1(index):
    code, out, err = run("ask", "上海迪士尼的门票多少钱?", "--index", index)
    assert (code, err) == (1, "")
    assert out.startswith("未找到\n")
    values = json.loads(run("ask", "上海迪士尼的门票多少钱?", "--index", index, "--json")[1])
    assert values["abstained"]
    assert values["answer"] == "未找到"
    assert values["evidence"]


def test_search_explains_each_score(index):
    code, out, _ = run("search", "充电桩选址", "-k", "2", "--explain", "--index", index)
    assert code == 0
    assert "1500把充电桩选址" in out
    assert out.count(" = 语义 ") == 2


def test_a_batch_answers_in_order_and_goes_on_after_a_bad_line(index, tmp_path):
    lines = [QUESTION, '{"id": "乙", "question": "充电桩完成了多少把的选址?"}', "", "{坏", "?!"]
    code, out, err = run("ask", "--batch", "-", "--index", index, stdin="\n".join(lines))
    answers = [json.loads(line) for line in out.splitlines()]
    assert [a["id"] for a in answers] == [1, "乙", 4, 5]
    assert [a.get("answer") for a in answers] == ["129件", "1500把", None, None]
    assert "error" in answers[2]
    assert "error" in answers[3]
    assert code == 2
    assert "2 行" in err
    file = tmp_path / "questions.txt"
    file.write_text("\ufeff" + QUESTION + "\n", "utf-8")
    code, out, _ = run("search", "--batch", file, "-k", "1", "--index", index)
    assert code == 0
    assert json.loads(out)["question"] == QUESTION


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["ask"], 2, "请写一个问题"),
        (["ask", ""], 2, "问题是空的"),
        (["ask", "?!……"], 2, "没有可以查找的字词"),
        (["ask", "😀"], 2, "没有可以查找的字词"),
        (["ask", "好" * 10_000], 2, "问题太长:10000 字"),
        (["ask", QUESTION, "--batch", "-"], 2, "请写一个问题"),
        (["ask", "--batch", "/nowhere/q.txt"], 2, "打不开问题文件"),
        (["ask", QUESTION, "--wrong"], 2, "--wrong"),
        (["show", "seeds/000_04fbe818b094871c.txt:9999"], 10, "没有这几行"),
        (["show", "nothing.txt:1"], 10, "没有这个文件"),
        (["show", "what"], 10, "看不懂的出处"),
        (["index", "/nowhere"], 2, "/nowhere"),
    ],
)
def test_bad_input_gets_a_message_and_its_exit_code(copy, arguments, code, message):
    got, out, err = run(*arguments, "--index", copy)
    assert got == code
    assert message in err
    assert out == ""


@pytest.mark.parametrize("question", ["How many complaints in 2024?", "環境投訴有多少件?", "水"])
def test_any_script_and_any_length_gets_an_answer_or_not_found(index, question):
    code, out, err = run("ask", question, "--index", index)
    assert code in (0, 1)
    assert err == ""
    assert out


def test_no_index_at_the_place_named(tmp_path):
    code, _, err = run("ask", QUESTION, "--index", tmp_path / "none")
    assert code == 6
    assert "qa index" in err
    assert run("index", "--index", tmp_path / "none")[0] == 6
    assert not (tmp_path / "none").exists()


def damage_vectors(copy):
    vectors = next(copy.glob("generation-*/dense.faiss"))
    vectors.write_bytes(vectors.read_bytes()[:-100])


def damage_manifest(copy):
    next(copy.glob("generation-*/manifest.json")).write_text("{")


def damage_version(copy):
    generation = next(copy.glob("generation-*"))
    content, _ = seal.read(generation)
    seal.write(generation, content | {"format": 99})


def damage_catalog(copy):
    catalog = next(copy.glob("generation-*/catalog.sqlite"))
    catalog.write_bytes(b"\xff" * catalog.stat().st_size)


@pytest.mark.parametrize(
    "damage", [damage_vectors, damage_manifest, damage_version, damage_catalog]
)
def test_a_damaged_index_says_so_and_can_be_made_again(copy, damage):
    damage(copy)
    for command in (["ask", QUESTION], ["status"]):
        code, out, err = run(*command, "--index", copy)
        assert code == 7
        assert "qa index" in err
        assert out == ""
    assert run("index", "seeds/002_390e3eec7faaee6a.txt", "--index", copy)[0] == 0
    assert run("ask", "清理了多长的排污管道?", "--index", copy)[1].startswith("2.1公里")


def test_a_missing_model_is_prepared_again_by_index(copy, prepared):
    (copy / "models").unlink()
    code, _, err = run("ask", QUESTION, "--index", copy)
    assert code == 9
    assert "qa index" in err
    (copy / "models").symlink_to(prepared.parent)
    assert run("ask", QUESTION, "--index", copy)[0] == 0


def test_an_index_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    code, _, err = run("index", "seeds", "--index", tmp_path / "file")
    assert code == 8
    assert "不能写" in err


def test_status_lists_files_encodings_and_what_was_left_out(copy, tmp_path):
    articles = tmp_path / "文章"
    articles.mkdir()
    (articles / "甲.txt").write_bytes("甲县去年修路56公里,投资7亿元。".encode("gb18030"))
    (articles / "乙.txt").write_bytes("好的文字".encode() + b"\xff\xfe\x80")
    code, out, _ = run("index", articles, "--index", copy)
    assert code == 0
    assert "移除 5" in out
    assert "乙.txt" in out
    state = json.loads(run("status", "--files", "--json", "--index", copy)[1])
    assert {Path(f["path"]).name: f["encoding"] for f in state["files"]}["甲.txt"] == "gb18030"
    assert [Path(f["path"]).name for f in state["files"] if f["problem"]] == ["乙.txt"]
    (articles / "甲.txt").write_text("改过了。", "utf-8")
    assert "甲.txt" in run("status", "--index", copy)[1].partition("改动")[2]


def test_show_warns_of_a_file_that_changed(copy, tmp_path):
    article = tmp_path / "文章.txt"
    article.write_text("甲县去年修路56公里。\n乙县没有修路。\n", "utf-8")
    run("index", article, "--index", copy)
    article.write_text("甲县去年修路65公里。\n乙县没有修路。\n", "utf-8")
    code, out, err = run("show", f"{article}:1", "--index", copy)
    assert code == 0
    assert "56公里" in out
    assert "已经改过" in err


def test_control_characters_in_a_document_do_not_reach_the_terminal(copy, tmp_path):
    article = tmp_path / "文章.txt"
    article.write_text("甲县去年修路56公里,\x1b[31m投资\u202e7亿元\x07。\n", "utf-8")
    run("index", article, "--index", copy)
    outputs = [
        run(*command, "--index", copy)[1]
        for command in (
            ["ask", "甲县去年修路多少公里?"],
            ["search", "甲县"],
            ["show", f"{article}:1"],
        )
    ]
    for out in outputs:
        assert "56公里" in out
        assert not {"\x1b", "\u202e", "\x07"} & set(out)


@pytest.mark.parametrize(
    "environment",
    [
        {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
        {"LC_ALL": "C"},
        {"PYTHONIOENCODING": "cp936"},
        {"PYTHONIOENCODING": "cp950"},
    ],
)
def test_output_fits_the_console(index, environment):
    encoding = environment.get("PYTHONIOENCODING", "ascii")
    encoding = "utf-8" if environment == {"LC_ALL": "C"} else encoding
    code, out, _ = run("ask", QUESTION, "--index", index, environment=environment)
    assert code == 0
    assert out
    code, out, _ = run(
        "ask", QUESTION, "--json", "--index", index, environment=environment, encoding=encoding
    )
    assert code == 0
    assert json.loads(out)["answer"] == "129件"  # Nothing is lost in JSON.


def test_bare_qa_chats_only_in_a_terminal(index):
    code, out, _ = run()
    assert code == 2
    assert "ask" in out
    code, out, _ = run("chat", "--index", index, stdin=f"{QUESTION}\n/open 1\n/quit\n没问到")
    assert code == 0
    assert out.startswith("129件")
    assert "▶" in out
    assert "没问到" not in out


def test_interrupting_index_leaves_the_old_one(copy, tmp_path):
    articles = tmp_path / "articles"
    articles.mkdir()
    for number in range(300):
        text = f"第{number}号公告。" + "".join(f"第{number}村修路{n}米。" for n in range(40))
        (articles / f"{number}.txt").write_text(text, "utf-8")
    process = subprocess.Popen(
        [
            *(sys.executable, "-c", "from qa.cli import main; main()"),
            *("index", str(articles), "--index", str(copy)),
        ],
        stderr=subprocess.PIPE,
        cwd=ROOT,
    )
    deadline = time.monotonic() + 60
    while not list(copy.glob("unfinished-*/catalog.sqlite")) and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err.decode("utf-8")
    assert "索引没有损坏" in err.decode("utf-8")
    assert not list(copy.glob("unfinished-*"))
    assert run("ask", QUESTION, "--index", copy)[1].startswith("129件")


def test_help_imports_nothing_heavy():
    script = (
        "import sys\n"
        "sys.argv = ['qa', '--help']\n"
        "from qa.cli import app\n"
        "try: app()\n"
        "except SystemExit: pass\n"
        "heavy = {'torch', 'transformers', 'sentence_transformers', 'faiss', 'jieba', 'numpy',\n"
        "         'onnxruntime', 'tantivy', 'tokenizers'}\n"
        "sys.exit(', '.join(heavy & set(sys.modules)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()


def test_a_question_does_not_import_torch(index):
    script = (
        "import sys\n"
        "from qa import QA\n"
        f"QA.open({str(index)!r}).ask({QUESTION!r})\n"
        "heavy = {'torch', 'transformers', 'sentence_transformers', 'bs4', 'rich', 'pypdf'}\n"
        "sys.exit(', '.join(heavy & set(sys.modules)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()


@pytest.fixture
def articles(tmp_path):
    folder = tmp_path / "我的 文章"
    folder.mkdir()
    (folder / "甲.txt").write_text("甲县2023年修路56公里。\r\n乙县2023年修路7公里。\r\n", "utf-8")
    return folder


def test_the_command_shown_opens_the_quotation_in_any_index(copy, articles):
    run("index", articles, "--index", copy)
    _, out, _ = run("ask", "甲县修路多少公里?", "--index", copy)
    shown = shlex.split(out.rpartition("看原文:")[2])
    code, page, _ = run(*shown[1:])
    assert code == 0
    assert "⟦甲县2023年修路56公里。⟧" in page
    assert "␍" not in page


def test_a_citation_opens_by_what_its_path_means_from_here(copy, articles):
    run("index", articles.name, "--index", copy, cwd=articles.parent)
    for path, here in (
        (f"{articles.name}/甲.txt", ROOT),
        ("甲.txt", articles),
        (f"./{articles.name}/甲.txt", articles.parent),
        (articles / "甲.txt", ROOT),
    ):
        code, page, _ = run("show", f"{path}:2", "--index", copy, cwd=here)
        assert code == 0
        assert "乙县" in page


def test_show_needs_no_model(copy):
    (copy / "models").unlink()
    code, page, _ = run("show", "seeds/000_04fbe818b094871c.txt:82", "--index", copy)
    assert code == 0
    assert "129件" in page


def test_an_index_among_the_articles_does_not_index_itself(prepared, articles):
    index = articles / "索引"
    index.mkdir()
    (index / "models").symlink_to(prepared.parent)
    for _ in range(2):
        assert run("index", ".", "--index", "索引", cwd=articles)[0] == 0
    state = json.loads(run("status", "--files", "--json", "--index", "索引", cwd=articles)[1])
    assert [file["path"] for file in state["files"]] == ["甲.txt"]
    assert state["outdated"] == []


def test_updating_from_elsewhere_with_one_folder_gone(copy, articles, tmp_path):
    other = tmp_path / "别的"
    other.mkdir()
    (other / "丙.txt").write_text("丙县2023年修路8公里。", "utf-8")
    run("index", articles.name, other.name, "--index", copy, cwd=tmp_path)
    shutil.rmtree(other)
    code, out, _ = run("index", "--index", copy)
    assert code == 0
    assert "移除" in out
    assert run("ask", "甲县修路多少公里?", "--index", copy)[1].startswith("56公里")
    shutil.rmtree(articles)
    code, _, err = run("index", "--index", copy)
    assert code == 4
    assert "都已不在" in err
    assert run("ask", "甲县修路多少公里?", "--index", copy)[1].startswith("56公里")


def test_the_index_before_is_brought_back_checked_and_left_again(copy, articles):
    code, _, err = run("index", "--rollback", "--index", copy)
    assert (code, "没有别的完好的一代" in err) == (6, True)
    assert run("index", articles, "--index", copy)[0] == 0
    code, out, _ = run("index", "--rollback", "--index", copy)
    assert (code, "第 1 代" in out, "第 2 代还留着" in out) == (0, True, True)
    assert run("ask", QUESTION, "--index", copy)[1].startswith("129件")
    code, out, _ = run("verify", "--index", copy)
    assert (code, "相符" in out) == (0, True)
    assert json.loads(run("index", "--rollback", "--json", "--index", copy)[1])["left"] == 1
    assert run("ask", QUESTION, "--index", copy)[0] == 1


@pytest.mark.parametrize(
    "other", [["seeds"], ["--watch"], ["--encoding", "gbk"], ["--follow-links"]]
)
def test_bringing_back_takes_no_other_option(copy, other):
    assert run("index", "--rollback", *other, "--index", copy)[0] == 2


def test_damage_is_told_by_every_command_and_verify_exits_with_7(copy, articles):
    assert run("index", articles, "--index", copy)[0] == 0
    catalog = copy / "generation-2" / "catalog.sqlite"
    catalog.write_bytes(b"\xff" * catalog.stat().st_size)
    for command in (["ask", QUESTION], ["search", QUESTION]):
        code, out, err = run(*command, "--index", copy)
        assert code == 0
        assert out
        assert all(part in err for part in ("generation-2/catalog.sqlite", "第 1 代", "qa index"))
    assert "第 1 代" in run("status", "--index", copy)[1]
    code, out, _ = run("verify", "--json", "--index", copy)
    assert code == 7
    assert "catalog.sqlite" in "".join(json.loads(out)["problems"])
    assert run("index", "--index", copy)[0] == 0
    assert run("ask", "甲县修路多少公里?", "--index", copy)[1].startswith("56公里")
    assert run("verify", "--index", copy)[0] == 0


def test_add_keeps_what_was_there_and_works_without_an_index(prepared, articles, tmp_path):
    index = tmp_path / "索引"
    index.mkdir()
    (index / "models").symlink_to(prepared.parent)
    assert run("index", articles, "--add", "--index", index)[0] == 0
    more = tmp_path / "丙.txt"
    more.write_text("丙县2023年修路8公里。", "utf-8")
    assert run("index", more, "--add", "--index", index)[0] == 0
    for county, answer in (("甲", "56公里"), ("丙", "8公里")):
        assert run("ask", f"{county}县修路多少公里?", "--index", index)[1].startswith(answer)


def test_status_sees_changes_of_the_same_size_and_new_files(copy, articles):
    run("index", articles, "--index", copy)
    (articles / "甲.txt").write_text("甲县2023年修路65公里。\r\n乙县2023年修路7公里。\r\n", "utf-8")
    (articles / "新.txt").write_text("丁县2023年修路9公里。", "utf-8")
    state = json.loads(run("status", "--json", "--index", copy)[1])
    assert [Path(path).name for path in state["outdated"]] == ["甲.txt", "新.txt"]


def test_batch_lines_that_are_not_utf_8_or_nest_too_deep_are_errors(index, tmp_path):
    file = tmp_path / "问题.txt"
    deep = '{"question": ' + "[" * 100_000
    file.write_bytes("多少件?\n".encode("gbk") + deep.encode() + b"\n" + QUESTION.encode())
    code, out, _ = run("ask", "--batch", file, "--index", index)
    answers = [json.loads(line) for line in out.splitlines()]
    assert code == 2
    assert ["error" in answer for answer in answers] == [True, True, False]
    assert "UTF-8" in answers[0]["error"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a full device is a Linux thing")
def test_an_output_that_is_full_is_no_not_found(index):
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [
                *(sys.executable, "-c", "from qa.cli import main; main()"),
                *("ask", QUESTION, "--index", str(index)),
            ],
            stdout=full,
            stderr=subprocess.PIPE,
        )
    assert done.returncode == 3
    assert "错误" in done.stderr.decode("utf-8")
    assert b"Traceback" not in done.stderr


def test_a_search_can_be_narrowed_by_source_and_time(index):
    code, out, _ = run("search", "--source", "中国网", "-k", 20, "--json", "执法", "--index", index)
    assert code == 0
    hits = json.loads(out)["hits"]
    assert hits
    assert {Path(hit["path"]).name[:3] for hit in hits} == {"002"}
    code, out, _ = run(
        "ask", "--since", "2021-09", "--until", "2021", "荣获了哪些称号?", "--index", index
    )
    assert code == 0
    assert "002_" in out


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--since", "去年"), "看不懂的日期"),
        (("--source", "人民日报"), "没有符合条件的文章"),
        (("--since", "2022"), "没有写明日期的文章不在任何时段之内"),
    ],
)
def test_what_cannot_be_narrowed_to_is_told(index, options, said):
    code, out, err = run("ask", *options, "执法", "--index", index)
    assert (code, out) == (2, "")
    assert said in err


def test_the_exact_search_of_a_small_index_is_the_search(index):
    question = ("污水管网堵塞怎么解决?", "--json", "--index", index)
    assert run("search", "--exact", *question) == run("search", *question)


def test_status_says_how_vectors_are_searched(copy):
    assert "逐一比较" in run("status", "--index", copy)[1]
    content = json.loads(run("status", "--json", "--index", copy)[1])
    assert content["vectors"] == content["passages"]
    assert content["dense"]["kind"] == "Flat"
