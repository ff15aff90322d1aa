"""Files of questions with known answers in; questions out, and the corpus that they bring.

Three forms, told apart by their content: SQuAD JSON (its contexts become the corpus), a BEIR
folder (its corpus, retrieval only), and JSON lines of one's own questions over an index.
"""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from io import BytesIO
from pathlib import Path
from typing import Any

from qa.conversation import checked
from qa.corpus.encoding import decode
from qa.corpus.load import MAX_BYTES
from qa.errors import FileError, InputError

_GZIP = b"\x1f\x8b"
_EXAMPLE = '{"question": "…", "answers": ["…"], "source": "文件名", "evidence": "原文"}'
_FORMS = f"可用的:SQuAD 格式的 JSON、BEIR 文件夹,或每行一个 {_EXAMPLE}"


@dataclass(frozen=True, slots=True)
class Question:
    """A question with what is known of its answer.

    Attributes:
        text: To be asked.
        answers: Strings of which the answer holds one.
        source: File that answers, by name or path, or a record's id; "" if not known.
        evidence: Text that answers; "" if not known.
        grades: For BEIR, how relevant each record is, by id.
        answerable: False where nothing in the corpus answers.
        line: Of the file of questions, from 1; 0 where it has none.
    """

    text: str
    answers: tuple[str, ...] = ()
    source: str = ""
    evidence: str = ""
    grades: Mapping[str, int] = field(default_factory=dict)
    answerable: bool = True
    line: int = 0


@dataclass(frozen=True, slots=True)
class QuestionSet:
    """What a file or folder of questions holds.

    Attributes:
        form: "squad", "beir" or "lines".
        questions: At least one.
        contexts: For SQuAD, the corpus: each text, and the name of its file.
        corpus: For BEIR, the file of the corpus.
        skipped: Questions left out, since they cannot be asked: blank, or too long.
    """

    form: str
    questions: tuple[Question, ...]
    contexts: Mapping[str, str] = field(default_factory=dict)
    corpus: Path | None = None
    skipped: int = 0


def read(source: Path) -> QuestionSet:
    """Read questions in any of the three forms.

    Raises:
        FileError: It cannot be read.
        InputError: It is none of the forms, has no question, or one of its parts is not right.
    """
    found = _beir(source) if source.is_dir() else _file(source)
    if not found.questions:
        raise InputError(f"{source} 里没有可以提的问题", _FORMS)
    return found


def _file(source: Path) -> QuestionSet:
    text = _text(source)
    try:
        whole = json.loads(text)
    except (ValueError, RecursionError):
        whole = None
    if isinstance(whole, dict) and isinstance(whole.get("data"), list):
        return _squad(source, whole["data"])
    lines = list(_lines(text))
    if not any("question" in _object(line) for _, line in lines):
        raise InputError(f"看不出 {source} 是哪一种问题文件", _FORMS)
    return _set("lines", [_own(source, number, line) for number, line in lines])


def _lines(text: str) -> Iterator[tuple[int, str]]:
    """The lines that are not blank, with their numbers, from 1."""
    return ((number, line) for number, line in enumerate(text.split("\n"), 1) if line.strip())


def _text(path: Path) -> str:
    """The text of a file, of one compressed by gzip, too."""
    try:
        with path.open("rb") as stream:
            raw = stream.read(MAX_BYTES + 1)
        if raw.startswith(_GZIP):
            with gzip.open(BytesIO(raw)) as stream:
                raw = stream.read(MAX_BYTES + 1)
    except (OSError, EOFError, zlib.error) as error:
        missing = "不存在" if isinstance(error, FileNotFoundError) else ""
        reason = missing or getattr(error, "strerror", None) or "gzip 压缩已损坏"
        raise FileError(f"读不了 {path}:{reason}", "请检查路径、权限和文件是否完整。") from error
    if len(raw) > MAX_BYTES:
        raise FileError(f"{path} 超过 {MAX_BYTES >> 20} MB 的上限", "请分成几个文件。")
    if not raw.strip():
        raise InputError(f"{path} 是空的", _FORMS)
    try:
        return decode(raw).text
    except FileError as error:
        raise FileError(f"读不了 {path}:{error.message}", error.advice) from error


