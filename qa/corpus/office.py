"""Bytes of a PDF or a Word document come in; a document goes out, or the reason why none can."""

from __future__ import annotations

import io
import logging
import re
import zipfile
import zlib
from itertools import takewhile
from typing import TYPE_CHECKING, Any

from qa.corpus.markup import heading, paragraph
from qa.corpus.metadata import describe
from qa.errors import FileError
from qa.types import Document, Told

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pypdf import PageObject, PdfReader

MAX_TEXT = 32 * 1024 * 1024
"""Most that the text of a Word document, which is a ZIP archive of XML, may unpack to."""
MAX_UNPACKED = 200 * 1024 * 1024
"""Most that all of it may, pictures included."""
MAX_MEMBERS = 10_000
"""Most parts that it may have."""

_RESAVE_PDF = "请用 PDF 阅读器打开后另存为(或打印为)新的 PDF,再重试。"
_RESAVE_DOCX = "请用 Word 或 WPS 打开后另存为 .docx,再重试。"
# What programs write where nobody has written a title or an author.
_NO_TITLE = re.compile(
    r"(?i)microsoft |untitled|无标题|未命名|(新建)?.{0,20}文档 ?\d*$|word document$|幻灯片 ?\d+$|"
    r".*\.(docx?|wps|pdf|pptx?|xlsx?|txt|rtf|indd|qxd|cdr|fbd|fit|s\d+)$",
)
_NO_AUTHOR = re.compile(
    r"(?i)(administrator|admin|user|pc|lenovo|dell|hp|asus|think(pad)?|python-docx|unknown|未知|"
    r"微软用户|(windows|office) ?用户|(microsoft office|windows) user)$",
)
_GARBLED = re.compile("[\x00-\x08\x0e-\x1f\x7f-\x9f\ue000-\uf8ff\ufffd]")
_INFLATED = ("/FlateDecode", ["/FlateDecode"])
_W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_BOX = f"{_W}txbxContent"
_FALLBACK = "{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback"
_ELSEWHERE = frozenset((_BOX, _FALLBACK, f"{_W}moveFrom", f"{_W}del"))
_WRITTEN = {f"{_W}tab": "\t", f"{_W}br": "\n", f"{_W}cr": "\n", f"{_W}noBreakHyphen": "-"}
_HEADING = re.compile(r"(?i)(?:heading|标题)\s*([1-9])$")


def pdf(path: str, raw: bytes, told: Told) -> list[Document]:
    """Read the text layer of a PDF, pages separated by a blank line.

    Args:
        path: Of the document.
        raw: The whole file.
        told: Told how many pages have been read, and how many there are.
    """
    import pypdf

    skips = _Skips()  # Without a handler, the library writes to stderr.
    logging.getLogger("pypdf").handlers = [skips]
    try:
        reader = pypdf.PdfReader(io.BytesIO(raw))
        _decrypt(reader)
        pages: list[str] = []
        for page in reader.pages:
            told(len(pages), len(reader.pages))
            pages.append(page.extract_text())
            if skips.met or any(map(_is_cut_short, _streams(page))):
                message = f"PDF 第 {len(pages)} 页的文字读不全,文件可能已损坏"
                raise FileError(message, _RESAVE_PDF)  # noqa: TRY301
        title, metadata = _pdf_information(reader)
    except (FileError, MemoryError):
        raise
    except Exception as error:  # a damaged file makes pypdf stumble anywhere.
        if type(error).__name__ == "LimitReachedError":  # Not in all versions.
            message = "PDF 里有展开后大得不寻常的数据,超过读取的上限"
            raise FileError(message, _RESAVE_PDF) from error
        raise FileError(f"PDF 已损坏:{type(error).__name__}", _RESAVE_PDF) from error
    text = _mend("\n\n".join(pages))
    if not text.strip():
        raise FileError("扫描件没有文字层,请先做 OCR", "用 OCR 软件生成带文字层的 PDF 后重试。")
    garbled = len(_GARBLED.findall(text))
    if garbled > 0.1 * len(text):
        message = f"PDF 的文字层是乱码({len(text)} 个字符中有 {garbled} 个无法识别)"
        raise FileError(message, "它的字体没有字符对照表,请先做 OCR。")
    return [
        Document(id=path, path=path, title=title, text=text, encoding="pdf", metadata=metadata),
    ]


