import keras
import numpy as np
import pytest
import tensorflow as tf

from tfvae.layers.dense import dense


def test_weights_and_bias_start_uniform_by_input_width():
    layer = dense(400, 25, name="layer")
    kernel, bias = layer.get_weights()
    assert kernel.shape == (25, 400)
    limit = 0.2
    for values in (kernel, bias):
        assert np.abs(values).max() <= limit
        variance, fourth = limit**2 / 3, limit**4 / 5
        error = ((fourth - variance**2) / values.size) ** 0.5
        assert abs((values**2).mean() - variance) < 4 * error


def test_maps_affinely_and_activates(rng):
    layer = dense(3, 2, activation="tanh", name="layer")
    kernel, bias = layer.get_weights()
    inputs = rng.normal(size=(4, 2)).astype("float32")
    expected = np.tanh(inputs @ kernel + bias)
    np.testing.assert_allclose(layer(inputs), expected, rtol=1e-5)


def test_without_bias():
    assert len(dense(3, 2, use_bias=False, name="layer").weights) == 1


def test_a_given_initializer_fills_kernel_and_bias():
    initializer = keras.initializers.Constant(0.5)
    layer = dense(3, 2, initializer=initializer, name="layer")
    assert all((weight == 0.5).all() for weight in layer.get_weights())


def test_two_layers_of_one_initializer_differ():
    initializer = keras.initializers.RandomNormal()
    first = dense(3, 2, initializer=initializer, name="first")
    second = dense(3, 2, initializer=initializer, name="second")
    assert (first.kernel.numpy() != second.kernel.numpy()).all()


def test_of_nothing_is_its_bias_in_a_graph_too():
    layer = dense(3, 0, activation="relu", name="layer")
    layer.bias.assign([1.0, -2.0, 3.0])
    graph = tf.function(layer, input_signature=[tf.TensorSpec([None, 0])])
    for run in (layer, graph):
        assert run(tf.zeros([2, 0])).numpy().tolist() == [[1.0, 0.0, 3.0]] * 2
    assert len(layer.weights) == 1


def test_of_nothing_needs_a_bias():
    with pytest.raises(ValueError, match="has no weights.*use_bias=False"):
        dense(3, 0, use_bias=False, name="layer")
