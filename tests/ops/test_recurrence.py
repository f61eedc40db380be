import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.support import gru_step, layer_norm_lstm_step, lstm_step
from tfvae.ops.recurrence import gru, layer_norm_lstm, lstm

STEPS, ROWS, WIDTH, INPUTS = 4, 3, 3, 5


def lstm_arguments(rng, dtype="float64"):
    shapes = [(STEPS, ROWS, 4 * WIDTH), (ROWS, WIDTH), (ROWS, WIDTH)]
    shapes.append((WIDTH, 4 * WIDTH))
    return [rng.normal(size=shape).astype(dtype) for shape in shapes]


def layer_norm_arguments(rng, dtype="float64"):
    scale, bias = rng.normal(size=(2, 5 * WIDTH)).astype(dtype)
    return [*lstm_arguments(rng, dtype), scale, bias]


def gru_arguments(rng, dtype="float64"):
    shapes = [(STEPS, ROWS, 3 * WIDTH), (ROWS, WIDTH), (WIDTH, 3 * WIDTH), (3 * WIDTH,)]
    return [rng.normal(size=shape).astype(dtype) for shape in shapes]


def numpy_lstm(inputs, state, cell, kernel):
    states, cells = [], []
    for x in inputs:
        state, cell = lstm_step(x, state, cell, kernel)
        states.append(state)
        cells.append(cell)
    return np.stack(states), np.stack(cells)


def numpy_layer_norm_lstm(inputs, state, cell, *weights):
    states, cells = [], []
    for x in inputs:
        state, cell = layer_norm_lstm_step(x, state, cell, *weights)
        states.append(state)
        cells.append(cell)
    return np.stack(states), np.stack(cells)


def numpy_gru(inputs, state, kernel, bias):
    states = []
    for x in inputs:
        state = gru_step(x, state, kernel, bias)
        states.append(state)
    return (np.stack(states),)


def plain_lstm(inputs, state, cell, kernel):
    """The layer in plain TensorFlow, unrolled, for automatic gradients."""
    states, cells = [], []
    for x in tf.unstack(inputs):
        i, f, g, o = tf.split(x + state @ kernel, 4, axis=-1)
        cell = tf.sigmoid(f) * cell + tf.sigmoid(i) * tf.tanh(g)
        state = tf.sigmoid(o) * tf.tanh(cell)
        states.append(state)
        cells.append(cell)
    return tf.stack(states), tf.stack(cells)


def plain_layer_norm_lstm(inputs, state, cell, kernel, scale, bias):
    """The layer in plain TensorFlow, unrolled, for automatic gradients."""

    def normed(values, scale, bias):
        mean, variance = tf.nn.moments(values, -1, keepdims=True)
        return tf.nn.batch_normalization(values, mean, variance, bias, scale, 1e-6)

    scales, biases = tf.split(scale, 5), tf.split(bias, 5)
    states, cells = [], []
    for x in tf.unstack(inputs):
        gates = tf.split(x + state @ kernel, 4, axis=-1)
        i, f, g, o = map(normed, gates, scales[:4], biases[:4])
        cell = tf.sigmoid(f) * cell + tf.sigmoid(i) * tf.tanh(g)
        cell = normed(cell, scales[4], biases[4])
        state = tf.sigmoid(o) * tf.tanh(cell)
        states.append(state)
        cells.append(cell)
    return tf.stack(states), tf.stack(cells)


def plain_gru(inputs, state, kernel, bias):
    """The layer in plain TensorFlow, unrolled, for automatic gradients."""
    states = []
    for x in tf.unstack(inputs):
        z, r, n = tf.split(x, 3, axis=-1)
        rz, rr, rn = tf.split(state @ kernel + bias, 3, axis=-1)
        z, r = tf.sigmoid(z + rz), tf.sigmoid(r + rr)
        state = (1.0 - z) * tf.tanh(n + r * rn) + z * state
        states.append(state)
    return (tf.stack(states),)


def run_gru(*arguments):
    return (gru(*arguments),)


CASES = {
    "lstm": (lstm, numpy_lstm, plain_lstm, lstm_arguments),
    "layer_norm_lstm": (
        layer_norm_lstm,
        numpy_layer_norm_lstm,
        plain_layer_norm_lstm,
        layer_norm_arguments,
    ),
    "gru": (run_gru, numpy_gru, plain_gru, gru_arguments),
}


