"""QA: composes the rooms. Paths in, an index out; a question in, an answer out."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from copy import copy
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Self

from qa.conversation import HITS, Conversation, checked
from qa.errors import CitationError, EndpointError, FileError, InputError, ModelError
from qa.index.catalog import Catalog, line_range
from qa.index.dense import Dense
from qa.index.encoder import Encoder, import_runtime
from qa.index.prepared import DEFAULT_MODEL
from qa.index.sparse import Sparse
from qa.index.store import IndexFolder, Manifest
from qa.index.tokens import Words
from qa.query.retriever import HybridRetriever
from qa.text import spelled, unspelled
from qa.types import (
    Answer,
    Article,
    Citation,
    Claim,
    Document,
    Hit,
    Progress,
    Reader,
    Span,
    Understood,
    Within,
    Written,
)

if TYPE_CHECKING:
    from qa.reader.citations import Standing
    from qa.reader.closest import ClosestSentenceReader
    from qa.reader.endpoint import Endpoint
    from qa.reader.model import ReaderModel

_log = logging.getLogger(__name__)
_PACKAGE = Path(__file__).parent


def default_index() -> Path:
    """``embeddings/`` in a checkout, else a folder among the user's data."""
    checkout = _PACKAGE.parent
    if (checkout / "pyproject.toml").is_file() and (checkout / "seeds").is_dir():
        return checkout / "embeddings"
    from platformdirs import user_data_path

    return user_data_path("wenju", appauthor=False) / "embeddings"


def has_default_index() -> bool:
    """True where ``default_index()`` has been made."""
    return IndexFolder(default_index()).exists()


def seeds() -> Path:
    """The articles that ship with the package; in a checkout that one works in, by a short path."""
    shipped = _PACKAGE / "seeds"
    if shipped.is_dir():
        return shipped
    folder, here = _PACKAGE.parent / "seeds", Path.cwd()
    return folder.relative_to(here) if folder.is_relative_to(here) else folder


