"""From spans of a passage to an answer with its evidence."""

import pytest

from qa.reader.answers import answered, is_furniture
from qa.text import squeeze
from qa.types import Article, Document, Hit, Passage

TEXT = "展出“苹果、香蕉”两种。市长毛相林到场。毛相林说,明年再办,\n地点另定。"


def give(*marked, confidence=0.5, bar=0.3):
    document = Document("a", "a", "", TEXT, "utf-8")
    passage = Passage("a@0", "a", Article(), (), "body", TEXT, ((0, len(TEXT)),))
    spans = [(TEXT.index(text), TEXT.index(text) + len(text)) for text in marked]
    hits = [Hit(passage, "a", (1, 2), 1.0, 1, {}, {})]
    return answered(document, "?", hits, spans, confidence, bar)


def test_the_evidence_is_the_sentence_of_the_span():
    found = give("苹果")
    assert (found.text, found.evidence) == ("苹果", "展出“苹果、香蕉”两种。")
    assert found.spans == ((3, 5),)
    assert found.citations[0].quote == found.evidence


def test_parts_stand_in_the_order_of_the_text_with_their_sentences():
    found = give("明年", "苹果")
    assert found.text == "苹果；明年"
    assert found.evidence == "展出“苹果、香蕉”两种。毛相林说,明年再办,"
    assert [found.evidence[a:b] for a, b in found.spans] == ["苹果", "明年"]


def test_parts_that_overlap_are_one():
    assert give("“苹果、香蕉”", "香蕉”两种").text == "“苹果、香蕉”两种"


def test_nothing_is_said_twice():
    first = TEXT.index("毛相林")
    again = TEXT.index("毛相林", first + 1)
    document = Document("a", "a", "", TEXT, "utf-8")
    passage = Passage("a@0", "a", Article(), (), "body", TEXT, ((0, len(TEXT)),))
    hits = [Hit(passage, "a", (1, 2), 1.0, 1, {}, {})]
    found = answered(document, "?", hits, [(again, again + 3), (first, first + 3)], 0.5, 0.3)
    assert found.text == "毛相林"
    assert found.evidence == "市长毛相林到场。"


def test_a_span_over_sentences_has_them_all():
    found = give("明年再办,\n地点另定")
    assert squeeze(found.evidence) == "毛相林说,明年再办,地点另定。"
    assert squeeze("".join(c.quote for c in found.citations)) == squeeze(found.evidence)


def test_below_the_bar_nothing_is_said_and_the_nearest_is_shown():
    found = give("苹果", confidence=0.29)
    assert found.abstained
    assert (found.text, found.spans) == ("", ())
    assert found.evidence == "展出“苹果、香蕉”两种。"
    assert not give("苹果", confidence=0.3).abstained


@pytest.mark.parametrize(
    ("sentence", "furniture"),
    [("(上接一版)", True), ("下轉第三版", True), ("第一章", True), ("他上接送孩子去了。", False)],
)
def test_furniture(sentence, furniture):
    assert is_furniture(sentence) is furniture
