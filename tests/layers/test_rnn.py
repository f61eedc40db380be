import keras
import numpy as np
import pytest

from tests.support import gru_step, lstm_step
from tfvae.layers import RNN
from tfvae.layers.rnn import uniform_by_width


@pytest.mark.parametrize(("cell", "gates", "weights"), [("lstm", 4, 3), ("gru", 3, 4)])
def test_weights_start_uniform_by_width(cell, gates, weights):
    layer = RNN(100, cell)
    layer.build(input_dim=30)
    assert len(layer.trainable_weights) == weights
    limit = 0.1
    for weight in layer.weights:
        values = weight.numpy()
        assert values.shape[-1] == gates * 100
        assert np.abs(values).max() <= limit
        # A uniform variable has mean 0, variance limit ** 2 / 3 and fourth moment
        # limit ** 4 / 5.
        variance, fourth = limit**2 / 3, limit**4 / 5
        assert abs(values.mean()) < 4 * (variance / values.size) ** 0.5
        error = ((fourth - variance**2) / values.size) ** 0.5
        assert abs((values**2).mean() - variance) < 4 * error


def test_weights_differ_under_one_initializer():
    layer = RNN(3, initializer=keras.initializers.RandomUniform(-1.0, 1.0))
    layer.build(input_dim=3)
    assert (layer.kernel.numpy() != layer.recurrent_kernel.numpy()).all()


def test_a_given_initializer_fills_every_weight():
    layer = RNN(3, "gru", initializer="ones")
    layer.build(input_dim=2)
    assert all((weight.numpy() == 1.0).all() for weight in layer.weights)


def test_normalised_gates_begin_plain_but_for_forgetting():
    layer = RNN(3, "layer_norm_lstm", initializer="ones")
    layer.build(input_dim=2)
    assert (layer.kernel.numpy() == 1.0).all()
    assert (layer.scale.numpy() == np.ones(15)).all()
    # Input, forget, candidate, output, memory cell.
    assert layer.bias.numpy().tolist() == [0] * 3 + [1] * 3 + [0] * 9


def test_inputs_in_common_do_not_saturate_normalised_gates(rng):
    layer = RNN(50, "layer_norm_lstm")
    layer.build(input_dim=3)
    inputs = rng.normal(size=(6, 4, 3)).astype("float32")
    states = layer(inputs * 1e4).numpy()
    assert np.abs(states).max() < 0.999
    np.testing.assert_allclose(states, layer(inputs * 1e5), atol=1e-3)


def test_width_zero_has_a_finite_range():
    assert uniform_by_width(0).maxval == 1.0


@pytest.mark.parametrize("cell", ["lstm", "layer_norm_lstm", "gru"])
def test_steps_one_by_one(cell, rng):
    layer = RNN(4, cell)
    layer.build(input_dim=3)
    sequence = layer.project(rng.normal(size=(5, 2, 3)).astype("float32"))
    start = tuple(
        rng.normal(size=(2, 4)).astype("float32") for _ in layer.initial_state(2)
    )
    expected = layer.unroll(sequence, start)
    state = start
    for step, projected in enumerate(sequence):
        state = layer.advance(projected, state)
        for found, whole in zip(state, expected, strict=True):
            np.testing.assert_allclose(found, whole[step], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_call_runs_from_the_zero_state(cell, rng):
    layer = RNN(4, cell)
    layer.build(input_dim=3)
    sequence = rng.normal(size=(5, 2, 3)).astype("float32")
    kernel, recurrent, bias, *rest = (weight.numpy() for weight in layer.weights)
    state = memory = np.zeros((2, 4))
    expected = []
    for x in sequence @ kernel + bias:
        if cell == "lstm":
            state, memory = lstm_step(x, state, memory, recurrent)
        else:
            state = gru_step(x, state, recurrent, rest[0])
        expected.append(state)
    found = layer(sequence)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_mixed_precision_runs_in_the_compute_type(cell, rng):
    layer = RNN(4, cell, dtype="mixed_bfloat16")
    layer.build(input_dim=3)
    sequence = rng.normal(size=(5, 2, 3)).astype("float32")
    states = layer.unroll(layer.project(sequence), layer.initial_state(2))
    assert {values.dtype.name for values in states} == {"bfloat16"}
    plain = RNN(4, cell)
    plain.build(input_dim=3)
    plain.set_weights(layer.get_weights())
    # Eight bits of mantissa, five steps of values below 1.
    np.testing.assert_allclose(
        np.asarray(states[0], "float32"), plain(sequence), atol=0.05
    )


def test_errors():
    with pytest.raises(
        ValueError, match=r"\['gru', 'layer_norm_lstm', 'lstm'\].*'rnn'"
    ):
        RNN(4, "rnn")
    with pytest.raises(ValueError, match="positive.*hidden_dim=0"):
        RNN(0)
