"""What holds for any input: a function for each way in takes bytes and asserts it.

Only the errors of this package may be raised. What is kept of the inputs, in corpus/, is run by
test_corpus.py; run.py looks for others.
"""

from __future__ import annotations

import io
import json
import tempfile
import zipfile
from contextlib import suppress
from datetime import date
from itertools import pairwise
from pathlib import Path

from lxml import etree

from qa import batch, kept, questions
from qa.conversation import checked
from qa.corpus.articles import stories
from qa.corpus.chunk import passages
from qa.corpus.encoding import decode
from qa.corpus.layout import blocks
from qa.corpus.load import SourceFile, load
from qa.corpus.places import read
from qa.errors import FileError, QAError
from qa.paint import Paint
from qa.reader.citations import Standing, cite, standing
from qa.render import answer_values, source_line, write_json
from qa.text import UNSAFE, fold, sentences, squeeze, visible, width
from qa.types import Document, Hit

PART = b"\n----\n"
"""Parts the pieces of a Word document or a PDF that are given instead of the whole file."""
_SIZES = (300, 40)
"""Of passages: the length of a text chooses."""
_APART = 12
"""Lines of a batch, at its beginning, that are answered by themselves, too."""
_TWICE = {"€": (b"\x80", b"\xa3\xe1"), "十": (b"\xa2\xcc",), "卅": (b"\xa2\xce",)}
"""Other codes of characters, beside those that Python's codecs write."""
_W = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_TYPE = "application/vnd.openxmlformats-officedocument.wordprocessingml"
_NAMESPACES = (
    f'xmlns:w="{_W}" xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/2006" '
    f'xmlns:cp="{_PACKAGE}/metadata/core-properties" xmlns:dc="http://purl.org/dc/elements/1.1/" '
    'xmlns:dcterms="http://purl.org/dc/terms/" '
    'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'
).encode()


def text(raw: bytes) -> None:
    """A plain text file: no character is lost or replaced on the way to a citation."""
    for document in _loaded(".txt", raw):
        again = document.text.encode("utf-8-sig")
        decoded = decode(again)
        assert (decoded.text, decoded.encoding) == (document.text, "utf-8-sig")
        if document.encoding.startswith("utf"):
            marks = (b"\xef\xbb\xbf", b"\xff\xfe\0\0", b"\0\0\xfe\xff", b"\xff\xfe", b"\xfe\xff")
            codec = document.encoding.removesuffix("-sig")
            bare = document.text.encode(codec)
            assert raw == bare or raw in [mark + bare for mark in marks]
        else:
            assert _is_written(document.text, raw, document.encoding)


def markdown(raw: bytes) -> None:
    """A Markdown file."""
    _loaded(".md", raw)


def jsonl(raw: bytes) -> None:
    """A file of JSON lines: each document says which line it comes from."""
    found = _loaded(".jsonl", raw)
    if found:
        lines = decode(raw).text.split("\n")
        for document in found:
            assert json.loads(lines[document.record - 1])["text"] == document.text
        assert [one.record for one in found] == sorted({one.record for one in found})


def html(raw: bytes) -> None:
    """A web page."""
    _loaded(".html", raw)


def docx(raw: bytes) -> None:
    """A Word document: the file, or the XML of its body, its styles and its properties."""
    if not raw.startswith((b"PK", b"\xd0\xcf")):
        body, styles, core = (*raw.split(PART), b"", b"")[:3]
        raw = _word(body, styles, core)
    _loaded(".docx", raw)


def pdf(raw: bytes) -> None:
    """A PDF: the file, or a page's content, its font's map to Unicode and its information."""
    if not raw.startswith(b"%PDF"):
        content, mapping, information = (*raw.split(PART), b"", b"")[:3]
        raw = _printed(content, mapping, information)
    _loaded(".pdf", raw)


