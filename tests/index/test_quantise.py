"""Integers stand for floats: the products stay, more so where samples show what comes in."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import helper, numpy_helper

from qa.index import quantise
from qa.index.quantise import WEIGHT_LIMIT
from qa.index.rounding import compensated, plain

WIDTH, WORDS = 32, 1200


def correlated(many, width, seed):
    """Rows whose channels go together, a few of them far larger than the others."""
    chance = np.random.default_rng(seed)
    rows = chance.normal(size=(many, width // 4)) @ chance.normal(size=(width // 4, width))
    return (rows * np.where(np.arange(width) % 16 == 3, 20, 1)).astype(np.float32)


def change(rows, matrix, rounded):
    """Mean square of what rounding does to the products."""
    integers, scales = rounded
    return float(np.mean((rows @ (integers * scales) - rows @ matrix) ** 2))


class TestCompensated:
    @pytest.mark.parametrize(
        ("many", "width", "times"), [(500, 48, 1.6), (20, 48, 1.6), (900, 300, 2.4)]
    )
    def test_products_change_less_than_by_plain_rounding(self, many, width, times):
        seen, others = np.split(correlated(2 * many, width, many), 2)
        matrix = np.random.default_rng(1).normal(size=(width, 40)).astype(np.float32)
        rounded = compensated(matrix, seen, 64)
        simple = plain(matrix, 0, 64)
        assert np.array_equal(rounded[1], simple[1])
        for rows in (seen, others):
            assert change(rows, matrix, rounded) < change(rows, matrix, simple) / times

    @settings(deadline=None)
    @given(st.integers(1, 9), st.integers(1, 5), st.integers(1, 7), st.integers(0, 99))
    def test_integers_are_within_the_limit_and_whole_matrices_stay(self, many, rows, columns, seed):
        chance = np.random.default_rng(seed)
        seen = chance.normal(size=(many, rows)).astype(np.float32)
        matrix = chance.normal(size=(rows, columns)).astype(np.float32)
        integers, scales = compensated(matrix, seen, 5)
        assert np.abs(integers).max() <= 5
        again = compensated((integers * scales).astype(np.float32), seen, 5)
        if (np.abs(integers).max(axis=0) == 5).all():
            assert np.array_equal(again[0], integers)

    def test_inputs_that_are_always_0_do_no_harm(self):
        matrix = np.random.default_rng(2).normal(size=(6, 4)).astype(np.float32)
        integers, _ = compensated(matrix, np.zeros((3, 6), np.float32), 64)
        assert np.array_equal(integers, plain(matrix, 0, 64)[0])


@pytest.fixture
def model(tmp_path):
    """Words, their embeddings normalised, two products of those, a ReLU, a product of that."""
    chance = np.random.default_rng(0)

    def constant(name, *shape, scale=1.0):
        return numpy_helper.from_array((chance.normal(size=shape) * scale).astype(np.float32), name)

    gamma = np.where(np.arange(WIDTH) % 16 == 3, 25, 1).astype(np.float32)
    constants = [
        constant("table", WORDS, WIDTH),
        numpy_helper.from_array(gamma, "gamma"),
        constant("beta", WIDTH, scale=0.1),
        constant("first", WIDTH, WIDTH),
        constant("second", WIDTH, WIDTH, scale=0.1),
        constant("third", WIDTH, 8),
    ]
    nodes = [
        helper.make_node("Gather", ["table", "ids"], ["embedded"]),
        helper.make_node("LayerNormalization", ["embedded", "gamma", "beta"], ["even"], axis=-1),
        helper.make_node("MatMul", ["even", "first"], ["a"]),
        helper.make_node("MatMul", ["even", "second"], ["b"]),
        helper.make_node("Relu", ["a"], ["positive"]),
        helper.make_node("MatMul", ["positive", "third"], ["c"]),
    ]
    return tmp_path, constants, nodes


def written(model, outputs=("a", "b", "c")):
    folder, constants, nodes = model
    graph = helper.make_graph(
        nodes,
        "words",
        [helper.make_tensor_value_info("ids", onnx.TensorProto.INT64, ["batch", "length"])],
        [helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None) for name in outputs],
        constants,
    )
    path = folder / "model.onnx"
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(made, str(path))
    return path


def run(path, ids):
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return session.run(None, {"ids": ids})


def samples(count):
    chance = np.random.default_rng(3)
    return [{"ids": chance.integers(0, WORDS, (1, 1 + n % 20))} for n in range(count)]


def errors(path, target):
    """Of each output, the mean square of the difference as a share of what it should be."""
    ids = np.arange(WORDS).reshape(20, -1)
    pairs = zip(run(path, ids), run(target, ids), strict=True)
    return [float(np.mean((right - found) ** 2) / np.mean(right**2)) for right, found in pairs]


def kept(target, name):
    """The floats that the integers of a matrix stand for, what is moved into it taken out."""
    made = onnx.load(str(target))
    found = {c.name: numpy_helper.to_array(c) for c in made.graph.initializer}
    floats = found[f"{name}:int8"] * found[f"{name}:scale"]
    share = found.get(f"{name}:share")
    return floats if share is None else floats * share[:, None]


class TestQuantise:
    def test_outputs_stay(self, model):
        path = written(model)
        quantise.quantise(path, path.with_name("plain.onnx"))
        assert max(errors(path, path.with_name("plain.onnx"))) < 2e-3

    def test_samples_bring_them_closer(self, model):
        path = written(model)
        simple, learnt = path.with_name("plain.onnx"), path.with_name("learnt.onnx")
        quantise.quantise(path, simple)
        quantise.quantise(path, learnt, samples(40))
        a, b, c = (
            more / less
            for less, more in zip(errors(path, learnt), errors(path, simple), strict=True)
        )
        assert min(a, b) > 3
        assert c > 4.7  # It has nothing below 0, too.

    def test_without_samples_integers_times_scales_stay_as_they_are(self, model):
        folder, constants, nodes = model
        chance = np.random.default_rng(6)
        integers = chance.integers(-WEIGHT_LIMIT, WEIGHT_LIMIT + 1, (WIDTH, WIDTH))
        integers[0] = WEIGHT_LIMIT
        whole = (integers * chance.uniform(0.01, 0.02, WIDTH)).astype(np.float32)
        constants[3] = numpy_helper.from_array(whole, "first")
        path = written((folder, constants, nodes))
        quantise.quantise(path, folder / "plain.onnx")
        made = {c.name: c for c in onnx.load(str(folder / "plain.onnx")).graph.initializer}
        assert np.array_equal(numpy_helper.to_array(made["first:int8"]), integers)

    def test_a_matrix_of_two_inputs_is_right_for_both(self, model):
        folder, constants, nodes = model
        nodes += [helper.make_node("MatMul", ["positive", "second"], ["d"])]
        path = written((folder, constants, nodes), ("a", "b", "c", "d"))
        quantise.quantise(path, folder / "learnt.onnx", samples(40))
        assert max(errors(path, folder / "learnt.onnx")) < 2e-3
        (second,) = (numpy_helper.to_array(c) for c in constants if c.name == "second")
        assert np.allclose(kept(folder / "learnt.onnx", "second"), second, atol=5e-3)

    def test_what_is_in_a_batch_does_not_matter(self, model):
        path = written(model)
        target = path.with_name("learnt.onnx")
        quantise.quantise(path, target, samples(40))
        ids = np.arange(60).reshape(6, 10)
        together = run(target, ids)
        for number, row in enumerate(ids):
            for alone, among in zip(run(target, row[None]), together, strict=True):
                assert np.allclose(alone[0], among[number], atol=1e-6)
