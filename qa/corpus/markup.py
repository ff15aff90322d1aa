r"""Paragraphs of a web page or a Word document come in; lines of Markdown go out.

Only what the next step reads is marked: headings. A paragraph that begins like a heading is
written ``\\# …``, Markdown's own way of saying that it is none.
"""

from __future__ import annotations

import re

_LIKE_HEADING = re.compile(r"^(?=#{1,6}(?:\s|$))", re.MULTILINE)


def heading(level: int, text: str) -> str:
    """Mark a heading of ``level`` 1 to 6; it takes one line.

    >>> heading(2, "二、基本情况")
    '## 二、基本情况'
    """
    return f"{'#' * min(level, 6)} {' '.join(text.split())}"


def paragraph(text: str) -> str:
    r"""Keep a paragraph from being read as a heading.

    >>> print(paragraph("# 号键"))
    \# 号键
    """
    return _LIKE_HEADING.sub(r"\\", text)
