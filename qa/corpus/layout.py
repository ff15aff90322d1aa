"""Repairs a page: text with hard wraps, captions and bylines in, blocks of whole paragraphs out.

Nothing is changed or invented: a block is a list of ranges of the original text. What a reader
of the page does without thinking is done by four rules:

1. Lines that fill a column of one width are one paragraph (a hard wrap).
2. A short line without a full stop, after a finished paragraph, is a heading, unless the words
   show that it was torn off ("使用平台对全 | 县在建工程": 全县 is a word).
3. A caption is known by its words (资料图, 供图, 摄) or by the gap that a picture left.
4. A paragraph without a full stop goes on in the next one, past any captions between them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from statistics import median_low
from typing import Literal, TypeVar

from qa.corpus.lines import Line, lines_of, unwrapped
from qa.text import PERSON, fold, segmenter, tie
from qa.types import Document, Span, Told

Kind = Literal["heading", "body", "caption", "byline", "source", "jump"]
_Item = TypeVar("_Item")

HEADING_LENGTH = 45
"""Most characters of a heading; the longest on the seed pages has 35."""
_FIRST_HEADING_LENGTH = 80
"""The same for a page's first line: titles of government notices are long."""
_CAPTION_LENGTH = 120
_TORN = 3.0
"""Nats of ``tie`` from which on a word is taken to be torn."""
_PICTURE_GAP = 3
"""Blank lines that a picture leaves on a page copied as text with one between paragraphs."""
LONG = 1000
"""Paragraphs after which it is told that they are done."""

_ROLE = (
    r"(?:本报|特约|见习|实习|新华社|中新社|人民网|首席)?(?:记者|通讯员|实习生|评论员)"
    r"|作者|撰稿|供稿|文/图|文|图|摄影"
)
_NAME = rf"(?:{PERSON})"
_ROLES_AND_NAMES = (
    rf"(?:(?:{_ROLE})[\s::/]*)*{_NAME}(?:[\s、,，/]+(?:(?:{_ROLE})[\s::/]*)*{_NAME})*"
)
_BYLINE = re.compile(
    rf"[(（【]?\s*{_ROLES_AND_NAMES}\s*(?:文/图|摄影报道|报道|文|图)?\s*[)）】]?"
    # After a role, any name: family names are many.
    r"|(?:本报|特约|见习|实习|新华社|中新社|首席)?(?:记者|通讯员)\s+[一-鿿]{2,4}(?:[\s、]+[一-鿿]{2,4})*"
)
_JUMP = re.compile(r"[(（【]\s*(?:上接|下转|紧接|转)[^()（）【】]{0,12}版[^()（）【】]{0,8}[)）】]")
_SOURCE = re.compile(
    r"(?:来源|编辑|责编|作者|点击|浏览|发布|发布时间|发表时间|记者|字号|审核)\s*:"
    r"|(?:时间|日期)\s*:\s*(?:19|20)\d\d"
)
_CAPTION = re.compile(
    r"[(（][^()（）]{0,20}(?:资料图|资料照片|供图|图片|摄)[^()（）]{0,6}[)）]\s*$|^(?:图为|上图|下图|左图|右图|图片说明)"
    r"|摄于.{2,12}日|(?:记者|通讯员)\s*\S{2,4}\s*摄[。)）]?$"
)
_FINISHED = re.compile(r"[。!?！？;；:：…][”’」』)）】》\"]*(?:[(（][^()（）]*[)）])?[”’」』]*$")
_DANGLING = re.compile(r"[的和与及或在对将把被向从为以于而并且是让使由给,，、—~]$")
_NO_START = re.compile(r"^[,，、。;；:：!?！？)）】》”’」』…%]")
_MARKUP = re.compile(r"(#{1,6})[ \t]+(?=\S)")
_ITEM = re.compile(r"[-*+•·] |\d{1,3}[.)] |\|")


@dataclass(frozen=True, slots=True)
class Block:
    """A paragraph, a heading, a caption or the like.

    Attributes:
        kind: What it is on the page.
        spans: Its pieces of the document's text; more than one where it was torn.
        level: Of a heading: 1 to 6 where the text marks it, else 0.
    """

    kind: Kind
    spans: tuple[Span, ...]
    level: int = 0


def silent(done: int, total: int) -> None:
    """For those who need not be told."""


def blocks(document: Document, told: Told = silent) -> list[Block]:
    """Read a page: its blocks in reading order; together they hold all of its text.

    The order is the page's, but that the rest of a torn paragraph stands before the captions
    that tore it.

    Args:
        document: The page.
        told: Told of a long page how far the work has come.
    """
    text = document.text
    lines = list(lines_of(text))
    if document.markup:
        return _markup_blocks(text, lines)
    found = _joined(text, _classified(text, unwrapped(text, lines), told), told)
    if all(block.kind == "heading" for block in found):  # A note without full stops.
        return [replace(block, kind="body") for block in found]
    return found


def _counted(items: Sequence[_Item], told: Told, *, before: int) -> Iterator[_Item]:
    """The items of one of the two walks over a page; the third is that of ``passages``."""
    for number, item in enumerate(items, 1):
        yield item
        if number % LONG == 0:
            told(before + number, 3 * len(items))


def _markup_blocks(text: str, lines: list[Line]) -> list[Block]:
    found: list[Block] = []
    open_paragraph = code = False
    for line in lines:
        content = text[line.start : line.end]
        table = " | " in content
        code ^= content.startswith(("```", "~~~"))
        if not code and (mark := _MARKUP.match(content)):
            level = len(mark.group(1))
            found.append(Block("heading", ((line.start, line.end),), level))
            open_paragraph = False
        elif open_paragraph and not line.gap and not _ITEM.match(content) and not table:
            start = found[-1].spans[0][0]
            found[-1] = Block("body", ((start, line.end),))
        else:
            found.append(Block("body", ((line.start, line.end),)))
            open_paragraph = not table
    return found


