"""No file is used against who reads it: what takes too much is refused, nothing is fetched."""

from __future__ import annotations

import io
import json
import os
import signal
import socket
import struct
import subprocess
import sys
import threading
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import docx
import pytest

from qa.corpus import apart
from qa.corpus.load import SourceFile, load
from qa.errors import FileError

TEXT = b"BT /F 12 Tf 1 0 0 1 0 700 Tm (good text) Tj ET\n"
FONT = b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>"
MB = 1 << 20


def pdf(*objects: bytes) -> bytes:
    """A PDF of objects, numbered from 1; the first is its catalog."""
    out = b"%PDF-1.7\n"
    places = []
    for number, written in enumerate(objects, 1):
        places.append(len(out))
        out += b"%d 0 obj\n%b\nendobj\n" % (number, written)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    head = b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    end = b"trailer<</Root 1 0 R/Size %d>>\nstartxref\n%d\n%%%%EOF" % (len(objects) + 1, len(out))
    return out + head + table + end


def stream(content: bytes, keys: bytes = b"") -> bytes:
    return b"<<%b/Length %d>>stream\n%b\nendstream" % (keys, len(content), content)


def page(content: bytes, keys: bytes = b"", *more: bytes, resources: bytes = b"") -> bytes:
    """A PDF of one page with a content stream; ``more`` objects are numbered from 6."""
    return pdf(
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 9 9]/Contents 4 0 R"
        b"/Resources<</Font<</F 5 0 R>>%b>>>>" % resources,
        stream(content, keys),
        FONT,
        *more,
    )


def flate(content: bytes, *, cut: int = 0) -> bytes:
    packed = zlib.compress(content, 1)
    return page(packed[: len(packed) - cut], b"/Filter/FlateDecode")


def form(content: bytes, number: int) -> bytes:
    """A form that may show form ``number``."""
    resources = b"/Resources<</XObject<</X %d 0 R>>>>" % number
    return stream(content, b"/Type/XObject/Subtype/Form/BBox[0 0 9 9]" + resources)


def word(old: bytes = b"", new: bytes = b"", **members: bytes) -> bytes:
    """A Word document, with a change of its XML, and members beside."""
    plain, out = io.BytesIO(), io.BytesIO()
    document = docx.Document()
    document.add_paragraph("good text")
    document.save(plain)
    with (
        zipfile.ZipFile(plain) as before,
        zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as after,
    ):
        for name in before.namelist():
            content = before.read(name)
            is_text = name == "word/document.xml"
            after.writestr(name, content.replace(old, new, 1) if is_text and old else content)
        for name, content in members.items():
            after.writestr(f"word/media/{name}", content)
    return out.getvalue()


def understated(raw: bytes) -> bytes:
    """The archive with the size of its text given as 1,000 bytes."""
    changed, at = bytearray(raw), 0
    while (at := raw.find(b"PK\x01\x02", at + 1)) > 0:
        if raw[at + 46 :].startswith(b"word/document.xml"):
            struct.pack_into("<I", changed, at + 24, 1000)
    return bytes(changed)


