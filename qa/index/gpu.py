"""Passages in, vectors out of a graphics card, by the model itself, where torch sees a card."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from qa.errors import ModelError
from qa.index import sources
from qa.index.prepared import DEFAULT_MODEL
from qa.types import Progress, Vectors

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

_BATCH = 128


class CardEncoder:
    """Embeds passages with a sentence-transformers model on a device."""

    def __init__(self, model: SentenceTransformer) -> None:
        self._model = model

    def encode_passages(self, texts: Sequence[str], progress: Progress | None = None) -> Vectors:
        """See ``Encoder.encode_passages``."""
        vectors: Vectors = self._model.encode_document(
            list(texts), batch_size=_BATCH, normalize_embeddings=True, show_progress_bar=False
        )
        if progress:
            progress("编码", len(texts), len(texts))
        return vectors.astype(np.float32)


def card_encoder(name: str) -> CardEncoder | None:
    """The model on the graphics card; None where there is no card, or it cannot be loaded again.

    Args:
        name: The model, as ``Encoder.name``.
    """
    # To import torch takes seconds, which are lost where there is no card for certain.
    if not any(Path("/dev").glob("nvidia[0-9]*")) and not shutil.which("nvidia-smi"):
        return None
    import torch

    return loaded(name, "cuda") if torch.cuda.is_available() else None


def loaded(name: str, device: str) -> CardEncoder | None:
    """The model on a device, in half precision on a card; None where it cannot be loaded."""
    with suppress(ModelError):
        for source in sources.candidates(None if name == DEFAULT_MODEL else name):
            try:
                with sources.quiet():
                    model = source.load()
            except Exception:  # noqa: BLE001, S112 - the next source may do; else the processor
                continue
            sources.set_prompts(model, source.name)
            model = model.to(device)
            return CardEncoder(model.half() if device != "cpu" else model)
    return None
