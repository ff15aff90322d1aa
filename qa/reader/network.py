"""The reader's network: token ids of pairs in, span and verdict logits out. Needs torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from transformers import BertModel

SPAN_LOGITS = 4
"""A token can begin an answer at its first or second character, and end it at its last or last
but one: XLM-R's pieces end where an answer does in 95 % of CMRC's and DRCD's answers, and within
one character in 99.7 %."""
VERDICT_LOGITS = 2
"""Is the passage about what is asked; does it answer."""


class ReaderNetwork(torch.nn.Module):
    """A transformer with two heads.

    Attributes:
        transformer: Of the default encoder.
        span: Head over each token, SPAN_LOGITS.
        verdict: Head over the first token, VERDICT_LOGITS.
    """

    def __init__(self, transformer: BertModel) -> None:
        super().__init__()
        self.transformer = transformer
        width = transformer.config.hidden_size
        self.span = torch.nn.Linear(width, SPAN_LOGITS)
        self.verdict = torch.nn.Linear(width, VERDICT_LOGITS)

    def forward(
        self, input_ids: torch.Tensor, attention_mask: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Logits of shapes (batch, length, SPAN_LOGITS) and (batch, VERDICT_LOGITS).

        Args:
            input_ids: Token ids, shape (batch, length).
            attention_mask: 0 where a pair is filled up; none where no pair is.
        """
        hidden = self.transformer(
            input_ids=input_ids, attention_mask=attention_mask
        ).last_hidden_state
        return self.span(hidden), self.verdict(hidden[:, 0])