def page(raw: bytes) -> None:
    """Any text as a page, with marks for headings and without."""
    written = raw.decode("utf-8", "ignore")
    for markup in (False, True):
        _passages(Document("页.txt", "页.txt", "", written, "utf-8", markup=markup))


def strings(raw: bytes) -> None:
    """Any string, halves of surrogate pairs in it too: folded, cut into sentences, shown."""
    written = raw.decode("utf-8", "surrogateescape")
    folded = fold(written)
    assert len(folded) == len(written)
    assert fold(folded) == folded
    shown = visible(written)
    assert UNSAFE.search(shown) is None
    assert visible(shown) == shown
    shown.encode()
    assert 0 <= width(written) <= 2 * len(written)
    found = sentences(written)
    assert all(0 <= start < end <= len(written) for start, end in found)
    assert all(before[1] <= after[0] for before, after in pairwise(found))
    assert squeeze("".join(written[start:end] for start, end in found)) == squeeze(written)
    assert all(written[start:end].strip() == written[start:end] for start, end in found)


def batch_lines(raw: bytes) -> None:
    """Lines of questions: what is written for one does not hang on the others."""
    whole, bad = _answered(raw)
    assert bad == sum("error" in one for one in whole)
    apart = []
    for number, line in enumerate(io.BytesIO(raw)):
        if line.strip() and number < _APART:
            alone, _ = _answered(b"\n" * number + line)
            turns = json.loads(line.decode("utf-8-sig"))["turns"] if len(alone) != 1 else [0]
            assert len(alone) == len(turns) > 0
            assert alone[0]["id"] == number + 1 or b"{" in line
            apart += alone
    assert repr(whole[: len(apart)]) == repr(apart)
    assert len(whole) == len(apart) or number >= _APART


def question_lines(raw: bytes) -> None:
    """A file of questions with known answers."""
    with tempfile.NamedTemporaryFile(suffix=".jsonl") as file:
        Path(file.name).write_bytes(raw)
        try:
            found = questions.read(Path(file.name))
        except QAError as error:
            _sayable(error)
            return
    assert found.questions
    for question in found.questions:
        assert checked(question.text) == question.text
        assert all(answer.strip() for answer in question.answers)
        assert question.source in found.contexts.values() or found.form != "squad"
        assert question.answerable == bool(question.answers or question.source) or (
            question.evidence or found.form != "lines"
        )


def conversation(raw: bytes) -> None:
    """A kept conversation: what can be read of it can be shown, and kept once more."""
    with tempfile.TemporaryDirectory() as folder:
        first, second = Path(folder, "1.jsonl"), Path(folder, "2.jsonl")
        first.write_bytes(raw)
        found, damaged = kept.KeptConversation(first).answers()
        assert len(found) + damaged == sum(bool(line.strip()) for line in raw.split(b"\n"))
        copy = kept.KeptConversation(second)
        for answer in found:
            copy.add(answer)
            for cited in answer.citations:
                assert UNSAFE.search(source_line(cited, Paint(on=False, columns=40))) is None
            _json_line(answer_values(answer))
        again, lost = copy.answers()
        assert lost == 0
        assert [answer_values(one) for one in again] == [answer_values(one) for one in found]
        assert UNSAFE.search(kept.markdown(found)) is None


TARGETS = {
    function.__name__: function
    for function in (
        *(text, markdown, jsonl, html, docx, pdf),
        *(page, strings, batch_lines, question_lines, conversation),
    )
}


def _loaded(suffix: str, raw: bytes) -> list[Document]:
    with tempfile.NamedTemporaryFile(suffix=suffix) as file:
        Path(file.name).write_bytes(raw)
        try:
            found = load(SourceFile(f"库/页{suffix}", Path(file.name)))
        except FileError as error:
            assert error.message.startswith(f"库/页{suffix}:")
            assert error.advice
            _sayable(error)
            return []
    assert len({document.id for document in found}) == len(found)
    for document in found:
        metadata = {**document.metadata}
        assert all(metadata.values())
        assert set(metadata) <= {"date", "publisher", "author"}
        for said in (document.id, document.title, document.text, *metadata.values()):
            assert said.encode().decode() == said
        _passages(document)
    return found