class _Skips(logging.Handler):
    """Notes whether the library says that it skips something.

    Attributes:
        met: Whether it has.
    """

    met = False

    def emit(self, record: logging.LogRecord) -> None:
        """Look at a message."""
        self.met |= "skip" in record.getMessage() and record.name == "pypdf._page"


def _streams(page: PageObject) -> Iterator[Any]:
    """The streams that hold a page's text: its content, and the forms that it may show."""
    content = page.get("/Contents")
    content = content.get_object() if content is not None else []
    yield from (one.get_object() for one in (content if isinstance(content, list) else [content]))
    resources = page.get("/Resources")
    shown = resources.get_object().get("/XObject") if resources is not None else None
    for one in shown.get_object().values() if shown is not None else ():
        if one.get_object().get("/Subtype") == "/Form":
            yield one.get_object()


def _is_cut_short(stream: Any) -> bool:  # noqa: ANN401 - pypdf
    """True where compressed data breaks off or is damaged: pypdf reads what it can, in silence.

    A checksum behind the data may be missing, as some programs leave it out.
    """
    if not hasattr(stream, "_data") or stream.get("/Filter") not in _INFLATED:
        return False
    inflating = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        inflating.decompress(stream._data[2:], MAX_UNPACKED)
    except zlib.error:
        return True
    return not inflating.eof


def _decrypt(reader: PdfReader) -> None:
    """Open a PDF that only restricts printing or copying; any other needs its password."""
    from pypdf.errors import DependencyError

    if not reader.is_encrypted:
        return
    try:
        opened = reader.decrypt("")
    except DependencyError as error:
        raise FileError("PDF 已加密(AES)", "请先用 PDF 阅读器去掉加密后另存。") from error
    if not opened:
        raise FileError("PDF 有密码保护", "请先用 PDF 阅读器去掉密码后另存。")


def _pdf_information(reader: PdfReader) -> tuple[str, dict[str, str]]:
    information = reader.metadata
    if information is None:
        return "", {}
    try:
        created = information.creation_date
    except ValueError:  # A date in a form of the program's own.
        created = None
    title, author = _mend(information.title or ""), _mend(information.author or "")
    return _named(title, author, created.date().isoformat() if created else "")


def _named(title: str, author: str, created: str) -> tuple[str, dict[str, str]]:
    """Title and metadata, less what a program has filled in."""
    title, author = title.strip(), author.strip()
    title = "" if _NO_TITLE.match(title) else title
    author = "" if _NO_AUTHOR.match(author) else author
    return title, describe(date=created, author=author)