def value_and_gradients(function, arguments, upstream):
    """Returns outputs and the gradients of a weighted sum of them."""
    arguments = [tf.convert_to_tensor(value) for value in arguments]
    with tf.GradientTape() as tape:
        tape.watch(arguments)
        outputs = function(*arguments)
        total = tf.add_n(
            [
                tf.reduce_sum(output * weight)
                for output, weight in zip(outputs, upstream, strict=True)
            ]
        )
    return outputs, tape.gradient(total, arguments)


def upstream_of(rng, outputs):
    return [rng.normal(size=(STEPS, ROWS, WIDTH)) for _ in range(outputs)]


@pytest.fixture(params=sorted(CASES))
def case(request, rng):
    function, reference, plain, arguments = CASES[request.param]
    return function, reference, plain, arguments(rng)


def test_outputs_are_those_of_a_numpy_loop(case):
    function, reference, _, arguments = case
    for found, expected in zip(
        function(*arguments), reference(*arguments), strict=True
    ):
        np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_gradients_are_those_of_a_plain_loop(case, rng):
    function, _, plain, arguments = case
    upstream = upstream_of(rng, len(function(*arguments)))
    _, found = value_and_gradients(function, arguments, upstream)
    _, expected = value_and_gradients(plain, arguments, upstream)
    for one, other in zip(found, expected, strict=True):
        assert np.abs(other).max() > 0.01
        np.testing.assert_allclose(one, other, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("compiled", [False, True])
def test_graph_with_unknown_length_and_batch(case, rng, compiled):
    function, reference, plain, arguments = case
    upstream = upstream_of(rng, len(function(*arguments)))
    # Inputs and states are of any size, weights are not.
    num_data = 2 if function is run_gru else 3
    data, kept = arguments[:num_data], arguments[num_data:]
    loose = [
        tf.TensorSpec([None] * (value.ndim - 1) + [value.shape[-1]], value.dtype)
        for value in data
    ]
    loose += [tf.TensorSpec(value.shape, value.dtype) for value in kept]
    weights = tf.TensorSpec([None, None, WIDTH], tf.float64)

    @tf.function(
        input_signature=[loose, [weights] * len(upstream)], jit_compile=compiled
    )
    def run(arguments, upstream):
        return value_and_gradients(function, arguments, upstream)

    outputs, gradients = run(arguments, upstream)
    for found, expected in zip(outputs, reference(*arguments), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-10)
    _, expected = value_and_gradients(plain, arguments, upstream)
    for found, other in zip(gradients, expected, strict=True):
        np.testing.assert_allclose(found, other, rtol=1e-8, atol=1e-10)


def test_gradient_through_one_output_alone(rng):
    arguments = lstm_arguments(rng)
    tensors = [tf.convert_to_tensor(value) for value in arguments]
    for function in (lstm, plain_lstm):
        with tf.GradientTape() as tape:
            tape.watch(tensors)
            total = tf.reduce_sum(function(*tensors)[1][-1])
        gradients = tape.gradient(total, tensors)
        if function is lstm:
            found = gradients
    for one, other in zip(found, gradients, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_is_the_layer_of_keras(cell, rng):
    sequence = rng.normal(size=(ROWS, STEPS, INPUTS)).astype("float32")
    layer = {"lstm": keras.layers.LSTM, "gru": keras.layers.GRU}[cell](
        WIDTH, return_sequences=True
    )
    layer.build(sequence.shape)
    weights = [rng.normal(size=w.shape).astype("float32") for w in layer.weights]
    layer.set_weights(weights)
    kernel, recurrent_kernel, bias = weights
    zeros = tf.zeros([ROWS, WIDTH])
    time_major = sequence.transpose(1, 0, 2)
    if cell == "lstm":
        states, _ = lstm(time_major @ kernel + bias, zeros, zeros, recurrent_kernel)
    else:
        states = gru(time_major @ kernel + bias[0], zeros, recurrent_kernel, bias[1])
    expected = np.transpose(layer(sequence), (1, 0, 2))
    np.testing.assert_allclose(states, expected, rtol=1e-4, atol=1e-6)