def _is_written(said: str, raw: bytes, encoding: str) -> bool:
    """Whether each character is what its own bytes say, in one of the codecs of a family."""
    codecs = ("gb18030",) if encoding == "gb18030" else ("big5hkscs", "cp950")
    place = at = 0
    while place < len(said):
        for length in (2, 1):  # Big5 of Hong Kong has codes that are two characters.
            part = said[place : place + length]
            codes = [*_TWICE.get(part, ())]
            for codec in codecs:
                with suppress(UnicodeEncodeError):
                    codes.append(part.encode(codec))
            code = next((code for code in codes if raw.startswith(code, at)), b"")
            if code:
                break
        else:
            return False
        place, at = place + length, at + len(code)
    return at == len(raw)


def _passages(document: Document) -> None:
    """The passages of a page are its text, and every sentence of them can be cited."""
    written = document.text
    printed = [place for place, char in enumerate(written) if not char.isspace()]
    page_blocks = blocks(document)
    assert _places(written, [block.spans for block in page_blocks]) == printed
    for block in page_blocks:
        content, places = read(written, block.spans)
        assert len(content) == len(places)
        assert all(
            written[place] == char or (char == " " and written[place].isspace())
            for char, place in zip(content, places, strict=True)
        )
    parted = stories(document)
    assert sorted(block.spans for story in parted for block in story.blocks) == sorted(
        block.spans for block in page_blocks
    )
    for story in parted:
        day = story.article.date
        if day != document.metadata.get("date", ""):
            assert date.fromisoformat(day).isoformat() == day
    found = passages(document, _SIZES[len(written) % len(_SIZES)])
    assert _places(written, [passage.spans for passage in found]) == printed
    for number, passage in enumerate(found):
        assert passage.id == f"{document.id}@{number}"
        assert passage.text == passage.text.strip() != ""
        pieces = "".join(written[start:end] for start, end in passage.spans)
        assert squeeze(pieces) == squeeze(passage.text)
        assert not any(written[place].isspace() for a, b in passage.spans for place in (a, b - 1))
        _cited(document, Hit(passage, document.path, (1, 1), 1.0, 1, {}, {}))


def _places(written: str, pieces: list[tuple[tuple[int, int], ...]]) -> list[int]:
    """The places of all that is printed in the pieces, white space apart, in order."""
    return sorted(
        place
        for spans in pieces
        for start, end in spans
        for place in range(start, end)
        if not written[place].isspace()
    )


def _cited(document: Document, hit: Hit) -> None:
    for start, end in sentences(hit.passage.text)[:8]:
        cited = cite(document, hit, [(start, end)])
        quoted = "".join(one.quote for one in cited)
        assert squeeze(quoted) == squeeze(hit.passage.text[start:end])
        for one in cited:
            assert squeeze(document.text[slice(*one.span)]) == squeeze(one.quote)
            assert standing(one, [document]) is Standing.HOLDS
            first, last = one.lines
            assert document.record or 1 <= first <= last <= document.text.count("\n") + 1


def _sayable(error: QAError) -> None:
    assert str(error).encode()
    assert UNSAFE.search(visible(str(error))) is None


def _answered(raw: bytes) -> tuple[list[dict[str, object]], int]:
    """What is written for lines of questions, and how many could not be used."""
    written = io.TextIOWrapper(io.BytesIO(), "utf-8", newline="")
    with tempfile.NamedTemporaryFile() as file:
        Path(file.name).write_bytes(raw)
        bad = batch.run(
            file.name, lambda: lambda question: {"question": checked(question)}, written
        )
    return [_parsed(line) for line in written.buffer.getvalue().decode().split("\n")[:-1]], bad


