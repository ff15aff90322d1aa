"""A span that a model found → the span that a person would mark."""

from __future__ import annotations

import re
from collections.abc import Sequence

from qa.reader.kinds import UNITS
from qa.types import Span

_RUN = re.compile(r"\d+(?:,\d{3}(?!\d))*(?:[.:/]\d+)*|[A-Za-z]+(?:['.-][A-Za-z]+)*", re.ASCII)
_PAIRS = dict(zip("“‘《〈「『(【", "”’》〉」』)】", strict=True))
_COUNTED = "|".join(sorted(UNITS.split("|"), key=len, reverse=True))
# Signs that begin other words, too, are units only before what cannot go on with such a word.
_UNIT = re.compile(
    rf"(?:(?<=\d)|(?<=[第\d一二两三四五六七八九几数][十百千万亿]))"
    rf"(?:[余多]?[万亿]?(?:(?![国代成单家年道字级头天片段门度])(?:{_COUNTED})|[%‰℃]"
    rf"|[年国代成单家道字级头天片段门度](?![\u4e00-\u9fff]))|[余多]?[万亿])"
    rf"|(?<=[\d十百千万亿][余多])(?:{_COUNTED})"
)
_LOOSE = " \t\n,、。;:!?"
_LONGEST_ITEM = 14
"""Characters of an item of a list, at most."""
_REACH = 30
"""Characters that a bracket is followed to its other half, at most."""


def widened(text: str, span: Span) -> Span:
    """Numbers, their units and Latin words made whole, brackets closed, loose punctuation left out.

    Args:
        text: Folded.
        span: Characters of it.

    >>> text = "共投入1,500万元(含税)。"
    >>> [text[slice(*widened(text, (5, 9)))], text[slice(*widened(text, (3, 12)))]]
    ['1,500万元', '1,500万元(含税)']
    """
    start, end = _stripped(text, *span)
    for run in _RUN.finditer(text, max(0, start - 40), end + 40):
        if run.start() < end and start < run.end():
            start, end = min(start, run.start()), max(end, run.end())
    while unit := _UNIT.match(text, end):  # Twice for 亿 and 多美元.
        end = unit.end()
    closed = _closed(text, start, end)
    return _stripped(text, *closed) if closed[0] < closed[1] else (start, end)


def _stripped(text: str, start: int, end: int) -> Span:
    """Without punctuation at either end, unless there is nothing else."""
    first, last = start, end
    while first < last and text[first] in _LOOSE:
        first += 1
    while last > first and text[last - 1] in _LOOSE:
        last -= 1
    return (first, last) if first < last else (start, end)


def _closed(text: str, start: int, end: int) -> Span:
    """With the other half of a bracket or quotation mark that stands near, or without this half."""
    for opening, closing in _PAIRS.items():
        inside = text[start:end]
        depth = inside.count(opening) - inside.count(closing)
        if depth > 0:
            close = text.find(closing, end, end + _REACH)
            if close >= 0 and not re.search(r"[。!?\n]", text[end:close]):
                end = close + 1
            elif text[start] == opening:
                start += 1
        elif depth < 0:
            opened = text.rfind(opening, max(0, start - _REACH), start)
            if opened >= 0 and not re.search(r"[。!?\n]", text[opened:start]):
                start = opened
            elif text[end - 1] == closing:
                end -= 1
    return start, end


_ITEM = rf"[^,。;:!?、()\n“”]{{1,{_LONGEST_ITEM}}}?"
_NEXT_ITEM = re.compile(
    rf"[和及与]?、{_ITEM}(?=[,。;:!?、()\n“”]|等|和(?!国)|及|与|$)|“[^”\n]{{1,20}}”"
)
_LAST_ITEM = re.compile(rf"(?:以及|[和及与])({_ITEM})(?=[,。;:!?()\n“”]|等|$)")
_REST_OF_ITEM = re.compile(rf"{_ITEM}(?=、)")
_CUT_ITEM = re.compile(r"、([^,。;:!?、()\n“”]{1,6})$")
_ITEM_BEFORE = re.compile(rf"(?<=[、“]){_ITEM}、$|“[^”\n]{{1,20}}”$")
_SIGNS = re.compile(r"[,。;:!?()\n“”]")
_LEAD_IN = re.compile(r"^.+(?:[是为有即如到请]|包[括含]|涉及)")
"""What stands before the first item of a list."""


def whole_list(text: str, span: Span) -> Span:
    """One item of a list, or some of it → the whole list.

    Args:
        text: Folded.
        span: Characters of it.

    >>> text = "做到减事项、减环节、减跑动等,推进“甲”“乙”“丙”行动"
    >>> [text[slice(*whole_list(text, span))] for span in ((7, 9), (17, 20))]
    ['减事项、减环节、减跑动', '“甲”“乙”“丙”']
    """
    start, end = widened(text, span)
    if rest := _REST_OF_ITEM.match(text, end):
        end = rest.end()
    if cut := _CUT_ITEM.search(text[max(0, start - _REACH) : start]):
        start -= len(cut.group(1))
    while more := _NEXT_ITEM.match(text, end):
        if more.group()[0] == "“" and text[end - 1] != "”":
            break
        end = more.end()
    # What goes before: quoted items one after another, or items before a 、, of which the first
    # has no sign where it begins.
    while before := _ITEM_BEFORE.search(text[max(0, start - 2 * _REACH) : start]):
        if before.group()[-1] == "”" and text[start] != "“":
            break
        start -= len(before.group())
    if text[start - 1 : start] == "、":
        clause = _SIGNS.split(text[max(0, start - 1 - _REACH) : start - 1])[-1]
        first = _first_item(clause, text[start:end].split("、"))
        start -= len(first) + bool(first)
    items = text[start:end].split("、")
    # A clause that goes on after the list is longer than its items.
    longest = 1 + max(map(len, items))
    if len(items) > 1 and (last := _LAST_ITEM.match(text, end)) and len(last.group(1)) <= longest:
        end = last.end()
    return start, end


def _first_item(clause: str, items: Sequence[str]) -> str:
    """The end of a clause that is the first item of a list that goes on with ``items``.

    It begins after a verb, or as they all do (减环节、减资料), or with its clause; of a long
    clause it is as much as the longest of them has.
    """
    first = _LEAD_IN.sub("", clause)
    alike = {item[:1] for item in items}
    if len(items) > 1 and len(alike) == 1:
        first = first[max(0, first.rfind(alike.pop())) :]
    return first if len(first) <= _LONGEST_ITEM else first[-max(map(len, items)) :]
