"""A sentence that a language model wrote, and the passages it cites → what the passages do not say.

Compared in folded text: 3.05万 is 30500, 三十五 is 35, 約129件 is 129件. Nothing here judges style,
and nothing is repaired: a sentence holds, or it is said what in it does not.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from qa.index.tokens import bigrams
from qa.reader.kinds import UNITS
from qa.text import DOTTED_NAME, fold, sentences, tagger

_SUPPORTED = 0.5
"""Share of a sentence's bigrams that must stand in what it cites, or in the question."""

_DIGITS = dict(zip("〇零一二两三四五六七八九", (0, 0, 1, 2, 2, *range(3, 10)), strict=True))
_STEPS = {"十": 10, "百": 100, "千": 1000}
_SCALES = {"万": 10_000, "亿": 100_000_000}
_NUMERAL = r"[〇零一二两三四五六七八九十百千万亿]+"
_HUNDREDTH = re.compile(
    rf"百分之(?P<value>\d+(?:\.\d+)?|{_NUMERAL}(?:点[〇零一二三四五六七八九]+)?)"
)
_DATE = re.compile(
    r"(?:(?P<year>\d{2,4})年)?(?P<month>\d{1,2})月份?(?:(?P<day>\d{1,2})[日号])?"
    r"|(?P<lone_year>(?:1[89]|20)\d\d)年|(?<![\d.])(?P<lone_day>\d{1,2})[日号](?!线)"
)
_AMOUNT = re.compile(
    rf"(?P<digits>\d[\d,]*(?:\.\d+)?)\s*(?P<scale>[百千]?[万亿]?)[余多几]?(?P<more>[万亿]?)"
    rf"(?P<percent>[%％‰]|个百分点)?(?P<unit>{UNITS})?"
)
_WRITTEN = re.compile(rf"(?<!第)(?P<digits>{_NUMERAL})[余多几来]?(?P<unit>{UNITS})")
_ALIKE = (
    "件起宗次例项个批笔条桩",
    "人名位口",
    "户家",
    "元块",
    "公里千米",
    "年岁",
    "天日",
)
_NEGATION = re.compile(
    r"没有|没|未(?!来)|(?<![是无])不(?!仅|但|断|同|只|少|久|过|足|动产|锈)|并非|从未|无(?!线|论|数|人机)"
)
_NAMES = ("nr", "ns", "nt", "nz")
_LATIN = re.compile(r"[a-z][a-z0-9-]{2,}")
_FOREIGN = re.compile(DOTTED_NAME)
_COMMON = re.compile("中国|中华|华夏|全国|我国|中央|国家|人民|汉语|中文|普通话")
"""Names that anyone may say."""


@dataclass(frozen=True, slots=True)
class Number:
    """A number or a date as it counts: ``value`` with its unit, "" where it has none.

    A date is its parts, those that are not said 0: ``unit`` is "date".
    """

    value: float | tuple[int, int, int]
    unit: str
    text: str


def numbers(folded: str) -> list[Number]:
    """The numbers, percentages and dates in a folded text.

    >>> [(n.value, n.unit) for n in numbers("2024年9月8日投入610余万元,占三成,约3.05万平方米")]
    [((2024, 9, 8), 'date'), (6100000.0, '元'), (30500.0, '平方米'), (3.0, '成')]
    """
    found: list[Number] = []
    text = _with_digits(folded)
    for match in _HUNDREDTH.finditer(text):
        found.append(Number(_value(match["value"]), "%", match.group()))
    text = _HUNDREDTH.sub(lambda match: " " * len(match.group()), text)
    for match in _DATE.finditer(text):
        year = match["year"] or match["lone_year"] or 0
        day = match["day"] or match["lone_day"] or 0
        found.append(Number((int(year), int(match["month"] or 0), int(day)), "date", match.group()))
    text = _DATE.sub(lambda match: " " * len(match.group()), text)
    for match in _AMOUNT.finditer(text):
        value = float(match["digits"].replace(",", ""))
        for char in (match["scale"] or "") + (match["more"] or ""):
            value *= {**_STEPS, **_SCALES}[char]
        unit = "%" if match["percent"] else match["unit"] or ""
        found.append(Number(value, "%" if unit == "个百分点" else unit, match.group()))
    text = _AMOUNT.sub(lambda match: " " * len(match.group()), text)
    for match in _WRITTEN.finditer(text):
        value = _value(match["digits"])
        if value != 1:  # 一个, 一次: as often an article as a number.
            found.append(Number(value, match["unit"], match.group()))
    return found


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
        lambda match: str(int(_value(match.group()))),
        text,
    )


def _value(numeral: str) -> float:
    """三千五百 → 3500; 一点二 → 1.2; 35 → 35."""
    if numeral[0].isdigit():
        return float(numeral)
    whole, _, part = numeral.partition("点")
    if part:
        return _value(whole) + float("0." + "".join(str(_DIGITS[char]) for char in part))
    if not any(char in _STEPS or char in _SCALES for char in whole):
        return float("".join(str(_DIGITS[char]) for char in whole))
    total = section = digit = 0
    for char in whole:
        if char in _SCALES:
            total = (total + section + digit or 1) * _SCALES[char]
            section = digit = 0
        elif char in _STEPS:
            section += (digit or 1) * _STEPS[char]
            digit = 0
        else:
            digit = _DIGITS[char]
    return float(total + section + digit)


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
    found += [f"原文没有这个名称:{name}" for name in _names(said) if name not in text]
    if _unsupported(said, fold(question), text):
        found.append("所引的段落没有这样说")
    elif _NEGATION.search(said) and not any(
        _NEGATION.search(text[a:b]) for a, b in _nearest(said, text)
    ):
        found.append("原文没有这样否定")
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
    if said.value != other.value or (said.unit == "%") != (other.unit == "%"):
        return False
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


def _names(folded: str) -> list[str]:
    """Names of people, places and organisations in a folded text, and Latin words."""
    found = [
        word
        for word, tag in tagger().lcut(folded)
        if tag[:2] in _NAMES and len(word) > 1 and not _COMMON.fullmatch(word)
    ]
    return list(dict.fromkeys([*found, *_FOREIGN.findall(folded), *_LATIN.findall(folded)]))
