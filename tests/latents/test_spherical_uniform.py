import numpy as np
import pytest
import tensorflow as tf

from tfvae.distributions.polar_angle import log_sphere_area
from tfvae.latents import SphericalUniform
from tfvae.seeds import as_seed


def test_samples_and_density():
    prior = SphericalUniform(3)
    prior.build((None, 0))
    params = prior(tf.zeros([4, 0]))
    z, log_p = prior.sample(params, 2, as_seed(0))
    assert z.shape == (2, 4, 3)
    np.testing.assert_allclose(np.linalg.norm(z, axis=-1), 1.0, rtol=1e-6)
    np.testing.assert_allclose(log_p, np.full((2, 4), -np.log(4 * np.pi)), rtol=1e-6)
    assert log_sphere_area(3) == pytest.approx(np.log(4 * np.pi))
    assert prior.support == "sphere"
    assert prior.weights == []


def test_point_is_on_the_sphere():
    prior = SphericalUniform(3)
    assert prior.point(prior(tf.zeros([2, 0]))).numpy().tolist() == [[1, 0, 0]] * 2


def test_errors():
    with pytest.raises(ValueError, match="`latent_dim` must be at least 2.*=1"):
        SphericalUniform(1)
