"""A prepared model's folder → vectors of questions and of passages, without torch."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from qa.errors import ModelError
from qa.index.pieces import Pieces
from qa.index.prepared import (
    ADVICE,
    INPUT,
    MODEL_FILE,
    OUTPUT,
    PIECES_FILE,
    TOKENIZER_FILE,
    Manifest,
)
from qa.types import Progress, Vectors

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from onnxruntime import InferenceSession
    from tokenizers import Tokenizer

# Texts that are tokenised, and sorted by length, together: an encoding takes some 20 KB.
_CHUNK = 1024
# Tokens of one run of the model; more of them bring nothing.
_BATCH_TOKENS = 256


class Encoder:
    """Embeds texts with a prepared model; safe to use from several threads.

    Attributes:
        manifest: What the folder says of itself.
    """

    def __init__(self, manifest: Manifest, tokens: _Tokens, session: InferenceSession) -> None:
        self.manifest = manifest
        self._tokens = tokens
        self._session = session

    @classmethod
    def open(cls, folder: Path, *, once: bool = False) -> Encoder:
        """Open a folder that qa.index.prepare wrote.

        Args:
            folder: Of the prepared model.
            once: See ``open_session``.

        Raises:
            ModelError: There is no prepared model, or it is damaged or of another version.
        """
        manifest = Manifest.read(folder)
        with ThreadPoolExecutor(1) as background:
            session = background.submit(open_session, folder / MODEL_FILE, once=once)
            return cls(manifest, _Tokens(folder, manifest), session.result())

    @property
    def name(self) -> str:
        """The model as the user named it."""
        return self.manifest.name

    @property
    def key(self) -> str:
        """Identity of the model: an index can be searched with the one it was made with."""
        return self.manifest.key

    @property
    def dimension(self) -> int:
        """Length of a vector."""
        return self.manifest.dimension

    @property
    def max_length(self) -> int:
        """Tokens that are read of a text, special ones and the prompt included."""
        return self.manifest.max_length

    def encode_queries(self, texts: Sequence[str]) -> Vectors:
        """Embed questions.

        Returns:
            Shape (len(texts), dimension), each row of length 1, in the order of the texts.
        """
        prompt = self.manifest.prompts["query"]
        return np.concatenate(
            [np.empty((0, self.dimension), np.float32)]
            + [self._run([self._tokens.of_question(text, prompt)]) for text in texts]
        )

    def encode_passages(self, texts: Sequence[str], progress: Progress | None = None) -> Vectors:
        """Embed passages; what goes beyond ``max_length`` tokens is not read.

        Args:
            texts: The passages.
            progress: Told how many of them are done, as stage 编码.

        Returns:
            Shape (len(texts), dimension), each row of length 1, in the order of the texts.
        """
        return self._encode(texts, self.manifest.prompts["passage"], progress)

    def _encode(self, texts: Sequence[str], prompt: str, progress: Progress | None) -> Vectors:
        vectors = np.empty((len(texts), self.dimension), np.float32)
        done = 0
        with ThreadPoolExecutor(cores()) as workers:
            for start in range(0, len(texts), _CHUNK):
                tokens = self._tokens.of(texts[start : start + _CHUNK], prompt)
                batches = list(_batches([len(ids) for ids in tokens]))
                inputs = ([tokens[number] for number in batch] for batch in batches)
                for batch, found in zip(batches, workers.map(self._run, inputs), strict=True):
                    vectors[[start + number for number in batch]] = found
                    done += len(batch)
                    if progress is not None:
                        progress("编码", done, len(texts))
        return vectors

    def _run(self, tokens: Sequence[Sequence[int]]) -> Vectors:
        """The vectors of texts that have the same number of tokens."""
        if not tokens[0]:  # An empty text, where there is no prompt and nothing is put around it.
            return np.zeros((len(tokens), self.dimension), np.float32)
        outputs: list[Any] = self._session.run([OUTPUT], {INPUT: np.array(tokens, np.int64)})
        vectors: NDArray[np.float32] = outputs[0]
        return vectors


class _Tokens:
    """Cuts texts into tokens; a question without reading the vocabulary, where that can be."""

    def __init__(self, folder: Path, manifest: Manifest) -> None:
        self._file = folder / TOKENIZER_FILE
        self._most = manifest.max_length
        has_pieces = PIECES_FILE in manifest.files
        self._pieces = Pieces(folder / PIECES_FILE) if has_pieces else None

    @cached_property
    def _tokenizer(self) -> Tokenizer:
        tokenizer = open_tokenizer(self._file)
        tokenizer.enable_truncation(self._most)
        return tokenizer

    def of_question(self, text: str, prompt: str) -> list[int]:
        """Ids of the tokens of a question, with the prompt before it, cut at the maximum."""
        if self._pieces is None:
            return self.of([text], prompt)[0]
        return self._pieces.encode(prompt + whole(text), most=self._most).ids

    def of(self, texts: Sequence[str], prompt: str) -> list[list[int]]:
        """Ids of the tokens of each text, with the prompt before it, cut at the maximum."""
        encodings = self._tokenizer.encode_batch_fast([prompt + whole(text) for text in texts])
        return [encoding.ids for encoding in encodings]


def whole(text: str) -> str:
    """A lone surrogate, as from a command line that is not UTF-8, becomes a question mark."""
    return text.encode("utf-8", "replace").decode()


def _batches(lengths: Sequence[int]) -> Iterator[list[int]]:
    """Group texts of the same length (tokens): their numbers, _BATCH_TOKENS tokens at most."""
    batch: list[int] = []
    for number in sorted(range(len(lengths)), key=lengths.__getitem__):
        length = lengths[number]
        if batch and (lengths[batch[0]] != length or (len(batch) + 1) * length > _BATCH_TOKENS):
            yield batch
            batch = []
        batch.append(number)
    if batch:
        yield batch


def open_tokenizer(path: Path) -> Tokenizer:
    """Open a tokenizer that neither pads nor cuts.

    Raises:
        ModelError: The file is missing or damaged.
    """
    from tokenizers import Tokenizer

    try:
        # Twice as fast as from_file, which reads byte by byte.
        tokenizer = Tokenizer.from_str(path.read_text(encoding="utf-8"))
    except Exception as error:
        raise ModelError(f"分词器文件已损坏:{path}({error})", ADVICE) from error
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer


def import_runtime() -> None:
    """Import ONNX Runtime now, so that models can be opened at once when others ask for it."""
    import onnxruntime  # noqa: F401


def open_session(path: Path, *, once: bool = False) -> InferenceSession:
    """Open a graph that was optimised when it was prepared, for runs on one core each.

    Two cores make one run 9 % faster, and two runs side by side 84 %.

    Args:
        path: The graph; its weights lie beside it.
        once: Whether it is for a single question. Bringing the weights into the order in which
            they are multiplied takes half of the time to open, and makes runs a tenth faster.

    Raises:
        ModelError: The file, or that of its weights, is missing or damaged.
    """
    import onnxruntime

    onnxruntime.disable_telemetry_events()
    onnxruntime.set_default_logger_severity(3)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    # The graph was optimised when it was prepared.
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    # Planning which buffers can be shared takes longer (150 ms) than everything else here.
    options.enable_mem_reuse = False
    if once:
        options.add_session_config_entry("session.disable_prepacking", "1")
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise ModelError(f"模型无法打开:{path}({error})", ADVICE) from error


def cores() -> int:
    """Processor cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
