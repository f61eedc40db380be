import numpy as np
import pytest
import tensorflow as tf

from tfvae.decoders import Bridge


def built(hidden_dims=(), latent_dim=3, context_dim=None):
    bridge = Bridge(hidden_dims)
    bridge.build(latent_dim=latent_dim, context_dim=context_dim)
    return bridge


@pytest.fixture
def z(rng):
    return rng.normal(size=(2, 4, 3)).astype("float32")


@pytest.fixture
def context(rng):
    return rng.normal(size=(4, 5)).astype("float32")


def test_without_layers_the_memory_is_the_latent(z):
    bridge = built()
    assert bridge.memory_dim == 3
    assert bridge.weights == []
    assert (bridge(z).numpy() == z).all()


def test_without_layers_the_context_is_appended_to_every_sample(z, context):
    bridge = built(context_dim=5)
    assert bridge.memory_dim == 8
    memory = bridge(z, context).numpy()
    assert memory.shape == (2, 4, 8)
    assert (memory[..., :3] == z).all()
    assert (memory[..., 3:] == context).all()


def test_layers_are_relu_and_the_last_is_linear(z):
    bridge = built((7, 6))
    assert bridge.memory_dim == 6
    (kernel, bias), (last_kernel, last_bias) = (
        layer.get_weights() for layer in bridge.hidden_layers
    )
    expected = np.maximum(z @ kernel + bias, 0.0) @ last_kernel + last_bias
    np.testing.assert_allclose(bridge(z), expected, rtol=1e-4, atol=1e-6)


def test_layers_add_an_affine_map_of_the_context(z, context):
    bridge = built((6,), context_dim=5)
    assert bridge.memory_dim == 6
    kernel, bias = bridge.hidden_layers[0].get_weights()
    context_kernel, context_bias = bridge.context_layer.get_weights()
    expected = z @ kernel + bias + context @ context_kernel + context_bias
    np.testing.assert_allclose(bridge(z, context), expected, rtol=1e-4, atol=1e-6)


def test_keeps_leading_shape(z):
    assert built((6,))(tf.constant(z)).shape == (2, 4, 6)


def test_errors():
    with pytest.raises(ValueError, match=r"positive ints.*hidden_dims=\(4, 0\)"):
        Bridge((4, 0))