def _mend(text: str) -> str:
    """Join surrogate pairs that a PDF's character map gives apart; one alone becomes U+FFFD."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def docx(path: str, raw: bytes, told: Told) -> list[Document]:
    """Read a Word document: headings, paragraphs, tables and text boxes in their order.

    Args:
        path: Of the document.
        raw: The whole file.
        told: Told how many blocks have been read, and how many there are.
    """
    import docx as python_docx

    _check_archive(raw)
    try:
        document = python_docx.Document(io.BytesIO(raw))
        _refuse_entities(document)
        styles = {style.style_id: style.name or "" for style in document.styles}
        blocks: list[str] = []
        for number, child in enumerate(body := list(document.element.body)):
            told(number, len(body))
            blocks += _blocks([child], styles)
        core = document.core_properties
        made_by_hand = core.created and core.author != "python-docx"
        created = core.created.date().isoformat() if made_by_hand else ""
        title, metadata = _named(core.title or "", core.author or "", created)
    except (FileError, MemoryError):
        raise
    except Exception as error:  # a damaged file makes python-docx stumble anywhere.
        message = f"Word 文档已损坏,或其实不是 .docx:{type(error).__name__}"
        raise FileError(message, _RESAVE_DOCX) from error
    return [
        Document(
            path, path, title, "\n\n".join(blocks), encoding="docx", metadata=metadata, markup=True
        ),
    ]


def _check_archive(raw: bytes) -> None:
    if raw.startswith(b"\xd0\xcf\x11\xe0"):
        raise FileError("Word 文档有密码保护,或是旧版 .doc", _RESAVE_DOCX)
    try:
        with zipfile.ZipFile(io.BytesIO(raw)) as archive:
            members = archive.infolist()
    except (zipfile.BadZipFile, ValueError, EOFError, OSError) as error:
        raise FileError("Word 文档已损坏,或其实不是 .docx", _RESAVE_DOCX) from error
    # No more than its size is unpacked of a member, whatever is in it.
    sizes = [m.file_size for m in members if m.filename.endswith((".xml", ".rels"))]
    if sum(sizes) > MAX_TEXT:
        raise FileError(f"Word 文档的文字部分解压后超过 {MAX_TEXT >> 20} MB 的上限", _RESAVE_DOCX)
    if sum(m.file_size for m in members) > MAX_UNPACKED or len(members) > MAX_MEMBERS:
        message = f"Word 文档解压后超过 {MAX_UNPACKED >> 20} MB 或 {MAX_MEMBERS} 个部件的上限"
        raise FileError(message, _RESAVE_DOCX)


def _refuse_entities(document: Any) -> None:  # noqa: ANN401 - python-docx
    """Refuse XML with a DTD: entities stay unread, and Word writes none."""
    if document.element.getroottree().docinfo.doctype:
        raise FileError("Word 文档里有 DTD,其中的文字读不全", _RESAVE_DOCX)


def _blocks(parent: Any, styles: dict[str, str]) -> Iterator[str]:  # noqa: ANN401 - lxml
    """Paragraphs and tables below an element of WordprocessingML, as Markdown."""
    for child in parent:
        if child.tag == f"{_W}p":
            yield from _paragraph(child, styles)
        elif child.tag == f"{_W}tbl":
            yield from _table(child, styles)
        elif child.tag in (f"{_W}sdt", f"{_W}sdtContent", f"{_W}ins", f"{_W}customXml"):
            yield from _blocks(child, styles)


def _paragraph(element: Any, styles: dict[str, str]) -> Iterator[str]:  # noqa: ANN401 - lxml
    text = _text(element)
    if text:
        level = _level(element, styles)
        yield heading(level, text) if level else paragraph(text)
    for box in element.iter(_BOX):
        if not any(outer.tag in _ELSEWHERE for outer in _between(box, element)):
            yield from _blocks(box, styles)


def _text(element: Any) -> str:  # noqa: ANN401 - lxml
    """A paragraph's own words: with insertions, without deletions and text boxes."""
    pieces = [
        node.text or "" if node.tag == f"{_W}t" else _WRITTEN[node.tag]
        for node in element.iter(f"{_W}t", *_WRITTEN)
        if node.getparent().tag != f"{_W}tabs"
        and not any(outer.tag in _ELSEWHERE for outer in _between(node, element))
    ]
    return "".join(pieces).strip()


def _between(inner: Any, outer: Any) -> Iterator[Any]:  # noqa: ANN401 - lxml
    """The elements around ``inner`` that are inside ``outer``."""
    return takewhile(lambda element: element is not outer, inner.iterancestors())


def _level(element: Any, styles: dict[str, str]) -> int:  # noqa: ANN401 - lxml
    """Heading level by style or outline, from 1; 0 for body text."""
    style = element.find(f"{_W}pPr/{_W}pStyle")
    name = styles.get(style.get(f"{_W}val"), "") if style is not None else ""
    if name in ("Title", "标题"):
        return 1
    if match := _HEADING.match(name):
        return int(match.group(1))
    outline = element.find(f"{_W}pPr/{_W}outlineLvl")
    level = int(outline.get(f"{_W}val")) + 1 if outline is not None else 0
    return level if level < 10 else 0


def _table(table: Any, styles: dict[str, str]) -> Iterator[str]:  # noqa: ANN401 - lxml
    """Rows as lines; a row of one cell, which only lays out the page, as its paragraphs."""
    rows: list[str] = []
    for row in table.iter(f"{_W}tr"):
        if next(row.iterancestors(f"{_W}tbl")) is not table:
            continue
        cells = [cell for cell in row.iter(f"{_W}tc") if next(cell.iterancestors(f"{_W}tr")) is row]
        if len(cells) == 1:
            yield from ["\n".join(rows)] if rows else []
            rows = []
            yield from _blocks(cells[0], styles)
            continue
        texts = [" ".join(" ".join(_blocks(cell, {})).split()) for cell in cells]
        rows += [paragraph(" | ".join(texts))] if any(texts) else []
    yield from ["\n".join(rows)] if rows else []