class QA:
    """Answers questions over one index. Safe to share between threads once open.

    Attributes:
        generation: Folder of the generation that is searched.
        manifest: Of that generation.
        damage: What a person should know where that is not the one that should be in use, in
            Chinese; "" if it is.
    """

    def __init__(self, folder: IndexFolder, *, reads: bool = False, once: bool = False) -> None:
        self._models = folder.models
        self._reads = reads
        self._once = once
        _, self.damage = folder.opened(self._open)

    def _open(self, generation: Path, manifest: Manifest) -> None:
        started = time.perf_counter()
        self.generation = generation
        self.manifest = manifest
        # Models are opened without the interpreter's lock: the rest goes on meanwhile.
        import_runtime()
        with ThreadPoolExecutor(2) as background:
            encoder = background.submit(
                Encoder.open, self._models / manifest.model_folder, once=self._once
            )
            if self._reads:
                background.submit(lambda: self._reader_model)
            self.catalog = Catalog(generation / "catalog.sqlite")
            probes = int(manifest.dense.get("probes", 0))
            dense = Dense(generation, probes) if manifest.vectors else None
            sparse = Sparse(generation / "sparse")
            words = Words.of_index(self.catalog.frequencies)
            model = encoder.result()
        self._model = model.name
        self.retriever = HybridRetriever(self.catalog, dense, sparse, words, model)
        _log.info(
            "第 %d 代:%d 篇、%d 段、%d 个向量,模型 %s;打开用了 %.3f 秒",
            *(manifest.number, manifest.documents, manifest.passages, manifest.vectors),
            *(manifest.model_folder, time.perf_counter() - started),
        )

    @cached_property
    def fast_reader(self) -> ClosestSentenceReader:
        """What answers without a reader model."""
        from qa.reader.closest import ClosestSentenceReader

        default_model = self._model == DEFAULT_MODEL
        return ClosestSentenceReader(
            self.retriever.sparse, self.catalog, default_model=default_model
        )

    @cached_property
    def _reader_model(self) -> tuple[ReaderModel | None, str]:
        """The reader model, opened when it is first needed; or a notice why it cannot be used."""
        from qa.reader import prepared
        from qa.reader.model import ReaderModel

        try:
            return ReaderModel.open(prepared.folder(self._models), once=self._once), ""
        except ModelError as error:
            _log.info("阅读模型不可用", exc_info=error)
            return None, f"阅读模型不可用,改用最接近的句子作答:{error}"

    @cached_property
    def reader(self) -> Reader:
        """What reads the passages."""
        from qa.reader.extractive import ExtractiveReader

        model, _ = self._reader_model
        if model is None:
            return self.fast_reader
        return ExtractiveReader(model, self.retriever.sparse, self.catalog)

    @property
    def notice(self) -> str:
        """What a person should know of how questions are answered, in Chinese; "" if nothing."""
        return "\n".join(filter(None, (self.state, self._reader_model[1])))

    @property
    def state(self) -> str:
        """What a person should know of how passages are found, in Chinese; "" if nothing."""
        made, wanted = self.manifest.vectors, self.manifest.passages
        what = "其余的只按词检索" if made else "只按词检索"
        pending = f"向量还在制作({made}/{wanted} 段),{what};qa index 会接着做。"
        return "\n".join(filter(None, (self.damage, pending if made < wanted else "")))

    @classmethod
    def open(
        cls, index: str | Path | None = None, *, reads: bool = False, once: bool = False
    ) -> QA:
        """Open an index that was built before.

        Args:
            index: Its folder; by default ``default_index()``.
            reads: Open the reader model at once, beside the rest, not with the first question.
            once: It is for a single question: opens sooner, then answers a little more slowly.

        Raises:
            IndexMissing: There is none.
            IndexDamaged: It cannot be used as it is.
            ModelError: Its prepared model is missing or damaged.
        """
        return cls(IndexFolder(Path(index) if index else default_index()), reads=reads, once=once)

    @classmethod
    def build(
        cls,
        paths: Sequence[str | Path] | None = None,
        *,
        index: str | Path | None = None,
        model: str | None = None,
        progress: Progress | None = None,
    ) -> QA:
        """Index files and folders, or bring an index up to date, and open it.

        Args:
            paths: What the corpus is; by default what it was at the last run, and where there was
                none, the articles that ship with the package.
            index: Folder for the index; by default ``default_index()``.
            model: A sentence-transformers model, by name or folder; by default
                multilingual-e5-small.
            progress: Told how far the work has come.

        Raises:
            InputError: A path that does not exist.
            CorpusError: Nothing readable at the paths.
            IndexBusy: The folder is being written by another process, or not writable.
            ModelError: The model cannot be found or prepared.
        """
        from qa.update import update

        place = Path(index) if index else default_index()
        if not paths and not IndexFolder(place).exists():
            paths = [seeds()]
        update(place, paths, model=model, progress=progress)
        return cls.open(index)

    def narrowed(
        self, *, since: str = "", until: str = "", source: str = "", exact: bool = False
    ) -> QA:
        """The same index, searched in part; it shares everything with this one.

        Args:
            since: First day of the texts, as YYYY, YYYY-MM or YYYY-MM-DD; those without a date
                are left out then.
            until: Last day, in the same form: 2024 is all of 2024.
            source: Part of the publisher's name or of the file's path, in either script.
            exact: Compare a question with every vector, also of a large index.

        Raises:
            InputError: A date in another form, or nothing in the index fits.
        """
        for day in (since, until):
            if day and not re.fullmatch(r"\d{4}(-\d\d(-\d\d)?)?", day):
                raise InputError(f"看不懂的日期:{day}", "写法是 2025、2025-07 或 2025-07-22。")
        within = Within(since, until, source)
        rows = None if within == Within() else self.catalog.rows_within(within)
        if rows is not None and not len(rows):
            named = [("自", since), ("至", until), ("来源", source)]
            what = "、".join(f"{name} {value}" for name, value in named if value)
            raise InputError(
                f"索引里没有符合条件的文章:{what}",
                "没有写明日期的文章不在任何时段之内;qa status --files 列出所有文件。",
            )
        part = copy(self)
        part.retriever = replace(self.retriever, allowed=rows, exact=exact)
        return part

    def search(self, question: str, k: int = HITS) -> list[Hit]:
        """The best ``k`` passages for a question, best first.

        Raises:
            InputError: A question that is empty, without any word, or too long.
        """
        return self.found(Understood(checked(question)), k)

    def found(self, understood: Understood, k: int) -> list[Hit]:
        """The passages for a question that stands alone; see ``search``."""
        if k < 1:
            raise InputError(f"k 至少是 1:{k}")
        return self.retriever.search(understood.question, k, understood.topic)

    def ask(
        self,
        question: str,
        k: int = HITS,
        *,
        min_confidence: float | None = None,
        fast: bool = False,
    ) -> Answer:
        """A short answer with its evidence and citations, or an honest "not found".

        Args:
            question: In either script.
            k: How many passages to seek the answer in.
            min_confidence: Probability, in [0, 1], below which nothing is answered; by default
                what balances answers missed against answers made up.
            fast: Answer with the closest sentence, without the reader model.

        Raises:
            InputError: A question that is empty, without any word, or too long; a confidence
                that is no probability.
        """
        answer = self.answer(Understood(checked(question)), k, min_confidence, fast=fast)
        return replace(answer, question=question)

    def answer(
        self, understood: Understood, k: int, min_confidence: float | None, *, fast: bool
    ) -> Answer:
        """The answer to a question that stands alone; see ``ask``."""
        if min_confidence is not None and not 0 <= min_confidence <= 1:
            raise InputError(f"min_confidence 应在 0 到 1 之间:{min_confidence}")
        reader = self.fast_reader if fast else self.reader
        hits = self.found(understood, k)
        started = time.perf_counter()
        answer = reader.read(understood.question, hits, min_confidence, understood.said)
        _log.info(
            "%s:把握 %.3f,%s;用了 %.3f 秒",
            *(type(reader).__name__, answer.confidence, "未找到" if answer.abstained else "作答"),
            time.perf_counter() - started,
        )
        _log.debug("回答:%s;依据:%s", answer.text, answer.evidence)
        return answer

    def write(
        self,
        answer: Answer,
        endpoint: Endpoint,
        *,
        strict: bool = False,
        on_claim: Callable[[Claim], None] | None = None,
    ) -> Answer:
        """Have a language model write a fuller answer from the passages that were found.

        Args:
            answer: What ``ask`` gave; it stays as it is, and stands where the model fails.
            endpoint: The model to ask. Nothing is sent anywhere else.
            strict: Leave out what the passages do not bear out, instead of marking it.
            on_claim: Told each sentence as soon as it is checked, those left out excepted.

        Returns:
            The answer with ``written``; its notice says where the model failed.
        """
        from qa.reader.generative import GenerativeReader, is_instruction

        claims: list[Claim] = []
        left_out: list[Claim] = []
        notice = ""
        try:
            hits = answer.hits[:HITS]
            # What a follow-up took over from a document may not give orders either.
            question = answer.understood
            question = answer.question if is_instruction(question) else question
            for claim in GenerativeReader(endpoint).write(question, hits) if hits else ():
                _log.debug("语言模型:%s", claim)
                if strict and claim.problems:
                    left_out.append(claim)
                    continue
                claims.append(claim)
                if on_claim:
                    on_claim(claim)
        except EndpointError as error:
            _log.info("语言模型不可用", exc_info=error)
            notice = f"{error} 以原文里的答案为准。"
        if not answer.hits:
            notice = "没有可以给语言模型看的段落。"
        if not claims and not notice:
            notice = "语言模型没有写出得到证实的话。" if left_out else "语言模型说资料里没有答案。"
        written = Written(endpoint.model, tuple(claims), tuple(left_out), notice)
        return replace(answer, written=written)

    def conversation(self, answers: Sequence[Answer] = ()) -> Conversation:
        """A conversation over this index, in which questions may follow on one another.

        Args:
            answers: What was answered before, where an earlier one goes on.
        """
        from qa.query.dialogue import Dialogue

        return Conversation(Dialogue(self.retriever), self.answer, answers)

    def verify(self, citation: Citation) -> Standing:
        """Read the cited file again: does the quotation still stand there?"""
        return verify(self.catalog, citation)

    def close(self) -> None:
        """Let go of the index's files; a ``with`` block does it, too."""
        self.catalog.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def locate(self, citation: str) -> Citation:
        """What ``path:line``, ``path:first-last`` or ``path@start-end`` names.

        For a record of a JSON-lines file, the path before @ is its document's id.

        Raises:
            CitationError: No such form, file, line or range.
        """
        return locate(self.catalog, citation)


