"""A sentence that a language model wrote, and the passages it cites → what the passages do not say.

Compared in folded text: 3.05万 is 30500, 三十五 is 35, 約129件 is 129件. Nothing here judges style,
and nothing is repaired: a sentence holds, or it is said what in it does not.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal

from qa.index.tokens import bigrams
from qa.reader.kinds import PEOPLE, UNITS
from qa.text import PERSON, fold, segmenter, sentences, tagger

_SUPPORTED = 0.5
"""Share of a sentence's bigrams that must stand in what it cites, or in the question."""

_DIGITS = dict(zip("〇零一二两三四五六七八九", (0, 0, 1, 2, 2, *range(3, 10)), strict=True))
_STEPS = {"十": 10, "百": 100, "千": 1000}
_SCALES = {"万": 10_000, "亿": 100_000_000}
_NUMERALS = "〇零一二两三四五六七八九十百千万亿"
_NUMERAL = rf"(?<![{_NUMERALS}])[{_NUMERALS}]{{1,24}}+(?:点[〇零一二三四五六七八九]{{1,9}}+)?"
_HUNDREDTH = re.compile(rf"百分之(?P<value>\d{{1,30}}(?:\.\d{{1,30}})?|{_NUMERAL})")
_DATE = re.compile(
    r"(?<![\d.])(?P<iso_year>\d{4})[-/.](?P<iso_month>\d{1,2})[-/.](?P<iso_day>\d{1,2})(?!\d)"
    r"|(?:(?<![\d.])(?P<year>\d{2,4})年)?(?<![\d.])(?P<month>\d{1,2})月份?(?:(?P<day>\d{1,2})[日号]?"
    r"(?:[至到—–~-](?P<last_day>\d{1,2})[日号]|(?<=[日号])))?"
    r"|(?<![\d.])(?P<lone_year>(?:1[89]|20)\d\d)(?:年|(?=[至到—–~-](?:1[89]|20)\d\d年))"
    r"|(?<![\d.])(?P<lone_day>\d{1,2})[日号](?!线)"
)
_AMOUNT = re.compile(
    r"(?P<digits>\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?)\s*(?P<scale>(?:[百千](?![米克瓦]))?[万亿]?)"
    rf"[余多几]?(?P<more>[万亿]?)(?P<percent>[%％‰]|个百分点)?(?P<unit>{UNITS}|里(?![面程边]))?"
)
_WRITTEN = re.compile(
    rf"(?P<ordinal>第?)(?P<digits>{_NUMERAL})(?P<about>[余多几来]?)(?P<more>[万亿]?)"
    rf"(?:(?P<unit>{UNITS})|(?P<next>[一-鿿]))?"
)
_ALIKE = (
    ("件", "起", "宗", "次", "例", "项", "个", "批", "笔", "条", "桩"),
    PEOPLE,
    ("户", "家"),
    ("元", "块"),
    ("公里", "千米"),
    ("公斤", "千克"),
    ("年", "岁"),
    ("天", "日"),
    ("小时", "个小时"),
)
"""Units that writers put for each other."""
_NEGATION = re.compile(
    r"没|未(?!来)|(?<![是无])不(?!仅|但|断|同|只|少|久|过|足|动产|锈)|并非|无(?!线|论|数|人机)"
)
_PERCENT = {"%": "%", "％": "%", "‰": "‰", "个百分点": "百分点"}
_CLAUSE = re.compile(r"[^,;。!?\n]+")
_NAMES = ("nr", "ns", "nt", "nz")
_LATIN = re.compile(r"[a-z][a-z0-9-]{2,}")
_PLACE = re.compile(
    r"[一-鿿]{2}(?<![社小地山城灾校园厂景新老市辖农乡全各该本这那个])(?:县|区|镇|乡|村|街道|社区)(?![级域])"
)
_TITLED = re.compile(
    rf"(?:书记|主任|局长|县长|区长|市长|镇长|乡长|村长|院长|校长|经理|记者|村民|居民|教授|主席|总统)({PERSON})"
    rf"|({PERSON})(?=说|表示|介绍|告诉|认为|指出|坦言)"
)
_COMMON = re.compile("中国|中华|华夏|全国|我国|中央|国家|人民|汉语|中文|普通话")
"""Names that anyone may say."""


