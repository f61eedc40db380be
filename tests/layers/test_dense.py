import keras
import numpy as np
import pytest
import tensorflow as tf

from tfvae.layers import make_embedding
from tfvae.layers.dense import MLP, dense


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


def test_layers_by_hand(rng):
    network = MLP(3, (5, 4), 2, activation="tanh", name="network")
    kernels, biases = network.get_weights()[::2], network.get_weights()[1::2]
    inputs = rng.normal(size=(2, 6, 3)).astype("float32")
    expected = inputs
    for index in range(3):
        expected = expected @ kernels[index] + biases[index]
        expected = np.tanh(expected) if index < 2 else expected
    np.testing.assert_allclose(network(inputs), expected, rtol=1e-5, atol=1e-6)
    assert [kernel.shape for kernel in kernels] == [(3, 5), (5, 4), (4, 2)]


def test_without_hidden_layers_it_is_affine():
    assert len(MLP(3, (), 2, name="network").weights) == 2


def test_errors():
    with pytest.raises(ValueError, match="`hidden_dims` must hold positive.*0"):
        MLP(3, (4, 0), 2, name="network")


def test_start_as_a_standard_normal():
    layer = make_embedding(2000, 50)
    layer.build()
    values = np.asarray(layer.embeddings)
    # Four standard errors of 100,000 draws.
    assert abs(values.mean()) < 4.0 / np.sqrt(values.size)
    assert abs(values.var() - 1.0) < 4.0 * np.sqrt(2.0 / values.size)


def test_start_as_asked():
    layer = make_embedding(4, 3, keras.initializers.Constant(0.5))
    layer.build()
    np.testing.assert_array_equal(layer(np.array([1, 3])), np.full((2, 3), 0.5))
