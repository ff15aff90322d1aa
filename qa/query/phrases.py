"""A question taken apart: its words, what it is about, what it asks for, and the rest.

Works on jieba's parts of speech, with its whole dictionary.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from qa.text import DOTTED_NAME, fold, tagger
from qa.types import Span

_UNIT = "个件起户家人名位次处条座栋套台辆把份篇场项组所间只头天年月日吨亩元倍岁层级种块批架枚艘"
ASKING = re.compile(
    rf"(?:多少|几)(?:[万亿]|公里|千米|平方米|万元|亿元|人次|家次|个月|小时|分钟|百分|[{_UNIT}])*"
    r"|多(?:[长高宽远重久]|大(?!多))|百分之(?:多少|几)|什么(?:时候|时间|地方|地点|人|样|名字)?"
    rf"|何[时处地人]|谁|哪(?:里|儿|(?:[些几两三]|一)?[{_UNIT}国省市县区镇乡村])?|怎么(?:样|办|回事)?"
    r"|怎样|如何|为何|为啥|为什么|是否|是不是|有没有|了没有$"
)
END = re.compile(r"[?。!,;\s吗呢吧啊呀嘛]+$")
"""What ends a folded question and does not belong to it."""
_QUOTED = re.compile(
    r"“[^”]{1,40}”|《[^》]{1,60}》|「[^」]{1,40}」|\"[^\"]{1,40}\"|『[^』]{1,40}』"
)
_DOTTED = re.compile(DOTTED_NAME)
_ACTS = re.compile(
    "是|有|为|说|讲|问|要|想|让|叫|给|用|去|来|做|会|能|可以|应该|必须|在|被|把|将|对|由|从|向|于|到|离|跟"
    "|比|靠|以|因|因为|经|按|据|随着|关于|对于|没|没有|不|还|就|都|也|又|最|最多|最少|最后|最早|一共|总共|共"
)
"""Words that are never part of what something is called, whatever jieba makes of them."""
_LEFT_OVER = re.compile(r"(?<=[一-鿿])了(?=[一-鿿])|[了过是有在到由]$|^[是有由]|[是有](?=的)")
"""What makes no sense any more without what was asked."""
_PLACES = frozenset("村镇乡县市区局站路街河湖山桥厂店院校社馆队")
"""Ends of names, some of which jieba has as something else."""
_JOINING = frozenset("和与及、·-")
PERSONAL = re.compile(r"谁|哪一?位|何人|什么人|哪个人")


@dataclass(frozen=True, slots=True)
class Word:
    """A word of a question: folded text, jieba's tag, and where it begins."""

    text: str
    tag: str
    start: int

    @property
    def end(self) -> int:
        """Where it ends."""
        return self.start + len(self.text)

    @property
    def noun(self) -> bool:
        """Whether it may be part of what something is called."""
        if self.text in _PLACES:
            return True
        return self.tag[:1] in ("n", "j", "i", "l") or self.tag in ("vn", "an", "s", "eng")

    @property
    def name(self) -> bool:
        """Whether it names one person, place, organisation or thing."""
        named = self.tag[:2] in ("nr", "ns", "nt", "nz") or self.tag == "eng"
        return named and len(self.text) > 1