@dataclass(frozen=True, slots=True)
class Number:
    """A number or a date as it counts: ``value`` with its unit, "" where it has none.

    A date is year, month and day, those that are not said 0: ``unit`` is "date".
    """

    value: Decimal | tuple[int, int, int]
    unit: str
    text: str


def numbers(folded: str) -> list[Number]:
    """The numbers, percentages and dates in a folded text.

    >>> [(str(n.value), n.unit) for n in numbers("9月8日投入610余万元,占三成,约3.05万平方米")]
    [('(0, 9, 8)', 'date'), ('6100000', '元'), ('30500.00', '平方米'), ('3', '成')]
    """
    found: list[Number] = []
    text = _with_digits(folded.replace("○", "〇"))
    for match in _HUNDREDTH.finditer(text):
        found.append(Number(_value(match["value"]), "%", match.group()))
    text = _HUNDREDTH.sub(_blank, text)
    for match in _DATE.finditer(text):
        found += _dates(match)
    text = _DATE.sub(_blank, text)
    for match in _AMOUNT.finditer(text):
        value = Decimal(match["digits"].replace(",", ""))
        for char in (match["scale"] or "") + (match["more"] or ""):
            value *= {**_STEPS, **_SCALES}[char]
        unit = _PERCENT[match["percent"]] if match["percent"] else match["unit"] or ""
        found.append(Number(value, unit, match.group()))
    text = _AMOUNT.sub(_blank, text)
    for match in _WRITTEN.finditer(text):
        digits = match["digits"]
        value = _value(digits) * _SCALES.get(match["more"], 1)
        if value == 1 and not match["ordinal"]:  # 一个, 一次: as often an article as a number.
            continue
        # 百姓, 千方百计 are no numbers; 五步议事 and 十余家 are.
        if match["unit"] or match["about"] or re.search("[二两三四五六七八九]", digits):
            found.append(Number(value, match["unit"] or match["next"] or "", match.group()))
    return found


def _blank(match: re.Match[str]) -> str:
    return " " * len(match.group())


def _dates(match: re.Match[str]) -> Iterator[Number]:
    year = int(match["iso_year"] or match["year"] or match["lone_year"] or 0)
    month = int(match["iso_month"] or match["month"] or 0)
    days = [match[name] for name in ("iso_day", "day", "lone_day", "last_day") if match[name]]
    for day in days or ["0"]:
        yield Number((year, month, int(day)), "date", match.group())


def _with_digits(folded: str) -> str:
    """Dates written in Chinese numerals with digits: 二〇二四年九月八日 → 2024年9月8日."""
    text = re.sub(
        r"(?<![一二三四五六七八九十])[一二][〇零一二三四五六七八九]{3}(?=年)",
        lambda match: "".join(str(_DIGITS[char]) for char in match.group()),
        folded,
    )
    return re.sub(
        r"(?<![第一二三四五六七八九十个])(?:十[一二]?|[一二三四五六七八九])(?=月)"
        r"|(?<=月)(?:[二三]?十[一二三四五六七八九]?|[一二三四五六七八九])(?=[日号])",
        lambda match: str(_value(match.group())),
        text,
    )


def _value(numeral: str) -> Decimal:
    """三千五百 → 3500; 一点二 → 1.2; 35 → 35."""
    if numeral[0].isdigit():
        return Decimal(numeral)
    whole, _, part = numeral.partition("点")
    if part:
        return _value(whole) + Decimal("0." + "".join(str(_DIGITS[char]) for char in part))
    if not any(char in _STEPS or char in _SCALES for char in whole):
        return Decimal("".join(str(_DIGITS[char]) for char in whole))
    total = section = digit = 0
    for char in whole:
        if char == "亿":
            total = (total + section + digit or 1) * _SCALES[char]
            section = digit = 0
        elif char == "万":
            total += (section + digit or 1) * _SCALES[char]
            section = digit = 0
        elif char in _STEPS:
            section += (digit or 1) * _STEPS[char]
            digit = 0
        else:
            digit = _DIGITS[char]
    return Decimal(total + section + digit)


