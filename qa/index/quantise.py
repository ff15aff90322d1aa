"""A float32 ONNX graph → one that multiplies 8-bit integers, a row of activations at a time.

ONNX Runtime's own dynamic quantisation gives a whole batch one scale, so that a text's vector
depends on its neighbours (cosine .9974 between alone and in a batch of 8) and a few large
activations blur all others (cosine to float32 .9978 in the mean, .9957 at least). Here each row,
one token of one text, has its own scale: neighbours change nothing (.999999).

Weights are 8-bit with a scale a column, embeddings 8-bit with a scale a row. Where samples are
given to learn from, what a few channels are larger by is moved from the activations into the
weights (SmoothQuant: Xiao et al. 2022, arXiv:2211.10438), activations that are hardly ever below
0 use the integers for what is above, and errors of the weights make up for each other. The default
model's cosine to float32 of the same vocabulary, 4,526 questions and 1,256 contexts of CMRC trial
and DRCD dev (as against the original: ``python -m tests.bench.speed DATA WORK ranking``):

    plain           questions .9989 in the mean, .9983 at least; contexts .9991, .9985
    with samples              .9998              .9994                    .9997, .9996

A passage takes no longer for it, a question 5 %.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from qa.index.rounding import compensated, plain

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from onnx import GraphProto, ModelProto, NodeProto, TensorProto

# Processors without VNNI add pairs of products in 16 bits: 2 * 255 * 64 is the most that fits, so
# that weights within ±64 give the same integers everywhere.
WEIGHT_LIMIT = 64
"""Largest integer of a weight."""
_EMBEDDING_LIMIT = 127
_HIGHEST = 255
"""Largest integer of an activation."""
_MIDDLE = 128
"""Integer that stands for 0."""
_LOW = 16
"""The same where next to nothing is below 0."""
_LEAST = 1e-5
"""Least value of a channel that something is learnt from."""
# Smaller tables, of positions or types, stay as they are.
_MIN_ROWS = 1000


def quantise(
    source: Path, target: Path, samples: Sequence[Mapping[str, NDArray[np.int64]]] = ()
) -> None:
    """Quantise the matrix products with constant weights, and the embeddings, of a model.

    Args:
        source: An ONNX model of opset 13 to 17, float32.
        target: File to write; its weights go to ``<target>.data``.
        samples: Inputs of the model that it is to be good at, by name. None where its weights are
            integers times a scale a column already: they stay the same.
    """
    import onnx
    from threadpoolctl import threadpool_limits

    model = onnx.load(str(source))
    quantiser = _Quantiser(model.graph)
    if samples and (names := quantiser.alone()):
        quantiser.seen = _seen(source, names, samples)
    with threadpool_limits(1):  # On a busy machine, threads that wait for each other crawl.
        quantiser.rewrite()
    model.opset_import.append(onnx.helper.make_opsetid("com.microsoft", 1))
    _save(model, target)


def _save(model: ModelProto, target: Path) -> None:
    import onnx

    onnx.save(
        model,
        str(target),
        save_as_external_data=True,
        location=f"{target.name}.data",
        size_threshold=1024,
    )


def _seen(
    source: Path, names: Sequence[str], samples: Sequence[Mapping[str, NDArray[np.int64]]]
) -> dict[str, NDArray[np.float32]]:
    """The rows that come into products, by name, when a model reads the samples."""
    import onnx
    import onnxruntime

    model = onnx.load(str(source))
    outputs = {output.name for output in model.graph.output}
    model.graph.output.extend(
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None)
        for name in names
        if name not in outputs
    )
    path = source.with_name("seen.onnx")
    _save(model, path)
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    seen: dict[str, list[NDArray[np.float32]]] = {name: [] for name in names}
    for sample in samples:
        found: list[Any] = session.run(names, dict(sample))
        for name, values in zip(names, found, strict=True):
            seen[name].append(values.reshape(-1, values.shape[-1]))
    return {name: np.concatenate(rows) for name, rows in seen.items()}


class _Quantiser:
    """Rewrites one graph in place.

    Attributes:
        last: The last matrix that something is multiplied with.
        normalised: What comes out of a layer normalisation: there, few channels are far larger.
        seen: Rows that came in when samples were read, by input.
    """

    def __init__(self, graph: GraphProto) -> None:
        self.graph = graph
        self.constants = {constant.name: constant for constant in graph.initializer}
        self.nodes: list[NodeProto] = []
        self.added: dict[str, TensorProto] = {}
        self.activations: dict[str, tuple[str, str]] = {}
        self.normalised = {n.output[0] for n in graph.node if n.op_type == "LayerNormalization"}
        self.last = {n.input[0]: n.input[1] for n in graph.node if self._is_product(n)}
        self.seen: dict[str, NDArray[np.float32]] = {}

    def alone(self) -> list[str]:
        """What is multiplied with matrices that nothing else is multiplied with."""
        products: dict[str, set[str]] = {}
        for node in filter(self._is_product, self.graph.node):
            products.setdefault(node.input[1], set()).add(node.input[0])
        shared = {x for inputs in products.values() if len(inputs) > 1 for x in inputs}
        return list(dict.fromkeys(x for inputs in products.values() for x in inputs - shared))

    def rewrite(self) -> None:
        """Put integers in the place of every product with, and lookup in, a constant matrix."""
        for node in self.graph.node:
            if self._is_product(node):
                self._product(node.input[0], node.input[1], node.output[0])
            elif node.op_type == "Gather" and self._is_matrix(node.input[0], _MIN_ROWS):
                self._lookup(node.input[0], node.input[1], node.output[0])
            else:
                self.nodes.append(node)
        used = {name for node in self.nodes for name in node.input}
        used |= {output.name for output in self.graph.output}
        constants = [c for c in (*self.constants.values(), *self.added.values()) if c.name in used]
        del self.graph.node[:], self.graph.initializer[:]
        self.graph.node.extend(self.nodes)
        self.graph.initializer.extend(constants)

    def _is_matrix(self, name: str, rows: int = 0) -> bool:
        constant = self.constants.get(name)
        return (
            constant is not None
            and constant.data_type == 1  # float32
            and len(constant.dims) == 2
            and constant.dims[0] >= rows
        )

    def _is_product(self, node: NodeProto) -> bool:
        return node.op_type == "MatMul" and self._is_matrix(node.input[1])

    def _product(self, x: str, weights: str, output: str) -> None:
        """``x @ weights``: integers, times the scales of the columns, times those of the rows."""
        from onnx import numpy_helper

        matrix = numpy_helper.to_array(self.constants[weights])
        seen = self.seen.get(x)
        zero = _MIDDLE
        if seen is None:
            integers, scales = plain(matrix, 0, WEIGHT_LIMIT)
        else:
            if x in self.normalised:
                share = self._share(x, seen)
                seen, matrix = seen / share, matrix * share[:, None]
                x = self._smooth(x, share)
            elif -seen.min() < seen.max() * _LOW / (_HIGHEST - _LOW):  # Behind a GELU or a ReLU.
                zero = _LOW
            integers, scales = compensated(matrix, seen, WEIGHT_LIMIT)
        rows, row_scales = self._activation(x, zero)
        names = (
            self._constant(f"{weights}:int8", integers),
            self._constant("quantise:one", np.float32(1)),
            self._constant(f"{weights}:scale", scales.reshape(-1)),
            self._constant(f"quantise:{zero}", np.uint8(zero)),
        )
        product = f"{output}:product"
        self._node("MatMulIntegerToFloat", [rows, *names], product, domain="com.microsoft")
        self._node("Mul", [product, row_scales], output)

    def _share(self, x: str, seen: NDArray[np.float32]) -> NDArray[np.float32]:
        """What to move from each channel of ``x`` into its weights, so that both are as wide.

        Of several matrices, the last counts: in attention that of the values, whose errors no
        softmax evens out (1 - cosine of questions .0003 instead of .0004).
        """
        from onnx import numpy_helper

        matrix = numpy_helper.to_array(self.constants[self.last[x]])
        wide = np.maximum(np.abs(seen).max(axis=0), _LEAST)
        share: NDArray[np.float32] = np.sqrt(wide / np.maximum(np.abs(matrix).max(axis=1), _LEAST))
        return share

    def _smooth(self, x: str, share: NDArray[np.float32]) -> str:
        """``x`` without what is moved into the weights."""
        name = f"{x}:share"
        if name not in self.added:
            self._node("Mul", [x, self._constant(name, 1 / share)], f"{x}:smooth")
        return f"{x}:smooth"

    def _activation(self, x: str, zero: int) -> tuple[str, str]:
        """``x``, shape (…, width), as uint8 around ``zero``, and each row's scale, (…, 1)."""
        if x in self.activations:
            return self.activations[x]
        above = self._constant(f"quantise:above {zero}", np.float32(1 / (_HIGHEST - zero)))
        below = self._constant(f"quantise:below {zero}", np.float32(-1 / zero))
        least = self._constant("quantise:least", np.float32(1e-12))
        one = self._constant("quantise:one", np.float32(1))
        name = f"{x}:"
        self._node("ReduceMax", [x], name + "max", axes=[-1], keepdims=1)
        self._node("ReduceMin", [x], name + "min", axes=[-1], keepdims=1)
        self._node("Mul", [name + "max", above], name + "above")
        self._node("Mul", [name + "min", below], name + "below")
        self._node("Max", [name + "above", name + "below", least], name + "scale")
        self._node("Reciprocal", [name + "scale"], name + "step")
        self._node("Mul", [x, name + "step"], name + "unit")
        zeros = self._constant(f"quantise:{zero}", np.uint8(zero))
        self._node("QuantizeLinear", [name + "unit", one, zeros], name + "uint8")
        self.activations[x] = name + "uint8", name + "scale"
        return self.activations[x]

    def _lookup(self, table: str, ids: str, output: str) -> None:
        """``table[ids]``: the rows' integers, times the rows' scales."""
        from onnx import numpy_helper

        integers, scales = plain(numpy_helper.to_array(self.constants[table]), 1, _EMBEDDING_LIMIT)
        rows = self._constant(f"{table}:int8", integers)
        row_scales = self._constant(f"{table}:scale", scales)
        self._node("Gather", [rows, ids], f"{output}:int8")
        self._node("Cast", [f"{output}:int8"], f"{output}:float", to=1)
        self._node("Gather", [row_scales, ids], f"{output}:scale")
        self._node("Mul", [f"{output}:float", f"{output}:scale"], output)

    def _constant(self, name: str, value: NDArray[np.generic] | np.generic) -> str:
        from onnx import numpy_helper

        if name not in self.added:
            self.added[name] = numpy_helper.from_array(np.asarray(value), name)
        return name

    def _node(
        self,
        kind: str,
        inputs: list[str],
        output: str,
        domain: str = "",
        **settings: int | list[int],
    ) -> None:
        from onnx import helper

        node = helper.make_node(kind, inputs, [output], name=output, domain=domain)
        node.attribute.extend(helper.make_attribute(*setting) for setting in settings.items())
        self.nodes.append(node)
