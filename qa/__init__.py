"""问据 (wenju): questions over a folder of Chinese articles, answered with evidence.

>>> from qa import QA                                        # doctest: +SKIP
>>> qa = QA.build(["articles/"])                             # doctest: +SKIP
>>> qa.ask("2024年受理了多少件环境投诉?").text               # doctest: +SKIP
'129件'
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from qa.conversation import Conversation
    from qa.errors import QAError
    from qa.pipeline import QA
    from qa.reader.endpoint import Endpoint
    from qa.types import Answer, Article, Citation, Claim, Document, Hit, Passage, Written

__all__ = [
    "QA",
    "Answer",
    "Article",
    "Citation",
    "Claim",
    "Conversation",
    "Document",
    "Endpoint",
    "Hit",
    "Passage",
    "QAError",
    "Written",
]
__version__ = "0.1.0"

_HOMES = {
    "QA": "qa.pipeline",
    "QAError": "qa.errors",
    "Conversation": "qa.conversation",
    "Endpoint": "qa.reader.endpoint",
}

logging.getLogger(__name__).addHandler(logging.NullHandler())


def __getattr__(name: str) -> Any:  # noqa: ANN401
    """Import a public name when it is first used, so that ``import qa`` costs nothing."""
    if name not in __all__:
        raise AttributeError(f"module 'qa' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES.get(name, "qa.types")), name)
