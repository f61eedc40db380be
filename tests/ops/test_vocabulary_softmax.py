import numpy as np
import pytest
import tensorflow as tf

from tests.support import log_softmax
from tfvae.ops.vocabulary_softmax import token_log_probs

ROWS, WIDTH, WORDS = 7, 3, 5


@pytest.fixture
def arguments(rng):
    return (
        rng.normal(size=(ROWS, WIDTH)).astype("float32"),
        rng.normal(size=(WIDTH, WORDS)).astype("float32"),
        rng.normal(size=WORDS).astype("float32"),
        rng.integers(0, WORDS, ROWS).astype("int32"),
    )


def reference(hidden, kernel, bias, targets):
    scores = log_softmax(hidden.astype("float64") @ kernel + bias)
    return scores[np.arange(len(targets)), targets]


def reference_gradients(hidden, kernel, bias, targets, upstream):
    """The gradients by hand: onehot minus softmax, times the upstream."""
    probabilities = np.exp(log_softmax(hidden.astype("float64") @ kernel + bias))
    d_logits = upstream[:, None] * (np.eye(WORDS)[targets] - probabilities)
    return d_logits @ kernel.T, hidden.T @ d_logits, d_logits.sum(0)


def value_and_gradients(arguments, upstream, chunk_size):
    *weights, targets = [tf.convert_to_tensor(value) for value in arguments]
    with tf.GradientTape() as tape:
        tape.watch(weights)
        values = token_log_probs(*weights, targets, chunk_size=chunk_size)
        total = tf.reduce_sum(values * upstream)
    return values, tape.gradient(total, weights)


def check(arguments, upstream, values, gradients):
    np.testing.assert_allclose(values, reference(*arguments), rtol=1e-5)
    expected = reference_gradients(*arguments, upstream)
    for found, other in zip(gradients, expected, strict=True):
        np.testing.assert_allclose(found, other, rtol=1e-4, atol=1e-6)


# Seven rows: a chunk that divides them, two that leave a rest, one that is larger.
@pytest.mark.parametrize("chunk_size", [None, 1, 3, 7, 10])
def test_values_and_gradients(arguments, rng, chunk_size):
    upstream = rng.normal(size=ROWS).astype("float32")
    check(arguments, upstream, *value_and_gradients(arguments, upstream, chunk_size))


@pytest.mark.parametrize("chunk_size", [None, 3])
@pytest.mark.parametrize("compiled", [False, True])
def test_graph_with_unknown_number_of_rows(arguments, rng, chunk_size, compiled):
    upstream = rng.normal(size=ROWS).astype("float32")
    specs = [
        tf.TensorSpec([None, WIDTH]),
        tf.TensorSpec([WIDTH, WORDS]),
        tf.TensorSpec([WORDS]),
        tf.TensorSpec([None], tf.int32),
    ]

    @tf.function(input_signature=[specs, tf.TensorSpec([None])], jit_compile=compiled)
    def run(arguments, upstream):
        return value_and_gradients(arguments, upstream, chunk_size)

    check(arguments, upstream, *run(list(arguments), upstream))


def test_large_logits_stay_finite():
    hidden = tf.constant([[1000.0, 0.0]])
    found = token_log_probs(hidden, tf.eye(2), tf.zeros(2), [1])
    assert found.numpy().tolist() == [-1000.0]


def test_half_precision_is_reduced_in_float32(arguments):
    hidden, kernel, bias, targets = arguments
    half = [tf.cast(value, tf.bfloat16) for value in (hidden, kernel, bias)]
    found = token_log_probs(*half, targets)
    assert found.dtype == tf.float32
    # bfloat16 keeps 8 bits: logits of size 3 are off by about 3 / 256 each.
    np.testing.assert_allclose(found, reference(*arguments), atol=0.1)
