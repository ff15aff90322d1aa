"""A SentenceTransformer → one ONNX graph: token ids and mask in, unit vectors out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from qa.index.prepared import INPUTS, OUTPUT

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

_OPSET = 17
AXES = {0: "batch", 1: "length"}
"""Names of the axes of the inputs."""


class _Pipeline(torch.nn.Module):
    """A model's own modules, one after another, and length 1 whether they see to it or not."""

    def __init__(self, model: SentenceTransformer) -> None:
        super().__init__()
        self.modules_in_order = torch.nn.ModuleList(model)

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        features: dict[str, Any] = {"input_ids": input_ids, "attention_mask": attention_mask}
        for module in self.modules_in_order:
            features = module(features)
        return torch.nn.functional.normalize(features["sentence_embedding"], dim=-1)


def export(model: SentenceTransformer, path: Path) -> None:
    """Trace a model's modules and write them as float32 ONNX, for any batch and any length.

    Traced by TorchScript: torch.export's graph gives the input and the output of a normalisation
    the same name, which ONNX Runtime refuses, takes three times as long and needs onnxscript.

    Raises:
        Exception: Whatever the modules, or the exporter, raise where they cannot be traced.
    """
    axes = {OUTPUT: {0: "batch"}}
    trace(_Pipeline(model), model.tokenizer.pad_token_id or 0, axes, path)


def trace(
    network: torch.nn.Module, pad_id: int, outputs: dict[str, dict[int, str]], path: Path
) -> None:
    """Trace a network that takes token ids and their mask, for any batch and any length.

    Args:
        network: In float32.
        pad_id: Token that fills a batch up.
        outputs: Its outputs in order, each with names for the axes that vary.
        path: The ONNX file to write.
    """
    ids = torch.full((2, 7), pad_id + 4, dtype=torch.int64)
    mask = torch.ones_like(ids)
    ids[1, 5:], mask[1, 5:] = pad_id, 0
    with torch.no_grad():
        torch.onnx.export(
            network.eval(),
            (ids, mask),
            str(path),
            input_names=list(INPUTS),
            output_names=list(outputs),
            dynamic_axes={**dict.fromkeys(INPUTS, AXES), **outputs},
            opset_version=_OPSET,
            dynamo=False,
        )


def optimise(source: Path, target: Path) -> None:
    """Fuse a model's nodes ahead of time, and write its weights beside it, to be memory-mapped.

    Level EXTENDED: what comes after it, ALL, lays data out for the processor at hand.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    options.optimized_model_filepath = str(target)
    prefix = "session.optimized_model_external_initializers_"
    options.add_session_config_entry(prefix + "file_name", f"{target.name}.data")
    options.add_session_config_entry(prefix + "min_size_in_bytes", "1024")
    onnxruntime.InferenceSession(str(source), options, providers=["CPUExecutionProvider"])