class Phrases:
    """Takes questions apart. Results are stretches of the question as it was typed."""

    def words(self, text: str) -> list[Word]:
        """The words of a text; a quotation, a title or a dotted name is one."""
        folded = fold(text)
        whole = sorted(
            [m.span() for m in _QUOTED.finditer(folded)]
            + [m.span() for m in _DOTTED.finditer(folded)]
        )
        words: list[Word] = []
        start = 0
        for begin, end in [*whole, (len(folded), len(folded))]:
            if begin < start:
                continue
            place = start
            for word, tag in tagger().cut(folded[start:begin]):
                words.append(Word(word, tag, place))
                place += len(word)
            if begin < end:
                words.append(Word(folded[begin:end], "nz", begin))
            start = end
        return words

    def subject(self, question: str) -> str:
        """What stands before the verb and what is asked; "" where nothing does."""
        words = self.words(question)
        asked = ASKING.search(fold(question))
        limit = asked.start() if asked else len(question)
        end, named = 0, False
        for number, word in enumerate(words):
            after = words[number + 1] if number + 1 < len(words) else Word("", "w", len(question))
            if word.start >= limit or self._ends(word, after, limit, named=named):
                break
            if word.text in _JOINING and not after.noun:
                break
            end = word.end
            named = named or (word.noun and len(word.text) > 1) or word.name
        return re.sub(r"^[的,\uff0c ]+|[的,\uff0c ]+$", "", question[:end]) if named else ""

    @staticmethod
    def _ends(word: Word, after: Word, limit: int, *, named: bool) -> bool:
        """Whether a subject ends before a word."""
        if after.text in ("了", "过", "着") and after.start < limit and not word.name:
            return True
        if _ACTS.fullmatch(word.text) or word.text in (",", "?", ":"):
            return True
        if word.tag[:1] == "v" and word.tag != "vn":
            # 整改工程, 环境投诉 before what is asked: nouns by use.
            used_as_noun = (
                after.noun or after.tag[:1] == "v" or after.text == "的" or after.start >= limit
            )
            return not (named and used_as_noun) and (named or len(word.text) > 1)
        return word.tag[:1] in ("d", "p", "c") and word.text not in _JOINING and not after.noun

    def owner(self, question: str) -> str:
        """Of a subject A的B, of which something is, A; else the subject."""
        subject = self.subject(question)
        rest = fold(question)[len(subject) :] if question.startswith(subject) else ""
        owner, _, owned = subject.rpartition("的")
        if owner and len(owned) <= 6 and re.match(r"(?:都)?[是有叫在]|多|为", rest):
            return owner
        return subject

    def stem(self, question: str) -> str:
        """A question without what it asks for, and without its end."""
        end = END.search(fold(question))
        kept = question[: end.start()] if end else question
        for match in reversed(list(ASKING.finditer(fold(kept)))):
            kept = kept[: match.start()] + kept[match.end() :]
        return re.sub(r"^[的,\uff0c ]+|[的,\uff0c ]+$", "", _LEFT_OVER.sub("", kept))

    def runs(self, text: str) -> list[str]:
        """The runs of nouns in a text, with the numbers inside them."""
        asked = [match.span() for match in ASKING.finditer(fold(text))]
        return [
            text[a:b]
            for a, b in self._runs(text)
            if b - a > 1 and not any(a < end and start < b for start, end in asked)
        ]

    def _runs(self, text: str) -> Iterator[Span]:
        start = -1
        for word in [*self.words(text), Word("", "w", len(text))]:
            inside = not _ACTS.fullmatch(word.text) and (
                word.noun or (start >= 0 and word.tag[:1] in ("m", "q", "b", "f", "a"))
            )
            if inside and start < 0:
                start = word.start
            elif not inside and start >= 0:
                yield start, word.start
                start = -1

    def content(self, question: str) -> int:
        """How many words of a question say what it is about, what is asked left out."""
        asked = [match.span() for match in ASKING.finditer(fold(question))]
        return sum(
            (word.noun or word.name or word.tag[:1] in ("v", "a", "b", "m", "t"))
            and len(word.text) > 1
            and not _ACTS.fullmatch(word.text)
            and not any(a < word.end and word.start < b for a, b in asked)
            for word in self.words(question)
        )

    def object(self, question: str) -> Span | None:
        """Where the things stand that are counted: 雷锋式班集体 in 评出了多少个雷锋式班集体."""
        folded = fold(question)
        asked = re.search(r"(?:多少|几)[^,?]*", folded)
        if not asked or not (phrase := ASKING.match(folded, asked.start())):
            return None
        end = END.search(folded)
        stop = end.start() if end else len(question)
        words = [w for w in self.words(question) if phrase.end() <= w.start < stop]
        if not words or not all(w.noun or w.tag[:1] in ("b", "a", "m", "q") for w in words):
            return None
        return (phrase.end(), stop) if stop - phrase.end() > 1 else None

    def persons(self, text: str) -> list[str]:
        """The people named in a text, in order."""
        return [
            text[word.start : word.end]
            for word in self.words(text)
            if _DOTTED.fullmatch(word.text)
            or (word.tag in ("nr", "nrt", "nrfg") and len(word.text) > 1)
        ]
