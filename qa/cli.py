"""The command line: each command of ``qa``."""

from __future__ import annotations

import gc
import logging
import os
import re
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from qa.errors import IndexDamaged, InputError, QAError
from qa.logs import LoggedCommand

if TYPE_CHECKING:
    from qa.batch import Answering
    from qa.index.build import Built
    from qa.paint import Paint
    from qa.pipeline import QA
    from qa.reader.endpoint import Endpoint
    from qa.types import Answer

_log = logging.getLogger(__name__)
app = typer.Typer(
    help="问据:对一个文件夹里的中文文章提问,得到有出处、可核对的简短回答。",
    invoke_without_command=True,
    no_args_is_help=False,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Question = Annotated[list[str] | None, typer.Argument(help="问题;简体、繁体都可以。")]
Index = Annotated[Path | None, typer.Option("--index", metavar="目录", help="索引所在的目录。")]
Json = Annotated[bool, typer.Option("--json", help="输出 JSON。")]
Explain = Annotated[bool, typer.Option("--explain", help="显示每一路检索给了多少分。")]
Count = Annotated[int, typer.Option("-k", min=1, max=1000, metavar="N", help="取前几段。")]
Fast = Annotated[
    bool, typer.Option("--fast", help="不用阅读模型,从最接近的句子里取答案:更快,没那么准。")
]
Confidence = Annotated[
    float | None,
    typer.Option(
        "--min-confidence",
        min=0.0,
        max=1.0,
        metavar="0–1",
        help="把握低于它就答“未找到”;越高越谨慎,0 表示总要作答。",
    ),
]
Batch = Annotated[
    str | None,
    typer.Option(
        "--batch",
        metavar="文件",
        help='逐行提问,"-" 表示标准输入;每行一问,或 {"id", "question"},或 {"id", "turns": […]}。',
    ),
]
Since = Annotated[
    str,
    typer.Option(
        "--since", metavar="日期", help="只找这一天起的文章:2025、2025-07 或 2025-07-22。"
    ),
]
Until = Annotated[str, typer.Option("--until", metavar="日期", help="只找到这一天为止的文章。")]
From = Annotated[
    str, typer.Option("--source", metavar="名称", help="只找报刊名称或文件路径里有这几个字的文章。")
]
Exact = Annotated[bool, typer.Option("--exact", help="大索引也与每一段逐一比较:慢,用来核对。")]
Llm = Annotated[
    str | None,
    typer.Option(
        "--llm",
        metavar="地址",
        help="再请语言模型写一个更完整的回答(OpenAI 兼容接口,例如 http://127.0.0.1:8080/v1),逐句核对。",
    ),
]
LlmModel = Annotated[
    str | None, typer.Option("--llm-model", metavar="名称", help="语言模型的名称。")
]
Strict = Annotated[
    bool, typer.Option("--strict", help="语言模型写的话,未经原文证实的略去,而不只是标明。")
]


def main() -> None:
    """Run the command line; errors become one message and their own exit code."""
    for stream in (sys.stdout, sys.stderr):
        if reconfigure := getattr(stream, "reconfigure", None):
            reconfigure(errors="replace")
    started = time.monotonic()
    # Before the index is open nothing is garbage, and to look for some takes time.
    gc.disable()
    code: Any = 0
    try:
        app()
    except QAError as error:
        typer.echo(f"错误:{_visible(str(error))}", err=True)
        code = error.exit_code
        _log.info("出错", exc_info=error)
    except SystemExit as leaving:
        code = leaving.code
    except Exception as error:  # noqa: BLE001  exit code 1, Python's own, would say "not found".
        typer.echo(f"错误:程序出错了({type(error).__name__}: {_visible(str(error))})", err=True)
        typer.echo(
            "请把这一行和所用的命令告诉维护者;加上 --log-file 文件 再做一次,里面有详情。", err=True
        )
        code = QAError.exit_code
        _log.error("程序出错", exc_info=error)
    # See _held.
    try:
        sys.stdout.flush()
    except BrokenPipeError:  # The reader of a pipe has seen enough.
        pass
    except OSError as error:
        typer.echo(f"错误:输出写不出去({error.strerror})", err=True)
        code = QAError.exit_code
    code = code if isinstance(code, int) else 0
    _log.info("结束:退出码 %d,用了 %.2f 秒", code, time.monotonic() - started)
    sys.stderr.flush()
    os._exit(code)


@app.callback()
def start(context: typer.Context, index: Index = None) -> None:
    """Without a command: chat in a terminal, else this help."""
    if context.invoked_subcommand:
        if index:
            raise typer.BadParameter("请写在子命令之后,例如 qa ask --index 目录 问题")
        return
    if sys.stdin.isatty() and sys.stdout.isatty():
        chat(index)
        return
    typer.echo(context.get_help())
    raise typer.Exit(2)


@app.command(cls=LoggedCommand)
def ask(
    question: Question = None,
    *,
    index: Index = None,
    k: Count = 5,
    batch: Batch = None,
    as_json: Json = False,
    explain: Explain = False,
    min_confidence: Confidence = None,
    fast: Fast = False,
    since: Since = "",
    until: Until = "",
    source: From = "",
    exact: Exact = False,
    llm: Llm = None,
    llm_model: LlmModel = None,
    strict: Strict = False,
) -> None:
    """提一个问题,得到简短的回答、依据的原句和出处。

    退出码:0 有答案,1 未找到,2 用法不对。
    """
    from qa.config import endpoint
    from qa.paint import Paint
    from qa.render import answer_text, answer_values, show_command, write_json

    asked = _question(question, batch)
    writer = endpoint(llm, llm_model)
    opened = _opened(index, reads=not fast, once=batch is None)
    qa = opened.narrowed(since=since, until=until, source=source, exact=exact)
    if batch is not None:

        def begin() -> Answering:
            conversation = qa.conversation()

            def values(line: str) -> dict[str, Any]:
                answer = conversation.ask(line, k, min_confidence=min_confidence, fast=fast)
                return answer_values(qa.write(answer, writer, strict=strict) if writer else answer)

            return values

        _batch(batch, begin)
        return
    answer = qa.ask(asked, k, min_confidence=min_confidence, fast=fast)
    if as_json:
        answer = qa.write(answer, writer, strict=strict) if writer else answer
        write_json(answer_values(answer), sys.stdout)
    else:
        paint = Paint.for_stream(sys.stdout)
        opening = "".join(show_command(c, str(index or "")) for c in answer.citations[:1])
        typer.echo(answer_text(answer, paint, explain=explain, opening=opening))
        if writer:
            _write(qa, answer, writer, paint, strict=strict)
    raise typer.Exit(int(answer.abstained))


@app.command(cls=LoggedCommand)
def search(
    question: Question = None,
    *,
    index: Index = None,
    k: Count = 5,
    batch: Batch = None,
    as_json: Json = False,
    explain: Explain = False,
    since: Since = "",
    until: Until = "",
    source: From = "",
    exact: Exact = False,
) -> None:
    """只检索:列出最相关的段落和它们的位置。"""
    from qa.paint import Paint
    from qa.render import hit_values, hits_text, write_json

    def found(line: str) -> dict[str, Any]:
        return {"question": line, "hits": [hit_values(hit) for hit in qa.search(line, k)]}

    asked = _question(question, batch)
    opened = _opened(index, once=batch is None)
    qa = opened.narrowed(since=since, until=until, source=source, exact=exact)
    if batch is not None:
        _batch(batch, lambda: found, follows=False)
        return
    if as_json:
        write_json(found(asked), sys.stdout)
    else:
        hits = qa.search(asked, k)
        typer.echo(hits_text(hits, Paint.for_stream(sys.stdout), explain=explain))


@app.command(cls=LoggedCommand)
def chat(
    index: Index = None,
    *,
    min_confidence: Confidence = None,
    fast: Fast = False,
    resume: Annotated[bool, typer.Option("--resume", help="接着上次的对话。")] = False,
    since: Since = "",
    until: Until = "",
    source: From = "",
    llm: Llm = None,
    llm_model: LlmModel = None,
    strict: Strict = False,
) -> None:
    """对话:一问一答,可以接着追问,可以打开原文。"""
    from qa.config import endpoint
    from qa.repl import ChatSettings, chat_in

    settings = ChatSettings(min_confidence, fast, endpoint(llm, llm_model), strict)
    qa = _opened(index, reads=not fast).narrowed(since=since, until=until, source=source)
    chat_in(qa, settings, resume=resume)


@app.command(name="index", cls=LoggedCommand)
def index_command(
    paths: Annotated[
        list[Path] | None, typer.Argument(help="文件或文件夹;不写则更新上次的那些。")
    ] = None,
    *,
    index: Index = None,
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            metavar="名称或目录",
            help="sentence-transformers 模型,准备好后存进索引目录。",
        ),
    ] = None,
    add: Annotated[bool, typer.Option("--add", help="加到原有的文章里,而不是取代它们。")] = False,
    memory: Annotated[
        int | None,
        typer.Option(
            "--memory",
            min=1,
            metavar="MB",
            help="提问时向量最多占多少内存;装不下的大索引按聚类查找。默认 32。",
        ),
    ] = None,
    rollback: Annotated[
        bool, typer.Option("--rollback", help="换回上一代索引;再运行一次则换回来。")
    ] = False,
    watch: Annotated[
        bool,
        typer.Option("--watch", help="建好之后一直留意:文章有改动,几秒之内更新;Ctrl-C 结束。"),
    ] = False,
    encoding: Annotated[
        str | None,
        typer.Option(
            "--encoding",
            metavar="编码",
            help="所写路径里的文本是什么编码(不写路径则全部),逐个文件记住;auto 重新判断。",
        ),
    ] = None,
    follow_links: Annotated[
        bool | None,
        typer.Option(
            "--follow-links/--no-follow-links",
            help="收不收符号链接指向的、文件夹之外的文件;记住,以后更新照此。起初不收。",
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """为文章建立索引,或把索引更新到文章现在的样子;只有改动过的段落会重新编码。"""
    from qa.pipeline import default_index
    from qa.progress import ProgressBar
    from qa.render import write_json
    from qa.update import update

    place = index or default_index()
    if rollback:
        others = paths, model, memory, encoding, follow_links
        if add or watch or any(other is not None for other in others):
            raise InputError("--rollback 只换回上一代索引,不能与别的选项一起用。")
        _roll_back(place, as_json=as_json)
        return
    if watch:  # To be ended is to be interrupted.
        import signal

        signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with ProgressBar() as progress:
            built = update(
                place,
                paths,
                model=model,
                add=add,
                memory=memory,
                encoding=encoding,
                follow_links=follow_links,
                progress=progress,
            )
        if as_json:
            write_json(_report_values(built), sys.stdout)
        else:
            typer.echo(_report(built))
        if watch:
            _watch(place, built, as_json=as_json)
    except (KeyboardInterrupt, Exception) as error:
        if not _is_interruption(error):
            raise
        what = "不再留意" if watch else "已中断"
        typer.echo(f"\n{what};索引没有损坏,算好的向量留着,再运行一次 qa index 会接着做。", err=True)
        raise typer.Exit(130) from None


@app.command(cls=LoggedCommand)
def status(
    *,
    index: Index = None,
    files: Annotated[bool, typer.Option("--files", help="列出每个文件和它的编码。")] = False,
    as_json: Json = False,
) -> None:
    """索引里有什么:文章、段落、模型,以及哪些文件没有收入、哪些改动过。"""
    from qa.render import write_json
    from qa.status import Status

    state = Status.of(index)
    if as_json:
        write_json(state.values(files=files), sys.stdout)
        return
    typer.echo(_visible(state.text(files=files)))


@app.command(name="verify", cls=LoggedCommand)
def verify_command(*, index: Index = None, as_json: Json = False) -> None:
    """通读索引和原文,逐一核对;查出损坏时退出码为 7。"""
    from qa.progress import ProgressBar
    from qa.render import write_json
    from qa.verify import verify

    with ProgressBar() as progress:
        found = verify(index, progress)
    if as_json:
        write_json(found.values(), sys.stdout)
    else:
        typer.echo(_visible(found.text()))
    if found.problems:
        raise typer.Exit(IndexDamaged.exit_code)


@app.command(cls=LoggedCommand)
def show(
    citation: Annotated[
        str, typer.Argument(help="出处:文件:行、文件:起行-止行,或 文件@起字-止字。")
    ],
    *,
    index: Index = None,
    around: Annotated[
        int, typer.Option("--around", min=0, metavar="N", help="前后各显示几行。")
    ] = 4,
    whole: Annotated[bool, typer.Option("--all", help="显示全文。")] = False,
    as_json: Json = False,
) -> None:
    """打开一条出处:显示它前后的原文,标出所引的话。"""
    from qa.paint import Paint
    from qa.pipeline import locate, open_catalog, verify
    from qa.reader.citations import Standing
    from qa.render import citation_values, page_text, write_json

    catalog = open_catalog(index)
    cited = locate(catalog, citation)
    _log.debug("出处:%s", cited)
    standing = verify(catalog, cited)
    if as_json:
        write_json({**citation_values(cited), "standing": standing.value}, sys.stdout)
        return
    paint = Paint.for_stream(sys.stdout)
    document = catalog.document(cited.document_id)
    typer.echo(page_text(cited, document, -1 if whole else around, paint))
    if standing is not Standing.HOLDS:
        what = "已经改过" if standing is Standing.CHANGED else "已经不在或读不出"
        typer.echo(paint.warning(f"注意:文件在建立索引之后{what};以上是索引时的原文。"), err=True)


@app.command(name="eval", cls=LoggedCommand)
def eval_command(
    source: Annotated[
        Path | None,
        typer.Argument(help="SQuAD 格式的 JSON(可以是 .gz)、BEIR 文件夹,或自己的问题。"),
    ] = None,
    *,
    questions: Annotated[
        Path | None,
        typer.Option(
            "--questions",
            metavar="文件",
            help='自己的问题,每行一个 {"question", "answers", "source", "evidence"}。',
        ),
    ] = None,
    index: Index = None,
    limit: Annotated[
        int | None,
        typer.Option("--limit", min=1, metavar="N", help="只抽 N 个问题,每次抽到的相同。"),
    ] = None,
    as_json: Json = False,
    min_confidence: Confidence = None,
    fast: Fast = False,
) -> None:
    """用知道答案的问题,量一量检索、回答、出处和“未找到”有多可靠。"""
    from qa.evaluate import evaluate
    from qa.progress import ProgressBar
    from qa.render import write_json

    given = source or questions
    if given is None or (source and questions):
        raise InputError("请给出一个问题文件。", "例如:qa eval --questions 我的问题.jsonl")
    with ProgressBar() as progress:
        report = evaluate(
            given,
            index=index,
            limit=limit,
            min_confidence=min_confidence,
            fast=fast,
            progress=progress,
        )
    if as_json:
        write_json(report.values(), sys.stdout)
    else:
        typer.echo(_visible(report.text()))


def _is_interruption(error: BaseException | None) -> bool:
    """True for Ctrl-C, also where a library stumbled over it and raised an error of its own."""
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__cause__ or error.__context__
    return error is not None


def _visible(text: str) -> str:
    from qa.text import visible

    return visible(text)


def _question(words: list[str] | None, batch: str | None) -> str:
    """The question on the command line; there is one, or a batch."""
    if (words is None) == (batch is None):
        raise InputError(
            "请写一个问题,或用 --batch 给出一批问题。", '例如:qa ask "充电桩完成了多少把的选址?"'
        )
    from qa.conversation import checked

    return checked(_typed(" ".join(words))) if words is not None else ""


def _typed(text: str) -> str:
    """What was typed: a C locale hands the bytes of UTF-8 on as surrogates."""
    as_is = text.isascii() or not re.search("[\ud800-\udfff]", text)
    return text if as_is else os.fsencode(text).decode("utf-8", "replace")


_held: list[QA] = []
"""What is open, until the process ends: taking it down would make a question slower."""


def _opened(index: Path | None, *, reads: bool = False, once: bool = False) -> QA:
    """The index; at the default place one over the shipped articles is made where there is none.

    Args:
        index: Its folder, None for the default place.
        reads: Whether the reader model will be used: says so where it cannot be.
        once: Whether it is for a single question.
    """
    from qa.pipeline import QA, has_default_index

    if index is None and not has_default_index():
        from qa.progress import ProgressBar

        typer.echo("还没有索引,先为自带的五篇文章建立(只此一次,约一分钟)。", err=True)
        with ProgressBar() as progress:
            qa = QA.build(progress=progress)
    else:
        qa = QA.open(index, reads=reads, once=once)
    _held.append(qa)
    gc.enable()
    if notice := qa.notice if reads else qa.state:
        typer.echo(f"注意:{_visible(notice)}", err=True)
    return qa


def _write(qa: QA, answer: Answer, endpoint: Endpoint, paint: Paint, *, strict: bool) -> None:
    """Show what a language model writes, sentence by sentence, below the answer."""
    from qa.render import claim_text, written_end

    typer.echo(paint.dim(f"{_visible(endpoint.model)}:"))
    written = qa.write(
        answer, endpoint, strict=strict, on_claim=lambda claim: typer.echo(claim_text(claim, paint))
    ).written
    if written and (end := written_end(written, answer.hits, paint)):
        typer.echo("\n".join(end))


def _batch(source: str, begin: Callable[[], Answering], *, follows: bool = True) -> None:
    from qa.batch import run

    if bad := run(source, begin, sys.stdout, follows=follows):
        typer.echo(f"有 {bad} 行不能用,见输出里的 error。", err=True)
        raise typer.Exit(InputError.exit_code)


def _roll_back(place: Path, *, as_json: bool) -> None:
    """Put the generation before in use again, and say so."""
    from qa.index import store
    from qa.render import write_json

    folder = store.IndexFolder(place)
    if not folder.exists():
        folder.current()  # Says that there is none.
    with folder.writing():
        manifest, left = folder.roll_back()
    if as_json:
        write_json({**store.as_json(manifest), "left": left}, sys.stdout)
        return
    typer.echo(
        f"已换回第 {manifest.number} 代:{manifest.created} 的 {manifest.documents} 篇、"
        f"{manifest.passages} 段。文章没有改动,下一次 qa index 仍会按文章现在的样子更新。"
    )
    if left >= 0:
        typer.echo(f"第 {left} 代还留着;如果它完好,再运行一次 qa index --rollback 就换回去。")


def _watch(place: Path, built: Built, *, as_json: bool) -> None:
    """Say what each update did, until the process is ended."""
    from qa.progress import ProgressBar
    from qa.render import write_json
    from qa.watch import watch

    gc.enable()
    if not as_json:
        typer.echo(f"正在留意 {_visible('、'.join(built.manifest.roots))},Ctrl-C 结束")
    told = {(file.path, file.problem) for file in built.problems}
    for update in watch(place, progress=lambda: ProgressBar(leaves=False)):
        now = time.strftime("[%H:%M:%S]")
        if isinstance(update, QAError):
            if as_json:
                write_json({"error": update.message, "advice": update.advice}, sys.stdout)
            else:
                typer.echo(
                    f"{now} 没有更新。{_visible(str(update))}".replace("\n", "\n  "), err=True
                )
            continue
        if as_json:
            write_json(_report_values(update), sys.stdout)
            continue
        changes, seconds = update.manifest.changes, update.manifest.seconds
        done = "+{added} ~{changed} −{removed} 个文件".format(**changes)
        done = f"{done},用时 {seconds:.1f} 秒" if update.changed else "已恢复,没有变化"
        typer.echo(f"{now} {done}")
        problems = [(file.path, file.problem) for file in update.problems]
        for path, problem in problems:
            if (path, problem) not in told:
                typer.echo(f"  没有收入 {_visible(f'{path}:{problem}')}")
        told = set(problems)


def _report(built: Built) -> str:
    manifest, changes = built.manifest, built.manifest.changes
    lines = []
    if built.changed:
        lines.append(
            f"已索引 {manifest.documents} 篇、{manifest.passages} 段:"
            f"新增 {changes['added']},修改 {changes['changed']},移除 {changes['removed']},"
            f"未变 {changes['same']} 个文件;"
            f"编码 {built.embedded} 段,沿用 {built.kept} 段;用时 {manifest.seconds:.1f} 秒。"
        )
    else:
        lines.append(f"没有变化:{manifest.documents} 篇、{manifest.passages} 段,索引是最新的。")
    if built.notice:
        lines.append(f"注意:{_visible(built.notice)}")
    if built.problems:
        lines.append(f"有 {len(built.problems)} 个文件没有收入:")
        lines += [f"  {_visible(f'{file.path}:{file.problem}')}" for file in built.problems]
    if built.doubtful:
        from qa.status import doubtful_text

        lines += doubtful_text(built.doubtful)
    return "\n".join(lines)


def _report_values(built: Built) -> dict[str, Any]:
    from qa.index.store import as_json

    return {
        **as_json(built.manifest),
        "up_to_date": not built.changed,
        "embedded": built.embedded,
        "kept": built.kept,
        "notice": built.notice,
        "problems": [{"path": file.path, "problem": file.problem} for file in built.problems],
        "doubtful": [
            {
                "path": file.path,
                "encoding": file.encoding,
                "confidence": round(file.confidence, 4),
                "alternatives": list(file.alternatives),
            }
            for file in built.doubtful
        ],
    }
