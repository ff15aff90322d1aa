"""Takes a page apart: a document in, its articles out, each with title, source, date and author.

An article begins at the top of the page, at a jump line (上接一版), after a byline that closed
the one before, and where headings stand before the marks of a beginning: 本报讯, a dateline,
a reporter's line.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from qa.corpus.layout import Block, blocks, silent
from qa.corpus.metadata import iso_date
from qa.corpus.places import read
from qa.text import fold
from qa.types import Article, Document, Told

_OPENING = re.compile(
    r"本报讯|本报.{0,12}日[电讯]|据?(?:新华社|中新[社网]|人民网|央视网).{0,16}[电讯]"
)
_FIELD = re.compile(r"([一-鿿]{2,4})\s*[:：]\s*(.*?)(?=\s*[一-鿿]{2,4}\s*[:：]|$)")
_REPORTER = re.compile(r"本[报報][讯訊]\s*[(（](?:本[报報])?[记記]者\s*([^()（）]{2,20})[)）]")
_FIELD_NAMES = {"来源": "publisher", "发布": "publisher", "作者": "author", "记者": "author"}
_ROLES = re.compile(r"本报|特约|记者|通讯员|作者|撰稿|供稿|文/图|[()（）【】]")
_CONTINUES = ("——", "—", ":", "：")
_KINSHIP = 0.3
"""Least share of a title's character pairs in a text for both to be of one article."""
_LEAD = 0.2
"""How much closer to the text a later title line must be to be the main one."""

_MOST_PAIRS = 10_000
"""Title lines times jump lines up to which they are compared: newspaper pages have a dozen."""


@dataclass(slots=True)
class Story:
    """An article on a page.

    Attributes:
        article: Title, publisher, date and author, as far as the page gives them.
        subtitles: Lines of the title beside the main one, in order.
        blocks: All its blocks in reading order, those of the title among them.
        has_body: True once a paragraph of the article has been met.
    """

    article: Article = field(default_factory=Article)
    subtitles: tuple[str, ...] = ()
    blocks: list[Block] = field(default_factory=list)
    titles: list[Block] = field(default_factory=list)
    jumped: bool = False
    has_body: bool = False


def stories(document: Document, told: Told = silent) -> list[Story]:
    """The articles of a document, in order; together their blocks are all of its text.

    Args:
        document: The page that they stand on.
        told: Told of a long page how far the work has come.
    """
    found = _split(document, blocks(document, told))
    spare: list[tuple[Story, str]] = []
    for story in found:
        lines = _title_lines(document.text, story.titles)
        main = _main_title(lines, _body(document.text, story))
        story.article = _article(document, story, main)
        story.subtitles = tuple(line for line in lines if line != main)
        spare += [(story, line) for line in story.subtitles]
    jumps = sum(story.jumped for story in found)
    for story in found:
        if story.jumped and spare and jumps * len(spare) <= _MOST_PAIRS:
            body = _body(document.text, story)
            owner, line = max(spare, key=lambda item: _kinship(item[1], body))
            if _kinship(line, body) >= _KINSHIP:
                story.article = _article(document, story, line)
                owner.subtitles = tuple(other for other in owner.subtitles if other != line)
                spare.remove((owner, line))
    return found


def _split(document: Document, page: list[Block]) -> list[Story]:
    """Give each block to its article."""
    after = _after_headings(page)
    last_body = max((i for i, block in enumerate(page) if block.kind == "body"), default=-1)
    found = [Story()]
    closed = False
    for index, block in enumerate(page):
        story = found[-1]
        has_body = story.has_body
        if block.kind == "jump" and has_body and "下转" not in fold(_string(document.text, block)):
            found.append(story := _next_story(story))
            story.jumped = True
            closed = False
        elif block.kind == "heading":
            start = after[index]
            rest = page[start : start + 1]
            if has_body and (
                block.level == 1
                or _opens(document.text, rest, closed=closed, goes_on=start <= last_body)
            ):
                found.append(story := _next_story(story))
                closed = False
            if not story.has_body and not story.jumped and (block.level < 2 or not story.titles):
                story.titles.append(block)
        elif block.kind == "byline":
            closed = has_body
        elif block.kind == "body":
            closed = False
            story.has_body = True
        story.blocks.append(block)
    return [story for story in found if story.blocks]


