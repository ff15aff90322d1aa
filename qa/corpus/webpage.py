r"""The text of a web page comes in; a document goes out, with the text that a reader would see.

The text is written the way Markdown marks headings (``# …``) and list items (``- …``). A
paragraph that itself begins like a heading is written ``\\# …``, which is Markdown's own way of
saying that it is none. Nothing is fetched, and no step recurses: pages may nest at any depth.
"""

from __future__ import annotations

import re
import warnings
from typing import TYPE_CHECKING

from qa.corpus.markup import heading, paragraph
from qa.corpus.metadata import describe
from qa.errors import FileError
from qa.types import Document, Told

if TYPE_CHECKING:
    from bs4 import BeautifulSoup, Tag

_CHARSET = re.compile(rb"<meta[^>]{1,200}charset\s*=\s*[\"']?\s*([\w-]+)", re.IGNORECASE)
# Beautiful Soup looks each end tag up among all void tags that were not closed: a page of
# 100,000 <br> takes minutes, with <br/> a second.
_VOID = re.compile(r"<(br|hr|img|input|link|meta|wbr|col)(?=[\s>])([^<>]*)(?<!/)>", re.IGNORECASE)
_HIDDEN = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden", re.IGNORECASE)

_DROPPED = re.compile(
    "aside|audio|button|canvas|embed|footer|iframe|input|link|math|meta|nav|noframes|noscript|"
    "object|option|rp|rt|script|select|style|svg|template|textarea|title|video",
)
_MENUS = re.compile("banner|complementary|contentinfo|menu|menubar|navigation|search")
_BLOCKS = re.compile(
    "address|article|blockquote|body|caption|center|dd|details|dialog|div|dl|dt|fieldset|"
    "figcaption|figure|form|h[1-6r]|header|hgroup|html|legend|li|main|ol|p|pre|section|summary|"
    "table|tbody|td|tfoot|th|thead|tr|ul",
)
_HEADINGS = ("h1", "h2", "h3", "h4", "h5", "h6")

_BREAK = "\v"  # <br>, until the spaces of the source have been collapsed.
_SPACES = " \t\n\r\f\xa0"
_NEW_PARAGRAPH = re.compile(
    rf"{_BREAK}[{_SPACES}]*(?:{_BREAK}[{_SPACES}{_BREAK}]*|(?=\u3000|\xa0\xa0))"
)
_WIDE = "[\u2014-\u2026\u2e80-\u9fff\uf900-\ufaff\uff00-\uffee\U00020000-\U000323af]"
_WRAP = re.compile(rf"(?<={_WIDE})[ \t]*[\r\n][ \t\r\n]*(?={_WIDE})")

_TITLE = ("articletitle", "og:title")
_DATE = (
    "article:published_time",
    "og:published_time",
    "datepublished",
    "publishdate",
    "pubdate",
    "og:release_date",
    "date",
    "dc.date",
)
_PUBLISHER = ("contentsource", "source", "og:site_name", "sitename", "publisher", "dc.publisher")
_AUTHOR = ("author", "article:author", "og:article:author", "dc.creator")


def charset(raw: bytes) -> str:
    """The encoding that a web page says it is in; "" if it does not."""
    declared = _CHARSET.search(raw[:8192])
    return declared.group(1).decode() if declared else ""


def html(path: str, raw: bytes, told: Told) -> list[Document]:
    """Read a web page.

    Args:
        path: Of the document.
        raw: Its text in UTF-8.
        told: Not told anything: all is read at once.
    """
    soup = _parse(raw.decode())
    page = _Page()
    page.read(soup)
    meta = _meta(soup)
    title = _first(meta, _TITLE) or page.title or (soup.title.get_text() if soup.title else "")
    return [
        Document(
            id=path,
            path=path,
            title=" ".join(title.split()),
            text=page.text(),
            encoding="utf-8",
            metadata=describe(
                date=_first(meta, _DATE),
                publisher=_first(meta, _PUBLISHER),
                author=_first(meta, _AUTHOR),
            ),
            markup=True,
        ),
    ]


def _parse(decoded: str) -> BeautifulSoup:
    from bs4 import BeautifulSoup
    from bs4.exceptions import ParserRejectedMarkup

    with warnings.catch_warnings():  # That XHTML is read as HTML, that a short text is no page.
        warnings.simplefilter("ignore")
        # Behind the last > there is no tag; html.parser would look for the end of one at each <.
        tags, end, rest = decoded.rpartition(">")
        whole = _VOID.sub(r"<\1\2 />", tags + end) + rest.replace("<", "&lt;")
        try:
            return BeautifulSoup(whole, "html.parser")
        except ParserRejectedMarkup as error:
            raise FileError("HTML 无法解析:标记已损坏", "请用浏览器打开后另存,再重试。") from error


def _meta(soup: BeautifulSoup) -> dict[str, str]:
    found: dict[str, str] = {}
    for tag in soup.find_all("meta"):
        content = str(tag.get("content", "")).strip()
        for attribute in ("property", "name", "itemprop"):
            name = str(tag.get(attribute, "")).strip().lower()
            if name and content:
                found.setdefault(name, content)
    return found