def open_catalog(index: str | Path | None = None) -> Catalog:
    """The documents of an index, without its model and its search.

    Raises:
        IndexMissing: There is none.
        IndexDamaged: It cannot be used.
    """
    folder = IndexFolder(Path(index) if index else default_index())
    catalog, _ = folder.opened(lambda generation, _: Catalog(generation / "catalog.sqlite"))
    return catalog


def verify(catalog: Catalog, citation: Citation) -> Standing:
    """Read the cited file again: does the quotation still stand there?"""
    from qa.corpus.load import SourceFile, load
    from qa.reader.citations import Standing, standing

    file = catalog.file(citation.path)
    if file is None:
        return Standing.GONE
    try:
        documents = load(SourceFile(file.path, file.place, file.given))
    except FileError:
        documents = []
    return standing(citation, documents)


_CITATION = re.compile(
    r"(?P<path>.+?)(?::(?P<first>\d{1,15})(?:-(?P<last>\d{1,15}))?|@(?P<start>\d{1,15})-(?P<end>\d{1,15}))",
    re.DOTALL,
)


def locate(catalog: Catalog, citation: str) -> Citation:
    """What ``path:line``, ``path:first-last`` or ``path@start-end`` names; see ``QA.locate``."""
    match = _CITATION.fullmatch(citation) or _CITATION.fullmatch(citation.strip())
    if not match:
        raise CitationError(
            f"看不懂的出处:{citation}", "写法是 文件:行、文件:起行-止行,或 文件@起字-止字。"
        )
    documents = _named(catalog, match["path"])
    if not documents:
        raise CitationError(
            f"索引里没有这个文件:{match['path']}", "qa status --files 列出所有文件。"
        )
    if match["start"]:
        document, (start, end) = documents[0], (int(match["start"]), int(match["end"]))
    else:
        first, last = int(match["first"]), int(match["last"] or match["first"])
        document, (start, end) = _lines_of(documents, first, last)
    if not 0 <= start < end <= len(document.text):
        raise CitationError(f"文件里没有这个位置:{citation}", f"全文共 {len(document.text)} 字。")
    article = _article_at(catalog, document, (start, end))
    return Citation(
        marker=1,
        document_id=document.id,
        path=document.path,
        title=article.title,
        publisher=article.publisher,
        date=article.date,
        lines=line_range(document, start, end),
        span=(start, end),
        quote=document.text[start:end],
    )


