"""A follow-up question and what was said before it → a question that stands alone.

Rules over words and their parts of speech; no language model. What a question leaves out is taken
from the turn before: its subject, what it asked for, its answer. A question that stands alone stays
as it is. Where only the texts can tell (清理了多长的管道? has no subject, and needs none), it is
looked up whether the article of the conversation speaks of it less than another does.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from qa.index.tokens import content_bigrams
from qa.query.phrases import ASKING, END, PERSONAL, Phrases
from qa.query.retriever import HybridRetriever
from qa.text import PERSON, coverage, fold, segmenter
from qa.types import Answer, Passage, Topic, Understood

_ELSEWHERE = 8.0
"""Nats of inverse document frequency that another article must have of a question over what the
article of the conversation has, for a question without a subject of its own to change it."""
_LONG = 40
"""Characters of a stem beyond which only its first clause is kept."""
_COVERED = 0.7
"""Share of the question that the other article must have."""

_OPENING = re.compile("那么?|然后|请问|另外|,")
_AFTER_THAT = re.compile("[个些里儿时年位条种次家边天是座场名栋件份篇多大高少]")
_TIME = (
    r"(?:(?:(?:19|20)\d\d|[一二两〇零\d]{2,4})年|[今去前明当同]年)?"
    r"(?:[上下]半年|(?:\d{1,2}|十?[一二三四五六七八九十])月(?:份|底|初|\d{1,2}[日号])?"
    r"|第?[一二三四1234]季度)?"
)
_TIMES = re.compile(rf"(?=[\d一二两三四五六七八九十〇零今去前明当同上下第]){_TIME}")
_ORDINAL = re.compile(r"第[一二三四五六七八九十\d]+[个名位条项次届起批期季场种类件家]?")
_GENERIC = re.compile(r"钱|人|时间|次数?|资金|年")

_MORE = re.compile(
    r"(?:还有|除此之外|除了这些?,?还有)(?:哪些|什么|谁|别的|其他的?)*(?:人|东西|内容|措施)?"
    r"|(?:别|其他|其它|另外)的"
)
_WHY = re.compile(r"(?:这(?:又)?是)?(?:为什么|为何|为啥|怎么回事|什么原因|因为什么)")
_LOOSE = re.compile(
    r"(?:后来|结果|效果|之后|接下来|接着|具体)(?:怎么?样|如何|怎么做|是什么|怎么办)?"
    r"|怎么(?:做|做到|办|办到|实现|解决)(?:到)?的?|(?:是)?如何(?:做到|实现|解决)的?"
)
_RELATIVE = re.compile(
    r"其中|其余|同比|环比|相比|比(?:上年|去年|上一年|上月|原来|以前|之前)|占|分别"
)

_ATTRIBUTES = (
    (re.compile(r"(?:时间|日期)$"), "是什么时候"),
    (re.compile(r"(?:地点|地址|位置)$"), "在哪里"),
    (re.compile(r"(?:负责人|人选|作者|书记|主任|局长|总?经理|校长|院长|所长|会长|主席)$"), "是谁"),
    (
        re.compile(
            r"(?:[额数量率价费值]|面积|长度|高度|宽度|重量|奖金|人口|收入|产值|资金|投资|比例)$"
        ),
        "是多少",
    ),
    (
        re.compile(
            r"(?:理由|原因|目的|结果|效果|意义|内容|名称|名字|作用|目标|背景|要求|措施|方式|方法"
            r"|条件|标准|职务|好处|问题|困难|口号|主题|特点|影响)$"
        ),
        "是什么",
    ),
)

_HE = re.compile(r"(?<![其吉])[他她](?![们人乡处项日国])|此人|[这那](?:个|位)人")
_THEY = re.compile(
    r"[他她它]们(?:的(?=公司|单位|村|学校))?|它(?!们)|(?<![尤极与])其(?![中他它余实次])"
)
_THERE = re.compile(r"[这那](?:里|儿|边)|当地|此地")
_THEN = re.compile(r"当时|那时|那年|那天|当天|当日|同期|同年|那次|那会儿")
_THIS = re.compile(
    r"(?:(?<!应)该|此(?![前后外次时人地])|上述|(?<![在从到])这(?![样么里儿边时])|那(?![么时年天里儿边次]))"
    r"(?:一)?[个条项次家所座位名种些场份篇届起批部支处栋幢件款封首]?"
)
_PERSON = re.compile(PERSON)
_SOMEONE = re.compile(
    r"[人者员长手家师生工民士徒犯妻夫父母男女兵客](?:们|[^一-鿿]|$|[把被说的在])|书记|主任|经理|教授"
)
_COUNTS = re.compile(r"(?:多少|几[一-鿿]?)[^一-鿿]*$")
_PLACE_BEFORE = re.compile(r"(?:去|到|在|从|于|来自|给|位于|前往)$")


def topic_of(answer: Answer) -> Topic | None:
    """The article that an answer is from, or where the nearest evidence is."""
    if not answer.citations:
        return None
    return Topic(answer.citations[0].document_id, answer.citations[0].title)


class Dialogue:
    """Makes follow-up questions stand alone."""

    def __init__(self, retriever: HybridRetriever) -> None:
        self._retriever = retriever
        self._phrases = Phrases()

    def prepare(self) -> None:
        """Read the dictionary, which takes about two seconds, now."""
        self._phrases.words("问")

    def understood(self, question: str, turns: Sequence[Answer]) -> Understood:
        """What is asked, from the question and the turns before it.

        Args:
            question: As typed, not blank.
            turns: What was said, the latest last.
        """
        if not turns:
            return Understood(question)
        last, topic = turns[-1], topic_of(turns[-1])
        bare = self._without_opening(question)
        folded = fold(bare)
        end = END.search(folded)
        core = bare[: end.start()] if end else bare
        asked = fold(core)
        if not core:
            return Understood(self._after(last.understood, question), topic)
        if _WHY.fullmatch(asked):
            return Understood(self._why(last, core), topic)
        if _MORE.fullmatch(asked):
            said = tuple(
                turn.evidence for turn in turns if not turn.abstained and topic_of(turn) == topic
            )
            return Understood(last.understood, topic, said)
        if _LOOSE.fullmatch(asked):
            return Understood(self._after(last.understood, bare), topic)
        if folded.rstrip("? ").endswith("呢") and not ASKING.search(asked):
            return Understood(self._instead(core, turns), topic)
        if resolved := self._resolved(bare, turns):
            return Understood(resolved, topic)
        if self._names_its_subject(bare):
            return Understood(question)
        return self._looked_up(question, bare, last, topic)

    def _without_opening(self, question: str) -> str:
        """A question without 那, 那么, 请问 before it; 那英 and 那条 stay."""
        words = self._phrases.words(question)
        start = 0
        for word in words:
            following = fold(question[word.end : word.end + 1])
            if not _OPENING.fullmatch(word.text) or (
                word.text.startswith("那") and _AFTER_THAT.match(following)
            ):
                break
            start = word.end
        if start == 0 and words and words[0].text.startswith("那") and len(words[0].text) > 1:
            # 那下|庄村: jieba joins what it does not know.
            known = segmenter().FREQ.get(words[0].text) or _AFTER_THAT.match(words[0].text[1])
            start = 0 if known else 1
        return question[start:].strip()

    def _after(self, question: str, bare: str) -> str:
        """A question behind what the one before it was about."""
        stem = self._phrases.stem(question)
        if len(stem) > _LONG:
            stem = re.split("[,\uff0c]", stem)[0]
        return f"{stem},{bare}" if stem else bare

    def _why(self, last: Answer, asked: str) -> str:
        question = last.understood
        match = ASKING.search(fold(question))
        if match and last.text and len(last.text) <= 20:
            question = question[: match.start()] + last.text + question[match.end() :]
            end = END.search(fold(question))
            question = question[: end.start()] if end else question
        else:
            question = self._phrases.stem(question)
        return f"{asked or '为什么'}{question}?"

    def _instead(self, core: str, turns: Sequence[Answer]) -> str:
        """``X呢``: the last question of another time, place or person; or of an attribute X."""
        question = turns[-1].understood
        if resolved := self._resolved(core, turns):
            if re.search("[,\uff0c]", resolved):
                return resolved
            core = resolved
        asked, folded = fold(core), fold(question)
        if (time := _TIMES.match(asked)) and time.group() and time.end() == len(asked):
            return self._at_time(core, question)
        if _ORDINAL.fullmatch(asked):
            if before := _ORDINAL.search(folded):
                return question[: before.start()] + core + question[before.end() :]
            return f"{self._phrases.stem(question)},{core}是什么?"
        for pattern, asking in _ATTRIBUTES:
            if pattern.search(asked):
                return self._attribute(core, question, asking)
        return self._swapped(core, question)

    def _swapped(self, core: str, question: str) -> str:
        """The question with something else in the place of what is like it."""
        asked, folded = fold(core), fold(question)
        if run := self._like(asked, question):
            return question.replace(run, core, 1)
        words = self._phrases.words(core)
        if words and words[-1].tag[:2] == "ns" and (place := self._place_in(question)):
            return question.replace(place, core, 1)
        counted = self._phrases.object(question)
        if counted and not _GENERIC.fullmatch(fold(question[slice(*counted)])):
            start = re.search("多少|几", folded)
            opening = question[: start.start()] if start else ""
            return f"{opening}多少{core}{question[counted[1] :]}"
        if asked.endswith("的"):
            return f"{self._phrases.stem(question)},{core}?"
        if (subject := self._phrases.owner(question)) and not _PERSON.fullmatch(asked):
            return question.replace(subject, core, 1)
        if persons := self._phrases.persons(question):
            return question.replace(persons[0], core, 1)
        if subject:
            return question.replace(subject, core, 1)
        return f"{self._phrases.stem(question)},{core}?"

    def _attribute(self, core: str, question: str, asking: str) -> str:
        """金额呢? of 处罚了多少起?: 处罚的金额是多少? Of A的B是什么?: A的金额是多少?"""
        owner, subject = self._phrases.owner(question), self._phrases.subject(question)
        before = owner if owner != subject else self._phrases.stem(question)
        return f"{before}的{core}{asking}?" if before else f"{core}{asking}?"

    def _at_time(self, core: str, question: str) -> str:
        folded = fold(question)
        times = [match.span() for match in _TIMES.finditer(folded) if len(match.group()) > 1]
        if times:
            (start, end), asked = times[0], fold(core)
            # 那下半年呢? keeps the year.
            year = re.match(r"(?:19|20)\d\d年|[今去前明]年", folded[start:end])
            if year and not re.match(r"\d{4}年|[今去前明当同]年", asked):
                start += year.end()
            return question[:start] + core + question[end:]
        place = len(self._phrases.subject(question))
        return question[:place] + core + question[place:]

    def _like(self, asked: str, question: str) -> str:
        """The run of nouns in a question that ends as a noun does: 青龙村 for 下庄村."""
        for length in (2, 1):
            for run in self._phrases.runs(question):
                head = fold(run)
                if len(asked) > length and len(head) > length and head.endswith(asked[-length:]):
                    return run
        return ""

    def _resolved(self, bare: str, turns: Sequence[Answer]) -> str:
        """The question with what its pronouns mean in their place; "" where it has none."""
        folded = fold(bare)
        if _RELATIVE.match(folded):
            return self._after(turns[-1].understood, bare)
        for pattern, refers in ((_HE, self._person), (_THEY, self._thing), (_THERE, self._place)):
            match = pattern.search(folded)
            before_it = bare[: match.start()] if match else ""
            inside = self._names_person(before_it) if pattern is _HE else self._names(before_it)
            if match and not inside:
                if meant := refers(turns):
                    return bare[: match.start()] + meant + bare[match.end() :]
                return self._after(turns[-1].understood, bare)
        match = _THIS.search(folded)
        if match and not folded[: match.start()].endswith("的"):
            if not self._names(bare[: match.start()]):
                return self._pointed(bare, match, turns)
        elif _THEN.search(folded) and not self._names(bare):
            return self._after(turns[-1].understood, bare)
        return ""

    def _names(self, text: str) -> bool:
        """Whether a text has something that a pronoun after it may mean."""
        return bool(PERSONAL.search(fold(text))) or any(
            (word.noun and len(word.text) > 1) or word.name for word in self._phrases.words(text)
        )

    def _names_person(self, text: str) -> bool:
        folded = fold(text)
        return bool(
            PERSONAL.search(folded) or _SOMEONE.search(folded) or self._phrases.persons(text)
        )

    def _person(self, turns: Sequence[Answer]) -> str:
        for turn in reversed(turns):
            if PERSONAL.search(fold(turn.understood)) and 2 <= len(turn.text) <= 20:
                return turn.text
            for text in (turn.understood, turn.text):
                if persons := self._phrases.persons(text):
                    return persons[-1]
            subject = self._phrases.subject(turn.understood)
            if _SOMEONE.search(fold(subject)):
                return subject
        return self._phrases.subject(turns[-1].understood)

    def _thing(self, turns: Sequence[Answer]) -> str:
        last = turns[-1]
        if subject := self._phrases.owner(last.understood):
            return subject
        if 2 <= len(last.text) <= 20:
            return last.text
        runs = self._phrases.runs(last.understood)
        return runs[-1] if runs else ""

    def _place(self, turns: Sequence[Answer]) -> str:
        for turn in reversed(turns):
            if 2 <= len(turn.text) <= 20 and re.search("哪|什么地", fold(turn.understood)):
                return turn.text
            if place := self._place_in(turn.understood):
                return place
        return self._thing(turns)

    def _place_in(self, question: str) -> str:
        """A run of nouns after 在 or 去; else one with the name of a place."""
        runs = self._phrases.runs(question)
        for run in runs:
            if _PLACE_BEFORE.search(fold(question[: question.find(run)])):
                return run
        for run in runs:
            if any(word.tag[:2] == "ns" for word in self._phrases.words(run)):
                return run
        return ""

    def _pointed(self, bare: str, match: re.Match[str], turns: Sequence[Answer]) -> str:
        """该公司, 这条路: the thing of that kind that was spoken of; else the subject before it."""
        rest = bare[match.end() :]
        first = self._phrases.words(rest)[:1]
        noun = rest[: first[0].end] if first and first[0].noun else ""
        if any(word.name for word in self._phrases.words(noun)):
            return ""
        if fold(noun) in ("词", "说法", "口号", "称呼", "称号"):
            for turn in reversed(turns):
                if quoted := re.findall(
                    r"[“「《][^”」》]{1,20}[”」》]", turn.understood + turn.text
                ):
                    return bare[: match.start()] + str(quoted[-1]) + bare[match.start() :]
        head = fold(noun)[-2:]
        for turn in reversed(turns):
            for text in (turn.text, turn.understood, "" if turn.abstained else turn.evidence):
                for run in self._phrases.runs(text):
                    if head and fold(run).endswith(head) and len(run) > len(noun):
                        return bare[: match.start()] + run + rest[len(noun) :]
        subject = self._thing(turns)
        if match.group().startswith(("该", "此", "上述")):
            return bare[: match.start()] + subject + rest
        return bare[: match.start()] + subject + bare[match.start() :]

    def _names_its_subject(self, bare: str) -> bool:
        """Whether a question says enough to stand alone, whatever the texts say."""
        words = self._phrases.words(self._phrases.subject(bare))
        nouns = [word for word in words if word.noun and len(word.text) > 1]
        content = self._phrases.content(bare)
        named = any(word.name for word in self._phrases.words(bare))
        return (
            content > 3
            or (content > 2 and (named or len(nouns) > 1))
            or any(word.name for word in words)
        )

    def _looked_up(self, question: str, bare: str, last: Answer, topic: Topic | None) -> Understood:
        """A question that names no subject: whether the texts know what it is about."""
        completed = Understood(self._completed(bare, last), topic)
        if topic is None:
            return completed
        weights = self._retriever.sparse.idf("bigrams", content_bigrams(fold(bare)))
        total = sum(weights.values())

        def held(passage: Passage) -> float:
            above = "\n".join((passage.article.title, *passage.headings))
            return coverage(weights, fold(f"{above}\n{passage.text}"))

        passages = self._retriever.catalog.passages_of(topic.document_id)
        here = max((held(one) for one in passages if topic.holds(one)), default=0.0)
        hits = self._retriever.search(bare, 5)
        there = max((held(hit.passage) for hit in hits), default=0.0)
        if there >= _COVERED and (there - here) * total >= _ELSEWHERE:
            return Understood(question)
        return completed

    def _completed(self, bare: str, last: Answer) -> str:
        """The question with the subject of the one before it."""
        subject = self._phrases.owner(last.understood)
        stem = self._after(last.understood, bare)
        if own := self._phrases.subject(bare):
            # 资金有多少?: the subject's, or of what was asked.
            owned = self._phrases.words(own)[-1].noun and fold(own) not in fold(subject)
            return f"{subject}的{bare}" if subject and owned else stem
        full = self._phrases.subject(last.understood)
        counts = _COUNTS.search(fold(bare)) and self._phrases.object(last.understood)
        if not full or counts:
            return stem
        return bare if fold(full) in fold(bare) else full + bare
