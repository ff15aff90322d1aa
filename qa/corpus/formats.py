"""The text of a plain, a Markdown or a JSON-lines file comes in; documents go out."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from qa.corpus.metadata import describe
from qa.errors import FileError
from qa.text import spelled
from qa.types import Document

if TYPE_CHECKING:
    from collections.abc import Iterator

    from qa.corpus.encoding import Decoded

_FRONT = re.compile(r"\A---[ \t]*\r?\n(.*?)^(?:---|\.\.\.)[ \t]*\r?$", re.DOTALL | re.MULTILINE)
_FIELD = re.compile(r"^(\w+)[ \t]*[:：](.*)$", re.MULTILINE)
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")
_TITLE = re.compile(r" {0,3}#[ \t]+(\S.*)$")
_SURROGATE = re.compile("[\ud800-\udfff]")
_CHINESE_FIELDS = {"标题": "title", "日期": "date", "作者": "author", "来源": "source"}
_REPAIR = "请改正这一行后重试。"


def text(path: str, decoded: Decoded) -> list[Document]:
    """Read a plain text, exactly as decoded."""
    return [Document(path, path, title="", text=decoded.text, encoding=decoded.encoding)]


def markdown(path: str, decoded: Decoded) -> list[Document]:
    """Read Markdown, exactly as decoded; title and metadata from front matter or heading."""
    front = _FRONT.match(decoded.text)
    fields = _front_matter(front.group(1)) if front else {}
    body = front.end() if front else 0
    return [
        Document(
            id=path,
            path=path,
            title=fields.get("title", "") or _first_heading(decoded.text, body),
            text=decoded.text,
            encoding=decoded.encoding,
            metadata=describe(
                date=fields.get("date", ""),
                publisher=fields.get("publisher", "") or fields.get("source", ""),
                author=fields.get("author", ""),
            ),
            markup=True,
        ),
    ]


def _front_matter(block: str) -> dict[str, str]:
    """The ``key: value`` lines of a YAML header; quotes and a list's brackets are left out."""
    fields: dict[str, str] = {}
    for name, value in _FIELD.findall(block):
        key = _CHINESE_FIELDS.get(name, name.lower())
        fields.setdefault(key, value.strip().strip("[]").strip().strip("\"'"))
    return fields


def _first_heading(decoded: str, start: int) -> str:
    fence = ""
    for line in _lines(decoded, start):
        mark = _FENCE.match(line)
        if mark and (not fence or mark.group(1).startswith(fence)):
            fence = "" if fence else mark.group(1)
        elif not fence and (title := _TITLE.match(line)):
            return re.sub(r"\s+#+$", "", title.group(1).rstrip())
    return ""


def json_lines(path: str, decoded: Decoded) -> list[Document]:
    """Read JSON lines: ``{"_id" or "id", "title", "text", "date", "publisher", "author"}``.

    Only ``text`` is required. A record without an id goes by its line number; one whose text is
    blank is left out.

    Raises:
        FileError: A line that is no such record, or an id that has been met before.
    """
    documents: list[Document] = []
    seen: dict[str, int] = {}
    for number, line in enumerate(_lines(decoded.text), 1):
        if not line.strip():
            continue
        record = _record(line, number)
        if not record["text"].strip():
            continue
        key = record["_id"] or record["id"] or str(number)
        if key in seen:
            message = f"第 {number} 行的编号 '{spelled(key)}' 与第 {seen[key]} 行重复"
            raise FileError(message, "请让每条记录的 id 各不相同。")
        seen[key] = number
        documents.append(
            Document(
                id=f"{path}#{spelled(key)}",
                path=path,
                title=record["title"].strip(),
                text=record["text"],
                encoding=decoded.encoding,
                metadata=describe(
                    date=record["date"],
                    publisher=record["publisher"] or record["source"],
                    author=record["author"],
                ),
                record=number,
            ),
        )
    return documents


def _lines(decoded: str, start: int = 0) -> Iterator[str]:
    """Lines that end at a line feed only: U+2028 and U+0085 may stand inside a JSON string."""
    while (end := decoded.find("\n", start)) >= 0:
        yield decoded[start:end]
        start = end + 1
    yield decoded[start:]


def _record(line: str, number: int) -> dict[str, str]:
    """The fields of one line as strings, those that it lacks as ""."""
    try:
        record: Any = json.loads(line)
    except json.JSONDecodeError as error:
        message = f"第 {number} 行不是合法的 JSON:第 {error.colno} 个字符处出错"
        raise FileError(message, _REPAIR) from error
    except (ValueError, RecursionError) as error:
        message = f"第 {number} 行的 JSON 无法解析:数字太长或嵌套太深"
        raise FileError(message, _REPAIR) from error
    if not isinstance(record, dict):
        raise FileError(f"第 {number} 行不是 JSON 对象 {{…}}", "每行应是一条带 text 字段的记录。")
    if not isinstance(record.get("text"), str):
        problem = "不是字符串" if "text" in record else "缺失"
        raise FileError(f"第 {number} 行的 text 字段{problem}", _REPAIR)
    names = ("_id", "id", "title", "text", "date", "publisher", "source", "author")
    return {name: _string(record.get(name), name, number) for name in names}


def _string(value: object, name: str, number: int) -> str:
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise FileError(f"第 {number} 行的 {name} 字段应是字符串", _REPAIR)
    written = str(value)
    if _SURROGATE.search(written):
        raise FileError(f"第 {number} 行的 {name} 字段含有不成对的代理字符(\\ud800 一类)", _REPAIR)
    return written
