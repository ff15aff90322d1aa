"""Every setting of the reader's training, in one place."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Settings:
    """What a run is made with; its checkpoints fit no other.

    Attributes:
        seed: Of all that is random.
        epochs: Times that each question is read, after those that made the weights to start from.
        learning_rate: At its peak; it rises over ``warmup`` of the run and then falls to 0.
        warmup: Share of the run.
        weight_decay: Of AdamW.
        batch_tokens: Tokens of a batch, padding included.
        clip: Largest norm of a gradient.
        dropout: Share of the values that each layer adds, set to 0.
        blanked: Share of the tokens that are shown as unknown.
        shortest, longest: Characters of a passage, drawn evenly; a sentence is never cut.
        single: Share of the passages that are one sentence: the sentence that answers is read
            alone, too.
        titled: Share of the pairs that show the article's title.
        joined: Share of the questions that are asked together with another of the passage.
        retrieved: Share with a passage of another text that has the question's bigrams.
        removed: Share with the passage that answers, less the sentences that hold the answer.
        other_year: Share, of those that name a year, asked of another year.
        other_name: Share of those whose passage has a name or an office that they have, asked of
            another.
        relevant_weight, answers_weight: Of the two verdicts' losses beside the span's.
        terse_share: Share of the questions that is read, of the sets that are terse. Of these only
            answers in several parts teach where an answer begins and ends; else the public sets'
            habit is unlearnt.
        held_out: One in so many contexts of DRCD is left out, to measure on.
        held_out_news: One in so many articles of the news set, with what is asked about it.
        held_out_encyclopedia: One in so many passages of NoMIRACL, with what is asked about it.
    """

    seed: int = 23
    epochs: int = 1
    learning_rate: float = 1.0e-4
    warmup: float = 0.05
    weight_decay: float = 0.01
    batch_tokens: int = 3600
    clip: float = 1.0
    dropout: float = 0.1
    blanked: float = 0.06
    shortest: int = 80
    longest: int = 320
    single: float = 0.3
    titled: float = 0.5
    joined: float = 0.05
    retrieved: float = 0.4
    removed: float = 0.2
    other_year: float = 0.4
    other_name: float = 0.25
    relevant_weight: float = 0.25
    answers_weight: float = 0.5
    terse_share: float = 0.5
    held_out: int = 5
    held_out_news: int = 12
    held_out_encyclopedia: int = 16
