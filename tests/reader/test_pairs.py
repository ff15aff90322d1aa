"""A question beside a passage, as the reader's network sees it."""

import pytest
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

from qa.reader.pairs import BEGIN, END, MAX_TOKENS, head, pair

PIECES = ["<s>", "<pad>", "</s>", "<unk>", *"▁水厂有几座四镇年鉴《》概况", "四座"]


@pytest.fixture(scope="module")
def tokenizer():
    """Every piece a character, but for 四座."""
    found = Tokenizer(models.Unigram([(p, -9.0 if len(p) == 1 else -1.0) for p in PIECES], 3))
    found.normalizer = normalizers.Replace("\n", " ")
    found.pre_tokenizer = pre_tokenizers.Metaspace()
    return found


def read(tokenizer, question, above, passage):
    found = pair(tokenizer, question, above, passage)
    return found, [PIECES[number] for number in found.ids]


def test_question_head_and_passage_stand_one_after_another(tokenizer):
    found, pieces = read(tokenizer, "几座?", "《年鉴》概况", "水厂有四座")
    assert "".join(pieces) == "<s>▁几座<unk></s></s>▁《年鉴》概况▁水厂有四座</s>"
    assert [found.ids[0], found.ids[-1]] == [BEGIN, END]


def test_the_places_of_the_passage_s_tokens_are_characters_of_the_passage(tokenizer):
    passage = "水厂有四座"
    for above in ("", "《年鉴》概况"):
        found, pieces = read(tokenizer, "几座?", above, passage)
        shown = [passage[start:end] for start, end in found.places]
        # The mark of the space before it shares the first character's place.
        assert list(dict.fromkeys(filter(None, shown))) == ["水", "厂", "有", "四座"]
        assert pieces[found.first + len(found.places) - 1] == "四座"


def test_a_long_passage_is_cut_and_keeps_its_end_token(tokenizer):
    found = pair(tokenizer, "几座?", "", "水" * 5000)
    assert len(found.ids) == MAX_TOKENS
    assert found.ids[-1] == END
    assert found.first + len(found.places) == MAX_TOKENS - 1


def test_of_a_long_question_the_end_is_read(tokenizer):
    _, pieces = read(tokenizer, "水" * 1000 + "有几座", "", "四座")
    asked = pieces[1 : pieces.index("</s>")]
    assert len(asked) <= 64
    assert "".join(asked).endswith("水有几座")


@pytest.mark.parametrize(("title", "shown"), [("", ""), ("年鉴", "《年鉴》")])
def test_a_title_stands_above(title, shown):
    assert head(title) == shown


@pytest.mark.parametrize("passage", ["", " ", "\x00", "\u200b", "水"])
def test_a_passage_of_nothing_much_has_no_token_of_another(tokenizer, passage):
    found = pair(tokenizer, "几座?", "《年鉴》", passage)
    assert found.first + len(found.places) == len(found.ids) - 1
    assert all(0 <= start <= end <= len(passage) for start, end in found.places)
