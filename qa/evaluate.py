"""Questions with known answers come in and are asked; a report on the answers goes out."""

from __future__ import annotations

import random
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from unicodedata import normalize

from qa import metrics
from qa.errors import InputError
from qa.index.store import FileRecord, IndexFolder
from qa.metrics import Latency, Ranked, Ranking, Share, holds
from qa.pipeline import QA, default_index
from qa.questions import Question, QuestionSet, read
from qa.reader.citations import Standing
from qa.report import Report
from qa.text import spelled
from qa.types import Answer, Hit, Progress

SEED = 7
"""Of the sample that a limit takes: the same questions every time."""
DEEP = 50
"""Passages searched for, to have ten documents among them."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a question.

    Attributes:
        question: What was asked.
        seconds: How long the answer took; for BEIR, the search.
        documents: Grades of the documents found, and of those wanted; None if not known.
        passages: Likewise of the passages, where the evidence is known.
        answer: None for BEIR.
        right: Whether the evidence is, be it given or only nearest; None if that cannot be told.
        verified: How many of the citations still stand in their files.
    """

    question: Question
    seconds: float
    documents: Ranked | None
    passages: Ranked | None
    answer: Answer | None
    right: bool | None
    verified: int


def evaluate(
    source: str | Path,
    *,
    index: str | Path | None = None,
    limit: int | None = None,
    min_confidence: float | None = None,
    fast: bool = False,
    progress: Progress | None = None,
) -> Report:
    """Ask questions with known answers, and measure.

    Args:
        source: A SQuAD file, a BEIR folder, or JSON lines of one's own questions.
        index: For one's own questions, what is asked; else the index whose model is used, on
            the corpus that the questions bring. By default ``default_index()``.
        limit: Ask a sample of as many questions, the same every time; the corpus stays whole.
        min_confidence: As for ``QA.ask``.
        fast: As for ``QA.ask``.
        progress: Told how far the work has come.

    Raises:
        FileError: The questions cannot be read.
        InputError: They are in none of the forms, or one names a file that is not in the index;
            or the extra ``eval`` is not installed.
        QAError: As ``QA.open`` and ``QA.build``.
    """
    metrics.check_installed()
    tell = progress or (lambda stage, done, total: None)
    found = read(Path(source))
    questions = found.questions
    if limit and limit < len(questions):
        chosen = random.Random(SEED).sample(range(len(questions)), limit)  # noqa: S311
        questions = tuple(questions[place] for place in sorted(chosen))
    with _opened(found, index, tell) as qa:
        if found.form == "lines":
            questions = _placed(qa, questions)
        ask = partial(qa.ask, min_confidence=min_confidence, fast=fast)
        ask(questions[0].text)  # What is loaded for the first question is not timed.
        outcomes = []
        for done, question in enumerate(questions):
            tell("提问", done, len(questions))
            outcomes.append(_asked(qa, question, ask if found.form != "beir" else None))
        tell("提问", len(questions), len(questions))
        notice = "" if fast or found.form == "beir" else qa.notice
        return _report(str(source), found, qa, outcomes, notice)


@contextmanager
def _opened(found: QuestionSet, index: str | Path | None, progress: Progress) -> Iterator[QA]:
    """The index to ask; for questions that bring their corpus, one in a temporary folder."""
    if found.form == "lines":
        with QA.open(index) as qa:
            yield qa
        return
    with TemporaryDirectory(prefix="qa-eval-", ignore_cleanup_errors=True) as folder:
        place, corpus = Path(folder, "index"), found.corpus or Path(folder, "corpus")
        if found.corpus is None:
            corpus.mkdir()
            for context, name in found.contexts.items():
                (corpus / name).write_bytes(context.encode("utf-8", "replace"))
        model = _lend_model(index, place)
        with QA.build([corpus], index=place, model=model, progress=progress) as qa:
            yield qa


def _lend_model(index: str | Path | None, place: Path) -> str | None:
    """Let a new index use what another has prepared; the name of its model, None for the default.

    Raises:
        IndexMissing: ``index`` names none.
        IndexDamaged: It names one that cannot be used.
    """
    folder = IndexFolder(Path(index) if index else default_index())
    place.mkdir()
    if folder.models.is_dir():
        models = folder.models.resolve()
        try:
            IndexFolder(place).models.symlink_to(models, target_is_directory=True)
        except OSError:  # Windows, without the right to make links.
            shutil.copytree(models, IndexFolder(place).models)
    manifest = folder.last()
    if index and manifest is None:
        folder.current()  # Says why.
    return manifest.model_name or None if manifest else None


def _placed(qa: QA, questions: Sequence[Question]) -> tuple[Question, ...]:
    """The questions, each with its source as the end of a path or of a record's id in the index.

    Raises:
        InputError: A source that is not there.
    """
    files = qa.catalog.files()
    names: dict[str, str] = {"": ""}
    for question in questions:
        source = question.source
        if source not in names:
            names[source] = _name(qa, files, source)
        if source and not names[source]:
            raise InputError(
                f"第 {question.line} 行的 source 不在索引里:{source}",
                "qa status --files 列出所有文件;用 --index 指另一个索引。",
            )
    return tuple(replace(question, source=names[question.source]) for question in questions)


def _name(qa: QA, files: Sequence[FileRecord], source: str) -> str:
    """How the index names a source; "" if it does not."""
    name = normalize("NFC", source.replace("\\", "/").removeprefix("./"))
    if any(_ends(file.path, name) for file in files):
        return name
    path, _, record = name.rpartition("#")
    ids = [f"{file.path}#{record}" for file in files if path and _ends(file.path, path)]
    if any(qa.catalog.documents_with(identity) for identity in ids):
        return name
    place = spelled(str(Path(source).resolve()))
    return next((file.path for file in files if file.absolute == place), "")


