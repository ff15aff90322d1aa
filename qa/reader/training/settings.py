"""Every setting of the reader's training, in one place."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Settings:
    """What a run is made with; its checkpoints fit no other.

    Attributes:
        seed: Of all that is random.
        epochs: Times that each question is read.
        learning_rate: At its peak; it rises over ``warmup`` of the run and then falls to 0.
        warmup: Share of the run.
        weight_decay: Of AdamW.
        batch_tokens: Tokens of a batch, padding included.
        clip: Largest norm of a gradient.
        shortest, longest: Characters of a passage, drawn evenly; a sentence is never cut.
        titled: Share of the pairs that show the article's title.
        joined: Share of the questions that are asked together with another of the passage.
        retrieved: Share with a passage of another text that has the question's bigrams.
        removed: Share with the passage that answers, less the sentences that hold the answer.
        other_year: Share, of those that name a year, asked of another year.
        relevant_weight, answers_weight: Of the two verdicts' losses beside the span's.
        invented_from: Epoch from which the invented texts are read.
        terse_until: Epoch from which, of the sets that are terse, only answers in several parts
            teach where an answer begins and ends; else the public sets' habit is unlearnt.
        terse_share: Share of those sets' questions that is read from that epoch on.
        held_out: One in so many contexts of DRCD is left out, to measure on.
        held_out_news: One in so many articles of the news set, with what is asked about it.
    """

    seed: int = 20
    epochs: int = 3
    learning_rate: float = 1.5e-4
    warmup: float = 0.05
    weight_decay: float = 0.01
    batch_tokens: int = 3600
    clip: float = 1.0
    shortest: int = 80
    longest: int = 320
    titled: float = 0.5
    joined: float = 0.05
    retrieved: float = 0.4
    removed: float = 0.2
    other_year: float = 0.4
    relevant_weight: float = 0.25
    answers_weight: float = 0.5
    invented_from: int = 2
    terse_until: int = 2
    terse_share: float = 0.65
    held_out: int = 5
    held_out_news: int = 12
