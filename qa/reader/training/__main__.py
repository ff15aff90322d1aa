"""Trains the reader, or goes on where a run was stopped.

    python -m qa.reader.training --cmrc FILE --drcd FILE --news FILE --nomiracl FILE --work FOLDER
                                 [--start WEIGHTS]

With WEIGHTS, a reader as it ships, it goes on from that one; else from the default model. The
checkpoint in FOLDER is written every few minutes and at the end of each epoch; the same
command goes on from it. At the end the weights are written into FOLDER, under a name with their
checksum; those in ``qa/reader`` are what ships.
"""

from __future__ import annotations

import argparse
import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer

from qa.reader import weights
from qa.reader.network import ReaderNetwork
from qa.reader.pairs import PAD, UNKNOWN, Pair, pair
from qa.reader.training import sets
from qa.reader.training.examples import Example, Examples
from qa.reader.training.settings import Settings

_IGNORED = -1.0
_CHECKPOINT_SECONDS = 300
_CPU = Path("/proc/cpuinfo")
_AMX = _CPU.exists() and "amx_bf16" in _CPU.read_text("utf-8")
"""Without it a step in bf16 takes more than twice as long as one in float32."""


def main() -> None:
    """Read the arguments, train, and write the weights."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("cmrc", "drcd", "news", "nomiracl"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--start", type=Path)
    arguments = parser.parse_args()
    settings = Settings()
    torch.manual_seed(settings.seed)
    found = [
        sets.squad(arguments.cmrc),
        sets.squad(arguments.drcd, skip=settings.held_out, more=sets.MORE),
        sets.news(arguments.news, skip=settings.held_out_news),
        sets.nomiracl(arguments.nomiracl, skip=settings.held_out_encyclopedia),
    ]
    arguments.work.mkdir(parents=True, exist_ok=True)
    base, _ = weights.base()
    vocabulary = weights.vocabulary(base, _corpus(found))
    tokenizer, transformer = weights.pruned(base, vocabulary)
    network = ReaderNetwork(transformer)
    if arguments.start:
        weights.take_over(network, arguments.start)
    run = _Run(network, tokenizer, settings, arguments.work / "checkpoint.pt")
    # Their few texts are no measure of how often a piece is met.
    found.append(sets.invented())
    run.train(Examples(found, settings))
    print(weights.write(run.network, vocabulary, arguments.work))  # noqa: T201


def _corpus(found: Sequence[sets.QuestionSet]) -> Iterator[str]:
    for one in found:
        yield from (f"{text.title}\n{text.body}" for text in one.texts)
        yield from (asked.question for asked in one.asked)


class _Run:
    """A network on its way through the epochs."""

    def __init__(
        self, network: ReaderNetwork, tokenizer: Tokenizer, settings: Settings, file: Path
    ) -> None:
        self.network = network
        self._tokenizer = tokenizer
        self._settings = settings
        self._file = file
        network.transformer.embeddings.word_embeddings.weight.requires_grad = False
        learned = [parameter for parameter in network.parameters() if parameter.requires_grad]
        self._optimiser = torch.optim.AdamW(
            learned, lr=0.0, weight_decay=settings.weight_decay, fused=True
        )
        self._epoch, self._step = 0, 0

    def train(self, examples: Examples) -> None:
        """Go through the epochs that are left."""
        self._resume()
        # Attention without dropout, which triples the time of a step on a CPU.
        self.network.eval()
        layers: Any = self.network.transformer.encoder.layer
        for layer in layers:
            layer.attention.output.dropout = layer.output.dropout = _Dropout(self._settings.dropout)
        saved = time.monotonic()
        for epoch in range(self._epoch, self._settings.epochs):
            batches = self._batches(examples.epoch(epoch), epoch)
            mean, started = 0.0, time.monotonic()
            for step in range(self._step, len(batches)):
                progress = (epoch + step / len(batches)) / self._settings.epochs
                loss = self._learn(batches[step], progress)
                mean = 0.98 * mean + 0.02 * loss if mean else loss
                if step % 50 == 0:
                    took = (time.monotonic() - started) / (step - self._step + 1)
                    print(  # noqa: T201
                        f"epoch {epoch} step {step}/{len(batches)} loss {mean:.3f} {took:.2f} s",
                        flush=True,
                    )
                if time.monotonic() - saved > _CHECKPOINT_SECONDS:
                    self._save(epoch, step + 1)
                    saved = time.monotonic()
            self._step = 0
            self._save(epoch + 1, 0)

    def _save(self, epoch: int, step: int) -> None:
        state = {
            "settings": asdict(self._settings),
            "network": self.network.state_dict(),
            "optimiser": self._optimiser.state_dict(),
            "epoch": epoch,
            "step": step,
        }
        aside = self._file.with_suffix(".new")
        torch.save(state, aside)
        aside.replace(self._file)

    def _resume(self) -> None:
        if self._file.exists():
            state: dict[str, Any] = torch.load(self._file, weights_only=True)
            if state["settings"] != asdict(self._settings):
                raise SystemExit(f"{self._file} was made with other settings")
            self.network.load_state_dict(state["network"])
            self._optimiser.load_state_dict(state["optimiser"])
            self._epoch, self._step = state["epoch"], state["step"]

    def _batches(self, examples: list[Example], epoch: int) -> list[list[_Target]]:
        """Pairs of like lengths together, some ``batch_tokens`` a batch, in random order."""
        chance = random.Random(f"{self._settings.seed} {epoch} order")  # noqa: S311
        pairs = [target for one in examples if (target := _target(self._tokenizer, one))]
        chance.shuffle(pairs)
        batches: list[list[_Target]] = []
        for start in range(0, len(pairs), 1024):
            batch: list[_Target] = []
            for one in sorted(pairs[start : start + 1024], key=lambda p: len(p.pair.ids)):
                if batch and (len(batch) + 1) * len(one.pair.ids) > self._settings.batch_tokens:
                    batches.append(batch)
                    batch = []
                batch.append(one)
            batches.append(batch)
        chance.shuffle(batches)
        return batches

    def _learn(self, batch: Sequence[_Target], progress: float) -> float:
        settings = self._settings
        rise, fall = progress / settings.warmup, (1 - progress) / (1 - settings.warmup)
        for group in self._optimiser.param_groups:
            group["lr"] = settings.learning_rate * min(rise, fall)
        loss = self._loss(batch)
        self._optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), settings.clip)
        self._optimiser.step()
        return loss.item()

    def _loss(self, batch: Sequence[_Target]) -> torch.Tensor:
        ids, mask, allowed, targets, bounds, verdicts = _tensors(batch)
        blanked = (torch.rand(ids.shape) < self._settings.blanked) & (ids > UNKNOWN)
        ids = ids.masked_fill(blanked, UNKNOWN)
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=_AMX):
            span, verdict = self.network(ids, mask)
        span, verdict = span.float(), verdict.float()
        losses = []
        for side in range(2):
            logits = span[:, :, 2 * side : 2 * side + 2].flatten(1)
            logits = logits.masked_fill(~allowed, -1e4)
            missed = torch.nn.functional.cross_entropy(logits, targets[:, side], reduction="none")
            losses.append((missed * bounds).sum() / bounds.sum().clamp(min=1))
        known = (verdicts != _IGNORED).float()
        judged = torch.nn.functional.binary_cross_entropy_with_logits(
            verdict, verdicts.clamp(min=0), reduction="none"
        )
        judged = (judged * known).sum(0) / known.sum(0).clamp(min=1)
        settings = self._settings
        return (
            (losses[0] + losses[1]) / 2
            + settings.relevant_weight * judged[0]
            + settings.answers_weight * judged[1]
        )


class _Dropout(torch.nn.Module):
    """Dropout with one random byte a value: a fifth of the time of torch's on a CPU."""

    def __init__(self, share: float) -> None:
        super().__init__()
        self._below = round(256 * share)

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        """``hidden``, some of its values 0 and the others larger."""
        words = torch.randint(-(2**31), 2**31, (-(-hidden.numel() // 4),), dtype=torch.int32)
        drawn = words.view(torch.uint8)[: hidden.numel()].view(hidden.shape)
        return hidden * (drawn >= self._below) * (256 / (256 - self._below))


class _Target:
    """A pair with what is to be learnt from it: places are ``2 * token + character``."""

    def __init__(
        self, read: Pair, starts: list[int], ends: list[int], relevant: float, *, bounds: bool
    ) -> None:
        self.pair = read
        self.starts = starts
        self.ends = ends
        self.relevant = relevant
        self.bounds = bounds


def _target(tokenizer: Tokenizer, example: Example) -> _Target | None:
    """None where an answer stands beyond what is read."""
    read = pair(tokenizer, example.question, example.above, example.passage)
    starts, ends = [], []
    for start, end in example.spans:
        begins = [i for i, (a, b) in enumerate(read.places) if a <= start < b]
        finishes = [i for i, (a, b) in enumerate(read.places) if a < end <= b]
        if not begins or not finishes:
            return None
        begin, finish = begins[0], finishes[-1]
        starts.append(2 * (read.first + begin) + min(1, start - read.places[begin][0]))
        ends.append(2 * (read.first + finish) + min(1, read.places[finish][1] - end))
    relevant = _IGNORED if example.relevant is None else float(example.relevant)
    return _Target(read, starts, ends, relevant, bounds=example.bounds)


def _tensors(batch: Sequence[_Target]) -> tuple[torch.Tensor, ...]:
    """Ids, mask, allowed places, their probabilities, whether to learn them, and the verdicts."""
    # Few different shapes: each costs the libraries below a new plan.
    length = -(-max(len(one.pair.ids) for one in batch) // 16) * 16
    ids = np.full((len(batch), length), PAD, np.int64)
    mask = np.zeros((len(batch), length), np.int64)
    allowed = np.zeros((len(batch), 2 * length), bool)
    targets = np.zeros((len(batch), 2, 2 * length), np.float32)
    bounds = np.array([one.bounds for one in batch], np.float32)
    verdicts = np.zeros((len(batch), 2), np.float32)
    allowed[:, 0] = True
    for row, one in enumerate(batch):
        ids[row, : len(one.pair.ids)] = one.pair.ids
        mask[row, : len(one.pair.ids)] = 1
        for number, (start, end) in enumerate(one.pair.places, one.pair.first):
            allowed[row, 2 * number] = end > start
            allowed[row, 2 * number + 1] = end > start + 1
        for side, places in enumerate((one.starts or [0], one.ends or [0])):
            for place in places:
                targets[row, side, place] += 1 / len(places)
        verdicts[row] = one.relevant, bool(one.starts)
    return tuple(torch.from_numpy(one) for one in (ids, mask, allowed, targets, bounds, verdicts))


if __name__ == "__main__":
    main()
