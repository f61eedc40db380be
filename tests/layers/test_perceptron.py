import numpy as np
import pytest

from tfvae.layers.perceptron import Perceptron


def test_layers_by_hand(rng):
    network = Perceptron(3, (5, 4), 2, activation="tanh", name="network")
    kernels, biases = network.get_weights()[::2], network.get_weights()[1::2]
    inputs = rng.normal(size=(2, 6, 3)).astype("float32")
    expected = inputs
    for index in range(3):
        expected = expected @ kernels[index] + biases[index]
        expected = np.tanh(expected) if index < 2 else expected
    np.testing.assert_allclose(network(inputs), expected, rtol=1e-5, atol=1e-6)
    assert [kernel.shape for kernel in kernels] == [(3, 5), (5, 4), (4, 2)]


def test_without_hidden_layers_it_is_affine():
    assert len(Perceptron(3, (), 2, name="network").weights) == 2


def test_errors():
    with pytest.raises(ValueError, match="`hidden_dims` must hold positive.*0"):
        Perceptron(3, (4, 0), 2, name="network")