def _first(meta: dict[str, str], names: tuple[str, ...]) -> str:
    return next((meta[name] for name in names if name in meta), "")


class _Page:
    """Takes a tree apart into paragraphs, in one walk."""

    def __init__(self) -> None:
        self.title = ""
        self._paragraphs: list[str] = []
        self._inline: list[str] = []
        self._level, self._item = 0, False  # Marks that wait for their text.
        self._cells = -1  # Cells begun of the table row that is being read; -1 outside of one.
        self._last_kind = ""
        self._pre = 0  # How many <pre> are open.
        self._kept: dict[str, Tag] = {}

    def text(self) -> str:
        """Paragraphs with blank lines between them; list items and table rows with none."""
        return "".join(self._paragraphs)

    def read(self, root: Tag) -> None:
        from bs4.element import CData, NavigableString, Tag

        path, waiting = [root], [iter(root.contents)]
        while waiting:
            node = next(waiting[-1], None)
            if node is None:
                waiting.pop()
                self._leave(path.pop())
            elif isinstance(node, Tag):
                if self._enter(node):
                    path.append(node)
                    waiting.append(iter(node.contents))
            elif isinstance(node, NavigableString) and type(node) in (NavigableString, CData):
                written = node.replace(_BREAK, " ")
                self._inline.append(written.replace("\n", _BREAK) if self._pre else written)
        self._flush()

    def _enter(self, tag: Tag) -> bool:
        """Begin a tag; False where it and all in it is left out."""
        name = tag.name.lower()
        if _DROPPED.fullmatch(name) or _is_hidden(tag):
            return False
        if name in ("form", "header") and name not in self._kept:
            if _is_menu(tag):
                return False
            self._kept[name] = tag
        self._pre += name == "pre"
        if name == "br":
            self._inline.append(_BREAK)
        elif self._cells >= 0:
            self._enter_in_row(name)
        elif _BLOCKS.fullmatch(name):
            self._flush()
            if name in _HEADINGS:
                self._level = int(name[1])
            elif name == "li":
                self._item = True
            elif name == "tr" and _is_row(tag):
                self._cells = 0
        return True

    def _enter_in_row(self, name: str) -> None:
        if name in ("td", "th"):
            self._inline.append(" | " if self._cells else "")
            self._cells += 1
        elif _BLOCKS.fullmatch(name):
            self._inline.append(" ")

    def _leave(self, tag: Tag) -> None:
        name = tag.name.lower()
        self._pre -= name == "pre"
        if self._kept.get(name) is tag:
            del self._kept[name]
        if self._cells >= 0:
            if name == "tr":
                self._flush()
                self._cells = -1
        elif _BLOCKS.fullmatch(name):
            self._flush()
            self._level, self._item = 0, False

    def _flush(self) -> None:
        """End a paragraph; a mark that stands before it waits until there is text for it."""
        inline, self._inline = "".join(self._inline), []
        one_line = self._cells >= 0 or self._level > 0
        for part in [inline] if one_line else _NEW_PARAGRAPH.split(inline):
            lines = [_collapse(line) for line in part.split(_BREAK)]
            if written := (" " if one_line else "\n").join(line for line in lines if line):
                self._add(written)

    def _add(self, written: str) -> None:
        kind = "row" if self._cells >= 0 else "item" if self._item else ""
        if self._level:
            self.title = self.title or (written if self._level == 1 else "")
            written = heading(self._level, written)
        else:
            written = f"- {written}" if self._item else paragraph(written)
        together = kind and kind == self._last_kind
        self._paragraphs.append(("\n" if together else "\n\n") if self._paragraphs else "")
        self._paragraphs.append(written)
        self._level, self._item, self._last_kind = 0, False, kind


def _collapse(line: str) -> str:
    """White space as browsers show it, but none where the source wraps between Han characters."""
    return re.sub(rf"[{_SPACES}]+", " ", _WRAP.sub("", line)).strip()


def _is_hidden(tag: Tag) -> bool:
    role = str(tag.attrs.get("role", "")).lower()
    style = str(tag.attrs.get("style", ""))
    return "hidden" in tag.attrs or bool(_HIDDEN.search(style) or _MENUS.fullmatch(role))


def _is_menu(tag: Tag) -> bool:
    """True for a form that only asks, and for a site's header with no heading in it.

    Some sites put the whole page into one form; an article's header may hold its byline.
    """
    if tag.name.lower() == "form":
        return tag.find(("p", *_HEADINGS)) is None and len(tag.get_text(strip=True)) < 200
    return tag.find(_HEADINGS) is None and tag.find_parent(("article", "main")) is None


def _is_row(row: Tag) -> bool:
    """True for a row of data; older pages also lay out their columns with tables."""
    from bs4.element import NavigableString, Tag

    cells = length = 0
    waiting = list(row.contents)  # Not row.descendants, which looks for the last one first.
    while waiting:
        node = waiting.pop()
        if isinstance(node, NavigableString):
            length += len(node.strip())
        elif isinstance(node, Tag) and node.name in ("table", "tr", "ul", "ol", *_HEADINGS):
            return False
        elif isinstance(node, Tag):
            cells += node.name in ("td", "th")
            waiting += node.contents
        if length > 1000:
            return False
    return cells > 1
