"""Chinese text: folding for search, sentences, and making untrusted text safe to show."""

from __future__ import annotations

import re
import sys
import unicodedata
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    import jieba
    from jieba.posseg import POSTokenizer
    from opencc import OpenCC

    from qa.types import Span

_END = "。!?！？;；"
_CLOSE = "”’」』）)】》〉\"'"
_SENTENCE = re.compile(rf"(?:[{_END}]+|(?<=[A-Za-z0-9)%])\.(?=[{_CLOSE}]*(?:\s|$)))[{_CLOSE}]*|\n+")
_SPEAKER = re.compile(
    r"[^。!?！？;；\n“”「」]{0,30}(?:[说道问]|表示|介绍|坦言|感慨)[^。!?！？;；\n“”「」]{0,6}[。\n]"
)

_EMOJI = "\u2600-\u27bf\U0001f000-\U0001faff"
# Controls except tab and line feed; bidirectional marks; separators that some terminals obey.
UNSAFE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200c\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff"
    "\U000e0000-\U000e0fff]"
    # A joiner is harmless inside an emoji, and part of it.
    f"|(?<![{_EMOJI}\ufe0f])\u200d|\u200d(?![{_EMOJI}])"
)


# The most common family names: about 96 % of people in mainland China.
_SURNAMES = (
    "王李张刘陈杨黄赵吴周徐孙马朱胡郭何林高罗郑梁谢宋唐许韩邓冯曹彭曾肖田董潘袁蔡蒋余于杜叶程魏"
    "苏吕丁任卢姚沈钟姜崔谭陆范汪廖石金韦贾夏付方邹熊白孟秦邱侯江尹薛闫段雷龙黎史陶贺毛郝顾龚邵"
    "万覃武钱戴严欧莫孔向常汤康易乔赖文施洪季俞尤牛樊葛邢安齐伍庞颜倪庄聂章鲁岳翟殷申耿关兰焦柳"
    "祝纪尚毕舒麦甘凌裴涂冉慕蒲古成滕温祁阮柯蓝鲍靳桂卓包费单项屈华司霍宁"
)
PERSON = (
    rf"(?:(?:欧阳|上官|司马|诸葛|皇甫|尉迟|公孙|夏侯)[一-鿿]{{1,2}}|[{_SURNAMES}][一-鿿]{{1,2}})"
)
"""Regular expression of a Chinese personal name, in folded text."""
_IN_NAME = r"[^\W\d_a-z是在的了被把和与及对说将有为时会去来用让向到从等也]"
DOTTED_NAME = rf"{_IN_NAME}{{1,6}}(?:·{_IN_NAME}{{1,6}})+"
"""Regular expression of a foreign name in Chinese characters, in folded text: 阿里·梅周."""


@cache
def segmenter() -> jieba.Tokenizer:
    """Jieba with its own dictionary, read without its cache in the shared temporary folder."""
    import jieba

    tokenizer = jieba.Tokenizer()
    tokenizer.FREQ, tokenizer.total = tokenizer.gen_pfdict(tokenizer.get_dict_file())
    tokenizer.initialized = True
    return tokenizer


@cache
def tagger() -> POSTokenizer:
    """Jieba's parts of speech: "n" begins the tags of nouns, "v" of verbs, "nr" is a person.

    The first call takes about two seconds.
    """
    from jieba.posseg import POSTokenizer

    return POSTokenizer(segmenter())


def tie(left: str, right: str) -> float:
    """How much likelier two texts are as one, in nats: 0 where no word crosses the boundary.

    The gain in log-probability of jieba's best segmentation. Over 3 for a third of random cuts
    inside news sentences, and for 6 in 10,000 boundaries between unrelated ones.
    """
    if not _crossed(left, right):
        return 0.0
    return _likelihood(left + right) - _likelihood(left) - _likelihood(right)


def _crossed(left: str, right: str) -> bool:
    """Whether a word of the dictionary begins in ``left`` and ends in ``right``."""
    known = segmenter().FREQ  # With 0 for what words begin with.
    for start in range(len(left)):
        word = left[start:]
        for char in right:
            if word not in known:
                break
            word += char
            if known.get(word):
                return True
    return False


def _likelihood(text: str) -> float:
    tokenizer = segmenter()
    route: dict[int, tuple[float, int]] = {}
    tokenizer.calc(text, tokenizer.get_DAG(text), route)
    return route[0][0]


@cache
def _simplifier() -> OpenCC:
    from opencc import OpenCC

    return OpenCC("t2s")


class _FoldTable(dict[int, str]):
    """Code point → folded character, filled as characters are met."""

    def __missing__(self, code: int) -> str:
        char = chr(code)
        if 0xD800 <= code <= 0xDFFF:  # From a command line that is not UTF-8; OpenCC refuses it.
            return char
        if 0xFF01 <= code <= 0xFF5E:
            char = chr(code - 0xFEE0)
        elif code == 0x3000:
            char = " "
        elif code >= 0x2E80:
            # Twice: 薴 becomes 苧, which becomes 苎.
            simplified = _simplifier().convert(_simplifier().convert(char))
            char = simplified if len(simplified) == 1 else char
        lowered = char.lower()
        self[code] = folded = lowered if len(lowered) == 1 else char
        return folded


