import numpy as np
import pytest
import tensorflow as tf
from scipy import stats

from tests.support import make_vae
from tfvae.latents import Gaussian, GaussianMixture, Pushforward, StandardNormal
from tfvae.objectives import KL
from tfvae.seeds import as_seed


def built(base, latent_dim, hidden_dims=(), code_dim=4):
    latent = Pushforward(base, latent_dim, hidden_dims)
    latent.build(code_dim=code_dim)
    return latent


def test_the_network_by_hand(rng):
    latent = built(Gaussian(3), 2, (5,))
    code = rng.normal(size=(4, 4)).astype("float32")
    params = latent(code)
    z, log_q = latent.sample(params, 2, as_seed(1))
    assert log_q is None and not latent.has_density
    noise = latent.base.sample(params, 2, as_seed(1))[0].numpy()
    first, first_bias, last, last_bias = latent.network.get_weights()
    hidden = np.maximum(noise @ first + first_bias, 0)
    np.testing.assert_allclose(z, hidden @ last + last_bias, rtol=1e-4, atol=1e-6)
    mean = np.maximum(params["loc"].numpy() @ first + first_bias, 0) @ last + last_bias
    np.testing.assert_allclose(latent.mode(params), mean, rtol=1e-4, atol=1e-6)
    drawn = latent.distribution(params).sample(2, seed=as_seed(1))
    np.testing.assert_array_equal(drawn, z)


def test_gradients_reach_base_and_network(rng):
    latent = built(GaussianMixture(3, 2), 2, (5,))
    code = tf.constant(rng.normal(size=(4, 4)), tf.float32)
    with tf.GradientTape() as tape:
        z, _ = latent.sample(latent(code), 2, as_seed(1))
    for weight in latent.weights:
        assert weight.path
    gradients = tape.gradient(z, [weight.value for weight in latent.weights])
    assert all(np.any(gradient) for gradient in gradients)


def test_an_affine_network_of_a_gaussian_has_the_known_likelihood():
    # x = w . z + noise with z = A e + b and e ~ N(m, s ** 2).
    latent = built(Gaussian(3), 2, code_dim=0)
    params = latent(tf.zeros([1, 0]))
    kernel, bias = latent.network.get_weights()
    loc = params["loc"].numpy()[0]
    variance = np.exp(params["log_variance"].numpy()[0])
    weights, noise, x = np.array([1.2, -0.7]), 0.6, 0.8
    along = kernel @ weights
    mean = loc @ along + bias @ weights
    scale = np.sqrt(variance @ along**2 + noise**2)
    num = 200_000
    z = latent.sample(params, num, as_seed(3))[0].numpy()[:, 0]
    density = stats.norm(z @ weights, noise).pdf(x)
    excess = density.mean() - stats.norm(mean, scale).pdf(x)
    assert abs(excess) < 4 * density.std() / num**0.5


def test_a_density_is_refused():
    with pytest.raises(ValueError, match="needs a posterior with a density"):
        make_vae(posterior=Pushforward(Gaussian(3), 2), objective=[KL()])
    latent = built(StandardNormal(3), 2)
    with pytest.raises(NotImplementedError):
        latent.distribution(latent(tf.zeros([1, 4]))).log_prob(tf.zeros([1, 2]))
    with pytest.raises(ValueError, match="`hidden_dims` must hold positive"):
        Pushforward(StandardNormal(3), 2, (0,))
