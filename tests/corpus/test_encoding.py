"""A file is read as what it is, whole, or refused with the place and the reason."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from qa.corpus import encoding
from qa.corpus.encoding import Decoded
from qa.errors import FileError, InputError
from qa.types import SURE

SEEDS = sorted((Path(__file__).parents[2] / "seeds").glob("*.txt"))
SIMPLIFIED = (
    "黔江区城东街道以“三个做好”推进“双融行动”。今年7月以来,面对面解决基层群众实际难题,"
    "持续增强群众的获得感、幸福感、安全感。\r\n朱镕基总理曾到此考察。\n"
)
TRADITIONAL = (
    "鄰水縣綜合行政執法局堅持黨建引領，助推城市管理邁上新臺階。來源：中國網\r\n"
    "威廉‧瓊斯發現印歐語系，對西方文字學的發展貢獻不少～1786年，亞洲協會舉行會議。\n"
)
HONG_KONG = "喺華富邨，衞生署人員派發口罩；啟德嘅街坊話，政府應該同市民講清楚。\n"


def decode(raw: bytes, declared: str = "") -> tuple[str, str]:
    """The text and the name of its encoding."""
    decoded = encoding.decode(raw, declared)
    return decoded.text, decoded.encoding


@pytest.mark.parametrize("seed", SEEDS, ids=lambda path: path.name[:3])
@pytest.mark.parametrize(
    ("codec", "mark", "name"),
    [
        ("utf-8", b"", "utf-8"),
        ("utf-8", b"\xef\xbb\xbf", "utf-8-sig"),
        ("gb18030", b"", "gb18030"),
        ("gbk", b"", "gb18030"),
        ("utf-16-le", b"", "utf-16-le"),
        ("utf-16-be", b"", "utf-16-be"),
        ("utf-16-le", b"\xff\xfe", "utf-16-le"),
        ("utf-16-be", b"\xfe\xff", "utf-16-be"),
        ("utf-32-le", b"\xff\xfe\0\0", "utf-32-le"),
        ("utf-32-be", b"", "utf-32-be"),
    ],
)
def test_a_newspaper_page_is_read_alike_in_every_encoding(
    seed: Path, codec: str, mark: bytes, name: str
) -> None:
    page = seed.read_bytes().decode("utf-8")
    assert decode(mark + page.encode(codec)) == (page, name)


@pytest.mark.parametrize("length", [25, 50, 500])
@pytest.mark.parametrize(
    ("text", "codec"),
    [(TRADITIONAL, "cp950"), (HONG_KONG, "big5hkscs"), (TRADITIONAL, "gbk"), (SIMPLIFIED, "gbk")],
)
def test_short_pieces_are_told_apart(text: str, codec: str, length: int) -> None:
    piece = text[:length]
    expected = "gb18030" if codec == "gbk" else "big5"
    assert decode(piece.encode(codec, "ignore")) == (
        piece.encode(codec, "ignore").decode(codec),
        expected,
    )


def test_taiwan_punctuation_and_hong_kong_characters_stand_in_one_big5_file() -> None:
    taiwan, hong_kong = "威廉‧瓊斯說：今天天氣很好～", "衞生署在華富邨的工作"
    raw = taiwan.encode("cp950") + hong_kong.encode("big5hkscs")
    assert decode(raw) == (taiwan + hong_kong, "big5")


@pytest.mark.parametrize(
    ("text", "codec", "euro"),
    [("该项目总投资为100", "gbk", b"\x80"), ("這個項目的總投資為100", "cp950", b"\xa3\xe1")],
)
def test_the_euro_sign_of_windows_is_read(text: str, codec: str, euro: bytes) -> None:
    assert decode(text.encode(codec) + euro)[0] == f"{text}€"


def test_one_late_rare_character_does_not_change_the_reading() -> None:
    page = "区农业农村局深入开展农村人居环境整治提升工作。\n" * 4000 + "朱镕基、陶喆、𠮷野家"
    assert decode(page.encode("gb18030")) == (page, "gb18030")


def test_a_page_that_is_nearly_all_markup_is_read_by_its_few_characters() -> None:
    page = "<div class='list'><a href='/index.html'>item</a></div>\r\n" * 5000 + "重庆日报"
    assert decode(page.encode("gbk")) == (page, "gb18030")


def test_what_a_page_declares_counts_only_where_it_reads_like_chinese() -> None:
    assert decode(SIMPLIFIED.encode("gbk"), "big5") == (SIMPLIFIED, "gb18030")
    assert decode(SIMPLIFIED.encode(), "gb2312") == (SIMPLIFIED, "utf-8")
    # One character: both readings are common ones, so nothing but the declaration can tell.
    assert decode("第3智".encode("big5"), "Big5-HKSCS") == ("第3智", "big5")
    assert decode("中文".encode("gbk"), "no-such-charset") == ("中文", "gb18030")


def test_an_empty_file_is_empty_text() -> None:
    assert decode(b"") == ("", "utf-8")
    assert decode(b"\xff\xfe") == ("", "utf-16-le")


def test_english_in_utf_16_is_no_binary_file() -> None:
    text = "The quick brown fox.\r\n"
    assert decode(text.encode("utf-16-be")) == (text, "utf-16-be")


def test_one_bad_byte_in_utf_8_is_refused_with_its_place() -> None:
    raw = SIMPLIFIED.encode()
    at = raw.index("朱".encode())
    with pytest.raises(FileError, match=rf"第 {at + 1} 字节\(第 2 行\)不是合法的 UTF-8"):
        decode(raw[:at] + b"\xd6" + raw[at:])


def test_a_utf_8_file_cut_within_a_character_is_refused() -> None:
    with pytest.raises(FileError, match="不是合法的 UTF-8"):
        decode(SIMPLIFIED.strip().encode()[:-1])


def test_two_encodings_in_one_file_are_refused_with_both_places() -> None:
    first = (SIMPLIFIED * 5).encode("gbk")
    at = len(first) + 1
    with pytest.raises(FileError, match=rf"第 3 字节\(第 1 行\)不是 UTF-8,第 {at} 字节") as caught:
        decode(first + SIMPLIFIED.encode())
    assert "拆成两个文件" in caught.value.advice


@pytest.mark.parametrize("codec", ["gbk", "gb18030"])
def test_a_damaged_gbk_file_is_refused_where_it_stops_making_sense(codec: str) -> None:
    raw = SIMPLIFIED.encode(codec)
    message = rf"gb18030 编码,但第 {len(raw) + 1} 字节\(第 3 行\)"
    with pytest.raises(FileError, match=message) as caught:
        decode(raw + b"\xff\n" + raw)
    assert "另存为 UTF-8" in caught.value.advice


def test_a_damaged_utf_16_file_counts_the_mark_and_the_lines() -> None:
    raw = b"\xff\xfe" + "重庆\n上海".encode("utf-16-le")[:-1]
    with pytest.raises(FileError, match=r"utf-16-le,但第 11 字节\(第 2 行\)"):
        decode(raw)


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"%PDF-1.7\n1 0 obj", "PDF"),
        (b"PK\x03\x04\x14\0", "ZIP"),
        (b"\x89PNG\r\n\x1a\n", "PNG"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1", "Office"),
        (b"MZ\x90\0\x03\0\0\0\x04" * 40, "第 4 字节"),
        (b"\x01\x02\x03\x04\x05\x06text", "控制字符"),
        ("重庆\0市".encode(), "空字节"),
    ],
)
def test_binary_files_are_named_as_such(raw: bytes, reason: str) -> None:
    with pytest.raises(FileError, match=f"看起来是二进制文件.*{reason}"):
        decode(raw)


@pytest.mark.parametrize(
    ("text", "codec"),
    [
        ("日本の首相は東京で記者会見を行い、新しい経済政策について説明しました。", "shift_jis"),
        ("L’été dernier, le café était très cher à Paris.", "cp1252"),
        ("Правительство объявило новую экономическую политику", "cp1251"),
        (
            "대한민국의 수도는 서울이며, 인구는 약 천만 명이다. 정부는 새로운 정책을 발표했다. "
            "한국어는 한반도에서 사용되는 언어로, 세계 여러 곳에서 배우는 사람이 늘어나고 있다. "
            "지난해 수출은 전년보다 크게 증가했으며 올해에도 성장세가 이어질 전망이다.",
            "euc_kr",
        ),
    ],
)
def test_other_languages_are_refused_rather_than_read_as_rare_characters(
    text: str, codec: str
) -> None:
    with pytest.raises(FileError, match="起不是任何已知的中文编码"):
        decode(text.encode(codec))


WORDS = [
    "今年以来",
    "我们的",
    "工作",
    "人民群众",
    "在全国",
    "发展",
    ",",
    "。",
    "2024年",
    "\n",
    "A股",
    "邻水县",
]
WORDS_TRADITIONAL = [
    "今年以來",
    "我們的",
    "工作",
    "人民群眾",
    "在全國",
    "發展",
    "，",
    "。",
    "\r\n",
    "鄰水縣",
]


@given(
    words=st.lists(st.sampled_from(WORDS), min_size=12),
    codec=st.sampled_from(["utf-8", "gb18030", "utf-16-le", "utf-16-be"]),
)
def test_simplified_text_comes_back_from_every_encoding(words: list[str], codec: str) -> None:
    text = "中文" + "".join(words)
    assert decode(text.encode(codec)) == (text, codec)


@given(
    words=st.lists(st.sampled_from(WORDS_TRADITIONAL), min_size=12),
    codec=st.sampled_from(["utf-8", "gb18030", "big5", "utf-16-le", "utf-16-be"]),
)
def test_traditional_text_comes_back_from_every_encoding(words: list[str], codec: str) -> None:
    text = "中國" + "".join(words)
    assert decode(text.encode(codec)) == (text, codec)


MARKS = {"utf-16-le": b"\xff\xfe", "utf-16-be": b"\xfe\xff", "utf-32-le": b"\xff\xfe\0\0"}


@given(raw=st.binary(max_size=400))
def test_any_bytes_are_read_without_loss_or_refused(raw: bytes) -> None:
    try:
        text, name = decode(raw)
    except FileError as error:
        assert error.advice
    else:
        if name.startswith("utf"):
            assert text.encode(name) == raw.removeprefix(MARKS.get(name, b""))


TRADITIONAL_PAGE = SEEDS[2].read_bytes().decode("utf-8")


@given(st.data(), st.sampled_from(["utf-8", "gb18030", "big5", "utf-16-le", "utf-16-be"]))
def test_a_piece_of_a_real_page_comes_back_from_every_encoding(
    data: st.DataObject, codec: str
) -> None:
    page = TRADITIONAL_PAGE
    if codec != "big5":
        page = data.draw(st.sampled_from(SEEDS)).read_bytes().decode("utf-8")
    start = data.draw(st.integers(0, len(page) - 12))
    # Big5 lacks the Simplified characters of Chinese mainland's punctuation and misprints.
    raw = page[start : start + data.draw(st.integers(12, 200))].encode(codec, "ignore")
    piece = raw.decode(codec)
    assume(len(piece) >= 12 and not piece.isascii())
    assert decode(raw) == (piece, codec)


@given(
    text=st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])),
    mark=st.sampled_from(sorted(MARKS)),
)
def test_any_text_comes_back_from_an_encoding_with_a_mark_or_is_refused(
    text: str, mark: str
) -> None:
    try:
        assert decode(MARKS[mark] + text.encode(mark)) == (text, mark)
    except FileError as error:
        assert "控制字符" in error.message


class TestConfidence:
    @pytest.mark.parametrize("codec", ["gb18030", "utf-16-le", "utf-16-be", "utf-8"])
    def test_a_sentence_leaves_no_doubt(self, codec: str) -> None:
        decoded = encoding.decode(SIMPLIFIED[:40].encode(codec))
        assert decoded.confidence > 0.999
        assert decoded.alternatives == ()

    @pytest.mark.parametrize(
        ("text", "codec", "other"),
        [
            ("3 電源管", "big5", {"gb18030", "big5"}),  # Three common characters in GBK, too.
            ("付工程材料", "gbk", {"gb18030", "big5"}),
            ("id 13 系统", "gbk", {"utf-8", "gb18030"}),  # Two bytes that pass for UTF-8.
            ("在", "utf-16-le", {"utf-8", "utf-16-le"}),  # "(W"
        ],
    )
    def test_a_word_that_reads_either_way_is_doubtful_and_the_other_way_is_named(
        self, text: str, codec: str, other: set[str]
    ) -> None:
        decoded = encoding.decode(text.encode(codec))
        assert decoded.confidence < SURE
        assert other <= {decoded.encoding, *decoded.alternatives}

    def test_a_mark_or_plain_english_leaves_no_doubt(self) -> None:
        for raw in (b"\xef\xbb\xbf" + "在".encode(), b"", b"plain words", b"a" * 1000, b"id 1\n"):
            assert encoding.decode(raw).confidence >= SURE

    def test_what_a_page_declares_weighs(self) -> None:
        raw = "第3智".encode("big5")
        assert encoding.decode(raw).confidence < SURE <= encoding.decode(raw, "big5").confidence


class TestGiven:
    @pytest.mark.parametrize(
        ("label", "name"),
        [("GBK", "gb18030"), ("cp950", "big5"), ("UTF8", "utf-8"), ("utf_16_le", "utf-16-le")],
    )
    def test_encodings_go_by_all_their_names(self, label: str, name: str) -> None:
        assert encoding.named(label) == name

    @pytest.mark.parametrize("label", ["latin-1", "no-such", "", "euc_kr", "a\0b", "rot13"])
    def test_what_is_not_read_here_is_refused_with_what_is(self, label: str) -> None:
        with pytest.raises(InputError) as caught:
            encoding.named(label)
        assert "gb18030 big5" in caught.value.advice

    def test_it_is_read_as_the_user_says(self) -> None:
        raw = "付工程材料".encode("gbk")
        assert encoding.decode(raw).text == "葆馱最第蹋"
        assert encoding.decode(raw, given="gb18030") == Decoded("付工程材料", "gb18030")

    def test_it_is_refused_where_it_cannot_be_read_so(self) -> None:
        raw = "第一行\n第二行有字".encode("gbk")
        with pytest.raises(FileError, match=r"指定的编码是 utf-8,但第 1 字节\(第 1 行\)") as caught:
            encoding.decode(raw, given="utf-8")
        assert "--encoding" in caught.value.advice
        with pytest.raises(FileError, match="文件开头标明是 utf-8"):
            encoding.decode(b"\xef\xbb\xbf" + SIMPLIFIED.encode(), given="gb18030")
        marked = b"\xff\xfe" + SIMPLIFIED.encode("utf-16-le")
        assert encoding.decode(marked, given="utf-16-le").text == SIMPLIFIED


@given(raw=st.binary(max_size=60))
def test_confidence_is_a_probability_and_alternatives_are_other_encodings(raw: bytes) -> None:
    try:
        decoded = encoding.decode(raw)
    except FileError:
        return
    assert 0.5 <= decoded.confidence <= 1 or decoded.alternatives
    assert decoded.encoding not in decoded.alternatives
    for name in decoded.alternatives:
        assert encoding.decode(raw, given=name).text != decoded.text
