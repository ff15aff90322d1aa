"""What a question asks for (a number, a date, a person, a place), and what in a sentence is one.

Everything here works on folded text.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from qa.text import PERSON
from qa.types import Span


class Kind(StrEnum):
    """What is asked for."""

    NUMBER = "number"
    DATE = "date"
    PERSON = "person"
    PLACE = "place"


@dataclass(frozen=True, slots=True)
class Asked:
    """One thing that a question asks for.

    Attributes:
        kind: Of what kind.
        unit: Regular expression of the unit or the class noun asked for, or "".
        span: The words that ask, in the question.
    """

    kind: Kind
    unit: str
    span: Span


UNITS = (
    "平方公里|平方米|立方米|万平方米|公里|千米|厘米|毫米|米|公顷|亩|吨|公斤|千克|克|斤|美元|元|块钱|人次|家次|批次|"
    "车次|日元|日圆|欧元|英镑|港元|个百分点|个小时|个月|个|件|起|户|家|人|名|位|次|处|条|座|栋|幢|套|台|辆|部|把|根|份|篇|场|项|组|所|间|棵|株|"
    "只|头|单|天|年|月|日|小时|分钟|秒|岁|级|层|期|届|类|种|块|片|段|支|本|首|集|张|枚|艘|架|颗|对|双|封|笔|票|"
    "门|道|字|页|倍|成|度|村|镇|省|市|县|国|代|人民币|亿|万"
)
"""Alternatives of a regular expression: what numbers count, longer ones before their parts."""
PEOPLE = ("人", "名", "位", "口")
"""Units that count people."""
_PEOPLE = "|".join(PEOPLE)
_ALIKE = {**dict.fromkeys(PEOPLE, _PEOPLE), "个": f"个|家|项|条|处|座|所|种|{_PEOPLE}"}
"""Units that answer one that is asked for; 个 asks for most."""
_CALENDAR = ("年", "月", "日")
_PERCENT = "%"
FITS = 2.0
"""How well a candidate fits that has the unit, or the position, asked for."""
_NOUNS = (
    (
        "票价|价格|单价|租金|成本|金额|资金|奖金|补偿金|救助金|贷款|款|费|资产|工资|收入|产值|投资|补贴|罚款",
        "元|美元|万|亿",
    ),
    ("案件|纠纷|诉求|投诉|提案", "件|起|宗"),
    ("居民|群众|村民|学生|党员|人口|志愿者", "人|名|位|户"),
    ("企业|公司|单位|机构", "家|个"),
)
_MEASURES = {
    "长": "公里|千米|米|厘米|里",
    "高": "米|公里|厘米",
    "宽": "米|公里|厘米",
    "远": "公里|千米|米|里",
    "重": "吨|公斤|千克|克|斤",
    "大": "平方公里|平方米|公顷|亩|岁",
    "久": "年|个月|天|日|个小时|小时|分钟|周",
    "钱": "元|美元|块",
}
# Strings, compiled when they are first used: to compile them all takes longer than a search.
_FIGURE = (
    r"(?:\d[\d,.]*\d|\d|[一二两三四五六七八九十百千零〇壹贰叁肆伍陆柒捌玖拾佰仟]"
    r"[一二两三四五六七八九十百千零〇壹贰叁肆伍陆柒捌玖拾佰仟万亿]*)"
)
_NUMBER = (
    rf"百分之[\d.一二两三四五六七八九十百零点]+"
    rf"|{_FIGURE}(?:(?P<percent>[%％‰])|[万亿千百]*(?:多|余|几)?(?:万|亿)?(?P<unit>{UNITS})?)"
)
_DATE = (
    r"(?:(?:19|20)\d\d年|[一二两零〇\d]{4}年|今年|去年|前年|本月|上月)?(?:\d{1,2}|十?[一二三四五六七八九十])月(?:底|初|中旬|上旬|下旬|(?:\d{1,2}|[一二三四五六七八九十]{1,3})[日号])?"
    r"(?:[上下]午|晚上?|凌晨|中午)?(?:\d{1,2}[时点:]\d{0,2}分?)?"
    r"|(?:19|20)\d\d年(?:底|初|春|夏|秋|冬|[上下]半年)?|[上下]?(?:周|星期)[一二三四五六日天]|\d{1,4}(?:年|世纪)|\d{1,2}日|公元前?\d+年"
    r"|今年|去年|前年|昨天|今天|昨日|今日"
)
_TITLES = (
    "书记|主任|局长|县长|区长|市长|省长|部长|处长|科长|院长|校长|行长|会长|队长|所长|站长|镇长|乡长|村长|组长|"
    "经理|总裁|董事长|负责人|记者|网格员|居民|村民|群众|教师|老师|学生|教授|博士|医生|护士|工作者|委员|代表|法官|"
    "律师|警官|民警|员工|工人|妇女|户主|贫困户|种植户|调解员|志愿者|先生|女士|同志|主席|总统|总理|导演|演员|作家|法人|人"
)
_NAME = rf"(?:{PERSON}|[一-鿿]某某?|[一-鿿]{{2,5}}·[一-鿿]{{2,5}})"
_AFTER_NAME = (
    r"[,、。;:!?()“”\s]|说|介绍|表示|告诉|分享|坦言|在|与|和|向|对|带|的|是|为|率|等|于|了解|通过"
    r"|领|把|$"
)
_PERSON = rf"{_NAME}(?={_AFTER_NAME})"
_AFTER_TITLE = rf"(?:{_TITLES})$"
_PLACE_NOUN = (
    "自治区|自治州|省|市|区|县|镇|乡|街道|社区|村|国|州|岛|山|河|湖|路|街|大道|广场|公园|学校|小学|中学|大学|医院|"
    "司法所|派出所|中心|基地|小区|大厦|园区|车站|机场|大讲堂|礼堂|馆|厅|站"
)
_IN_PLACE = r"[^\W\da-z由在从到于与和的及为将把被向以对等是有了个各这那该至去]"
_PLACE = (
    rf"(?:(?<![一-鿿])|(?<=[在于从到由至])){_IN_PLACE}{{2,8}}?(?:{_PLACE_NOUN})(?![级内里域划长])"
)
_BEFORE_PLACE = r"(?:在|位于|地处|来自|前往|到|于|去|从|至)$"

_FEW = "(?<![哪近这那前后数十好])几(?!乎)"
"""Asks how many; not 哪几家 and 近几年."""
_ASKING = (
    (
        Kind.DATE,
        r"什么(?:时候|时间)|何时|哪(?:一)?[年天月日]|(?<=[元于在])几年|几月(?:几[日号])?|几[号点]|多少年(?!来|间|内|度|代)",
    ),
    (Kind.PERSON, r"谁|哪(?:一)?位|何人|什么人|叫什么(?:名字)?"),
    (
        Kind.PLACE,
        r"哪里|哪儿|何处|在哪|什么地方|什么地点|哪(?:一)?个?(?P<place>省|市|区县|区|县|镇|乡|街道|社区|村|国家|城市|地方)",
    ),
    (
        Kind.NUMBER,
        rf"(?:多少|(?<!第){_FEW})(?:[万亿])?(?P<unit>{UNITS})?|多(?P<measure>[长高宽远重大久])(?!程度)|百分之几|占比|比例",
    ),
)


_ASKS = re.compile(
    rf"多少|{_FEW}|谁|什么|哪|(?<!任)何(?=时|处|人|地|种)|怎么|怎样|如何|为何|为啥|是否"
    r"|(?<![很许更最众诸太增])多(?=[长高宽远重久]|大(?!多))"
)
_SEVERAL = re.compile(
    r"哪“?(?:一?些|[几两二三四五六七八九十]|(?!1\D)\d)|些什么|分别"
    r"|(?<![首成国京古帝迁建定])都(?![市江城督会])[^,;?]{0,4}什么"
    r"|各(?![级种类项个地界方国省市州区县乡镇村部校单家户位族行])[^,;?]{0,6}(?:多少|几)"
)
_CLAUSE = re.compile(r"[^,;、?]+")
_EACH = re.compile(r"([^,;?]+?)(?:各自?|分别)([^,;?]+)")
_AND = re.compile(r"、|以及|和(?!国)|[与及]")
_SHORT = 2
"""Characters that say too little to be a question: 谁和谁."""
_LISTED = 4
"""Parts of an answer to a question that asks for several things at once, at most."""


def parts(question: str) -> int:
    """How many separate answers a folded question may have.

    >>> [parts(q) for q in ("检查了多少家,出动多少人次?", "几乎没人去的是哪个村?", "有哪些单位?")]
    [2, 1, 4]
    """
    asks = len(_ASKS.findall(question))
    return max(1, asks, _LISTED if asks_several(question) else 1)


def asks_several(question: str) -> bool:
    """True for a folded question that asks for a list: 哪些, 哪四化, 都有什么; not for 哪一个.

    >>> [asks_several(q) for q in ("是哪四化?", "有哪12项?", "哪一些人?", "除了他还有哪一个人?")]
    [True, True, True, False]
    >>> [asks_several(q) for q in ("甲乙各增设了多少个?", "都减什么?", "首都是什么?", "哪“四不”?")]
    [True, True, False, True]
    """
    return _SEVERAL.search(question) is not None


def clauses(question: str) -> list[str]:
    """The clauses of a folded question that ask, where several do or one asks of each of several.

    >>> clauses("2024年巫溪检查了多少家,出动多少人次?")
    ['2024年巫溪检查了多少家', '出动多少人次']
    >>> clauses("新增了多少个摊位和几个车位?")
    ['新增了多少个摊位', '几个车位']
    >>> clauses("新增的摊位和车位各有多少个?")
    ['新增的摊位有多少个', '车位有多少个']
    >>> clauses("甲县和乙县各级干部有多少人?")
    []
    """
    found = [part for clause in _CLAUSE.findall(question) for part in _asking(clause)]
    each = _EACH.search(question) if asks_several(question) else None
    if len(found) < 2 and each and _ASKS.search(each[2]):
        found = [name + each[2] for name in _AND.split(each[1]) if name]
    return found if len(found) > 1 else []


def _asking(clause: str) -> list[str]:
    """A clause that asks, or what it joins where both sides do; nothing where it does not ask."""
    sides = _AND.split(clause)
    if len(sides) > 1 and all(_ASKS.search(side) and len(side) > _SHORT for side in sides):
        return sides
    return [clause] if _ASKS.search(clause) else []


def asked(question: str) -> list[Asked]:
    """What a folded question asks for, in the order of asking; nothing for other questions."""
    found: list[Asked] = []
    for kind, pattern in _ASKING:
        for match in re.finditer(pattern, question):
            if any(match.start() < one.span[1] and one.span[0] < match.end() for one in found):
                continue
            groups = match.groupdict()
            counted = groups.get("unit") or ""
            unit = _ALIKE.get(counted, counted) or _MEASURES.get(groups.get("measure") or "", "")
            if kind is Kind.NUMBER and not unit:
                after = question[match.end() : match.end() + 1]
                unit = (
                    _MEASURES.get(after)
                    or _unit_of(question[match.end() :])
                    or _unit_of(question[max(0, match.start() - 5) : match.start()])
                )
                if re.search(r"[率比]|百分", question[max(0, match.start() - 12) : match.end()]):
                    unit = _PERCENT
            found.append(Asked(kind, unit or groups.get("place") or "", match.span()))
    return sorted(found, key=lambda one: one.span)


def _unit_of(noun: str) -> str:
    """The unit that goes with the noun beside 多少: money is counted in 元, cases in 件."""
    return next((unit for nouns, unit in _NOUNS if re.match(rf".{{0,4}}?(?:{nouns})", noun)), "")


def candidates(one: Asked, sentence: str) -> list[tuple[Span, float]]:
    """Ranges of a folded sentence of the kind asked for, each with how well its form fits.

    A form that fits scores 1, one with the unit or in the position asked for 2.
    """
    if one.kind is Kind.NUMBER:
        numbers = [(m, _fits_unit(one, m)) for m in re.finditer(_NUMBER, sentence)]
        return [(m.span(), fit) for m, fit in numbers if fit]
    if one.kind is Kind.DATE:
        return [
            (m.span(), 1 + 0.2 * min(5, len(m.group()) / 3)) for m in re.finditer(_DATE, sentence)
        ]
    if one.kind is Kind.PERSON:
        return [
            (
                m.span(),
                2.0
                if re.search(_AFTER_TITLE, sentence[max(0, m.start() - 4) : m.start()])
                else 1.0,
            )
            for m in re.finditer(_PERSON, sentence)
        ]
    return [
        (m.span(), _fits_place(one, m.group(), sentence[max(0, m.start() - 2) : m.start()]))
        for m in re.finditer(_PLACE, sentence)
    ]


def _fits_unit(one: Asked, number: re.Match[str]) -> float:
    """How well a number fits the unit asked for; 0 for a date, and for metres where money is."""
    units = one.unit.split("|")
    percent = (
        number["percent"] or number["unit"] == "个百分点" or number.group().startswith("百分之")
    )
    if (one.unit == _PERCENT and percent) or (number["unit"] and number["unit"] in units):
        return FITS
    if number["unit"] in _CALENDAR or re.search("[元米亩]", one.unit):
        return 0.0
    return 0.3 if one.unit else 0.5 if re.fullmatch("[一二三]", number.group()) else 1.0


def _fits_place(one: Asked, place: str, before: str) -> float:
    if one.unit:
        return 2.0 if place.endswith(one.unit) else 0.5
    return 2.0 if re.search(_BEFORE_PLACE, before) else 1.0


def choose(things: Sequence[Asked], question: str, sentence: str) -> list[Span]:
    """For each thing asked for, the range of a folded sentence that gives it, as far as any does.

    Of what has the right form, that which stands among the words that the question has around
    its asking words, and before the words that the question has after them.
    """
    chosen: list[Span] = []
    for one in things:
        near = _pairs(question[max(0, one.span[0] - 10) : one.span[1] + 8])
        after = _pairs(question[one.span[1] : one.span[1] + 5])
        ranked = [
            (
                fit
                + _share(near, sentence[max(0, a - 14) : b + 8])
                + _share(after, sentence[b : b + 8]),
                (a, b),
            )
            for (a, b), fit in candidates(one, sentence)
            if sentence[a:b] not in question and (a, b) not in chosen
        ]
        if ranked:
            chosen.append(max(ranked)[1])
    return chosen


def _pairs(text: str) -> set[str]:
    return {text[i : i + 2] for i in range(len(text) - 1)}


def _share(pairs: set[str], text: str) -> float:
    return sum(pair in text for pair in pairs) / max(1, len(pairs))