def problems(sentence: str, question: str, cited: Sequence[str]) -> list[str]:
    """What in a sentence the passages that it cites do not say, in Chinese; nothing if it holds.

    Args:
        sentence: Without its markers.
        question: What was asked; its own words need no support, its numbers and names do.
        cited: Texts of the passages that the sentence cites, titles and dates included.
    """
    if not cited:
        return ["没有出处"]
    said, text = fold(sentence), fold("\n".join(cited))
    found = [f"原文没有这个数:{n.text.strip()}" for n in numbers(said) if not _stands(n, text)]
    found += [f"原文没有这个名称:{name}" for name in _missing_names(said, text)]
    if _unsupported(said, fold(question), text):
        found.append("所引的段落没有这样说")
    elif _NEGATION.search(said) and not any(
        _NEGATION.search(text[a:b]) for a, b in _nearest(said, text)
    ):
        found.append("原文没有这样否定")
    elif not _NEGATION.search(said) and any(
        _NEGATION.search(_nearest_clause(clause, text)) for clause in _CLAUSE.findall(said)
    ):
        found.append("原文是否定的")
    return found


def _stands(number: Number, text: str) -> bool:
    return any(_same(number, other) for other in numbers(text))


def _same(said: Number, other: Number) -> bool:
    if said.unit == "date" or other.unit == "date":
        if said.unit != other.unit:
            return False
        pairs = zip(said.value, other.value, strict=True)  # type: ignore[arg-type]
        known = [(a, b) for a, b in pairs if a]
        return all(a == b or (b > 1000 and a == b % 100) for a, b in known)
    if said.value != other.value:
        return False
    if any(unit in _PERCENT.values() for unit in (said.unit, other.unit)):
        return said.unit == other.unit
    if not said.unit or not other.unit or said.unit == other.unit:
        return True
    return any(said.unit in alike and other.unit in alike for alike in _ALIKE)


def _unsupported(said: str, question: str, text: str) -> bool:
    terms = bigrams(said)
    held = sum(term in text or term in question for term in terms)
    return not terms or held / len(terms) < _SUPPORTED


def _nearest(said: str, text: str) -> Iterator[tuple[int, int]]:
    """The sentences of a text that share most with what is said."""
    terms = set(bigrams(said))
    cut = sentences(text)
    shares = [sum(term in text[a:b] for term in terms) for a, b in cut]
    most = max(shares, default=0)
    return (span for span, share in zip(cut, shares, strict=True) if share >= 0.7 * most)


def _nearest_clause(said: str, text: str) -> str:
    """The clause of a text that shares most with what is said."""
    terms = set(bigrams(said))
    clauses = _CLAUSE.findall(text)
    return max(clauses, key=lambda clause: sum(term in clause for term in terms), default="")


def _missing_names(said: str, text: str) -> list[str]:
    """Names of people, places and organisations, and Latin words, that a text does not have."""
    found = [
        word
        for word, tag in tagger().lcut(said)
        if tag[:2] in _NAMES
        and len(word) > 1
        and not _COMMON.fullmatch(word)
        # What jieba only guesses to be a person has to look like one.
        and (tag[:2] != "nr" or segmenter().FREQ.get(word) or re.fullmatch(PERSON, word))
    ]
    found += _PLACE.findall(said) + _LATIN.findall(said)
    missing = [name for name in found if name not in text]
    # Where a name ends is not known: 何春阳说 is 何春阳, or 何春.
    missing += [
        n
        for pair in _TITLED.findall(said)
        if (n := "".join(pair)) and n not in text and n[:2] not in text
    ]
    missing += [
        said[max(0, dot - 2) : dot + 3]
        for dot in (match.start() for match in re.finditer("·", said))
        if said[max(0, dot - 2) : dot + 3] not in text
    ]
    return list(dict.fromkeys(missing))
