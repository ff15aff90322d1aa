"""The measures of one run, as a table for people and as plain values for JSON."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Any

from qa.metrics import BINS, DEPTH, Latency, Ranking, Selection, Share
from qa.text import width

_SHOWN = 10
"""Questions that were missed, to show of them."""


_FORM = {"squad": "SQuAD", "beir": "BEIR", "lines": "自己的问题"}


@dataclass(frozen=True, slots=True)
class Report:
    """How good retriever and reader are; None, or a share of nothing, where nothing is known.

    Attributes:
        source: The questions.
        form: "squad", "beir" or "lines".
        model: Folder of the model.
        notice: What a person should know of how it was answered; "" if nothing.
        documents: In the corpus.
        passages: In the corpus.
        questions: That were asked.
        skipped: That could not be: blank, or too long.
        by_document: Retrieval of the documents that answer.
        by_passage: Retrieval of the passages with the evidence.
        exact: EM of the short answers; of the answerable questions.
        f1: Their F1.
        holding: Short answers that hold a gold one.
        evidence: Evidence sentences, or nearest ones, that are the right ones.
        auc: Of confidence, answerable against unanswerable.
        refused: Of the unanswerable questions, those told 未找到.
        refused_wrongly: Of the answerable ones.
        selection: Risk by coverage; risk is wrong evidence, or any for the unanswerable.
        calibration: Expected calibration error of confidence for right evidence.
        citations: Those that stand in their files.
        latency: Of a question.
        missed: Questions with a wrong answer, and what is wrong: the evidence, or whether there
            is any.
    """

    source: str
    form: str
    model: str
    notice: str
    documents: int
    passages: int
    questions: int
    skipped: int
    by_document: Ranking | None
    by_passage: Ranking | None
    exact: Share
    f1: Share
    holding: Share
    evidence: Share
    auc: float | None
    refused: Share
    refused_wrongly: Share
    selection: Selection | None
    calibration: float | None
    citations: Share
    latency: Latency
    missed: tuple[tuple[str, str], ...]

    def values(self) -> dict[str, Any]:
        """As plain values, for JSON: a share as its value, count and total."""
        figures = {field.name: _figure(getattr(self, field.name)) for field in fields(self)}
        return figures | {"missed": [{"question": q, "why": why} for q, why in self.missed]}

    def text(self) -> str:
        """For people: a table, and some of the questions that were missed."""
        skipped = f",略过 {self.skipped} 个不能提的" if self.skipped else ""
        lines = [
            f"{self.source}({_FORM[self.form]}):{self.questions} 问{skipped}",
            f"{self.documents} 篇、{self.passages} 段;模型 {self.model}",
            *([f"注意:{self.notice}"] if self.notice else []),
            "",
            *_aligned([row for row in self._rows() if row[2]]),
        ]
        if self.missed:
            lines += ["", f"没答对的 {len(self.missed)} 问,例如:"]
            lines += [f"  {' '.join(q.split())}({why})" for q, why in self.missed[:_SHOWN]]
        return "\n".join(lines)

    def _rows(self) -> Iterator[tuple[str, str, str, str]]:
        """Heading, measure, value and counts; without a value where there is none."""
        for heading, found in (("找到文章", self.by_document), ("找到段落", self.by_passage)):
            if found:
                for cut, share in found.recall:
                    yield heading, f"R@{cut}", *_counted(share)
                yield heading, f"MRR@{DEPTH}", f"{found.mrr:.3f}", ""
                yield heading, f"nDCG@{DEPTH}", f"{found.ndcg:.3f}", ""
        yield "回答", "与标准答案相同(EM)", *_counted(self.exact)
        yield "回答", "与标准答案重合(F1)", *_counted(self.f1)
        yield "回答", "短回答含标准答案", *_counted(self.holding)
        yield "回答", "依据的原句正确", *_counted(self.evidence)
        yield "回答", "出处在原文里核对得上", *_counted(self.citations)
        yield "未找到", "没有答案,答未找到", *_counted(self.refused)
        yield "未找到", "有答案,误答未找到", *_counted(self.refused_wrongly)
        if self.auc is not None:
            counts = f"{self.refused_wrongly.total}×{self.refused.total}"
            yield "把握", "分得清有无答案(AUC)", f"{self.auc:.3f}", counts
        if self.selection and self.calibration is not None:
            for coverage, risk in self.selection.risks:
                yield "把握", f"只答最有把握的 {coverage:.0%},答错", *_counted(risk)
            yield "把握", "风险–覆盖率曲线下面积", f"{self.selection.area:.3f}", ""
            yield "把握", f"校准误差({BINS} 组)", f"{self.calibration:.3f}", ""
        latency = self.latency
        for name, value in (("中位", latency.p50), ("90%", latency.p90), ("99%", latency.p99)):
            yield "每问用时", name, f"{value:.0f} ms", ""


def _counted(share: Share) -> tuple[str, str]:
    """A share in per cent, and as counted; empty where nothing was."""
    if share.value is None:
        return "", ""
    return f"{share.value:.1%}", f"{share.count:.1f}".removesuffix(".0") + f"/{share.total}"


def _aligned(rows: Sequence[tuple[str, str, str, str]]) -> list[str]:
    """Rows in columns, numbers to the right; a heading only where it is new."""
    wide = [max(width(row[column]) for row in rows) for column in range(4)]
    lines, last = [], ""
    for heading, *cells in rows:
        first = heading if heading != last else ""
        gaps = [" " * (w - width(cell)) for w, cell in zip(wide, (first, *cells), strict=True)]
        measure, value, counts = cells
        line = f"{first}{gaps[0]}  {measure}{gaps[1]}  {gaps[2]}{value}  {gaps[3]}{counts}"
        lines.append(line.rstrip())
        last = heading
    return lines


def _figure(value: Any) -> Any:  # noqa: ANN401
    """A figure as what JSON knows."""
    if isinstance(value, Share):
        share = None if value.value is None else round(value.value, 4)
        return {"value": share, "count": round(value.count, 4), "total": value.total}
    if isinstance(value, Ranking):
        recall = {f"R@{cut}": _figure(share) for cut, share in value.recall}
        last = DEPTH
        return recall | {f"MRR@{last}": round(value.mrr, 4), f"nDCG@{last}": round(value.ndcg, 4)}
    if isinstance(value, Selection):
        risks = {f"risk@{coverage:.0%}": _figure(risk) for coverage, risk in value.risks}
        return {"area": round(value.area, 4)} | risks
    if isinstance(value, Latency):
        return {name: round(getattr(value, name), 2) for name in ("p50", "p90", "p99")}
    return round(value, 4) if isinstance(value, float) else value
