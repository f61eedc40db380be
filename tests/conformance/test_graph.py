"""A part does in a graph, with and without XLA, what it does step by step."""

import numpy as np
import pytest
import tensorflow as tf

from tests.conformance.parts import PARTS, over_parts
from tfvae.seeds import as_seed

# XLA takes seconds for each: by default one component of a kind.
COMPILED = {row.kind: row for row in reversed(PARTS)}.values()


@pytest.mark.long
@pytest.mark.parametrize(
    "row", list(COMPILED), ids=lambda row: f"{row.kind}-{row.name}"
)
def test_xla_with_unknown_shapes(row):
    check(row, jit_compile=True)


# XLA traces what a plain graph traces, so only whole models run both ways.
@pytest.mark.slow
@over_parts()
def test_xla_of_every_component(row):
    check(row, jit_compile=True)


@over_parts("model")
def test_graph_with_unknown_shapes(row):
    check(row, jit_compile=False)


def check(row, jit_compile):
    part = row.built()
    specs = {
        name: tf.TensorSpec(shape, dtype)
        for name, (shape, dtype) in row.usage.specs.items()
    }
    graph = tf.function(
        lambda inputs, seed: row.usage.run(part, inputs, seed),
        input_signature=[specs, tf.TensorSpec([2], tf.int32)],
        jit_compile=jit_compile,
    )
    found = graph(row.usage.inputs(), as_seed(1))
    tf.nest.map_structure(assert_close, found, row.run(part))


def assert_close(found, expected):
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