_fold_table = _FoldTable()


def fold(text: str) -> str:
    """Make what readers take for the same text the same: Simplified, half width, lower case.

    Works character by character, so that position i of the result is position i of ``text``:
    a match found in folded text can be shown in the original. Characters whose simplification
    hangs on the word (乾隆) fold the same way in questions and in documents, which is all that
    search needs.

    >>> fold("鄰水縣ＡＢＣ")
    '邻水县abc'
    """
    return text.translate(_fold_table)


def sentences(text: str) -> list[Span]:
    """Ranges of the sentences of ``text``, in order, without surrounding white space.

    A sentence ends at 。!?; (with the closing quotes and brackets that follow), at a full stop
    after a letter or digit before white space, and at a line feed. It goes on where a quotation
    is followed by its clause or its speaker, and inside parentheses that close soon after.

    >>> [text[a:b] for text in ["好。“行吗?”他问。"] for a, b in sentences(text)]
    ['好。', '“行吗?”他问。']
    """
    found: list[Span] = []
    start = 0
    for match in _SENTENCE.finditer(text):
        end = _end(text, start, match)
        if "\n" not in match.group() and _goes_on(text, start, end):
            continue
        _add_stripped(text, start, end, found)
        start = end
    _add_stripped(text, start, len(text), found)
    return found


def _end(text: str, start: int, match: re.Match[str]) -> int:
    """Where the sentence ends: before a straight quote that opens the next one."""
    quote = match.group().find('"')
    opens = quote >= 0 and text.count('"', start, match.start()) % 2 == 0
    return match.start() + quote if opens else match.end()


def _goes_on(text: str, start: int, end: int) -> bool:
    if text[end - 1] in "》〉":  # 《怎么办?》
        return True
    if text[end - 1] in '”’」』"':
        return text[end : end + 1] in tuple(",，、的") or _SPEAKER.match(text, end) is not None
    opened = max(text.rfind("(", start, end), text.rfind("（", start, end))
    if opened < 0 or max(text.rfind(")", opened, end), text.rfind("）", opened, end)) > 0:
        return False
    return re.match(r"[^\n(（]{0,60}[)）]", text[end : end + 61]) is not None


def _add_stripped(text: str, start: int, end: int, found: list[Span]) -> None:
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    if start < end:
        found.append((start, end))


def squeeze(text: str) -> str:
    """Remove all white space: the form in which quotations are compared."""
    return "".join(text.split())


def visible(text: str) -> str:
    r"""Show control, bidirectional and unpaired surrogate characters by name, harmlessly.

    >>> visible("\x1b[31m")
    '␛[31m'
    """
    return UNSAFE.sub(_name, text.replace("\r\n", "\n"))


def _name(match: re.Match[str]) -> str:
    code = ord(match.group())
    if code < 0x20:
        return chr(0x2400 + code)
    return f"<U+{code:04X}>"


def spelled(name: str) -> str:
    r"""A name from outside as text that is valid UTF-8, shows as it is, and can be typed.

    Bytes of a file's name that are not UTF-8, control and bidirectional characters are spelled out;
    so is a backslash that would read as one of these. No two names are spelled alike.

    >>> spelled("\udcb8报\n.txt")
    '\\xb8报\\x0a.txt'
    """
    return _UNSPELLABLE.sub(_spelling, name)


def unspelled(spelling: str) -> str:
    r"""The name that ``spelled`` made a text of, as the system knows it."""
    return _SPELLING.sub(_unspelling, spelling)


_HEX = "x[0-9a-f]{2}|u[0-9a-f]{4}|U[0-9a-f]{8}"
_SPELLING = re.compile(rf"\\(?:{_HEX})")
_UNSPELLABLE = re.compile(rf"\\(?={_HEX})|[\t\n]|{UNSAFE.pattern}")


def _spelling(match: re.Match[str]) -> str:
    code = ord(match.group())
    if 0xDC80 <= code <= 0xDCFF:  # A byte, as Python reads what is not UTF-8.
        return f"\\x{code - 0xDC00:02x}"
    return (
        f"\\x{code:02x}"
        if code < 0x80
        else f"\\u{code:04x}"
        if code < 1 << 16
        else f"\\U{code:08x}"
    )


def _unspelling(match: re.Match[str]) -> str:
    spelling = match.group()
    code = int(spelling[2:], 16)
    is_byte = spelling[1] == "x" and code >= 0x80
    return chr(code + 0xDC00 * is_byte) if code <= sys.maxunicode else spelling


def width(text: str) -> int:
    """Columns that ``text`` takes in a terminal, wide characters counted as two."""
    return sum(
        0 if unicodedata.combining(char) else 2 if unicodedata.east_asian_width(char) in "WF" else 1
        for char in text
    )


def coverage(weights: Mapping[str, float], folded: str) -> float:
    """Share, in [0, 1], of the weight of terms that stand in a folded text; 0 without terms."""
    total = sum(weights.values())
    return sum(w for term, w in weights.items() if term in folded) / total if total else 0.0
