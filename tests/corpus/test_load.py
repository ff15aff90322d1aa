"""Files are found once and read in full, or refused with their name and the reason."""

from __future__ import annotations

import io
import json
import os
import sys
import zipfile
from pathlib import Path

import docx
import pypdf
import pytest
from docx.oxml import parse_xml
from hypothesis import given
from hypothesis import strategies as st

from qa.corpus import load as loading
from qa.corpus.load import SourceFile, find, load
from qa.errors import FileError, InputError
from qa.text import spelled, squeeze
from qa.types import Document

NEWS = "黔江区城东街道以“三个做好”推进“双融行动”。今年7月以来,面对面解决基层群众实际难题。\n"


def read(path: Path, content: bytes | str) -> Document:
    """Write a file, load it, and give its only document."""
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    (document,) = load(SourceFile(path.name, path))
    return document


def refused(path: Path, content: bytes | str) -> FileError:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(FileError) as caught:
        load(SourceFile(f"库/{path.name}", path))
    assert caught.value.message.startswith(f"库/{path.name}:")
    assert caught.value.advice
    return caught.value


class TestFind:
    def test_paths_are_shown_as_given(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "seeds" / "二月").mkdir(parents=True)
        for name in (
            "seeds/b.txt",
            "seeds/二月/a.TXT",
            "seeds/a.md",
            "seeds/readme",
            "seeds/x.csv",
        ):
            (tmp_path / name).write_text(NEWS, encoding="utf-8")
        monkeypatch.chdir(tmp_path)
        expected = ["seeds/a.md", "seeds/b.txt", "seeds/二月/a.TXT"]
        assert [file.path for file in find(["seeds/"])] == expected
        assert [file.path for file in find([tmp_path / "seeds"])] == [
            f"{tmp_path.as_posix()}/{path}" for path in expected
        ]
        assert [file.path for file in find(["seeds/b.txt"])] == ["seeds/b.txt"]

    def test_what_is_found_is_what_is_loaded(self, tmp_path: Path) -> None:
        (tmp_path / "a.txt").write_bytes(NEWS.encode("gbk"))
        (file,) = find([tmp_path])
        (document,) = load(file)
        assert document == Document(
            id=file.path, path=file.path, title="", text=NEWS, encoding="gb18030"
        )

    def test_hidden_files_and_lock_files_are_passed_over(self, tmp_path: Path) -> None:
        (tmp_path / ".git").mkdir()
        for name in (".git/a.txt", ".b.txt", "~$报告.docx", "c.txt"):
            (tmp_path / name).write_text(NEWS, encoding="utf-8")
        assert [file.absolute.name for file in find([tmp_path])] == ["c.txt"]
        assert [file.absolute.name for file in find([tmp_path / ".b.txt"])] == [".b.txt"]

    def test_a_file_reached_twice_is_listed_once_under_its_own_name(self, tmp_path: Path) -> None:
        (tmp_path / "b.txt").write_text(NEWS, encoding="utf-8")
        (tmp_path / "a.txt").symlink_to(tmp_path / "b.txt")
        (tmp_path / "环").symlink_to(tmp_path, target_is_directory=True)
        paths = [file.path for file in find([tmp_path, tmp_path / "b.txt", tmp_path])]
        assert paths == [(tmp_path / "b.txt").as_posix()]

    def test_links_that_leave_the_folder_are_not_followed(self, tmp_path: Path) -> None:
        (tmp_path / "外").mkdir()
        (tmp_path / "外" / "secret.txt").write_text(NEWS, encoding="utf-8")
        folder = tmp_path / "库"
        folder.mkdir()
        (folder / "file.txt").symlink_to(tmp_path / "外" / "secret.txt")
        (folder / "folder").symlink_to(tmp_path / "外", target_is_directory=True)
        (folder / "nowhere.txt").symlink_to(tmp_path / "gone.txt")
        (folder / "self.txt").symlink_to(folder / "self.txt")
        problems = {file.path.rpartition("/")[2]: file.problem for file in find([folder])}
        assert {name for name, said in problems.items() if "--follow-links" in said} == {
            "file.txt",
            "folder",
        }
        assert {name for name, said in problems.items() if "不存在" in said} == {
            "nowhere.txt",
            "self.txt",
        }
        assert not find([folder / "file.txt"])[0].problem  # Named by the user: followed.

    def test_links_are_followed_where_asked_and_never_in_circles(self, tmp_path: Path) -> None:
        outside, folder = tmp_path / "外", tmp_path / "库"
        (outside / "深").mkdir(parents=True)
        (folder / "真").mkdir(parents=True)
        for path in (outside / "a.txt", outside / "深" / "b.txt", folder / "真" / "c.txt"):
            path.write_text(NEWS, encoding="utf-8")
        (folder / "一个.txt").symlink_to(outside / "a.txt")
        (folder / "外面").symlink_to(outside)
        (folder / "A在前").symlink_to(folder / "真")
        (outside / "深" / "回来").symlink_to(tmp_path)
        (folder / "自己").symlink_to(folder)
        found = find([folder], follow_links=True)
        assert {file.absolute for file in found} == {
            outside / "a.txt",
            outside / "深" / "b.txt",
            folder / "真" / "c.txt",
        }
        assert [file.problem for file in found] == [""] * 3
        assert f"{folder.as_posix()}/真/c.txt" in {file.path for file in found}
        inside = [file.path for file in find([folder]) if not file.problem]
        assert inside == [f"{folder.as_posix()}/真/c.txt"]

    @pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
    def test_a_pipe_is_never_opened(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "pipe.txt")
        (pipe,) = find([tmp_path])
        assert "不是普通文件" in pipe.problem
        with pytest.raises(FileError, match="不是普通文件"):  # It was a file when it was found.
            load(SourceFile("pipe.txt", pipe.absolute))
        with pytest.raises(InputError, match="不是普通文件"):
            find([tmp_path / "pipe.txt"])

    def test_folders_may_be_nested_deeper_than_python_recurses(self, tmp_path: Path) -> None:
        descriptor = os.open(tmp_path, os.O_RDONLY)
        try:
            for _ in range(600):
                os.mkdir("d", dir_fd=descriptor)
                inner = os.open("d", os.O_RDONLY, dir_fd=descriptor)
                os.close(descriptor)
                descriptor = inner
            os.close(os.open("a.txt", os.O_CREAT | os.O_WRONLY, dir_fd=descriptor))
        finally:
            os.close(descriptor)
        limit = sys.getrecursionlimit()
        sys.setrecursionlimit(400)
        try:
            assert len(find([tmp_path])) == 1
        finally:
            sys.setrecursionlimit(limit)

    def test_a_folder_that_cannot_be_listed_is_named(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(_path: Path) -> None:
            raise PermissionError

        monkeypatch.setattr(os, "scandir", refuse)  # The tests may run as root, who may read all.
        with pytest.raises(FileError, match="文件夹无法读取:没有权限"):
            find([tmp_path])

    def test_an_unknown_kind_of_file_is_refused_by_name(self, tmp_path: Path) -> None:
        path = tmp_path / "表.xlsx"
        path.write_bytes(b"PK")
        with pytest.raises(InputError, match=r"表\.xlsx.*\.xlsx") as caught:
            find([path])
        assert ".docx" in caught.value.advice

    @pytest.mark.parametrize(
        "path", ["没有这个文件夹", "", "a\0b", "名" * 300, f"{__file__}/a.txt"]
    )
    def test_a_path_that_does_not_exist_is_refused(self, path: str) -> None:
        with pytest.raises(InputError):
            find([path])


class TestAnyFile:
    @pytest.mark.parametrize("content", [b"", b" \r\n\t\xe3\x80\x80", b"\xef\xbb\xbf\n"])
    def test_a_blank_file_is_refused(self, tmp_path: Path, content: bytes) -> None:
        for suffix in (".txt", ".md", ".html", ".jsonl"):
            assert "空的" in refused(tmp_path / f"a{suffix}", content).message

    def test_a_binary_file_is_refused(self, tmp_path: Path) -> None:
        assert "PNG" in refused(tmp_path / "a.txt", b"\x89PNG\r\n\x1a\n\0\0").message

    def test_a_file_that_has_gone_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(FileError, match=r"^a\.txt:无法读取:不存在"):
            load(SourceFile("a.txt", tmp_path / "a.txt"))
        (tmp_path / "b.txt").mkdir()
        with pytest.raises(FileError, match="不是普通文件"):
            load(SourceFile("b.txt", tmp_path / "b.txt"))

    def test_a_kind_that_is_not_read_here_is_refused(self, tmp_path: Path) -> None:
        assert ".xlsx" in refused(tmp_path / "a.xlsx", b"PK").message

    def test_a_file_over_the_limit_is_refused(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(loading, "MAX_BYTES", 1 << 20)
        assert "超过 1 MB" in refused(tmp_path / "a.txt", b"a" * ((1 << 20) + 1)).message
        assert len(read(tmp_path / "a.txt", b"a" * (1 << 20)).text) == 1 << 20

    def test_a_page_of_too_many_lines_is_refused(self, tmp_path: Path) -> None:
        assert "1,000,000 行的上限" in refused(tmp_path / "a.txt", "好\n" * 1_000_001).message

    def test_a_name_that_is_no_utf_8_is_spelled_out(self, tmp_path: Path) -> None:
        raw_name = os.fsencode(tmp_path) + b"/" + "新闻.txt".encode("gbk")
        Path(os.fsdecode(raw_name)).write_text(NEWS, encoding="utf-8")
        (file,) = find([tmp_path])
        assert file.path == f"{tmp_path.as_posix()}/\\xd0\\xc2\\xce\\xc5.txt"
        (document,) = load(file)
        assert (document.path, document.text) == (file.path, NEWS)

    def test_line_ends_are_kept(self, tmp_path: Path) -> None:
        text = "第一行\r\n第二行\r第三行\u2028完\n"
        assert read(tmp_path / "a.txt", text).text == text


class TestMarkdown:
    def test_front_matter_gives_title_and_metadata(self, tmp_path: Path) -> None:
        page = (
            '---\ntitle: "双融行动"\ndate: 2023/8/2\nauthor: [陈国栋]\nsource: 重庆日报\n---\n'
            "# 另一个标题\n正文。\n"
        )
        document = read(tmp_path / "a.md", page)
        assert (document.title, document.text, document.markup) == ("双融行动", page, True)
        assert document.metadata == {
            "date": "2023-08-02",
            "publisher": "重庆日报",
            "author": "陈国栋",
        }

    def test_the_first_heading_outside_code_is_the_title(self, tmp_path: Path) -> None:
        page = "```sh\n# 注释\n```\n#标签\n## 小标题\n# 民生服务 ##\r\n# 第二篇\n"
        assert read(tmp_path / "a.markdown", page).title == "民生服务"

    def test_a_rule_at_the_top_is_no_front_matter(self, tmp_path: Path) -> None:
        document = read(tmp_path / "a.md", "---\ntitle: 不是\n正文没有结束的横线\n")
        assert (document.title, document.metadata) == ("", {})


class TestHtml:
    def test_a_government_page_in_gbk(self, tmp_path: Path) -> None:
        page = """<!DOCTYPE html><html><head>
        <meta http-equiv="Content-Type" content="text/html; charset=gb2312">
        <title>黔江区推进双融行动_黔江区政府网</title>
        <meta name="PubDate" content="2023-8-2 10:30"><meta name="ContentSource" content="重庆日报">
        <meta name="author" content="陈国栋"><style>p{}</style>
        <body><header><ul><li><a>网站首页</a></ul></header><div role="navigation">当前位置</div>
        <form id="aspnetForm"><h1>城东街道推进“双融行动”</h1>
        <p>今年7月以来，黔江区开展
           双融行动。</p><script>document.write("<p>脚本</p>")</script>
        <h2>一、<b>基本</b>情况</h2><ul><li>问需于民</li><li><p>问计于民</p></li></ul>
        <table><tr><th>街道</th><th>户数</th></tr>
        <tr><td><p>城东</p></td><td> 3<br>户</td></tr></table>
        <figure><img src="a.jpg"><figcaption>图为现场</figcaption></figure>
        <p style="display: none">隐藏</p><aside>相关链接</aside></form>
        <form><input name="q"><button>搜索</button></form><footer>版权所有</footer></body></html>"""
        document = read(tmp_path / "a.html", page.encode("gbk"))
        assert document.text == (
            "# 城东街道推进“双融行动”\n\n今年7月以来，黔江区开展双融行动。\n\n## 一、基本情况\n\n"
            "- 问需于民\n- 问计于民\n\n街道 | 户数\n城东 | 3 户\n\n图为现场"
        )
        assert (document.title, document.encoding) == ("城东街道推进“双融行动”", "gb18030")
        assert document.markup
        assert document.metadata == {
            "date": "2023-08-02",
            "publisher": "重庆日报",
            "author": "陈国栋",
        }

    def test_line_breaks_followed_by_an_indentation_begin_paragraphs(self, tmp_path: Path) -> None:
        page = (
            "<div>　　第一段。<br>&nbsp;&nbsp;&nbsp;&nbsp;第二段。<br><br>第三段,<br>续行。</div>"
        )
        assert read(tmp_path / "a.htm", page).text == "第一段。\n\n第二段。\n\n第三段,\n续行。"

    def test_a_table_that_lays_out_the_page_gives_paragraphs(self, tmp_path: Path) -> None:
        inner = "<table><tr><td><h3>标题</h3><p>正文一。<p>正文二。</table>"
        page = f"<table><tr><td>左栏<td>{inner}</table>"
        assert read(tmp_path / "a.html", page).text == "左栏\n\n### 标题\n\n正文一。\n\n正文二。"

    @pytest.mark.parametrize(
        ("head", "title"),
        [
            ('<meta property="og:title" content="分享标题"><title>网页标题</title>', "分享标题"),
            ("<title>网页\n标题</title>", "网页 标题"),
        ],
    )
    def test_the_title_comes_from_the_best_source(
        self, tmp_path: Path, head: str, title: str
    ) -> None:
        assert read(tmp_path / "a.html", f"<head>{head}</head><p>正文</p>").title == title

    def test_a_number_sign_in_the_text_makes_no_heading(self, tmp_path: Path) -> None:
        text = read(tmp_path / "a.html", "<p># 号键</p><p>请按<br>## 键</p><p>#话题#</p>").text
        assert text == "\\# 号键\n\n请按\n\\## 键\n\n#话题#"

    @pytest.mark.parametrize("tag", ["div", "table", "form", "b", "li"])
    def test_deep_nesting_is_read(self, tmp_path: Path, tag: str) -> None:
        page = f"<{tag}>" * 10_000 + "<p>深处的正文,一直都在这里"
        assert "深处的正文,一直都在这里" in read(tmp_path / "a.html", "<p>起</p>" + page).text

    def test_the_byline_in_an_article_s_header_is_read(self, tmp_path: Path) -> None:
        page = (
            "<header>网站</header><article><header><p>记者 陈国栋</p></header><p>正文</p></article>"
        )
        assert read(tmp_path / "a.html", page).text == "记者 陈国栋\n\n正文"

    def test_text_outside_of_any_block_is_read(self, tmp_path: Path) -> None:
        assert read(tmp_path / "a.html", "<p>段落</p>文末<b>署名</b>").text == "段落\n\n文末署名"

    def test_a_wrong_declaration_does_not_spoil_the_page(self, tmp_path: Path) -> None:
        page = f'<meta charset="gb2312"><p>{NEWS}</p>'
        document = read(tmp_path / "a.html", page.encode())
        assert (document.text, document.encoding) == (NEWS.strip(), "utf-8")

    def test_broken_markup_is_refused(self, tmp_path: Path) -> None:
        assert "标记已损坏" in refused(tmp_path / "a.html", "<p>正文</p><![x<![x>").message

    def test_a_page_of_many_line_breaks_is_read_in_seconds(self, tmp_path: Path) -> None:
        page = "<p>重庆<br>黔江<img src='a.jpg'></p>" * 20_000
        assert read(tmp_path / "a.html", page).text.count("重庆\n黔江") == 20_000

    @pytest.mark.parametrize("torn", ["<a/", '<a b="', "<meta ", "</x <"])
    def test_a_page_of_tags_that_never_end_is_text(self, tmp_path: Path, torn: str) -> None:
        # Where the end of each is looked for, it takes an hour.
        document = read(tmp_path / "a.html", "<p>正文</p>" + torn * 50_000)
        assert document.text == f"正文\n\n{(torn * 50_000).strip()}"

    def test_a_table_of_rows_inside_of_rows_is_read(self, tmp_path: Path) -> None:
        document = read(tmp_path / "a.html", "<table>" + "<tr><td>甲" * 10_000)
        assert squeeze(document.text) == "甲" * 10_000


def pdf_bytes(pages: list[str], information: str = "") -> bytes:
    """A PDF of one line a page; Chinese goes through a ToUnicode map, as in real ones."""
    codes = {char: code for code, char in enumerate(sorted(set("".join(pages))), 1)}
    mapping = "\n".join(
        f"<{code:04x}> <{char.encode('utf-16-be').hex()}>" for char, code in codes.items()
    )
    cmap = (
        "/CIDInit /ProcSet findresource begin 12 dict begin begincmap\n"
        "1 begincodespacerange <0000> <ffff> endcodespacerange\n"
        f"{len(codes)} beginbfchar\n{mapping}\nendbfchar\nendcmap end end"
    )
    kids = " ".join(f"{7 + 2 * number} 0 R" for number in range(len(pages)))
    objects = [
        "<</Type/Catalog/Pages 2 0 R>>",
        f"<</Type/Pages/Kids[{kids}]/Count {len(pages)}>>",
        "<</Type/Font/Subtype/Type0/BaseFont/SimSun/Encoding/Identity-H"
        "/DescendantFonts[4 0 R]/ToUnicode 5 0 R>>",
        "<</Type/Font/Subtype/CIDFontType2/BaseFont/SimSun/DW 1000"
        "/CIDSystemInfo<</Registry(Adobe)/Ordering(Identity)/Supplement 0>>>>",
        f"<</Length {len(cmap)}>>stream\n{cmap}\nendstream",
        f"<<{information}>>",
    ]
    for number, page in enumerate(pages):
        shown = "".join(f"{codes[char]:04x}" for char in page)
        content = f"BT /F1 12 Tf 50 700 Td <{shown}> Tj ET" if page else ""
        objects += [
            "<</Type/Page/Parent 2 0 R/MediaBox[0 0 600 800]/Resources<</Font<</F1 3 0 R>>>>"
            f"/Contents {8 + 2 * number} 0 R>>",
            f"<</Length {len(content)}>>stream\n{content}\nendstream",
        ]
    body, places = b"%PDF-1.4\n", []
    for number, written in enumerate(objects, 1):
        places.append(len(body))
        body += f"{number} 0 obj\n{written}\nendobj\n".encode()
    table = "".join(f"{place:010d} 00000 n \n" for place in places)
    return (
        body
        + (
            f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n{table}"
            f"trailer\n<</Size {len(objects) + 1}/Root 1 0 R/Info 6 0 R>>\n"
            f"startxref\n{len(body)}\n%%EOF\n"
        ).encode()
    )


class TestPdf:
    def test_pages_are_read_in_order(self, tmp_path: Path) -> None:
        title = "<feff" + "双融行动".encode("utf-16-be").hex() + ">"
        information = (
            f"/Title {title} /Author (Administrator) /CreationDate (D:20230802103000+08'00')"
        )
        raw = pdf_bytes(["黔江区推进双融行动。", "朱镕基曾到此考察。𠮷"], information)
        document = read(tmp_path / "a.pdf", raw)
        assert document.text == "黔江区推进双融行动。\n\n朱镕基曾到此考察。𠮷"
        assert document.title == "双融行动"
        assert document.metadata == {"date": "2023-08-02"}

    def test_a_title_that_a_program_filled_in_is_none(self, tmp_path: Path) -> None:
        raw = pdf_bytes(["正文。"], "/Title (Microsoft Word - 1.doc) /CreationDate (yesterday)")
        document = read(tmp_path / "a.pdf", raw)
        assert (document.title, document.metadata) == ("", {})

    def test_a_scan_is_refused_with_what_to_do(self, tmp_path: Path) -> None:
        error = refused(tmp_path / "扫描.pdf", pdf_bytes(["", ""]))
        assert "扫描件没有文字层,请先做 OCR" in error.message

    def test_a_text_layer_of_noise_is_refused(self, tmp_path: Path) -> None:
        assert "乱码" in refused(tmp_path / "a.pdf", pdf_bytes(["\ue001\ue002\ue003字"])).message

    @pytest.mark.parametrize("cut", [0, 20, 300, 900])
    def test_a_damaged_file_is_refused(self, tmp_path: Path, cut: int) -> None:
        raw = pdf_bytes(["正文。"])[:cut] or b"no pdf at all"
        assert "损坏" in refused(tmp_path / "a.pdf", raw).message

    @pytest.mark.parametrize("suffix", ["", "x"])
    def test_a_file_that_only_restricts_printing_is_read(self, tmp_path: Path, suffix: str) -> None:
        writer = pypdf.PdfWriter(clone_from=io.BytesIO(pdf_bytes(["正文在此。"])))
        writer.encrypt(user_password=suffix, owner_password="x", algorithm="RC4-128")  # noqa: S106
        locked = io.BytesIO()
        writer.write(locked)
        if suffix:
            assert "密码" in refused(tmp_path / "a.pdf", locked.getvalue()).message
        else:
            assert read(tmp_path / "a.pdf", locked.getvalue()).text == "正文在此。"

    def test_without_the_extra_one_sentence_names_it(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(sys.modules, "pypdf", None)
        assert "pip install 'wenju[pdf]'" in refused(tmp_path / "a.pdf", b"%PDF-1.4").advice


TEXT_BOX = (
    '<w:r xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main" '
    'xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/2006"><mc:AlternateContent>'
    "<mc:Choice><w:txbxContent><w:p><w:r><w:t>文本框</w:t></w:r></w:p></w:txbxContent></mc:Choice>"
    "<mc:Fallback><w:txbxContent><w:p><w:r><w:t>文本框</w:t></w:r></w:p></w:txbxContent></mc:Fallback>"
    "</mc:AlternateContent></w:r>"
)
REVISION = (
    '<w:ins xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main" w:id="1">'
    "<w:r><w:t>(新增的话)</w:t></w:r></w:ins>"
)


class TestDocx:
    def test_headings_paragraphs_and_tables_keep_their_order(self, tmp_path: Path) -> None:
        document = docx.Document()
        document.add_heading("政府工作报告", 0)
        document.add_heading("一、回顾", 2)
        paragraph = document.add_paragraph("全年完成投资3亿元。")
        paragraph._p.append(parse_xml(REVISION))
        paragraph._p.append(parse_xml(TEXT_BOX))
        table = document.add_table(2, 2)
        for cell, text in zip(table._cells, ["项目", "数量", "桥梁", "3座"], strict=True):
            cell.text = text
        document.add_table(1, 1).cell(0, 0).text = "版式框里的一段话。"
        document.add_paragraph("# 号开头的正文。")
        document.core_properties.title = "政府工作报告(2024)"
        document.core_properties.author = "办公室"
        document.save(str(tmp_path / "a.docx"))
        loaded = read(tmp_path / "a.docx", (tmp_path / "a.docx").read_bytes())
        assert loaded.text == (
            "# 政府工作报告\n\n## 一、回顾\n\n全年完成投资3亿元。(新增的话)\n\n文本框\n\n"
            "项目 | 数量\n桥梁 | 3座\n\n版式框里的一段话。\n\n\\# 号开头的正文。"
        )
        assert loaded.markup
        assert loaded.title == "政府工作报告(2024)"
        assert loaded.metadata["author"] == "办公室"

    def test_an_empty_document_is_refused(self, tmp_path: Path) -> None:
        blank = io.BytesIO()
        docx.Document().save(blank)
        assert "空的" in refused(tmp_path / "a.docx", blank.getvalue()).message

    def test_damaged_and_foreign_files_are_refused(self, tmp_path: Path) -> None:
        whole = io.BytesIO()
        docx.Document().save(whole)
        sheet = io.BytesIO()
        with zipfile.ZipFile(sheet, "w") as archive:
            archive.writestr("xl/workbook.xml", "<workbook/>")
        for raw in (b"", b"PK\x03\x04", whole.getvalue()[:900], sheet.getvalue()):
            assert "损坏" in refused(tmp_path / "a.docx", raw).message
        assert "密码" in refused(tmp_path / "a.docx", b"\xd0\xcf\x11\xe0\xa1\xb1").message

    def test_an_archive_that_unpacks_without_end_is_refused(self, tmp_path: Path) -> None:
        with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
            for number in range(6):
                archive.writestr(f"{number}.xml", bytes(100 << 20))
        assert (
            "解压后" in refused(tmp_path / "a.docx", (tmp_path / "bomb.zip").read_bytes()).message
        )

    def test_without_the_extra_one_sentence_names_it(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(sys.modules, "docx", None)
        assert "pip install 'wenju[docx]'" in refused(tmp_path / "a.docx", b"PK\x03\x04").advice


class TestJsonLines:
    def test_both_forms_are_read(self, tmp_path: Path) -> None:
        path = tmp_path / "news.jsonl"
        records = [
            {"_id": "d1", "title": "双融行动", "text": "第一篇。\u2028第二行\x85完"},
            {
                "id": 70,
                "text": "第二篇。",
                "date": "2023年8月2日",
                "source": "重庆日报",
                "author": None,
            },
            {"id": "空", "text": "  "},
            {"text": "没有编号。"},
        ]
        lines = [json.dumps(record, ensure_ascii=False) for record in records]
        path.write_bytes("\r\n\n".join(lines).encode("gb18030"))
        first, second, last = load(SourceFile("库/news.jsonl", path))
        assert first == Document(
            id="库/news.jsonl#d1",
            path="库/news.jsonl",
            title="双融行动",
            text="第一篇。\u2028第二行\x85完",
            encoding="gb18030",
            record=1,
        )
        assert (second.id, second.record) == ("库/news.jsonl#70", 3)
        assert second.metadata == {"date": "2023-08-02", "publisher": "重庆日报"}
        assert (last.id, last.record) == ("库/news.jsonl#7", 7)

    @pytest.mark.parametrize(
        ("written", "date"),
        [
            ("Wed, 02 Aug 2023 08:00:00 GMT", "2023-08-02"),
            (20230802103000, "2023-08-02"),
            ("第2023-13-45号,２０２３年８月２日", "2023-08-02"),
            ("昨天 10:30", "昨天 10:30"),
        ],
    )
    def test_dates_are_written_alike(self, tmp_path: Path, written: str | int, date: str) -> None:
        line = json.dumps({"text": "正文", "date": written})
        assert read(tmp_path / "a.jsonl", line).metadata == {"date": date}

    @pytest.mark.parametrize(
        ("line", "reason"),
        [
            ('{"text": "缺括号"', "第 3 行不是合法的 JSON:第 15 个字符"),
            ('["text"]', "第 3 行不是 JSON 对象"),
            ('{"title": "无正文"}', "第 3 行的 text 字段缺失"),
            ('{"text": 5}', "第 3 行的 text 字段不是字符串"),
            ('{"text": "文", "title": ["题"]}', "第 3 行的 title 字段应是字符串"),
            ('{"text": "坏\\ud83d"}', "第 3 行的 text 字段含有不成对的代理字符"),
            ("[" * 100_000, "第 3 行的 JSON 无法解析"),
            ('{"_id": "a", "text": "重复"}', "第 3 行的编号 'a' 与第 1 行重复"),
        ],
    )
    def test_a_line_that_is_wrong_is_named(self, tmp_path: Path, line: str, reason: str) -> None:
        content = '{"_id": "a", "text": "好的一行"}\n\n' + line + "\n"
        assert reason in refused(tmp_path / "a.jsonl", content).message


@given(
    cells=st.lists(st.text("文字#-| \n\t\v　&<>", min_size=1, max_size=12), min_size=1, max_size=6),
    tag=st.sampled_from(["p", "li", "td", "pre", "blockquote"]),
)
def test_text_of_a_page_never_makes_a_heading(
    tmp_path_factory: pytest.TempPathFactory, cells: list[str], tag: str
) -> None:
    from html import escape

    body = "".join(f"<{tag}>{escape(cell)}</{tag}>" for cell in cells)
    path = tmp_path_factory.getbasetemp() / "page.html"
    document = read(path, f"<table><tr>{body}</tr></table><p>完</p>")
    assert not any(line.startswith(("# ", "## ", "### ")) for line in document.text.split("\n"))
    wanted = "".join("".join(cells).split())
    shown = document.text.replace("\\#", "#").replace("|", "").replace("-", "")
    assert "".join(shown.split()) == wanted.replace("|", "").replace("-", "") + "完"


@given(
    texts=st.lists(st.text(min_size=1), min_size=1, max_size=5),
    names=st.lists(st.text(min_size=1), min_size=5, max_size=5, unique=True),
    said=st.text(),
    ascii_only=st.booleans(),
)
def test_records_that_are_written_are_read(
    tmp_path_factory: pytest.TempPathFactory,
    texts: list[str],
    names: list[str],
    said: str,
    ascii_only: bool,
) -> None:
    records = [
        {"id": name, "text": f"正文{text}", "title": said, "author": said}
        for name, text in zip(names, texts, strict=False)
    ]
    path = tmp_path_factory.getbasetemp() / "a.jsonl"
    lines = [json.dumps(record, ensure_ascii=ascii_only) for record in records]
    path.write_text("\n".join(lines), "utf-8", newline="\r\n")
    found = load(SourceFile("a.jsonl", path))
    assert [(one.id, one.text, one.record) for one in found] == [
        (f"a.jsonl#{spelled(record['id'])}", record["text"], line)
        for line, record in enumerate(records, 1)
    ]
    assert {one.title for one in found} == {said.strip()}
    assert {one.metadata.get("author", "") for one in found} == {" ".join(said.split())}
