"""A SentenceTransformer → one ONNX graph: token ids in, unit vectors out.

The graph has no mask: the texts of a batch have the same number of tokens, so that nothing is
filled up, no time goes into what is not read, and no row depends on its neighbours.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from qa.index.prepared import INPUT, OUTPUT

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

_OPSET = 17
_TOKEN = 5
"""Any that is not special."""
AXES = {0: "batch", 1: "length"}
"""Names of the axes of the input."""


class _Pipeline(torch.nn.Module):
    """A model's own modules, one after another, and length 1 whether they see to it or not."""

    def __init__(self, model: SentenceTransformer) -> None:
        super().__init__()
        self.modules_in_order = torch.nn.ModuleList(model)

    def forward(self, input_ids: torch.Tensor) -> torch.Tensor:
        transformer, *others = self.modules_in_order
        features: dict[str, Any] = transformer({"input_ids": input_ids})
        # For pooling.
        features["attention_mask"] = torch.ones_like(input_ids)
        for module in others:
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
    trace(_Pipeline(model), axes, path)


def trace(network: torch.nn.Module, outputs: dict[str, dict[int, str]], path: Path) -> None:
    """Trace a network that takes token ids, for any batch and any length.

    Args:
        network: In float32.
        outputs: Its outputs in order, each with names for the axes that vary.
        path: The ONNX file to write.
    """
    ids = torch.full((2, 7), _TOKEN, dtype=torch.int64)
    with torch.no_grad():
        torch.onnx.export(
            network.eval(),
            (ids,),
            str(path),
            input_names=[INPUT],
            output_names=list(outputs),
            dynamic_axes={INPUT: AXES, **outputs},
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
