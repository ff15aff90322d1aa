"""Questions that follow on one another, as a programmer asks them."""

import json

import pytest

from qa import QA
from qa.errors import InputError
from qa.types import Topic

FIRST = "巫溪支队2024年受理了多少件环境投诉?"


@pytest.fixture(scope="module")
def qa(seeds_index):
    with QA.open(seeds_index) as opened:
        yield opened


def test_a_follow_up_is_answered_from_what_was_asked_before(qa):
    conversation = qa.conversation()
    assert conversation.ask(FIRST).understood == FIRST
    answer = conversation.ask("那2025年上半年呢?")
    assert answer.question == "那2025年上半年呢?"
    assert answer.understood == "巫溪支队2025年上半年受理了多少件环境投诉?"
    assert "58件" in answer.evidence
    assert [one.question for one in conversation.answers] == [FIRST, "那2025年上半年呢?"]


def test_a_question_as_typed_does_not_follow_on(qa):
    conversation = qa.conversation()
    conversation.ask(FIRST)
    answer = conversation.ask("那2025年上半年呢?", as_typed=True)
    assert answer.understood == "那2025年上半年呢?"
    assert not any("topic" in hit.shares for hit in answer.hits)


def test_the_article_of_the_conversation_is_preferred_and_the_shares_add_up(qa):
    conversation = qa.conversation()
    conversation.ask(FIRST)
    hits = conversation.ask("他们查了多少家?").hits
    assert {hit.shares["topic"] for hit in hits} >= {6.0}
    for hit in hits:
        assert hit.score == pytest.approx(sum(hit.shares.values()))


def test_the_topic_is_a_prior_and_not_a_lock(qa):
    question = "清理排污管道2.1公里的是哪个局?"
    elsewhere = qa.search(FIRST)[0].passage
    topic = Topic(elsewhere.document_id, elsewhere.article.title)
    best = qa.retriever.search(question, 1, topic)[0]
    assert "2.1公里" in best.passage.text
    assert not topic.holds(best.passage)


def test_a_question_that_cannot_be_used_leaves_the_conversation_as_it_was(qa):
    conversation = qa.conversation()
    conversation.ask(FIRST)
    for bad in ("", "?!", "问" * 3000):
        with pytest.raises(InputError):
            conversation.ask(bad)
    assert len(conversation.answers) == 1


def test_fifty_turns_stay_short(qa):
    conversation = qa.conversation()
    conversation.ask(FIRST)
    for _ in range(49):
        answer = conversation.ask("为什么?")
    assert len(conversation.answers) == 50
    assert len(answer.understood) < 200


def test_a_conversation_can_go_on_from_answers_kept(qa):
    first = qa.ask(FIRST)
    assert qa.conversation([first]).ask("那2025年上半年呢?").understood.startswith("巫溪支队2025年")


def test_more_gives_other_evidence(qa):
    conversation = qa.conversation()
    first = conversation.ask(FIRST)
    assert not first.abstained
    second = conversation.ask("还有呢?")
    assert second.understood == first.understood
    assert second.evidence not in first.evidence


def test_answers_are_plain_json(qa):
    from qa.render import answer_values

    conversation = qa.conversation()
    conversation.ask(FIRST)
    values = answer_values(conversation.ask("金额呢?"))
    assert json.loads(json.dumps(values))["understood"] == values["understood"] != "金额呢?"