def _named(catalog: Catalog, path: str) -> list[Document]:
    """Documents by path as given to ``qa index``, by id, or by what the path means from here.

    Args:
        catalog: Where to look.
        path: As the system knows it, or ``spelled``.
    """
    for real in dict.fromkeys((path, unspelled(path))):
        name = spelled(real)
        found = catalog.documents_at(name) or catalog.documents_with(name)
        if not found and (file := catalog.file_at(Path(real).resolve())):
            found = catalog.documents_at(file.path)
        if found:
            return found
    return []


def _lines_of(documents: Sequence[Document], first: int, last: int) -> tuple[Document, Span]:
    """The characters of lines ``first`` to ``last``, counted from 1, line feeds left out."""
    for document in documents:
        if document.record and document.record == first == last:
            return document, (0, len(document.text))
    document = documents[0]
    lines = document.text.split("\n")
    if document.record or not 1 <= first <= last <= len(lines):
        raise CitationError(f"文件里没有这几行:{first}-{last}", f"全文共 {len(lines)} 行。")
    if not "".join(lines[first - 1 : last]).strip():
        raise CitationError(f"这几行是空行:{first}-{last}", "请换一行;qa show --all 显示全文。")
    start = sum(len(line) + 1 for line in lines[: first - 1])
    return document, (start, start + len("\n".join(lines[first - 1 : last]).rstrip("\r")))


def _article_at(catalog: Catalog, document: Document, span: Span) -> Article:
    for passage in catalog.passages_of(document.id):
        if any(start < span[1] and span[0] < end for start, end in passage.spans):
            return passage.article
    return Article(title=document.title)
