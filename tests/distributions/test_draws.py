import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

from tfvae.distributions.draws import draw
from tfvae.distributions.spherical_uniform import SphericalUniform
from tfvae.seeds import as_seed

tfd = tfp.distributions
LOC = np.float32([[1.0, -2.0]])
FACTOR = np.float32([[2.0, 0.0], [-1.0, 0.5]])


@pytest.mark.parametrize("covariance", ["diagonal", "full"])
def test_gaussians(covariance):
    num = 20000
    if covariance == "full":
        distribution = tfd.MultivariateNormalTriL(LOC, FACTOR)
        expected = FACTOR @ FACTOR.T
    else:
        distribution = tfd.Independent(tfd.Normal(LOC, [[2.0, 0.5]]), 1)
        expected = np.diag([4.0, 0.25])
    z = draw(distribution, num, as_seed(0)).numpy()[:, 0]
    deviation = np.diag(expected) ** 0.5
    assert (abs(z.mean(0) - LOC[0]) < 4 * deviation / num**0.5).all()
    # The variance of a product of two normal coordinates.
    spread = np.outer(deviation, deviation) ** 2 + expected**2
    assert (abs(np.cov(z.T) - expected) < 4 * (spread / num) ** 0.5).all()


def test_the_same_with_xla():
    def run(loc):
        scale = tf.ones_like(loc)
        diagonal = tfd.Independent(tfd.Normal(loc, scale), 1)
        full = tfd.MultivariateNormalTriL(loc, FACTOR)
        sphere = SphericalUniform(2, tf.shape(loc)[:1])
        return [draw(each, 3, as_seed(4)) for each in (diagonal, full, sphere)]

    spec = tf.TensorSpec([None, 2])
    found = tf.function(run, input_signature=[spec], jit_compile=True)(LOC)
    for one, other in zip(found, run(tf.constant(LOC)), strict=True):
        assert one.shape == (3, 1, 2)
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)