def _json_line(value: object) -> None:
    written = io.TextIOWrapper(io.BytesIO(), "utf-8", newline="")
    write_json(value, written)
    assert _parsed(written.buffer.getvalue().decode()) == json.loads(json.dumps(value))


def _parsed(line: str) -> object:
    assert UNSAFE.search(line) is None
    return json.loads(line, parse_constant=_no_json)


def _no_json(constant: str) -> None:
    raise AssertionError(f"{constant} is not JSON")


def _word(body: bytes, styles: bytes, core: bytes) -> bytes:
    """A Word document of the insides of its parts."""

    def relations(*named: tuple[str, str]) -> bytes:
        listed = "".join(
            f'<Relationship Id="r{number}" Type="{kind}" Target="{target}"/>'
            for number, (kind, target) in enumerate(named)
        )
        return f'<Relationships xmlns="{_PACKAGE}/relationships">{listed}</Relationships>'.encode()

    def element(name: bytes, inside: bytes) -> bytes:
        written = b"<%b %b>%b</%b>" % (name, _NAMESPACES, inside, name)
        # Tags that were torn apart are mended: a reader of XML would go no further than them.
        return etree.tostring(etree.fromstring(written, etree.XMLParser(recover=True)))

    types = "".join(
        f'<Override PartName="/{name}" ContentType="{kind}+xml"/>'
        for name, kind in (
            ("word/document.xml", f"{_TYPE}.document.main"),
            ("word/styles.xml", f"{_TYPE}.styles"),
            ("core.xml", "application/vnd.openxmlformats-package.core-properties"),
        )
    )
    types = (
        f'<Types xmlns="{_PACKAGE}/content-types"><Default Extension="rels" '
        f'ContentType="application/vnd.openxmlformats-package.relationships+xml"/>{types}</Types>'
    )
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("[Content_Types].xml", types)
        archive.writestr(
            "_rels/.rels",
            relations(
                (f"{_OFFICE}/officeDocument", "word/document.xml"),
                (f"{_PACKAGE}/relationships/metadata/core-properties", "core.xml"),
            ),
        )
        archive.writestr(
            "word/_rels/document.xml.rels", relations((f"{_OFFICE}/styles", "styles.xml"))
        )
        archive.writestr(
            "word/document.xml", element(b"w:document", b"<w:body>" + body + b"</w:body>")
        )
        archive.writestr("word/styles.xml", element(b"w:styles", styles))
        archive.writestr("core.xml", element(b"cp:coreProperties", core))
    return packed.getvalue()


def _printed(content: bytes, mapping: bytes, information: bytes) -> bytes:
    """A PDF of one page."""
    objects = (
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 600 800]/Resources<</Font<</F1 4 0 R/F2 5 0 R>>>>"
        b"/Contents 6 0 R>>",
        b"<</Type/Font/Subtype/Type0/BaseFont/SimSun/Encoding/Identity-H/DescendantFonts[8 0 R]"
        b"/ToUnicode 7 0 R>>",
        b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica/Encoding/WinAnsiEncoding>>",
        b"<</Length %d>>stream\n%b\nendstream" % (len(content), content),
        b"<</Length %d>>stream\n%b\nendstream" % (len(mapping), mapping),
        b"<</Type/Font/Subtype/CIDFontType2/BaseFont/SimSun/DW 1000"
        b"/CIDSystemInfo<</Registry(Adobe)/Ordering(Identity)/Supplement 0>>>>",
        b"<<%b>>" % information,
    )
    whole, table = b"%PDF-1.4\n", b"0000000000 65535 f \n"
    for number, inside in enumerate(objects, 1):
        table += b"%010d 00000 n \n" % len(whole)
        whole += b"%d 0 obj\n%b\nendobj\n" % (number, inside)
    end = b"trailer\n<</Size 10/Root 1 0 R/Info 9 0 R>>\nstartxref\n%d\n%%%%EOF\n" % len(whole)
    return whole + b"xref\n0 10\n" + table + end
