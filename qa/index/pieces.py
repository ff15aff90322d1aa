"""A tokenizer in JSON → its pieces in SQLite → for a text a small one that cuts it the same.

To read 100,000 pieces takes longer than to answer a question. A Unigram tokenizer cuts a text into
pieces that stand in it: one that knows only these, and the least likely piece, by which the cost of
an unknown character is set, cuts it in the same way.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qa.errors import ModelError
from qa.index.prepared import ADVICE
from qa.types import Span

_SCHEMA = """
CREATE TABLE pieces (
    piece TEXT PRIMARY KEY, id INTEGER NOT NULL, score REAL NOT NULL
) WITHOUT ROWID;
CREATE TABLE frame (tokenizer TEXT NOT NULL, ids TEXT NOT NULL, longest INTEGER NOT NULL);
"""
_MOST_SPECIAL = 100
"""Special tokens; where they are numbered higher, they do not come first."""


def write(tokenizer: str, path: Path) -> bool:
    """Write the pieces of a tokenizer to a new database.

    Args:
        tokenizer: In the JSON form of the tokenizers library.
        path: The database.

    Returns:
        Whether it was: False for all but Unigram tokenizers whose special tokens come first.
    """
    content = json.loads(tokenizer)
    if content["model"]["type"] != "Unigram" or content["model"].get("byte_fallback"):
        return False
    vocabulary = content["model"]["vocab"]
    special = 1 + max(content["model"]["unk_id"], *(one["id"] for one in content["added_tokens"]))
    if special > min(_MOST_SPECIAL, len(vocabulary)):
        return False
    least = min(range(len(vocabulary)), key=lambda number: vocabulary[number][1])
    ids = [*range(special), *([least] if least >= special else [])]
    content["model"]["vocab"] = [vocabulary[number] for number in ids]
    content["truncation"] = content["padding"] = None
    connection = sqlite3.connect(path)
    with connection:
        connection.executescript(_SCHEMA)
        connection.executemany(
            "INSERT INTO pieces VALUES (?, ?, ?)",
            ((piece, number, score) for number, (piece, score) in enumerate(vocabulary)),
        )
        longest = max(len(piece) for piece, _ in vocabulary)
        frame = json.dumps(content), json.dumps(ids), longest
        connection.execute("INSERT INTO frame VALUES (?, ?, ?)", frame)
    connection.close()
    return True


@dataclass(frozen=True, slots=True)
class Encoded:
    """A text in tokens: their ids, and the characters that each stands for."""

    ids: list[int]
    offsets: list[Span]


class Pieces:
    """Cuts texts with the pieces that ``write`` wrote; safe to use from several threads."""

    def __init__(self, path: Path) -> None:
        from tokenizers import Tokenizer

        try:
            self._connection = sqlite3.connect(
                f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True, check_same_thread=False
            )
            frame, ids, self._longest = self._connection.execute("SELECT * FROM frame").fetchone()
            self._content: dict[str, Any] = json.loads(frame)
            self._ids: list[int] = json.loads(ids)
            self._frame = Tokenizer.from_str(frame)
        except Exception as error:
            raise ModelError(f"分词器文件已损坏:{path}({error})", ADVICE) from error
        self._lock = threading.Lock()

    def encode(
        self, text: str, *, add_special_tokens: bool = True, most: int | None = None
    ) -> Encoded:
        """Cut a text.

        Args:
            text: Without unpaired surrogates.
            add_special_tokens: Those that the model wants around it.
            most: Tokens after which it is cut off.
        """
        from tokenizers import Tokenizer

        frame = self._content["model"]
        known = {piece for piece, _ in frame["vocab"]}
        found = [row for row in self._found(self._normal(text)) if row[0] not in known]
        vocabulary = [*frame["vocab"], *([piece, score] for piece, _, score in found)]
        content = {**self._content, "model": {**frame, "vocab": vocabulary}}
        tokenizer = Tokenizer.from_str(json.dumps(content))
        if most:
            tokenizer.enable_truncation(most)
        ids = [*self._ids, *(number for _, number, _ in found)]
        encoding = tokenizer.encode(text, add_special_tokens=add_special_tokens)
        return Encoded([ids[number] for number in encoding.ids], encoding.offsets)

    def _normal(self, text: str) -> list[str]:
        """A text as the model reads it, in the parts that no piece goes beyond."""
        normalizer, before = self._frame.normalizer, self._frame.pre_tokenizer
        normal = normalizer.normalize_str(text) if normalizer else text
        return [part for part, _ in before.pre_tokenize_str(normal)] if before else [normal]

    def _found(self, parts: list[str]) -> list[tuple[str, int, float]]:
        candidates = {
            part[start : start + length]
            for part in parts
            for start in range(len(part))
            for length in range(1, self._longest + 1)
        }
        with self._lock:
            return self._connection.execute(
                "SELECT piece, p.id, score FROM json_each(?) JOIN pieces p ON piece = value"
                " ORDER BY p.id",
                (json.dumps(list(candidates)),),
            ).fetchall()