def _following(text: str, paragraphs: list[Line]) -> Line | None:
    """The next paragraph; what goes on after a caption stands behind it."""
    for line in paragraphs:
        if line.end - line.start > _CAPTION_LENGTH:
            return line
        if not _CAPTION.search(fold(text[line.start : line.end])):
            return line
    return None


def _classified(text: str, paragraphs: list[Line], told: Told) -> list[Block]:
    found: list[Block] = []
    gaps = [paragraph.gap for paragraph in paragraphs[1:]]
    usual = max(0, median_low(gaps) - 1) if gaps else 0
    last: Block | None = None  # That is no caption.
    for index, paragraph in enumerate(_counted(paragraphs, told, before=0)):
        following = _following(text, paragraphs[index + 1 : index + 4])
        start = paragraph.start
        if jump := _JUMP.match(fold(text[start : min(paragraph.end, start + 40)])):
            found.append(last := Block("jump", ((start, start + jump.end()),)))
            start += jump.end()
            while start < paragraph.end and text[start].isspace():
                start += 1
            if start == paragraph.end:
                continue
        line = replace(paragraph, start=start, gap=max(0, paragraph.gap - usual))
        kind = _kind(text, line, following, last, is_first=not found)
        found.append(Block(kind, ((start, paragraph.end),)))
        last = found[-1] if kind != "caption" else last
    return _without_lists(found)


def _kind(
    text: str, paragraph: Line, following: Line | None, last: Block | None, *, is_first: bool
) -> Kind:
    if paragraph.end - paragraph.start > _CAPTION_LENGTH:
        return "body"
    content = fold(text[paragraph.start : paragraph.end])
    rest = fold(text[following.start : following.end][:40]) if following else ""
    torn = last is not None and last.kind == "body" and not _finished(text, last)
    if _CAPTION.search(content):
        return "caption"
    if (
        paragraph.gap >= _PICTURE_GAP
        and not is_first
        and (torn or (_FINISHED.search(content) and len(content) <= 60))
    ):
        return "caption"
    if _SOURCE.search(content) and not _FINISHED.search(content.rstrip(":")):
        return "source"
    sign_off = not is_first and len(rest) < 40 and not _FINISHED.search(rest)
    if not torn and _is_byline(content, sign_off=sign_off):
        return "byline"
    longest = HEADING_LENGTH if not is_first or "," in content else _FIRST_HEADING_LENGTH
    if torn or len(content) > longest or _is_torn(content, rest):
        return "body"
    if "。" in content:
        return "body"
    if content.endswith(":"):  # 某某局: (the title goes on), not 他提出以下要求,分三步走:
        return "body" if len(content) > 25 or "," in content else "heading"
    return "body" if _FINISHED.search(content) else "heading"


def _is_byline(content: str, *, sign_off: bool) -> bool:
    if len(content) > 40 or not _BYLINE.fullmatch(content):
        return False
    bare = content.strip("()（）【】 ")
    if bare != content or re.search(r"[\s:/]|记者|通讯员|作者|撰稿|供稿|摄影", bare):
        return True
    # A name alone stands between two articles; jieba cuts it after the family name: "沈|远|万",
    # but "任务|一" and "高等教育".
    return sign_off and len(next(segmenter().cut(bare, HMM=False))) == 1


def _is_torn(content: str, rest: str) -> bool:
    """True where ``rest`` goes on with the sentence, or the word, that ``content`` began."""
    if not rest or content.endswith(("——", ":", "：")):
        return False
    if _DANGLING.search(content) or _NO_START.match(rest):
        return True
    if content.count("“") > content.count("”") or content.count("(") > content.count(")"):
        return True
    return tie(content[-6:], rest[:6]) > _TORN


def _without_lists(found: list[Block]) -> list[Block]:
    """Turn runs of more than five "headings" into body: a list or a table of short lines."""
    result = list(found)
    start = 0
    for index in range(len(found) + 1):
        if index < len(found) and found[index].kind == "heading":
            continue
        if index - start > 5:
            result[start:index] = [replace(block, kind="body") for block in found[start:index]]
        start = index + 1
    return result


def _finished(text: str, block: Block) -> bool:
    start, end = block.spans[-1]
    tail = text[max(start, end - 40) : end]
    if _FINISHED.search(tail):
        return True
    return len(block.spans) == 1 and not re.search(r"[,，。、;；:：]", text[start:end])


def _joined(text: str, found: list[Block], told: Told) -> list[Block]:
    """Put torn paragraphs together again."""
    result: list[Block] = []
    spans: list[Span] = []  # Of the last block that is no caption, at ``last``.
    last = -1
    for block in _counted(found, told, before=len(found)):
        if block.kind == "caption":
            result.append(block)
            continue
        if last >= 0 and block.kind == result[last].kind == "body":
            tail = Block("body", tuple(spans[-2:]))  # More than one: it was torn before.
            if _words_go_on(text, tail, block) or not _finished(text, tail):
                spans += block.spans
                continue
        if last >= 0:
            result[last] = replace(result[last], spans=tuple(spans))
        last, spans = len(result), list(block.spans)
        result.append(block)
    if last >= 0:
        result[last] = replace(result[last], spans=tuple(spans))
    return result


def _words_go_on(text: str, block: Block, following: Block) -> bool:
    start, end = block.spans[-1]
    if _FINISHED.search(text[max(start, end - 40) : end]):
        return False
    begin = following.spans[0][0]
    return _is_torn(fold(text[start:end]), fold(text[begin : begin + 40]))