def _ends(path: str, name: str) -> bool:
    return f"/{normalize('NFC', path)}".endswith(f"/{name}")


def _is_of(hit: Hit, source: str) -> bool:
    """True for a passage of a source, and for one with the same text."""
    also = (place.rpartition(":")[0] for place in hit.also)
    return any(_ends(path, source) for path in (hit.path, hit.passage.document_id, *also))


def _asked(qa: QA, question: Question, ask: Callable[[str], Answer] | None) -> Outcome:
    """Ask a question, or only search for it; the first ranks are those that its asker sees."""
    started = time.perf_counter()
    answer = ask(question.text) if ask else None
    first = list(answer.hits) if answer else qa.search(question.text)
    seconds = time.perf_counter() - started
    seen = {hit.passage.id for hit in first}
    hits = first + [h for h in qa.search(question.text, DEEP) if h.passage.id not in seen]
    cited = answer.citations if answer else ()
    return Outcome(
        question=question,
        seconds=seconds,
        documents=_documents(question, hits),
        passages=_passages(question, hits),
        answer=answer,
        right=_is_right(question, answer) if answer else None,
        verified=sum(qa.verify(citation) is Standing.HOLDS for citation in cited),
    )


def _documents(question: Question, hits: Sequence[Hit]) -> Ranked | None:
    """Grades of the documents, each by the best of its passages."""
    if question.grades:
        ids = (hit.passage.document_id.removeprefix(f"{hit.path}#") for hit in hits)
        return [question.grades.get(i, 0) for i in dict.fromkeys(ids)], [*question.grades.values()]
    if not question.source or not question.answerable:
        return None
    # All that is of the source is one document: a source may be a file of many records.
    of_source = (_is_of(hit, question.source) for hit in hits)
    found = {
        "" if of else h.passage.document_id: int(of) for h, of in zip(hits, of_source, strict=True)
    }
    return list(found.values()), [1]


def _passages(question: Question, hits: Sequence[Hit]) -> Ranked | None:
    """Grades of the passages; all that hold the evidence are one."""
    if not question.evidence:
        return None
    found = {}
    for hit in hits:
        held = holds(hit.passage.text, question.evidence)
        found["" if held else hit.passage.id] = int(held)
    return list(found.values()), [1]


def _is_right(question: Question, answer: Answer) -> bool | None:
    """Whether the evidence is: the one known, or one of the right document that has an answer."""
    if not question.answerable:
        return False
    if question.evidence:
        return holds(answer.evidence, question.evidence)
    if not question.answers:
        return None
    cited = {citation.document_id for citation in answer.citations}
    hits = [hit for hit in answer.hits if hit.passage.document_id in cited]
    if question.source and not any(_is_of(hit, question.source) for hit in hits):
        return False
    return any(holds(answer.evidence, gold) for gold in question.answers)


def _report(
    source: str, found: QuestionSet, qa: QA, outcomes: Sequence[Outcome], notice: str
) -> Report:
    answered = [(o.question, o.answer, o.right) for o in outcomes if o.answer]
    known = [(question, answer.text) for question, answer, _ in answered if question.answers]
    yes = [answer for question, answer, _ in answered if question.answerable]
    no = [answer for question, answer, _ in answered if not question.answerable]
    judged = [(answer.confidence, right) for _, answer, right in answered if right is not None]
    confidence, truth = [said for said, _ in judged], [right for _, right in judged]
    auc = (
        metrics.auc([a.confidence for a in yes], [a.confidence for a in no]) if yes and no else None
    )
    return Report(
        source=source,
        form=found.form,
        model=qa.manifest.model_folder,
        notice=notice,
        documents=qa.manifest.documents,
        passages=qa.manifest.passages,
        questions=len(outcomes),
        skipped=found.skipped,
        by_document=_ranking(o.documents for o in outcomes),
        by_passage=_ranking(o.passages for o in outcomes),
        exact=Share.of(metrics.exact_match(text, question.answers) for question, text in known),
        f1=Share.of(metrics.f1(text, question.answers) for question, text in known),
        holding=Share.of(any(holds(text, a) for a in q.answers) for q, text in known),
        evidence=Share.of(right for q, _, right in answered if q.answerable and right is not None),
        auc=auc,
        refused=Share.of(answer.abstained for answer in no),
        refused_wrongly=Share.of(answer.abstained for answer in yes),
        selection=metrics.selection(confidence, truth) if judged else None,
        calibration=metrics.calibration_error(confidence, truth) if judged else None,
        citations=Share(
            sum(o.verified for o in outcomes), sum(len(a.citations) for _, a, _ in answered)
        ),
        latency=Latency.of([o.seconds for o in outcomes]),
        missed=tuple((q.text, why) for q, a, right in answered if (why := _fault(q, a, right))),
    )


def _ranking(found: Iterable[Ranked | None]) -> Ranking | None:
    known = [ranked for ranked in found if ranked is not None]
    return metrics.ranking(known) if known else None


def _fault(question: Question, answer: Answer, right: bool | None) -> str:
    """What is wrong with an answer; "" if nothing."""
    if not question.answerable:
        return "" if answer.abstained else "没有答案却作答"
    if answer.abstained:
        return "误答未找到"
    return "原句不对" if right is False else ""