def _after_headings(page: list[Block]) -> list[int]:
    """For each block, the place of the first from it on that is no heading and no caption."""
    after = [len(page)] * (len(page) + 1)
    for index in range(len(page) - 1, -1, -1):
        skipped = page[index].kind in ("heading", "caption")
        after[index] = after[index + 1] if skipped else index
    return after


def _next_story(last: Story) -> Story:
    """A new article; a caption that stands after the last one's byline goes with it."""
    kept = len(last.blocks)
    while kept and last.blocks[kept - 1].kind == "caption":
        kept -= 1
    if kept and last.blocks[kept - 1].kind == "byline":
        moved, last.blocks = last.blocks[kept:], last.blocks[:kept]
        return Story(blocks=moved)
    return Story()


def _opens(text: str, rest: list[Block], *, closed: bool, goes_on: bool) -> bool:
    """True where headings are the title of a new article.

    Args:
        text: Of the page.
        rest: The block after the headings, none at the end.
        closed: Whether a byline closed the article before.
        goes_on: Whether there is a paragraph from there on.
    """
    if not rest:
        return False
    first = rest[0]
    if closed or first.kind in ("byline", "source"):
        return goes_on
    return first.kind == "body" and _OPENING.match(fold(_string(text, first))) is not None


def _string(text: str, block: Block) -> str:
    return read(text, block.spans)[0]


def title_line(text: str, block: Block) -> str:
    """A heading without the marks that Markdown puts around it."""
    line = _string(text, block)
    return re.sub(r"^#+\s+|\s+#+$", "", line) if block.level else line


def _body(text: str, story: Story) -> str:
    return fold("".join(_string(text, b) for b in story.blocks if b.kind in ("body", "caption")))


def _title_lines(text: str, titles: list[Block]) -> list[str]:
    """The title's lines; one that ends in —— or : goes on in the next."""
    lines: list[str] = []
    for block in titles:
        line = title_line(text, block)
        if lines and lines[-1].endswith(_CONTINUES):
            lines[-1] += line
        else:
            lines.append(line)
    return lines


def _main_title(lines: list[str], body: str) -> str:
    """The line closest to the text; of lines about as close, the first."""
    main = lines[0] if lines else ""
    for line in lines[1:]:
        if _kinship(line, body) > _kinship(main, body) + _LEAD:
            main = line
    return main


def _kinship(title: str, body: str) -> float:
    folded = fold(title)
    pairs = {folded[i : i + 2] for i in range(len(folded) - 1) if folded[i : i + 2].isalnum()}
    return sum(pair in body for pair in pairs) / len(pairs) if pairs else 0.0


def _article(document: Document, story: Story, title: str) -> Article:
    fields = {"title": title or ("" if story.jumped else document.title)}
    fields |= {name: document.metadata.get(name, "") for name in ("publisher", "date", "author")}
    signed = ""
    for block in story.blocks:
        line = _string(document.text, block)
        if block.kind == "source":
            fields |= _source_fields(line)
        elif block.kind == "body" and (named := _REPORTER.match(line)):
            signed = signed or " ".join(named[1].split())
        elif block.kind == "byline":
            signed = signed or " ".join(_ROLES.sub(" ", line).split())
    if signed:
        fields["author"] = signed
    return Article(**fields)


def _source_fields(line: str) -> dict[str, str]:
    """What a line such as ``来源:中国网 时间:2021-09-09 编辑:陈蓉`` says."""
    found: dict[str, str] = {}
    if date := iso_date(line):
        found["date"] = date
    for match in _FIELD.finditer(line):
        name = _FIELD_NAMES.get(fold(match.group(1)))
        if name and match.group(2):
            found.setdefault(name, match.group(2))
    return found
