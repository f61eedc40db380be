import numpy as np
import pytest
import tensorflow as tf

from tfvae.latents import Deep, Deterministic, Gaussian, VonMisesFisher
from tfvae.seeds import as_seed


def code_of(rng, *shape):
    return rng.normal(size=shape).astype("float32")


def test_the_network_by_hand(rng):
    latent = Deep(Gaussian(2), (5, 6))
    latent.build(code_dim=4)
    code = code_of(rng, 3, 4)
    hidden = code
    for kernel, bias in zip(*[iter(latent.hidden.get_weights())] * 2, strict=True):
        hidden = np.tanh(hidden @ kernel + bias)
    kernel, bias = latent.latent.heads["loc"].get_weights()
    expected = hidden @ kernel + bias
    params = latent(code)
    np.testing.assert_allclose(params["loc"], expected, rtol=1e-4, atol=1e-6)
    np.testing.assert_array_equal(latent.mode(params), params["loc"])
    z, log_q = latent.sample(params, 3, as_seed(1))
    density = latent.distribution(params).log_prob(z)
    np.testing.assert_allclose(log_q, density, rtol=1e-5)


def test_batch_normalisation_comes_before_the_activation(rng):
    latent = Deep(Deterministic(2), (5,), "relu", batch_normalization=True)
    latent.build(code_dim=4)
    code = code_of(rng, 6, 4)
    kernel, bias = latent.hidden.hidden_layers[0].get_weights()
    raw = code @ kernel + bias
    head, shift = latent.latent.head.get_weights()
    normed = (raw - raw.mean(0)) / np.sqrt(raw.var(0) + 1e-5)
    found = latent(code, training=True)["loc"]
    np.testing.assert_allclose(
        found, np.maximum(normed, 0) @ head + shift, rtol=1e-3, atol=1e-5
    )
    # Elsewhere a row does not depend on the others.
    np.testing.assert_allclose(latent(code)["loc"][:2], latent(code[:2])["loc"], 1e-5)


def test_without_a_code_it_is_one_distribution():
    latent = Deep(Gaussian(2), (5,))
    latent.build(code_dim=0)
    loc = latent(tf.zeros([3, 0]))["loc"]
    np.testing.assert_array_equal(loc[0], loc[2])


def test_it_is_what_the_latent_is():
    assert Deep(VonMisesFisher(3), (4,)).support == "sphere"
    assert not Deep(Deterministic(3), (4,)).has_density
    assert not Deep(Deterministic(3), (4,)).is_random


def test_errors():
    for widths in ((), (4, 0)):
        with pytest.raises(ValueError, match="`hidden_dims` must hold.*Received"):
            Deep(Gaussian(2), widths)