LAUGHS = b"?><!DOCTYPE x [<!ENTITY a0 'aaaaaaaaaa'>%b]>" % b"".join(
    b"<!ENTITY a%d '%b'>" % (number, b"&a%d;" % (number - 1) * 10) for number in range(1, 9)
)
BOMBS: dict[str, Callable[[], bytes]] = {
    "unpacks.pdf": lambda: flate(TEXT + b" " * (90 * MB)),
    "twice.pdf": lambda: page(
        zlib.compress(zlib.compress(b" " * (90 * MB), 1), 1), b"/Filter[/FlateDecode/FlateDecode]"
    ),
    "predictor.pdf": lambda: page(
        zlib.compress(bytes(9 * MB), 1),
        b"/Filter/FlateDecode/DecodeParms<</Predictor 12/Columns 1000000000>>",
    ),
    "loop.pdf": lambda: pdf(
        b"<</Type/Catalog/Pages 2 0 R>>", b"<</Type/Pages/Kids[2 0 R 2 0 R]/Count 2>>"
    ),
    "pages.pdf": lambda: pdf(
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[%b]/Count 300000>>" % (b"3 0 R " * 300_000),
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 9 9]>>",
    ),
    "forms.pdf": lambda: page(
        b"/X Do",
        b"",
        *(form(b"/X Do /X Do", number) for number in range(7, 37)),
        form(TEXT, 6),
        resources=b"/XObject<</X 6 0 R>>",
    ),
    "nested.pdf": lambda: b"%PDF-1.7\n1 0 obj\n" + b"[" * 500_000,
    "picture.docx": lambda: word(a=bytes(201 * MB)),
    "parts.docx": lambda: word(**{f"p{number}": b"" for number in range(10_001)}),
    "text.docx": lambda: word(b"<w:body>", b"<w:body>" + b"<w:p/>" * (6 * MB)),
    "size.docx": lambda: understated(word(b"<w:body>", b"<w:body>" + b"<w:p/>" * (6 * MB))),
    "depth.docx": lambda: word(b"<w:body>", b"<w:body>" + b"<w:sdt>" * 90_000),
    "laughs.docx": lambda: word(b"?>", LAUGHS),
}
MEASURED = """
import json, resource, sys
from pathlib import Path
from qa.corpus.load import SourceFile, load
from qa.errors import FileError
said = {}
for path in map(Path, sys.argv[1:]):
    try:
        said[path.name] = sum(len(document.text) for document in load(SourceFile(path.name, path)))
    except FileError as error:
        said[path.name] = error.message
from qa.corpus import apart
apart._reader.close()
# The process's own peak: ru_maxrss counts what had been there before this program, too.
(own,) = [line for line in open("/proc/self/status") if line.startswith("VmHWM")]
children = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
print(json.dumps([said, [int(own.split()[1]), children]]))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the bound of memory is Linux's")
def test_small_files_that_unpack_without_end_are_refused_and_take_less_than_a_gigabyte(
    tmp_path: Path,
) -> None:
    for name, made in BOMBS.items():
        assert (tmp_path / name).write_bytes(made()) < 10 * MB
    paths = [tmp_path / name for name in BOMBS]
    done = subprocess.run([sys.executable, "-c", MEASURED, *paths], capture_output=True, check=True)
    assert done.stderr == b""
    said, kilobytes = json.loads(done.stdout)
    assert {name for name, of in said.items() if not isinstance(of, str)} == set()
    assert {name for name, of in said.items() if not of.startswith(f"{name}:")} == set()
    assert max(kilobytes) < MB
    for name in ("unpacks.pdf", "twice.pdf", "picture.docx", "parts.docx", "text.docx"):
        assert "上限" in said[name]


@pytest.mark.parametrize(
    "raw", [flate(TEXT * 50, cut=20), page(b"??" + zlib.compress(TEXT), b"/Filter/FlateDecode")]
)
def test_a_page_whose_text_breaks_off_is_refused_not_cut(tmp_path: Path, raw: bytes) -> None:
    (tmp_path / "a.pdf").write_bytes(raw)
    with pytest.raises(FileError, match="第 1 页的文字读不全"):
        load(SourceFile("a.pdf", tmp_path / "a.pdf"))


def test_a_page_without_the_checksum_at_its_end_is_whole(tmp_path: Path) -> None:
    (tmp_path / "a.pdf").write_bytes(flate(TEXT, cut=4))
    (document,) = load(SourceFile("a.pdf", tmp_path / "a.pdf"))
    assert document.text == "good text"


def test_what_keeps_its_reader_busy_is_given_up_and_the_next_file_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "slow.html").write_text("<p>正文在此。" * 100_000)
    (tmp_path / "good.html").write_text("<p>正文在此。")
    monkeypatch.setattr(apart, "SECONDS", 0.01)
    with pytest.raises(FileError, match=r"^slow\.html:停住超过"):
        load(SourceFile("slow.html", tmp_path / "slow.html"))
    monkeypatch.undo()
    (document,) = load(SourceFile("good.html", tmp_path / "good.html"))
    assert document.text == "正文在此。"


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs signals")
def test_a_reader_that_was_ended_is_started_again(tmp_path: Path) -> None:
    file = SourceFile("a.html", tmp_path / "a.html")
    file.absolute.write_text("<p>正文在此。")
    load(file)
    process = apart._reader._process
    assert process
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert load(file)[0].text == "正文在此。"


def test_a_program_among_the_articles_is_not_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("bs4.py", "json.py"):
        (tmp_path / name).write_text("import pathlib\npathlib.Path('ran').touch()\n")
    (tmp_path / "a.html").write_text("<p>正文在此。")
    monkeypatch.chdir(tmp_path)
    apart._reader.close()  # So that the next one is started here.
    assert load(SourceFile("a.html", tmp_path / "a.html"))[0].text == "正文在此。"
    assert not (tmp_path / "ran").exists()


def test_pages_are_told_as_they_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[tuple[int, int]] = []
    raw = word(b"<w:body>", b"<w:body>" + b"<w:p/>" * 30)
    apart.read(".docx", "a.docx", raw, lambda done, total: told.append((done, total)))
    assert told[0] == (0, 32)


@pytest.fixture
def asked():
    """A server of which each request is noted; its port, and the list of requests."""
    server = socket.create_server(("127.0.0.1", 0))
    requests: list[bytes] = []

    def serve() -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            with connection:
                requests.append(connection.recv(1000))
                connection.sendall(b"HTTP/1.0 200 OK\r\n\r\nfetched")

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield server.getsockname()[1], requests
    server.shutdown(socket.SHUT_RDWR)
    server.close()
    thread.join(10)


def test_nothing_that_a_document_points_to_is_fetched_or_run(asked, tmp_path: Path) -> None:
    port, requests = asked
    secret, ran = tmp_path / "secret.txt", tmp_path / "ran.txt"
    secret.write_text("秘密")
    web, local = f"http://127.0.0.1:{port}/x", secret.as_uri()
    tags = "".join(
        f'<img src="{url}"><iframe src="{url}"></iframe><link rel="stylesheet" href="{url}">'
        f'<script src="{url}"></script><object data="{url}"></object><base href="{url}">'
        f'<meta http-equiv="refresh" content="0;url={url}"><video src="{url}"></video>'
        for url in (web, local)
    )
    dtd = f'<!DOCTYPE html [<!ENTITY e SYSTEM "{local}"><!ENTITY f SYSTEM "{web}">]>'
    relations = "".join(
        f'<Relationship Id="r{number}" Type="http://schemas.openxmlformats.org/officeDocument/2006'
        f'/relationships/{kind}" Target="{url}" TargetMode="External"/>'
        for number, (kind, url) in enumerate(
            (kind, url)
            for kind in ("image", "hyperlink", "attachedTemplate", "oleObject", "subDocument")
            for url in (web, local)
        )
    ).encode()
    linked, plain = io.BytesIO(), io.BytesIO(word())
    with zipfile.ZipFile(plain) as before, zipfile.ZipFile(linked, "w") as after:
        for name in before.namelist():
            content = before.read(name)
            if name.endswith("document.xml.rels"):
                content = content.replace(b"</Relationships>", relations + b"</Relationships>")
            after.writestr(name, content)
    action = f"<</S/URI/URI({web})>>"
    files = {
        "a.html": f"{dtd}{tags}<p>good text&e;&f;",
        "b.md": f"good text ![图]({web}) <img src={local}>\n\n[甲]: {web}\n",
        "c.docx": linked.getvalue(),
        "d.docx": word(b"?>", f"?>{dtd}".replace("html", "x").encode()),
        "e.docx": word(b"good text", b"&f;"),
        "f.pdf": page(TEXT).replace(
            b"/Type/Catalog",
            f"/Type/Catalog/OpenAction {action}/AA<</WC<</S/JavaScript/JS(app.launchURL('{web}'))>>"
            f"/WS<</S/Launch/F({ran})/Win<</F(touch)/P({ran})>>>>>>".encode(),
        ),
        "g.pdf": page(b"", f"/F<</FS/URL/F({web})>>/FFilter/FlateDecode".encode()),
        "h.pdf": page(b"", f"/F({secret})".encode()),
        "i.jsonl": json.dumps({"text": f"good text {web}", "source": local}),
    }
    read = {}
    for name, content in files.items():
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        try:
            read[name] = load(SourceFile(name, path))[0].text
        except FileError as error:
            read[name] = error.message
    assert requests == []
    assert not ran.exists()
    assert not any("秘密" in text or "fetched" in text for text in read.values())
    for name in ("a.html", "b.md", "c.docx", "f.pdf", "i.jsonl"):
        assert "good text" in read[name]
