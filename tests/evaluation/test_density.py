import numpy as np
import pytest
import tensorflow as tf
from scipy import special, stats

from tfvae.evaluation.density import (
    ExactGaussian,
    exact_mean,
    is_random,
    mean_of_draws,
    with_density,
)
from tfvae.latents import Deterministic, Gaussian, Implicit, PlanarFlow, VonMisesFisher
from tfvae.seeds import as_seed


def made(latent, rng):
    latent.build((None, 4))
    return latent, latent(rng.normal(size=(3, 4)).astype("float32"))


def test_a_linear_implicit_posterior_has_the_density_of_a_gaussian(rng):
    latent, params = made(Implicit(2, 3), rng)
    exact = with_density(latent, params)
    assert isinstance(exact, ExactGaussian) and exact.has_density
    z, log_q = exact.sample(params, 2, as_seed(1))
    np.testing.assert_array_equal(z, latent.sample(params, 2, as_seed(1))[0])
    kernel = latent.of_noise.get_weights()[0]
    for row in range(3):
        mean = latent.point(params).numpy()[row]
        gaussian = stats.multivariate_normal(mean, kernel.T @ kernel)
        np.testing.assert_allclose(log_q[:, row], gaussian.logpdf(z[:, row]), rtol=1e-4)


@pytest.mark.parametrize(
    "latent", [Implicit(2, hidden_dims=(5,)), Implicit(2, 1), Gaussian(2)]
)
def test_others_stay_what_they_are(rng, latent):
    assert with_density(*made(latent, rng)) is latent


def test_means(rng):
    latent, params = made(VonMisesFisher(5, 7.0), rng)
    mean = exact_mean(latent.distribution(params))
    ratio = special.ive(2.5, 7.0) / special.ive(1.5, 7.0)
    np.testing.assert_allclose(mean, ratio * latent.point(params), rtol=1e-4)
    latent, params = made(Gaussian(2), rng)
    np.testing.assert_array_equal(
        exact_mean(latent.distribution(params)), params["loc"]
    )
    for latent in (Implicit(2, hidden_dims=(5,)), PlanarFlow(2)):
        latent, params = made(latent, rng)
        assert exact_mean(latent.distribution(params)) is None


def test_mean_of_draws_by_hand(rng):
    z = rng.normal(size=(6, 3, 2)).astype("float32")
    mean, noise = mean_of_draws(tf.constant(z), 6)
    np.testing.assert_allclose(mean, z.mean(0), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(noise, z.var(0, ddof=1) / 6, rtol=1e-5)


def test_only_points_are_not_random(rng):
    latent, params = made(Deterministic(2), rng)
    assert not is_random(latent.distribution(params))
    latent, params = made(Implicit(2, hidden_dims=(5,)), rng)
    assert is_random(latent.distribution(params))