def _object(line: str) -> dict[str, Any]:
    """The JSON object on a line; empty where there is none."""
    try:
        content = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def _own(source: Path, number: int, line: str) -> Question:
    """One's own question."""
    place = f"{source} 第 {number} 行"
    content = _object(line)
    if not content:
        raise InputError(f"{place}不是合用的 JSON", f"写法:{_EXAMPLE}")
    answers = content.get("answers") or []
    text, *known = (content.get(name) or "" for name in ("question", "source", "evidence"))
    if not isinstance(answers, list) or not all(
        isinstance(value, str) for value in (text, *known, *answers)
    ):
        raise InputError(f"{place}有一项不是文字;answers 应是文字的列表", f"写法:{_EXAMPLE}")
    try:
        asked = checked(text)
    except InputError as error:
        raise InputError(f"{place}:{error.message}", error.advice) from error
    golds = tuple(dict.fromkeys(answer for answer in answers if answer.strip()))
    where, evidence = (value.strip() for value in known)
    answerable = bool(golds or where or evidence)
    return Question(asked, golds, where, evidence, answerable=answerable, line=number)


def _squad(source: Path, articles: Sequence[Any]) -> QuestionSet:
    """SQuAD 1.1 or 2.0: each context once, and the questions on it."""
    names: dict[str, str] = {}
    questions: list[Question | None] = []
    for number, article in enumerate(articles, 1):
        try:
            for paragraph in article["paragraphs"]:
                if paragraph["context"].strip():
                    name = names.setdefault(paragraph["context"], f"{len(names):06}.txt")
                    questions += [_on_context(asked, name) for asked in paragraph["qas"]]
        except (KeyError, TypeError, AttributeError) as error:
            raise InputError(
                f"{source} 的第 {number} 篇不合 SQuAD 格式:{error}",
                "每篇有 paragraphs,每段有 context 和 qas,每问有 question 和 answers。",
            ) from error
    return _set("squad", questions, contexts=names)


def _on_context(asked: Mapping[str, Any], name: str) -> Question | None:
    golds = dict.fromkeys(answer["text"] for answer in asked.get("answers") or ())
    known = () if asked.get("is_impossible") else tuple(filter(str.strip, golds))
    return _askable(Question(asked["question"], known, name, answerable=bool(known)))


def _askable(question: Question) -> Question | None:
    try:
        return replace(question, text=checked(question.text))
    except InputError:
        return None


def _set(
    form: str,
    questions: Sequence[Question | None],
    contexts: Mapping[str, str] | None = None,
    corpus: Path | None = None,
) -> QuestionSet:
    asked = tuple(filter(None, questions))
    return QuestionSet(form, asked, contexts or {}, corpus, len(questions) - len(asked))


def _beir(folder: Path) -> QuestionSet:
    """BEIR: corpus.jsonl, queries.jsonl and judgments, those of the test set if there are any."""
    corpus, queries = folder / "corpus.jsonl", folder / "queries.jsonl"
    sets = sorted(folder.glob("qrels/*.tsv"))
    missing = [path.name for path in (corpus, queries) if not path.is_file()]
    if missing or not sets:
        lacks = "、".join(missing or ["qrels/*.tsv"])
        raise InputError(f"{folder} 不是 BEIR 文件夹:没有 {lacks}", _FORMS)
    grades: dict[str, dict[str, int]] = {}
    for file in [path for path in sets if path.stem == "test"] or sets:
        _judge(file, grades)
    questions: list[Question | None] = []
    for number, line in _lines(_text(queries)):
        query = _object(line)
        if not isinstance(query.get("text"), str) or "_id" not in query:
            raise InputError(f"{queries} 第 {number} 行不合用", '写法:{"_id": "1", "text": "…"}')
        if known := grades.get(str(query["_id"])):
            questions.append(_askable(Question(query["text"], grades=known)))
    return _set("beir", questions, corpus=corpus)


def _judge(file: Path, grades: dict[str, dict[str, int]]) -> None:
    """Add the judgments of a file: query, record and grade on a line, the first a header."""
    for number, line in _lines(_text(file)):
        columns = line.split("\t")
        if columns[0] == "query-id":
            continue
        try:
            query, record, grade = columns[0], columns[1], int(columns[2])
        except (IndexError, ValueError) as error:
            raise InputError(
                f"{file} 第 {number} 行不合用", "每行三列,以制表符分开:query-id、corpus-id、score"
            ) from error
        if grade > 0:
            grades.setdefault(query, {})[record] = grade
